"""How to spend a budget of bytes on layers: one task.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, trial


@task(points=3)
def allocate(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """One choice for each layer: least total loss among all that fit the budget."""

    def attempt(
        sentence: str, losses: Any, sizes: Any, budget: int, *, as_fixed: bool = False
    ) -> Outcome:
        losses, sizes = np.asarray(losses, np.float64), np.asarray(sizes, np.int64)
        least = least_loss(losses, sizes, budget)
        allowed = _best_fixed_loss(losses, sizes, budget) if as_fixed else least
        layers = np.arange(len(losses))

        def agrees(got: Any) -> bool:
            if isinstance(got, list | tuple) and all(type(part) is int for part in got):
                got = np.asarray(got, np.object_)
                if any(not 0 <= part < losses.shape[1] for part in got):
                    return False
                got = got.astype(np.int64)
            if not isinstance(got, np.ndarray) or got.dtype.kind not in "iu":
                return False
            if got.shape != layers.shape or np.any(got < 0) or np.any(got >= losses.shape[1]):
                return False
            chosen = got.astype(np.int64)
            if int(sizes[layers, chosen].sum()) > budget:
                return False
            found = float(losses[layers, chosen].sum())
            return found <= allowed + 1e-9 * (1 + abs(allowed))

        return trial(
            sentence,
            student,
            losses,
            sizes,
            budget,
            expected=f"choices of total size at most {budget} and total loss at most {allowed:.6g}",
            agrees=agrees,
        )

    core = "fits the budget and loses no more than the best single choice for all layers"
    for num_layers in (1, 2, 5):
        for share in (0.3, 0.7):
            losses, sizes = _smooth_tables(rng, num_layers, 5)
            budget = _between(sizes, share)
            yield attempt(core, losses, sizes, budget, as_fixed=True)
    losses, sizes = _smooth_tables(rng, 4, 4)
    yield attempt("spends everything when everything fits", losses, sizes, int(sizes.max() * 4))
    yield attempt(
        "takes the smallest when nothing else fits", losses, sizes, int(sizes.min(axis=1).sum())
    )
    for scale in (1, 1000):
        # The step with the most gain for each byte fills the budget, and blocks two better ones.
        losses = np.array([[9.0, 5.0], [9.0, 6.0], [9.0, 6.0]])
        sizes = np.array([[1, 6], [1, 5], [1, 5]]) * scale
        losses[0, 1] = 9.0 - rng.uniform(4.0, 5.5)
        order = rng.permutation(3)
        yield attempt(
            "sees that one large step can block two smaller, better ones",
            losses[order],
            sizes[order],
            11 * scale,
        )
    losses = np.array([[10.0, 9.9, 0.0], [10.0, 7.0, 6.5]])
    sizes = np.array([[2, 4, 8], [2, 4, 8]])
    for order in (np.array([0, 1]), np.array([1, 0])):
        yield attempt(
            "looks past a small step to a large gain behind it", losses[order], sizes[order], 10
        )
    for share in (0.3, 0.7):
        losses, sizes = _rough_tables(rng, 4, 5)
        mixed = np.argsort(rng.random(losses.shape), axis=1)
        losses = np.take_along_axis(losses, mixed, axis=1) - 4.0
        losses[0, mixed[0] == 4] += 9.0  # the largest choice of a layer can be its worst
        sizes = np.take_along_axis(sizes, mixed, axis=1)
        yield attempt(
            "takes tables in any order, where larger is not always better and a loss can be a gain",
            losses,
            sizes,
            _between(sizes, share),
        )
    for num_layers, num_choices in ((3, 4), (6, 5)):
        for share in (0.2, 0.5, 0.8):
            losses, sizes = _rough_tables(rng, num_layers, num_choices)
            yield attempt(
                "finds the least loss of small tables", losses, sizes, _between(sizes, share)
            )
    for share in (0.25, 0.6):
        losses, sizes = _rough_tables(rng, 20, 7)
        yield attempt(
            "finds it for 20 layers and 7 choices too, where not all can be tried",
            losses,
            sizes,
            _between(sizes, share),
        )


def least_loss(losses: Any, sizes: Any, budget: int) -> float:
    """Least total loss of one choice for each layer whose sizes fit ``budget``.

    Layer by layer, keep the partial sums that no other partial sum beats in both size and loss.
    Such a sum can be replaced by the one that beats it in any completion, so none is lost.

    >>> least_loss(np.array([[5.0, 1.0], [4.0, 2.0]]), np.array([[1, 3], [1, 4]]), 5)
    5.0
    """
    front_sizes, front_losses = np.zeros(1, np.int64), np.zeros(1)
    for layer_losses, layer_sizes in zip(losses, sizes, strict=True):
        all_sizes = np.add.outer(front_sizes, layer_sizes).ravel()
        all_losses = np.add.outer(front_losses, layer_losses).ravel()
        fits = all_sizes <= budget
        all_sizes, all_losses = all_sizes[fits], all_losses[fits]
        order = np.lexsort((all_losses, all_sizes))
        all_sizes, all_losses = all_sizes[order], all_losses[order]
        best_before = np.minimum.accumulate(np.append(np.inf, all_losses[:-1]))
        kept = all_losses < best_before
        front_sizes, front_losses = all_sizes[kept], all_losses[kept]
    if not front_losses.size:
        raise ValueError(f"budget {budget} fits no choice; the smallest need {sizes.min(1).sum()}.")
    return float(front_losses[-1])


def _best_fixed_loss(losses: Any, sizes: Any, budget: int) -> float:
    fits = sizes.sum(axis=0) <= budget
    return float(losses.sum(axis=0)[fits].min())


def _between(sizes: Any, share: float) -> int:
    """A budget between the smallest and the largest total, where the smallest single choice fits."""
    smallest = int(sizes.sum(axis=0).min())
    return smallest + int(share * (int(sizes.max(axis=1).sum()) - smallest))


def _smooth_tables(rng: np.random.Generator, num_layers: int, num_choices: int) -> tuple[Any, Any]:
    """Losses that fall by a factor of about four with each bit, sizes that grow with the bits."""
    bits = np.arange(2, 2 + num_choices)
    scale = rng.uniform(0.2, 5.0, (num_layers, 1))
    losses = scale * 4.0**-bits * rng.uniform(0.9, 1.1, (num_layers, num_choices))
    return losses, rng.integers(50, 900, (num_layers, 1)) * bits


def _rough_tables(rng: np.random.Generator, num_layers: int, num_choices: int) -> tuple[Any, Any]:
    """Losses that fall and sizes that grow by steps of any height: greed finds no such optimum."""
    losses = np.cumsum(rng.exponential(1.0, (num_layers, num_choices)), axis=1)[:, ::-1]
    sizes = np.cumsum(rng.integers(1, 60, (num_layers, num_choices)), axis=1)
    return losses, sizes
