"""A grid in the loop of training: its values, two gradients through it, and its first step.

Every sentence completes "A right answer ...". Codes are symmetric, -qmax .. qmax with
qmax = 2**(bits-1) - 1; a value exactly at an edge of the range lies inside, as with torch.clamp.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_close, is_number, trial

RTOL = 1e-5  # a few float32 roundings, and sums of a hundred of them in any order


@task(points=2)
def fake_quantize(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Values on the grid: code times step, rounded half to even, clipped on both sides."""

    def attempt(sentence: str, codes: Any, step: float, bits: int) -> Outcome:
        codes = np.asarray(codes, np.float64)
        expected = np.clip(np.rint(codes), -_qmax(bits), _qmax(bits)) * step
        return trial(
            sentence,
            student,
            (codes * step).astype(np.float32),
            np.float32(step),
            bits,
            expected=expected.astype(np.float32),
            agrees=lambda got: isinstance(got, np.ndarray) and is_close(got, expected, rtol=RTOL),
        )

    core = "gives the nearest multiple of the step"
    for size in (1, 4, 60):
        for bits in (4, 8):
            codes = _inside(rng, size, bits)
            codes[0] = 2.3
            yield attempt(core, codes, _step(rng), bits)
    for half in (0.5, 1.5, -0.5, 2.5, -1.5):
        yield attempt("rounds a half to the even code", [half], 0.25, 4)
    for far in (8.2, 1e4):
        yield attempt("clips what lies above the largest code", [far, 1.0], _step(rng), 4)
    for far in (-7.9, -8.2, -1e4):
        yield attempt("clips below at minus the largest code", [far, 1.0], _step(rng), 4)
    for bits in (2, 3, 16):
        yield attempt("works at 2, 3 and 16 bits", _across(rng, 30, bits), _step(rng), bits)
    for shape in ((2, 3), (4, 3, 5, 5)):
        yield attempt("keeps the shape", _across(rng, shape, 4), _step(rng), 4)
    x = _across(rng, 6, 4).astype(np.float32)
    yield trial(
        "gives float32 values",
        student,
        x,
        np.float32(1),
        4,
        expected="a float32 array of the shape of x",
        agrees=lambda got: _is_float32_array(got, x),
    )


