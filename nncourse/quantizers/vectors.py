"""Vectors on a grid each, as a cache of keys and values stores them: codes, a step and a zero point.

What a cache keeps is written once, when a token is read, and read again at every later token. A vector is
quantized when it is written, from its own smallest and largest number: nothing has to be calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import pack, unpack

Floats = NDArray[np.floating[Any]]

SMALLEST_STEP = float(np.finfo(np.float16).tiny)


@dataclass(frozen=True, kw_only=True, eq=False)
class Vectors:
    """Quantized vectors: the value of a code is ``low + code * step``.

    codes  uint8, shape (..., k)
    step   float16, shape (...,)
    low    float16, shape (...,): the value of code 0
    bits   width of a code
    """

    codes: NDArray[np.uint8]
    step: NDArray[np.float16]
    low: NDArray[np.float16]
    bits: int

    def values(self) -> NDArray[np.float32]:
        """What the codes stand for, float32, shape (..., k)."""
        step, low = (x.astype(np.float32)[..., None] for x in (self.step, self.low))
        found: NDArray[np.float32] = low + self.codes.astype(np.float32) * step
        return found

    def stored(self) -> bytes:
        """The bytes of a memory that holds them: packed codes, then steps, then lows."""
        return pack(self.codes.reshape(-1), self.bits) + self.step.tobytes() + self.low.tobytes()

    @classmethod
    def of_stored(cls, data: bytes, *, shape: tuple[int, ...], bits: int) -> Vectors:
        """Inverse of :meth:`stored`, for vectors of ``shape`` (..., k)."""
        count, each = int(np.prod(shape)), 2 * int(np.prod(shape[:-1]))
        split = len(data) - 2 * each
        if split != -(-count * bits // 8):
            raise ValueError(f"data of {len(data)} bytes do not hold vectors of shape {shape}")
        codes = unpack(data[:split], bits, count).astype(np.uint8).reshape(shape)
        step = np.frombuffer(data[split : split + each], np.float16).reshape(shape[:-1])
        low = np.frombuffer(data[split + each :], np.float16).reshape(shape[:-1])
        return cls(codes=codes, step=step, low=low, bits=bits)


def quantize_vectors(x: Floats, *, bits: int) -> Vectors:
    """Each vector of the last axis on its own grid of ``2 ** bits`` even levels, its ends included.

    x     floating, finite, shape (..., k)
    bits  1 .. 8

    Lows are rounded down and steps up to float16, so that no value lies outside its grid and none moves
    by more than half a step; the step of a constant vector is the smallest there is.

    >>> quantize_vectors(np.array([[0.0, 1.0, 2.9, 3.0]]), bits=2).codes
    array([[0, 1, 3, 3]], dtype=uint8)

    Source: Liu et al., KIVI, ICML 2024, arXiv:2402.02750, section 3, per-token grids.
    """
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating) or x.ndim < 1 or x.size == 0:
        raise ValueError(f"x is floating and holds vectors; got {x.dtype} {x.shape}")
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 8:
        raise ValueError(f"bits is a whole number from 1 to 8; got {bits!r}")
    if not np.isfinite(x).all() or np.abs(x).max() > np.finfo(np.float16).max / 4:
        raise ValueError("x is finite and fits float16, in which steps and lows are kept")
    values = x.astype(np.float64)
    low = _float16(values.min(axis=-1), down=True)
    span = values.max(axis=-1) - low.astype(np.float64)
    step = _float16(np.maximum(span / (2**bits - 1), SMALLEST_STEP), down=False)
    places = (values - low.astype(np.float64)[..., None]) / step.astype(np.float64)[..., None]
    codes = np.clip(np.rint(places), 0, 2**bits - 1).astype(np.uint8)
    return Vectors(codes=codes, step=step, low=low, bits=bits)


def _float16(x: NDArray[np.float64], *, down: bool) -> NDArray[np.float16]:
    """The nearest float16 that is not above (down) or not below ``x``."""
    near = x.astype(np.float16)
    wrong = near.astype(np.float64) > x if down else near.astype(np.float64) < x
    beyond = np.nextafter(near, np.float16(-np.inf if down else np.inf))
    return np.where(wrong, beyond, near).astype(np.float16)
