"""What a file holds of a tensor: its values as they are, or codes on a grid or of a codebook."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.codecs import Codec, get_codec
from nncourse.container.layout import Layout
from nncourse.quantizers.affine import QParams, dequantize, from_unsigned, quantize, to_unsigned
from nncourse.quantizers.codebook import Codebook
from nncourse.quantizers.slices import checked_axis, slices

# Name of a stored type and the NumPy type that holds it; numbers in the file are places in this table.
DTYPES: dict[str, str] = {
    "fp64": "<f8",
    "fp32": "<f4",
    "fp16": "<f2",
    "bf16": "<u2",  # bit patterns: NumPy has no such type
    "int8": "|i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "uint8": "|u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "bool": "|b1",
}
FLOATS = ("fp64", "fp32", "fp16", "bf16")


@dataclass(frozen=True, kw_only=True, eq=False)
class Plain:
    """Values stored without loss.

    values  any shape; float16, float32, float64, integers or booleans
    dtype   name in ``DTYPES``; None for the one that ``values`` has. "bf16" says that uint16 values are bit
            patterns of bfloat16
    codec   None for the lossless code of floats, and for a fixed length of whole numbers
    """

    values: NDArray[Any]
    dtype: str | None = None
    codec: Codec | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        little = values.dtype.newbyteorder("<") if values.dtype.itemsize > 1 else values.dtype
        names = [name for name, text in DTYPES.items() if text == little.str and name != "bf16"]
        if not names:
            raise ValueError(f"values are {', '.join(DTYPES)}; got {values.dtype}")
        dtype = self.dtype or names[0]
        if DTYPES.get(dtype) != little.str:
            raise ValueError(
                f"dtype {dtype!r} is held by {DTYPES.get(dtype)}; values are {values.dtype}"
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "dtype", dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return self.values.shape

    def decoded(self) -> NDArray[Any]:
        """The values; bfloat16 as float32."""
        if self.dtype != "bf16":
            return self.values
        patterns = self.values.astype(np.uint32) << np.uint32(16)
        return patterns.view(np.float32)

    def stream(self) -> bytes:
        """The values in one coded stream."""
        values = self.values
        is_float = self.dtype in FLOATS
        codec = self.codec or get_codec("float" if is_float else "fixed")
        if codec.name != "float" and (
            is_float or values.dtype.itemsize > 2 or self.dtype == "bool"
        ):
            little = values.astype(DTYPES[str(self.dtype)], copy=False)
            return codec.encode(little.tobytes())
        return codec.encode(values)


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantized:
    """Codes on an affine grid or of a codebook, some of them perhaps dropped.

    codes   unsigned whole numbers in the shape of the tensor; where the mask is False they mean nothing
    grid    QParams (codes count from ``qmin``) or Codebook (codes are places of levels)
    mask    True = kept, same shape; None when all are
    layout  of the streams

    A file has zero points of grids that count from 0 only: a grid that has some and counts from elsewhere becomes
    the equal one that counts from 0.

    >>> weight = np.array([[0.5, 0.0, -1.0, 0.0]], np.float32)
    >>> stored = Quantized.of(weight, Codebook(np.array([-1.0, 0.5], np.float32)), mask=weight != 0)
    >>> stored.decoded()
    array([[ 0.5,  0. , -1. ,  0. ]], dtype=float32)
    """

    codes: NDArray[Any]
    grid: QParams | Codebook
    mask: NDArray[np.bool_] | None = None
    layout: Layout = field(default_factory=Layout)

    def __post_init__(self) -> None:
        codes = np.asarray(self.codes)
        if codes.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
            raise ValueError(
                f"codes are uint8 or uint16; got {codes.dtype}: to_unsigned makes them so"
            )
        if isinstance(self.grid, QParams):
            object.__setattr__(self, "grid", _fitted(self.grid, codes))
        kept = codes if self.mask is None else codes[self._checked_mask(codes)]
        if kept.size and int(kept.max()) >= self.num_codes:
            raise ValueError(
                f"codes are below {self.num_codes}, as many as the grid has; one is {kept.max()}"
            )

    @classmethod
    def of(
        cls,
        values: NDArray[Any],
        grid: QParams | Codebook,
        *,
        mask: NDArray[np.bool_] | None = None,
        layout: Layout | None = None,
    ) -> Quantized:
        """The codes nearest to ``values``, floating, on ``grid``."""
        if isinstance(grid, Codebook):
            codes = np.asarray(grid.assign(values))
        else:
            codes = np.asarray(to_unsigned(quantize(values, grid), grid))
        narrow = codes.astype(np.uint8 if cls._count(grid) <= 256 else np.uint16)
        return cls(codes=narrow, grid=grid, mask=mask, layout=layout or Layout())

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return self.codes.shape

    @property
    def num_codes(self) -> int:
        """Codes that the grid has a meaning for."""
        return self._count(self.grid)

    def decoded(self) -> NDArray[np.float32]:
        """The values that the codes stand for, float32; 0 where one was dropped."""
        codes = self.codes
        if self.mask is not None:
            codes = np.where(self.mask, codes, 0).astype(codes.dtype)
        if isinstance(self.grid, Codebook):
            values = np.asarray(self.grid.lookup(codes), dtype=np.float32)
        else:
            with np.errstate(over="ignore"):
                values = dequantize(from_unsigned(codes, self.grid), self.grid)
        if self.mask is not None:
            values = np.where(self.mask, values, np.float32(0))
        return values

    @staticmethod
    def _count(grid: QParams | Codebook) -> int:
        return grid.levels.size if isinstance(grid, Codebook) else grid.qmax - grid.qmin + 1

    def _checked_mask(self, codes: NDArray[Any]) -> NDArray[np.bool_]:
        mask = np.asarray(self.mask)
        if mask.dtype != np.bool_ or mask.shape != codes.shape:
            raise ValueError(
                f"mask is boolean, in the shape of codes {codes.shape}; got {mask.dtype} {mask.shape}"
            )
        if self.num_codes > 65535:
            raise ValueError(
                "a mask needs a symbol beside the codes: a grid of at most 65535 codes"
            )
        return mask


def _fitted(grid: QParams, codes: NDArray[Any]) -> QParams:
    """The grid as a file has it; ValueError unless it is one for codes of this shape."""
    _, steps = slices(codes, grid.axis, grid.group_size)
    if steps != grid.scale.shape:
        raise ValueError(
            f"codes of shape {codes.shape} have steps of shape {steps}; the grid has {grid.scale.shape}"
        )
    shift = int(grid.qmin) if grid.zero_point.any() else 0
    return QParams(
        scale=grid.scale,
        zero_point=grid.zero_point - shift,
        qmin=int(grid.qmin) - shift,
        qmax=int(grid.qmax) - shift,
        axis=checked_axis(codes.shape, grid.axis),
        group_size=None if grid.group_size is None else int(grid.group_size),
    )


Stored = Plain | Quantized
