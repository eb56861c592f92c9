"""One Huffman stream, decoded in six ways: from a bit at a time to several symbols at a look.

All read the same bits. The first three take one codeword after another; a codeword begins where the one before it
ends, and so they wait for each other. The others read several segments side by side, which need to know where
these begin. The loops of three rungs are those of the codec (:mod:`nncourse.codecs.huffman_kernels`).

These decoders check nothing and read only what :func:`ladder_stream` made; :mod:`nncourse.codecs.huffman` is for
streams from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.codecs import huffman_kernels as kernels
from nncourse.codecs.prefix_code import (
    Codes,
    Lengths,
    canonical_codes,
    package_merge,
    reversed_codes,
)

Symbols = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class LadderStream:
    """Codewords in a row, the first bit of each first, in segments of equal size.

    data     the bits, lowest bit of a byte first
    lengths  of the codeword of each symbol, uint8; the codewords are the canonical ones
    places   bit at which each segment begins, and the last ends
    segment  symbols of a segment; the last may have fewer
    count    symbols of all segments
    bits     address of a table, at least as many as the longest codeword has
    """

    data: bytes
    lengths: Lengths
    places: NDArray[np.int64]
    segment: int
    count: int
    bits: int

    @property
    def codes(self) -> Codes:
        """The codeword of each symbol, first bit lowest."""
        return reversed_codes(canonical_codes(self.lengths), self.lengths)

    @property
    def table(self) -> kernels.Table:
        """For every pattern of ``bits`` bits the symbol that it begins with, and its length."""
        return np.asarray(kernels.fill_table(self.codes, self.lengths, self.bits))


def ladder_stream(symbols: ArrayLike, *, segments: int = 4, max_len: int = 12) -> LadderStream:
    """The stream that holds ``symbols``.

    symbols   uint8, at least two different ones
    segments  that are decoded side by side
    max_len   longest codeword, and bits of a table's address, at most 14
    """
    flat = np.ascontiguousarray(symbols, dtype=np.uint8).ravel()
    counts = np.bincount(flat, minlength=256)
    lengths = package_merge(counts, max_len)
    if np.count_nonzero(counts) < 2 or not 1 <= segments <= flat.size:
        raise ValueError(
            f"symbols are at least two different ones and as many as segments; got {flat.size}, "
            f"{np.count_nonzero(counts)} different, and {segments} segments"
        )
    segment = -(-flat.size // segments)
    begins = np.zeros(-(-flat.size // segment), dtype=np.int64)
    num_bits = int(lengths.astype(np.int64) @ counts)
    room = np.zeros(-(-num_bits // 8) + 8, dtype=np.uint8)
    entries = reversed_codes(canonical_codes(lengths), lengths) << np.uint32(6) | lengths
    kernels.write(flat, entries, segment, kernels.overlapping(room), begins)
    return LadderStream(
        data=room[:-8].tobytes(),
        lengths=lengths,
        places=np.append(begins, num_bits),
        segment=segment,
        count=flat.size,
        bits=max_len,
    )


def from_dictionary(stream: LadderStream) -> Symbols:
    """A bit at a time, in plain Python: is what was read so far a codeword?"""
    codes = canonical_codes(stream.lengths)
    symbol_of = {
        (int(stream.lengths[s]), int(codes[s])): int(s) for s in np.flatnonzero(stream.lengths)
    }
    bits = np.unpackbits(np.frombuffer(stream.data, np.uint8), bitorder="little").tolist()
    symbols: list[int] = []
    place = 0
    while len(symbols) < stream.count:
        word = length = 0
        while (length, word) not in symbol_of:
            word, length, place = 2 * word + bits[place], length + 1, place + 1
        symbols.append(symbol_of[length, word])
    return np.array(symbols, dtype=np.uint8)


def from_first_codes(stream: LadderStream) -> Symbols:
    """A bit at a time, compiled: canonical codewords of a length are neighbors, so comparing numbers is enough."""
    longest = int(stream.lengths.max())
    num_words = np.bincount(stream.lengths, minlength=longest + 1)
    num_words[0] = 0
    first = np.zeros(longest + 2, dtype=np.int64)
    for length in range(1, longest + 1):
        first[length + 1] = (first[length] + num_words[length]) * 2
    used = np.flatnonzero(stream.lengths)
    in_order = used[np.argsort(stream.lengths[used], kind="stable")].astype(np.uint8)
    before = np.append(0, np.cumsum(num_words))[: longest + 1]
    raw = np.frombuffer(stream.data, np.uint8)
    symbols = np.empty(stream.count, dtype=np.uint8)
    _read_by_first_codes(raw, first, num_words, before, in_order, symbols)
    return symbols


@numba.njit(cache=True)
def _read_by_first_codes(
    raw: Symbols,
    first: NDArray[np.int64],
    num_words: NDArray[np.int64],
    before: NDArray[np.int64],
    in_order: Symbols,
    symbols: Symbols,
) -> None:
    place = 0
    for index in range(symbols.size):
        word = length = 0
        while True:
            word = 2 * word + (raw[place >> 3] >> (place & 7) & 1)
            length += 1
            place += 1
            rank = word - first[length]
            if rank < num_words[length]:
                symbols[index] = in_order[before[length] + rank]
                break


def from_one_table(stream: LadderStream) -> Symbols:
    """A codeword at a look: the next bits are an address, the entry is the symbol and its length."""
    symbols = np.empty(stream.count, dtype=np.uint8)
    words = kernels.padded(stream.data)
    kernels.read_one(words, stream.table, stream.bits, 0, int(stream.places[-1]), symbols)
    return symbols


def in_lock_step(stream: LadderStream) -> Symbols:
    """A codeword of *every* segment at a look, all segments together: NumPy as a machine of many lanes."""
    words, table, mask = (
        kernels.padded(stream.data),
        stream.table,
        np.uint64((1 << stream.bits) - 1),
    )
    at = stream.places[:-1].astype(np.uint64)
    rows = np.empty((stream.segment, at.size), dtype=np.uint8)
    for row in rows:
        # A lane whose segment is over reads on in the room behind the end, and what it reads is dropped.
        near = np.minimum(at, np.uint64(8 * len(stream.data)))
        found = table[(words[near >> np.uint64(3)] >> (near & np.uint64(7))) & mask]
        row[:] = found & np.uint32(255)
        at = near + (found >> np.uint32(16)).astype(np.uint64)
    return rows.T.ravel()[: stream.count]


def from_four_streams(stream: LadderStream) -> Symbols:
    """Four segments in turn, so that a processor has something to do while one of them waits."""
    symbols = np.empty(stream.count, dtype=np.uint8)
    words = kernels.padded(stream.data)
    kernels.read_four(words, stream.table, stream.bits, stream.places, stream.segment, symbols)
    return symbols


def several_at_a_look(stream: LadderStream) -> Symbols:
    """Four segments, and up to six short codewords with one look."""
    room = np.empty(stream.count + 8, dtype=np.uint8)
    table = stream.table
    wide = kernels.fill_wide_table(table, stream.bits)
    kernels.read_four_wide(
        *(kernels.padded(stream.data), wide, table, stream.bits, stream.places, stream.segment),
        *(room[: stream.count], kernels.overlapping(room)),
    )
    return room[: stream.count]


Decoder = Callable[[LadderStream], Any]
LADDER: Mapping[str, Decoder] = MappingProxyType(
    {
        "bit by bit, in Python": from_dictionary,
        "bit by bit, first codes": from_first_codes,
        "one table": from_one_table,
        "lock step, in NumPy": in_lock_step,
        "four streams": from_four_streams,
        "several symbols a look": several_at_a_look,
    }
)
"""The rungs, slowest first; "lock step" wants many segments, the two last ones want four."""
