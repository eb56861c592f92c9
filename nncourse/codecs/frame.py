"""The envelope of every coded stream: what was coded, by which codec, and whether the bytes are whole.

====================  ==========================================================================
bytes                 meaning
====================  ==========================================================================
0, 1                  ``NC``
2                     version of the envelope, 1
3                     number of the codec
4                     number of the dtype, see ``DTYPES``; 0 for raw bytes
5                     number of axes, at most 32
then                  length of each axis, then the number of spare bytes, each as a varint
                      (seven bits a byte, least significant first, high bit: another one follows)
next 4                CRC-32 of all other bytes, least significant byte first
rest                  the body, whose meaning is the codec's; then the spare bytes, all zero
====================  ==========================================================================

A stream holds a byte for every 65,536 symbols at least, made up with spare bytes where the codec needs
fewer. So a few damaged bytes cannot ask for an array of gigabytes, and a row of zeros stays cheap.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError

Buffer = bytes | bytearray | memoryview

MAGIC = b"NC"
VERSION = 1
MAX_AXES = 32
SYMBOLS_PER_BYTE = 65_536
INTEGERS = {1: "|u1", 2: "|i1", 3: "<u2", 4: "<i2", 5: ">u2", 6: ">i2"}
FLOATS = {16: "<f2", 17: "<f4", 18: "<f8", 20: ">f2", 21: ">f4", 22: ">f8"}
DTYPES = INTEGERS | FLOATS
NUMBERS = {text: number for number, text in DTYPES.items()}
MAX_VARINT_BYTES = 9


@dataclass(frozen=True, kw_only=True)
class Form:
    """What an array was before it was coded, so that decoding gives it back.

    dtype     of the array, byte order included; uint8 for raw bytes
    shape     of the array
    is_bytes  raw bytes went in, and come out
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    is_bytes: bool = False

    @classmethod
    def of(cls, data: Any) -> tuple[Form, NDArray[Any]]:
        """The form of ``data``, and its items in C order: one axis, contiguous, native byte order.

        data  an array, or anything else with a buffer (bytes, bytearray, array.array), taken as raw
              bytes
        """
        if not isinstance(data, np.ndarray):
            try:
                raw = np.frombuffer(data, dtype=np.uint8)
            except (TypeError, ValueError):
                raise ValueError(
                    f"data is an array or bytes; got {type(data).__name__}: np.asarray(data, dtype=...) "
                    "makes it one"
                ) from None
            return cls(dtype=np.dtype(np.uint8), shape=raw.shape, is_bytes=True), raw
        form = cls(dtype=data.dtype, shape=data.shape)
        native = data.dtype.newbyteorder("=")
        return form, np.ascontiguousarray(data.ravel(), dtype=native)

    @property
    def count(self) -> int:
        """Number of items."""
        return math.prod(self.shape)

    @property
    def symbol_dtype(self) -> np.dtype[Any]:
        """Unsigned, native byte order, as wide as an item: what a codec works on."""
        return np.dtype(f"u{self.dtype.itemsize}")

    @property
    def is_signed(self) -> bool:
        """Whether a symbol with its highest bit set stands for a negative item."""
        return self.dtype.kind == "i"

    def restored(self, symbols: NDArray[Any], out: Any = None) -> Any:
        """The array (or bytes) that ``symbols`` stand for; written into ``out`` when it is given.

        symbols  flat, of ``symbol_dtype``
        out      an array or another writable buffer of exactly the right number of bytes
        """
        items = symbols.view(self.dtype.newbyteorder("=")).astype(self.dtype, copy=False)
        array = items.reshape(self.shape)
        if out is None:
            return array.tobytes() if self.is_bytes else array
        is_array = isinstance(out, np.ndarray) and not self.is_bytes
        if is_array and out.shape == self.shape and out.dtype == self.dtype:
            out[...] = array
            return out
        target = _flat_bytes(out)
        if target.size != array.nbytes:
            raise ValueError(f"out takes {target.size} bytes, and {array.nbytes} are decoded")
        target[:] = array.reshape(-1).view(np.uint8)
        return out


