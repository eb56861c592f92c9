"""The values that a sparse matrix keeps: as they are, or as codes of a codebook that is stored once.

A value is dropped when all its bits are zero. So -0.0 is stored, and what a matrix gives back has the
bits it was given, those of a NaN included. Mind that ``weight * mask`` makes a -0.0 of each negative weight
that it drops; ``np.where(mask, weight, 0)`` makes none, and adding 0.0 makes 0.0 of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.bitstream import CodecError, pack, unpack
from nncourse.codecs.frame import DTYPES, Reader, varint

Array = NDArray[Any]
MAX_LEVELS = 65_536


class Section(NamedTuple):
    """A stretch of a stream: the part of :meth:`Matrix.sizes` it belongs to, its bytes, bits in use."""

    part: str
    data: bytes
    bits: int


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredValues:
    """Values in a row, or codes and the levels they stand for.

    data    native byte order, shape (n,): values of ``dtype``, or codes, uint8 or uint16
    dtype   of a value: float16, float32, float64, or an integer of 8 or 16 bits
    levels  of ``dtype``, native; level 0 is zero, for codes; None when ``data`` holds values
    """

    data: Array
    dtype: np.dtype[Any]
    levels: Array | None = None

    def __post_init__(self) -> None:
        dtype = checked_dtype(self.dtype)
        native = dtype.newbyteorder("=")
        data, levels = np.asarray(self.data), self.levels
        if data.ndim != 1:
            raise ValueError(f"data has one axis; got shape {data.shape}: ravel() makes one")
        if levels is None:
            if data.dtype != native:
                raise ValueError(f"data is of {native}, the dtype of the matrix; got {data.dtype}")
        else:
            levels = np.asarray(levels)
            if levels.dtype != native or levels.ndim != 1 or not 1 <= levels.size <= MAX_LEVELS:
                raise ValueError(
                    f"levels are 1 to {MAX_LEVELS} values of {native} in a row; "
                    f"got {levels.dtype} of shape {levels.shape}"
                )
            if bits_of(levels)[0]:
                raise ValueError(f"level 0 is zero, for what is dropped; got {levels[0]}")
            if data.dtype != _code_dtype(levels.size):
                raise ValueError(
                    f"codes of {levels.size} levels are {_code_dtype(levels.size)}; got {data.dtype}"
                )
            if data.size and int(data.max()) >= levels.size:
                raise ValueError(f"codes lie below {levels.size}, the levels; got {data.max()}")
            levels = frozen(levels)
        object.__setattr__(self, "dtype", dtype)
        object.__setattr__(self, "data", frozen(data))
        object.__setattr__(self, "levels", levels)

    @classmethod
    def of(cls, values: Array, dtype: np.dtype[Any], codebook: Array | None) -> StoredValues:
        """``values``, native, as they are; or as codes of the levels of ``codebook``."""
        if codebook is None:
            return cls(data=values, dtype=dtype)
        levels = np.append(np.zeros(1, codebook.dtype), codebook)
        words = bits_of(levels)
        by_word, first = np.unique(words, return_index=True)
        place = np.searchsorted(by_word, bits_of(values)).clip(max=by_word.size - 1)
        foreign = by_word[place] != bits_of(values)
        if foreign.any():
            raise ValueError(
                f"codebook holds every value that is kept; {values[foreign][0]!r} is none of its "
                f"{codebook.size} levels. Round to the levels first."
            )
        kept = np.sort(first)  # levels once each, in the order of the codebook
        codes = np.searchsorted(kept, first)[place]
        return cls(
            data=codes.astype(_code_dtype(kept.size)),
            dtype=dtype,
            levels=np.ascontiguousarray(levels[kept]),
        )

    def __len__(self) -> int:
        return int(self.data.size)

    @property
    def values(self) -> Array:
        """The values themselves, native byte order."""
        return self.data if self.levels is None else self.levels[self.data]

    @property
    def is_kept(self) -> NDArray[np.bool_]:
        """Which of them are not zero."""
        kept: NDArray[np.bool_] = (
            self.data if self.levels is not None else bits_of(self.data)
        ) != 0
        return kept

    def __getitem__(self, place: int) -> Any:
        """The value at ``place``, a NumPy scalar."""
        return self.data[place] if self.levels is None else self.levels[self.data[place]]

    def operands(self, accumulator: np.dtype[Any]) -> tuple[Array, Array | None]:
        """What a product reads: entries, and the table that they index; None where they are the factors.

        Types that arithmetic does not take as they are have at most 65,536 values. Their bits serve as
        codes, so that no entry is converted.
        """
        if self.levels is not None:
            return self.data, self.levels.astype(accumulator)
        if self.data.itemsize <= 2:
            return bits_of(self.data), _all_values(self.data.dtype.str, accumulator.str)
        return self.data.astype(accumulator, copy=False), None

    @property
    def code_bits(self) -> int:
        """Bits that a value takes in a stream."""
        if self.levels is None:
            return 8 * self.dtype.itemsize
        return max(1, (self.levels.size - 1).bit_length())

    def sections(self) -> list[Section]:
        """Number of levels, levels without the first, values or packed codes."""
        if self.levels is None:
            data = little_endian(self.data)
            return [Section("header", varint(0), 8), Section("payload", data, 8 * len(data))]
        count = varint(self.levels.size)
        table = little_endian(self.levels[1:])
        return [
            Section("header", count, 8 * len(count)),
            Section("codebook", table, 8 * len(table)),
            Section("payload", pack(self.data, self.code_bits), self.code_bits * len(self)),
        ]

    @classmethod
    def read(cls, reader: Reader, count: int, dtype: np.dtype[Any]) -> StoredValues:
        """The ``count`` values that :meth:`sections` wrote, which end the body."""
        native = dtype.newbyteorder("=")
        num_levels = reader.varint()
        if not num_levels:
            return cls(data=read_array(reader, count, native), dtype=dtype)
        if num_levels > MAX_LEVELS:
            raise CodecError(f"data: {num_levels} levels, {MAX_LEVELS} is the most; it is damaged")
        levels = np.append(np.zeros(1, native), read_array(reader, num_levels - 1, native))
        bits = max(1, (num_levels - 1).bit_length())
        codes = unpack(bytes(reader.take(-(-count * bits // 8))), bits, count)
        return cls(data=codes.astype(_code_dtype(num_levels)), dtype=dtype, levels=levels)


def checked_dtype(dtype: Any) -> np.dtype[Any]:
    """``dtype`` when a matrix can hold it, ValueError otherwise."""
    checked: np.dtype[Any] = np.dtype(dtype)
    if checked.str not in DTYPES.values():
        raise ValueError(
            f"dense is float16, float32, float64 or an integer of 8 or 16 bits; got {checked}: "
            "astype() converts it"
        )
    return checked


def bits_of(values: ArrayLike) -> Array:
    """The bits of ``values`` as unsigned integers of the same width."""
    values = np.ascontiguousarray(values)
    return values.view(f"u{values.dtype.itemsize}")


def frozen(array: Array) -> Array:
    """``array`` contiguous and for reading only: what was checked once cannot change any more."""
    fixed = np.array(array, order="C") if array.flags.writeable else np.ascontiguousarray(array)
    fixed.setflags(write=False)
    return fixed


def little_endian(array: Array) -> bytes:
    """The items of ``array`` as bytes, least significant byte first."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def read_array(reader: Reader, count: int, dtype: np.dtype[Any]) -> Array:
    """``count`` items of ``dtype``, native, that :func:`little_endian` wrote."""
    raw = reader.take(count * dtype.itemsize)
    return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype, copy=False)


def _code_dtype(num_levels: int) -> np.dtype[Any]:
    return np.dtype(np.uint8 if num_levels <= 256 else np.uint16)


@lru_cache(maxsize=16)
def _all_values(dtype: str, accumulator: str) -> Array:
    """Every value of a type of 8 or 16 bits, in the order of its bits."""
    width = np.dtype(dtype).itemsize
    words = np.arange(1 << 8 * width, dtype=f"u{width}")
    with np.errstate(invalid="ignore"):
        return frozen(words.view(dtype).astype(accumulator))
