"""Run-length code of zeros: the items that are not zero, and how many zeros come before each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError, pack, unpack
from nncourse.codecs.codec import Codec
from nncourse.codecs.fixed import Fixed
from nncourse.codecs.frame import Buffer, Form, Reader, varint
from nncourse.codecs.relative_index import best_gap_bits, checked_gap_bits, joined, split


@dataclass(frozen=True, kw_only=True)
class RunLength(Codec):
    """Entries of a gap and a value, each kind in a fixed number of bits, as EIE stores a column.

    gap_bits  width of a gap, 1..16; None for the one that makes this stream smallest

    A gap says how many zeros come before its value; longer runs need fillers, entries whose value is zero
    (:mod:`nncourse.codecs.relative_index`). Zeros at the end cost nothing. Body: gap_bits (1 byte), number
    of entries (varint), the gaps packed without spare bits, then the values as in :class:`Fixed`.

    >>> codec = RunLength(gap_bits=4)
    >>> column = np.array([0, 0, 1, 2, *[0] * 18, 3], dtype=np.uint8)
    >>> sizes = codec.sizes(codec.encode(column))
    >>> sizes["index"], sizes["payload"]  # four gaps of 4 bits, four values of 2 bits
    (16, 8)
    """

    name: ClassVar[str] = "runlength"
    number: ClassVar[int] = 5

    gap_bits: int | None = None

    def __post_init__(self) -> None:
        if self.gap_bits is not None:
            checked_gap_bits(self.gap_bits)

    def write_body(self, symbols: NDArray[Any], form: Form) -> bytes:
        """The body that holds ``symbols``."""
        bits = self.gap_bits
        if bits is None:
            span = int(
                np.ptp(np.append(symbols.view(form.dtype.newbyteorder("=")).astype(np.int64), 0))
            )
            bits = best_gap_bits(symbols, span.bit_length())
        values, gaps = split(symbols, bits)
        kept = Form(dtype=form.dtype, shape=values.shape)
        head = bytes([bits]) + varint(values.size)
        return head + pack(gaps, bits) + Fixed().write_body(values, kept)

    def read_body(self, body: Buffer, form: Form) -> NDArray[Any]:
        """The symbols of ``body``."""
        bits, packed, kept, values_body = _opened(body, form)
        gaps = unpack(packed, bits, kept.count).astype(np.uint16, copy=False)
        return joined(Fixed().read_body(values_body, kept), gaps, form.count)

    def body_sizes(self, body: Buffer, form: Form) -> dict[str, int]:
        """Bits of ``body`` by what they are for."""
        bits, packed, kept, values_body = _opened(body, form)
        sizes = Fixed().body_sizes(values_body, kept)
        index = bits * kept.count
        sizes["index"] = index
        sizes["padding"] += 8 * len(packed) - index
        sizes["header"] += 8 * (len(body) - len(values_body) - len(packed))
        return sizes


def _opened(body: Buffer, form: Form) -> tuple[int, bytes, Form, Buffer]:
    """Bits of a gap, packed gaps, form of the values, their body."""
    reader = Reader(body)
    bits = reader.byte()
    if not 1 <= bits <= 16:
        raise CodecError(f"data: gaps of {bits} bits; it is damaged")
    num_entries = reader.varint()
    if num_entries > form.count:
        raise CodecError(f"data: {num_entries} entries in {form.count} symbols; it is damaged")
    packed = bytes(reader.take(-(-num_entries * bits // 8)))
    return bits, packed, Form(dtype=form.dtype, shape=(num_entries,)), reader.rest()
