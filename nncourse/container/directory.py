"""The directory of a file: for each tensor a record that tells what its streams mean and how long they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError
from nncourse.codecs.frame import MAX_AXES, Reader, varint
from nncourse.container.streams import FORMS, form_of
from nncourse.container.tensors import DTYPES, Quantized, Stored
from nncourse.quantizers.affine import QParams
from nncourse.quantizers.codebook import Codebook

KINDS = ("plain", "grid", "codebook")  # numbers in the file are places in this row
LEVELS = ("<f4", "<f2")
MAX_NAME_BYTES = 1024


class ContainerError(CodecError):
    """A file that is truncated, extended, damaged or of another kind."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """One tensor: everything about it but its streams.

    lengths  bytes of each stream, in the order of the file
    """

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    form: str = "whole"
    gap_bits: int = 0
    qmin: int = 0
    qmax: int = 0
    axis: int | None = None
    group_size: int | None = None
    levels: NDArray[Any] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    lengths: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, tensor: Stored, streams: dict[str, bytes]) -> Record:
        """The record of ``tensor``."""
        lengths = {role: len(stream) for role, stream in streams.items()}
        if not isinstance(tensor, Quantized):
            return cls(
                name=name,
                kind="plain",
                dtype=str(tensor.dtype),
                shape=tensor.shape,
                lengths=lengths,
            )
        form = form_of(tensor)
        common: dict[str, Any] = {
            "name": name,
            "dtype": "fp32",
            "shape": tensor.shape,
            "form": form,
            "gap_bits": tensor.layout.gap_bits if form == "relative" else 0,
            "lengths": lengths,
        }
        grid = tensor.grid
        if isinstance(grid, QParams):
            return cls(
                **common,
                kind="grid",
                qmin=grid.qmin,
                qmax=grid.qmax,
                axis=grid.axis,
                group_size=grid.group_size,
            )
        # Levels of 16 bits are stored as such; all others as 32.
        halves = grid.levels.astype(np.float16)
        is_half = np.array_equal(halves.astype(grid.levels.dtype), grid.levels)
        return cls(**common, kind="codebook", levels=grid.levels.astype(LEVELS[is_half]))

    @property
    def roles(self) -> tuple[str, ...]:
        """What the streams are for, in their order."""
        if self.kind == "plain":
            return ("values",)
        roles = ["codes"]
        if self.form in ("relative", "bitmap"):
            roles.append("positions")
        if self.kind == "grid":
            roles.append("scale")
            if self.qmin == 0:
                roles.append("zero point")
        return tuple(roles)

    def codebook(self) -> Codebook:
        """The levels, for a tensor of that kind."""
        return Codebook(self.levels.astype(np.float32))

    def write(self) -> bytes:
        """The bytes of this record."""
        name = self.name.encode()
        data = varint(len(name)) + name
        data += bytes([KINDS.index(self.kind), list(DTYPES).index(self.dtype), len(self.shape)])
        data += b"".join(map(varint, self.shape))
        if self.kind != "plain":
            data += bytes([FORMS.index(self.form)])
            if self.form == "relative":
                data += bytes([self.gap_bits])
        if self.kind == "grid":
            data += self.qmin.to_bytes(3, "little", signed=True)
            data += self.qmax.to_bytes(3, "little", signed=True)
            data += varint(0 if self.axis is None else self.axis + 1) + varint(self.group_size or 0)
        if self.kind == "codebook":
            data += bytes([LEVELS.index(self.levels.dtype.str)])
            data += varint(self.levels.size) + self.levels.tobytes()
        return data + b"".join(varint(self.lengths[role]) for role in self.roles)

    @classmethod
    def read(cls, reader: Reader) -> Record:
        """The next record; CodecError for anything that :meth:`write` does not write."""
        num_bytes = reader.varint()
        if not 0 < num_bytes <= MAX_NAME_BYTES:
            raise CodecError(f"data: a name of {num_bytes} bytes; it is damaged")
        try:
            name = bytes(reader.take(num_bytes)).decode()
        except UnicodeDecodeError:
            raise CodecError("data: a name that is no text; it is damaged") from None
        kind = _one_of(KINDS, reader.byte(), "kind")
        dtype = _one_of(tuple(DTYPES), reader.byte(), "type")
        num_axes = reader.byte()
        if num_axes > MAX_AXES:
            raise CodecError(f"data: {num_axes} axes; it is damaged")
        shape = tuple(reader.varint() for _ in range(num_axes))
        # An axis of length 0 hides the others from the number of items, but not from NumPy.
        if math.prod(max(length, 1) for length in shape) >= 2**60:
            raise CodecError(f"data: a tensor of shape {shape}; it is damaged")
        values: dict[str, Any] = {"shape": shape}
        if kind != "plain":
            if dtype != "fp32":
                raise CodecError(f"data: codes that stand for {dtype}; it is damaged")
            values["form"] = _one_of(FORMS, reader.byte(), "form")
            if values["form"] == "relative":
                values["gap_bits"] = reader.byte()
                if not 1 <= values["gap_bits"] <= 16:
                    raise CodecError(f"data: gaps of {values['gap_bits']} bits; it is damaged")
        if kind == "grid":
            for end in ("qmin", "qmax"):
                values[end] = int.from_bytes(reader.take(3), "little", signed=True)
            axis, group_size = reader.varint(), reader.varint()
            values["axis"] = axis - 1 if axis else None
            values["group_size"] = group_size or None
            if axis > num_axes:
                raise CodecError(f"data: axis {axis - 1} of {num_axes}; it is damaged")
        if kind == "codebook":
            form = _one_of(LEVELS, reader.byte(), "type of levels")
            count = reader.varint()
            raw = reader.take(count * np.dtype(form).itemsize)
            values["levels"] = np.frombuffer(raw, dtype=form)
            _check_levels(values["levels"])
        record = cls(name=name, kind=kind, dtype=dtype, **values)
        record.lengths.update({role: reader.varint() for role in record.roles})
        return record


def _check_levels(levels: NDArray[Any]) -> None:
    is_sorted = levels.size > 0 and bool(np.isfinite(levels).all())
    if not is_sorted or bool((np.diff(levels.astype(np.float32)) <= 0).any()):
        raise CodecError("data: levels that are not finite and in ascending order; it is damaged")


def _one_of(names: tuple[str, ...], number: int, what: str) -> str:
    if number >= len(names):
        raise CodecError(f"data: no {what} has the number {number}; it is damaged")
    return names[number]
