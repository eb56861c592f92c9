"""What each lane has to do, and how long all of them take: three tasks.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.accelerator import queues
from nncourse.accelerator.lanes import Lanes
from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_integers, is_number, trial


@task(points=2)
def lane_work(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Kept weights of each lane in each group: tile after tile, group after group."""

    def attempt(sentence: str, shape: tuple[int, int], lanes: int, group: int) -> Outcome:
        mask = _uneven_mask(rng, shape)
        expected = Lanes(lanes, group=group).work(mask)
        return trial(
            sentence,
            student,
            mask,
            lanes,
            group,
            expected=expected,
            agrees=lambda got: is_integers(got, expected),
        )

    core = "counts the kept weights of each lane"
    for lanes, inputs in ((2, 3), (3, 8), (4, 20)):
        yield attempt(core, (lanes, inputs), lanes, inputs)
    for lanes, groups in ((2, 2), (3, 4)):
        yield attempt("gives each group an item of its own", (lanes, 4 * groups), lanes, 4)
    for lanes, tiles in ((2, 2), (4, 3)):
        yield attempt(
            "gives output number i to lane i % lanes, as one tile follows the other",
            (lanes * tiles, 6),
            lanes,
            6,
        )
    for lanes, tiles, groups in ((2, 2, 3), (4, 3, 2)):
        yield attempt(
            "finishes all groups of a tile before the next tile begins",
            (lanes * tiles, 5 * groups),
            lanes,
            5,
        )
    for lanes, inputs, group in ((2, 5, 3), (3, 7, 8), (2, 33, 16)):
        yield attempt("counts what a shorter last group has", (lanes, inputs), lanes, group)
    for outputs, lanes in ((3, 2), (2, 4), (10, 4)):
        yield attempt("gives no work to a lane that has no output", (outputs, 8), lanes, 4)
    for shape, lanes, group in (((30, 70), 8, 32), ((5, 300), 3, 300)):
        yield attempt("serves a mask of any size", shape, lanes, group)


@task(points=1)
def barrier_cycles(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Places times the sum over items of the largest work of any lane."""

    def attempt(sentence: str, work: Any, places: int) -> Outcome:
        work = np.asarray(work, np.int64)
        return _count(sentence, student, work, places, int(work.max(axis=1).sum()) * places)

    core = "waits for the slowest lane after every item"
    for items, lanes in ((2, 2), (3, 2), (5, 4)):
        work = rng.integers(0, 3, (items, lanes))
        slowest = rng.permutation(np.arange(items) % lanes)
        work[np.arange(items), slowest] = rng.integers(4, 9, items)
        yield attempt(core, work, 1)
    for places in (2, 64):
        work = rng.integers(1, 9, (3, 4))
        yield attempt("does the whole layer once for every place", work, places)
    yield attempt("takes no time for an item that brings no work", [[0, 0], [2, 1], [0, 0]], 1)
    yield attempt("serves a single lane, which waits for nobody", [[2], [0], [5]], 1)
    for shape in ((1, 6), (40, 16)):
        yield attempt("serves any number of items and lanes", rng.integers(0, 9, shape), 3)


@task(points=3)
def queue_cycles(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Cycles until all work is done, an item entering when all lanes finished the one depth before."""

    def attempt(sentence: str, work: Any, depth: int) -> Outcome:
        work = np.asarray(work, np.int64)
        expected = queues.queue_cycles(work, depth=depth)
        return _count(sentence, student, work, depth, expected)

    def crossing(items: int, lanes: int) -> Any:
        """Much work in one lane and little in the others, the busy one changing."""
        work = rng.integers(0, 3, (items, lanes))
        work[np.arange(items), rng.integers(lanes, size=items)] += rng.integers(3, 9, items)
        return work

    core = "lets a lane begin an item while others still work at the one before it"
    yield attempt(core, [[5, 1], [1, 5], [5, 1]], 2)
    yield attempt(core, [[0, 3], [0, 0], [0, 0], [2, 4], [4, 1]], 2)
    for work in ([[3, 1], [0, 2], [1, 4]], crossing(12, 3)):
        yield attempt("waits after every item where a queue holds one", work, 1)
    for items, depth in ((3, 3), (4, 9), (30, 100)):
        yield attempt(
            "takes as long as the busiest lane where a queue holds everything",
            crossing(items, 3),
            depth,
        )
    yield attempt(
        "frees a place when the slowest lane has finished the item, not when it begins it",
        [[4, 0], [0, 3], [2, 2], [0, 6]],
        2,
    )
    for depth in (2, 3, 8):
        yield attempt(
            "frees a place when the slowest lane has finished the item, not when it begins it",
            crossing(40, 4),
            depth,
        )
    yield attempt(
        "holds back a lane without work as well", [[9, 0], [0, 0], [0, 0], [0, 7], [1, 0]], 2
    )
    yield attempt("adds up the work of a single lane", [[2], [0], [3]], 2)
    for items, lanes, depth in ((200, 16, 2), (300, 5, 4)):
        yield attempt(
            "serves any number of items and lanes", rng.integers(0, 12, (items, lanes)), depth
        )


def _count(sentence: str, student: Student, work: Any, number: int, expected: int) -> Outcome:
    return trial(
        sentence,
        student,
        work,
        number,
        expected=expected,
        agrees=lambda got: is_number(got) and bool(got == expected),
    )


def _uneven_mask(rng: np.random.Generator, shape: tuple[int, int]) -> Any:
    """A mask whose outputs and inputs differ in how much they keep, and never without a kept weight."""
    share = rng.uniform(0.1, 0.9, (shape[0], 1)) * rng.uniform(0.5, 1.0, (1, shape[1]))
    mask = rng.random(shape) < share
    mask[rng.integers(shape[0]), rng.integers(shape[1])] = True
    return mask
