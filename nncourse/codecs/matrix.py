"""A sparse matrix that is stored in bytes and computes as it is stored; what all of its forms share."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.bitstream import CodecError
from nncourse.codecs.codec import PARTS
from nncourse.codecs.frame import SYMBOLS_PER_BYTE, Form, Reader, open_frame, seal
from nncourse.codecs.stored_values import Array, Section, StoredValues, bits_of, checked_dtype

INDEX_WIDTHS = (8, 16, 32)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Matrix(ABC):
    """Base of the forms. Built by ``from_dense``, ``frombytes``, or from its parts, which are checked.

    shape   rows, columns
    stored  the values, in the order of the form

    A form checks all of its parts when it is built and keeps them for reading only: compiled loops then
    run without checks of their own, whatever the bytes were.
    """

    number: ClassVar[int]
    __array_ufunc__ = None  # x @ A is refused instead of being tried item by item

    shape: tuple[int, int]
    stored: StoredValues

    def __post_init__(self) -> None:
        rows, columns = (operator.index(length) for length in self.shape)
        if min(rows, columns) < 0 or (
            rows * columns == 0 and max(rows, columns) > SYMBOLS_PER_BYTE
        ):
            raise ValueError(
                f"shape is two lengths, at most {SYMBOLS_PER_BYTE} where one is 0; got {self.shape}"
            )
        object.__setattr__(self, "shape", (rows, columns))
        self._check()

    # --- what a form adds ---------------------------------------------------------------------------

    @abstractmethod
    def _check(self) -> None:
        """ValueError unless the parts fit each other; loops rely on every word of it."""

    @abstractmethod
    def _coordinates(self) -> tuple[Array, Array, Array]:
        """Row, column and value of each entry that is kept."""

    @abstractmethod
    def _find(self, row: int, column: int) -> int | None:
        """Place in ``stored`` of the entry at ``row``, ``column``; None where there is none."""

    @abstractmethod
    def _times(self, entries: Array, table: Array | None, x: Array, y: Array) -> None:
        """Adds the product with ``x`` to ``y``, which is zero; ``entries`` may index ``table``."""

    @abstractmethod
    def _sections(self) -> list[Section]:
        """What is written before the values."""

    @classmethod
    @abstractmethod
    def _read(cls, reader: Reader, form: Form) -> Self:
        """The matrix of a body."""

    # --- what every form has ------------------------------------------------------------------------

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a weight; byte order as it was given."""
        return self.stored.dtype

    @property
    def data(self) -> Array:
        """Values as they are stored, or codes where there are ``levels``."""
        return self.stored.data

    @property
    def levels(self) -> Array | None:
        """The codebook, level 0 being zero; None where values are stored as they are."""
        return self.stored.levels

    @property
    def nnz(self) -> int:
        """Weights that are not zero, as ``np.count_nonzero`` counts them, however many are stored."""
        return int(np.count_nonzero(self.stored.values))

    def toarray(self) -> Array:
        """The matrix with its zeros, bit for bit what ``from_dense`` was given."""
        rows, columns, values = self._coordinates()
        dense = np.zeros(self.shape, values.dtype)
        dense[rows, columns] = values
        return dense.astype(self.dtype, copy=False)

    def tocsr(self) -> Any:
        """The matrix as scipy's ``csr_array``; float16, which scipy lacks, becomes float32."""
        from scipy.sparse import coo_array

        rows, columns, values = self._coordinates()
        values = values.astype(np.float32) if values.dtype == np.float16 else values
        return coo_array((values, (rows, columns)), shape=self.shape).tocsr()

    def __matmul__(self, x: ArrayLike) -> Array:
        """The product with a vector (columns,) or with several, (columns, k).

        One vector meets the stored form. Several go through scipy, where unpacking once is cheaper
        than walking the form for each. Integers times integers are summed in int64, all else
        in float32, or in float64 where one side has it; the result has that type.
        """
        x = np.asarray(x)
        if x.ndim not in (1, 2) or x.shape[0] != self.shape[1] or x.dtype.kind not in "biuf":
            raise ValueError(
                f"x is numbers of shape ({self.shape[1]},) or ({self.shape[1]}, k), one for each "
                f"column; got {x.dtype} {x.shape}"
            )
        accumulator = _accumulator(self.dtype, x.dtype)
        if x.ndim == 2:
            product: Array = self.tocsr().astype(accumulator) @ x.astype(accumulator)
            return product
        y = np.zeros(self.shape[0], accumulator)
        entries, table = self.stored.operands(accumulator)
        self._times(entries, table, np.array(x, accumulator), y)
        return y

    def __getitem__(self, place: tuple[int, int]) -> Any:
        """The weight at row i and column j, a NumPy scalar; negative ones count from the end.

        IndexError outside of the matrix.
        """
        try:
            indices = [operator.index(index) for index in place]
            row, column = indices
        except (TypeError, ValueError):
            raise TypeError(f"A[i, j] takes two whole numbers; got {place!r}") from None
        for axis, index in enumerate(indices):
            if not -self.shape[axis] <= index < self.shape[axis]:
                raise IndexError(f"index {index} is out of bounds of axis {axis}: {self.shape}")
        found = self._find(row % self.shape[0], column % self.shape[1])
        native = self.dtype.newbyteorder("=").type
        return native(0) if found is None else self.stored[found]

    def sizes(self) -> dict[str, int]:
        """Bits of :meth:`tobytes` by what they are for; they add up to ``8 * len(tobytes())``.

        payload   values or codes, those of fillers and of zeros in a block included
        codebook  levels, where there are any
        index     where the entries are: positions, gaps, bits, pointers, samples
        padding   bits that fill up a byte or a block
        header    dtype, shape, parameters, checksum
        """
        bits = dict.fromkeys(PARTS, 0)
        sections = [*self._sections(), *self.stored.sections()]
        for part, data, used in sections:
            bits[part] += used
            bits["padding"] += 8 * len(data) - used
        stream = self.tobytes()
        frame = open_frame(stream)
        bits["padding"] += 8 * frame.num_spare
        bits["header"] += 8 * frame.num_head
        return self._adjusted(bits)

    @property
    def nbytes(self) -> int:
        """Bytes of :meth:`tobytes`."""
        return len(self.tobytes())

    def tobytes(self) -> bytes:
        """The matrix as a stream with a checksum, see :mod:`nncourse.codecs.frame`."""
        sections = [*self._sections(), *self.stored.sections()]
        body = b"".join(section.data for section in sections)
        return seal(self.number, Form(dtype=self.dtype, shape=self.shape), body)

    @classmethod
    def frombytes(cls, data: bytes) -> Self:
        """The matrix that :meth:`tobytes` wrote.

        Truncated, extended, damaged or foreign bytes raise :class:`~nncourse.bitstream.CodecError`.
        """
        frame = open_frame(data, cls.number)
        if len(frame.form.shape) != 2 or frame.form.is_bytes:
            raise CodecError("data: a matrix has two axes and a dtype; it is damaged")
        reader = Reader(frame.body)
        try:
            matrix = cls._read(reader, frame.form)
        except CodecError:
            raise
        except (ValueError, OverflowError) as error:
            raise CodecError(f"data: {error}; it is damaged") from None
        reader.finish()
        return matrix

    def __repr__(self) -> str:
        rows, columns = self.shape
        name = type(self).__name__
        return (
            f"<{name} {rows} x {columns}, {self.dtype}, {self.nnz} not zero, {self.nbytes} bytes>"
        )

    def _adjusted(self, bits: dict[str, int]) -> dict[str, int]:
        """``bits`` after a form has moved some from one part to another."""
        return bits


