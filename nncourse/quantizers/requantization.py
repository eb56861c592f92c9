"""Requantization: from the 32-bit sum of a layer to the 8-bit code that the next layer reads.

The sum counts steps of ``input scale * weight scale``, the code counts steps of the output scale. What
lies between the two is one multiplier a channel, ``input scale * weight scale / output scale``, applied as
a float or as an integer and a shift.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ARITHMETICS = ("float", "fixed")
MANTISSA_BITS = 31
LARGEST_SHIFT = 62  # an accumulator times a mantissa takes 62 bits and a sign
LARGEST_MULTIPLIER = 2.0**30  # from here on, no right shift is left

Codes = NDArray[np.integer[Any]]


def fixed_point(multiplier: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Whole numbers ``(mantissa, shift)`` with ``mantissa / 2**shift`` nearest to ``multiplier``.

    multiplier  float, any shape, above 0 and below 2**30
    returns     mantissa in 2**30 .. 2**31 - 1 (it fits a signed 32-bit register) and shift in 1 .. 62, both
                in the shape of ``multiplier``

    A mantissa of 31 bits holds a float32, of 24 bits, exactly. Below 2**-32 the shift stays at 62 and the
    mantissa gets shorter: a multiplier so small turns every 32-bit sum into 0 anyway.

    >>> mantissa, shift = fixed_point(0.0072)
    >>> int(mantissa), int(shift), float(mantissa / 2.0**shift)
    (1979120930, 38, 0.0072000000000116415)

    Source: Jacob et al., CVPR 2018, arXiv:1712.05877, section 2.2, equations 5 and 6.
    """
    multipliers = _checked_multiplier(multiplier).astype(np.float64)
    _, exponent = np.frexp(multipliers)
    shift = np.minimum(MANTISSA_BITS - exponent, LARGEST_SHIFT)
    mantissa = np.rint(np.ldexp(multipliers, shift))
    carried = mantissa == 2.0**MANTISSA_BITS  # rounding up gave a 32nd bit
    mantissa = np.where(carried, mantissa / 2, mantissa)
    return mantissa.astype(np.int64), np.where(carried, shift - 1, shift).astype(np.int64)


def requantize(
    accumulator: NDArray[np.integer[Any]],
    multiplier: ArrayLike,
    zero_point: int,
    *,
    arithmetic: str = "float",
    qmin: int = 0,
    qmax: int = 255,
) -> Codes:
    """The codes of ``accumulator``: ``clip(round(accumulator * multiplier) + zero_point, qmin, qmax)``.

    accumulator  integers within 32 bits, any shape
    multiplier   float32, above 0 and below 2**30, of a shape that broadcasts to the accumulator's
    zero_point   the output code that means 0
    arithmetic   "float": sum and product are rounded to float32, as ONNX Runtime does;
                 "fixed": the product is exact, of 62 bits, and shifted once
    qmin, qmax   smallest and largest code; the result has the smallest integer type that holds them

    Both round half to even. They differ where float32, of 24 bits, rounds the product onto or across a
    tie: by one code, in about one of a million. "fixed" is always the code nearest to the exact product;
    code that rounds twice, after a doubling high multiply and again after the shift, is not.

    >>> sums = np.array([-200, 70, 208, 40_000], dtype=np.int32)
    >>> requantize(sums, 0.0072, 3)
    array([  2,   4,   4, 255], dtype=uint8)
    >>> requantize(sums, 0.0072, 3, arithmetic="fixed")
    array([  2,   4,   4, 255], dtype=uint8)

    Source: Jacob et al., CVPR 2018, arXiv:1712.05877, section 2.2; ONNX, operator QLinearConv.
    """
    arithmetic = checked_arithmetic(arithmetic)
    sums = np.asarray(accumulator)
    if not np.issubdtype(sums.dtype, np.integer):
        raise ValueError(f"accumulator holds integers; got {sums.dtype}: requantize the sum itself")
    wide = not np.can_cast(sums.dtype, np.int32)
    if wide and sums.size and not -(2**31) <= sums.min() <= sums.max() < 2**31:
        raise ValueError(
            f"accumulator fits 32 bits; got {sums.min()} .. {sums.max()}: shorten the sum or use fewer bits"
        )
    if not qmin <= zero_point <= qmax:
        raise ValueError(f"zero_point is a code in {qmin} .. {qmax}; got {zero_point}")
    multipliers = _checked_multiplier(np.asarray(multiplier, dtype=np.float32))
    rounded: NDArray[Any]
    if arithmetic == "float":
        rounded = np.asarray(np.rint(sums.astype(np.float32) * multipliers))
    else:
        mantissa, shift = fixed_point(multipliers)
        rounded = np.asarray(rounding_shift(sums.astype(np.int64) * mantissa, shift))
    dtype = np.min_scalar_type(qmin if qmin < 0 else qmax)
    rounded += rounded.dtype.type(zero_point)
    np.maximum(rounded, qmin, out=rounded)
    codes: Codes = np.minimum(rounded, qmax, out=rounded).astype(dtype)
    return codes


def rounding_shift(values: NDArray[np.int64], shift: ArrayLike) -> NDArray[np.int64]:
    """``values / 2**shift`` rounded half to even, in integers only.

    values  int64 of magnitude up to 2**62, any shape
    shift   1 .. 62, of a shape that broadcasts to the values'

    >>> rounding_shift(np.array([-3, -1, 1, 3, 5]), 1)
    array([-2,  0,  0,  2,  2])
    """
    shifts = np.asarray(shift, dtype=np.int64)
    if shifts.size and not 1 <= shifts.min() <= shifts.max() <= LARGEST_SHIFT:
        raise ValueError(
            f"shift lies in 1 .. {LARGEST_SHIFT}; got {shifts.min()} .. {shifts.max()}"
        )
    # An arithmetic shift rounds down. A little less than half a unit on top makes that round to the
    # nearest with ties down, exactly half a unit with ties up: the latter where "down" would be odd.
    result: NDArray[np.int64] = values >> shifts
    result &= 1
    result += (np.int64(1) << (shifts - 1)) - 1
    result += values
    result >>= shifts
    return result


def checked_arithmetic(arithmetic: str) -> str:
    """``arithmetic``, one of ``ARITHMETICS``."""
    if arithmetic not in ARITHMETICS:
        raise ValueError(f"arithmetic is one of {', '.join(ARITHMETICS)}; got {arithmetic!r}")
    return arithmetic


def _checked_multiplier(multiplier: ArrayLike) -> NDArray[np.floating[Any]]:
    multipliers = np.asarray(multiplier)
    if not np.issubdtype(multipliers.dtype, np.floating):
        raise ValueError(f"multiplier is floating; got {multipliers.dtype}: write 1.0, not 1")
    if not ((multipliers > 0) & (multipliers < LARGEST_MULTIPLIER)).all():
        raise ValueError(
            f"multiplier lies above 0 and below 2**30; got {multipliers.min()} .. {multipliers.max()}: "
            "is the output scale right?"
        )
    return multipliers
