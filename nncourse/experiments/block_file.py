"""A file of a language model: matrices as codes of a few bits with one scale a block, or as 2:4 pairs.

A value is ``level[code] * scale[block]``. The levels are those of a named format and take no bytes; scales
are stored in the type that the format prescribes. Everything else (normalizations, tables of tokens) is
float16. The carrier is the safetensors format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from nncourse.bitstream import pack, unpack
from nncourse.formats import FORMATS
from nncourse.quantizers.affine import QParams
from nncourse.quantizers.codebook import NF4

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
SCALE_TYPES = ("fp16", "e8m0", "e4m3")
E8M0_BIAS = 127
PARTS = ("codes", "scale", "whole", "kept", "places")


def levels(element: str) -> Floats:
    """The values that codes 0, 1, ... of a format stand for, ascending, before scaling.

    element  "nf4", or a format of at most 8 bits such as "int4", "ternary", "fp4_e2m1"

    >>> levels("ternary")
    array([-1.,  0.,  1.], dtype=float32)
    """
    if element == "nf4":
        return NF4.astype(np.float32)
    values = FORMATS[element].values if element in FORMATS else None
    if values is None or len(values) > 256:
        raise ValueError(f"element is nf4 or a format of at most 8 bits; got {element!r}")
    return np.asarray(values, dtype=np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """A matrix in blocks along its rows.

    element     name of the levels
    codes       uint8, shape (out, k)
    scale       float32, shape (out, k / block), or (1, 1) for one scale in all
    scale_type  how a scale is stored: "fp16"; "e8m0", a power of two in a byte; "e4m3", a byte that is
                multiplied with one float32 for the whole matrix
    whole       that float32; 1 for the other types
    """

    element: str
    codes: npt.NDArray[np.uint8]
    scale: Floats
    scale_type: str = "fp16"
    whole: float = 1.0

    def __post_init__(self) -> None:
        if self.scale_type not in SCALE_TYPES:
            raise ValueError(f"scale_type is one of {SCALE_TYPES}; got {self.scale_type!r}")
        rows, columns = self.codes.shape
        fits = self.scale.shape[0] == rows and columns % self.scale.shape[1] == 0
        if not (fits or self.scale.shape == (1, 1)):
            raise ValueError(f"scale {self.scale.shape} does not divide codes {self.codes.shape}")
        if self.codes.size and int(self.codes.max()) >= len(levels(self.element)):
            raise ValueError(f"codes name levels of {self.element}; got {self.codes.max()}")

    @property
    def bits(self) -> int:
        """Of one code."""
        return max(1, (len(levels(self.element)) - 1).bit_length())

    def values(self) -> Floats:
        """What the file gives back, float32."""
        scale = _read_scale(_scale_bytes(self), self.scale_type, self.scale.shape)
        return _scaled(levels(self.element)[self.codes], scale * np.float32(self.whole))


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """A matrix of which two of every four neighbors in a row are kept: float16 values and 2-bit places.

    matrix  float32, shape (out, k)
    keep    boolean, the same shape, two of every four True
    """

    matrix: Floats
    keep: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        fours = self.keep.reshape(-1, 4) if self.keep.size % 4 == 0 else np.zeros((1, 4))
        if self.keep.shape != self.matrix.shape or not (fours.sum(axis=1) == 2).all():
            raise ValueError("keep has two of every four neighbors, in the shape of the matrix")

    def values(self) -> Floats:
        """What the file gives back, float32."""
        kept = np.where(self.keep, self.matrix, np.float32(0))
        return kept.astype(np.float16).astype(np.float32)


Stored = Blocks | Pairs | Array


def on_grid(codes: Array, grid: QParams) -> Blocks:
    """The blocks of symmetric ``codes`` and their ``grid``, one step a row or a group."""
    if grid.zero_point.any() or grid.qmin != -grid.qmax:
        raise ValueError("grid is symmetric: its zero points are all 0")
    scale = grid.scale.reshape(len(codes), -1) if grid.scale.ndim else grid.scale.reshape(1, 1)
    return Blocks(
        element=f"int{grid.bits}",
        codes=(codes.astype(np.int64) + grid.qmax).astype(np.uint8),
        scale=scale,
    )


def store(tensors: Mapping[str, Stored]) -> bytes:
    """The bytes of one file that holds every tensor; plain arrays become float16.

    >>> codes = np.array([[0, 2, 1, 1]], np.uint8)
    >>> data = store({"w": Blocks(element="ternary", codes=codes, scale=np.full((1, 1), 0.5, np.float32))})
    >>> restore(data)["w"]
    array([[-0.5,  0.5,  0. ,  0. ]], dtype=float32)
    """
    arrays: dict[str, Array] = {}
    notes: dict[str, Any] = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, Blocks):
            packed = pack(tensor.codes.reshape(-1), tensor.bits)
            arrays[f"{name}.codes"] = np.frombuffer(packed, np.uint8)
            arrays[f"{name}.scale"] = _scale_bytes(tensor)
            if tensor.scale_type == "e4m3":
                arrays[f"{name}.whole"] = np.array([tensor.whole], np.float32)
            notes[name] = [tensor.element, *tensor.codes.shape, *tensor.scale.shape]
        elif isinstance(tensor, Pairs):
            places = np.nonzero(tensor.keep.reshape(-1, 4))[1].astype(np.uint8)
            arrays[f"{name}.kept"] = tensor.matrix[tensor.keep].astype(np.float16)
            arrays[f"{name}.places"] = np.frombuffer(pack(places, 2), np.uint8)
            notes[name] = ["2:4", *tensor.matrix.shape]
        else:
            with np.errstate(over="ignore"):
                arrays[name] = np.asarray(tensor).astype(np.float16)
            if not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name} holds values beyond float16")
    note = json.dumps(notes, separators=(",", ":"))
    return safetensors.numpy.save(arrays, {"blocks": note})


def restore(data: bytes) -> dict[str, Floats]:
    """The tensors in ``data``, from :func:`store`, as float32."""
    arrays = safetensors.numpy.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    notes = json.loads(header["__metadata__"]["blocks"])
    tensors: dict[str, Floats] = {}
    for name, (element, rows, columns, *steps) in notes.items():
        parts = {p: arrays.pop(f"{name}.{p}") for p in PARTS if f"{name}.{p}" in arrays}
        if element == "2:4":
            matrix = np.zeros((rows * columns // 4, 4), np.float32)
            places = unpack(parts["places"].tobytes(), 2, rows * columns // 2)
            matrix[np.arange(len(places)) // 2, places] = parts["kept"].astype(np.float32)
            tensors[name] = matrix.reshape(rows, columns)
            continue
        table = levels(element)
        bits = max(1, (len(table) - 1).bit_length())
        codes = unpack(parts["codes"].tobytes(), bits, rows * columns).reshape(rows, columns)
        kind = {np.dtype(np.float16): "fp16"}.get(parts["scale"].dtype)
        kind = kind or ("e4m3" if "whole" in parts else "e8m0")
        scale = _read_scale(parts["scale"], kind, tuple(steps))
        tensors[name] = _scaled(table[codes], scale * parts.get("whole", np.float32(1)))
    return tensors | {name: value.astype(np.float32) for name, value in arrays.items()}


def _scale_bytes(tensor: Blocks) -> Array:
    flat = tensor.scale.reshape(-1)
    if tensor.scale_type == "fp16":
        return flat.astype(np.float16)
    if tensor.scale_type == "e8m0":
        _, exponent = np.frexp(flat)
        return (exponent - 1 + E8M0_BIAS).astype(np.uint8)
    return np.searchsorted(_e4m3(), flat).astype(np.uint8)


def _read_scale(stored: Array, scale_type: str, shape: tuple[int, ...]) -> Floats:
    if scale_type == "fp16":
        return stored.astype(np.float32).reshape(shape)
    if scale_type == "e8m0":
        powers = np.ldexp(np.float32(1), stored.astype(np.int32) - E8M0_BIAS)
        return powers.astype(np.float32).reshape(shape)
    return _e4m3()[stored].reshape(shape)


def _e4m3() -> Floats:
    """The values of a scale's byte: those of E4M3 that are not negative, ascending."""
    values = levels("fp8_e4m3")
    return values[values >= 0]


def _scaled(values: Floats, scale: Floats) -> Floats:
    columns = values.shape[1]
    spread = scale if scale.shape == (1, 1) else np.repeat(scale, columns // scale.shape[1], axis=1)
    return (values * spread).astype(np.float32)
