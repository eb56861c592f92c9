"""Operations on codes that need no weights: pooling, adding, ReLU, flattening.

What only chooses among codes (the largest of a window, the larger of code and zero point) leaves their
meaning as it is. What computes with them (a mean, a sum) is requantized to a grid of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nncourse.quantizers.affine import Codes, QParams
from nncourse.quantizers.requantization import (
    checked_arithmetic,
    fixed_point,
    requantize,
    rounding_shift,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerMaxPool:
    """The largest code of each window; what the codes mean stays. Padding never wins.

    kernel, stride, padding  (down, right)
    """

    name: str
    reads: tuple[str, ...]
    output_grid: QParams
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)

    def run(self, *codes: Codes, arithmetic: str = "float") -> Codes:
        """The codes of the windows, (n, channels, height, width)."""
        (read,) = codes
        lowest = self.output_grid.qmin
        windows = windows_of(read, self.kernel, self.stride, self.padding, fill=lowest)
        pooled = windows[..., 0, 0].copy()
        for down in range(self.kernel[0]):
            for right in range(self.kernel[1]):
                np.maximum(pooled, windows[..., down, right], out=pooled)
        return pooled


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerAveragePool:
    """The mean of each window, requantized: the count of values is one more factor of the multiplier.

    kernel, stride  (down, right); kernel None averages the whole image into one value
    """

    name: str
    reads: tuple[str, ...]
    input_grid: QParams
    output_grid: QParams
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] = (1, 1)
    relu: bool = False

    def run(self, *codes: Codes, arithmetic: str = "float") -> Codes:
        """The codes of the means, (n, channels, height, width)."""
        (read,) = codes
        kernel = self.kernel or (read.shape[2], read.shape[3])
        windows = windows_of(read, kernel, self.stride, (0, 0), fill=0)
        count = kernel[0] * kernel[1]
        sums = windows.sum(axis=(-2, -1), dtype=np.int32) - count * self.input_grid.zero_point
        multiplier = self.input_grid.scale / (self.output_grid.scale * np.float32(count))
        return requantized(sums, multiplier, self.output_grid, self.relu, arithmetic)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerSum:
    """The sum of two tensors with grids of their own: each is brought to the steps of the output.

    Fixed point brings both mantissas to one shift, adds the exact products and rounds the sum once.
    """

    name: str
    reads: tuple[str, ...]
    input_grids: tuple[QParams, QParams]
    output_grid: QParams
    relu: bool = False

    def run(self, *codes: Codes, arithmetic: str = "float") -> Codes:
        """The codes of the sum, in the shape of both inputs."""
        steps = [
            read.astype(np.int64) - int(grid.zero_point)
            for read, grid in zip(codes, self.input_grids, strict=True)
        ]
        first, second = (
            np.asarray(grid.scale / self.output_grid.scale, dtype=np.float32)
            for grid in self.input_grids
        )
        rounded: NDArray[Any]
        if checked_arithmetic(arithmetic) == "float":
            added = steps[0].astype(np.float32) * first + steps[1].astype(np.float32) * second
            rounded = np.rint(added)
        else:
            shared = np.minimum(fixed_point(first)[1], fixed_point(second)[1])
            mantissas = [np.rint(np.ldexp(np.float64(r), shared)) for r in (first, second)]
            exact = steps[0] * np.int64(mantissas[0]) + steps[1] * np.int64(mantissas[1])
            rounded = rounding_shift(exact, shared)
        grid = self.output_grid
        lowest = int(grid.zero_point) if self.relu else grid.qmin
        result: Codes = np.clip(rounded + int(grid.zero_point), lowest, grid.qmax).astype(
            grid.dtype
        )
        return result


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerReLU:
    """Codes raised to the zero point, where no layer before it could do so."""

    name: str
    reads: tuple[str, ...]
    output_grid: QParams

    def run(self, *codes: Codes, arithmetic: str = "float") -> Codes:
        """The codes, none below the zero point."""
        (read,) = codes
        return np.maximum(read, self.output_grid.zero_point.astype(read.dtype))


@dataclass(frozen=True, kw_only=True, eq=False)
class Flatten:
    """All values of an image in one row."""

    name: str
    reads: tuple[str, ...]
    output_grid: QParams

    def run(self, *codes: Codes, arithmetic: str = "float") -> Codes:
        """The codes, (n, values)."""
        (read,) = codes
        return read.reshape(len(read), math.prod(read.shape[1:]))


def requantized(
    sums: NDArray[np.int32],
    multiplier: NDArray[np.float32],
    grid: QParams,
    relu: bool,
    arithmetic: str,
) -> Codes:
    zero_point = int(grid.zero_point)
    lowest = zero_point if relu else grid.qmin
    codes = requantize(
        sums, multiplier, zero_point, arithmetic=arithmetic, qmin=lowest, qmax=grid.qmax
    )
    return codes.astype(grid.dtype, copy=False)


def windows_of(
    values: Codes,
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    padding: tuple[int, int],
    *,
    fill: int,
) -> NDArray[Any]:
    """Every window of the images: a view, (n, channels, height, width, kernel height, kernel width)."""
    around = ((0, 0), (0, 0), (padding[0], padding[0]), (padding[1], padding[1]))
    if any(padding):
        values = np.pad(values, around, constant_values=fill)
    if values.shape[2] < kernel[0] or values.shape[3] < kernel[1]:
        raise ValueError(
            f"windows of {tuple(kernel)} need an image at least as large; got {values.shape[2:]}"
        )
    return sliding_window_view(values, tuple(kernel), axis=(2, 3))[:, :, :: stride[0], :: stride[1]]
