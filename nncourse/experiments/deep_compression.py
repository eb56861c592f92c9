"""Deep Compression's three steps for the two networks it began with, and the dense control.

Prune in rounds with training in between, train what is left, share the levels of the kept weights, train
the levels. The control takes the same number of steps of the same rates with nothing pruned or shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nncourse.experiments import compressed_file, network_cache, subject
from nncourse.pruners import schedules, scope
from nncourse.pruners.masked import masks_of, plain, weights_of, with_masks
from nncourse.pruners.masks import Mask
from nncourse.quantizers import shared_weights
from nncourse.quantizers.fine_tuning import plain_tensors
from nncourse.zoo import checkpoints, datasets, pruning, training
from nncourse.zoo.pruning import Pruned
from nncourse.zoo.training import Recipe


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a network is taken from dense to shared weights: three phases of training.

    rounds   of pruning, each followed by one epoch of ``pruning``
    pruning, healing, sharing  what trains in a round, after the last cut, and once levels are shared
    num_pruning_images, num_healing_images, num_sharing_images  drawn anew for each round and each later
             phase, from the images there are
    """

    rounds: int
    pruning: Recipe
    healing: Recipe
    sharing: Recipe
    num_pruning_images: int
    num_healing_images: int
    num_sharing_images: int


COURSES = {
    "lenet-300-100": Course(
        rounds=2,
        pruning=Recipe(epochs=1, learning_rate=3e-3, weight_decay=0.01, shift_pixels=1),
        healing=Recipe(epochs=16, learning_rate=3e-3, weight_decay=0.01, shift_pixels=1),
        sharing=Recipe(epochs=2, learning_rate=1e-3, shift_pixels=1),
        num_pruning_images=55_000,
        num_healing_images=55_000,
        num_sharing_images=55_000,
    ),
    "lenet-5": Course(
        rounds=4,
        pruning=Recipe(epochs=1, batch=64, learning_rate=2e-3, weight_decay=0.01, shift_pixels=1),
        healing=Recipe(epochs=1, batch=64, learning_rate=2e-3, weight_decay=0.01, shift_pixels=1),
        sharing=Recipe(epochs=1, batch=64, learning_rate=5e-4, shift_pixels=1),
        num_pruning_images=8_000,
        num_healing_images=40_000,
        num_sharing_images=16_000,
    ),
}
"""As short as still came close to the control on the validation split, seed 0; rates by the same split."""

BITS = {
    "lenet-300-100": {"fc1": 4, "fc2": 4, "fc3": 5},
    "lenet-5": {"conv1": 5, "conv2": 4, "fc1": 3, "fc2": 4},
}
"""Width of a code, by layer: the fewest that cost next to nothing on the validation split, seed 0."""

DENSITIES = {
    "lenet-300-100": (0.1, 0.06),
    "lenet-5": (0.08, 0.05),
}
"""Shares of the weights that stay: the points of the frontier."""

EXAMPLES = {"lenet-300-100": 0.06, "lenet-5": 0.05}
"""Density of the compressed network that comes with the course: that of seed 0, adaptively coded."""

CODE = (
    "pruners.masks",
    "pruners.masked",
    "pruners.schedules",
    "pruners.scope",
    "zoo.pruning",
    "zoo.training",
    "zoo.seeding",
)
"""Modules that decide the pruned weights, together with the first weights, the data and the course."""

SHARING_CODE = ("quantizers.shared_weights", "quantizers.codebook", "quantizers.kmeans")


def control(name: str, *, seed: int) -> nn.Module:
    """Network ``name`` of ``seed`` after all steps of its course, nothing pruned, nothing shared."""
    healed = pruned(name, 1.0, seed=seed).network
    return _trained(name, healed, "control", seed=seed, parts=())


def compressed(name: str, density: float, *, seed: int) -> nn.Module:
    """Network ``name`` of ``seed``, pruned, its levels shared and trained.

    density  share of the weights that stay
    """
    start = shared(name, pruned(name, density, seed=seed))
    parts = (repr(BITS[name]), *network_cache.code(SHARING_CODE))
    return _trained(name, start, f"shared-{density:g}", seed=seed, parts=parts)


