"""Whole-number frequencies: the model of a static arithmetic or ANS coder, and its bytes.

====================  ==========================================================================
bytes                 meaning
====================  ==========================================================================
0                     bits of the total: the frequencies sum to ``2**bits``, 0..20
then                  first symbol that occurs, symbols from it to the last one - 1 (two varints)
then                  for each of them the bit length of its frequency, 0 where it does not occur,
                      five bits each
then                  for each frequency its bits below the highest one, from the lowest up, without gaps
====================  ==========================================================================
"""

from __future__ import annotations

import heapq
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.bitstream import CodecError, pack, unpack
from nncourse.codecs.frame import Reader, varint

MAX_BITS = 20
Frequencies = NDArray[np.int64]


def normalized(counts: ArrayLike, bits: int) -> Frequencies:
    """Frequencies that sum to ``2**bits``, at least 1 for each symbol that occurs, at least cost.

    counts   at least 0, shape (symbols,)
    bits     1..20, and enough for the symbols that occur

    The cost is the cross entropy, ``-sum(counts * log2(frequencies))``. It is convex in every frequency, so
    starting from the rounded-down shares and giving each unit that is left to where it saves most, or
    taking one from where it costs least, ends at the least cost.

    >>> normalized([6, 1, 1], 3)
    array([6, 1, 1])
    """
    counts = np.asarray(counts, dtype=np.int64)
    used = np.flatnonzero(counts)
    if used.size > 1 << bits:
        raise ValueError(f"bits {bits} leaves room for {1 << bits} symbols, and {used.size} occur")
    total = 1 << bits
    shares = counts[used] * (total / counts.sum())
    frequencies = np.maximum(np.floor(shares), 1).astype(np.int64)
    missing = total - int(frequencies.sum())
    step = 1 if missing > 0 else -1
    weights = counts[used].tolist()

    def price(place: int) -> float:
        """Bits that one unit more (or less) costs symbol ``place``; infinite where none is left."""
        frequency = int(frequencies[place])
        if frequency + step < 1:
            return math.inf
        return -float(weights[place]) * float(np.log2((frequency + step) / frequency))

    waiting = [(price(place), place) for place in range(used.size)]
    heapq.heapify(waiting)
    for _ in range(abs(missing)):
        place = waiting[0][1]
        frequencies[place] += step
        heapq.heapreplace(waiting, (price(place), place))
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
    used = np.flatnonzero(frequencies)
    first, last = int(used[0]), int(used[-1])
    stretch = frequencies[first : last + 1]
    lengths = _bit_lengths(stretch)
    digits = "".join(f"{frequency:b}"[:0:-1] for frequency in stretch.tolist() if frequency)
    low = np.frombuffer(digits.encode(), dtype=np.uint8) & 1
    head = bytes([bits]) + varint(first) + varint(last - first)
    return head + pack(lengths, 5) + np.packbits(low, bitorder="little").tobytes()


def read_frequencies(reader: Reader, num_symbols: int) -> Frequencies:
    """The frequencies of ``num_symbols`` symbols, from where ``reader`` is.

    Raises :class:`~nncourse.bitstream.CodecError` unless they sum to the power of two that is named.
    """
    bits, first = reader.byte(), reader.varint()
    last = first + reader.varint()
    if bits > MAX_BITS or last >= num_symbols:
        raise CodecError("data: its table of frequencies is damaged")
    count = last - first + 1
    lengths = unpack(bytes(reader.take(-(-5 * count // 8))), 5, count).astype(np.int64)
    num_low = np.maximum(lengths - 1, 0)
    total = int(num_low.sum())
    if int(lengths.max()) > MAX_BITS + 1 or not lengths[0] or not lengths[-1]:
        raise CodecError("data: its table of frequencies is damaged")
    low = unpack(bytes(reader.take(-(-total // 8))), 1, total)
    stretch = np.left_shift(1, lengths) >> 1
    owner = np.repeat(np.arange(count), num_low)
    place = np.arange(total) - np.repeat(np.cumsum(num_low) - num_low, num_low)
    np.add.at(stretch, owner, low.astype(np.int64) << place)
    if int(stretch.sum()) != 1 << bits:
        raise CodecError(f"data: its frequencies do not sum to {1 << bits}; it is damaged")
    frequencies = np.zeros(num_symbols, dtype=np.int64)
    frequencies[first : last + 1] = stretch
    return frequencies


def _bit_lengths(values: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.frexp(values.astype(np.float64))[1].astype(np.uint8)
