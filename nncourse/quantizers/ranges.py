"""Clipping ranges: from which lowest to which highest value a grid reaches.

A wide range clips nothing and has a coarse step; a narrow one is fine and clips. Each method settles
that trade in its own way, for every slice by itself.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

METHODS = ("minmax", "percentile", "mse")
PERCENTILE = 99.9  # of |x| for symmetric grids; its mirror image too for asymmetric ones
COARSE = np.linspace(0.02, 1.0, 50)  # shares of the full range that the search tries first
FINE = np.linspace(-0.02, 0.02, 41)  # then around the best of them
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)  # below it, the reciprocal overflows float32
LARGEST_SCALE = float(np.finfo(np.float32).max)

Rows = NDArray[np.float32]
Bounds = NDArray[np.float64]


def clipping_range(rows: Rows, qmin: int, qmax: int, method: str) -> tuple[Bounds, Bounds]:
    """Lowest and highest value that the grid of each row reaches, float64, shape (rows,).

    rows        float32, shape (rows, values), finite
    qmin, qmax  codes; a negative ``qmin`` means a symmetric grid, whose range is symmetric
    method      one of ``METHODS``

    0 always lies in the range. A percentile of zero (a row that is nearly all zeros) falls back to the
    largest value, which alone would otherwise be lost.
    """
    low, high = _full_range(rows, qmin)
    if method == "percentile":
        return _percentile_range(rows, qmin, low, high)
    if method == "mse":
        return _searched_range(rows, qmin, qmax, low, high)
    return low, high


def grid(
    low: Bounds, high: Bounds, qmin: int, qmax: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Step and zero point of the grid that spans ``low .. high``.

    The step is divided in double precision and rounded once to float32; the zero point is the rounded
    code of 0, so that 0 stays exact. Every code times the step is a finite float32.
    """
    if qmin < 0:
        scale = _normal(high / qmax)
        return scale, np.zeros(scale.shape, dtype=np.int32)
    scale = _normal((high - low) / qmax)
    zero_point = np.clip(np.rint(-low / scale.astype(np.float64)), qmin, qmax)
    # Rounding the zero point pushes one end out by up to half a step: near the end of float32, too far.
    scale = np.minimum(scale, _normal(LARGEST_SCALE / np.maximum(zero_point, qmax - zero_point)))
    return scale, zero_point.astype(np.int32)


def _normal(scale: Bounds) -> NDArray[np.float32]:
    return np.clip(scale, SMALLEST_SCALE, LARGEST_SCALE).astype(np.float32)


def _full_range(rows: Rows, qmin: int) -> tuple[Bounds, Bounds]:
    low = np.minimum(rows.min(axis=1), 0).astype(np.float64)
    high = np.maximum(rows.max(axis=1), 0).astype(np.float64)
    if qmin < 0:
        high = np.maximum(-low, high)
        low = -high
    return low, high


def _percentile_range(rows: Rows, qmin: int, low: Bounds, high: Bounds) -> tuple[Bounds, Bounds]:
    if qmin < 0:
        inner = np.percentile(np.abs(rows), PERCENTILE, axis=1).astype(np.float64)
        inner = np.where(inner > 0, inner, high)
        return -inner, inner
    ends = np.percentile(rows, [100 - PERCENTILE, PERCENTILE], axis=1).astype(np.float64)
    inner_low, inner_high = np.minimum(ends[0], 0), np.maximum(ends[1], 0)
    empty = inner_low == inner_high
    return np.where(empty, low, inner_low), np.where(empty, high, inner_high)


def _searched_range(
    rows: Rows, qmin: int, qmax: int, low: Bounds, high: Bounds
) -> tuple[Bounds, Bounds]:
    """The range of least squared error: both ends drawn in together, then each by itself."""
    best_low, best_high = low, high
    best_error = _error(rows, low, high, qmin, qmax)
    ends = [(True, True)] if qmin < 0 else [(True, True), (False, True), (True, False)]
    for move_low, move_high in ends:
        for shares in (COARSE[:, None], None):
            if shares is None:  # refine around what is best now, row by row
                center = np.where(
                    move_high & (high > 0), _share(best_high, high), _share(best_low, low)
                )
                shares = np.clip(center + FINE[:, None], 0.001, 1.0)
            for share in np.broadcast_to(shares, (len(shares), len(rows))):
                new_low = share * low if move_low else best_low
                new_high = share * high if move_high else best_high
                error = _error(rows, new_low, new_high, qmin, qmax)
                better = error < best_error
                best_error = np.where(better, error, best_error)
                best_low = np.where(better, new_low, best_low)
                best_high = np.where(better, new_high, best_high)
    return best_low, best_high


def _share(part: Bounds, whole: Bounds) -> Bounds:
    return np.divide(part, whole, out=np.ones_like(whole), where=whole != 0)


def _error(rows: Rows, low: Bounds, high: Bounds, qmin: int, qmax: int) -> Bounds:
    scale, zero_point = grid(low, high, qmin, qmax)
    error = np.empty(len(rows))
    _squared_error(
        rows, scale, zero_point.astype(np.float32), np.float32(qmin), np.float32(qmax), error
    )
    return error


@numba.njit(cache=True)
def _squared_error(
    rows: Rows,
    scale: NDArray[np.float32],
    zero_point: NDArray[np.float32],
    qmin: np.float32,
    qmax: np.float32,
    error: Bounds,
) -> None:
    """Sum over each row of the squared distance to its grid; the arithmetic of affine.fake_quantize."""
    for row in range(rows.shape[0]):
        step, zero = scale[row], zero_point[row]
        inverse = np.float32(1.0) / step
        total = 0.0
        for value in rows[row]:
            code = min(max(np.rint(value * inverse) + zero, qmin), qmax)
            distance = np.float64(value) - np.float64((code - zero) * step)
            total += distance * distance
        error[row] = total
