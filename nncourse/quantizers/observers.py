"""Observers: the range of values that arrive batch by batch, too many to keep.

An observer is the one kind of object in this room that changes: ``update`` takes a batch, ``qparams``
gives the grid for everything seen so far.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.quantizers.affine import QParams, choose_qparams
from nncourse.quantizers.ranges import COARSE, FINE, PERCENTILE, grid
from nncourse.quantizers.slices import checked_axis, slices

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]


class MinMaxObserver:
    """The smallest and the largest value seen; its grid is that of all batches in one array, exactly.

    axis  the axis that keeps its own range, of the same length in every batch; None for one range

    >>> observer = MinMaxObserver()
    >>> for batch in ([0.5, -1.5], [0.25]):
    ...     observer.update(np.array(batch))
    >>> observer.qparams(bits=3).scale
    array(0.5, dtype=float32)
    """

    def __init__(self, *, axis: int | None = None) -> None:
        self.axis = axis
        self.low: NDArray[np.float32] | None = None
        self.high: NDArray[np.float32] | None = None

    def update(self, x: Floats) -> None:
        """Take the batch ``x``: floating, finite, at least one value."""
        low, high = self._ends(x)
        if self.low is None or self.high is None:
            self.low, self.high = low, high
        else:
            self.low, self.high = (
                self._merged(self.low, low),
                self._merged(self.high, high, top=True),
            )

    def qparams(self, *, bits: int, scheme: str = "symmetric") -> QParams:
        """The grid for all values seen; ``bits`` and ``scheme`` as in :func:`choose_qparams`."""
        if self.low is None or self.high is None:
            raise ValueError("observer has seen nothing: call update(x) before qparams()")
        ends = np.stack([self.low, self.high], axis=-1)
        chosen = choose_qparams(
            ends, bits=bits, scheme=scheme, axis=None if self.axis is None else 0
        )
        return replace(chosen, axis=self.axis)

    def _ends(self, x: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        values = _batch(x)
        axis = checked_axis(values.shape, self.axis)
        rows, shape = slices(values, axis)
        if self.low is not None and shape != self.low.shape:
            raise ValueError(
                f"x has as many indices along axis {self.axis} as the batches before, "
                f"{self.low.shape}; got {shape}"
            )
        self.axis = axis
        return rows.min(axis=1).reshape(shape), rows.max(axis=1).reshape(shape)

    def _merged(
        self, old: NDArray[np.float32], new: NDArray[np.float32], *, top: bool = False
    ) -> NDArray[np.float32]:
        return np.asarray(np.maximum(old, new) if top else np.minimum(old, new))


class MovingAverageObserver(MinMaxObserver):
    """The ends of the range averaged over batches, recent ones counting most: one outlier fades.

    momentum  share of the newest batch, 0 < momentum <= 1; the first batch counts whole
    axis      as in :class:`MinMaxObserver`

    The meaning of ``momentum`` is that of torch's batch norm; torch's observers call it
    ``averaging_constant``.

    >>> observer = MovingAverageObserver(momentum=0.25)
    >>> for largest in (1.0, 5.0):
    ...     observer.update(np.array([0.0, largest]))
    >>> observer.high
    array(2., dtype=float32)

    Source: Jacob et al., CVPR 2018, arXiv:1712.05877, section 3.1.
    """

    def __init__(self, *, momentum: float = 0.1, axis: int | None = None) -> None:
        super().__init__(axis=axis)
        if not 0 < momentum <= 1:
            raise ValueError(
                f"momentum is the share of the newest batch, above 0 and at most 1; got {momentum}"
            )
        self.momentum = momentum

    def _merged(
        self, old: NDArray[np.float32], new: NDArray[np.float32], *, top: bool = False
    ) -> NDArray[np.float32]:
        moved = old + self.momentum * (new.astype(np.float64) - old)
        return np.asarray(moved, dtype=np.float32)


class HistogramObserver:
    """Counts of the values seen, in equal bins on both sides of zero; one range for the whole array.

    num_bins  bins in all, a multiple of 4. The histogram reaches to a power of two, so a bin is at most
              ``4 * max|x| / num_bins`` wide

    A larger value doubles the reach as often as needed, and each time two neighboring bins become one:
    no count is lost, and no bin is ever split. Exact zeros are counted on their own: after a ReLU they
    are many, and on every grid they cost nothing.
    """

    def __init__(self, *, num_bins: int = 2**16) -> None:
        if (
            isinstance(num_bins, bool)
            or not isinstance(num_bins, int)
            or num_bins < 4
            or num_bins % 4
        ):
            raise ValueError(f"num_bins is a positive multiple of 4; got {num_bins!r}")
        self.counts = np.zeros(num_bins, dtype=np.int64)
        self.num_zeros = 0
        self.reach = 0.0
        self.low, self.high = np.inf, -np.inf

    @property
    def bin_width(self) -> float:
        """Width of one bin, in the unit of the values; 0 while all of them are 0."""
        return 2 * self.reach / len(self.counts)

    def update(self, x: Floats) -> None:
        """Take the batch ``x``: floating, finite, at least one value."""
        values = _batch(x).reshape(-1).astype(np.float64)
        self.low, self.high = min(self.low, values.min()), max(self.high, values.max())
        self._grow(float(np.abs(values).max()))
        nonzero = values[values != 0]
        self.num_zeros += values.size - nonzero.size
        if nonzero.size:
            half = len(self.counts) // 2
            # The reach is a power of two, so the quotient is exact; floor keeps the signs apart.
            bins = np.floor(nonzero / self.reach * half).astype(np.int64) + half
            bins = np.minimum(bins, len(self.counts) - 1)  # the reach belongs to the last bin
            self.counts += np.bincount(bins, minlength=len(self.counts))

    def qparams(self, *, bits: int, scheme: str = "symmetric") -> QParams:
        """The grid for all values seen; ``bits`` and ``scheme`` as in :func:`choose_qparams`."""
        if self.low > self.high:
            raise ValueError("observer has seen nothing: call update(x) before qparams()")
        ends = np.array([self.low, self.high])
        full = choose_qparams(ends, bits=bits, scheme=scheme)
        if self.low == self.high:
            return full
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        if full.qmin < 0:
            low, high = -max(-low, high), max(-low, high)
        low, high = self._range(low, high, full.qmin, full.qmax)
        return choose_qparams(np.array([low, high]), bits=bits, scheme=scheme)

    def _range(self, low: float, high: float, qmin: int, qmax: int) -> tuple[float, float]:
        raise NotImplementedError("PercentileObserver and SquaredErrorObserver choose the range")

    def _grow(self, largest: float) -> None:
        if largest == 0 or largest <= self.reach:
            return
        needed = float(2.0 ** np.ceil(np.log2(largest)))
        needed = needed if needed >= largest else 2 * needed
        if self.reach == 0:
            self.reach = needed
        quarter = len(self.counts) // 4
        while self.reach < needed:
            pairs = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.pad(pairs, quarter)
            self.reach *= 2

    def _points(self) -> tuple[Doubles, NDArray[np.int64]]:
        """Values in rising order and how often each was seen: middles of bins, and the exact zero."""
        half = len(self.counts) // 2
        middles = (np.arange(len(self.counts)) - half + 0.5) * self.bin_width
        values = np.insert(middles, half, 0.0)
        counts = np.insert(self.counts, half, self.num_zeros)
        seen = counts > 0
        return np.clip(values[seen], self.low, self.high), counts[seen]


class PercentileObserver(HistogramObserver):
    """The range that holds a percentile of the values seen, from a histogram.

    percentile  of ``|x|`` for symmetric grids; for asymmetric ones its mirror image too; 50 .. 100
    num_bins    as in :class:`HistogramObserver`

    Both ends lie within half a bin of those that ``choose_qparams(method="percentile")`` takes from all
    batches in one array, as every value lies within half a bin of the middle of its bin.

    >>> observer = PercentileObserver(percentile=50)
    >>> observer.update(np.array([0.0, 0.0, 0.5, 0.5, 0.5, 8.0]))
    >>> float(observer.qparams(bits=2).scale)
    0.5001220703125
    """

    def __init__(self, *, percentile: float = PERCENTILE, num_bins: int = 2**16) -> None:
        super().__init__(num_bins=num_bins)
        if not 50 <= percentile <= 100:
            raise ValueError(f"percentile lies in 50 .. 100; got {percentile}: 99.9 is usual")
        self.percentile = percentile

    def _range(self, low: float, high: float, qmin: int, qmax: int) -> tuple[float, float]:
        values, counts = self._points()
        if qmin < 0:
            order = np.argsort(np.abs(values), kind="stable")
            inner = _percentile(np.abs(values)[order], counts[order], self.percentile)
            return (-inner, inner) if inner > 0 else (low, high)
        inner_low = min(_percentile(values, counts, 100 - self.percentile), 0.0)
        inner_high = max(_percentile(values, counts, self.percentile), 0.0)
        return (low, high) if inner_low == inner_high else (inner_low, inner_high)


class SquaredErrorObserver(HistogramObserver):
    """The range whose grid has the least squared error on the values seen, from a histogram.

    num_bins  as in :class:`HistogramObserver`

    On any grid, the root mean squared error of the values and that of the middles of their bins differ
    by at most half a bin. So this grid is at most one bin worse, in root mean squared error, than the
    best of the ranges it tries; those are the ranges of ``choose_qparams(method="mse")``.

    >>> observer = SquaredErrorObserver()
    >>> observer.update(np.append(np.linspace(-1, 1, 1001), 3.0))
    >>> bool(observer.qparams(bits=3).scale < 0.95)  # 3 / 3 would waste most codes
    True
    """

    def _range(self, low: float, high: float, qmin: int, qmax: int) -> tuple[float, float]:
        values, counts = self._points()

        def error(low: float, high: float) -> float:
            scale, zero_point = grid(np.array([low]), np.array([high]), qmin, qmax)
            step, zero = float(scale[0]), float(zero_point[0])
            codes = np.clip(np.rint(values / step) + zero, qmin, qmax)
            return float(counts @ (values - (codes - zero) * step) ** 2)

        best = (error(low, high), low, high)
        for move_low, move_high in [(True, True)] if qmin < 0 else [(1, 1), (0, 1), (1, 0)]:
            for offsets in (None, FINE):
                shares = COARSE
                if offsets is not None:  # refine around what is best now
                    end, whole = (best[2], high) if move_high and high > 0 else (best[1], low)
                    shares = np.clip((end / whole if whole else 1.0) + offsets, 0.001, 1.0)
                for share in shares:
                    new_low = float(share) * low if move_low else best[1]
                    new_high = float(share) * high if move_high else best[2]
                    found = error(new_low, new_high)
                    if found < best[0]:
                        best = (found, new_low, new_high)
        return best[1], best[2]


def _batch(x: Floats) -> NDArray[np.float32]:
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"x is floating; got {x.dtype}: convert it with astype(numpy.float32)")
    if x.size == 0:
        raise ValueError(f"x has at least one value; got shape {x.shape}: leave empty batches out")
    with np.errstate(over="ignore"):
        single = x.astype(np.float32)
    if not np.isfinite(single).all():
        raise ValueError("x is finite in float32; got NaN or infinity: find where it came from")
    return single


def _percentile(values: Doubles, counts: NDArray[np.int64], percentile: float) -> float:
    """What ``numpy.percentile`` gives for rising ``values``, each repeated ``counts`` times."""
    last = np.cumsum(counts) - 1  # position of the last copy of each value
    rank = float(last[-1]) * percentile / 100
    below = values[np.searchsorted(last, np.floor(rank))]
    above = values[np.searchsorted(last, np.ceil(rank))]
    return float(below + (above - below) * (rank - np.floor(rank)))
