"""Relative CSC, the form of the engine EIE: columns dealt to elements, and zeros counted in few bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.bitstream import CodecError, pack, unpack
from nncourse.codecs.csr import weight
from nncourse.codecs.frame import Form, Reader, varint
from nncourse.codecs.matrix import Matrix, is_kept, opened_dense, unsigned
from nncourse.codecs.relative_index import checked_gap_bits
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
class RelativeCSC(Matrix):
    """A matrix by columns, each dealt to processing elements, with the zeros between entries.

    gaps        uint16, shape (entries,): zeros before an entry, counted over the rows of its element
    indptr      uint32, shape (elements, columns + 1): where each column begins among the entries of
                its element
    index_bits  width of a gap, 1..16; where more zeros follow each other a filler is stored, a zero

    Row i belongs to element ``i % elements``, so each has a share of every column. Entries are stored
    element after element, each with its columns in order, as each has a memory of its own. Counting starts
    anew in each column, and zeros behind its last entry cost nothing. A product with one vector skips the columns
    whose input is zero. ``A[i, j]`` walks through the entries of one column in one element: all gaps
    up to row i. Body: elements, index_bits, bytes of a pointer, pointers, gaps packed, values.

    >>> column = np.array([0, 0, 1, 2, *[0] * 18, 3], np.float32).reshape(-1, 1)
    >>> matrix = RelativeCSC.from_dense(column)  # the paper's example
    >>> matrix.data, matrix.gaps
    (array([1., 2., 0., 3.], dtype=float32), array([ 2,  0, 15,  2], dtype=uint16))

    Source: S. Han et al., EIE: efficient inference engine on compressed deep neural network, ISCA 2016,
    section III; there 64 elements, gaps and codes of 4 bits, pointers of 16.
    """

    number: ClassVar[int] = 35

    gaps: Array
    indptr: Array
    index_bits: int = 4

    @classmethod
    def from_dense(
        cls,
        dense: ArrayLike,
        *,
        codebook: ArrayLike | None = None,
        elements: int = 1,
        index_bits: int = 4,
    ) -> Self:
        """The entries of ``dense`` that are not zero, and fillers.

        dense       shape (rows, columns): float16, float32, float64, integers of 8 or 16 bits
        codebook    levels that the values take: stored once, and of each value its code; code 0 is
                    the zero of a filler, so 15 levels are left of 16
        elements    that the rows are dealt to, at least 1
        index_bits  width of a gap, 1..16
        """
        dense, dtype, levels = opened_dense(dense, codebook)
        index_bits = checked_gap_bits(index_bits)
        if isinstance(elements, bool) or not hasattr(elements, "__index__") or elements < 1:
            raise ValueError(f"elements is a whole number of at least 1; got {elements!r}")
        columns, rows = np.nonzero(is_kept(dense.T))
        order = np.argsort(rows % elements, kind="stable")
        rows, columns = rows[order], columns[order]
        owner, local = rows % elements, rows // elements
        lines = owner * dense.shape[1] + columns
        is_first = np.diff(lines, prepend=-1) != 0
        zeros = local - np.where(is_first, 0, np.roll(local, 1) + 1)
        num_fillers = zeros >> index_bits
        ends = np.cumsum(num_fillers + 1)
        num_entries = int(ends[-1]) if ends.size else 0
        values = np.zeros(num_entries, dense.dtype)
        values[ends - 1] = dense[rows, columns]
        gaps = np.full(num_entries, (1 << index_bits) - 1, np.uint16)
        gaps[ends - 1] = zeros & ((1 << index_bits) - 1)
        counts = np.bincount(lines, num_fillers + 1, minlength=elements * dense.shape[1])
        indptr = np.zeros((elements, dense.shape[1] + 1), POINTER)
        counts = counts.reshape(elements, dense.shape[1]).astype(np.int64)
        unsigned(num_entries, 32)
        np.cumsum(counts, axis=1, out=indptr[:, 1:])
        return cls(
            shape=dense.shape,
            stored=StoredValues.of(values, dtype, levels),
            gaps=gaps,
            indptr=indptr,
            index_bits=index_bits,
        )

    @property
    def elements(self) -> int:
        """Processing elements that the rows are dealt to."""
        return int(self.indptr.shape[0])

    @property
    def fillers(self) -> int:
        """Entries that are zeros, stored for the sake of counting."""
        return int(np.count_nonzero(~self.stored.is_kept))

    def work(self) -> NDArray[np.int64]:
        """Entries that each element has of each column, fillers included, shape (columns, elements)."""
        return (self.indptr[:, 1:] - self.indptr[:, :-1]).T.astype(np.int64, order="C")

    def _check(self) -> None:
        bits, gaps, indptr = checked_gap_bits(self.index_bits), self.gaps, self.indptr
        if gaps.dtype != np.uint16 or gaps.shape != (len(self.stored),):
            raise ValueError(f"gaps are uint16, one for each of {len(self.stored)} values")
        if gaps.size and int(gaps.max()) >= 1 << bits:
            raise ValueError(f"gaps of {bits} bits lie below {1 << bits}; got {gaps.max()}")
        if indptr.dtype != POINTER or indptr.ndim != 2 or not indptr.shape[0]:
            raise ValueError(f"indptr is uint32 of two axes; got {indptr.dtype} {indptr.shape}")
        if indptr.shape[1] != self.shape[1] + 1 or indptr[:, 0].any():
            raise ValueError(f"indptr has {self.shape[1] + 1} pointers an element, from 0 on")
        if np.any(indptr[:, 1:] < indptr[:, :-1]):
            raise ValueError("indptr never goes back")
        if int(indptr[:, -1].sum(dtype=np.uint64)) != gaps.size:
            raise ValueError(f"indptr shares out all of {gaps.size} entries")
        object.__setattr__(self, "gaps", frozen(gaps))
        object.__setattr__(self, "indptr", frozen(indptr))
        if self._rows().max(initial=-1) >= self.shape[0]:
            raise ValueError(f"gaps stay within the {self.shape[0]} rows")

    def _lines(self) -> tuple[Array, Array]:
        """Of each entry, the element and the column."""
        elements, columns = self.elements, self.shape[1]
        counts = (self.indptr[:, 1:] - self.indptr[:, :-1]).ravel()
        lines = np.repeat(np.arange(elements * columns), counts)
        return lines // max(columns, 1), lines % max(columns, 1)

    def _rows(self) -> Array:
        """Of each entry, fillers included, the row."""
        owner, column = self._lines()
        reached = np.cumsum(self.gaps.astype(np.int64) + 1)
        starts = np.flatnonzero(np.diff(owner * max(self.shape[1], 1) + column, prepend=-1))
        before = np.append(0, reached)[starts]
        lengths = np.diff(np.append(starts, reached.size))
        local = reached - np.repeat(before, lengths) - 1
        rows: Array = local * self.elements + owner
        return rows

    def _coordinates(self) -> tuple[Array, Array, Array]:
        kept = self.stored.is_kept
        return self._rows()[kept], self._lines()[1][kept], self.stored.values[kept]

    def _find(self, row: int, column: int) -> int | None:
        owner, local = row % self.elements, row // self.elements
        before = int(self.indptr[:owner, -1].sum(dtype=np.uint64))
        start, stop = before + self.indptr[owner, column : column + 2].astype(np.int64)
        reached = np.cumsum(self.gaps[start:stop].astype(np.int64) + 1) - 1
        place = int(np.searchsorted(reached, local))
        return int(start) + place if place < reached.size and reached[place] == local else None

    def _times(self, entries: Array, table: Array | None, x: Array, y: Array) -> None:
        _elements_times(entries, table, self.gaps, self.indptr, x, y)

    def _sections(self) -> list[Section]:
        head = varint(self.elements) + bytes([self.index_bits])
        narrow = self.indptr[:, 1:]
        narrow = narrow.astype(unsigned(int(narrow.max(initial=0))))
        pointers, gaps = little_endian(narrow), pack(self.gaps, self.index_bits)
        head += bytes([narrow.dtype.itemsize])
        return [
            Section("header", head, 8 * len(head)),
            Section("index", pointers, 8 * len(pointers)),
            Section("index", gaps, self.index_bits * self.gaps.size),
        ]

    @classmethod
    def _read(cls, reader: Reader, form: Form) -> Self:
        rows, columns = form.shape
        elements, index_bits, width = reader.varint(), reader.byte(), reader.byte()
        if not 1 <= index_bits <= 16 or width not in (1, 2, 4) or not elements:
            raise CodecError("data: elements or widths that no matrix has; it is damaged")
        if not columns and elements > 65_536:
            raise CodecError(f"data: {elements} elements without a column; it is damaged")
        narrow = read_array(reader, elements * columns, np.dtype(f"u{width}"))
        indptr = np.zeros((elements, columns + 1), POINTER)
        indptr[:, 1:] = narrow.reshape(elements, columns)
        count = int(indptr[:, -1].sum(dtype=np.uint64))
        gaps = unpack(bytes(reader.take(-(-count * index_bits // 8))), index_bits, count)
        return cls(
            shape=(rows, columns),
            stored=StoredValues.read(reader, count, form.dtype),
            gaps=gaps.astype(np.uint16),
            indptr=indptr,
            index_bits=index_bits,
        )


# Invariant: pointers ascend and end at the entries of each element; rows reached lie below y.size.


@numba.njit(cache=True, nogil=True)
def _elements_times(
    entries: Array, table: Any, gaps: Array, indptr: Array, x: Array, y: Array
) -> None:
    elements = np.uint64(indptr.shape[0])
    before = np.uint64(0)
    for element in range(indptr.shape[0]):
        for column in range(x.size):
            factor = x[column]
            if factor == 0:
                continue
            place = before + np.uint64(indptr[element, column])
            stop = before + np.uint64(indptr[element, column + 1])
            row = np.uint64(element)
            while place < stop:
                row += np.uint64(gaps[place]) * elements
                y[row] += weight(entries, table, place) * factor
                row += elements
                place += np.uint64(1)
        before += np.uint64(indptr[element, x.size])
