"""A file of a network whose weights are codes: packed codes, one table a tensor, one scale a slice.

A value is ``table[code] * scale``: what a lane with a look-up table computes, the scale being applied
after the sum. The carrier is the safetensors format, as in :mod:`nncourse.pipeline`, which stores
uniform grids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from nncourse.bitstream import pack, unpack
from nncourse.quantizers.codebook import METHODS, Codebook, fit_codebook
from nncourse.quantizers.slices import slices, unsliced

Tensor = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
GRANULARITIES = ("tensor", "channel", "block of 64")
BLOCK = 64


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How the weights of a network become codes.

    method       of ``fit_codebook``; one table for each tensor
    bits         width of a code
    granularity  what shares a scale, its largest magnitude: the tensor, an output channel, or a block
                 of 64 weights in a row. The one table is fitted to all scaled weights together
    value_bits   width of a table's values: whole numbers of this width, symmetric around 0
    """

    method: str
    bits: int
    granularity: str
    value_bits: int = 16

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is one of {', '.join(METHODS)}; got {self.method!r}")
        if self.granularity not in GRANULARITIES:
            raise ValueError(
                f"granularity is one of {', '.join(GRANULARITIES)}; got {self.granularity!r}"
            )
        if self.value_bits not in (8, 16):
            raise ValueError(f"value_bits is 8 or 16; got {self.value_bits!r}")

    @property
    def largest_value(self) -> int:
        """Whole number that the largest level becomes: of powers of two again one of them."""
        if self.method == "log2":
            return int(2 ** (self.value_bits - 2))
        return int(2 ** (self.value_bits - 1) - 1)


def store(tensors: Mapping[str, Tensor], scheme: Scheme) -> bytes:
    """The bytes of a file that holds ``tensors``, those of two axes or more as codes of ``scheme``.

    tensors  float32 by name; tensors of one axis (biases) stay as they are
    scheme   how codes are made

    >>> weight = np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32)
    >>> data = store({"w": weight}, Scheme(method="kmeans", bits=4, granularity="tensor"))
    >>> float(np.abs(restore(data)["w"] - weight).max()) < 0.5
    True
    """
    arrays: dict[str, Tensor] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, value in tensors.items():
        if value.ndim < 2:
            arrays[name] = np.ascontiguousarray(value, dtype=np.float32)
            continue
        codes, levels, scale = _coded(value, scheme)
        arrays[f"{name}.codes"] = np.frombuffer(pack(codes, scheme.bits), dtype=np.uint8)
        arrays[f"{name}.levels"] = levels
        arrays[f"{name}.scale"] = scale
        shapes[name] = value.shape
    note = json.dumps({"scheme": asdict(scheme), "shapes": shapes}, separators=(",", ":"))
    return safetensors.numpy.save(arrays, {"coded": note})


def restore(data: bytes) -> dict[str, Floats]:
    """The tensors in ``data``, float32.

    data  from :func:`store`
    """
    arrays = safetensors.numpy.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    note = json.loads(header["__metadata__"]["coded"])
    scheme = Scheme(**note["scheme"])
    tensors: dict[str, Floats] = {}
    for name, shape in note["shapes"].items():
        parts = {part: arrays.pop(f"{name}.{part}") for part in ("codes", "levels", "scale")}
        count = int(np.prod(shape))
        codes = unpack(parts["codes"].tobytes(), scheme.bits, count)
        rows, _ = _rows(codes.reshape(shape), scheme.granularity)
        values = parts["levels"].astype(np.float32)[rows] * parts["scale"][:, None]
        tensors[name] = _unrowed(values, tuple(shape), scheme.granularity)
    return tensors | arrays


def _coded(value: Tensor, scheme: Scheme) -> tuple[Tensor, Tensor, Floats]:
    """Codes in the shape of ``value``, whole-number levels, and the scale of each row."""
    rows, _ = _rows(np.asarray(value, dtype=np.float32), scheme.granularity)
    largest = np.abs(rows).max(axis=1)
    # A slice of zeros has scale 0 and comes back as zeros, whatever its codes mean.
    is_used = largest > 0
    unit = np.where(is_used, largest, np.float32(1))
    scaled = rows / unit[:, None]
    fitted = fit_codebook(
        scaled[is_used] if is_used.any() else scaled, 2**scheme.bits, method=scheme.method
    )
    step = float(np.abs(fitted.levels).max()) / scheme.largest_value or 1.0
    levels = np.unique(np.rint(fitted.levels.astype(np.float64) / step))
    codes = Codebook(levels * step).assign(scaled)
    small = np.int8 if scheme.value_bits == 8 else np.int16
    scale = np.where(is_used, unit * step, 0).astype(np.float32)
    return _unrowed(codes, value.shape, scheme.granularity), levels.astype(small), scale


def _rows(values: Tensor, granularity: str) -> tuple[Tensor, tuple[int, ...]]:
    if granularity != "block of 64":
        return slices(values, None if granularity == "tensor" else 0)
    flat = values.reshape(-1)
    return np.pad(flat, (0, -flat.size % BLOCK)).reshape(-1, BLOCK), ()


def _unrowed(rows: Tensor, shape: tuple[int, ...], granularity: str) -> Tensor:
    if granularity != "block of 64":
        return unsliced(rows, shape, None if granularity == "tensor" else 0)
    return rows.reshape(-1)[: int(np.prod(shape))].reshape(shape)
