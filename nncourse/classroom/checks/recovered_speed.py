"""A fifth of the weights, four times the speed: one task, scored by how much of the weights it keeps.

The matrix is a piece of LeNet-300-100's first layer, other rows and columns for every case, in their
order. The judge counts, puts the mask on lanes that wait for each other after every group, and compares
the sum of squares of what is kept with three masks of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator.lanes import Lanes
from nncourse.classroom.lab import task
from nncourse.classroom.outcome import AnswerError, NotAnswered, Outcome, Student, short

DENSITY = 0.2
SPEED = 4  # of the 5 that the density promises
NEARLY = 0.998  # of a reference's squares: a tie broken otherwise costs nothing
ARRAYS = (
    (64, 256, 16, 32),
    (128, 384, 32, 64),
    (120, 280, 20, 28),
)  # outputs, inputs, lanes, group

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]


@task(points=4)
def recovering_mask(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """A mask of density 0.2 that lanes in lock step run four times as fast, with large weights."""
    cases = [
        (_piece(rng, outputs, inputs), lanes, group) for outputs, inputs, lanes, group in ARRAYS
    ]
    answers = [_answered(student, *case) for case in cases]
    levels = {
        f"keeps exactly round({DENSITY:g} * size) weights and runs {SPEED} times as fast": None,
        "keeps as much as groups of which each keeps a fifth": group_mask,
        "keeps as much as one cap for all groups": capped_mask,
        "keeps as much as caps that differ from item to item": uneven_caps_mask,
    }
    for sentence, reference in levels.items():
        for (weight, lanes, group), (mask, problem, answered) in zip(cases, answers, strict=True):
            expected = f"{round(DENSITY * weight.size)} kept weights, {SPEED} times as fast or more"
            passed = mask is not None
            got = problem
            if mask is not None:
                got = f"returned a mask that keeps {_share(weight, mask):.4f} of the squares"
            if reference is not None:
                least = NEARLY * _share(weight, reference(weight, lanes, group))
                passed = mask is not None and _share(weight, mask) >= least
                expected += f", and {least:.4f} of the sum of squared weights"
            yield Outcome(
                property=sentence,
                passed=passed,
                inputs=f"{short(weight)}, {lanes}, {group}",
                expected=expected,
                got=got,
                not_answered=not answered,
            )


def group_mask(weight: Floats, lanes: int, group: int) -> Mask:
    """A mask in which every group of every output keeps a fifth, rounded down, and the largest more.

    >>> weight = np.arange(20, dtype=np.float32).reshape(2, 10)
    >>> group_mask(weight, 2, 5).sum(axis=1)
    array([2, 2])
    """
    num_kept = round(DENSITY * weight.size)
    return _within_caps(weight, lanes, group, int(DENSITY * group), num_kept, spill=True)


def capped_mask(weight: Floats, lanes: int, group: int) -> Mask:
    """The largest weights, of no group of an output more than a quarter."""
    return _within_caps(weight, lanes, group, group // SPEED, round(DENSITY * weight.size))


def uneven_caps_mask(weight: Floats, lanes: int, group: int) -> Mask:
    """The largest weights under a cap for each item, the caps chosen where they gain most.

    The caps sum to what the speed allows. Raising one lets each lane keep one weight more, which is worth
    the squares that it adds above a price for each kept weight; the price is set so that the count comes
    out (a Lagrange multiplier, found by bisection).
    """
    num_kept = round(DENSITY * weight.size)
    squares = _items(weight.astype(np.float64) ** 2, lanes, group)
    largest_first = -np.sort(-squares, axis=2)
    budget = weight.size // lanes // SPEED
    low, high = 0.0, float(squares.max())
    for _ in range(40):
        price = (low + high) / 2
        gains = np.maximum(largest_first - price, 0).sum(axis=1)
        raised = np.argsort(-gains, axis=None, kind="stable")[:budget]
        caps = np.bincount(raised // group, minlength=len(gains))
        kept = (largest_first > price) & (np.arange(group) < caps[:, None, None])
        low, high = (price, high) if kept.sum() > num_kept else (low, price)
    return _within_caps(weight, lanes, group, caps[:, None, None], num_kept)


def _within_caps(
    weight: Floats, lanes: int, group: int, caps: Any, num_kept: int, *, spill: bool = False
) -> Mask:
    """The ``num_kept`` largest weights that stand within the caps of their items.

    spill  all weights within the caps first, and then the largest of those beyond
    """
    sizes = _items(np.abs(weight).astype(np.float64), lanes, group)
    order = np.argsort(-sizes, axis=2, kind="stable")
    rank = np.argsort(order, axis=2, kind="stable")
    score = np.where(rank < caps, sizes + (sizes.max() if spill else 0.0), -1.0)
    if spill:
        score = np.where(rank == caps, sizes, score)
    chosen = np.zeros(sizes.size, dtype=bool)
    chosen[np.argsort(-score, axis=None, kind="stable")[:num_kept]] = True
    outputs, inputs = weight.shape
    split = chosen.reshape(outputs // lanes, inputs // group, lanes, group)
    mask: Mask = split.transpose(0, 2, 1, 3).reshape(weight.shape)
    return mask


def _items(values: NDArray[np.float64], lanes: int, group: int) -> NDArray[np.float64]:
    """A matrix whose sizes divide, as (items, lanes, group)."""
    outputs, inputs = values.shape
    split = values.reshape(outputs // lanes, lanes, inputs // group, group)
    return split.transpose(0, 2, 1, 3).reshape(-1, lanes, group)


def _answered(
    student: Student, weight: Floats, lanes: int, group: int
) -> tuple[Mask | None, str, bool]:
    """The mask if it keeps the rules, else what is wrong with it; and whether there was an answer."""
    try:
        got = student(weight, lanes, group)
    except AnswerError as error:
        return None, str(error), not isinstance(error, NotAnswered)
    if not isinstance(got, np.ndarray) or got.dtype != bool or got.shape != weight.shape:
        return None, f"returned {short(got)}: no boolean array of the shape of weight", True
    num_kept = round(DENSITY * weight.size)
    if got.sum() != num_kept:
        return None, f"returned a mask with {got.sum()} kept weights instead of {num_kept}", True
    array = Lanes(lanes, group=group)
    speed = array.cycles_of(1, *weight.shape) / array.sparse_cycles(got)
    if speed < SPEED:
        return None, f"returned a mask that runs {speed:.2f} times as fast in lock step", True
    return got, "", True


def _share(weight: Floats, mask: Mask) -> float:
    squares = weight.astype(np.float64) ** 2
    return float(squares[mask].sum() / squares.sum())


def _piece(rng: np.random.Generator, outputs: int, inputs: int) -> Floats:
    """Some rows and columns of the first layer, in their order."""
    whole = _first_layer()
    rows, columns = (
        np.sort(rng.choice(size, count, replace=False))
        for size, count in zip(whole.shape, (outputs, inputs), strict=True)
    )
    piece: Floats = whole[np.ix_(rows, columns)]
    return piece


@functools.cache
def _first_layer() -> Floats:
    from nncourse.zoo import checkpoints  # loads torch, which no other room of the lab's needs

    network: Any = checkpoints.load_pretrained("lenet-300-100")
    weight: Floats = network.get_submodule("fc1").weight.detach().numpy()
    return weight
