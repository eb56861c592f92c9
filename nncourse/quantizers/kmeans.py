"""K-means on a line: the levels that are nearest to all values in mean square.

On a line the clusters are intervals, so the best cuts can be found by dynamic programming, and values in
order need no distances. Many values are counted into fine bins instead of being sorted, as long as the
bins are fine enough not to matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

COUNTED_FROM = 200_000  # values; fewer are sorted
NUM_FINE = 65536  # bins that the bulk of many values is counted into
NUM_EDGES = 4096  # where dynamic programming may cut; with no more points, it is exact
NUM_SAMPLED = 16384  # values that tell where the bulk lies
BULK = (0.001, 0.999)  # quantiles of the sample; what lies outside is sorted
MAX_OUTSIDE = 1 / 16  # share of the values; with more outside, all are sorted
MIN_FILLED = 1024  # fine bins; with fewer filled, the values are few or far between: sort them
MAX_EXCESS = 2e-4  # share of the squared error that bins may add
MAX_ROUNDS = 300  # of Lloyd's iteration; it stops by itself once no cut moves

Floats = NDArray[np.floating[Any]]


def kmeans_levels(x: Floats, num_levels: int) -> NDArray[np.float64]:
    """Ascending levels of least mean squared error for ``x``, at most ``num_levels`` of them.

    x           float32 or float64, any shape, finite, not empty
    num_levels  at least 1; with fewer distinct values than that, they are the levels

    Up to 4,096 distinct values the levels are optimal. With more, the cuts between levels are optimal
    among as many edges, then among edges that lie closer, and each time moved by Lloyd's iteration. From
    200,000 values on, a bin of the bulk falls to one level whole; where that could add more than 0.02%
    of the squared error, the values are sorted after all.

    >>> kmeans_levels(np.array([0.0, 0.1, 4.0, 4.2]), 2)
    array([0.05, 4.1 ])

    Source: Lloyd, Least squares quantization in PCM, 1982; Wang and Song, Ckmeans.1d.dp, The R Journal
    3(2), 2011.
    """
    values = np.ascontiguousarray(x).reshape(-1)
    if values.size >= COUNTED_FROM:
        counted = _counted(values)
        if counted is not None and counted.at.size >= max(MIN_FILLED, 32 * num_levels):
            cuts = _cuts(counted, num_levels)
            if counted.excess(cuts) <= MAX_EXCESS:
                return counted.levels(cuts)
    distinct, counts = np.unique(values, return_counts=True)
    at = distinct.astype(np.float64)
    exact = _Points.of(at, counts, center=float(at[at.size // 2]))
    return exact.levels(_cuts(exact, num_levels))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Points:
    """Where values lie, ascending, with running totals: of the values, their sum and their squares.

    at      means of the values at each point, less ``center``, shape (points,)
    counts  values before each point, shape (points + 1,); ``sums`` and ``squares`` likewise. A point
            counts as all its values at their mean: what they differ by is the same in every clustering
    width   that the values of one point may be apart
    """

    at: NDArray[np.float64]
    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    center: float
    width: float

    @classmethod
    def of(
        cls,
        at: NDArray[np.float64],
        counts: NDArray[np.integer[Any]],
        *,
        center: float,
        width: float = 0.0,
    ) -> _Points:
        at = at - center
        total = at * counts
        return cls(
            at=at,
            counts=np.append(0, np.cumsum(counts)),
            sums=np.append(0.0, np.cumsum(total)),
            squares=np.append(0.0, np.cumsum(total * at)),
            center=center,
            width=width,
        )

    def levels(self, cuts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Means of the values between ``cuts``."""
        means: NDArray[np.float64] = self.center + np.diff(self.sums[cuts]) / np.diff(
            self.counts[cuts]
        )
        return means

    def best_cuts(self, edges: NDArray[np.int64], num_levels: int) -> NDArray[np.int64]:
        """Those of the ``edges`` that cut the points into clusters of least squared error."""
        totals = self.counts[edges], self.sums[edges], self.squares[edges]
        best: NDArray[np.int64] = edges[_optimal_cuts(*totals, num_levels)]
        return best

    def excess(self, cuts: NDArray[np.int64]) -> float:
        """Most that the points next to a cut add to the squared error by falling to one side whole.

        A value within ``width`` of a cut is at most ``2 * width * gap`` better off on the other side,
        where the levels on both sides are ``gap`` apart. Returned as a share of the error.
        """
        inner, levels = cuts[1:-1], self.levels(cuts) - self.center
        middles = levels[:-1] + np.diff(levels) / 2
        below = self.at[inner - 1] + self.width >= middles
        above = self.at[inner] - self.width <= middles
        counts = np.diff(self.counts)
        astray = below * counts[inner - 1] + above * counts[inner]
        error = np.diff(self.squares[cuts]) - np.square(np.diff(self.sums[cuts])) / np.diff(
            self.counts[cuts]
        )
        added, total = float((astray * np.diff(levels)).sum()) * 2 * self.width, float(error.sum())
        return added / total if total > 0 else float("inf")


