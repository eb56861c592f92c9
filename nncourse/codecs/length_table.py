"""The codebook of a Huffman stream: the code lengths of all symbols, in few bytes.

The bit lengths of frequencies (:mod:`nncourse.codecs.frequencies`) are written in the same way.

====================  ==========================================================================
bytes                 meaning
====================  ==========================================================================
0                     form (high 2 bits) and width of a length in bits (low 6 bits, 1..6)
then, form 0          first symbol, number of symbols - 1 (two varints); the lengths of all symbols in
                      this range, 0 for one that does not occur
then, form 1          number of symbols that occur (varint); the gap before each of them (varints);
                      their lengths
====================  ==========================================================================

Lengths are packed without gaps, least significant bit first. The smaller form is written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError, pack, unpack
from nncourse.codecs.frame import Reader, varint
from nncourse.codecs.prefix_code import Lengths, kraft_sum

DENSE, SPARSE = 0, 1


def write_lengths(lengths: Lengths) -> bytes:
    """The bytes that hold ``lengths``, uint8, of which at least one is above 0.

    >>> read_lengths(Reader(write_lengths(np.array([0, 1, 2, 2], np.uint8))), 4)
    array([0, 1, 2, 2], dtype=uint8)
    """
    if not np.any(lengths):
        raise ValueError("lengths has no codeword; a stream without symbols needs no table")
    return write_row(lengths)


def write_row(lengths: Lengths) -> bytes:
    """The bytes that hold ``lengths``, 0..63, of which at least one is above 0; no code need have them."""
    used = np.flatnonzero(lengths)
    width = int(lengths.max()).bit_length()
    first, last = int(used[0]), int(used[-1])
    dense = varint(first) + varint(last - first) + pack(lengths[first : last + 1], width)
    gaps = np.diff(used, prepend=-1) - 1
    sparse = varint(used.size) + b"".join(map(varint, gaps.tolist())) + pack(lengths[used], width)
    if len(dense) <= len(sparse):
        return bytes([DENSE << 6 | width]) + dense
    return bytes([SPARSE << 6 | width]) + sparse


def read_lengths(reader: Reader, num_symbols: int) -> Lengths:
    """The lengths of ``num_symbols`` symbols, from where ``reader`` is.

    Raises :class:`~nncourse.bitstream.CodecError` unless they are those of a prefix code without a word to
    spare, or of a single symbol.
    """
    lengths = read_row(reader, num_symbols)
    _check(lengths)
    return lengths


def read_row(reader: Reader, num_symbols: int) -> Lengths:
    """What :func:`write_row` wrote; CodecError where it cannot have done so."""
    head = reader.byte()
    form, width = head >> 6, head & 63
    if form > SPARSE or not 1 <= width <= 6:
        raise CodecError(f"data: no table of code lengths begins with {head}; it is damaged")
    lengths: Lengths = np.zeros(num_symbols, dtype=np.uint8)
    if form == DENSE:
        first = reader.varint()
        stretch = slice(first, first + reader.varint() + 1)
        if stretch.stop > num_symbols:
            raise CodecError(f"data: code lengths up to symbol {stretch.stop}; it is damaged")
        count = stretch.stop - stretch.start
        lengths[stretch] = unpack(bytes(reader.take(-(-count * width // 8))), width, count)
    else:
        count = reader.varint()
        if count > num_symbols:
            raise CodecError(f"data: code lengths of {count} symbols; it is damaged")
        used = np.cumsum([reader.varint() % (num_symbols + 1) + 1 for _ in range(count)]) - 1
        if count and int(used[-1]) >= num_symbols:
            raise CodecError(f"data: a code length of symbol {used[-1]}; it is damaged")
        lengths[used.astype(np.int64)] = unpack(
            bytes(reader.take(-(-count * width // 8))), width, count
        )
    return lengths


def _check(lengths: NDArray[np.uint8]) -> None:
    num_used = int(np.count_nonzero(lengths))
    alone = num_used == 1 and int(lengths.max()) == 1
    if not alone and (num_used < 2 or int(lengths.max()) > 32 or kraft_sum(lengths) != 1):
        raise CodecError("data: its code lengths are those of no prefix code; it is damaged")
