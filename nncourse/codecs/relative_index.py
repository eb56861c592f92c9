"""Relative index: where the kept entries are, told by the zeros between them.

Each entry is a gap, the number of zeros before it, and a value. A gap of ``bits`` bits reaches
``2**bits - 1`` zeros; where more zeros follow each other a *filler* is stored, an entry whose value is
zero, and counting goes on behind it. An entry always moves on by its gap and one.

Source: S. Han et al., EIE: efficient inference engine on compressed deep neural network, ISCA 2016,
section 3, where a column of 23 entries becomes values (1, 2, 0, 3) and gaps (2, 0, 15, 2).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.bitstream import CodecError

MAX_GAP_BITS = 16
Gaps = NDArray[np.uint16]


def split(symbols: ArrayLike, gap_bits: int) -> tuple[NDArray[Any], Gaps]:
    """Values and gaps of the entries that stand for ``symbols``.

    symbols   integers, shape (n,); zeros are what is left out
    gap_bits  width of a gap, 1..16
    returns   values, of the dtype of ``symbols``, 0 in a filler; gaps, uint16; zeros after the last
              entry are in neither

    >>> column = [0, 0, 1, 2, *[0] * 18, 3]
    >>> split(np.array(column), 4)
    (array([1, 2, 0, 3]), array([ 2,  0, 15,  2], dtype=uint16))
    """
    gap_bits = checked_gap_bits(gap_bits)
    flat = np.asarray(symbols).ravel()
    step = 1 << gap_bits
    places = np.flatnonzero(flat)
    zeros = np.diff(places, prepend=-1) - 1
    num_fillers = zeros >> gap_bits
    ends = np.cumsum(num_fillers + 1)
    num_entries = int(ends[-1]) if ends.size else 0
    values = np.zeros(num_entries, dtype=flat.dtype)
    gaps = np.full(num_entries, step - 1, dtype=np.uint16)
    values[ends - 1] = flat[places]
    gaps[ends - 1] = zeros & (step - 1)
    return values, gaps


def split_textbook(symbols: ArrayLike, gap_bits: int) -> tuple[list[int], list[int]]:
    """:func:`split` as one would say it: walk along, count zeros, write an entry or a filler."""
    values, gaps, zeros = [], [], 0
    pending: list[tuple[int, int]] = []
    for symbol in np.asarray(symbols).ravel().tolist():
        if symbol == 0 and zeros == 2**gap_bits - 1:
            pending.append((0, zeros))
            zeros = 0
        elif symbol == 0:
            zeros += 1
        else:
            for value, gap in [*pending, (symbol, zeros)]:
                values.append(value)
                gaps.append(gap)
            pending, zeros = [], 0
    return values, gaps


def joined(values: NDArray[Any], gaps: Gaps, count: int) -> NDArray[Any]:
    """The ``count`` symbols that values and gaps stand for.

    values  of the entries, shape (m,); 0 in a filler
    gaps    zeros before each entry, shape (m,)

    Entries that reach beyond ``count`` raise :class:`~nncourse.bitstream.CodecError`.
    """
    symbols = np.zeros(count, dtype=values.dtype)
    reached = _scatter(values, gaps, symbols)
    if reached > count:
        raise CodecError(f"data: its gaps reach beyond the {count} symbols; it is damaged")
    return symbols


def best_gap_bits(symbols: ArrayLike, value_bits: int) -> int:
    """The width of gaps, 1..16, at which gaps and values of ``value_bits`` take the fewest bits.

    A wide gap costs bits in every entry, a narrow one costs fillers; ties go to the narrower.
    """
    zeros = np.diff(np.flatnonzero(np.asarray(symbols).ravel()), prepend=-1) - 1
    costs = [
        (zeros.size + int((zeros >> bits).sum())) * (bits + value_bits)
        for bits in range(1, MAX_GAP_BITS + 1)
    ]
    return 1 + int(np.argmin(costs))


def checked_gap_bits(gap_bits: int) -> int:
    """``gap_bits``, a whole number from 1 to 16; ValueError otherwise."""
    whole = isinstance(gap_bits, int | np.integer) and not isinstance(gap_bits, bool)
    if not whole or not 1 <= gap_bits <= MAX_GAP_BITS:
        raise ValueError(f"gap_bits is a whole number from 1 to {MAX_GAP_BITS}; got {gap_bits!r}")
    return int(gap_bits)


@numba.njit(cache=True)
def _scatter(values: NDArray[Any], gaps: Gaps, symbols: NDArray[Any]) -> Any:
    """Writes each value behind its gap; returns the position behind the last, or one too far."""
    position: Any = 0
    for index in range(values.size):
        position += np.int64(gaps[index])
        if position >= symbols.size:
            return symbols.size + 1
        symbols[position] = values[index]
        position += 1
    return position
