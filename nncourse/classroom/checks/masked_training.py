"""How a mask stays alive while the network trains: one task.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, trial

ROUNDING = 1e-6  # of the sum of the sizes of all terms: a few roundings of float32, in any order


@task(points=3)
def masked_step(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """A step of momentum and weight decay for kept weights; weight and velocity 0 for dropped ones."""

    def attempt(
        sentence: str,
        shape: tuple[int, ...],
        *,
        dropped: Any = None,
        weight: Any = None,
        still: bool = False,
        momentum: float = 0.9,
        decay: float = 0.01,
        look: str = "both",
    ) -> Outcome:
        weight = _values(rng, shape) if weight is None else np.asarray(weight, np.float32)
        mask = ~(np.zeros(shape, bool) if dropped is None else np.asarray(dropped, bool))
        gradient, velocity = _values(rng, shape), _values(rng, shape) * (not still)
        rate = float(rng.uniform(0.05, 0.2))
        inputs = (weight, gradient, velocity, mask, rate, momentum, decay)
        new_velocity = momentum * velocity.astype(float) + gradient + decay * weight.astype(float)
        new_weight = weight - rate * new_velocity
        sizes = momentum * np.abs(velocity) + np.abs(gradient) + decay * np.abs(weight)
        bounds = (ROUNDING * (np.abs(weight) + rate * sizes), ROUNDING * sizes)
        wanted = (new_weight * mask, new_velocity * mask)

        def agrees(got: Any) -> bool:
            if not isinstance(got, list | tuple) or len(got) != 2:
                return False
            if not all(isinstance(part, np.ndarray) and part.dtype.kind == "f" for part in got):
                return False
            if any(part.shape != shape for part in got):
                return False
            if look == "dropped weight":
                return bool(np.all(got[0][~mask] == 0))
            if look == "dropped velocity":
                return bool(np.all(got[1][~mask] == 0))
            judged = list(zip(got, wanted, bounds, strict=True))[: 1 if look == "weight" else 2]
            return all(
                bool(np.all(np.abs(part - exact)[mask] <= bound[mask]))
                for part, exact, bound in judged
            )

        return trial(
            sentence,
            student,
            *inputs,
            expected=tuple(part.astype(np.float32) for part in wanted),
            agrees=agrees,
        )

    core = "takes rate times gradient off a kept weight"
    small: tuple[tuple[int, ...], ...] = ((1,), (4,), (3, 5))
    for shape in small:
        yield attempt(core, shape, still=True, decay=0.0, look="weight")
    for momentum in (0.5, 0.9):
        yield attempt(
            "adds momentum times the old velocity, and gives the new velocity back",
            (4,),
            momentum=momentum,
            decay=0.0,
        )
    for decay in (0.01, 0.5):
        yield attempt(
            "adds decay times the weight to the gradient, so that the velocity remembers it too",
            (4,),
            decay=decay,
        )
    half = np.arange(6) % 2 == 1
    yield attempt(
        "keeps a dropped weight at 0 though it has a gradient and a velocity",
        (6,),
        dropped=half,
        weight=np.where(half, 0, _values(rng, (6,))),
        look="dropped weight",
    )
    for dropped in (half, np.ones(6, bool)):
        yield attempt(
            "brings a weight to 0 in the step in which it is dropped",
            (6,),
            dropped=dropped,
            look="dropped weight",
        )
    for weight in (None, np.where(half, 0, _values(rng, (6,)))):
        yield attempt(
            "brings the velocity of a dropped weight to 0, so that nothing waits for its return",
            (6,),
            dropped=half,
            weight=weight,
            look="dropped velocity",
        )
    for weight in (np.zeros(3), np.array([0.0, 1.0, -1.0, 0.0, 2.0])):
        yield attempt("lets a kept weight learn that happens to be 0", weight.shape, weight=weight)
    shapes: tuple[tuple[int, ...], ...] = ((30,), (4, 3, 5, 5))
    for shape in shapes:
        yield attempt(
            "treats kept weights among dropped ones as if none had been dropped",
            shape,
            dropped=rng.random(shape) < 0.6,
        )
    weight = _values(rng, (2, 3))
    yield trial(
        "gives two float32 arrays",
        student,
        weight,
        _values(rng, (2, 3)),
        np.zeros_like(weight),
        np.ones((2, 3), bool),
        0.1,
        0.9,
        0.01,
        expected="two float32 arrays of the shape of weight",
        agrees=lambda got: (
            isinstance(got, list | tuple)
            and len(got) == 2
            and all(
                isinstance(part, np.ndarray)
                and part.dtype == np.float32
                and part.shape == weight.shape
                for part in got
            )
        ),
    )


def _values(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Values of both signs, none near 0: a term that is forgotten or added shows."""
    return (rng.uniform(0.2, 2.0, shape) * rng.choice([-1.0, 1.0], shape)).astype(np.float32)
