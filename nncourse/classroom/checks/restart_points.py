"""Symbols from the middle of a stream: one task.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.checks.codeword_streams import Integers, some_lengths, words_of, written
from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_integers, trial


@task(points=2)
def read_range(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Symbols ``start`` to ``stop`` of a stream, read from the restart point before them."""

    def attempt(
        sentence: str,
        symbols: Any,
        lengths: Any,
        every: int,
        start: int,
        stop: int,
        *,
        dust: bool = False,
    ) -> Outcome:
        symbols, lengths = np.asarray(symbols, np.int64), np.asarray(lengths, np.int64)
        offsets, ends = restart_offsets(symbols, lengths, every)
        data = written(symbols, lengths, words_of(lengths))
        if dust:
            data = _outside_overwritten(
                rng, data, int(offsets[start // every]), int(ends[stop - 1])
            )
        expected = symbols[start:stop]
        return trial(
            sentence,
            student,
            data,
            offsets,
            every,
            lengths,
            start,
            stop,
            expected=expected,
            agrees=lambda got: is_integers(got, expected),
        )

    lengths = some_lengths(rng, 6)
    core = "gives the symbols from start on, without the one at stop"
    yield attempt(core, [0, 1, 0, 0, 1, 1], [1, 1], 2, 2, 4)
    for every, start, stop in ((4, 4, 8), (5, 7, 9), (8, 0, 3), (1, 5, 6)):
        yield attempt(core, rng.integers(0, 6, 20), lengths, every, start, stop)
    for every, start, stop in ((4, 2, 15), (3, 0, 20), (7, 6, 8)):
        symbols = rng.integers(0, 6, 20)
        yield attempt("goes on over restart points", symbols, lengths, every, start, stop)
    for every, start in ((4, 3), (4, 4), (9, 20)):
        symbols = rng.integers(0, 6, 20)
        yield attempt("gives nothing where start is stop", symbols, lengths, every, start, start)
    for size, every, start, stop in ((40, 8, 30, 33), (500, 64, 400, 420), (500, 32, 95, 97)):
        yield attempt(
            "looks at no byte but those from the restart point before start to the last symbol",
            rng.integers(0, 6, size),
            lengths,
            every,
            start,
            stop,
            dust=True,
        )
    lengths = rng.permutation(np.append(np.arange(1, 16), 15))
    yield attempt("serves words longer than a byte", rng.integers(0, 16, 60), lengths, 16, 37, 50)
    yield attempt("serves a stream shorter than a block", rng.integers(0, 16, 9), lengths, 64, 2, 9)


def restart_offsets(symbols: Any, lengths: Integers, every: int) -> tuple[Integers, Integers]:
    """Bits at which every ``every``-th symbol begins, and at which each symbol ends.

    >>> restart_offsets(np.array([0, 1, 0, 0]), np.array([1, 2]), 2)[0].tolist()
    [0, 3, 5]
    """
    ends = np.cumsum(lengths[symbols]).astype(np.int64)
    begins = ends - lengths[symbols]
    # One more than there are blocks would be needed for a start behind the last symbol.
    offsets = np.append(begins, ends[-1:])[::every]
    return offsets.astype(np.int64), ends


def _outside_overwritten(rng: np.random.Generator, data: bytes, first: int, end: int) -> bytes:
    """``data`` with noise in the bytes before bit ``first`` and from bit ``end`` on."""
    noise = bytes(rng.integers(0, 256, len(data), dtype=np.uint8))
    low, high = first // 8, -(-end // 8)
    return noise[:low] + data[low:high] + noise[high:]