def seal(number: int, form: Form, body: bytes) -> bytes:
    """The stream that holds ``body``.

    number  of the codec, 1..255
    form    what was coded
    body    the codec's own bytes
    """
    dtype_number = 0 if form.is_bytes else NUMBERS[form.dtype.str]
    head = MAGIC + bytes([VERSION, number, dtype_number, len(form.shape)])
    head += b"".join(varint(length) for length in form.shape)
    least = -(-form.count // SYMBOLS_PER_BYTE)
    num_spare = max(0, least - len(head) - 5 - len(body))
    head += varint(num_spare)
    spare = bytes(num_spare)
    checksum = zlib.crc32(spare, zlib.crc32(body, zlib.crc32(head)))
    return b"".join([head, checksum.to_bytes(4, "little"), body, spare])


def open_frame(data: Any, number: int | None = None) -> Frame:
    """What a stream says of itself; CodecError unless its bytes are whole.

    data    from :func:`seal`: bytes, or another buffer
    number  of the codec that has to have written it; None for any
    """
    try:
        raw = data if isinstance(data, bytes) else bytes(memoryview(data))
    except TypeError:
        raise CodecError(f"data: a stream is bytes; got {type(data).__name__}") from None
    view = memoryview(raw)
    if raw[:2] != MAGIC[: len(raw)]:
        raise CodecError("data: it does not begin with NC; was it written by encode()?")
    reader = Reader(view, 2)
    version, found, dtype_number, num_axes = (reader.byte() for _ in range(4))
    if version != VERSION:
        raise CodecError(f"data: envelope of version {version}, and this reads version {VERSION}")
    if dtype_number and dtype_number not in DTYPES:
        raise CodecError(f"data: no dtype has the number {dtype_number}; it is damaged")
    if num_axes > MAX_AXES:
        raise CodecError(f"data: {num_axes} axes, and {MAX_AXES} is the most; it is damaged")
    shape = tuple(reader.varint() for _ in range(num_axes))
    num_spare = reader.varint()
    head = reader.position
    checksum = int.from_bytes(reader.take(4), "little")
    if zlib.crc32(view[head + 4 :], zlib.crc32(view[:head])) != checksum:
        raise CodecError("data: its checksum does not fit; it is truncated, extended or damaged")
    if number is not None and found != number:
        raise CodecError(f"data: written by codec number {found}, and this is number {number}")
    dtype = np.dtype(DTYPES.get(dtype_number, "u1"))
    form = Form(dtype=dtype, shape=shape, is_bytes=dtype_number == 0)
    if form.is_bytes and num_axes != 1:
        raise CodecError(f"data: raw bytes have one axis; got {num_axes}. It is damaged")
    # An axis of length 0 hides the others from the count, but not from NumPy.
    extent = math.prod(max(length, 1) for length in shape) * dtype.itemsize
    if form.count > SYMBOLS_PER_BYTE * len(raw) or extent >= 2**63:
        raise CodecError(
            f"data: {len(raw)} bytes do not hold the {form.count} items of shape {shape}; "
            "it is damaged"
        )
    end = len(raw) - num_spare
    if end < head + 4 or any(view[end:]):
        raise CodecError("data: its spare bytes are missing or not zero; it is damaged")
    return Frame(
        number=found, form=form, body=view[head + 4 : end], num_head=head + 4, num_spare=num_spare
    )


@dataclass(frozen=True, kw_only=True)
class Frame:
    """An opened stream: its codec's number, the form of what was coded, the body, bytes around it."""

    number: int
    form: Form
    body: memoryview
    num_head: int
    num_spare: int


class Reader:
    """Reads a body from its front; CodecError where it ends too early."""

    def __init__(self, data: Buffer, position: int = 0) -> None:
        self.data = memoryview(data)
        self.position = position

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def take(self, count: int) -> memoryview:
        """The next ``count`` bytes."""
        if count < 0 or self.position + count > len(self.data):
            raise CodecError(
                f"data: ends at byte {len(self.data)}, {count} more were due at {self.position}; "
                "it is truncated"
            )
        self.position += count
        return self.data[self.position - count : self.position]

    def varint(self) -> int:
        """The next number: seven bits a byte, least significant first; the shortest form only."""
        value = 0
        for index in range(MAX_VARINT_BYTES):
            byte = self.byte()
            value |= (byte & 127) << (7 * index)
            if byte < 128:
                if byte == 0 and index:
                    break
                return value
        raise CodecError("data: a number is written in more bytes than it needs; it is damaged")

    def rest(self) -> memoryview:
        """All that is left."""
        return self.take(len(self.data) - self.position)

    def finish(self) -> None:
        """CodecError when bytes are left."""
        if self.position != len(self.data):
            raise CodecError(
                f"data: {len(self.data) - self.position} bytes follow its end; it is damaged"
            )


def varint(value: int) -> bytes:
    """``value``, 0 .. 2**63 - 1, in seven bits a byte, least significant first.

    >>> varint(300).hex()
    'ac02'
    """
    if not 0 <= value < 2 ** (7 * MAX_VARINT_BYTES):
        raise ValueError(f"value is from 0 to 2**63 - 1; got {value}")
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    result.append(value)
    return bytes(result)


def _flat_bytes(out: Any) -> NDArray[np.uint8]:
    """``out`` as a row of bytes that can be written, in the order of its memory."""
    if isinstance(out, np.ndarray):
        if not (out.flags.c_contiguous or out.flags.f_contiguous):
            raise ValueError("out is contiguous in memory; np.empty(shape, dtype) makes one")
        flat = out.reshape(-1, order="A").view(np.uint8)
    else:
        flat = np.frombuffer(out, dtype=np.uint8)
    if not flat.flags.writeable:
        raise ValueError(f"out is a buffer that can be written; got {type(out).__name__}")
    return flat
