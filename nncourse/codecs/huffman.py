"""Huffman code: frequent symbols in short codewords, whole bits each, and a table that reads them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError, pack, unpack
from nncourse.codecs import huffman_kernels as kernels
from nncourse.codecs.codec import Codec, Sizes
from nncourse.codecs.fixed import check_range
from nncourse.codecs.frame import Buffer, Form, Reader, open_frame, varint
from nncourse.codecs.length_table import read_lengths, write_lengths
from nncourse.codecs.prefix_code import (
    Lengths,
    canonical_codes,
    package_merge,
    reversed_codes,
)

MAX_LEN = 16
MAX_STREAMS = 255
GROUP = 16  # segments between two whole offsets of the index
WIDE_BITS = 12  # address of a table that gives several symbols with one look
WIDE_BELOW = 5.5  # bits a symbol below which such a table is the faster one


@dataclass(frozen=True, kw_only=True)
class Huffman(Codec):
    """Canonical codewords of at most ``max_len`` bits, in segments that are decoded side by side.

    max_len  longest codeword in bits, 1..16; the table of a fast decoder has 2**max_len entries. An
             alphabet that needs more gets more: ``ceil(log2(symbols that occur))``
    streams  segments of equal size that the symbols are cut into, 1..255; four keep a processor busy
    restart  symbols of a segment; with it :meth:`read` finds any symbol without decoding those of other
             segments, and ``streams`` is not looked at. None for no index

    Body, for more than one symbol that occurs: table of code lengths
    (:mod:`nncourse.codecs.length_table`), symbols of a segment and bits of all codewords (two varints),
    the index, then the codewords without gaps, each with its first bit lowest, the lowest bit of a byte first. The index says at which
    bit each segment begins: whole for every 16th but the first, as a distance from there for the others,
    the width in bits (1 byte) before either. Symbols that are all equal have no index and no codewords, no symbols no
    table.

    >>> codec = Huffman(restart=64)
    >>> symbols = np.minimum(np.random.default_rng(0).geometric(0.5, 10_000), 255).astype(np.uint8)
    >>> data = codec.encode(symbols)
    >>> codec.sizes(data)["payload"] / symbols.size < 2.01
    True
    >>> bool(np.array_equal(codec.read(data, 5000, 5010), symbols[5000:5010]))
    True
    """

    name: ClassVar[str] = "huffman"
    number: ClassVar[int] = 2

    max_len: int = 12
    streams: int = 4
    restart: int | None = None

    def __post_init__(self) -> None:
        for name, most in (("max_len", MAX_LEN), ("streams", MAX_STREAMS)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise ValueError(f"{name} is a whole number from 1 to {most}; got {value!r}")
        restart = self.restart
        if restart is None:
            return
        if isinstance(restart, bool) or not isinstance(restart, int) or restart < 1:
            raise ValueError(f"restart is a whole number of symbols, at least 1; got {restart!r}")

    def write_body(self, symbols: NDArray[Any], form: Form) -> bytes:
        """The body that holds ``symbols``."""
        if not symbols.size:
            return b""
        counts = kernels.histogram(symbols, 1 << 8 * symbols.itemsize)
        num_used = int(np.count_nonzero(counts))
        lengths = package_merge(counts, max(self.max_len, (num_used - 1).bit_length()))
        head = write_lengths(lengths)
        if num_used == 1:
            return head
        segment_size = self.restart or -(-symbols.size // self.streams)
        segment_size = min(segment_size, symbols.size)
        begins = np.zeros(-(-symbols.size // segment_size), dtype=np.int64)
        num_bits = int(lengths @ counts)
        num_bytes = -(-num_bits // 8)
        room = np.zeros(num_bytes + 8, dtype=np.uint8)
        codes = reversed_codes(canonical_codes(lengths), lengths)
        entries = codes << np.uint32(6) | lengths
        written = kernels.write(symbols, entries, segment_size, kernels.overlapping(room), begins)
        assert written == num_bits
        index = _write_index(begins)
        head += varint(segment_size) + varint(num_bits)
        return b"".join([head, index, room[:num_bytes].data])

    def read_body(self, body: Buffer, form: Form) -> NDArray[Any]:
        """The symbols of ``body``."""
        return _Stream(body, form).symbols()

    def body_sizes(self, body: Buffer, form: Form) -> Sizes:
        """Bits of ``body`` by what they are for."""
        return _Stream(body, form).sizes

    def reader(self, data: Any) -> HuffmanReader:
        """A reader of parts of ``data``: checks, table and index are looked at once, not for each part."""
        frame = open_frame(data, self.number)
        self._check_read(frame.form)
        return HuffmanReader(_Stream(frame.body, frame.form), frame.form)

    def read(self, data: Any, start: int, stop: int) -> NDArray[Any]:
        """Items ``start`` to ``stop`` (without it) of the flattened array.

        data         from :meth:`encode`
        start, stop  0 <= start <= stop <= size; IndexError otherwise

        Only the segments that hold them are decoded: with ``restart`` at most that many symbols before
        ``start``, without it a quarter of the stream. :meth:`reader` serves many reads.
        """
        return self.reader(data).read(start, stop)


class HuffmanReader:
    """Parts of one stream, decoded on demand."""

    def __init__(self, stream: _Stream, form: Form) -> None:
        self._stream = stream
        self._form = form

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Items ``start`` to ``stop`` (without it) of the flattened array; IndexError outside of it."""
        check_range(start, stop, self._form.count)
        part = Form(dtype=self._form.dtype, shape=(stop - start,))
        return np.asarray(part.restored(self._stream.stretch(start, stop)))

    def __getitem__(self, index: int) -> Any:
        """Item ``index`` of the flattened array; negative ones count from the end."""
        count = self._form.count
        if not -count <= index < count:
            raise IndexError(f"index is from {-count} to {count - 1}; got {index}")
        return self.read(index % count, index % count + 1)[0]

    def bits_touched(self, index: int) -> int:
        """Bits of codewords that have to be decoded for item ``index``: from its segment's begin on."""
        return self._stream.bits_touched(index)


