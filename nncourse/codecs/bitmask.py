"""Bitmask: a bit for each weight, set where it is kept, and the kept values in a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import ArrayLike

from nncourse.bitstream import CodecError
from nncourse.codecs.csr import weight
from nncourse.codecs.frame import Form, Reader, varint
from nncourse.codecs.matrix import Matrix, is_kept, opened_dense, unsigned
from nncourse.codecs.stored_values import (
    Array,
    Section,
    StoredValues,
    frozen,
    little_endian,
    read_array,
)

WORD_BITS = 64
RANK_EVERY = 512


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Bitmask(Matrix):
    """A matrix as bits in C order, samples of how many are set, and values.

    words       uint64, bit ``p % 64`` of word ``p // 64`` is set where weight p is kept
    rank_every  bits between two samples, a multiple of 64
    ranks       samples: ``ranks[k]`` bits are set before bit ``k * rank_every``

    The value of a set bit is at its *rank*, the number of set bits before it. So ``A[i, j]`` takes the
    same work everywhere: a sample, and at most ``rank_every`` bits to count, eight words by default.
    Body: ``rank_every`` in words, bits, bytes of a sample, samples, values.

    >>> matrix = Bitmask.from_dense(np.array([[0, 2, 0], [1, 0, 3]], np.float32))
    >>> f"{matrix.words[0]:06b}"  # the first weight is the last digit
    '101010'
    >>> matrix @ [1, 10, 100], matrix[1, 2]
    (array([ 20., 301.]), np.float32(3.0))
    """

    number: ClassVar[int] = 34

    words: Array
    ranks: Array
    rank_every: int = RANK_EVERY

    @classmethod
    def from_dense(
        cls,
        dense: ArrayLike,
        *,
        codebook: ArrayLike | None = None,
        rank_every: int = RANK_EVERY,
    ) -> Self:
        """The entries of ``dense`` that are not zero, and where they are.

        dense       shape (rows, columns): float16, float32, float64, integers of 8 or 16 bits
        codebook    levels that the values take: stored once, and of each value its code
        rank_every  bits between two samples, a multiple of 64
        """
        dense, dtype, levels = opened_dense(dense, codebook)
        kept = is_kept(dense)
        words = _words(np.packbits(kept.ravel(), bitorder="little").tobytes())
        return cls(
            shape=dense.shape,
            stored=StoredValues.of(dense[kept], dtype, levels),
            words=words,
            ranks=_samples(words, _checked_every(rank_every)),
            rank_every=rank_every,
        )

    def _check(self) -> None:
        size, words = self.shape[0] * self.shape[1], self.words
        every = _checked_every(self.rank_every)
        if words.dtype != np.uint64 or words.shape != (-(-size // WORD_BITS),):
            raise ValueError(
                f"words are uint64, a bit for each of {size} weights; got {words.shape}"
            )
        if size % WORD_BITS and int(words[-1]) >> size % WORD_BITS:
            raise ValueError("bits behind the last weight are 0")
        samples = _samples(words, every)
        if self.ranks.dtype != samples.dtype or not np.array_equal(self.ranks, samples):
            raise ValueError(f"ranks count the set bits before each stretch of {every}")
        num_set = int(np.bitwise_count(words).sum())
        if len(self.stored) != num_set or not self.stored.is_kept.all():
            raise ValueError(f"data holds a value that is not zero for each of {num_set} set bits")
        object.__setattr__(self, "words", frozen(words))
        object.__setattr__(self, "ranks", frozen(self.ranks))

    def _coordinates(self) -> tuple[Array, Array, Array]:
        places = np.flatnonzero(_bits(self.words, self.shape[0] * self.shape[1]))
        columns = max(self.shape[1], 1)
        return places // columns, places % columns, self.stored.values

    def _find(self, row: int, column: int) -> int | None:
        place = row * self.shape[1] + column
        word, bit = divmod(place, WORD_BITS)
        if not int(self.words[word]) >> bit & 1:
            return None
        sample = place // self.rank_every
        between = self.words[sample * self.rank_every // WORD_BITS : word]
        below = int(self.words[word]) & ((1 << bit) - 1)
        return int(self.ranks[sample]) + int(np.bitwise_count(between).sum()) + below.bit_count()

    def _times(self, entries: Array, table: Array | None, x: Array, y: Array) -> None:
        if x.size:
            _bits_times(entries, table, self.words, x, y)

    def _sections(self) -> list[Section]:
        size = self.shape[0] * self.shape[1]
        every = varint(self.rank_every // WORD_BITS)
        bits = little_endian(self.words)[: -(-size // 8)]
        ranks = little_endian(self.ranks)
        return [
            Section("header", every, 8 * len(every)),
            Section("index", bits, size),
            Section("header", bytes([self.ranks.dtype.itemsize]), 8),
            Section("index", ranks, 8 * len(ranks)),
        ]

    @classmethod
    def _read(cls, reader: Reader, form: Form) -> Self:
        rows, columns = form.shape
        every = _checked_every(reader.varint() * WORD_BITS)
        words = _words(bytes(reader.take(-(-form.count // 8))))
        width = reader.byte()
        if width not in (1, 2, 4):
            raise CodecError(f"data: samples of {width} bytes; it is damaged")
        ranks = read_array(reader, -(-form.count // every), np.dtype(f"u{width}"))
        num_set = int(np.bitwise_count(words).sum())
        stored = StoredValues.read(reader, num_set, form.dtype)
        return cls(shape=(rows, columns), stored=stored, words=words, ranks=ranks, rank_every=every)


def _checked_every(rank_every: int) -> int:
    whole = isinstance(rank_every, int | np.integer) and not isinstance(rank_every, bool)
    if not whole or rank_every < WORD_BITS or rank_every % WORD_BITS:
        raise ValueError(
            f"rank_every is a multiple of {WORD_BITS}, the bits of a word; got {rank_every!r}"
        )
    return int(rank_every)


def _samples(words: Array, every: int) -> Array:
    """Set bits before each stretch of ``every`` bits, in the narrowest type for all set bits."""
    before = np.append(0, np.cumsum(np.bitwise_count(words), dtype=np.int64))
    return before[: words.size : every // WORD_BITS].astype(unsigned(int(before[-1])))


def _words(bits: bytes) -> Array:
    whole = bits + bytes(-len(bits) % 8)
    return read_array(Reader(whole), len(whole) // 8, np.dtype(np.uint64))


def _bits(words: Array, size: int) -> Array:
    raw = np.frombuffer(little_endian(words), np.uint8)
    return np.unpackbits(raw, count=size, bitorder="little")


@intrinsic
def _trailing_zeros(typingctx: Any, word: Any) -> Any:
    """Zeros below the lowest set bit of a uint64, in one instruction."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], context.get_constant(types.boolean, False))

    return types.uint64(types.uint64), codegen


# Invariant: as many bits are set as there are entries, none of them at or behind x.size * y.size.


@numba.njit(cache=True, nogil=True)
def _bits_times(entries: Array, table: Any, words: Array, x: Array, y: Array) -> None:
    row, row_start, columns = 0, np.uint64(0), np.uint64(x.size)
    place = np.uint64(0)
    total = y[0] if y.size else x[0]
    for index in range(words.size):
        word = words[index]
        base = np.uint64(index) * np.uint64(64)
        while word:
            position = base + _trailing_zeros(word)  # type: ignore[call-arg]
            word &= word - np.uint64(1)
            while position - row_start >= columns:
                y[row] = total
                row += 1
                row_start += columns
                total = y[row]
            total += weight(entries, table, place) * x[position - row_start]
            place += np.uint64(1)
    if y.size:
        y[row] = total
