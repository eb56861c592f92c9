"""One weight of a bitmap: a task on rank.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_close, is_number, trial


@task(points=2)
def weight_at(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """The weight at row i and column j of a bitmap with samples."""

    def attempt(
        sentence: str, weight: Any, i: int, j: int, *, every: int = 64, noise: bool = False
    ) -> Outcome:
        weight = np.asarray(weight, np.float32)
        bits, samples, values = bitmap_of(weight, every)
        if noise:
            place = i * weight.shape[1] + j
            bits, samples = hidden_elsewhere(rng, bits, samples, place, every)
        expected = float(weight[i, j])
        return trial(
            sentence,
            student,
            bits,
            samples,
            every,
            values,
            weight.shape[1],
            i,
            j,
            expected=expected,
            agrees=lambda got: is_number(got) and is_close(got, expected, rtol=0.0),
        )

    def some(rows: int, columns: int, *, density: float = 0.4) -> Any:
        numbers = rng.permutation(rows * columns).reshape(rows, columns) + 1.0
        return np.where(rng.random((rows, columns)) < density, numbers, 0)

    def chosen(weight: Any, *, kept: bool) -> tuple[int, int]:
        i, j = rng.choice(np.argwhere((np.asarray(weight) != 0) == kept))
        return int(i), int(j)

    core = "finds the value of a weight that is kept"
    yield attempt(core, [[1, 0], [0, 2]], 0, 0)
    yield attempt(core, [[0, 4, 0, 0, 0, 0, 0, 0]], 0, 1)
    for rows, columns in ((2, 4), (3, 8), (5, 7)):
        weight = some(rows, columns)
        weight[-1, -1] = 99
        for i, j in (chosen(weight, kept=True), (rows - 1, columns - 1)):
            yield attempt(core, weight, i, j)
    for rows, columns in ((2, 4), (6, 9), (9, 30)):
        weight = some(rows, columns)
        weight[0, 0] = 0
        for i, j in ((0, 0), chosen(weight, kept=False)):
            yield attempt("gives 0 where no bit is set", weight, i, j)
    for rows, columns in ((9, 30), (40, 11)):
        weight = some(rows, columns)
        for _ in range(4):
            yield attempt("starts from the sample before", weight, *chosen(weight, kept=True))
    for every in (8, 64, 256):
        weight = some(30, 40, density=0.9)
        i, j = 8 * every // 40, 8 * every % 40  # the first bit of a stretch
        i = i % 30
        weight[i, j] = 7
        yield attempt("starts from the sample before", weight, i, j, every=every)
    for every in (8, 16, 128, 512):
        weight = some(25, 40)
        yield attempt(
            "serves samples at any distance", weight, *chosen(weight, kept=True), every=every
        )
    weight = some(30, 41, density=0.9)
    i, j = divmod(1023, 41)  # the last bit of a stretch, more than 255 before it are set
    weight[i, j] = 7
    yield attempt("serves samples at any distance", weight, i, j, every=1024)
    for every in (8, 64, 256):
        weight = some(30, 41)
        i, j = chosen(weight, kept=True)
        yield attempt(
            "looks at no sample and no byte outside of the stretch",
            weight,
            i,
            j,
            every=every,
            noise=True,
        )


def bitmap_of(weight: Any, every: int) -> tuple[Any, Any, Any]:
    """Bits, lowest first, as bytes in an array; ones before each stretch; values.

    >>> bitmap_of(np.array([[0, 5, 0], [7, 0, 0]]), 8)
    (array([10], dtype=uint8), array([0]), array([5, 7]))
    """
    kept = np.asarray(weight).ravel() != 0
    before = np.append(0, np.cumsum(kept))
    samples = before[: max(kept.size, 1) : every]
    return np.packbits(kept, bitorder="little"), samples, np.asarray(weight).ravel()[kept]


def hidden_elsewhere(
    rng: np.random.Generator, bits: Any, samples: Any, place: int, every: int
) -> tuple[Any, Any]:
    """Bits and samples with noise wherever the weight at ``place`` does not need them."""
    needed = slice(place // every * every // 8, place // 8 + 1)
    noisy = rng.integers(0, 256, bits.size, dtype=np.uint8)
    noisy[needed] = bits[needed]
    wrong = samples + rng.integers(1, 9, samples.size)
    wrong[place // every] = samples[place // every]
    return noisy, wrong
