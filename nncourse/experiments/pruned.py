"""Networks pruned in rounds and kept in the cache: every arm of the pruning experiments.

All arms of a network train for the same number of steps, the dense control too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from nncourse import pruned_file
from nncourse.accelerator import Gemm
from nncourse.experiments import channel_shape, network_cache, shapes, subject
from nncourse.pruners import schedules
from nncourse.pruners.masked import masks_of, plain, weights_of, with_masks
from nncourse.pruners.masks import Mask
from nncourse.zoo import checkpoints, datasets, networks, pruning
from nncourse.zoo.pruning import Pruned
from nncourse.zoo.training import Recipe

ROUNDS = 4
IMAGES_PER_ROUND = 9_600
NUM_VALIDATION_IMAGES = 1000  # a round is one epoch: there is nothing to choose by them
RECIPES = {
    "lenet-300-100": Recipe(epochs=1, batch=64, learning_rate=2e-3, shift_pixels=1),
    "lenet-5": Recipe(epochs=1, batch=64, learning_rate=2e-3, shift_pixels=1),
    "resnet-8": Recipe(epochs=1, batch=64, learning_rate=1e-3, shift_pixels=1),
    "mobilenet-10": Recipe(epochs=1, batch=64, learning_rate=2e-3, shift_pixels=1),
}
"""One round of each network: 150 steps. The rates did best on the validation split, seed 0."""

CODE = (
    "experiments.shapes",
    "pruners.masks",
    "pruners.masked",
    "pruners.schedules",
    "pruners.scope",
    "zoo.pruning",
    "zoo.training",
    "zoo.seeding",
)
"""Modules that decide the pruned weights, together with the first weights, the data and the plan."""

CHANNEL_CODE = (
    "experiments.channel_shape",
    "pruners.channel_calls",
    "pruners.channel_choice",
    "pruners.channel_following",
    "pruners.channel_trace",
    "pruners.channel_union",
    "pruners.channels",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a network is pruned.

    density   share of the weights that stay, of those that the shape may prune
    shape     of ``shapes.chosen``, or "channel", or "dense"
    schedule  "iterative", which is ``schedules.cubic``, or "one-shot"
    """

    density: float
    shape: str = "global"
    schedule: str = "iterative"

    def sparsities(self) -> tuple[float, ...]:
        """The sparsity of each round."""
        if self.shape == "dense":
            return (0.0,) * ROUNDS
        make = {"iterative": schedules.cubic, "one-shot": schedules.one_shot}[self.schedule]
        return make(1.0 - self.density, rounds=ROUNDS)


CONTROL = Plan(density=1.0, shape="dense")


def pruned(name: str, plan: Plan, *, seed: int) -> Pruned:
    """Network ``name`` of ``seed`` after all rounds of ``plan``.

    name  a key of ``RECIPES``
    plan  of the arm
    seed  of the first training, and of the rounds
    """
    model = subject.network(name, seed=seed)
    data = checkpoints.DATA[name]
    by_channel = plan.shape == "channel"
    choose: pruning.Chooser = (
        channel_shape.chooser(model, networks.example_input(name))
        if by_channel
        else lambda weights, sparsity: shapes.chosen(plan.shape, weights, sparsity, seed=seed)
    )
    # Every tensor that may lose something is masked in the form, so that all arms of a kind fit it.
    maskable = {
        key: value for key, value in model.named_parameters() if by_channel or value.dim() > 1
    }
    whole = {key: np.ones(tuple(value.shape), dtype=bool) for key, value in maskable.items()}

    def train() -> nn.Module:
        result = pruning.prune(
            model,
            datasets.load(data, "train"),
            datasets.load(data, "validation")[:NUM_VALIDATION_IMAGES],
            schedule=plan.sparsities(),
            choose=choose,
            recipe=RECIPES[name],
            seed=seed,
            images_per_round=IMAGES_PER_ROUND,
        )
        return with_masks(result.network, whole | dict(result.masks))

    masked = network_cache.fetch(
        "pruned",
        f"{name}-seed{seed}-{plan.shape.replace(':', '-of-')}-{plan.schedule}-{plan.density:g}",
        parts=[
            *network_cache.identity(model),
            *(repr(RECIPES[name]), repr(plan), repr(plan.sparsities()), str(seed)),
            *(str(IMAGES_PER_ROUND), str(NUM_VALIDATION_IMAGES), torch.__version__),
            datasets.fingerprint(data),
            *network_cache.code(CODE + CHANNEL_CODE if by_channel else CODE),
        ],
        form=with_masks(model, whole),
        make=train,
    )
    return Pruned(network=plain(masked), masks=masks_of(masked))


def untrained(name: str, plan: Plan, *, seed: int) -> Pruned:
    """Network ``name`` of ``seed`` with the last masks of ``plan`` and no training after them."""
    model = subject.network(name, seed=seed)
    chosen = shapes.chosen(plan.shape, weights_of(model), plan.sparsities()[-1], seed=seed)
    masked = with_masks(model, chosen)
    return Pruned(network=plain(masked), masks=masks_of(masked))


def layer_masks(pruned: Pruned) -> dict[str, Mask]:
    """The masks of the layers that lost weights, by layer name, as a scorecard takes them."""
    return {
        name.removesuffix(".weight"): mask
        for name, mask in pruned.masks.items()
        if name.endswith(".weight") and not mask.all()
    }


def file_of(
    pruned: Pruned, *, bits: int | None = None, where: pruned_file.Where | None = None
) -> bytes:
    """The stored network: kept weights and their positions, everything else in fp32.

    bits, where  of ``pruned_file.store``
    """
    partly = {name: mask for name, mask in pruned.masks.items() if not mask.all()}
    return pruned_file.store(subject.tensors(pruned.network), partly, bits=bits, where=where)


def decoded(model: nn.Module, data: bytes) -> nn.Module:
    """A network of the form of ``model`` with the tensors that the pruned file ``data`` holds."""
    return subject.filled(model, pruned_file.restore(data))


def weights_left(pruned: Pruned) -> float:
    """Share of the weights, biases and normalization aside, that stay."""
    weights = weights_of(pruned.network)
    kept = sum(
        int(np.count_nonzero(pruned.masks[name])) if name in pruned.masks else weight.size
        for name, weight in weights.items()
    )
    return kept / sum(weight.size for weight in weights.values())


def operations_left(pruned: Pruned, layers: Sequence[Gemm]) -> float:
    """Share of the multiply-accumulates of ``layers`` whose weight stays."""
    masks = layer_masks(pruned)
    left = sum(
        layer.m * int(np.count_nonzero(masks[layer.weights_name]))
        if layer.weights_name in masks
        else layer.macs
        for layer in layers
    )
    return left / sum(layer.macs for layer in layers)
