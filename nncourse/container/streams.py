"""From codes, mask and grid to coded streams, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError, pack, unpack
from nncourse.codecs import codec_of, get_codec
from nncourse.codecs.frame import SYMBOLS_PER_BYTE, open_frame
from nncourse.codecs.relative_index import joined, split
from nncourse.container.layout import Layout
from nncourse.container.tensors import DTYPES, Plain, Quantized
from nncourse.quantizers.affine import QParams

FORMS = ("whole", "symbols", "relative", "bitmap")  # numbers in the file are places in this row


def form_of(tensor: Quantized) -> str:
    """How positions are written: "whole" without a mask, else as the layout says.

    A tensor with hardly a kept code is written as symbols in any case: their stream is long enough to tell
    that the shape is meant.
    """
    if tensor.mask is None:
        return "whole"
    kept_bytes = int(np.count_nonzero(tensor.mask)) // 8
    if tensor.codes.size > SYMBOLS_PER_BYTE * max(kept_bytes, 1):
        return "symbols"
    return tensor.layout.positions


def code_streams(tensor: Quantized) -> dict[str, bytes]:
    """The streams of codes and positions, by what they are for."""
    codec, form = tensor.layout.codec, form_of(tensor)
    codes, mask = tensor.codes, tensor.mask
    if mask is None:
        return {"codes": codec.encode(_as_matrix(codes))}
    if form == "bitmap":
        packed = pack(mask.astype(np.uint8).ravel(), 1)
        return {
            "codes": codec.encode(codes[mask]),
            "positions": tensor.layout.codec_of_index.encode(packed),
        }
    wide = np.dtype(np.uint8 if tensor.num_codes < 256 else np.uint16)
    symbols = np.where(mask, codes.astype(np.int64) + 1, 0).astype(wide)
    if form == "symbols":
        return {"codes": codec.encode(_as_matrix(symbols))}
    values, gaps = split(symbols, tensor.layout.gap_bits)
    narrow = gaps.astype(np.uint8) if tensor.layout.gap_bits <= 8 else gaps
    return {
        "codes": codec.encode(values),
        "positions": tensor.layout.codec_of_index.encode(narrow),
    }


def read_codes(
    streams: dict[str, bytes], form: str, shape: tuple[int, ...], grid: Any, gap_bits: int
) -> Quantized:
    """The tensor whose streams these are; CodecError when they do not fit ``shape`` or ``grid``."""
    count = math.prod(shape)
    if count > SYMBOLS_PER_BYTE * sum(map(len, streams.values())):
        raise CodecError(f"data: its streams cannot hold a tensor of shape {shape}; it is damaged")
    codes = _integers(streams["codes"])
    layout = Layout(
        codec=codec_of(streams["codes"]),
        positions=form if form != "whole" else "symbols",
        gap_bits=gap_bits or Layout.gap_bits,
        index_codec=codec_of(streams["positions"]) if "positions" in streams else None,
    )
    mask: NDArray[np.bool_] | None = None
    if form == "bitmap":
        packed = codec_of(streams["positions"]).decode(streams["positions"])
        if not isinstance(packed, bytes):
            raise CodecError("data: a bitmap is a stream of bytes; it is damaged")
        mask = unpack(packed, 1, count).astype(bool)
        if np.count_nonzero(mask) != codes.size:
            raise CodecError(f"data: positions for other than {codes.size} codes; it is damaged")
        spread = np.zeros(count, dtype=codes.dtype)
        spread[mask] = codes
        codes = spread
    elif form == "relative":
        gaps = _integers(streams["positions"])
        if gaps.size != codes.size or (gaps.size and int(gaps.max()) >> gap_bits):
            raise CodecError("data: its gaps do not fit its codes; it is damaged")
        codes = joined(codes, gaps.astype(np.uint16), count)
    if codes.size != count:
        raise CodecError(f"data: {codes.size} codes for a tensor of shape {shape}; it is damaged")
    if form in ("symbols", "relative"):
        mask = codes > 0
        codes = np.where(mask, codes - codes.dtype.type(1), 0).astype(codes.dtype)
    try:
        return Quantized(
            codes=codes.reshape(shape),
            grid=grid,
            mask=None if mask is None else mask.reshape(shape),
            layout=layout,
        )
    except ValueError as error:
        raise CodecError(f"data: {error}; it is damaged") from None


def scale_streams(grid: QParams) -> dict[str, bytes]:
    """The streams of steps and, for an asymmetric grid, zero points."""
    streams = {"scale": get_codec("float").encode(grid.scale)}
    if grid.qmin == 0:
        streams["zero point"] = get_codec("huffman").encode(grid.zero_point.astype(np.uint16))
    return streams


def read_scales(
    streams: dict[str, bytes], qmin: int, qmax: int, axis: int | None, group_size: int | None
) -> QParams:
    """The grid whose streams these are."""
    scale = get_codec("float").decode(streams["scale"])
    zero_point = np.zeros(scale.shape, dtype=np.int32)
    if qmin == 0:
        zero_point = _integers(streams["zero point"]).astype(np.int32)
    if scale.dtype != np.float32:
        raise CodecError(f"data: steps are float32, not {scale.dtype}; it is damaged")
    try:
        return QParams(
            scale=scale,
            zero_point=zero_point.reshape(scale.shape),
            qmin=qmin,
            qmax=qmax,
            axis=axis,
            group_size=group_size,
        )
    except ValueError as error:
        raise CodecError(f"data: {error}; it is damaged") from None


def read_plain(stream: bytes, dtype: str, shape: tuple[int, ...]) -> Plain:
    """The values that :meth:`Plain.stream` wrote."""
    codec = codec_of(stream)
    values = codec.decode(stream)
    wanted = np.dtype(DTYPES[dtype])
    if isinstance(values, bytes):
        if len(values) != math.prod(shape) * wanted.itemsize:
            raise CodecError(f"data: {len(values)} bytes for {shape} of {dtype}; it is damaged")
        # A copy: what comes out of a file can be written to.
        raw = np.frombuffer(values, dtype=wanted if dtype != "bool" else np.uint8)
        if dtype == "bool" and raw.size and raw.max() > 1:
            raise CodecError("data: a truth value that is neither 0 nor 1; it is damaged")
        values = raw.astype(wanted).reshape(shape)
    if values.shape != shape or values.dtype.newbyteorder("<") != wanted.newbyteorder("<"):
        raise CodecError(
            f"data: {values.dtype} {values.shape} where {dtype} {shape} is; it is damaged"
        )
    return Plain(values=values, dtype=dtype, codec=codec)


def _integers(stream: bytes) -> NDArray[Any]:
    """The unsigned whole numbers of a stream, in a row."""
    form = open_frame(stream).form
    if form.dtype.kind != "u" or form.is_bytes:
        raise CodecError(f"data: a stream of {form.dtype} where codes are; it is damaged")
    values: NDArray[Any] = codec_of(stream).decode(stream).ravel()
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _as_matrix(codes: NDArray[Any]) -> NDArray[Any]:
    """Outputs by inputs: the neighbors that a codec with contexts looks at."""
    return codes.reshape(codes.shape[0], -1) if codes.ndim > 1 and codes.size else codes.ravel()