def opened_dense(
    dense: ArrayLike, codebook: ArrayLike | None
) -> tuple[Array, np.dtype[Any], Array | None]:
    """What ``from_dense`` was given: the native matrix, its dtype, the native levels.

    dense     shape (rows, columns); with a codebook of floats also its codes, integers
    codebook  the levels that the values take, of the dtype of ``dense``; zero need not be one of them
    """
    array: Array = np.asarray(dense)
    levels: Array | None = None if codebook is None else np.asarray(codebook)
    if array.ndim != 2:
        raise ValueError(f"dense has two axes; got shape {array.shape}: reshape it first")
    if levels is not None and levels.ndim != 1:
        raise ValueError(f"codebook is levels in a row; got shape {levels.shape}")
    if levels is not None and array.dtype.kind in "iu" and levels.dtype.kind == "f":
        if array.size and not 0 <= int(array.min()) <= int(array.max()) < levels.size:
            raise ValueError(
                f"codes lie in 0 .. {levels.size - 1}, the levels of the codebook; "
                f"got {array.min()} .. {array.max()}"
            )
        array = levels[array]
    dtype = checked_dtype(array.dtype)
    native = dtype.newbyteorder("=")
    if levels is not None and levels.dtype.newbyteorder("=") != native:
        raise ValueError(f"codebook is of {dtype}, the dtype of dense; got {levels.dtype}")
    if levels is not None:
        levels = levels.astype(native, copy=False)
    return np.ascontiguousarray(array, native), dtype, levels


def is_kept(dense: Array) -> NDArray[np.bool_]:
    """Where a weight is kept: not all of its bits are zero."""
    kept: NDArray[np.bool_] = bits_of(dense) != 0
    return kept


def unsigned(largest: int, width: int | None = None) -> np.dtype[Any]:
    """The narrowest unsigned type for numbers up to ``largest``, or the one of ``width`` bits.

    >>> unsigned(256), unsigned(3, 32)
    (dtype('uint16'), dtype('uint32'))
    """
    if width is not None and width not in INDEX_WIDTHS:
        raise ValueError(f"index_bits is 8, 16 or 32, or None for as few as do; got {width!r}")
    for bits in INDEX_WIDTHS:
        if largest < 1 << bits and width in (None, bits):
            return np.dtype(f"u{bits // 8}")
    raise ValueError(f"indices up to {largest} need more than {width or 32} bits")


def _accumulator(weights: np.dtype[Any], inputs: np.dtype[Any]) -> np.dtype[Any]:
    if weights.kind in "iu" and inputs.kind in "biu":
        return np.dtype(np.int64)
    both = np.result_type(np.float32, weights, inputs)
    return np.dtype(np.float32 if both == np.float32 else np.float64)
