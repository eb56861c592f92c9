"""Chances: how much of a tile is left when weights, or blocks of weights, are kept by chance.

All of it is exact, also where blocks lie across tiles, vectors and barriers.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr


def spans(length: int, side: int, block: int) -> Counter[tuple[int, int]]:
    """How often each ``(offset, size)`` occurs where ``length`` places are cut into pieces of ``side``.

    block   places of one block; the blocks start with the first place
    offset  of a piece in the block that it starts in
    size    ``side``, or less for the last

    >>> spans(10, 4, 3)
    Counter({(0, 4): 1, (1, 4): 1, (2, 2): 1})
    """
    whole, rest = divmod(length, side)
    period = block // gcd(side, block)
    found = Counter(
        {
            (place * side % block, side): len(range(place, whole, period))
            for place in range(min(period, whole))
        }
    )
    if rest:
        found[(whole * side % block, rest)] += 1
    return found


def touched(offset: int, size: int, block: int) -> int:
    """Blocks that a piece lies in, ``offset`` and ``size`` as from :func:`spans`."""
    return (offset + size - 1) // block + 1


def expected_largest(chances: NDArray[np.float64], lanes: int) -> float:
    """Expected largest of ``lanes`` independent counts.

    chances  of the counts 0, 1, ..., shape (counts,), sum 1
    """
    below = np.minimum(np.cumsum(chances[:-1]), 1.0)
    return float(np.sum(1.0 - below**lanes))


@lru_cache(maxsize=4096)
def kept_vectors(
    offset: int, inputs: int, *, width: int, block: int, density: float
) -> NDArray[np.float64]:
    """Chances that 0, 1, ... vectors of one lane have a kept weight, between two barriers.

    offset  of the first input in its block
    inputs  of the lane between the barriers, cut into vectors of ``width``
    block   inputs that are kept or dropped as one, with the chance ``density``

    Vector after vector; what is remembered is the number so far, and whether the last block, which the
    next vector may share, is kept.

    >>> kept_vectors(0, 4, width=2, block=4, density=0.25)
    array([0.75, 0.  , 0.25])
    """
    vectors = -(-inputs // width)
    odds = np.array([[1.0 - density], [density]])
    state = np.zeros((2, vectors + 1))  # last block dropped or kept, by vectors so far
    state[:, :1] = odds
    seen = 0
    for start in range(0, inputs, width):
        first = (offset + start) // block
        last = (offset + min(start + width, inputs) - 1) // block
        if first > seen:
            state = odds * state.sum(axis=0)
        if last == first:
            state[1] = np.roll(state[1], 1)  # no vector more than there were: nothing comes round
        else:
            out = state[0] * (1.0 - density) ** (last - first - 1)
            within = state.sum(axis=0) - out
            state = np.stack(
                [
                    odds[0] * (out + np.roll(within, 1)),
                    odds[1] * np.roll(out + within, 1),
                ]
            )
        seen = last
    chances: NDArray[np.float64] = state.sum(axis=0)
    chances.flags.writeable = False  # shared by all who ask again
    return chances


@lru_cache(maxsize=4096)
def rows_left(length: int, *, block: int, chance: float, rows: int) -> tuple[float, float, float]:
    """Expected rows left of ``length``, chance that any is, expected folds of ``rows`` they fill.

    block   rows that are left or dropped as one
    chance  that a block is left

    The expected number of folds is the sum over j of the chance that more than ``j * rows`` are left.
    The last block may be shorter: it is looked at apart from the others.
    """
    if chance == 1.0:
        return float(length), 1.0, float(-(-length // rows))
    others = -(-length // block) - 1
    last = length - others * block
    limits = np.arange(0, length, rows)
    more = (1.0 - chance) * _more(limits // block, others, chance)
    more += chance * _more((limits - last) // block, others, chance)
    return length * chance, float(more[0]), float(more.sum())


def _more(limits: NDArray[np.int64], trials: int, chance: float) -> NDArray[np.float64]:
    """Chance that a binomial count is above each limit."""
    inside = np.clip(limits, 0, max(trials - 1, 0)).astype(np.float64)
    above = 1.0 - bdtr(inside, trials, chance)
    result: NDArray[np.float64] = np.where(limits < 0, 1.0, np.where(limits < trials, above, 0.0))
    return result
