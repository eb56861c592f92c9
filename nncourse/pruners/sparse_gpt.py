"""One-shot pruning with error feedback: kept weights make up for those dropped before them (SparseGPT).

A layer computes ``W x``. Columns are visited from left to right. After some weights of a column are
dropped, the best answer of the columns still free is a least-squares problem in the Gram matrix of the
inputs, the one that error feedback solves for rounded weights: a dropped weight is one rounded to 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.curvature import damped, inverse_factor
from nncourse.pruners.masks import Mask, magnitude_mask, n_m_mask

Floats = NDArray[np.floating[Any]]


def prune_with_feedback(
    weight: Floats,
    inputs_gram: Floats,
    *,
    sparsity: float | None = None,
    n: int | None = None,
    m: int | None = None,
    mask: Mask | None = None,
    block: int = 8,
    damping: float = 0.01,
) -> tuple[Floats, Mask]:
    """The weight with some values dropped and the others moved to make up for them, and its mask.

    weight       shape (out, ...), viewed as (out, k); finite. Outputs that read different inputs, as in a
                 grouped convolution, are pruned group by group, each with its own Gram matrix
    inputs_gram  :func:`curvature.gram` of the layer's inputs, shape (k, k)
    sparsity     fraction to drop, ``round(sparsity * weight.size)`` exactly
    n, m         instead: keep n of every m consecutive weights of a row
    mask         instead: drop exactly these, boolean, True = keep, shape of ``weight``: whole blocks, say
    block        columns whose dropped weights are chosen at one time, for ``sparsity`` only. The cost of a
                 weight takes all later columns to be free, which those of its block are not: narrow
                 blocks choose better, until there is too little to choose from. 4 to 32 did well on
                 layers of 16 to 800 inputs; the source takes 128 for thousands of inputs
    damping      share of the mean diagonal that is added to the diagonal, at least 0
    returns      weight of the same shape and dtype, 0 where dropped; boolean mask, True = keep

    A weight is dropped for the output error that it causes when all later columns make up for it, the
    columns before it being settled: its value at that time squared, over the squared diagonal of
    :func:`curvature.inverse_factor`. With ``sparsity``, weights on inputs that were always 0 go first, and
    then each block drops the same share, up to rounding. Ties keep the earlier weight.

    >>> weight = np.array([[1.0, 1.1]])
    >>> gram = np.array([[1.0, 0.9], [0.9, 1.0]])  # each input says most of the other
    >>> new, mask = prune_with_feedback(weight, gram, sparsity=0.5, damping=0.0)
    >>> new, mask
    (array([[0., 2.]]), array([[False,  True]]))

    Source: Frantar and Alistarh, SparseGPT, ICML 2023, arXiv:2301.00774, section 3 and algorithm 1.
    """
    weight = np.asarray(weight)
    if weight.ndim < 2 or weight.size == 0 or not np.issubdtype(weight.dtype, np.floating):
        raise ValueError(
            f"weight is floating, of shape (out, ...), not empty; got {weight.dtype} {weight.shape}"
        )
    if not np.isfinite(weight).all():
        raise ValueError("weight is finite; got NaN or infinity: find where it came from")
    if block < 1:
        raise ValueError(f"block is at least 1 column; got {block}: 8 is usual")
    free = weight.reshape(len(weight), -1).astype(np.float64)
    keep = _first_mask(free, sparsity, n, m, mask, weight.shape)
    factor = inverse_factor(damped(inputs_gram, length=free.shape[1], damping=damping))
    alive = np.diag(inputs_gram) > 0
    costs = alive / np.square(np.diag(factor))

    if mask is None and m is None:
        blocks = _blocks(alive, rows=len(free), num_dropped=int((~keep).sum()), width=block)
    else:
        blocks = [(columns, 0) for columns in np.arange(len(alive)).reshape(-1, m or 1)]
    for columns, num_dropped in blocks:
        scores = np.square(free[:, columns]) * costs[columns]
        if n is not None and m is not None:
            keep[:, columns] = n_m_mask(scores, n=n, m=m)
        elif mask is None:
            keep[:, columns] = magnitude_mask(scores, sparsity=num_dropped / scores.size)
        for column in columns:
            error = np.where(keep[:, column], 0.0, free[:, column]) / factor[column, column]
            free[:, column + 1 :] -= np.outer(error, factor[column, column + 1 :])
    free[~keep] = 0.0
    return free.reshape(weight.shape).astype(weight.dtype), keep.reshape(weight.shape)


def _first_mask(
    matrix: Floats,
    sparsity: float | None,
    n: int | None,
    m: int | None,
    mask: Mask | None,
    shape: tuple[int, ...],
) -> Mask:
    """The mask given, or one of magnitudes, which checks the arguments and has the right counts."""
    ways = {"sparsity": sparsity, "n": n, "m": m, "mask": mask}
    given = [name for name, value in ways.items() if value is not None]
    if given == ["sparsity"] and sparsity is not None:
        return magnitude_mask(matrix, sparsity=sparsity)
    if n is not None and m is not None and len(given) == 2:
        return n_m_mask(matrix, n=n, m=m)
    if given == ["mask"]:
        mask = np.array(mask)
        if mask.dtype != bool or mask.shape != shape:
            raise ValueError(
                f"mask is boolean of shape {shape}, True = keep; got {mask.dtype} {mask.shape}"
            )
        return mask.reshape(matrix.shape)
    raise ValueError(
        f"give sparsity, or n and m, or mask; got {' and '.join(given) or 'none of them'}"
    )


def _blocks(
    alive: Mask, *, rows: int, num_dropped: int, width: int
) -> list[tuple[NDArray[np.intp], int]]:
    """Columns that are chosen together, and how many weights they drop: dead columns, then the rest.

    Dead columns are tied to no other, so they may be visited at any time.
    """
    dead, live = np.flatnonzero(~alive), np.flatnonzero(alive)
    in_dead = min(num_dropped, rows * len(dead))
    blocks = [(dead, in_dead)] if len(dead) else []
    shared = num_dropped - in_dead
    for start in range(0, len(live), width):
        columns = live[start : start + width]
        stop = start + len(columns)
        blocks.append((columns, shared * stop // len(live) - shared * start // len(live)))
    return blocks
