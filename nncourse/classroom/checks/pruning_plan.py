"""How much of each layer, and how fast: two tasks that plan a pruning.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_close, is_number, trial

RTOL = 1e-9  # float64 in either order of operations


@task(points=3)
def least_densities(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """For each layer, the least density down to which the floor holds without a gap."""

    def attempt(sentence: str, accuracies: Any, densities: Any, floor: float) -> Outcome:
        accuracies = np.asarray(accuracies, np.float64)
        densities = np.asarray(densities, np.float64)
        expected = densities_down_to(accuracies, densities, floor)
        return trial(
            sentence,
            student,
            accuracies,
            densities,
            floor,
            expected=expected,
            agrees=lambda got: isinstance(got, np.ndarray) and is_close(got, expected, rtol=RTOL),
        )

    core = "finds the least density of each layer whose accuracy is still above the floor"
    for num_layers, num_columns in ((1, 2), (1, 4), (3, 5)):
        densities = _densities(rng, num_columns)
        accuracies = _falling(rng, num_layers, num_columns)
        accuracies[:, 0] = 0.1  # nowhere does the least of all hold
        floor = 0.5
        accuracies[:, 1:] = np.maximum(accuracies[:, 1:], 0.51)
        for row in accuracies[1:]:
            row[: rng.integers(1, num_columns)] = 0.2
        yield attempt(core, accuracies, densities, floor)
    for num_layers in (1, 4):
        accuracies = np.tile([0.6, 0.75, 0.9, 0.95], (num_layers, 1))
        yield attempt(
            "counts an accuracy that equals the floor as kept",
            accuracies,
            [0.1, 0.2, 0.5, 1.0],
            0.75,
        )
    for lucky in ([0.92, 0.70, 0.95], [0.92, 0.91, 0.50, 0.93, 0.95]):
        densities = _densities(rng, len(lucky))
        yield attempt(
            "stops at the first density below the floor, however good a lower one looks",
            [lucky],
            densities,
            0.9,
        )
    for row in ([0.3, 0.5, 0.95], [0.1, 0.2, 0.3]):
        yield attempt(
            "gives 1 for a layer that bears no pruning at all", [row], _densities(rng, 3), 0.9
        )
    for num_layers in (1, 3):
        yield attempt(
            "gives the least density of the table to a layer that bears everything",
            rng.uniform(0.91, 1.0, (num_layers, 4)),
            _densities(rng, 4),
            0.9,
        )
    for num_layers, num_columns in ((1, 4), (2, 6)):
        order = rng.permutation(num_columns)
        if order[-1] == num_columns - 1:  # else it might by chance be sorted
            order = order[::-1]
        accuracies = _falling(rng, num_layers, num_columns)
        floor = float(np.median(accuracies))
        densities = _densities(rng, num_columns)
        yield attempt(
            "takes the densities in any order", accuracies[:, order], densities[order], floor
        )
    for num_layers, num_columns in ((5, 8), (20, 12)):
        accuracies = _falling(rng, num_layers, num_columns)
        accuracies += rng.normal(0, 0.05, accuracies.shape)
        yield attempt(
            "reads each layer by itself, for any number of layers and densities",
            accuracies,
            _densities(rng, num_columns),
            0.6,
        )


@task(points=2)
def cubic_schedule(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """final + (initial - final) * (1 - i / rounds)**3 for i = 1 .. rounds."""

    def attempt(sentence: str, initial: float, final: float, rounds: int) -> Outcome:
        left = 1.0 - np.arange(1, rounds + 1) / rounds
        expected = final + (initial - final) * left**3

        def agrees(got: Any) -> bool:
            if isinstance(got, list | tuple) and all(is_number(part) for part in got):
                got = np.array([float(part) for part in got])
            return isinstance(got, np.ndarray) and is_close(got, expected, rtol=RTOL)

        return trial(sentence, student, initial, final, rounds, expected=expected, agrees=agrees)

    def final() -> float:
        return float(rng.uniform(0.6, 0.98))

    core = "leaves the cube of the remaining share of the rounds to be pruned"
    for rounds in (2, 4, 10):
        yield attempt(core, 0.0, final(), rounds)
    for rounds in (2, 5):
        yield attempt("starts from the sparsity that is there already", 0.3, final(), rounds)
    yield attempt("stays where it is if that is the goal", 0.5, 0.5, 3)
    for initial in (0.0, 0.4):
        yield attempt("prunes everything at once if there is one round", initial, final(), 1)
    for rounds in (3, 100):
        yield attempt("gives one sparsity for each round", 0.0, final(), rounds)


def densities_down_to(accuracies: Any, densities: Any, floor: float) -> Any:
    """Least density of each row such that it and all higher ones reach ``floor``; else 1.

    >>> densities_down_to(np.array([[0.8, 0.6, 0.9]]), np.array([0.1, 0.5, 1.0]), 0.7)
    array([1.])
    """
    found = []
    for row in accuracies:
        least = 1.0
        for column in np.argsort(-densities):
            if row[column] < floor:
                break
            least = float(densities[column])
        found.append(least)
    return np.array(found)


def _densities(rng: np.random.Generator, num_columns: int) -> Any:
    """Ascending densities, no two alike, the last one 1."""
    inner = np.linspace(0.02, 0.9, num_columns - 1) + rng.uniform(0.0, 0.02, num_columns - 1)
    return np.append(inner, 1.0)


def _falling(rng: np.random.Generator, num_layers: int, num_columns: int) -> Any:
    """Accuracies that rise from column to column, each row at its own pace."""
    steps = rng.exponential(1.0, (num_layers, num_columns))
    rising = np.cumsum(steps, axis=1)
    return 0.1 + 0.85 * rising / rising[:, -1:]