class _Stream:
    """A body that was taken apart and checked."""

    def __init__(self, body: Buffer, form: Form) -> None:
        self.count, self.dtype = form.count, form.symbol_dtype
        self.sizes: Sizes = {}
        self.is_constant = True
        self.value = 0
        reader = Reader(body)
        if not self.count:
            reader.finish()
            return
        lengths = read_lengths(reader, 1 << 8 * self.dtype.itemsize)
        self.sizes["codebook"] = 8 * reader.position
        self.is_constant = np.count_nonzero(lengths) == 1
        if self.is_constant:
            self.value = int(np.argmax(lengths))
            reader.finish()
            return
        start = reader.position
        self.segment_size, self.num_bits = reader.varint(), reader.varint()
        self.sizes["header"] = 8 * (reader.position - start)
        longest = int(lengths.max())
        if not 1 <= self.segment_size <= self.count or longest > MAX_LEN:
            raise CodecError(
                f"data: segments of {self.segment_size} symbols, codewords of {longest} bits; "
                "it is damaged"
            )
        # Each symbol takes a bit at least: a header cannot ask for more symbols than there are bits.
        if not self.count <= self.num_bits <= min(longest * self.count, 8 * len(body)):
            raise CodecError(
                f"data: {self.num_bits} bits for {self.count} symbols of 1 to {longest}; it is damaged"
            )
        start = reader.position
        begins = _read_index(reader, -(-self.count // self.segment_size))
        self.sizes["index"] = 8 * (reader.position - start)
        self.places = np.append(begins, self.num_bits)
        if int(np.diff(self.places).min()) < 1:
            raise CodecError("data: its segments do not follow each other; it is damaged")
        payload = reader.rest()
        spare = 8 * len(payload) - self.num_bits
        if not 0 <= spare < 8 or (spare and payload[-1] >> (8 - spare)):
            raise CodecError(
                f"data: {len(payload)} bytes for {self.num_bits} bits, or spare bits that are not 0; "
                "it is truncated, extended or damaged"
            )
        self.sizes |= {"payload": self.num_bits, "padding": spare}
        self._words = kernels.padded(payload)
        self._make_tables(lengths, longest)

    def _make_tables(self, lengths: Lengths, longest: int) -> None:
        is_short = self.dtype.itemsize == 1 and longest <= WIDE_BITS
        self._is_wide = is_short and self.num_bits < WIDE_BELOW * self.count
        self.bits = WIDE_BITS if self._is_wide else longest
        codes = reversed_codes(canonical_codes(lengths), lengths)
        self._table = kernels.fill_table(codes, lengths, self.bits)
        if self._is_wide:
            self._wide = kernels.fill_wide_table(self._table, self.bits)

    def symbols(self) -> NDArray[Any]:
        """All of them."""
        if self.is_constant:
            return np.full(self.count, self.value, dtype=self.dtype)
        return self._segments(0, self.places.size - 1)

    def stretch(self, start: int, stop: int) -> NDArray[Any]:
        """Symbols ``start`` to ``stop``, from the segments that hold them."""
        if self.is_constant or start == stop:
            return np.full(stop - start, self.value, dtype=self.dtype)
        first = start // self.segment_size
        last = -(-stop // self.segment_size)
        skipped = first * self.segment_size
        return self._segments(first, last)[start - skipped : stop - skipped].copy()

    def bits_touched(self, index: int) -> int:
        """Bits from the begin of its segment up to the end of symbol ``index``."""
        if self.is_constant:
            return 0
        segment = index // self.segment_size
        place = int(self.places[segment])
        for _ in range(index - segment * self.segment_size + 1):
            row = int(self._words[place >> 3]) >> (place & 7)
            place += int(self._table[row & ((1 << self.bits) - 1)]) >> 16
        return place - int(self.places[segment])

    def _segments(self, first: int, last: int) -> NDArray[Any]:
        """The symbols of segments ``first`` to ``last``; four are read side by side where there are four."""
        size = self.segment_size
        begin, end = first * size, min(last * size, self.count)
        room = np.empty(end - begin + 8, dtype=self.dtype)
        out = kernels.overlapping(room) if self._is_wide else None
        four_at_once = self.bits <= kernels.MAX_BITS_OF_FOUR
        is_whole = True
        segment = first
        while segment < last:
            place = segment * size - begin
            if four_at_once and segment + 4 <= last:
                width = min(4 * size, end - segment * size)
                part, places = room[place : place + width], self.places[segment : segment + 5]
                if out is None:
                    is_whole &= kernels.read_four(
                        self._words, self._table, self.bits, places, size, part
                    )
                else:
                    is_whole &= kernels.read_four_wide(
                        *(self._words, self._wide, self._table, self.bits, places, size),
                        *(part, out[place:]),
                    )
                segment += 4
            else:
                width = min(size, end - segment * size)
                is_whole &= kernels.read_one(
                    *(self._words, self._table, self.bits),
                    *(self.places[segment], self.places[segment + 1], room[place : place + width]),
                )
                segment += 1
        if not is_whole:
            raise CodecError("data: codewords do not end where their segment ends; it is damaged")
        return room[: end - begin]


def _write_index(begins: NDArray[np.int64]) -> bytes:
    """Whole offsets of every 16th segment but the first, distances from there of the others."""
    wholes = begins[::GROUP]
    distances = (begins - np.repeat(wholes, GROUP)[: begins.size])[_inner(begins.size)]
    index = b""
    for values in (wholes[1:], distances):
        width = int(values.max(initial=0)).bit_length()
        index += bytes([width]) + _pack_wide(values, width)
    return index


def _read_index(reader: Reader, num_segments: int) -> NDArray[np.int64]:
    """Where each segment begins, in bits."""
    is_inner = _inner(num_segments)
    wholes = np.zeros(-(-num_segments // GROUP), dtype=np.int64)
    wholes[1:] = _unpack_wide(reader, wholes.size - 1)
    begins = np.repeat(wholes, GROUP)[:num_segments]
    begins[is_inner] += _unpack_wide(reader, int(np.count_nonzero(is_inner)))
    return begins


def _inner(num_segments: int) -> NDArray[np.bool_]:
    return np.arange(num_segments) % GROUP > 0


def _pack_wide(values: NDArray[np.int64], width: int) -> bytes:
    """Numbers of up to 48 bits: their low 16 bits side by side, then the next 16, then the rest."""
    return b"".join(
        pack(values >> shift & 65535, min(16, width - shift)) for shift in range(0, width, 16)
    )


def _unpack_wide(reader: Reader, count: int) -> NDArray[np.int64]:
    width = reader.byte()
    if width > 48:
        raise CodecError(f"data: an index of {width} bits; it is damaged")
    values = np.zeros(count, dtype=np.int64)
    for shift in range(0, width, 16):
        bits = min(16, width - shift)
        values |= (
            unpack(bytes(reader.take(-(-count * bits // 8))), bits, count).astype(np.int64) << shift
        )
    return values
