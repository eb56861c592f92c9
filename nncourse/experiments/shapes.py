"""The shapes that the pruning experiments compare, as masks for all weights of a network.

Structured shapes are made for arrays 16 wide. They prune the layers whose matrices are made of whole
tiles of 16 by 16, and so does the fine-grained shape that they are compared with.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nncourse.pruners import masks, scope
from nncourse.pruners.masks import Mask

TILE = 16
TILED = ("fine-grained", "n:m", "bank", "block", "vector")


def chosen(
    shape: str, weights: Mapping[str, NDArray[np.float32]], sparsity: float, *, seed: int
) -> dict[str, Mask]:
    """The masks of one round, by parameter name.

    shape     "global" (one ranking by magnitude over all layers), "random" (likewise, by chance),
              "uniform" (the same share of every layer), or one of ``TILED`` (the same share of every
              layer that is made of tiles)
    weights   as they are before the round, dropped ones zeros
    sparsity  share to drop, of the weights that the shape may prune
    seed      of the random shape, which draws the same order in every round
    """
    if shape == "global":
        return scope.global_masks(weights, sparsity=sparsity)
    if shape == "uniform":
        return scope.uniform_masks(weights, sparsity=sparsity)
    if shape == "random":
        rng = np.random.default_rng(seed)
        scores = {name: (value != 0) * rng.random(value.shape) for name, value in weights.items()}
        return scope.global_masks(scores, sparsity=sparsity)
    return {
        name: shaped(shape, weight, sparsity)
        for name, weight in weights.items()
        if made_of_tiles(weight)
    }


def shaped(shape: str, weight: NDArray[np.float32], sparsity: float) -> Mask:
    """The mask of one tensor in one of ``TILED``.

    shape     "n:m" takes m = 8 where fewer than one in four stay, else 4; a bank is 16 inputs long, a
              block 16 outputs high and one input wide, a vector one output high and 16 inputs wide
    sparsity  share to drop; n:m and banks round the number that stays, and keep at least one
    """
    if shape == "fine-grained":
        return masks.magnitude_mask(weight, sparsity=sparsity)
    if shape == "n:m":
        m = 4 if sparsity <= 0.75 else 8
        return masks.n_m_mask(weight, n=max(1, round((1.0 - sparsity) * m)), m=m)
    if shape == "bank":
        return masks.bank_balanced_mask(weight, bank=TILE, sparsity=sparsity)
    block = {"block": (TILE, 1), "vector": (1, TILE)}[shape]
    return masks.block_mask(weight, block=block, sparsity=sparsity)


def made_of_tiles(weight: NDArray[np.float32]) -> bool:
    """Whether the matrix (outputs, inputs) of a tensor is cut into 16 by 16 tiles with no rest."""
    outputs, inputs = len(weight), weight[0].size
    return outputs % TILE == 0 and inputs % TILE == 0
