"""Positions: where the kept weights of a matrix are, in the bits that their shape leaves open."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError, pack, unpack

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Bitmap:
    """One bit for each block of ``rows`` outputs and ``columns`` inputs: 1 where it stays.

    Both divide the matrix (outputs, inputs * kernel area); 1 by 1 serves any mask.
    """

    rows: int = 1
    columns: int = 1

    def write(self, mask: Mask) -> bytes:
        """The bits of ``mask``, boolean of shape (outputs, inputs), blocks in C order."""
        if not self._tiles(mask.shape):
            raise ValueError(
                f"blocks of {self.rows} x {self.columns} have to divide the matrix {mask.shape} "
                "without rest"
            )
        blocks = mask.reshape(mask.shape[0] // self.rows, self.rows, -1, self.columns)
        kept = blocks.any(axis=(1, 3))
        if not np.array_equal(kept, blocks.all(axis=(1, 3))):
            raise ValueError(
                f"its mask keeps part of a block of {self.rows} x {self.columns}; "
                "Bitmap() has a bit for each weight"
            )
        return pack(kept.astype(np.uint8).ravel(), 1)

    def read(self, data: bytes, shape: tuple[int, ...], num_kept: int) -> Mask:
        """The mask of ``shape`` that ``data`` holds; CodecError when they do not fit."""
        if not self._tiles(shape):
            raise CodecError(
                f"data: blocks of {self.rows} x {self.columns} do not tile {shape}; it is damaged"
            )
        grid = (shape[0] // self.rows, shape[1] // self.columns)
        kept = unpack(data, 1, math.prod(grid)).reshape(grid).astype(bool)
        mask = np.repeat(np.repeat(kept, self.rows, axis=0), self.columns, axis=1)
        return _counted(mask, num_kept)

    def _tiles(self, shape: tuple[int, ...]) -> bool:
        if min(self.rows, self.columns) < 1:
            return False
        return shape[0] % self.rows == 0 and shape[1] % self.columns == 0


@dataclass(frozen=True)
class Positions:
    """Where in its stretch of ``m`` inputs each kept weight is, in ``ceil(log2(m))`` bits.

    Every stretch of the matrix keeps the same number, as with n of m and with balanced banks.
    """

    m: int

    @property
    def bits(self) -> int:
        """Bits of one position; 1 at least."""
        return max(1, (self.m - 1).bit_length())

    def write(self, mask: Mask) -> bytes:
        """The positions of ``mask``, boolean of shape (outputs, inputs), stretch after stretch."""
        if not 1 <= self.m <= 2**16 or mask.shape[1] % self.m:
            raise ValueError(
                f"m is from 1 to 65536 and divides the {mask.shape[1]} inputs; got {self.m}"
            )
        stretches = mask.reshape(-1, self.m)
        counts = stretches.sum(axis=1)
        if counts.min() != counts.max():
            raise ValueError(
                f"its mask keeps {counts.min()} to {counts.max()} of {self.m} inputs, and Positions "
                "needs the same number in each stretch; Bitmap() serves any mask"
            )
        return pack(np.nonzero(stretches)[1].astype(np.uint16), self.bits)

    def read(self, data: bytes, shape: tuple[int, ...], num_kept: int) -> Mask:
        """The mask of ``shape`` that ``data`` holds; CodecError when they do not fit."""
        num_stretches = math.prod(shape) // max(self.m, 1)
        if not 1 <= self.m <= 2**16 or shape[1] % self.m or num_kept % num_stretches:
            raise CodecError(
                f"data: stretches of {self.m} inputs do not fit {shape}; it is damaged"
            )
        mask = np.zeros((num_stretches, self.m), dtype=bool)
        places = unpack(data, self.bits, num_kept).reshape(num_stretches, -1)
        if num_kept and places.max() >= self.m:
            raise CodecError(
                f"data: a position beyond its stretch of {self.m} inputs; it is damaged"
            )
        np.put_along_axis(mask, places.astype(np.int64), True, axis=1)
        return _counted(mask.reshape(shape), num_kept)


def _counted(mask: Mask, num_kept: int) -> Mask:
    found = int(np.count_nonzero(mask))
    if found != num_kept:
        raise CodecError(f"data: positions of {found} weights where {num_kept} are; it is damaged")
    return mask