def _counted(values: Floats) -> _Points | None:
    """``values`` counted into fine bins around their bulk, the rest kept one by one; None where too many."""
    chosen = np.random.default_rng(0).integers(0, values.size, NUM_SAMPLED)
    low, high = np.quantile(values[chosen].astype(np.float64), BULK)
    if not 0 < (high - low) < np.inf or not np.isfinite(NUM_FINE / (high - low)):
        return None
    outside = np.empty(int(values.size * MAX_OUTSIDE), dtype=np.float64)
    counts, sums, num_outside = _count(values, low, NUM_FINE / (high - low), NUM_FINE, outside)
    if num_outside > outside.size:
        return None
    tails, tail_counts = np.unique(outside[:num_outside], return_counts=True)
    below = np.searchsorted(tails, low)
    filled = np.flatnonzero(counts)
    at = np.concatenate([tails[:below], low + sums[filled] / counts[filled], tails[below:]])
    counts = np.concatenate([tail_counts[:below], counts[filled], tail_counts[below:]])
    width = (high - low) / NUM_FINE
    return _Points.of(at, counts, center=float((low + high) / 2), width=width)


@numba.njit(cache=True)
def _count(
    values: Floats, low: float, inverse: float, num_bins: int, outside: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Count, and sum above ``low``, of each bin; what is in none goes to ``outside`` as far as it holds."""
    counts = np.zeros(num_bins, dtype=np.int64)
    sums = np.zeros(num_bins)
    num_outside = 0
    for value in values:
        above = np.float64(value) - low
        position = above * inverse
        if 0 <= position < num_bins:
            bin_ = int(position)
            counts[bin_] += 1
            sums[bin_] += above
        else:
            if num_outside < outside.size:
                outside[num_outside] = value
            num_outside += 1
    return counts, sums, num_outside


def _cuts(points: _Points, num_levels: int) -> NDArray[np.int64]:
    """Points at which the clusters begin, and the number of points: shape (levels + 1,)."""
    size = points.at.size
    if size <= num_levels:
        return np.arange(size + 1)
    if size <= NUM_EDGES:
        return points.best_cuts(np.arange(size + 1), num_levels)
    cuts = _settled(points, points.best_cuts(_spread_edges(points), num_levels))
    per_cluster = NUM_EDGES // num_levels
    if per_cluster >= 4:  # cut again between finer edges, as many in each cluster
        shares = np.linspace(0, cuts.size - 1, per_cluster * (cuts.size - 1) + 1)
        edges = np.unique(np.interp(shares, np.arange(cuts.size), cuts).astype(np.int64))
        cuts = _settled(points, points.best_cuts(edges, num_levels))
    return cuts


def _settled(points: _Points, cuts: NDArray[np.int64]) -> NDArray[np.int64]:
    """``cuts`` after Lloyd's iteration: each point with its nearest level, each level a mean, in turn."""
    for _ in range(MAX_ROUNDS):
        levels = points.levels(cuts) - points.center
        middles = levels[:-1] + np.diff(levels) / 2
        inner = np.searchsorted(points.at, middles, side="right")
        moved = np.concatenate([[0], inner, [points.at.size]])
        if np.array_equal(moved, cuts) or (np.diff(moved) == 0).any():
            break
        cuts = moved
    return cuts


def _spread_edges(points: _Points) -> NDArray[np.int64]:
    """Points at which bins begin, and the number of points: dense where values are, and in the tails."""
    at, total = points.at, int(points.counts[-1])
    low, high = np.searchsorted(points.counts, [BULK[0] * total, BULK[1] * total])
    starts = [
        np.searchsorted(points.counts, np.linspace(0, total, NUM_EDGES // 3)),
        np.searchsorted(at, np.linspace(at[low], at[min(high, at.size - 1)], NUM_EDGES // 3)),
        np.searchsorted(at, np.linspace(at[0], at[-1], NUM_EDGES // 6)),
        np.arange(NUM_EDGES // 12),
        at.size - np.arange(NUM_EDGES // 12),
    ]
    return np.unique(np.concatenate(starts)).astype(np.int64)


@numba.njit(cache=True)
def _optimal_cuts(
    counts: NDArray[np.int64], sums: Floats, squares: Floats, num_levels: int
) -> NDArray[np.int64]:
    """Bin numbers that cut the bins into ``num_levels`` runs of least squared error.

    counts, sums, squares  running totals at each bin edge, shape (bins + 1,)
    returns                 shape (num_levels + 1,), from 0 to bins

    Dynamic programming; the best last cut moves right with the end, so each round is solved by
    divide and conquer. Source: Wang and Song, Ckmeans.1d.dp, The R Journal 3(2), 2011.
    """
    bins = counts.size - 1
    num_levels = min(num_levels, bins)
    best = np.full(bins + 1, np.inf)
    best[0] = 0.0
    cut = np.zeros((num_levels + 1, bins + 1), dtype=np.int32)
    for level in range(1, num_levels + 1):
        now = np.full(bins + 1, np.inf)
        stack = [(level, bins, level - 1, bins - 1)]
        while len(stack) > 0:
            first, last, low, high = stack.pop()
            if first > last:
                continue
            end = (first + last) // 2
            for start in range(low, min(high, end - 1) + 1):
                count = counts[end] - counts[start]
                total = sums[end] - sums[start]
                error = best[start] + squares[end] - squares[start] - total * total / count
                if error < now[end]:
                    now[end] = error
                    cut[level, end] = start
            stack.append((first, end - 1, low, cut[level, end]))
            stack.append((end + 1, last, cut[level, end], high))
        best = now
    path = np.empty(num_levels + 1, dtype=np.int64)
    path[num_levels] = bins
    for level in range(num_levels, 0, -1):
        path[level - 1] = cut[level, path[level]]
    return path
