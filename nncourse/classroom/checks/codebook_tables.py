"""Finding and using the levels of a codebook: two tasks.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_close, is_integers, trial

RTOL = 1e-6  # of the largest value: room for means in float32, far below what one value moves


@task(points=2)
def assign(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """The index of the nearest level, ties to the lower one."""

    def attempt(sentence: str, x: Any, levels: Any, *, integers: bool = False) -> Outcome:
        x, levels = np.asarray(x, np.float32), np.asarray(levels, np.float32)
        expected = _nearest(x, levels)

        def agrees(got: Any) -> bool:
            if not isinstance(got, np.ndarray) or got.shape != expected.shape:
                return False
            return is_integers(got, expected) if integers else is_close(got, expected, rtol=0.0)

        return trial(sentence, student, x, levels, expected=expected, agrees=agrees)

    core = "gives the index of the nearest level"
    for size in (3, 7, 200):
        for num_levels in (2, 4, 16):
            levels = _levels(rng, num_levels)
            yield attempt(core, _inside_cells(rng, levels, size), levels)
    for x, levels in (
        ([0.5], [0.0, 1.0]),
        ([-0.75, 3.0], [-1.0, -0.5, 2.0, 4.0]),
        ([1.5, 0.5, -0.5, -1.5, 2.5], [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]),
    ):
        yield attempt("takes the lower level where two are equally near", x, levels)
    far = [-1e6, -9.0, 9.0, 1e6]
    for num_levels in (2, 5):
        yield attempt(
            "takes the first or the last level for what lies beyond them",
            far,
            _levels(rng, num_levels),
        )
    for size in (1, 4):
        yield attempt(
            "gives code 0 to everything when there is one level", rng.normal(size=size), [0.25]
        )
    for num_levels in (3, 100, 300, 1000):
        levels = _levels(rng, num_levels)
        yield attempt(
            "works for any number of levels, more than 256 too",
            _inside_cells(rng, levels, 40, last=True),
            levels,
        )
    for shape in ((2, 3), (4, 1, 5, 5)):
        levels = _levels(rng, 4)
        x = _inside_cells(rng, levels, int(np.prod(shape))).reshape(shape)
        yield attempt("keeps the shape", x, levels)
    levels = _levels(rng, 4)
    yield attempt(
        "gives codes of an integer type", _inside_cells(rng, levels, 9), levels, integers=True
    )


@task(points=3)
def kmeans(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """The levels at which Lloyd's iteration stops, from the start that is given."""

    def attempt(sentence: str, values: Any, begin: Any) -> Outcome:
        x, start = np.asarray(values, np.float64), np.asarray(begin, np.float64)
        expected = lloyd(x, start)
        slack = RTOL * float(np.max(np.abs(x)))
        return trial(
            sentence,
            student,
            x,
            start,
            expected=expected,
            agrees=lambda got: (
                isinstance(got, np.ndarray)
                and got.dtype.kind == "f"
                and got.shape == expected.shape
                and bool(np.all(np.abs(got - expected) <= slack))
            ),
        )

    x: Any
    start: Any
    core = "moves every level to the mean of the values that are nearest to it"
    for size in (2, 6, 60):
        low, high = rng.uniform(-3, -2, size), rng.uniform(1, 3, size)
        yield attempt(core, rng.permutation(np.append(low, high)), [-1.0, 1.0])
    for size in (40, 300):
        x = rng.uniform(0, 1, size)
        for num_levels in (3, 6):
            start = 0.02 * np.arange(num_levels) / num_levels
            yield attempt("goes on until no level moves any more", x, start)
    for start in ([-50.0, 0.1, 0.6], [0.2, 0.7, 50.0, 60.0], [-9.0, 0.4, 0.45, 90.0]):
        yield attempt(
            "leaves a level where it is while no value chooses it", rng.uniform(0, 1, 20), start
        )
    for x, start in (
        ([0.0, 1.0, 2.0], [0.0, 2.0]),
        ([0.0, 0.0, 2.0, 4.0, 4.0, 4.0], [0.0, 4.0]),
        ([-3.0, -1.0, 1.0, 3.0, 5.0], [-3.0, 1.0, 5.0]),
    ):
        yield attempt("gives a value half way between two levels to the lower one", x, start)
    for size in (1, 9):
        yield attempt("gives the mean when there is one level", rng.normal(size=size), [0.3])
    far_apart = np.concatenate([rng.uniform(at, at + 1, 15) for at in (0, 10, 20, 100)])
    for start in ([0.2, 0.8, 20.0], [0.5, 100.2, 100.8], [10.0, 20.0, 21.0, 22.0]):
        yield attempt("begins at the levels it is given and at no others", far_apart, start)
    for num_levels in (16, 64):
        x = 0.05 * rng.standard_t(4, size=1500)
        start = np.quantile(x, (np.arange(num_levels) + 0.5) / num_levels)
        yield attempt("works for many values and levels", x, start)
    x = rng.normal(size=(8, 5))
    yield attempt("takes values of any shape", x, [-0.5, 0.0, 0.5])


def lloyd(x: Any, start: Any) -> Any:
    """Levels at which Lloyd's iteration stops; a level without values stays where it is.

    Source: Lloyd, Least squares quantization in PCM, 1982.

    >>> lloyd(np.array([0.0, 1.0, 5.0, 7.0]), np.array([1.0, 4.0, 99.0]))
    array([ 0.5,  6. , 99. ])
    """
    values, levels = np.ravel(x), start
    while True:
        codes = _nearest(values, levels)
        counts = np.bincount(codes, minlength=len(levels))
        sums = np.bincount(codes, weights=values, minlength=len(levels))
        moved = np.where(counts > 0, sums / np.maximum(counts, 1), levels)
        if np.array_equal(_nearest(values, moved), codes):
            return moved
        levels = moved


def _nearest(x: Any, levels: Any) -> Any:
    wide = np.asarray(levels, np.float64)
    return np.abs(np.asarray(x, np.float64)[..., None] - wide).argmin(axis=-1)


def _levels(rng: np.random.Generator, num_levels: int) -> Any:
    """Levels with uneven gaps on both sides of 0, so that no formula for even grids finds them."""
    edges = np.cumsum(rng.uniform(0.5, 3.0, num_levels))
    return (edges - edges[num_levels // 2] + 0.1).astype(np.float32) / np.float32(num_levels)


def _inside_cells(rng: np.random.Generator, levels: Any, size: int, *, last: bool = False) -> Any:
    """Values in the cells of random levels, clear of the borders, so that no rounding decides.

    last  whether one of the values belongs to the last level
    """
    codes = rng.integers(0, len(levels), size)
    codes[0] = len(levels) - 1 if last else codes[0]
    wide = np.asarray(levels, np.float64)
    half_gaps = np.diff(wide, prepend=wide[0] - 1, append=wide[-1] + 1) / 2
    to_side = rng.uniform(-0.95, 0.95, size)
    reach = np.where(to_side < 0, half_gaps[codes], half_gaps[codes + 1])
    return (wide[codes] + to_side * reach).astype(np.float32)