@task(points=2)
def input_gradient(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Straight through: the upstream gradient inside the range, edges included, and 0 outside."""

    def attempt(sentence: str, codes: Any, bits: int, step: float | None = None) -> Outcome:
        codes = np.asarray(codes, np.float64)
        width = _step(rng) if step is None else step
        upstream = _upstream(rng, codes.shape)
        expected = upstream * (np.abs(codes) <= _qmax(bits))
        return trial(
            sentence,
            student,
            (codes * width).astype(np.float32),
            np.float32(width),
            bits,
            upstream,
            expected=expected,
            agrees=lambda got: isinstance(got, np.ndarray) and is_close(got, expected, rtol=RTOL),
        )

    core = "passes the gradient on inside the range and stops it above"
    for size in (2, 5, 60):
        codes = _inside(rng, size, 4)
        codes[-1] = 9.3
        yield attempt(core, codes, 4)
    for far in (-8.7, -1e3):
        yield attempt("stops the gradient below the range too", [far, 1.2], 4)
    for bits in (2, 4):
        edge = float(_qmax(bits))
        yield attempt("counts an edge of the range as inside", [edge, -edge], bits, 0.25)
    for bits in (2, 4):
        beyond = _qmax(bits) + 0.3
        yield attempt("stops right behind the edge, not half a step later", [beyond, 0.2], bits)
        yield attempt("stops right behind the edge, not half a step later", [-beyond, 0.2], bits)
    for bits in (2, 3, 16):
        yield attempt("works at 2, 3 and 16 bits", _across(rng, 40, bits), bits)
    for shape in ((2, 3), (4, 3, 5, 5)):
        yield attempt("keeps the shape", _across(rng, shape, 4), 4)
    x, upstream = _across(rng, 6, 4).astype(np.float32), _upstream(rng, (6,))
    yield trial(
        "gives a float32 gradient",
        student,
        x,
        np.float32(1),
        4,
        upstream,
        expected="a float32 array of the shape of x",
        agrees=lambda got: _is_float32_array(got, x),
    )


@task(points=3)
def step_gradient(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Sum of upstream times rounding error (inside) or clipped code (outside), scaled."""

    def attempt(sentence: str, codes: Any, bits: int, step: float | None = None) -> Outcome:
        codes = np.asarray(codes, np.float64)
        width = _step(rng) if step is None else step
        upstream = _upstream(rng, codes.shape)
        qmax = _qmax(bits)
        inside = np.abs(codes) <= qmax
        terms = upstream * (np.clip(np.rint(codes), -qmax, qmax) - codes * inside)
        scale = 1 / np.sqrt(codes.size * qmax)
        expected = float(terms.sum() * scale)
        # What float32 may lose: of x / step 2**-23 for each term, and what the sum cancels.
        lost = np.abs(upstream) * (np.abs(codes) * inside * 2.0**-22) + RTOL * np.abs(terms)
        allowed = float(lost.sum() * scale)

        def agrees(got: Any) -> bool:
            return is_number(got) and abs(float(got) - expected) <= allowed

        x = (codes * width).astype(np.float32)
        return trial(
            sentence,
            student,
            x,
            np.float32(width),
            bits,
            upstream,
            expected=expected,
            agrees=agrees,
        )

    core = "gives upstream times code minus x / step for a value inside"
    for code in (0.3, -0.4, 0.8):
        yield attempt(core, [code], 2)  # one value and qmax 1: the gradient scale is 1
    for far in (1.9, -3.2):
        yield attempt("gives upstream times the clipped code for a value outside", [far], 2)
    for bits in (3, 4, 8):
        yield attempt("divides by the root of the largest code", [1.3], bits)
    for size in (2, 9, 60):
        yield attempt("divides by the root of the number of values", _off_ties(rng, size), 2)
    for bits in (2, 4):
        edge = float(_qmax(bits))
        yield attempt("counts an edge of the range as inside", [edge, -edge, edge + 3], bits, 0.25)
    for bits in (2, 3, 8):
        yield attempt("adds up values inside and outside", _across(rng, 80, bits), bits)
    for shape in ((2, 3), (4, 3, 5, 5)):
        yield attempt("gives one number for a tensor of any shape", _across(rng, shape, 4), 4)
    yield trial(
        "gives the gradient as a NumPy float32",
        student,
        _across(rng, 12, 4).astype(np.float32),
        np.float32(1),
        4,
        _upstream(rng, (12,)),
        expected="a NumPy float32",
        agrees=_is_float32_number,
    )


@task(points=1)
def initial_step(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """2 * mean|x| / sqrt(qmax) as float32, and 1 for zeros."""

    def attempt(sentence: str, x: Any, bits: int) -> Outcome:
        expected = 2 * float(np.mean(np.abs(x), dtype=np.float64)) / np.sqrt(_qmax(bits)) or 1.0
        return trial(
            sentence,
            student,
            x,
            bits,
            expected=expected,
            agrees=lambda got: is_number(got) and is_close(got, expected, rtol=RTOL),
        )

    core = "is twice the mean size, divided by the root of the largest code"
    for size in (1, 3, 50):
        for bits in (2, 4):
            yield attempt(core, rng.uniform(0.2, 4.0, size).astype(np.float32), bits)
    for size in (2, 40):
        yield attempt(
            "takes the mean of the sizes, whatever the signs",
            -rng.uniform(0.2, 4.0, size).astype(np.float32),
            2,
        )
    for size in (1, 5):
        yield attempt("gives 1 for a tensor of zeros", np.zeros(size, np.float32), 4)
    for bits in range(2, 17):
        yield attempt("works at every width from 2 to 16 bits", _upstream(rng, (20,)), bits)
    for shape in ((2, 3), (4, 3, 5, 5)):
        yield attempt("takes a tensor of any shape and gives one number", _upstream(rng, shape), 4)
    yield trial(
        "gives the step as a NumPy float32",
        student,
        _upstream(rng, (10,)),
        4,
        expected="a NumPy float32",
        agrees=_is_float32_number,
    )


def _qmax(bits: int) -> int:
    return (1 << bits - 1) - 1


def _step(rng: np.random.Generator) -> float:
    return float(np.float32(rng.uniform(0.01, 0.9)))


def _upstream(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Normal values, none near 0: a term that is forgotten or added shows."""
    size = rng.uniform(0.2, 2.0, shape)
    return (size * rng.choice([-1.0, 1.0], shape)).astype(np.float32)


def _inside(rng: np.random.Generator, size: int, bits: int) -> Any:
    """x / step, off ties, of codes from one end of the range to the other, edges left out."""
    return rng.integers(-_qmax(bits) + 1, _qmax(bits), size) + rng.uniform(-0.4, 0.4, size)


def _across(rng: np.random.Generator, shape: int | tuple[int, ...], bits: int) -> Any:
    """x / step, off ties and off the edges, of codes up to twice as far as the range reaches."""
    reach = 2 * _qmax(bits) + 1
    off = rng.choice([-1.0, 1.0], shape) * rng.uniform(0.05, 0.4, shape)
    return rng.integers(-reach, reach + 1, shape) + off


def _off_ties(rng: np.random.Generator, size: int) -> Any:
    """x / step inside a range of codes -1 .. 1, with rounding errors that do not cancel."""
    return rng.choice([-0.3, 0.4, 0.8], size)


def _is_float32_array(value: Any, like: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float32 and value.shape == like.shape


def _is_float32_number(value: Any) -> bool:
    return is_number(value) and getattr(value, "dtype", None) == np.float32
