"""Block sparse rows: whole blocks are kept or dropped, so one index serves many weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numba
import numpy as np
from numpy.typing import ArrayLike

from nncourse.codecs.compressed import (
    check_lines,
    found_in_line,
    line_sections,
    read_lines,
)
from nncourse.codecs.csr import weight
from nncourse.codecs.frame import Form, Reader, varint
from nncourse.codecs.matrix import Matrix, is_kept, opened_dense, unsigned
from nncourse.codecs.stored_values import Array, Section, StoredValues, frozen

MAX_BLOCK = 65_536


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BlockSparse(Matrix):
    """A matrix by rows of blocks: the blocks that hold a weight, dense, in C order; scipy's BSR.

    block    rows and columns of a block; blocks at the edge may stand out, filled with zeros
    indices  uint8, uint16 or uint32, shape (blocks,): block column of each, ascending in a block row
    indptr   uint32, shape (block rows + 1,): where the blocks of a block row begin

    Zeros inside a kept block are stored, and multiplied, like any weight. ``A[i, j]`` reads two pointers,
    bisects the block row and reads one value. Body: rows and columns of a block, then as in CSR.

    >>> matrix = BlockSparse.from_dense(np.eye(4, dtype=np.float32), block=(2, 2))
    >>> matrix.indices, matrix.nnz, matrix.data.size
    (array([0, 1], dtype=uint8), 4, 8)
    """

    number: ClassVar[int] = 36

    block: tuple[int, int]
    indices: Array
    indptr: Array

    @classmethod
    def from_dense(
        cls,
        dense: ArrayLike,
        *,
        block: tuple[int, int] = (4, 4),
        codebook: ArrayLike | None = None,
        index_bits: int | None = None,
    ) -> Self:
        """The blocks of ``dense`` in which not all is zero.

        dense       shape (rows, columns): float16, float32, float64, integers of 8 or 16 bits
        block       rows and columns of a block
        codebook    levels that the values take: stored once, and of each value its code
        index_bits  width of an index, 8, 16 or 32; as few as do when None
        """
        dense, dtype, levels = opened_dense(dense, codebook)
        height, width = _checked_block(block)
        down, across = -(-dense.shape[0] // height), -(-dense.shape[1] // width)
        padded = np.zeros((down * height, across * width), dense.dtype)
        padded[: dense.shape[0], : dense.shape[1]] = dense
        blocks = padded.reshape(down, height, across, width).swapaxes(1, 2)
        kept = is_kept(blocks).any(axis=(2, 3))
        indptr = np.append(0, np.cumsum(np.count_nonzero(kept, axis=1)))
        return cls(
            shape=dense.shape,
            stored=StoredValues.of(blocks[kept].ravel(), dtype, levels),
            block=(height, width),
            indices=np.nonzero(kept)[1].astype(unsigned(max(across - 1, 0), index_bits)),
            indptr=indptr.astype(unsigned(int(indptr[-1]), 32)),
        )

    def tobsr(self) -> Any:
        """The matrix as scipy's ``bsr_array``; blocks have to divide it, float16 becomes float32."""
        from scipy.sparse import bsr_array

        values = self.stored.values.reshape(-1, *self.block)
        values = values.astype(np.float32) if values.dtype == np.float16 else values.copy()
        parts = (values, self.indices.astype(np.int32), self.indptr.astype(np.int32))
        return bsr_array(parts, shape=self.shape)

    def _check(self) -> None:
        height, width = _checked_block(self.block)
        down, across = -(-self.shape[0] // height), -(-self.shape[1] // width)
        check_lines(self.indices, self.indptr, down, across)
        if len(self.stored) != self.indices.size * height * width:
            raise ValueError(f"data holds {height} x {width} values for each block")
        object.__setattr__(self, "block", (height, width))
        object.__setattr__(self, "indices", frozen(self.indices))
        object.__setattr__(self, "indptr", frozen(self.indptr))
        rows, columns = self._places()
        outside = (rows >= self.shape[0]) | (columns >= self.shape[1])
        if np.any(self.stored.is_kept & outside):
            raise ValueError("a block that stands out holds zeros there")

    def _places(self) -> tuple[Array, Array]:
        """Row and column of every stored value."""
        height, width = self.block
        down = np.repeat(np.arange(self.indptr.size - 1), np.diff(self.indptr))
        rows = down[:, None, None] * height + np.arange(height)[:, None]
        columns = self.indices.astype(np.int64)[:, None, None] * width + np.arange(width)
        shape = (self.indices.size, height, width)
        return np.broadcast_to(rows, shape).ravel(), np.broadcast_to(columns, shape).ravel()

    def _coordinates(self) -> tuple[Array, Array, Array]:
        rows, columns = self._places()
        kept = self.stored.is_kept
        return rows[kept], columns[kept], self.stored.values[kept]

    def _find(self, row: int, column: int) -> int | None:
        height, width = self.block
        found = found_in_line(self.indices, self.indptr, row // height, column // width)
        if found is None:
            return None
        return (found * height + row % height) * width + column % width

    def _times(self, entries: Array, table: Array | None, x: Array, y: Array) -> None:
        _blocks_times(entries, table, self.indices, self.indptr, self.block, x, y)

    def _sections(self) -> list[Section]:
        head = varint(self.block[0]) + varint(self.block[1])
        return [Section("header", head, 8 * len(head)), *line_sections(self.indices, self.indptr)]

    def _adjusted(self, bits: dict[str, int]) -> dict[str, int]:
        """What stands out beyond the edge is padding, not payload."""
        rows, columns = self._places()
        outside = int(np.count_nonzero((rows >= self.shape[0]) | (columns >= self.shape[1])))
        spare = outside * self.stored.code_bits
        return {**bits, "payload": bits["payload"] - spare, "padding": bits["padding"] + spare}

    @classmethod
    def _read(cls, reader: Reader, form: Form) -> Self:
        rows, columns = form.shape
        height, width = _checked_block((reader.varint(), reader.varint()))
        indices, indptr = read_lines(reader, -(-rows // height))
        stored = StoredValues.read(reader, indices.size * height * width, form.dtype)
        return cls(
            shape=(rows, columns),
            stored=stored,
            block=(height, width),
            indices=indices,
            indptr=indptr,
        )


def _checked_block(block: tuple[int, int]) -> tuple[int, int]:
    lengths = tuple(block)
    whole = all(hasattr(length, "__index__") for length in lengths)
    if len(lengths) != 2 or not whole or not all(1 <= length <= MAX_BLOCK for length in lengths):
        raise ValueError(f"block is two whole numbers from 1 to {MAX_BLOCK}; got {block!r}")
    return int(lengths[0]), int(lengths[1])


# Invariant: entries hold height * width values for each index; block rows and columns begin inside the matrix.


@numba.njit(cache=True, nogil=True)
def _blocks_times(
    entries: Array, table: Any, indices: Array, indptr: Array, block: Any, x: Array, y: Array
) -> None:
    height, width = np.uint64(block[0]), np.uint64(block[1])
    for line in range(indptr.size - 1):
        top = np.uint64(line) * height
        rows = min(height, np.uint64(y.size) - top)
        for number in range(np.uint64(indptr[line]), np.uint64(indptr[line + 1])):
            left = np.uint64(indices[number]) * width
            columns = min(width, np.uint64(x.size) - left)
            first = np.uint64(number) * height * width
            for row in range(rows):
                total = y[top + row]
                for column in range(columns):
                    total += weight(entries, table, first + column) * x[left + column]
                y[top + row] = total
                first += width
