"""From the tensors of a network to the bytes of a file, and back.

Accuracy is measured on what :func:`restore` returns, size on what :func:`store` returns: neither can
forget what the other had to write down.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from nncourse.bitstream import CodecError, pack, unpack
from nncourse.ledger import SizeLedger
from nncourse.quantizers.affine import (
    QParams,
    choose_qparams,
    dequantize,
    from_unsigned,
    quantize,
    to_unsigned,
)
from nncourse.quantizers.codebook import Codebook

Tensor = NDArray[Any]
Width = int | str | QParams | Codebook

FORMAT = "nncourse-tensors-1"
METADATA = "nncourse"
RESERVED = "__metadata__"
FLOAT_WIDTHS = {"fp32": np.float32, "fp16": np.float16}
# Arrays of a quantized tensor, named "NAME.codes" and so on, and their rows in the ledger.
PARTS = {
    "codes": "codes",
    "scale": "scales",
    "zero_point": "zero points",
    "levels": "codebooks",
}
MAX_VALUES = 2**31  # of one tensor; a damaged shape must not ask for more


def store(
    tensors: Mapping[str, Tensor],
    *,
    bits: Width | Mapping[str, Width],
    scheme: str = "symmetric",
    axis: int | None = 0,
    method: str = "minmax",
) -> bytes:
    """The bytes of one file that holds every tensor.

    tensors  floating arrays by name
    bits     width of the tensors of two axes and more: "fp32", "fp16", or a whole number for codes of
             an affine grid; one for all, or one a name (names left out stay fp32). Tensors of one
             axis (biases) stay fp32 unless they are named. Instead of a width, a name may have a grid
             (QParams, without groups) or a Codebook that is there already, from fine-tuning, say
    scheme, axis, method  of :func:`nncourse.quantizers.affine.choose_qparams`; ``axis`` 0 is one step
             for each output channel, None one for the tensor, as for tensors of one axis

    The carrier is the safetensors format: a JSON header, then the arrays. Codes are packed without
    gaps; steps (and zero points of asymmetric grids), or the float32 levels of a codebook, are arrays
    beside them.

    >>> weight = np.random.default_rng(0).normal(size=(32, 64)).astype(np.float32)
    >>> len(store({"w": weight}, bits=8)) - len(store({"w": weight}, bits=4))  # 2048 codes of 4 bits
    1024
    """
    arrays: dict[str, Tensor] = {}
    notes: dict[str, Any] = {}
    widths = {name: _width(name, value, bits) for name, value in tensors.items()}
    if isinstance(bits, Mapping) and not set(bits) <= set(tensors):
        unknown = sorted(set(bits) - set(tensors))
        raise ValueError(f"bits names {', '.join(unknown)}, and tensors holds no such name")
    if RESERVED in tensors:
        raise ValueError(f"tensors[{RESERVED!r}] has the name of the file's own header; rename it")
    for name, value in tensors.items():
        value, width = np.asarray(value), widths[name]
        kept = axis if value.ndim > 1 else None
        if isinstance(width, str):
            with np.errstate(over="ignore"):
                arrays[name] = np.array(value, dtype=FLOAT_WIDTHS[width], order="C")
            if not np.array_equal(np.isfinite(arrays[name]), np.isfinite(value)):
                raise ValueError(f"tensors[{name!r}] holds values beyond {width}; store it as fp32")
            continue
        if hidden := [f"{name}.{part}" for part in PARTS if f"{name}.{part}" in tensors]:
            raise ValueError(
                f"tensors[{hidden[0]!r}] has the name of a part of {name!r}; rename it"
            )
        try:
            if isinstance(width, int):
                width = choose_qparams(value, bits=width, scheme=scheme, axis=kept, method=method)
            parts, notes[name] = _coded(value, width)
        except ValueError as error:
            raise ValueError(f"tensors[{name!r}], shape {value.shape}: {error}") from None
        arrays |= {f"{name}.{part}": array for part, array in parts.items()}
    # One entry only: the order of several is not fixed, and equal networks shall give equal files.
    description = json.dumps({"format": FORMAT, "grids": notes}, separators=(",", ":"))
    return safetensors.numpy.save(arrays, {METADATA: description})


def restore(data: bytes) -> dict[str, NDArray[np.float32]]:
    """The tensors in ``data``, float32, equal to dequantize(quantize(x)) or lookup(assign(x)) bit for bit.

    data  from :func:`store`

    Truncated, damaged or foreign bytes raise :class:`~nncourse.bitstream.CodecError`.
    """
    arrays, notes = _opened(data)
    tensors: dict[str, NDArray[np.float32]] = {}
    try:
        for name, note in notes.items():
            tensors[name] = _dequantized(name, note, arrays)
        for name, value in arrays.items():
            if value.dtype not in (np.float32, np.float16):
                raise CodecError(
                    f"data: the array {name} is {value.dtype} and belongs to no tensor"
                )
            if name in tensors:
                raise CodecError(f"data: {name} is there twice; it is damaged")
            tensors[name] = value.astype(np.float32)
    except CodecError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CodecError(
            f"data: its description does not fit its arrays ({error}); it is damaged"
        ) from None
    return tensors


def ledger(data: bytes, *, baseline_bytes: int) -> SizeLedger:
    """The bytes of ``data`` by what they are for: header, codes, scales, zero points, floats.

    data            from :func:`store`
    baseline_bytes  size of what it replaces, usually ``len(store(tensors, bits="fp32"))``
    """
    _, notes = _opened(data)
    header_bytes = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:header_bytes])
    parts: dict[str, bytes] = {"header": data[:header_bytes]}
    for name, entry in header.items():
        if name != RESERVED:
            first, last = entry["data_offsets"]
            owner, _, part = name.rpartition(".")
            kind = PARTS.get(part, "floats") if owner in notes else "floats"
            parts[kind] = parts.get(kind, b"") + data[header_bytes + first : header_bytes + last]
    result = SizeLedger(baseline_bytes=baseline_bytes)
    for kind, stretch in parts.items():
        result.add(kind, stretch)
    if result.total_bytes != len(data):
        raise CodecError(f"data: {len(data) - result.total_bytes} bytes belong to nothing")
    return result


def _width(name: str, value: Tensor, bits: Width | Mapping[str, Width]) -> Width:
    if isinstance(bits, Mapping):
        width = bits.get(name, "fp32")
    else:
        width = bits if np.ndim(value) > 1 else "fp32"
    known = width in FLOAT_WIDTHS if isinstance(width, str) else not isinstance(width, bool)
    if not (known and isinstance(width, int | np.integer | str | QParams | Codebook)):
        raise ValueError(
            f'bits of {name} is "fp32", "fp16", a whole number up to 16, a QParams or a Codebook; '
            f"got {width!r}"
        )
    if not np.issubdtype(np.asarray(value).dtype, np.floating):
        raise ValueError(f"tensors[{name!r}] is floating; got {np.asarray(value).dtype}")
    return int(width) if isinstance(width, np.integer) else width


def _coded(value: Tensor, grid: QParams | Codebook) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The arrays of a tensor on a grid or a codebook, and the note that tells how to read them."""
    if isinstance(grid, Codebook):
        levels = grid.levels.astype(np.float32)
        codes, bits = grid.assign(value), _index_bits(levels.size)
        parts = {"levels": levels}
        note: dict[str, Any] = {"shape": value.shape, "levels": levels.size}
    else:
        if grid.group_size is not None:
            raise ValueError(
                "a grid with groups has no place in the file; use one for each channel"
            )
        codes, bits = to_unsigned(quantize(value, grid), grid), grid.bits
        parts = {"scale": grid.scale}
        if grid.qmin == 0:
            parts["zero_point"] = grid.zero_point.astype(np.uint16)
        note = {"shape": value.shape, "qmin": grid.qmin, "qmax": grid.qmax, "axis": grid.axis}
    parts["codes"] = np.frombuffer(pack(codes, bits), dtype=np.uint8)
    return parts, note