def pruned(name: str, density: float, *, seed: int) -> Pruned:
    """Network ``name`` of ``seed`` after the rounds and the healing of its course.

    name     a key of ``COURSES``
    density  share of the weights that stay; at 1 nothing is masked
    seed     of the first training, and of all later ones
    """
    model = subject.network(name, seed=seed)
    course, data = COURSES[name], checkpoints.DATA[name]
    plan = schedules.cubic(1.0 - density, rounds=course.rounds)
    whole = {key: np.ones(value.shape, dtype=bool) for key, value in weights_of(model).items()}

    def train() -> nn.Module:
        images, held_out = datasets.load(data, "train"), datasets.load(data, "validation")
        cut = pruning.prune(
            model,
            images,
            held_out,
            schedule=plan,
            choose=masks,
            recipe=course.pruning,
            seed=seed,
            images_per_round=min(course.num_pruning_images, len(images)),
        )
        healed = training.train(
            with_masks(cut.network, cut.masks),
            _drawn(images, course.num_healing_images, seed=_later(seed, 1)),
            held_out,
            recipe=course.healing,
            seed=_later(seed, 1),
        ).network
        return with_masks(healed, whole | masks_of(healed))

    masked = network_cache.fetch(
        "deep-compression",
        f"{name}-seed{seed}-pruned-{density:g}",
        parts=[
            *network_cache.identity(model),
            *(repr(replace(course, sharing=Recipe(epochs=1), num_sharing_images=0)), repr(plan)),
            *(str(seed), torch.__version__, datasets.fingerprint(data)),
            *network_cache.code(CODE),
        ],
        form=with_masks(model, whole),
        make=train,
    )
    return Pruned(network=plain(masked), masks=masks_of(masked))


def untrained(name: str, density: float, *, seed: int) -> Pruned:
    """Network ``name`` of ``seed``, cut to ``density`` at once and not trained."""
    model = subject.network(name, seed=seed)
    chosen = masks(weights_of(model), 1.0 - density)
    return Pruned(network=plain(with_masks(model, chosen)), masks=chosen)


def example(name: str) -> bytes:
    """The file that comes with the course of the compressed network ``name`` of seed 0.

    >>> len(example("lenet-300-100")) * 50 < 4 * 266_610
    True
    """
    if name not in EXAMPLES:
        raise ValueError(f"name is one of {', '.join(EXAMPLES)}; got {name!r}")
    return (checkpoints.STORED / f"{name}.nnc").read_bytes()


def keep_example(name: str) -> Path:
    """The path of the file of :func:`example`, trained and coded again."""
    network = compressed(name, EXAMPLES[name], seed=0)
    path = checkpoints.STORED / f"{name}.nnc"
    path.write_bytes(
        compressed_file.store(
            "adaptive", plain_tensors(network), shared_weights.shared_tensors(network)
        )
    )
    return path


def masks(weights: Mapping[str, NDArray[np.float32]], sparsity: float) -> dict[str, Mask]:
    """The masks of one round: all layers in one ranking by the layer-adaptive score."""
    scores = {name: scope.layer_adaptive(weight) for name, weight in weights.items()}
    return scope.global_masks(scores, sparsity=sparsity)


def shared(name: str, pruned: Pruned) -> nn.Module:
    """``pruned``, of the network ``name``, with shared levels as they are before any training of them."""
    bits = {f"{layer}.weight": width for layer, width in BITS[name].items()}
    return shared_weights.share(pruned.network, pruned.masks, bits=bits)


def _trained(
    name: str, start: nn.Module, stem: str, *, seed: int, parts: tuple[str, ...]
) -> nn.Module:
    """``start`` after the last phase of the course."""
    course, data = COURSES[name], checkpoints.DATA[name]

    def train() -> nn.Module:
        images = datasets.load(data, "train")
        return training.train(
            start,
            _drawn(images, course.num_sharing_images, seed=_later(seed, 2)),
            datasets.load(data, "validation"),
            recipe=course.sharing,
            seed=_later(seed, 2),
        ).network

    return network_cache.fetch(
        "deep-compression",
        f"{name}-seed{seed}-{stem}",
        parts=[
            *network_cache.identity(start),
            *(repr((course.sharing, course.num_sharing_images)), str(seed)),
            *(torch.__version__, datasets.fingerprint(data)),
            *network_cache.code(("zoo.training", "zoo.seeding")),
            *parts,
        ],
        form=start,
        make=train,
    )


def _drawn(images: datasets.Images, wanted: int, *, seed: int) -> datasets.Images:
    return images[np.random.default_rng(seed).permutation(len(images))[:wanted]]


def _later(seed: int, phase: int) -> int:
    # Each phase draws its own order of the images, and no two networks share one.
    return 1000 * phase + seed
