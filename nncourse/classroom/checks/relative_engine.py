"""The relative index and the engine that multiplies on it: two tasks.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.checks.sparse_rows import drawn
from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_close, is_integers, trial
from nncourse.codecs import RelativeCSC
from nncourse.codecs.relative_index import split


@task(points=3)
def relative_index(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Values and gaps of a column, fillers where a run of zeros is too long for a gap."""

    def attempt(sentence: str, column: Any, gap_bits: int) -> Outcome:
        column = np.asarray(column, np.float32)
        expected = split(column, gap_bits)
        return trial(
            sentence,
            student,
            column,
            gap_bits,
            expected=expected,
            agrees=lambda got: _are_entries(got, expected),
        )

    def spread(*runs: int) -> Any:
        """Weights behind so many zeros each."""
        column = np.zeros(sum(runs) + len(runs))
        column[np.cumsum(runs) + np.arange(len(runs))] = rng.integers(1, 50, len(runs))
        return column

    runs: tuple[int, ...]
    core = "gives the values that are not 0, and the zeros before each of them"
    yield attempt(core, [0, 0, 5, 7], 4)
    for runs in ((0, 1), (3, 0, 0, 2), (6, 5, 1)):
        yield attempt(core, spread(*runs), 4)
    filler = "stores a filler, value 0, where more zeros follow than a gap can count"
    paper = [0, 0, 1, 2, *[0] * 18, 3]  # the example of the EIE paper
    yield attempt(filler, paper, 4)
    for run in (17, 20, 30):
        yield attempt(filler, spread(1, run, 2), 4)
    for runs, gap_bits in (((15, 0, 15), 4), ((7,), 3), ((3, 3, 1), 2)):
        yield attempt(
            "needs no filler for as many zeros as a gap can just count", spread(*runs), gap_bits
        )
    for runs, gap_bits in (((16,), 4), ((0, 8, 1), 3), ((4, 4), 2)):
        yield attempt("lets a filler cover a place of its own", spread(*runs), gap_bits)
    for runs, gap_bits in (((32,), 4), ((50, 1, 33), 4), ((100,), 2), ((40, 41, 42), 3)):
        yield attempt("stores as many fillers as a run needs", spread(*runs), gap_bits)
    for zeros in (1, 5, 16, 70):
        column = np.append(spread(2, 3), np.zeros(zeros))
        yield attempt("stores nothing for the zeros behind the last value", column, 4)
    for size in (0, 1, 40):
        yield attempt("stores nothing of a column of zeros", np.zeros(size), 4)
    for gap_bits in (1, 2, 5, 8):
        column = np.where(rng.random(300) < 0.1, rng.integers(1, 9, 300), 0)
        yield attempt("serves any number of bits", column, gap_bits)
    column = -np.where(rng.random(60) < 0.2, rng.integers(1, 9, 60), 0)
    yield attempt("keeps every value as it is", column / 64, 4)


@task(points=3)
def engine_product(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """The product of columns with relative index, dealt to elements, and a vector."""

    def attempt(
        sentence: str, weight: Any, x: Any, *, elements: int = 1, gap_bits: int = 4
    ) -> Outcome:
        weight, x = np.asarray(weight, np.float32), np.asarray(x, np.float32)
        inputs = engine_inputs(weight, elements=elements, gap_bits=gap_bits)
        expected = weight[:, x != 0] @ x[x != 0]
        return trial(
            sentence,
            student,
            *inputs,
            x,
            len(weight),
            expected=expected,
            agrees=lambda got: isinstance(got, np.ndarray) and is_close(got, expected, rtol=1e-6),
        )

    def vector(size: int) -> Any:
        return rng.integers(1, 9, size) * rng.choice([-1, 1], size)

    def columns(rows: int, number: int) -> Any:
        return drawn(rng, number, rows, least=1).T

    core = "walks down a column by its gaps, and adds each value times the input to its output"
    yield attempt(core, [[0], [2], [3]], [10])
    for rows in (4, 9, 15):
        yield attempt(core, columns(rows, 1), vector(1))
    for rows, number in ((3, 2), (8, 5)):
        yield attempt("begins every column at the first row", columns(rows, number), vector(number))
    for empty in ([0], [2, 3], [4]):
        weight = columns(6, 5)
        weight[:, empty] = 0
        yield attempt("steps over an empty column", weight, vector(5))
    for rows, gap_bits in ((40, 2), (90, 3), (60, 1)):
        weight = columns(rows, 3) * (rng.random((rows, 3)) < 0.2)
        weight[-1] = 5
        yield attempt(
            "goes on behind a filler, which takes a place", weight, vector(3), gap_bits=gap_bits
        )
    for rows, elements in ((4, 2), (9, 3), (30, 4), (3, 5)):
        yield attempt(
            "deals row i to element i % elements", columns(rows, 4), vector(4), elements=elements
        )
    for elements in (1, 3):
        weight, x = columns(12, 6), vector(6)
        x[[1, 4]] = 0
        weight[2:9:3, [1, 4]] = np.inf
        yield attempt("does not touch a column whose input is 0", weight, x, elements=elements)
    weight = columns(500, 40) * (rng.random((500, 40)) < 0.3)
    yield attempt("serves hundreds of rows", weight, vector(40), elements=16)


def engine_inputs(weight: Any, *, elements: int, gap_bits: int) -> tuple[Any, Any, Any]:
    """Values, gaps, and pointers among all of them, shape (elements, columns + 1).

    >>> engine_inputs(np.array([[0, 1], [2, 0], [3, 4]], np.float32), elements=2, gap_bits=4)[2]
    array([[0, 1, 3],
           [3, 4, 4]])
    """
    stored = RelativeCSC.from_dense(weight, elements=elements, index_bits=gap_bits)
    pointers = stored.indptr.astype(np.int64)
    begins = np.cumsum(pointers[:, -1]) - pointers[:, -1]
    return stored.data.copy(), stored.gaps.astype(np.int64), pointers + begins[:, None]


def _are_entries(got: Any, expected: Any) -> bool:
    if not isinstance(got, list | tuple) or len(got) != 2:
        return False
    values, gaps = got
    for array in (values, gaps):
        if not isinstance(array, np.ndarray) or array.ndim != 1:
            return False
    if not expected[1].size and not gaps.size:  # np.array([]) is of floats
        return bool(values.size == 0)
    same = bool(values.dtype.kind in "iuf" and np.array_equal(values, expected[0]))
    return same and is_integers(gaps, expected[1])
