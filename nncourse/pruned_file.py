"""From a pruned network to the bytes of a file, and back: the weights that stay, and where they are.

A zero that is stored as a value saves nothing. Here only kept weights are stored, with the positions
that the shape of the pruning leaves open: a bit for each weight, or for each block, or a few bits for
each kept weight where every stretch of inputs keeps the same number.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from nncourse.bitstream import CodecError, pack, unpack
from nncourse.ledger import SizeLedger
from nncourse.positions import Bitmap, Positions
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


Where = Bitmap | Positions


def store(
    tensors: Mapping[str, Tensor],
    masks: Mapping[str, Mask],
    *,
    bits: int | None = None,
    where: Where | Mapping[str, Where] | None = None,
) -> bytes:
    """The bytes of one file that holds every tensor, dropped weights left out.

    tensors  floating, by name; those without a mask are stored whole
    masks    boolean, by name of a tensor, True = kept
    bits     width of the weights, kept or whole: codes of a symmetric grid with one step an output
             channel, 2..16; None for fp32. Tensors of one axis (biases) without a mask stay fp32
    where    how positions are written, one for all or by name; ``Bitmap()`` where nothing is said

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
        mask = masks.get(name)
        if mask is None and (bits is None or value.ndim < 2):
            arrays[name] = np.array(value, dtype=np.float32, order="C")
            continue
        form = (where.get(name) if isinstance(where, Mapping) else where) or Bitmap()
        try:
            parts, notes[name] = _written(value, mask, bits, form)
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
    parts: dict[str, bytes] = {}
    for owner, part, stretch in _stretches(data):
        kind = "header" if not owner else PARTS.get(part, "floats")
        parts[kind] = parts.get(kind, b"") + stretch
    result = SizeLedger(baseline_bytes=baseline_bytes)
    for kind, stretch in parts.items():
        result.add(kind, stretch)
    return result


def bytes_by_tensor(data: bytes) -> dict[str, int]:
    """Bytes that each tensor takes in ``data``, its scales and positions included; "" is the header.

    data  from :func:`store`
    """
    sizes: dict[str, int] = {}
    for owner, _, stretch in _stretches(data):
        sizes[owner] = sizes.get(owner, 0) + len(stretch)
    return sizes


def _stretches(data: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Every stretch of the file with its tensor and its part; the header first, without either."""
    _, notes = _opened(data)
    start = 8 + struct.unpack("<Q", data[:8])[0]
    yield "", "", data[:start]
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            owner, _, part = name.rpartition(".")
            known = owner in notes and part in PARTS
            stretch = data[start + first : start + last]
            yield (owner, part, stretch) if known else (name, "", stretch)


def _written(
    value: Tensor, given: Mask | None, bits: int | None, where: Where
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    mask = np.ones(value.shape, dtype=bool) if given is None else np.asarray(given)
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
    if given is None:
        return parts, note
    note |= {"bitmap": [where.rows, where.columns]} if isinstance(where, Bitmap) else {"m": where.m}
    parts["where"] = np.frombuffer(where.write(matrix), dtype=np.uint8)
    return parts, note


def _read(name: str, note: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    shape = tuple(int(length) for length in note["shape"])
    count, kept = math.prod(shape), int(note["kept"])
    if len(shape) < 2 or min(shape) < 1 or count > MAX_VALUES or not 0 <= kept <= count:
        raise CodecError(f"data: the shape {shape} of {name} is not a shape; it is damaged")
    matrix_shape = (shape[0], count // shape[0])
    mask = _mask(name, note, arrays, matrix_shape, kept)
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


def _mask(
    name: str,
    note: dict[str, Any],
    arrays: dict[str, NDArray[Any]],
    shape: tuple[int, int],
    num_kept: int,
) -> Mask:
    if "bitmap" not in note and "m" not in note:
        if num_kept != math.prod(shape):
            raise CodecError(f"data: {name} is whole and lacks weights; it is damaged")
        return np.ones(shape, dtype=bool)
    rows_columns = [int(side) for side in note.get("bitmap", [])]
    where: Where = Bitmap(*rows_columns) if rows_columns else Positions(int(note["m"]))
    return where.read(arrays.pop(f"{name}.where").tobytes(), shape, num_kept)


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
