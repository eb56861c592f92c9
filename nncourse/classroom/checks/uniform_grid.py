"""Scales, zero points and codes of uniform grids: four tasks.

Every sentence completes "A right answer ...". The first property of a check is the task's core: an
answer without it earns nothing, so a constant or an echo of the input cannot collect points.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_close, is_number, trial

RTOL = 1e-6  # a float32 division rounds by at most 6e-8; the order of operations may add a little


@task(points=2)
def symmetric_scale(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """The scale is max|x| / (2**(bits-1) - 1) in float32, and 1 for zeros."""

    def attempt(sentence: str, x: Any, bits: int) -> Outcome:
        expected = _symmetric_scale(x, bits)
        return trial(
            sentence,
            student,
            x,
            bits,
            expected=expected,
            agrees=lambda got: is_number(got) and is_close(got, expected, rtol=RTOL),
        )

    core = "divides the largest value by the largest code, 2**(bits-1) - 1"
    for size in (1, 3, 50):
        for bits in (8, 4, 3):
            yield attempt(core, _positive(rng, size), bits)
    for size in (2, 40):
        x = _positive(rng, size)
        x[0] = -2 * x.max()
        yield attempt("looks at the size of a value, whatever its sign", x, 8)
    for size in (1, 5):
        yield attempt("gives 1 for a tensor of zeros", np.zeros(size, np.float32), 8)
    for bits in range(2, 17):
        yield attempt("works at every width from 2 to 16 bits", _normal(rng, 20), bits)
    for shape in ((2, 3), (4, 3, 5, 5)):
        yield attempt("takes a tensor of any shape and gives one number", _normal(rng, shape), 8)
    yield trial(
        "gives the scale as a NumPy float32",
        student,
        _normal(rng, 10),
        8,
        expected="a NumPy float32",
        agrees=_is_float32_number,
    )


@task(points=2)
def quantize(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Codes are x / scale, rounded half to even, clipped to a symmetric range, integers."""

    def attempt(sentence: str, codes: Any, scale: float, bits: int) -> Outcome:
        limit = 2 ** (bits - 1) - 1
        x = (np.asarray(codes, np.float64) * scale).astype(np.float32)
        expected = np.clip(np.rint(codes), -limit, limit).astype(np.int32)
        return trial(
            sentence,
            student,
            x,
            np.float32(scale),
            bits,
            expected=expected,
            agrees=lambda got: (
                isinstance(got, np.ndarray)
                and got.shape == expected.shape
                and is_close(got, expected, rtol=0.0)
            ),
        )

    core = "divides by the scale and rounds to the nearest code"
    for size in (1, 4, 100):
        for bits in (8, 4):
            whole = rng.integers(-(2 ** (bits - 1)) + 2, 2 ** (bits - 1) - 1, size)
            whole[0] = 2 ** (bits - 1) - 2
            yield attempt(core, _off_ties(rng, whole), _scale(rng), bits)
    # A tie is exact only where scale and quotient are: powers of two times a few bits.
    for half in (0.5, 2.5, -0.5, -1.5, 4.5):
        yield attempt("rounds a half to the even code", np.array([half]), 0.25, 8)
    yield attempt("rounds a half to the even code", rng.integers(-60, 60, 40) + 0.5, 2.0**-7, 8)
    for far in (9.0, 1e4):
        yield attempt("clips what lies above the largest code", np.array([far, 1.0]), 0.5, 4)
    for far in (-8.0, -9.0, -1e4):
        yield attempt(
            "clips below at minus the largest code, so that the range is symmetric",
            np.array([far, 1.0]),
            0.5,
            4,
        )
    for bits in (2, 3, 16):
        limit = 2 ** (bits - 1) - 1
        whole = rng.integers(-2 * limit, 2 * limit + 1, 30)
        yield attempt("works at 2, 3 and 16 bits", _off_ties(rng, whole), 2.0**-9, bits)
    yield attempt("keeps the shape", _off_ties(rng, rng.integers(-5, 6, (2, 3, 4))), 0.125, 8)
    x = _normal(rng, 6)
    yield trial(
        "gives codes of an integer type",
        student,
        x,
        np.float32(0.1),
        8,
        expected="an integer array of the shape of x",
        agrees=lambda got: (
            isinstance(got, np.ndarray) and got.dtype.kind in "iu" and got.shape == x.shape
        ),
    )


