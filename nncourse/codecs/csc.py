"""CSC, compressed sparse columns: column after column, so that an input of zero skips its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numba
import numpy as np

from nncourse.codecs.compressed import Compressed
from nncourse.codecs.csr import CSR, scipy_lines, weight
from nncourse.codecs.stored_values import Array


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CSC(Compressed):
    """A matrix by columns, with scipy's names: ``data``, ``indices`` (rows), ``indptr`` (columns).

    A product with one vector skips the columns whose input is zero, as an engine does that is handed
    inputs one by one; so a weight that is not finite leaves no trace behind an input of zero.
    ``A[i, j]`` reads two pointers, then bisects the column. Body as in CSR.

    >>> matrix = CSC.from_dense(np.array([[0, 2, 0], [1, 0, 3]], np.float32))
    >>> matrix.indices, matrix.indptr
    (array([1, 0, 1], dtype=uint8), array([0, 1, 2, 3], dtype=uint32))
    """

    number: ClassVar[int] = 33
    axis: ClassVar[int] = 1

    @property
    def T(self) -> CSR:
        """The transpose, in rows; shares all arrays."""
        rows, columns = self.shape
        return CSR(
            shape=(columns, rows), stored=self.stored, indices=self.indices, indptr=self.indptr
        )

    def tocsc(self) -> Any:
        """The matrix as scipy's ``csc_array``; float16, which scipy lacks, becomes float32."""
        return scipy_lines("csc", self)

    def _times(self, entries: Array, table: Array | None, x: Array, y: Array) -> None:
        _columns_times(entries, table, self.indices, self.indptr, x, y)


# Invariant: start <= stop <= entries.size, indices < y.size.


@numba.njit(cache=True, nogil=True)
def _columns_times(
    entries: Array, table: Any, indices: Array, indptr: Array, x: Array, y: Array
) -> None:
    for column in range(x.size):
        factor = x[column]
        if factor == 0:
            continue
        place, stop = np.uint64(indptr[column]), np.uint64(indptr[column + 1])
        while place < stop:
            y[indices[place]] += weight(entries, table, place) * factor
            place += np.uint64(1)
