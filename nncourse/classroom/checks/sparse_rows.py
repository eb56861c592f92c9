"""Compressed sparse rows: two tasks, to write them and to multiply on them.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_close, is_integers, trial

Weights = NDArray[np.float32]


@task(points=2)
def compress_rows(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Values, columns and pointers of a matrix by rows."""

    def attempt(sentence: str, weight: Any) -> Outcome:
        weight = np.asarray(weight, np.float32)
        expected = rows_of(weight)
        return trial(
            sentence,
            student,
            weight,
            expected=expected,
            agrees=lambda got: _are_rows(got, expected),
        )

    core = "lists what is not 0, row after row, with its columns and where the rows begin"
    yield attempt(core, [[0, 2], [3, 0]])
    for rows, columns in ((2, 3), (4, 6), (9, 9)):
        yield attempt(core, drawn(rng, rows, columns, least=1))
    for empty in ([0], [2], [1, 2], [3], [0, 1, 3]):
        weight = drawn(rng, 4, 5, least=1)
        weight[empty] = 0
        yield attempt("gives an empty row two equal pointers, wherever it is", weight)
    for rows, columns in ((1, 1), (3, 4)):
        yield attempt("lists nothing of zeros, and has its pointers", np.zeros((rows, columns)))
    for rows, columns in ((1, 7), (7, 1), (2, 40)):
        yield attempt("serves every shape", drawn(rng, rows, columns, least=1))
    for _ in range(2):
        yield attempt("lists negative weights, too", -np.abs(drawn(rng, 3, 5, least=1)))
    weight = drawn(rng, 6, 6, least=1) * np.float32(1e-30)
    yield attempt("keeps every value as it is, however small", weight)
    yield attempt("serves hundreds of columns", drawn(rng, 5, 700, least=1))


@task(points=2)
def rows_product(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """The product of compressed rows and a vector."""

    def attempt(sentence: str, weight: Any, x: Any) -> Outcome:
        weight, x = np.asarray(weight, np.float32), np.asarray(x, np.float32)
        expected = np.array([row[row != 0] @ x[row != 0] for row in weight])
        return trial(
            sentence,
            student,
            *rows_of(weight),
            x,
            expected=expected,
            agrees=lambda got: isinstance(got, np.ndarray) and is_close(got, expected, rtol=1e-6),
        )

    def vector(size: int) -> Any:
        return rng.integers(1, 9, size) * rng.choice([-1, 1], size)

    core = "adds up each row's values times the inputs of their columns"
    yield attempt(core, [[0, 2], [3, 0]], [1, 10])
    for rows, columns in ((2, 3), (4, 6), (9, 9)):
        yield attempt(core, drawn(rng, rows, columns, least=2), vector(columns))
    for empty in ([1], [0], [3], [1, 2], [2, 3], [0, 1, 2, 3]):
        weight = drawn(rng, 4, 5, least=2)
        weight[empty] = 0
        yield attempt("gives 0 for an empty row, wherever it is", weight, vector(5))
    for rows, columns in ((1, 7), (7, 1)):
        yield attempt("serves every shape", drawn(rng, rows, columns, least=1), vector(columns))
    for untouched in (np.inf, np.nan):
        weight, x = drawn(rng, 3, 6, least=2), vector(6).astype(np.float32)
        weight[:, [1, 4]], x[[1, 4]] = 0, untouched
        yield attempt("touches no input that has no weight", weight, x)
    yield attempt("serves hundreds of rows", drawn(rng, 400, 60, least=0), vector(60))


def rows_of(weight: Weights) -> tuple[Weights, NDArray[np.int64], NDArray[np.int64]]:
    """Values, columns, pointers of ``weight``.

    >>> rows_of(np.array([[0, 2.5], [0, 0], [3, 4]], np.float32))
    (array([2.5, 3. , 4. ], dtype=float32), array([1, 0, 1]), array([0, 1, 1, 3]))
    """
    kept = weight != 0
    pointers = np.append(0, np.cumsum(kept.sum(axis=1)))
    return weight[kept], np.nonzero(kept)[1], pointers.astype(np.int64)


def drawn(rng: np.random.Generator, rows: int, columns: int, *, least: int) -> Weights:
    """Whole numbers of which about a third is not 0, and ``least`` in every row at least."""
    numbers = rng.integers(1, 20, (rows, columns)) * rng.choice([-1, 1], (rows, columns))
    keep = rng.random((rows, columns)) < 0.3
    for row in keep:
        row[rng.choice(columns, min(least, columns), replace=False)] = True
    return np.where(keep, numbers, 0).astype(np.float32)


def _are_rows(got: Any, expected: Any) -> bool:
    if not isinstance(got, list | tuple) or len(got) != 3:
        return False
    values, *whole = got
    return (
        isinstance(values, np.ndarray)
        and values.dtype.kind in "iuf"
        and np.array_equal(values, expected[0])
        and all(is_integers(mine, theirs) for mine, theirs in zip(whole, expected[1:], strict=True))
    )