def _index_bits(num_levels: int) -> int:
    return max(1, (num_levels - 1).bit_length())


def _opened(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Arrays and grid notes of a file; everything malformed becomes a CodecError."""
    try:
        data = bytes(data)
        arrays = safetensors.numpy.load(data)
        length = struct.unpack("<Q", data[:8])[0]
        metadata = json.loads(data[8 : 8 + length]).get(RESERVED, {})
        description = json.loads(metadata.get(METADATA, "{}"))
        if not isinstance(description, dict) or description.get("format") != FORMAT:
            raise CodecError(f"data: not a file of the form {FORMAT}; was it written by store()?")
        notes = description["grids"]
        if not isinstance(notes, dict):
            raise CodecError("data: its description of the grids is damaged")
    except CodecError:
        raise
    except (
        SafetensorError,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
        struct.error,
    ) as error:
        raise CodecError(f"data: truncated, damaged or another kind of file ({error})") from None
    return arrays, notes


def _dequantized(name: str, note: dict[str, Any], arrays: dict[str, Tensor]) -> NDArray[np.float32]:
    shape = tuple(int(length) for length in note["shape"])
    count = math.prod(shape)
    if min(shape, default=1) < 1 or count > MAX_VALUES:
        raise CodecError(f"data: the shape {shape} of {name} is not a shape; it is damaged")
    packed = arrays.pop(f"{name}.codes").tobytes()
    if "levels" in note:
        book = Codebook(arrays.pop(f"{name}.levels"))
        if book.levels.dtype != np.float32 or book.levels.size != note["levels"]:
            raise CodecError(f"data: the codebook of {name} is damaged")
        codes = unpack(packed, _index_bits(book.levels.size), count).reshape(shape)
        return book.lookup(codes)
    scale = arrays.pop(f"{name}.scale")
    qmin, qmax = int(note["qmin"]), int(note["qmax"])
    zero_point = arrays.pop(f"{name}.zero_point") if qmin == 0 else np.zeros(scale.shape)
    qparams = QParams(
        scale=scale, zero_point=zero_point.astype(np.int32), qmin=qmin, qmax=qmax, axis=note["axis"]
    )
    codes = unpack(packed, qparams.bits, count).reshape(shape)
    with np.errstate(over="ignore"):
        values = dequantize(from_unsigned(codes, qparams), qparams)
    if not np.isfinite(values).all():
        raise CodecError(f"data: the steps of {name} are too large; it is damaged")
    return values
