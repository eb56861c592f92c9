"""How long each codeword is: two tasks, without and with a limit on the length.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import (
    AnswerError,
    NotAnswered,
    Outcome,
    Student,
    short,
    trial,
)


@task(points=3)
def code_lengths(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Lengths of the codewords of a best prefix code, 0 for a symbol that never occurs."""

    def attempt(sentence: str, counts: Any) -> Outcome:
        counts = np.asarray(counts, np.int64)
        least = least_bits(counts)
        return trial(
            sentence,
            student,
            counts,
            expected=f"lengths of a prefix code that takes {least} bits in all, 0 where nothing occurs",
            agrees=lambda got: is_prefix_code(got, counts) and bits_of(got, counts) == least,
        )

    counts: Any
    core = "takes as few bits in all as a prefix code can"
    for counts in ([1, 1], [1, 2, 1], [5, 1, 1, 1], [3, 3, 3, 3, 3]):
        yield attempt(core, counts)
    for size in (6, 16, 40):
        yield attempt(core, 1 + rng.integers(0, 50, size))
        yield attempt(core, rng.permutation(1 + np.arange(size) ** 3))
    for size in (3, 8, 30):
        counts = 1 + rng.geometric(0.2, size)
        counts[rng.choice(size, size // 3, replace=False)] = 0
        yield attempt("gives length 0 to a symbol that never occurs", counts)
    for size in (1, 2, 16):
        counts = np.zeros(size, np.int64)
        counts[rng.integers(size)] = 1 + rng.integers(1000)
        yield attempt("gives one bit to a symbol that is alone", counts)
    for size in (12, 30, 60):
        counts = fibonacci(size)
        yield attempt("follows the counts however long the words become", rng.permutation(counts))
    # 2, 2, 3, 3: merged sums tie with single counts, and a tie taken twice breaks the tree.
    for counts in ([2, 2, 2, 4, 4], [1, 1, 1, 1, 2, 2, 4], [1] * 7, [4] * 33):
        yield attempt("serves equal counts", counts)
    counts = rng.integers(0, 4000, 400)
    yield attempt("serves hundreds of symbols", counts)


@task(points=3)
def limited_lengths(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Lengths of the best prefix code whose words have at most ``max_length`` bits."""

    def attempt(sentence: str, counts: Any, max_length: int, *, slack: float = 0) -> Outcome:
        counts = np.asarray(counts, np.int64)
        least = least_bits_within(counts, max_length)
        most = int(least * (1 + slack))
        return trial(
            sentence,
            student,
            counts,
            max_length,
            expected=f"lengths of at most {max_length} of a prefix code that takes {most} bits in all"
            + (" or less" if slack else ""),
            agrees=lambda got: (
                is_prefix_code(got, counts)
                and int(np.max(got)) <= max_length
                and bits_of(got, counts) <= most
            ),
        )

    counts: Any
    core = "stays within max_length, and leaves room for every word"
    # A fifth more bits than the best: a code that only keeps the limit passes, a code for nothing not.
    for counts, limit in (([8, 4, 2, 1, 1], 3), ([1, 1, 2, 3, 5, 8], 4)):
        yield attempt(core, counts, limit, slack=0.2)
    for size, limit in ((8, 4), (16, 5), (30, 8)):
        yield attempt(core, fibonacci(size), limit, slack=0.2)
    for counts, limit in (([1, 1, 5, 7, 10, 14], 3), ([8, 4, 2, 1, 1], 3)):
        yield attempt("takes as few bits in all as the limit allows", counts, limit)
    for size, limit in ((7, 3), (12, 4), (20, 6), (40, 7)):
        counts = rng.permutation(np.rint(fibonacci(size) ** rng.uniform(0.4, 0.9)))
        yield attempt("takes as few bits in all as the limit allows", counts, limit)
        counts = 1 + np.rint(rng.pareto(0.7, size) * 10)
        yield attempt("takes as few bits in all as the limit allows", counts, limit)
    for size in (5, 20):
        counts = 1 + rng.integers(0, 30, size)
        yield attempt("changes nothing where the limit is out of reach", counts, 24)
    for size, limit in ((4, 2), (16, 4), (128, 7)):
        counts = rng.permutation(fibonacci(size) if size < 50 else 1 + rng.integers(0, 9999, size))
        yield attempt(
            "fills a code that has a word for each symbol and none to spare", counts, limit
        )
    for size in (4, 24):
        counts = 1 + rng.geometric(0.1, size)
        counts[rng.choice(size, size // 2, replace=False)] = 0
        yield attempt("gives length 0 to a symbol that never occurs", counts, 6)
    yield attempt("gives one bit to a symbol that is alone", [0, 9, 0], 4)
    for size, limit in ((5, 2), (33, 5)):
        yield refusal(
            "raises ValueError when 2**max_length words are fewer than the symbols",
            student,
            1 + rng.integers(0, 9, size),
            limit,
        )


def refusal(sentence: str, student: Student, *inputs: Any) -> Outcome:
    """Outcome of a call that has to raise ValueError."""
    got, passed, answered = "", False, True
    try:
        got = short(student(*inputs))
    except AnswerError as error:
        got, answered = str(error), not isinstance(error, NotAnswered)
        passed = got.startswith("raised ValueError")
    return Outcome(
        property=sentence,
        passed=passed,
        inputs=", ".join(short(value) for value in inputs),
        expected="ValueError",
        got=got,
        not_answered=not answered,
    )


def is_prefix_code(lengths: Any, counts: Any) -> bool:
    """Whether ``lengths`` are integers that a prefix code for the symbols with a count can have.

    >>> is_prefix_code(np.array([1, 2, 2]), np.array([5, 1, 1]))
    True
    >>> is_prefix_code(np.array([1, 1, 2]), np.array([5, 1, 1]))
    False
    """
    counts = np.asarray(counts)
    if not isinstance(lengths, np.ndarray) or lengths.dtype.kind not in "iu":
        return False
    if lengths.shape != counts.shape or not np.array_equal(lengths > 0, counts > 0):
        return False
    used = [int(length) for length in lengths[lengths > 0]]
    longest = max(used)
    return longest <= 400 and sum(1 << (longest - length) for length in used) <= 1 << longest


def bits_of(lengths: Any, counts: Any) -> int:
    """Bits that all symbols take together."""
    return sum(int(length) * int(count) for length, count in zip(lengths, counts, strict=True))


def least_bits(counts: Any) -> int:
    """Bits that a best prefix code takes: the sum of all sums that Huffman's merging makes."""
    waiting = [int(count) for count in counts if count > 0]
    if len(waiting) == 1:
        return waiting[0]
    heapq.heapify(waiting)
    total = 0
    while len(waiting) > 1:
        merged = heapq.heappop(waiting) + heapq.heappop(waiting)
        total += merged
        heapq.heappush(waiting, merged)
    return total


def least_bits_within(counts: Any, max_length: int) -> int:
    """Bits that a best prefix code takes whose words have at most ``max_length`` bits.

    Of the 2n - 2 cheapest packages (Larmore and Hirschberg, 1990) only the total is needed here.
    """
    single = sorted(int(count) for count in counts if count > 0)
    if len(single) == 1:
        return single[0]
    row: list[int] = []
    for _ in range(max_length):
        packages = [first + second for first, second in zip(row[::2], row[1::2], strict=False)]
        row = sorted(single + packages)
    return sum(row[: 2 * len(single) - 2])


def fibonacci(size: int) -> Any:
    """1, 1, 2, 3, 5 ...: the counts that make the longest words."""
    counts = [1, 1]
    while len(counts) < size:
        counts.append(counts[-1] + counts[-2])
    return np.array(counts[:size], np.int64)
