"""Context-adaptive arithmetic coding: what a symbol costs depends on what its neighbors were.

A symbol is told by yes-or-no questions: is it zero? is it negative? which bits does it have? Each
question has several *models*, and each model has learned from those earlier symbols whose surroundings were the
same: none at all, the neighbors in the row and in the row above, the row, the column, the channel. Their
answers are mixed with weights that are learned as well, and the answer is coded with the mixed probability. The decoder
asks the same questions and learns the same, so no table is stored.

Everything is whole-number arithmetic: encoder and decoder have to agree in the last bit.

Source of the parts: adaptive binary arithmetic coding of quantized weights, S. Wiedemann et al., DeepCABAC,
arXiv:1907.11900; mixing in the logistic domain, M. Mahoney, Adaptive weighing of context models for lossless
data compression, 2005.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError
from nncourse.codecs.adaptive_kernels import decode, encode, fresh_model
from nncourse.codecs.binary_arithmetic import finished
from nncourse.codecs.codec import Codec
from nncourse.codecs.frame import Buffer, Form, Reader

SYMBOLS_PER_BYTE = 1 << 14  # at most: no answer has a probability above 1 - 24 / 2**16


@dataclass(frozen=True, kw_only=True)
class Adaptive(Codec):
    """The smallest of the codecs on pruned and quantized tensors, and the slowest.

    Rows are the first axis of an array with two axes and more, columns all others together, channels the
    second axis of one with three and more; an array of one axis is a single row. Body: bits of the
    largest magnitude less one (1 byte), then the bytes of the coder, without zeros at the end.

    >>> codec = Adaptive()
    >>> stripes = np.zeros((64, 256), np.uint8)
    >>> stripes[:, ::8] = np.random.default_rng(0).integers(1, 16, (64, 32))
    >>> len(codec.encode(stripes)) * 8 / 2048 < 4.4  # four bits a value, and hardly one for where it is
    True
    """

    name: ClassVar[str] = "adaptive"
    number: ClassVar[int] = 4

    def write_body(self, symbols: NDArray[Any], form: Form) -> bytes:
        """The body that holds ``symbols``."""
        if not symbols.size:
            return b""
        values = _values(symbols, form)
        width = max(int(np.abs(values).max()) - 1, 0).bit_length()
        rows, columns, kernel_size = _lines(form)
        room = np.empty(2 * symbols.nbytes + 64, dtype=np.uint8)
        length = room.size + 1
        while length > room.size:  # symbols that contradict all that was learned may need more
            room = np.empty(2 * room.size, dtype=np.uint8)
            model = fresh_model(width, rows, columns)
            length = encode(values, columns, kernel_size, width, form.is_signed, *model, room)
        return bytes([width]) + finished(room[:length])

    def read_body(self, body: Buffer, form: Form) -> NDArray[Any]:
        """The symbols of ``body``."""
        reader = Reader(body)
        if not form.count:
            reader.finish()
            return np.zeros(0, dtype=form.symbol_dtype)
        width, stream = _opened(reader, form)
        values = np.zeros(form.count, dtype=np.int32)
        rows, columns, kernel_size = _lines(form)
        model = fresh_model(width, rows, columns)
        if not decode(stream, columns, kernel_size, width, form.is_signed, *model, values):
            raise CodecError("data: it does not end with its last symbol; it is damaged")
        limits = np.iinfo(form.dtype)
        if int(values.min()) < limits.min or int(values.max()) > limits.max:
            raise CodecError(f"data: a value beyond {form.dtype}; it is damaged")
        return values.astype(form.dtype.newbyteorder("=")).view(form.symbol_dtype)

    def body_sizes(self, body: Buffer, form: Form) -> dict[str, int]:
        """Bits of ``body`` by what they are for."""
        reader = Reader(body)
        if not form.count:
            reader.finish()
            return {}
        _, stream = _opened(reader, form)
        return {"header": 8, "payload": 8 * stream.size}


def _opened(reader: Reader, form: Form) -> tuple[int, NDArray[np.uint8]]:
    width = reader.byte()
    if width > 8 * form.dtype.itemsize:
        raise CodecError(f"data: magnitudes of {width} bits in {form.dtype}; it is damaged")
    stream = np.frombuffer(reader.rest(), dtype=np.uint8).copy()
    if form.count > SYMBOLS_PER_BYTE * (stream.size + 1):
        raise CodecError(
            f"data: {stream.size} bytes do not hold {form.count} symbols; it is truncated or damaged"
        )
    return width, stream


def _lines(form: Form) -> tuple[int, int, int]:
    """Rows, columns, and items of a channel within a row, as in the kernels of a convolution."""
    if len(form.shape) < 2:
        return 1, form.count, 1
    columns = math.prod(form.shape[1:])
    return form.shape[0], columns, math.prod(form.shape[2:])


def _values(symbols: NDArray[Any], form: Form) -> NDArray[np.int32]:
    return symbols.view(form.dtype.newbyteorder("=")).astype(np.int32)