@task(points=2)
def asymmetric_grid(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Scale and zero point of codes 0..2**bits-1, over a range that always contains 0."""

    def attempt(sentence: str, x: Any, bits: int) -> Outcome:
        low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
        scale = (high - low) / (2**bits - 1) if high > low else 1.0
        zero_point = round(-low / scale)

        def agrees(got: Any) -> bool:
            # Float32 may round -low / scale to the other side of an exact half: both are right.
            return (
                _is_pair(got)
                and all(is_number(part) for part in got)
                and is_close(got[0], scale, rtol=RTOL)
                and abs(float(got[1]) + low / scale) <= 0.5 + 1e-3
                and float(got[1]) == round(float(got[1]))
            )

        expected = f"(scale, zero_point) = ({scale:.8g}, {zero_point})"
        return trial(sentence, student, x, bits, expected=expected, agrees=agrees)

    core = "spreads the codes 0 .. 2**bits - 1 from the smallest to the largest value"
    for size in (2, 5, 60):
        for bits in (8, 4):
            x = _normal(rng, size)
            x[0], x[1] = -abs(x[0]) - 0.1, abs(x[1]) + 0.3
            yield attempt(core, x, bits)
    for size in (1, 20):
        yield attempt(
            "starts the range at 0 when no value is negative", _positive(rng, size) + 1, 8
        )
        yield attempt("ends the range at 0 when no value is positive", -_positive(rng, size) - 1, 8)
    for size in (1, 4):
        yield attempt("gives scale 1 and zero point 0 for zeros", np.zeros(size, np.float32), 8)
    for bits in (1, 2, 3, 12, 16):
        yield attempt("works at every width from 1 to 16 bits", _normal(rng, (3, 7)), bits)
    yield trial(
        "gives the zero point as an integer and the scale as a NumPy float32",
        student,
        _normal(rng, 9),
        8,
        expected="(a NumPy float32, an integer)",
        agrees=lambda got: (
            _is_pair(got)
            and _is_float32_number(got[0])
            and (
                type(got[1]) is int
                or (isinstance(got[1], np.generic) and got[1].dtype.kind in "iu")
            )
        ),
    )


@task(points=2)
def quantize_rows(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """One symmetric scale for each output channel, and codes that fit these scales."""

    def attempt(sentence: str, weight: Any, bits: int) -> Outcome:
        rows = weight.reshape(len(weight), -1)
        scales = np.array([_symmetric_scale(row, bits) for row in rows], np.float32)
        limit = 2 ** (bits - 1) - 1

        def agrees(got: Any) -> bool:
            if not _is_pair(got) or not isinstance(got[0], np.ndarray):
                return False
            codes, found = got
            if codes.shape != weight.shape or codes.dtype.kind not in "iuf":
                return False
            if not is_close(found, scales, rtol=RTOL):
                return False
            # Codes are held to the student's own scales: half a step, and what a quotient in
            # float32 may be off, 2**-23 of a code.
            exact = rows.astype(np.float64) / np.asarray(found, np.float64)[:, None]
            off = np.abs(codes.reshape(rows.shape).astype(np.float64) - exact)
            whole = np.array_equal(codes, np.rint(codes))
            return bool(
                whole
                and np.all(np.abs(codes) <= limit)
                and np.all(off <= 0.5 + 1e-4 + limit * 2.0**-22)
            )

        expected = f"codes within half a step of weight / scale, and scales {_few(scales)}"
        return trial(sentence, student, weight, bits, expected=expected, agrees=agrees)

    core = "gives each row its own scale and its codes"
    for shape in ((2, 2), (3, 5), (10, 30)):
        for bits in (8, 4):
            spread = np.linspace(0.1, 3.0, shape[0], dtype=np.float32)[:, None]
            yield attempt(core, _normal(rng, shape) * spread, bits)
    for rows in (2, 4):
        weight = _normal(rng, (rows, 6))
        weight[-1] = 0.0
        yield attempt("gives a row of zeros the scale 1 and codes 0", weight, 8)
    for filters in ((2, 1, 3, 3), (4, 3, 5, 5)):
        yield attempt(
            "takes the filters of a convolution, (out, in, height, width)", _normal(rng, filters), 8
        )
    for bits in (2, 3, 16):
        yield attempt("works at 2, 3 and 16 bits", _normal(rng, (4, 9)), bits)
    weight = _normal(rng, (3, 4))
    yield trial(
        "gives integer codes and float32 scales",
        student,
        weight,
        8,
        expected="(an integer array of the shape of weight, a float32 array of shape (3,))",
        agrees=lambda got: (
            _is_pair(got)
            and all(isinstance(part, np.ndarray) for part in got)
            and got[0].dtype.kind in "iu"
            and got[1].dtype == np.float32
            and (got[0].shape, got[1].shape) == (weight.shape, (3,))
        ),
    )


def _symmetric_scale(x: Any, bits: int) -> np.float32:
    largest = float(np.max(np.abs(x)))
    return np.float32(largest / (2 ** (bits - 1) - 1) if largest else 1.0)


def _normal(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Any:
    return rng.normal(size=shape).astype(np.float32)


def _positive(rng: np.random.Generator, size: int) -> Any:
    return rng.uniform(0.2, 4.0, size=size).astype(np.float32)


def _scale(rng: np.random.Generator) -> float:
    return float(np.float32(rng.uniform(0.01, 0.9)))


def _off_ties(rng: np.random.Generator, whole: Any) -> Any:
    """``whole`` moved by less than half a step, so that no rounding of floats decides a code."""
    return whole + rng.uniform(-0.4, 0.4, np.shape(whole))


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2


def _is_float32_number(value: Any) -> bool:
    return is_number(value) and getattr(value, "dtype", None) == np.float32


def _few(values: Any) -> str:
    shown = ", ".join(f"{value:.6g}" for value in values[:4])
    return shown + (", ..." if len(values) > 4 else "")
