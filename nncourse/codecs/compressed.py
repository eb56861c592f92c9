"""Compressed sparse rows and columns: what the two share, lines and the entries of each in a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.bitstream import CodecError
from nncourse.codecs.frame import Form, Reader
from nncourse.codecs.matrix import Matrix, is_kept, opened_dense, unsigned
from nncourse.codecs.stored_values import (
    Array,
    Section,
    StoredValues,
    frozen,
    little_endian,
    read_array,
)

POINTER = np.dtype(np.uint32)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Compressed(Matrix):
    """Lines one after the other: the entries of each, with their places in the line.

    indices  uint8, uint16 or uint32, shape (nnz,): place of each entry in its line, ascending
    indptr   uint32, shape (lines + 1,): entries of line i are ``indptr[i]`` to ``indptr[i + 1]``
    """

    axis: ClassVar[int]  # that the lines are counted along

    indices: Array
    indptr: Array

    @classmethod
    def from_dense(
        cls,
        dense: ArrayLike,
        *,
        codebook: ArrayLike | None = None,
        index_bits: int | None = None,
    ) -> Self:
        """The entries of ``dense`` that are not zero; see the class.

        dense       shape (rows, columns): float16, float32, float64, integers of 8 or 16 bits
        codebook    levels that the values take: stored once, and of each value its code
        index_bits  width of an index, 8, 16 or 32; as few as do when None
        """
        dense, dtype, levels = opened_dense(dense, codebook)
        lines = np.ascontiguousarray(dense if cls.axis == 0 else dense.T)
        kept = is_kept(lines)
        index_dtype = unsigned(max(lines.shape[1] - 1, 0), index_bits)
        indptr = np.append(0, np.cumsum(np.count_nonzero(kept, axis=1)))
        return cls(
            shape=dense.shape,
            stored=StoredValues.of(lines[kept], dtype, levels),
            indices=np.nonzero(kept)[1].astype(index_dtype),
            indptr=indptr.astype(unsigned(int(indptr[-1]), 32)),
        )

    def _check(self) -> None:
        lines, length = self.shape[self.axis], self.shape[1 - self.axis]
        check_lines(self.indices, self.indptr, lines, length)
        if len(self.stored) != self.indices.size or not self.stored.is_kept.all():
            raise ValueError(
                f"data holds a value that is not zero for each of {self.indices.size} indices"
            )
        object.__setattr__(self, "indices", frozen(self.indices))
        object.__setattr__(self, "indptr", frozen(self.indptr))

    def _coordinates(self) -> tuple[Array, Array, Array]:
        lines = np.repeat(np.arange(self.indptr.size - 1), np.diff(self.indptr))
        pair = (lines, self.indices) if self.axis == 0 else (self.indices, lines)
        return *pair, self.stored.values

    def _find(self, row: int, column: int) -> int | None:
        line, place = (row, column) if self.axis == 0 else (column, row)
        return found_in_line(self.indices, self.indptr, line, place)

    def _sections(self) -> list[Section]:
        return line_sections(self.indices, self.indptr)

    @classmethod
    def _read(cls, reader: Reader, form: Form) -> Self:
        rows, columns = form.shape
        indices, indptr = read_lines(reader, form.shape[cls.axis])
        stored = StoredValues.read(reader, indices.size, form.dtype)
        return cls(shape=(rows, columns), stored=stored, indices=indices, indptr=indptr)


def check_lines(indices: Array, indptr: Array, num_lines: int, length: int) -> None:
    """ValueError unless ``indices`` and ``indptr`` describe so many lines of so many places."""
    for name, array in (("indices", indices), ("indptr", indptr)):
        if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind != "u":
            raise ValueError(f"{name} are unsigned integers in a row; got {array!r}")
    if indices.dtype.itemsize > 4 or indptr.dtype != POINTER:
        raise ValueError(
            f"indices have at most 32 bits and indptr is uint32; got {indices.dtype}, {indptr.dtype}"
        )
    if indptr.size != num_lines + 1 or indptr[0] != 0 or int(indptr[-1]) != indices.size:
        raise ValueError(
            f"indptr goes from 0 to {indices.size}, the number of indices, in {num_lines} steps"
        )
    if np.any(indptr[1:] < indptr[:-1]):
        raise ValueError("indptr never goes back")
    if indices.size and int(indices.max()) >= length:
        raise ValueError(f"indices lie below {length}; got {indices.max()}")
    rises = indices[1:] > indices[:-1]
    starts = indptr[1:-1]
    rises[starts[(starts > 0) & (starts < indices.size)] - 1] = True
    if not rises.all():
        raise ValueError("indices of a line ascend, and none comes twice")


def found_in_line(indices: Array, indptr: Array, line: int, place: int) -> int | None:
    """Where ``place`` is among the indices of ``line``; None where it is not."""
    start, stop = int(indptr[line]), int(indptr[line + 1])
    if place > np.iinfo(indices.dtype).max:
        return None  # a line may be longer than its indices reach
    key = indices.dtype.type(place)  # of the same type, or searchsorted converts the whole line
    found = start + int(np.searchsorted(indices[start:stop], key))
    return found if found < stop and indices[found] == key else None


def line_sections(indices: Array, indptr: Array) -> list[Section]:
    """Bytes of an index and of a pointer, pointers without the first, indices."""
    narrow = indptr[1:].astype(unsigned(int(indptr[-1])))
    widths = bytes([indices.dtype.itemsize, narrow.dtype.itemsize])
    pointers, places = little_endian(narrow), little_endian(indices)
    return [
        Section("header", widths, 16),
        Section("index", pointers, 8 * len(pointers)),
        Section("index", places, 8 * len(places)),
    ]


def read_lines(reader: Reader, num_lines: int) -> tuple[Array, NDArray[np.uint32]]:
    """Indices and pointers that :func:`line_sections` wrote."""
    widths = reader.byte(), reader.byte()
    if not set(widths) <= {1, 2, 4}:
        raise CodecError(f"data: indices and pointers of {widths} bytes; it is damaged")
    index_dtype, pointer_dtype = (np.dtype(f"u{width}") for width in widths)
    narrow = read_array(reader, num_lines, pointer_dtype)
    indptr: Array = np.append(np.zeros(1, POINTER), narrow.astype(POINTER))
    indices = read_array(reader, int(indptr[-1]), index_dtype)
    return indices, indptr
