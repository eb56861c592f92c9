"""What waiting costs, and where the speed went: two tasks.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator.lanes import Lanes, expected_max
from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_close, is_number, trial

RTOL = 1e-7  # float64, with sums of some hundred terms in any order


@task(points=3)
def expected_slowest(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Sum over k < group of 1 - F(k)**lanes, F the binomial distribution function."""

    def attempt(sentence: str, lanes: int, group: int, density: float) -> Outcome:
        expected = expected_max(lanes, group, density)
        return trial(
            sentence,
            student,
            lanes,
            group,
            density,
            expected=expected,
            agrees=lambda got: is_number(got) and is_close(got, expected, rtol=RTOL),
        )

    core = "is the mean of the largest of several counts"
    for lanes, group in ((2, 1), (2, 2), (3, 4), (16, 32)):
        yield attempt(core, lanes, group, float(rng.uniform(0.15, 0.6)))
    for group in (1, 3, 20):
        yield attempt(
            "is group * density for a lane that waits for nobody",
            1,
            group,
            float(rng.uniform(0.1, 0.9)),
        )
    for group in (1, 8):
        yield attempt("is the whole group at density 1", 4, group, 1.0)
    for group in (1, 8):
        yield attempt("is nothing at density 0", 4, group, 0.0)
    for density in (0.02, 0.97):
        yield attempt("holds for densities close to 0 and to 1", 8, 24, density)
    for lanes in (256, 1024):
        yield attempt("serves a thousand lanes", lanes, 32, float(rng.uniform(0.1, 0.5)))
    for group in (128, 600):
        yield attempt("serves a group of hundreds", 16, group, float(rng.uniform(0.1, 0.5)))


@task(points=3)
def counterfactuals(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Speed-ups in lock step, without barriers, with even lanes, and with single weights skipped."""

    def attempt(
        sentence: str,
        shape: tuple[int, int],
        array: tuple[int, int, int],
        judged: Sequence[int],
        *,
        largest_share: float = 0.6,
    ) -> Outcome:
        mask = _lumpy_mask(rng, shape, largest_share)
        lanes, width, group = array
        expected = speed_ladder(mask, Lanes(lanes, width=width, group=group))

        def agrees(got: Any) -> bool:
            if isinstance(got, list | tuple) and all(is_number(part) for part in got):
                got = np.array([float(part) for part in got])
            if not isinstance(got, np.ndarray) or got.shape != (4,) or got.dtype.kind not in "iuf":
                return False
            return all(is_close(got[i], expected[i], rtol=RTOL) for i in judged)

        return trial(sentence, student, mask, lanes, width, group, expected=expected, agrees=agrees)

    core = "begins with the speed-up in lock step"
    for shape, array in (((2, 8), (2, 1, 4)), ((8, 24), (4, 1, 8)), ((12, 40), (4, 1, 10))):
        yield attempt(core, shape, array, [0])
    # Where few weights are left, no lane is busy all the time, so the length of a group shows.
    for shape, array, largest_share in (
        ((2, 16), (2, 2, 4), 0.6),
        ((8, 48), (4, 4, 3), 0.6),
        ((16, 192), (4, 2, 8), 0.15),
    ):
        yield attempt(
            "skips a vector only if all its weights are gone, and counts a group in vectors",
            shape,
            array,
            [0],
            largest_share=largest_share,
        )
    for shape, array in (((4, 12), (2, 1, 4)), ((12, 48), (4, 2, 6))):
        yield attempt(
            "then lets every lane run to the end by itself, as slow as the busiest",
            shape,
            array,
            [1],
        )
    for shape, array in (((4, 12), (2, 1, 4)), ((12, 48), (4, 2, 6))):
        yield attempt(
            "then deals the vectors evenly, so that all lanes end together", shape, array, [2]
        )
    for shape, array in (((4, 16), (2, 2, 4)), ((8, 48), (4, 4, 3))):
        yield attempt(
            "ends with nothing but kept weights to multiply, lanes * width of them a cycle",
            shape,
            array,
            [3],
        )
    for shape, array in (((5, 12), (2, 1, 4)), ((3, 10), (4, 2, 2))):
        yield attempt(
            "compares with the same array on all weights, where lanes without an output idle",
            shape,
            array,
            range(4),
        )
    for shape, array in (((4, 11), (2, 2, 4)), ((8, 45), (4, 4, 5))):
        yield attempt("fills a short last vector and a short last group", shape, array, range(4))


def speed_ladder(mask: NDArray[np.bool_], array: Lanes) -> NDArray[np.float64]:
    """Speed-ups over the dense layer: lock step, no barrier, even lanes, single weights; shape (4,).

    >>> mask = np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool)
    >>> speed_ladder(mask, Lanes(2, group=2))
    array([2.        , 2.        , 2.66666667, 2.66666667])
    """
    work = array.work(mask)
    dense = array.cycles_of(1, *mask.shape)
    cycles = [
        work.max(axis=1).sum(),
        work.sum(axis=0).max(),
        work.sum() / array.lanes,
        mask.sum() / array.cells,
    ]
    speeds: NDArray[np.float64] = dense / np.array(cycles, np.float64)
    return speeds


def _lumpy_mask(rng: np.random.Generator, shape: tuple[int, int], largest_share: float) -> Any:
    """Weights in runs, some outputs with many more than others."""
    share = rng.uniform(0.05, largest_share, (shape[0], 1))
    starts = rng.random(shape) < share
    mask = starts | (np.roll(starts, 1, axis=1) & (rng.random(shape) < 0.5))
    mask[0, 0] = True  # never empty
    mask[-1, -1] = True
    return mask
