"""Members of the families, trained and trained on, kept in the cache: the networks of claims F1 to F6.

Every member learns from 12,800 images, 100 steps an epoch. Its first training takes 6 epochs, and each phase that
follows, pruned, on a grid, or neither, takes 2 with a learning rate that rises and falls anew. A network
that is trained on a grid from its first weights gets all 8 epochs at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from nncourse.experiments import network_cache
from nncourse.pruners.masked import masks_of, plain, with_masks
from nncourse.pruners.scope import global_masks
from nncourse.quantizers import fine_tuning
from nncourse.zoo import datasets, families, pruning, seeding, training
from nncourse.zoo.pruning import Pruned
from nncourse.zoo.training import Recipe

NUM_IMAGES = {"train": 12_800, "validation": 1_000}  # what learns, and what chooses the epoch
FIRST_EPOCHS = 6
PHASE_EPOCHS = 2
PHASE_SHARE = 0.4  # of the first learning rate
CODE = (
    "experiments.members",
    "pruners.masks",
    "pruners.masked",
    "pruners.scope",
    "quantizers.affine",
    "quantizers.fine_tuning",
    "quantizers.ranges",
    "quantizers.slices",
    "zoo.pruning",
    "zoo.training",
    "zoo.seeding",
)
"""Modules that decide the weights, together with the first weights and the data."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One network before any training.

    family  a key of ``families.FAMILIES``
    width   of the member
    data    "mnist" or "fashion-mnist"
    """

    family: str
    width: int
    data: str

    @property
    def name(self) -> str:
        """What tables call it.

        >>> Member(family="perceptron", width=300, data="mnist").name
        'perceptron-300'
        """
        return f"{self.family}-{self.width}"

    def first(self, seed: int) -> nn.Module:
        """The member with its first weights, drawn from ``seed``."""
        seeding.reproducible(seed)
        return families.build(self.family, self.width)


def trained(member: Member, *, seed: int) -> nn.Module:
    """The member after its first training, ready for inference."""
    first = member.first(seed)
    recipe = _first_recipe(member, FIRST_EPOCHS)
    return _cached(
        "trained", member, seed, first, first, lambda: _learned(member, first, recipe, seed)
    )


def phases(member: Member, sparsities: Sequence[float], *, seed: int) -> Pruned:
    """The trained member after one more phase for each of ``sparsities``.

    sparsities  before each phase the network is pruned to it by magnitude, in one ranking over all
                layers; 0 trains the whole network, connections that were pruned start from 0

    ``(0.0,)`` is the control of one phase. A phase is taken up where the one before it stopped, so
    two arms that begin alike share what they have in common.
    """
    *before, sparsity = sparsities
    start = phases(member, before, seed=seed).network if before else trained(member, seed=seed)
    whole = {
        name: np.ones(tuple(value.shape), dtype=bool)
        for name, value in start.named_parameters()
        if value.dim() > 1
    }

    def train() -> nn.Module:
        result = pruning.prune(
            start,
            _images(member.data, "train"),
            _images(member.data, "validation"),
            schedule=(sparsity,),
            choose=lambda weights, wanted: global_masks(weights, sparsity=wanted),
            recipe=_phase_recipe(member),
            seed=_phase_seed(seed, len(before)),
        )
        return with_masks(result.network, whole | dict(result.masks))

    label = "-".join(f"{share:g}" for share in sparsities)
    form = with_masks(start, whole)
    masked = _cached(f"phases-{label}", member, seed, start, form, train)
    return Pruned(network=plain(masked), masks=masks_of(masked))


def tuned(member: Member, *, bits: int, seed: int) -> nn.Module:
    """The trained member on a grid of ``bits``, after one phase on it: first float, then narrow."""
    start = trained(member, seed=seed)
    prepared = fine_tuning.prepare(start, weight_bits=bits).eval()
    recipe = _phase_recipe(member)
    return _cached(
        f"tuned-{bits}",
        member,
        seed,
        start,
        prepared,
        lambda: _learned(member, prepared, recipe, _phase_seed(seed, 0)),
    )


def native(member: Member, *, bits: int | None, seed: int) -> nn.Module:
    """The member trained on a grid of ``bits`` from its first weights, for as many steps as a tuned one.

    bits  of the weights of all layers; None for float32, in one training of the same length
    """
    first = member.first(seed)
    prepared = fine_tuning.prepare(first, weight_bits={} if bits is None else bits)
    recipe = _first_recipe(member, FIRST_EPOCHS + PHASE_EPOCHS)
    return _cached(
        f"native-{bits or 'fp32'}",
        member,
        seed,
        first,
        prepared,
        lambda: _learned(member, prepared, recipe, seed),
    )


def _learned(member: Member, network: nn.Module, recipe: Recipe, seed: int) -> nn.Module:
    images, validation = (_images(member.data, split) for split in ("train", "validation"))
    return training.train(network, images, validation, recipe=recipe, seed=seed).network


@functools.cache  # reading and checking the files takes as long as a phase of the smallest networks
def _images(data: str, split: str) -> datasets.Images:
    return datasets.load(data, split)[: NUM_IMAGES[split]]


def _first_recipe(member: Member, epochs: int) -> Recipe:
    rate = families.FAMILIES[member.family].learning_rate
    return Recipe(epochs=epochs, learning_rate=rate, weight_decay=0.01, shift_pixels=1)


def _phase_recipe(member: Member) -> Recipe:
    rate = PHASE_SHARE * families.FAMILIES[member.family].learning_rate
    return Recipe(epochs=PHASE_EPOCHS, learning_rate=rate, shift_pixels=1)


def _phase_seed(seed: int, number: int) -> int:
    """Seed of the images' order in a phase: another one for each phase, the same for all arms."""
    return 1000 * (number + 1) + seed


def _cached(
    label: str,
    member: Member,
    seed: int,
    start: nn.Module,
    form: nn.Module,
    make: Callable[[], nn.Module],
) -> nn.Module:
    return network_cache.fetch(
        "members",
        f"{member.name}-{member.data}-seed{seed}-{label}",
        parts=[
            *network_cache.identity(start),
            *(repr(member), str(seed), label, torch.__version__),
            datasets.fingerprint(member.data),
            *network_cache.code(CODE),
        ],
        form=form,
        make=make,
    )
