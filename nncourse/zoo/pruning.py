"""Pruning a trained network in rounds: choose what stays, train what is left, and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from nncourse.pruners.masked import masks_of, plain, weights_of, with_masks
from nncourse.pruners.masks import Mask
from nncourse.zoo import training
from nncourse.zoo.datasets import Images
from nncourse.zoo.training import Recipe

Chooser = Callable[[Mapping[str, NDArray[np.float32]], float], Mapping[str, Mask]]


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """A plain network, its dropped weights zeros, and the masks that dropped them.

    masks  by parameter name, True = kept; parameters without one are whole
    """

    network: nn.Module
    masks: Mapping[str, Mask]


def prune(
    network: nn.Module,
    train_images: Images,
    validation_images: Images,
    *,
    schedule: Sequence[float],
    choose: Chooser,
    recipe: Recipe,
    seed: int,
    images_per_round: int | None = None,
) -> Pruned:
    """``network`` after one round of pruning and training for each sparsity of ``schedule``.

    network            trained; never modified
    train_images       what it learns from
    validation_images  what chooses the epoch of a round, where the recipe has several
    schedule           of ``pruners.schedules``; a round of sparsity 0 trains the whole network
    choose             ``choose(weights, sparsity)``: masks by parameter name for the weights as they
                       are, dropped ones zeros; such as ``pruners.scope.global_masks``
    recipe             of one round: its rate rises and falls anew in each
    seed               of the images that a round draws, their order and their shifts
    images_per_round   drawn anew for each round; all when None
    """
    if not schedule:
        raise ValueError("schedule is empty; make one with nncourse.pruners.schedules")
    for number, sparsity in enumerate(tqdm(schedule, desc="pruning", unit="round", leave=False)):
        chosen = choose(weights_of(network), sparsity) if sparsity > 0 else {}
        images = _drawn(train_images, images_per_round, seed, number)
        network = training.train(
            with_masks(network, chosen),
            images,
            validation_images,
            recipe=recipe,
            seed=seed * len(schedule) + number,
        ).network
    return Pruned(network=plain(network), masks=masks_of(network))


def _drawn(images: Images, wanted: int | None, seed: int, number: int) -> Images:
    if wanted is None:
        return images
    if not 1 <= wanted <= len(images):
        raise ValueError(
            f"images_per_round is from 1 to {len(images)}, the images there are; got {wanted}"
        )
    return images[np.random.default_rng([seed, number]).permutation(len(images))[:wanted]]
