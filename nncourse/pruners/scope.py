"""Scope: over which weights a ranking runs, one tensor at a time or the whole network at once.

The functions take the magnitude of what they are given, so that importance scores, which are never
negative, can stand in the place of weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nncourse.pruners.masks import Mask, Weight, magnitude_mask


def uniform_masks(weights: Mapping[str, Weight], *, sparsity: float) -> dict[str, Mask]:
    """Masks that drop the same fraction of every tensor.

    weights   floating, by name; scores may stand in their place
    sparsity  fraction to drop; of each tensor ``round(sparsity * size)`` exactly

    >>> masks = uniform_masks({"a": np.array([1.0, 2.0]), "b": np.array([10.0, 20.0])}, sparsity=0.5)
    >>> masks["a"], masks["b"]
    (array([False,  True]), array([False,  True]))
    """
    _require_some(weights)
    return {name: magnitude_mask(weight, sparsity=sparsity) for name, weight in weights.items()}


def global_masks(weights: Mapping[str, Weight], *, sparsity: float) -> dict[str, Mask]:
    """Masks that drop the smallest magnitudes of all tensors together.

    weights   floating, by name; scores may stand in their place, if they compare between tensors
    sparsity  fraction to drop: ``round(sparsity * all values)`` exactly; ties fall on the later
              tensor, and within a tensor on the later value

    >>> masks = global_masks({"a": np.array([1.0, 2.0]), "b": np.array([10.0, 20.0])}, sparsity=0.5)
    >>> masks["a"], masks["b"]
    (array([False, False]), array([ True,  True]))
    """
    _require_some(weights)
    flat = np.concatenate([np.asarray(weight, np.float64).ravel() for weight in weights.values()])
    keep = magnitude_mask(flat, sparsity=sparsity)
    sizes = [np.size(weight) for weight in weights.values()]
    parts = np.split(keep, np.cumsum(sizes)[:-1])
    return {
        name: part.reshape(np.shape(weight))
        for (name, weight), part in zip(weights.items(), parts, strict=True)
    }


def layer_adaptive(weight: Weight) -> NDArray[np.float64]:
    """Scores of one tensor that compare between tensors: each square over the sum of those not smaller.

    weight   floating, any shape
    returns  float64, shape of ``weight``, in [0, 1]; the largest weight of every tensor scores 1 over
             the number of weights that share its magnitude and come no earlier, so no tensor dies whole

    Of equal magnitudes the earlier one scores higher.

    >>> layer_adaptive(np.array([1.0, 3.0])).round(3)
    array([0.1, 1. ])

    Source: J. Lee et al., Layer-adaptive sparsity for the magnitude-based pruning, ICLR 2021, equation 4.
    """
    squares = np.square(np.asarray(weight, dtype=np.float64)).ravel()
    if squares.size == 0 or not np.isfinite(squares).all():
        raise ValueError(
            f"weight is at least one finite number; got shape {np.shape(weight)}, "
            f"{squares.size - int(np.isfinite(squares).sum())} of them not finite"
        )
    largest_first = np.argsort(-squares, kind="stable")
    ordered = squares[largest_first]
    with np.errstate(invalid="ignore"):
        shares = np.where(ordered > 0, ordered / np.cumsum(ordered), 0.0)
    scores = np.empty_like(squares)
    scores[largest_first] = shares
    return scores.reshape(np.shape(weight))


def _require_some(weights: Mapping[str, Weight]) -> None:
    if not weights:
        raise ValueError("weights is empty; give the tensors to prune by name")
