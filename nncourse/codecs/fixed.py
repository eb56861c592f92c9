"""Fixed-length code: every symbol in the same number of bits, so that each one's place is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError, pack, unpack
from nncourse.codecs.codec import Codec
from nncourse.codecs.frame import Buffer, Form, Reader, open_frame


@dataclass(frozen=True, kw_only=True)
class Fixed(Codec):
    """Items as distances from their minimum, in the fewest bits that hold the largest one.

    Body: bits of a code (1 byte, 0..16), the minimum (2 bytes, signed or unsigned as the dtype is, least
    significant byte first), then the codes packed without gaps, least significant bit first. Items that
    are all equal need no codes.

    >>> codec = Fixed()
    >>> codec.sizes(codec.encode(np.arange(-7, 9, dtype=np.int8)))["payload"]
    64
    """

    name: ClassVar[str] = "fixed"
    number: ClassVar[int] = 1

    def write_body(self, symbols: NDArray[Any], form: Form) -> bytes:
        """The body that holds ``symbols``."""
        items = _items(symbols, form)
        least, most = (int(items.min()), int(items.max())) if items.size else (0, 0)
        bits = (most - least).bit_length()
        head = bytes([bits]) + least.to_bytes(2, "little", signed=form.is_signed)
        if not bits:
            return head
        # Distances wrap around as the symbols do, so no wider type is needed.
        distances = symbols - symbols.dtype.type(least & _mask(form))
        return head + pack(distances, bits)

    def read_body(self, body: Buffer, form: Form) -> NDArray[Any]:
        """The symbols of ``body``."""
        bits, least, codes = _opened(body, form)
        if not bits:
            return np.full(form.count, least & _mask(form), dtype=form.symbol_dtype)
        distances = unpack(codes, bits, form.count)
        return _symbols(distances, bits, least, form)

    def body_sizes(self, body: Buffer, form: Form) -> dict[str, int]:
        """Bits of ``body`` by what they are for."""
        bits, _, codes = _opened(body, form)
        payload = bits * form.count
        return {"payload": payload, "padding": 8 * len(codes) - payload, "header": 24}

    def read(self, data: bytes, start: int, stop: int) -> NDArray[Any]:
        """Items ``start`` to ``stop`` (without it) of the flattened array; only their bits are unpacked.

        start, stop  0 <= start <= stop <= size; IndexError otherwise
        """
        frame = open_frame(data, self.number)
        self._check_read(frame.form)
        form = frame.form
        check_range(start, stop, form.count)
        bits, least, codes = _opened(frame.body, form)
        part = Form(dtype=form.dtype, shape=(stop - start,))
        if not bits:
            symbols = np.full(part.count, least & _mask(form), dtype=form.symbol_dtype)
            return np.asarray(part.restored(symbols))
        if len(codes) != -(-form.count * bits // 8):
            raise CodecError("data: its codes are truncated or extended")
        # Whole groups of eight codes begin at a whole byte.
        first = start // 8 * 8
        last = min(-(-stop // 8) * 8, form.count)
        stretch = codes[first * bits // 8 : -(-last * bits // 8)]
        distances = unpack(stretch, bits, last - first)[start - first : stop - first]
        return np.asarray(part.restored(_symbols(distances, bits, least, form)))


def check_range(start: int, stop: int, count: int) -> None:
    """IndexError unless 0 <= start <= stop <= count."""
    if not 0 <= start <= stop <= count:
        raise IndexError(f"start and stop lie in order in 0 .. {count}; got {start}, {stop}")


def _mask(form: Form) -> int:
    return (1 << 8 * form.dtype.itemsize) - 1


def _items(symbols: NDArray[Any], form: Form) -> NDArray[Any]:
    return symbols.view(f"i{symbols.itemsize}") if form.is_signed else symbols


def _symbols(distances: NDArray[Any], bits: int, least: int, form: Form) -> NDArray[Any]:
    mask = _mask(form)
    room = (mask >> 1 if form.is_signed else mask) - least
    if distances.size and (1 << bits) > room + 1 and int(distances.max()) > room:
        raise CodecError(f"data: an item beyond {form.dtype}; it is damaged")
    symbols = distances.astype(form.symbol_dtype)
    symbols += symbols.dtype.type(least & mask)
    return symbols


def _opened(body: Buffer, form: Form) -> tuple[int, int, bytes]:
    """Bits of a code, minimum, packed codes."""
    reader = Reader(body)
    bits = reader.byte()
    least = int.from_bytes(reader.take(2), "little", signed=form.is_signed)
    width = 8 * form.dtype.itemsize
    limits = np.iinfo(form.dtype)
    if bits > width or not limits.min <= least <= limits.max - ((1 << bits) >> 1):
        raise CodecError(
            f"data: codes of {bits} bits from {least} on in {form.dtype}; it is damaged"
        )
    codes = bytes(reader.rest())
    if not bits and codes:
        raise CodecError("data: codes of 0 bits are followed by bytes; it is damaged")
    return bits, least, codes
