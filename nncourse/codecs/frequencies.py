"""Whole-number frequencies: the model of a static arithmetic or ANS coder, and its bytes.

====================  ==========================================================================
bytes                 meaning
====================  ==========================================================================
0                     bits of the total: the frequencies sum to ``2**bits``, 0..20
then                  the bit length of every frequency, 0 where a symbol does not occur, as in
                      :mod:`nncourse.codecs.length_table`
then                  for each frequency its bits below the highest one, from the lowest up, without gaps
====================  ==========================================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.bitstream import CodecError, unpack
from nncourse.codecs.frame import Reader
from nncourse.codecs.length_table import read_row, write_row

MAX_BITS = 20
Frequencies = NDArray[np.int64]


def normalized(counts: ArrayLike, bits: int) -> Frequencies:
    """Frequencies that sum to ``2**bits``, at least 1 for each symbol that occurs, at least cost.

    counts   at least 0, shape (symbols,)
    bits     1..20, and enough for the symbols that occur

    The cost is the cross entropy, ``-sum(counts * log2(frequencies))``. One more unit saves a symbol
    ``count * log2((f + 1) / f)`` bits, less and less as f grows; so each symbol takes all units that save it
    more than some price, the price at which nearly all are taken is found by halving, and the units that
    are left go one each to where they save most. Equal counts: the earlier symbol.

    >>> normalized([6, 1, 1], 3)
    array([6, 1, 1])
    """
    counts = np.asarray(counts, dtype=np.int64)
    used = np.flatnonzero(counts)
    if used.size > 1 << bits:
        raise ValueError(f"bits {bits} leaves room for {1 << bits} symbols, and {used.size} occur")
    weights = counts[used].astype(np.float64)
    total = 1 << bits

    def bought(price: float) -> NDArray[np.int64]:
        """Frequencies when every unit is taken that saves ``price`` bits or more."""
        units = 1 / np.expm1(np.minimum(price / weights, 1000) * np.log(2))
        return np.asarray(1 + np.minimum(units, total), dtype=np.int64)

    # At the high price nobody buys a second unit, at the low one the most frequent symbol buys all.
    low, high = float(weights.max()) / total, 2 * float(weights.max())
    for _ in range(48):
        price = (low * high) ** 0.5
        if bought(price).sum() > total:
            low = price
        else:
            high = price
    frequencies = bought(high)
    savings = weights * np.log2((frequencies + 1) / frequencies)
    missing = total - int(frequencies.sum())
    frequencies[np.argsort(-savings, kind="stable")[:missing]] += 1
    result = np.zeros(counts.size, dtype=np.int64)
    result[used] = frequencies
    return result


def write_frequencies(frequencies: Frequencies) -> bytes:
    """The bytes that hold ``frequencies``, which sum to a power of two.

    >>> data = write_frequencies(np.array([0, 6, 1, 1]))
    >>> len(data), read_frequencies(Reader(data), 4).tolist()
    (6, [0, 6, 1, 1])
    """
    bits = int(frequencies.sum()).bit_length() - 1
    digits = "".join(f"{frequency:b}"[:0:-1] for frequency in frequencies.tolist() if frequency)
    low = np.frombuffer(digits.encode(), dtype=np.uint8) & 1
    packed = np.packbits(low, bitorder="little").tobytes()
    return bytes([bits]) + write_row(_bit_lengths(frequencies)) + packed


def read_frequencies(reader: Reader, num_symbols: int) -> Frequencies:
    """The frequencies of ``num_symbols`` symbols, from where ``reader`` is.

    Raises :class:`~nncourse.bitstream.CodecError` unless they sum to the power of two that is named.
    """
    bits = reader.byte()
    lengths = read_row(reader, num_symbols).astype(np.int64)
    if bits > MAX_BITS or int(lengths.max()) > MAX_BITS + 1:
        raise CodecError("data: its table of frequencies is damaged")
    used = np.flatnonzero(lengths)
    num_low = lengths[used] - 1
    total = int(num_low.sum())
    low = unpack(bytes(reader.take(-(-total // 8))), 1, total)
    owner = np.repeat(used, num_low)
    place = np.arange(total) - np.repeat(np.cumsum(num_low) - num_low, num_low)
    frequencies: Frequencies = np.left_shift(1, lengths) >> 1
    np.add.at(frequencies, owner, low.astype(np.int64) << place)
    if int(frequencies.sum()) != 1 << bits:
        raise CodecError(f"data: its frequencies do not sum to {1 << bits}; it is damaged")
    return frequencies


def _bit_lengths(values: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.frexp(values.astype(np.float64))[1].astype(np.uint8)
