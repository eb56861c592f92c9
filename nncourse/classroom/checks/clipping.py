"""Choosing the scale of least error: one open-ended task, scored by nearness to the best.

Every sentence completes "A right answer ...".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_number, trial


@task(points=3)
def best_scale(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Scored by nearness to the least mean squared error that a symmetric scale can reach.

    The least error is searched far more finely than an answer needs to; what is allowed never lies
    below it, so a right answer exists for every seed.
    """

    def attempt(sentence: str, x: Any, bits: int, *, most: float, of: str = "best") -> Outcome:
        best = mean_squared_error(x, _best_scale(x, bits), bits)
        at_largest = mean_squared_error(x, _min_max_scale(x, bits), bits)
        # The last term is float32's own rounding of x: below it no scale is told from another.
        allowed = most * (best if of == "best" else at_largest) + 1e-12 * float(np.mean(x * x))

        if allowed < best:
            raise ValueError(f"{sentence}: allows {allowed}, but the best possible is {best}.")

        def agrees(got: Any) -> bool:
            if not is_number(got) or not np.isfinite(got) or not got > 0:
                return False
            return mean_squared_error(x, float(got), bits) <= allowed

        expected = f"a scale of mean squared error at most {allowed:.4g} (the best: {best:.4g})"
        return trial(sentence, student, x, bits, expected=expected, agrees=agrees)

    families: dict[str, Callable[[], Any]] = {
        "normal": lambda: rng.normal(size=1500),
        "Laplace": lambda: rng.laplace(size=1500),
        "heavy-tailed": lambda: rng.standard_t(3, size=1500),
    }
    core = "clips an outlier: its error is at most 0.8 of what the min-max scale makes"
    for size, unit in ((1000, 0.02), (3000, 5.0)):
        x = rng.normal(size=size)
        x[0] = 8.0  # about 0.4 of the min-max error can be reached, and less for more values
        x = (x * unit).astype(np.float32)
        yield attempt(core, x, 4, most=0.8, of="min-max")
    for values in (np.array([0.7]), np.full(5, -0.3), np.array([0.0, 2.0])):
        yield attempt("keeps a constant exactly", values.astype(np.float32), 4, most=1.0)
    yield attempt("gives a positive scale for zeros", np.zeros(6, np.float32), 4, most=1.0)
    for size in (3, 16, 400):
        x = rng.uniform(-1, 1, size=size).astype(np.float32)
        yield attempt("is never worse than the min-max scale", x, 4, most=1.0 + 1e-5, of="min-max")
    for most, sentence in (
        (1.05, "comes within 5% of the least error"),
        (1.01, "comes within 1% of the least error"),
    ):
        for name, draw in families.items():
            for bits in (2, 3, 4, 6):
                x = (draw() * 0.05).astype(np.float32)
                yield attempt(f"{sentence} on {name} values", x, bits, most=most)


def mean_squared_error(x: Any, scale: float, bits: int) -> float:
    """Mean squared error of ``x`` on the symmetric grid of ``scale``, computed in float64.

    >>> mean_squared_error(np.array([0.0, 0.25, 1.0]), 1.0, 8)
    0.020833333333333332
    """
    limit = 2 ** (bits - 1) - 1
    exact = np.asarray(x, np.float64)
    codes = np.clip(np.rint(exact / scale), -limit, limit)
    return float(np.mean((codes * scale - exact) ** 2))


def _min_max_scale(x: Any, bits: int) -> float:
    return float(np.max(np.abs(x))) / (2 ** (bits - 1) - 1) or 1.0


def _best_scale(x: Any, bits: int) -> float:
    """Scale of least error: a fine geometric grid, then the least-squares scale of its codes.

    For fixed codes c the error is a parabola in the scale with its lowest point at sum(xc)/sum(cc);
    repeating the two steps cannot raise it. Starting from the best five of 400 finds the valley.
    """
    largest = float(np.max(np.abs(x)))
    if not largest:
        return 1.0
    limit = 2 ** (bits - 1) - 1
    exact = np.asarray(x, np.float64)
    grid = largest / limit * np.geomspace(0.02, 1.1, 400)
    grid = np.append(grid, largest / limit)
    errors = [mean_squared_error(exact, scale, bits) for scale in grid]
    reached = []
    for scale in grid[np.argsort(errors)[:5]]:
        for _ in range(20):
            codes = np.clip(np.rint(exact / scale), -limit, limit)
            if not codes.any():
                break
            scale = float(np.sum(exact * codes) / np.sum(codes * codes))
        reached.append(scale)
    return float(min(reached, key=lambda scale: mean_squared_error(exact, scale, bits)))
