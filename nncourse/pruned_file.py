"""From a pruned network to the bytes of a file, and back: the weights that stay, and where they are.

A zero that is stored as a value saves nothing. Here only kept weights are stored, with the positions
that the shape of the pruning leaves open: a bit for each weight, or for each block, or a few bits for
each kept weight where every stretch of inputs keeps the same number.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from nncourse.bitstream import CodecError, pack, unpack
from nncourse.ledger import SizeLedger
from nncourse.pruners.masks import Mask
from nncourse.quantizers.affine import (
    QParams,
    choose_qparams,
    dequantize,
    from_unsigned,
    quantize,
    to_unsigned,
)

Tensor = NDArray[np.floating[Any]]

FORMAT = "nncourse-pruned-1"
METADATA = "nncourse"
PARTS = {"kept": "kept weights", "scale": "scales", "where": "positions"}
MAX_VALUES = 2**31  # of one tensor; a damaged shape must not ask for more


@dataclass(frozen=True)
class Bitmap:
    """One bit for each block of ``rows`` outputs and ``columns`` inputs: 1 where it stays.

    Both divide the matrix (outputs, inputs * kernel area); 1 by 1 serves any mask.
    """

    rows: int = 1
    columns: int = 1


@dataclass(frozen=True)
class Positions:
    """Where in its stretch of ``m`` inputs each kept weight is, in ``ceil(log2(m))`` bits.

    Every stretch of the tensor keeps the same number, as with n of m and with balanced banks.
    """

    m: int


Where = Bitmap | Positions


def store(
    tensors: Mapping[str, Tensor],
    masks: Mapping[str, Mask],
    *,
    bits: int | None = None,
    where: Where | Mapping[str, Where] = Bitmap(),
) -> bytes:
    """The bytes of one file that holds every tensor, dropped weights left out.

    tensors  floating, by name; those without a mask are stored whole, in fp32
    masks    boolean, by name of a tensor, True = kept
    bits     width of the kept weights: codes of a symmetric grid with one step an output channel,
             2..16; None for fp32
    where    how positions are written, one for all or by name (names left out take ``Bitmap()``)

    The carrier is the safetensors format. Codes and positions are packed without gaps, least
    significant bit first; kept weights come output after output, inputs in order.

    >>> weight = np.arange(1.0, 9.0, dtype=np.float32).reshape(2, 4)
    >>> mask = np.array([[False, True, False, True], [True, False, False, True]])
    >>> restore(store({"w": weight}, {"w": mask}, where=Positions(4)))["w"]
    array([[0., 2., 0., 4.],
           [5., 0., 0., 8.]], dtype=float32)
    """
    unknown = sorted(set(masks) - set(tensors))
    if unknown:
        raise ValueError(f"masks names {unknown[0]!r}, and tensors holds no such name")
    arrays: dict[str, NDArray[Any]] = {}
    notes: dict[str, Any] = {}
    for name, value in tensors.items():
        value = np.asarray(value)
        if not np.issubdtype(value.dtype, np.floating):
            raise ValueError(f"tensors[{name!r}] is floating; got {value.dtype}")
        if name not in masks:
            arrays[name] = np.array(value, dtype=np.float32, order="C")
            continue
        form = where.get(name, Bitmap()) if isinstance(where, Mapping) else where
        try:
            parts, notes[name] = _written(value, np.asarray(masks[name]), bits, form)
        except ValueError as error:
            raise ValueError(f"tensors[{name!r}], shape {value.shape}: {error}") from None
        hidden = [f"{name}.{part}" for part in PARTS if f"{name}.{part}" in tensors]
        if hidden:
            raise ValueError(
                f"tensors[{hidden[0]!r}] has the name of a part of {name!r}; rename it"
            )
        arrays |= {f"{name}.{part}": array for part, array in parts.items()}
    description = json.dumps({"format": FORMAT, "pruned": notes}, separators=(",", ":"))
    return safetensors.numpy.save(arrays, {METADATA: description})


def restore(data: bytes) -> dict[str, NDArray[np.float32]]:
    """The tensors in ``data``, float32, dropped weights 0.

    data  from :func:`store`

    Truncated, damaged or foreign bytes raise :class:`~nncourse.bitstream.CodecError`.
    """
    arrays, notes = _opened(data)
    tensors: dict[str, NDArray[np.float32]] = {}
    try:
        for name, note in notes.items():
            tensors[name] = _read(name, note, arrays)
    except CodecError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CodecError(
            f"data: its description does not fit its arrays ({error}); it is damaged"
        ) from None
    for name, value in arrays.items():
        if value.dtype != np.float32 or name in tensors:
            raise CodecError(f"data: the array {name} belongs to no tensor; it is damaged")
        tensors[name] = value
    return tensors


def ledger(data: bytes, *, baseline_bytes: int) -> SizeLedger:
    """The bytes of ``data`` by what they are for: header, kept weights, scales, positions, floats.

    data            from :func:`store`
    baseline_bytes  size of what it replaces
    """
    _, notes = _opened(data)
    header_bytes = 8 + struct.unpack("<Q", data[:8])[0]
    parts: dict[str, bytes] = {"header": data[:header_bytes]}
    for name, entry in json.loads(data[8:header_bytes]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            owner, _, part = name.rpartition(".")
            kind = PARTS[part] if owner in notes and part in PARTS else "floats"
            parts[kind] = parts.get(kind, b"") + data[header_bytes + first : header_bytes + last]
    result = SizeLedger(baseline_bytes=baseline_bytes)
    for kind, stretch in parts.items():
        result.add(kind, stretch)
    return result


def _written(
    value: Tensor, mask: Mask, bits: int | None, where: Where
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    if mask.dtype != bool or mask.shape != value.shape or value.ndim < 2:
        raise ValueError(
            f"its mask is boolean of the same shape, of two axes or more; "
            f"got {mask.dtype} of shape {mask.shape}"
        )
    matrix = mask.reshape(len(mask), -1)
    kept = value[mask]
    if not np.isfinite(kept).all():
        raise ValueError("kept weights are finite; got NaN or infinity")
    note: dict[str, Any] = {"shape": value.shape, "kept": kept.size}
    parts: dict[str, NDArray[Any]]
    if bits is None:
        parts = {"kept": kept.astype(np.float32)}
    else:
        # Zeros count for no step: each channel's grid is chosen on what it keeps.
        grid = choose_qparams(np.where(mask, value, 0), bits=bits, axis=0)
        codes = to_unsigned(quantize(value, grid), grid)[mask]
        parts = {"kept": _bytes_of(codes, bits), "scale": grid.scale}
        note["bits"] = bits
    if isinstance(where, Bitmap):
        note["bitmap"] = [where.rows, where.columns]
        parts["where"] = _bytes_of(_block_bits(matrix, where), 1)
    else:
        note["positions"] = where.m
        parts["where"] = _bytes_of(_places(matrix, where.m), _place_bits(where.m))
    return parts, note


def _block_bits(matrix: Mask, where: Bitmap) -> NDArray[np.uint8]:
    grid = _blocks(matrix, where.rows, where.columns)
    kept = grid.any(axis=(1, 3))
    if not np.array_equal(kept, grid.all(axis=(1, 3))):
        raise ValueError(
            f"its mask keeps part of a block of {where.rows} x {where.columns}; "
            "Bitmap() has a bit for each weight"
        )
    return kept.astype(np.uint8).ravel()


def _places(matrix: Mask, m: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if m < 1 or m > 2**16 or matrix.shape[1] % m:
        raise ValueError(f"m is from 1 to 65536 and divides the {matrix.shape[1]} inputs; got {m}")
    stretches = matrix.reshape(-1, m)
    counts = stretches.sum(axis=1)
    if counts.min() != counts.max():
        raise ValueError(
            f"its mask keeps {counts.min()} to {counts.max()} of {m} inputs, and Positions needs "
            "the same number in each stretch; Bitmap() serves any mask"
        )
    return np.nonzero(stretches)[1].astype(np.uint16)


def _read(name: str, note: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    shape = tuple(int(length) for length in note["shape"])
    count, kept = math.prod(shape), int(note["kept"])
    if len(shape) < 2 or min(shape) < 1 or count > MAX_VALUES or not 0 <= kept <= count:
        raise CodecError(f"data: the shape {shape} of {name} is not a shape; it is damaged")
    written = arrays.pop(f"{name}.where").tobytes()
    matrix_shape = (shape[0], count // shape[0])
    if "bitmap" in note:
        mask = _mask_of_blocks(written, matrix_shape, *(int(side) for side in note["bitmap"]))
    else:
        mask = _mask_of_places(written, matrix_shape, int(note["positions"]), kept)
    if np.count_nonzero(mask) != kept:
        raise CodecError(f"data: the positions of {name} are not those of {kept} weights")
    values = np.zeros(matrix_shape, dtype=np.float32)
    stored = arrays.pop(f"{name}.kept")
    if "bits" not in note:
        if stored.dtype != np.float32 or stored.shape != (kept,):
            raise CodecError(f"data: the kept weights of {name} are damaged")
        values[mask] = stored
        return values.reshape(shape)
    bits = int(note["bits"])
    qmax = 2 ** (bits - 1) - 1
    scale = arrays.pop(f"{name}.scale")
    grid = QParams(
        scale=scale, zero_point=np.zeros(scale.shape, np.int32), qmin=-qmax, qmax=qmax, axis=0
    )
    codes = np.full(matrix_shape, qmax, dtype=np.uint16)  # the code of zero
    codes[mask] = unpack(stored.tobytes(), bits, kept)
    with np.errstate(over="ignore"):
        values = dequantize(from_unsigned(codes, grid), grid)
    if not np.isfinite(values).all():
        raise CodecError(f"data: the steps of {name} are too large; it is damaged")
    return values.reshape(shape)


def _mask_of_blocks(written: bytes, shape: tuple[int, int], rows: int, columns: int) -> Mask:
    if rows < 1 or columns < 1 or shape[0] % rows or shape[1] % columns:
        raise CodecError(f"data: blocks of {rows} x {columns} do not tile {shape}; it is damaged")
    grid = (shape[0] // rows, shape[1] // columns)
    kept = unpack(written, 1, math.prod(grid)).reshape(grid).astype(bool)
    return np.repeat(np.repeat(kept, rows, axis=0), columns, axis=1)


def _mask_of_places(written: bytes, shape: tuple[int, int], m: int, kept: int) -> Mask:
    stretches = math.prod(shape) // max(m, 1)
    if not 1 <= m <= 2**16 or shape[1] % m or kept % stretches:
        raise CodecError(f"data: stretches of {m} inputs do not fit {shape}; it is damaged")
    mask = np.zeros((stretches, m), dtype=bool)
    places = unpack(written, _place_bits(m), kept).reshape(stretches, -1)
    if kept and places.max() >= m:
        raise CodecError(f"data: a position beyond its stretch of {m} inputs; it is damaged")
    np.put_along_axis(mask, places.astype(np.int64), True, axis=1)
    return mask.reshape(shape)


def _blocks(matrix: Mask, rows: int, columns: int) -> Mask:
    if rows < 1 or columns < 1 or matrix.shape[0] % rows or matrix.shape[1] % columns:
        raise ValueError(
            f"blocks of {rows} x {columns} have to divide the matrix {matrix.shape} without rest"
        )
    return matrix.reshape(matrix.shape[0] // rows, rows, -1, columns)


def _place_bits(m: int) -> int:
    return max(1, (m - 1).bit_length())


def _bytes_of(codes: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    return np.frombuffer(pack(codes, bits), dtype=np.uint8)


def _opened(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    try:
        data = bytes(data)
        arrays = safetensors.numpy.load(data)
        length = struct.unpack("<Q", data[:8])[0]
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
        description = json.loads(metadata.get(METADATA, "{}"))
        if not isinstance(description, dict) or description.get("format") != FORMAT:
            raise CodecError(f"data: not a file of the form {FORMAT}; was it written by store()?")
        notes = description["pruned"]
        if not isinstance(notes, dict):
            raise CodecError("data: its description of the masks is damaged")
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
