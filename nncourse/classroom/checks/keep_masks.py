"""Which weights stay: two tasks on masks with exact counts.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, trial


@task(points=2)
def magnitude_mask(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """False for the round(sparsity * size) smallest magnitudes, of equal ones the later."""

    def attempt(sentence: str, weight: Any, sparsity: float) -> Outcome:
        weight = np.asarray(weight, np.float32)
        expected = kept_by_magnitude(weight, round(sparsity * weight.size))
        return trial(
            sentence,
            student,
            weight,
            sparsity,
            expected=expected,
            agrees=lambda got: _says_the_same(got, expected),
        )

    core = "drops the smallest weights"
    for size, sparsity in ((2, 0.5), (4, 0.5), (50, 0.5), (50, 0.9)):
        yield attempt(core, _distinct(rng, size), sparsity)
    for size in (2, 6, 60):
        weight = _distinct(rng, size) * rng.choice([-1.0, 1.0], size)
        weight[0] = -np.abs(weight).max() - 1
        yield attempt("looks at the size of a weight, whatever its sign", weight, 0.5)
    for size, sparsity in ((3, 0.5), (10, 0.26), (7, 0.9), (5, 0.5), (1, 0.5), (300, 0.92)):
        yield attempt(
            "drops round(sparsity * size) weights, the nearest whole number",
            _distinct(rng, size),
            sparsity,
        )
    for weight in (np.ones(2), np.zeros(5), -np.ones((3, 4))):
        yield attempt("keeps the earlier of two equal weights", weight, 0.5)
    for size in (9, 1200):
        few_sizes = rng.integers(1, 4, size) * rng.choice([-0.5, 0.5], size)
        for sparsity in (0.3, 0.77):
            yield attempt("keeps the earlier of two equal weights", few_sizes, sparsity)
    for size in (1, 6):
        for sparsity in (0.0, 1.0):
            yield attempt(
                "keeps everything at sparsity 0 and nothing at 1", _distinct(rng, size), sparsity
            )
    shapes: tuple[tuple[int, ...], ...] = ((2, 3), (4, 3, 5, 5))
    for shape in shapes:
        scales = 10.0 ** rng.permutation(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
        weight = _distinct(rng, int(np.prod(shape))).reshape(shape) * scales
        yield attempt("ranks all weights of a tensor together, whatever its shape", weight, 0.5)
    weight = rng.normal(size=(2, 3)).astype(np.float32)
    yield trial(
        "gives booleans in the shape of the weight",
        student,
        weight,
        0.5,
        expected="a boolean array of the shape of weight",
        agrees=lambda got: _is_boolean(got, weight.shape),
    )


@task(points=2)
def n_m_mask(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """True for the n largest magnitudes of every m consecutive inputs of an output."""

    def attempt(sentence: str, weight: Any, n: int, m: int) -> Outcome:
        weight = np.asarray(weight, np.float32)
        groups = weight.reshape(-1, m)  # in C order, the inputs of an output lie side by side
        expected = np.stack([kept_by_magnitude(group, m - n) for group in groups])
        expected = expected.reshape(weight.shape)
        return trial(
            sentence,
            student,
            weight,
            n,
            m,
            expected=expected,
            agrees=lambda got: _says_the_same(got, expected),
        )

    core = "keeps the 2 largest of every 4 neighbors in a row"
    for groups in (1, 2, 12):
        yield attempt(core, _distinct(rng, 4 * groups).reshape(1, -1), 2, 4)
    for groups in (1, 6):
        weight = -_distinct(rng, 4 * groups).reshape(1, -1)
        weight[:, ::3] *= -0.1
        yield attempt("looks at the size of a weight, whatever its sign", weight, 2, 4)
    for outputs, inputs in ((2, 4), (8, 8), (12, 20)):
        yield attempt(
            "forms its groups along the inputs of one output",
            _distinct(rng, outputs * inputs).reshape(outputs, inputs),
            2,
            4,
        )
    for weight in (np.ones((1, 4)), np.zeros((2, 8)), rng.choice([-1.0, 1.0, 2.0], (3, 40))):
        yield attempt("keeps exactly n of equal weights, the earlier ones", weight, 2, 4)
    for n, m in ((1, 4), (3, 4), (1, 2), (4, 8), (3, 5), (4, 4), (1, 1)):
        yield attempt("serves any n and m", _distinct(rng, 4 * m).reshape(2, -1), n, m)
    for kernels, m in (((2, 4, 1, 1), 4), ((3, 4, 3, 3), 4), ((2, 2, 3, 3), 6)):
        yield attempt(
            "lines up the inputs times height times width of a convolution",
            _distinct(rng, int(np.prod(kernels))).reshape(kernels),
            2,
            m,
        )
    weight = rng.normal(size=(2, 8)).astype(np.float32)
    yield trial(
        "gives booleans in the shape of the weight",
        student,
        weight,
        2,
        4,
        expected="a boolean array of the shape of weight",
        agrees=lambda got: _is_boolean(got, weight.shape),
    )


def kept_by_magnitude(weight: Any, num_dropped: int) -> Any:
    """Mask of ``weight``'s shape without the smallest magnitudes; of equal ones the later go.

    >>> kept_by_magnitude(np.array([1.0, -3.0, 1.0]), 1)
    array([ True,  True, False])
    """
    sizes = np.abs(weight).ravel()
    later_first = np.arange(sizes.size)[::-1]
    dropped = later_first[np.argsort(sizes[later_first], kind="stable")[:num_dropped]]
    keep = np.ones(sizes.size, dtype=bool)
    keep[dropped] = False
    return keep.reshape(weight.shape)


def _distinct(rng: np.random.Generator, size: int) -> Any:
    """Positive weights in random order, every one clearly larger than the next smaller."""
    return rng.permutation(np.arange(1, size + 1) + rng.uniform(-0.3, 0.3, size)) / 8


def _says_the_same(got: Any, expected: Any) -> bool:
    """Whether ``got`` marks the same weights, be it in booleans, integers or floats."""
    return (
        isinstance(got, np.ndarray)
        and got.dtype.kind in "biuf"
        and got.shape == expected.shape
        and bool(np.array_equal(got, expected))
    )


def _is_boolean(got: Any, shape: tuple[int, ...]) -> bool:
    return isinstance(got, np.ndarray) and got.dtype == np.bool_ and got.shape == shape
