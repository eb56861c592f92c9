"""CSR, compressed sparse rows: row after row, the columns and the values of what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numba
import numpy as np

from nncourse.codecs.compressed import Compressed
from nncourse.codecs.stored_values import Array


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CSR(Compressed):
    """A matrix by rows, with scipy's names: ``data``, ``indices`` (columns), ``indptr`` (rows).

    ``A[i, j]`` reads two pointers, then bisects the row: about ``log2`` of its entries in indices, and one
    value. Body: bytes of an index and of a pointer, pointers, indices, values.

    >>> matrix = CSR.from_dense(np.array([[0, 2, 0], [1, 0, 3]], np.float32))
    >>> matrix.indices, matrix.indptr
    (array([1, 0, 2], dtype=uint8), array([0, 1, 3], dtype=uint32))
    >>> matrix @ [1, 10, 100], matrix[1, 2]
    (array([ 20., 301.]), np.float32(3.0))
    """

    number: ClassVar[int] = 32
    axis: ClassVar[int] = 0

    @property
    def T(self) -> Any:
        """The transpose, in columns; shares all arrays."""
        from nncourse.codecs.csc import CSC

        rows, columns = self.shape
        return CSC(
            shape=(columns, rows), stored=self.stored, indices=self.indices, indptr=self.indptr
        )

    def tocsr(self) -> Any:
        """The matrix as scipy's ``csr_array``; float16, which scipy lacks, becomes float32."""
        return scipy_lines("csr", self)

    def _times(self, entries: Array, table: Array | None, x: Array, y: Array) -> None:
        _rows_times(entries, table, self.indices, self.indptr, x, y)


def scipy_lines(kind: str, matrix: Compressed) -> Any:
    """The ``csr_array`` or ``csc_array`` of the same entries."""
    from scipy import sparse

    values = matrix.stored.values
    values = values.astype(np.float32) if values.dtype == np.float16 else values.copy()
    wide = np.int32 if matrix.indices.size < 2**31 and max(matrix.shape) < 2**31 else np.int64
    parts: Any = (values, matrix.indices.astype(wide), matrix.indptr.astype(wide))
    make = sparse.csr_array if kind == "csr" else sparse.csc_array
    return make(parts, shape=matrix.shape)


@numba.njit(cache=True, nogil=True)
def weight(entries: Array, table: Any, place: Any) -> Any:
    """The factor at ``place``: itself, or what it indexes. Numba drops the branch that is not taken."""
    if table is None:
        return entries[place]
    return table[entries[place]]


# Unsigned indices, or each read pays for the chance that it counts from the end. Four sums, since one
# would wait for the addition before. Invariant: start <= stop <= entries.size, indices < x.size.


@numba.njit(cache=True, nogil=True)
def _rows_times(
    entries: Array, table: Any, indices: Array, indptr: Array, x: Array, y: Array
) -> None:
    for row in range(y.size):
        start, stop = np.uint64(indptr[row]), np.uint64(indptr[row + 1])
        first = second = third = fourth = y[row]
        place = start
        fours = start + ((stop - start) & ~np.uint64(3))
        while place < fours:
            first += weight(entries, table, place) * x[indices[place]]
            second += (
                weight(entries, table, place + np.uint64(1)) * x[indices[place + np.uint64(1)]]
            )
            third += weight(entries, table, place + np.uint64(2)) * x[indices[place + np.uint64(2)]]
            fourth += (
                weight(entries, table, place + np.uint64(3)) * x[indices[place + np.uint64(3)]]
            )
            place += np.uint64(4)
        while place < stop:
            first += weight(entries, table, place) * x[indices[place]]
            place += np.uint64(1)
        y[row] = (first + second) + (third + fourth)
