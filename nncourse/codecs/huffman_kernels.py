"""The loops of the Huffman codec: many symbols a second, and never a byte out of bounds.

A stream is a row of bits, the lowest bit of a byte first, codewords with their own first bit first. At
a bit position ``place`` the next 57 bits at least are ``words[place >> 3] >> (place & 7)``, where
``words[i]`` are the eight bytes from byte i on, as one number. So one load serves four codewords of up to
14 bits.

Whoever decodes first makes room (:func:`padded`): behind the stream come zero bytes, enough for all bits
that :data:`CHUNK` codewords can take. Positions are compared with the end of the stream once for each
chunk; until then no load leaves the room, whatever the bits are. A table has an entry for every pattern
of ``bits`` bits, so no look-up leaves it either.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from nncourse.codecs.frame import Buffer
from nncourse.codecs.prefix_code import Codes, Lengths

CHUNK = 64  # symbols of a stream between two comparisons of its position
MAX_BITS = 16  # of a codeword, and of an address of a table
MAX_BITS_OF_FOUR = 14  # of a codeword, where one load of 57 bits has to serve four
ROOM_BYTES = CHUNK * MAX_BITS // 8 + 8
MOST_TOGETHER = 6  # symbols in one entry of a table of several
Words = NDArray[np.uint64]
Table = NDArray[np.uint32]
WideTable = NDArray[np.uint64]


def padded(stream: Buffer) -> Words:
    """Eight bytes from each byte of ``stream`` on, as numbers, with room behind the end."""
    room = np.empty(len(stream) + ROOM_BYTES, dtype=np.uint8)
    room[len(stream) :] = 0
    room[: len(stream)] = np.frombuffer(stream, dtype=np.uint8)
    return overlapping(room)


def overlapping(room: NDArray[np.uint8]) -> Words:
    """Eight bytes from each byte on as one number, least significant first: a view of ``room``."""
    return as_strided(room[:8].view("<u8"), shape=(room.size - 7,), strides=(1,))


@numba.njit(cache=True)
def histogram(symbols: NDArray[Any], num_symbols: int) -> NDArray[np.int64]:
    """How often each symbol occurs. Four tables in turn: equal neighbors do not wait for each other."""
    counts = np.zeros((4, num_symbols), dtype=np.int64)
    whole = symbols.size // 4 * 4
    for index in range(0, whole, 4):
        counts[0, symbols[index]] += 1
        counts[1, symbols[index + 1]] += 1
        counts[2, symbols[index + 2]] += 1
        counts[3, symbols[index + 3]] += 1
    for index in range(whole, symbols.size):
        counts[0, symbols[index]] += 1
    total: NDArray[np.int64] = counts.sum(axis=0)
    return total


@numba.njit(cache=True)
def write(
    symbols: NDArray[Any],
    entries: Table,
    segment_size: int,
    words: Words,
    begins: NDArray[np.int64],
) -> Any:
    """Writes the codewords of ``symbols`` and the bit at which each segment begins; returns their bits.

    entries       codeword, first bit lowest, in the high 26 bits; its length in the low 6
    segment_size  symbols of a segment
    words         zero, a view of overlapping numbers with room for all codewords
    begins        one for each segment
    """
    window, filled = np.uint64(0), np.uint64(0)
    byte: Any = 0
    seven, six, low = np.uint64(7), np.uint64(6), np.uint64(63)
    for segment in range(begins.size):
        first = segment * segment_size
        last = min(first + segment_size, symbols.size)
        begins[segment] = 8 * byte + np.int64(filled)
        whole = first + (last - first) // 3 * 3
        for index in range(first, whole, 3):
            # at most 7 + 3 * 16 bits
            entry = np.uint64(entries[symbols[index]])
            window |= (entry >> six) << filled
            filled += entry & low
            entry = np.uint64(entries[symbols[index + 1]])
            window |= (entry >> six) << filled
            filled += entry & low
            entry = np.uint64(entries[symbols[index + 2]])
            window |= (entry >> six) << filled
            filled += entry & low
            words[byte] = window
            byte += np.int64(filled >> np.uint64(3))
            window >>= filled & ~seven
            filled &= seven
        for index in range(whole, last):
            entry = np.uint64(entries[symbols[index]])
            window |= (entry >> six) << filled
            filled += entry & low
            words[byte] = window
            byte += np.int64(filled >> np.uint64(3))
            window >>= filled & ~seven
            filled &= seven
    return 8 * byte + np.int64(filled)


@numba.njit(cache=True)
def fill_table(codes: Codes, lengths: Lengths, bits: int) -> Table:
    """For every pattern of ``bits`` bits the symbol it begins with, and in the high half its length.

    codes    first bit lowest
    lengths  of a code that has a codeword for every pattern; none above ``bits``
    """
    table = np.zeros(1 << bits, dtype=np.uint32)
    for symbol in range(codes.size):
        if lengths[symbol]:
            entry = np.uint32(symbol) | np.uint32(lengths[symbol]) << np.uint32(16)
            table[codes[symbol] :: 1 << lengths[symbol]] = entry
    return table


@numba.njit(cache=True)
def fill_wide_table(table: Table, bits: int) -> WideTable:
    """For every pattern the symbols, up to six, whose codewords are whole within it.

    table  of :func:`fill_table`, symbols of 8 bits
    entry  bytes 0 to 5 the symbols, byte 6 their number, byte 7 the bits they take
    """
    wide = np.zeros(table.size, dtype=np.uint64)
    for pattern in range(table.size):
        entry, count = np.uint64(0), 0
        used: Any = 0
        while count < MOST_TOGETHER:
            found = table[pattern >> used]
            length = np.int64(found >> np.uint32(16))
            if used + length > bits:
                break
            entry |= np.uint64(found & np.uint32(255)) << np.uint64(8 * count)
            count += 1
            used += length
        wide[pattern] = entry | np.uint64(count) << np.uint64(48) | np.uint64(used) << np.uint64(56)
    return wide


@numba.njit(cache=True)
def read_one(
    words: Words, table: Table, bits: int, place: Any, end: Any, symbols: NDArray[Any]
) -> Any:
    """Fills ``symbols`` from bit ``place`` on; whether the codewords end at bit ``end`` exactly."""
    mask, seven, sixteen = np.uint64((1 << bits) - 1), np.uint64(7), np.uint64(16)
    at = np.uint64(place)
    for first in range(0, symbols.size, CHUNK):
        if at > np.uint64(end):
            return False
        for index in range(first, min(first + CHUNK, symbols.size)):
            found = np.uint64(table[(words[at >> np.uint64(3)] >> (at & seven)) & mask])
            symbols[index] = found & np.uint64(65535)
            at += found >> sixteen
    return at == np.uint64(end)


@numba.njit(cache=True)
def read_four(
    words: Words,
    table: Table,
    bits: int,
    places: NDArray[np.int64],
    segment_size: int,
    symbols: NDArray[Any],
) -> Any:
    """Fills ``symbols`` from four segments that follow each other, decoded side by side.

    bits          of an address, at most 14
    places        bits at which the four begin, and the last ends
    segment_size  symbols of each of the first three, and at least of the last
    """
    mask, seven, three, sixteen = (
        np.uint64((1 << bits) - 1),
        np.uint64(7),
        np.uint64(3),
        np.uint64(16),
    )
    at0, at1, at2, at3 = (
        np.uint64(places[0]),
        np.uint64(places[1]),
        np.uint64(places[2]),
        np.uint64(places[3]),
    )
    end = np.uint64(places[4])
    size = min(segment_size, symbols.size - 3 * segment_size)
    out0, out1 = symbols[:segment_size], symbols[segment_size : 2 * segment_size]
    out2, out3 = symbols[2 * segment_size : 3 * segment_size], symbols[3 * segment_size :]
    index, one = np.uint64(0), np.uint64(1)
    for _ in range(size // CHUNK):
        if at0 > end or at1 > end or at2 > end or at3 > end:
            return False
        for _ in range(CHUNK // 4):
            row0 = words[at0 >> three] >> (at0 & seven)
            row1 = words[at1 >> three] >> (at1 & seven)
            row2 = words[at2 >> three] >> (at2 & seven)
            row3 = words[at3 >> three] >> (at3 & seven)
            for _ in range(4):
                found0 = np.uint64(table[row0 & mask])
                found1 = np.uint64(table[row1 & mask])
                found2 = np.uint64(table[row2 & mask])
                found3 = np.uint64(table[row3 & mask])
                out0[index] = found0
                out1[index] = found1
                out2[index] = found2
                out3[index] = found3
                row0 >>= found0 >> sixteen
                row1 >>= found1 >> sixteen
                row2 >>= found2 >> sixteen
                row3 >>= found3 >> sixteen
                at0 += found0 >> sixteen
                at1 += found1 >> sixteen
                at2 += found2 >> sixteen
                at3 += found3 >> sixteen
                index += one
    whole = read_one(words, table, bits, np.int64(at0), places[1], out0[np.int64(index) :])
    whole &= read_one(words, table, bits, np.int64(at1), places[2], out1[np.int64(index) :])
    whole &= read_one(words, table, bits, np.int64(at2), places[3], out2[np.int64(index) :])
    whole &= read_one(words, table, bits, np.int64(at3), places[4], out3[np.int64(index) :])
    return whole


@numba.njit(cache=True)
def read_four_wide(
    words: Words,
    wide: WideTable,
    table: Table,
    bits: int,
    places: NDArray[np.int64],
    segment_size: int,
    symbols: NDArray[np.uint8],
    out: Words,
) -> Any:
    """:func:`read_four` for symbols of 8 bits, several of them with one look into a wide table.

    out  a view of overlapping numbers over ``symbols``: eight bytes are stored at once, of which those
         behind the decoded ones are written over later; the end of each segment is read one by one
    """
    mask, seven, three = np.uint64((1 << bits) - 1), np.uint64(7), np.uint64(3)
    at0, at1, at2, at3 = (
        np.uint64(places[0]),
        np.uint64(places[1]),
        np.uint64(places[2]),
        np.uint64(places[3]),
    )
    end = np.uint64(places[4])
    count_shift, bits_shift, low = np.uint64(48), np.uint64(56), np.uint64(255)
    to0, to1, to2, to3 = (
        np.uint64(0),
        np.uint64(segment_size),
        np.uint64(2 * segment_size),
        np.uint64(3 * segment_size),
    )
    # A round stores at most 16 looks of six symbols, and two bytes behind.
    most = np.int64(16 * MOST_TOGETHER + 8)
    last0 = np.int64(segment_size) - most
    last1 = 2 * np.int64(segment_size) - most
    last2 = 3 * np.int64(segment_size) - most
    last3 = np.int64(symbols.size) - most
    while (
        np.int64(to0) <= last0
        and np.int64(to1) <= last1
        and np.int64(to2) <= last2
        and np.int64(to3) <= last3
    ):
        if at0 > end or at1 > end or at2 > end or at3 > end:
            return False
        for _ in range(4):
            row0 = words[at0 >> three] >> (at0 & seven)
            row1 = words[at1 >> three] >> (at1 & seven)
            row2 = words[at2 >> three] >> (at2 & seven)
            row3 = words[at3 >> three] >> (at3 & seven)
            for _ in range(4):
                found0 = wide[row0 & mask]
                found1 = wide[row1 & mask]
                found2 = wide[row2 & mask]
                found3 = wide[row3 & mask]
                out[to0] = found0
                out[to1] = found1
                out[to2] = found2
                out[to3] = found3
                to0 += (found0 >> count_shift) & low
                to1 += (found1 >> count_shift) & low
                to2 += (found2 >> count_shift) & low
                to3 += (found3 >> count_shift) & low
                row0 >>= found0 >> bits_shift
                row1 >>= found1 >> bits_shift
                row2 >>= found2 >> bits_shift
                row3 >>= found3 >> bits_shift
                at0 += found0 >> bits_shift
                at1 += found1 >> bits_shift
                at2 += found2 >> bits_shift
                at3 += found3 >> bits_shift
    for at, to, segment in ((at0, to0, 1), (at1, to1, 2), (at2, to2, 3), (at3, to3, 4)):
        stop = symbols.size if segment == 4 else segment * segment_size
        part = symbols[np.int64(to) : stop]
        if not read_one(words, table, bits, np.int64(at), places[segment], part):
            return False
    return True
