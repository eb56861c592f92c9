"""Bits in a row: unsigned codes of 1 to 16 bits packed without gaps, and unpacked again.

The first code takes the least significant bits of the first byte; a code may straddle bytes. Spare bits
of the last byte are zero.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_BITS = 16
Codes = NDArray[np.unsignedinteger[Any]]


class CodecError(ValueError):
    """Stored bytes that are truncated, extended, damaged or of another kind."""


def pack(codes: ArrayLike, bits: int) -> bytes:
    """Exactly ``ceil(size * bits / 8)`` bytes that hold ``codes`` side by side.

    codes  integers in 0 .. 2**bits - 1, any shape, packed in C order
    bits   width of one code, 1 .. 16

    Least significant bit first: code i begins at bit ``i * bits``, and bit j of the stream is bit
    ``j % 8`` of byte ``j // 8``.

    >>> pack([1, 2, 3], 4).hex()
    '2103'
    >>> unpack(pack([5, 0, 7], 3), 3, count=3)
    array([5, 0, 7], dtype=uint8)
    """
    bits = _checked_bits(bits)
    codes = np.asarray(codes)
    if codes.size == 0:
        return b""
    if not np.issubdtype(codes.dtype, np.integer):
        raise ValueError(f"codes are integers; got {codes.dtype}: round and convert them first")
    flat = codes.ravel()
    if int(flat.min()) < 0 or int(flat.max()) >= 1 << bits:
        position = int(np.argmax((flat < 0) | (flat >= 1 << bits)))
        raise ValueError(
            f"codes of {bits} bits lie in 0 .. {(1 << bits) - 1}; codes[{position}] is "
            f"{int(flat[position])}. Signed codes need an offset first (affine.to_unsigned)."
        )
    packed = np.empty(-(-flat.size * bits // 8), dtype=np.uint8)
    narrow: Codes = flat.astype(np.uint16, copy=False)
    _pack(narrow, bits, packed)
    return packed.tobytes()


def unpack(data: bytes, bits: int, count: int) -> Codes:
    """The ``count`` codes that :func:`pack` wrote into ``data``.

    data     exactly ``ceil(count * bits / 8)`` bytes
    bits     width of one code, 1 .. 16
    count    number of codes
    returns  uint8 for up to 8 bits, else uint16; shape (count,)

    Raises :class:`CodecError` when bytes are missing or left over, or a spare bit is set.
    """
    bits = _checked_bits(bits)
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"count is a whole number of at least 0; got {count!r}")
    expected_bytes = -(-int(count) * bits // 8)
    if len(data) != expected_bytes:
        kind = "truncated" if len(data) < expected_bytes else "followed by foreign bytes"
        raise CodecError(
            f"data: {count} codes of {bits} bits take {expected_bytes} bytes, got {len(data)}; it is {kind}"
        )
    packed = np.frombuffer(data, dtype=np.uint8)
    spare_bits = 8 * expected_bytes - int(count) * bits
    if spare_bits and int(packed[-1]) >> (8 - spare_bits):
        raise CodecError(
            f"data: the {spare_bits} spare bits of the last byte are not zero; it is damaged"
        )
    codes: Codes = np.zeros(int(count), dtype=np.uint8 if bits <= 8 else np.uint16)
    _unpack(packed, bits, codes)
    return codes


def pack_textbook(codes: ArrayLike, bits: int) -> bytes:
    """:func:`pack` as one would say it: write out every bit, then cut the row of bits into bytes."""
    rows = np.asarray(codes).reshape(-1, 1) >> np.arange(bits) & 1
    return np.packbits(rows.astype(np.uint8).ravel(), bitorder="little").tobytes()


def unpack_textbook(data: bytes, bits: int, count: int) -> NDArray[np.int64]:
    """:func:`unpack` as one would say it: a row of bits, ``bits`` of them to a code."""
    row = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=count * bits, bitorder="little")
    weights = np.left_shift(1, np.arange(bits, dtype=np.int64))
    result: NDArray[np.int64] = row.reshape(count, bits).astype(np.int64) @ weights
    return result


def _checked_bits(bits: int) -> int:
    if (
        isinstance(bits, bool)
        or not isinstance(bits, int | np.integer)
        or not 1 <= bits <= MAX_BITS
    ):
        raise ValueError(f"bits is a whole number from 1 to {MAX_BITS}; got {bits!r}")
    return int(bits)


# Invariant of both loops: `window` holds the `filled` bits between the byte position and the code
# position, filled < 8 + bits <= 24, so 64 bits never overflow.


@numba.njit(cache=True)
def _pack(codes: Codes, bits: int, packed: NDArray[np.uint8]) -> None:
    window, filled, position = np.uint64(0), 0, 0
    for code in codes:
        window |= np.uint64(code) << np.uint64(filled)
        filled += bits
        while filled >= 8:
            packed[position] = window & np.uint64(255)
            window >>= np.uint64(8)
            filled -= 8
            position += 1
    if filled:
        packed[position] = window


@numba.njit(cache=True)
def _unpack(packed: NDArray[np.uint8], bits: int, codes: Codes) -> None:
    mask = np.uint64((1 << bits) - 1)
    window, filled, position = np.uint64(0), 0, 0
    for index in range(codes.size):
        while filled < bits:
            window |= np.uint64(packed[position]) << np.uint64(filled)
            filled += 8
            position += 1
        codes[index] = window & mask
        window >>= np.uint64(bits)
        filled -= bits
