"""The affine quantizer: real numbers on an evenly spaced grid, ``x ~ scale * (code - zero_point)``.

Grids belong to slices of an array: the whole array, one slice for each index of an axis, or groups of
consecutive values of the last axis. All arithmetic is float32, rounding is half to even.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import pack, unpack
from nncourse.quantizers.ranges import LARGEST_SCALE, METHODS, SMALLEST_SCALE, clipping_range, grid
from nncourse.quantizers.slices import checked_axis, slices, unsliced

__all__ = [
    "QParams",
    "choose_qparams",
    "dequantize",
    "fake_quantize",
    "from_unsigned",
    "pack",
    "quantize",
    "to_unsigned",
    "unpack",
]

SCHEMES = ("symmetric", "asymmetric")

Floats = NDArray[np.floating[Any]]
Codes = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class QParams:
    """The grid of every slice of an array.

    scale       the step of each slice, kept as a float32 array; shape () for the whole array, (k,) for
                an axis of length k, ``x.shape[:-1] + (groups,)`` for groups. Steps are normal float32
                numbers: the reciprocal of a smaller one would overflow
    zero_point  the code that means 0, kept as an int32 array; same shape
    qmin, qmax  smallest and largest code
    axis        the axis that keeps its own scale, None for none
    group_size  values to a group of the last axis, None for no groups
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int32]
    qmin: int
    qmax: int
    axis: int | None = None
    group_size: int | None = None

    def __post_init__(self) -> None:
        if not -(2**15) <= self.qmin < self.qmax < 2**16 or self.bits > 16:
            raise ValueError(
                f"qmin is below qmax, and codes take up to 16 bits; got {self.qmin}, {self.qmax}"
            )
        scale, zero_point = np.asarray(self.scale), np.asarray(self.zero_point)
        if scale.shape != zero_point.shape:
            raise ValueError(
                f"scale and zero_point share a shape; got {scale.shape}, {zero_point.shape}"
            )
        if not np.issubdtype(scale.dtype, np.floating):
            raise ValueError(f"scale is floating; got {scale.dtype}: convert it first")
        if not ((scale >= SMALLEST_SCALE) & (scale <= LARGEST_SCALE)).all():
            raise ValueError(
                f"scale lies in {SMALLEST_SCALE:.3g} .. {LARGEST_SCALE:.3g}, the normal float32 "
                f"numbers above 0; got {scale.min()} .. {scale.max()}"
            )
        if not np.issubdtype(zero_point.dtype, np.integer):
            raise ValueError(f"zero_point is a whole number; got {zero_point.dtype}: round it")
        if ((zero_point < self.qmin) | (zero_point > self.qmax)).any():
            raise ValueError(
                f"zero_point is a code in {self.qmin} .. {self.qmax}, so that 0 is exact; "
                f"got {zero_point.min()} .. {zero_point.max()}"
            )
        object.__setattr__(self, "scale", scale.astype(np.float32))
        object.__setattr__(self, "zero_point", zero_point.astype(np.int32))

    @property
    def bits(self) -> int:
        """Bits that one code takes when stored."""
        return int(self.qmax - self.qmin).bit_length()

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest integer type that holds every code."""
        return np.dtype(np.min_scalar_type(self.qmin if self.qmin < 0 else self.qmax))


def choose_qparams(
    x: Floats,
    *,
    bits: int,
    scheme: str = "symmetric",
    axis: int | None = None,
    group_size: int | None = None,
    method: str = "minmax",
) -> QParams:
    """The grid for ``x``: a step and a zero point for each slice.

    x           floating, any shape with at least one value, finite
    bits        width of a code: 2 .. 16 symmetric, 1 .. 16 asymmetric
    scheme      "symmetric": codes -(2**(bits-1) - 1) .. 2**(bits-1) - 1, zero point 0;
                "asymmetric": codes 0 .. 2**bits - 1, the range always contains 0
    axis        the axis that keeps its own scale (0 for the output channels of a weight)
    group_size  groups of so many consecutive values of the last axis, which it divides; groups never
                cross a row, so an ``axis`` beside it changes nothing
    method      "minmax": the largest values decide; "percentile": the 99.9th percentile (of |x|, or of
                both ends) does; "mse": the range of least squared error on ``x``, searched for, never
                worse than minmax

    A slice of one repeated value takes its magnitude as the step, which reproduces it exactly; all zeros
    take step 1. Steps stay normal numbers: below 1.2e-38 a step is raised to that.

    >>> choose_qparams(np.array([-1.5, 0.3, 0.9]), bits=3).scale
    array(0.5, dtype=float32)
    >>> choose_qparams(np.array([0.0, 0.5, 1.5]), bits=2, scheme="asymmetric").scale
    array(0.5, dtype=float32)

    Source: Jacob et al., CVPR 2018, arXiv:1712.05877, equation 1.
    """
    values = _single(x, "x")
    if values.size == 0:
        raise ValueError("x is empty: a grid needs at least one value")
    if scheme not in SCHEMES:
        raise ValueError(f"scheme is one of {', '.join(SCHEMES)}; got {scheme!r}")
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}; got {method!r}")
    symmetric = scheme == "symmetric"
    least = 2 if symmetric else 1
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not least <= bits <= 16:
        raise ValueError(
            f"bits is a whole number from {least} to 16 for scheme {scheme!r}; got {bits!r}"
        )
    qmax = 2 ** (int(bits) - 1) - 1 if symmetric else 2 ** int(bits) - 1
    qmin = -qmax if symmetric else 0
    axis = checked_axis(values.shape, axis)
    rows, shape = slices(values, axis, group_size)
    low, high = clipping_range(rows, qmin, qmax, method)
    scale, zero_point = grid(low, high, qmin, qmax)
    constant = rows.min(axis=1) == rows.max(axis=1)
    magnitude = np.abs(rows[:, 0])
    reproducible = constant & (magnitude >= SMALLEST_SCALE)
    scale = np.where(reproducible, magnitude, np.where(constant & (magnitude == 0), 1, scale))
    if not symmetric:
        zero_point = np.where(reproducible, (rows[:, 0] < 0).astype(np.int32), zero_point)
    return QParams(
        scale=scale.reshape(shape),
        zero_point=zero_point.reshape(shape),
        qmin=qmin,
        qmax=qmax,
        axis=axis,
        group_size=group_size,
    )


def quantize(x: Floats, qparams: QParams) -> Codes:
    """The codes of ``x``: ``clip(round(x / scale) + zero_point)``, in the smallest integer type.

    x  floating, finite, of the shape that ``qparams`` was chosen for (any shape for one scale)

    Divides in float32, as ONNX's QuantizeLinear. :func:`fake_quantize` multiplies by the reciprocal, as
    torch's, and the two differ where the quotient is a tie and the reciprocal is not exact:

    >>> by_seven = QParams(scale=np.float32(7), zero_point=np.int32(0), qmin=-127, qmax=127)
    >>> x = np.array([45.5])  # 6.5 steps, a tie; times fl(1/7) it is a little more
    >>> quantize(x, by_seven), fake_quantize(x, by_seven)
    (array([6], dtype=int8), array([49.], dtype=float32))
    """
    values = _single(x, "x")
    rows, scale, zero_point = _aligned(values, qparams)
    codes = np.empty(rows.shape, dtype=qparams.dtype)
    _quantize(rows, scale, zero_point, np.float32(qparams.qmin), np.float32(qparams.qmax), codes)
    return unsliced(codes, values.shape, qparams.axis, qparams.group_size)


def dequantize(codes: Codes, qparams: QParams) -> NDArray[np.float32]:
    """The values behind ``codes``, ``scale * (code - zero_point)``, as float32.

    codes  integers in ``qmin .. qmax``, of the shape that ``qparams`` was chosen for
    """
    codes = _checked_codes(codes, qparams.qmin, qparams.qmax)
    rows, scale, zero_point = _aligned(codes, qparams)
    values = (rows.astype(np.float32) - zero_point[:, None]) * scale[:, None]
    return unsliced(values, codes.shape, qparams.axis, qparams.group_size)


def fake_quantize(x: Floats, qparams: QParams) -> NDArray[np.float32]:
    """``x`` moved to the nearest grid values, float32, the shape of ``x``.

    x  floating, finite, of the shape that ``qparams`` was chosen for (any shape for one scale)

    Multiplies by the float32 reciprocal of the step: bit for bit what torch's fake_quantize gives, as
    long as ``x / scale`` stays below 2**63, where torch's integers overflow; here such values saturate.
    """
    values = _single(x, "x")
    rows, scale, zero_point = _aligned(values, qparams)
    nearest = np.empty(rows.shape, dtype=np.float32)
    _fake_quantize(
        rows, scale, zero_point, np.float32(qparams.qmin), np.float32(qparams.qmax), nearest
    )
    return unsliced(nearest, values.shape, qparams.axis, qparams.group_size)


def to_unsigned(codes: Codes, qparams: QParams) -> Codes:
    """``codes - qmin``: codes from 0 on, ready for :func:`pack`; uint8 or uint16.

    >>> grid = choose_qparams(np.array([-1.0, 1.0]), bits=3)
    >>> to_unsigned(np.array([-3, 0, 3], dtype=np.int8), grid)
    array([0, 3, 6], dtype=uint8)
    """
    codes = _checked_codes(codes, qparams.qmin, qparams.qmax)
    smallest = np.uint8 if qparams.bits <= 8 else np.uint16
    return (codes.astype(np.int32) - qparams.qmin).astype(smallest)


def from_unsigned(codes: Codes, qparams: QParams) -> Codes:
    """Inverse of :func:`to_unsigned`: ``codes + qmin``, in the type of ``qparams``."""
    codes = _checked_codes(codes, 0, qparams.qmax - qparams.qmin)
    return (codes.astype(np.int32) + qparams.qmin).astype(qparams.dtype)


def _single(x: Floats, name: str) -> NDArray[np.float32]:
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(
            f"{name} is floating; got {x.dtype}: convert it with astype(numpy.float32)"
        )
    with np.errstate(over="ignore"):
        single: NDArray[np.float32] = np.ascontiguousarray(x, dtype=np.float32)
    # One pass without a temporary: a sum over |x| would overflow on finite values, min and max cannot.
    if single.size and not (np.isfinite(single.min()) and np.isfinite(single.max())):
        what = "values beyond float32" if np.isfinite(x).all() else "NaN or infinity"
        raise ValueError(
            f"{name} holds {what}, which no grid can represent; find where it came from"
        )
    return single.reshape(x.shape)


def _checked_codes(codes: Codes, least: int, largest: int) -> Codes:
    codes = np.asarray(codes)
    if not np.issubdtype(codes.dtype, np.integer):
        raise ValueError(f"codes are integers; got {codes.dtype}: quantize first")
    if codes.size and (int(codes.min()) < least or int(codes.max()) > largest):
        raise ValueError(
            f"codes lie in {least} .. {largest}; got {codes.min()} .. {codes.max()}: "
            "do they belong to these qparams?"
        )
    return codes


def _aligned(
    values: NDArray[Any], qparams: QParams
) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]:
    """Slices as rows, with the step and the zero point (as float32, exact) of each."""
    rows, shape = slices(values, qparams.axis, qparams.group_size)
    if shape != qparams.scale.shape:
        raise ValueError(
            f"x of shape {values.shape} has grids of shape {shape}, but qparams holds "
            f"{qparams.scale.shape}: choose qparams for an array of this shape"
        )
    return rows, qparams.scale.reshape(-1), qparams.zero_point.reshape(-1).astype(np.float32)


# Adding the zero point turns a negative zero into a positive one, as a trip through integers would.


@numba.njit(cache=True)
def _quantize(
    rows: NDArray[np.float32],
    scale: NDArray[np.float32],
    zero_point: NDArray[np.float32],
    qmin: np.float32,
    qmax: np.float32,
    codes: Codes,
) -> None:
    for row in range(rows.shape[0]):
        step, zero = scale[row], zero_point[row]
        for column in range(rows.shape[1]):
            code = np.rint(rows[row, column] / step) + zero
            codes[row, column] = min(max(code, qmin), qmax)


@numba.njit(cache=True)
def _fake_quantize(
    rows: NDArray[np.float32],
    scale: NDArray[np.float32],
    zero_point: NDArray[np.float32],
    qmin: np.float32,
    qmax: np.float32,
    nearest: NDArray[np.float32],
) -> None:
    for row in range(rows.shape[0]):
        step, zero = scale[row], zero_point[row]
        inverse = np.float32(1.0) / step
        for column in range(rows.shape[1]):
            code = min(max(np.rint(rows[row, column] * inverse) + zero, qmin), qmax)
            nearest[row, column] = (code - zero) * step
