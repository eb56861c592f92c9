"""A form for a matrix, in a given memory, in as few steps as may be: one open-ended task.

The student's function chooses a form, its parameter, and an order of the rows. The judge writes the matrix in
that form, counts its bytes against the budget, and counts the steps of a product on 16 elements, to
which the rows are dealt in turn. Matrices differ in shape, density and pattern, and their rows are
not equally long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import (
    AnswerError,
    NotAnswered,
    Outcome,
    Student,
    is_integers,
    short,
)
from nncourse.codecs import CSR, Bitmask, BlockSparse, RelativeCSC

ELEMENTS = 16
MOST_TIMES_IDEAL = (3.0, 2.4, 1.5, 1.2, 1.12)
LEVELS = np.linspace(-0.7, 0.7, 15).astype(np.float32) + np.float32(0.01)
FORMS = ("rows", "relative", "bitmask", "blocks")
Codes = NDArray[np.uint8]


class NotAForm(ValueError):
    """What was returned is no form, or is too large; the message says why."""


@task(points=5)
def choose_form(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Form, parameter and order of rows that keep a budget and take few steps."""
    problem, answered, ratios = "", True, []
    for codes, budget_bytes in matrices(rng):
        try:
            got = student(codes, budget_bytes)
            steps = steps_of(got, codes, budget_bytes)
        except AnswerError as error:
            problem, answered = str(error), not isinstance(error, NotAnswered)
        except NotAForm as error:
            density = np.count_nonzero(codes) / codes.size
            rows, columns = codes.shape
            problem = (
                f"returned {short(got, most=80)} for {rows} x {columns} at {density:.0%}: {error}"
            )
        else:
            ratios.append(steps * ELEMENTS / np.count_nonzero(codes))
        if problem:
            break
    mean = np.inf if problem else float(np.mean(ratios))
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    for most in MOST_TIMES_IDEAL:
        yield Outcome(
            property=f"keeps every budget with at most {most:g} times the ideal steps",
            passed=mean <= most,
            inputs="four matrices of codes, each with a budget of bytes",
            expected=f"(form, parameter, order) within the budget, {most:g} times the ideal steps or less "
            "on average",
            got=problem or f"takes {mean:.3f} times the ideal steps on average, one by one {shown}",
            not_answered=not answered,
        )


def matrices(rng: np.random.Generator) -> Iterator[tuple[Codes, int]]:
    """Four matrices of codes, 0 for what is dropped, and the bytes that each may take."""
    tall = _codes(rng, _kept(rng, (4096, 128), 0.05))
    yield tall, int(1.04 * _stored("relative", 5, tall).nbytes)
    dense = _codes(rng, _kept(rng, (512, 512), 0.4))
    yield dense, int(1.04 * _stored("bitmask", 512, dense).nbytes)
    blocks = _codes(rng, np.kron(_kept(rng, (64, 128), 0.15), np.ones((8, 4), bool)))
    yield blocks, int(1.04 * _stored("blocks", (8, 4), blocks).nbytes)
    wide = _codes(rng, _kept(rng, (512, 256), 0.1))
    yield wide, int(1.1 * _stored("rows", 8, wide).nbytes)


def steps_of(value: Any, codes: Codes, budget_bytes: int) -> int:
    """Steps of the slowest element; :class:`NotAForm` if ``value`` is none, or takes too many bytes.

    value  plain data, to be (form, parameter, order)
    """
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise NotAForm("it is not (form, parameter, order)")
    form, parameter, order = value
    if not isinstance(form, str) or form not in FORMS:
        raise NotAForm(f"form is one of {', '.join(FORMS)}")
    if not isinstance(order, np.ndarray) or order.shape != codes.shape[:1]:
        raise NotAForm("order is an array with a number for each row")
    if not is_integers(np.sort(order), np.arange(len(codes))):
        raise NotAForm("order is not each row once")
    try:
        stored = _stored(form, parameter, codes[order])
    except (ValueError, TypeError) as error:
        raise NotAForm(str(error)) from None
    if stored.nbytes > budget_bytes:
        raise NotAForm(f"it takes {stored.nbytes} bytes, and {budget_bytes} are there")
    return int(_steps_of_elements(stored).max())


def _stored(form: str, parameter: Any, codes: Codes) -> Any:
    weights = np.append(np.float32(0), LEVELS)[codes]
    if form == "blocks":
        if not isinstance(parameter, list | tuple) or not all(type(p) is int for p in parameter):
            raise ValueError("the parameter of blocks is (rows, columns)")
        if codes.size > 1 and max(parameter, default=0) > max(codes.shape):
            raise ValueError("a block is not larger than the matrix")
        return BlockSparse.from_dense(weights, block=tuple(parameter), codebook=LEVELS)
    if type(parameter) is not int and not isinstance(parameter, np.integer):
        raise ValueError(f"the parameter of {form} is a whole number")
    if form == "rows":
        return CSR.from_dense(weights, index_bits=int(parameter), codebook=LEVELS)
    if form == "relative":
        return RelativeCSC.from_dense(
            weights, index_bits=int(parameter), elements=ELEMENTS, codebook=LEVELS
        )
    return Bitmask.from_dense(weights, rank_every=int(parameter), codebook=LEVELS)


def _steps_of_elements(stored: Any) -> NDArray[np.int64]:
    """Steps of each element: an entry, a pointer, or 64 bits each."""
    columns = stored.shape[1]
    if isinstance(stored, RelativeCSC):
        counts: NDArray[np.int64] = stored.work().sum(axis=0) + columns
        return counts
    if isinstance(stored, BlockSparse):
        height, width = stored.block
        of_lines = np.diff(stored.indptr.astype(np.int64)) * height * width + 1
    elif isinstance(stored, CSR):
        of_lines = np.diff(stored.indptr.astype(np.int64)) + 1
    else:
        of_lines = np.count_nonzero(stored.toarray(), axis=1) + -(-columns // 64)
    owners = np.arange(of_lines.size) % ELEMENTS
    return np.bincount(owners, of_lines, minlength=ELEMENTS).astype(np.int64)


def _kept(rng: np.random.Generator, shape: tuple[int, int], density: float) -> NDArray[np.bool_]:
    """By chance, but every fourth line keeps several times as many as the others."""
    share = np.where(np.arange(shape[0]) % 4 == rng.integers(4), 2.2, 0.6)
    share *= rng.uniform(0.6, 1.4, shape[0])
    kept: NDArray[np.bool_] = rng.random(shape) < (density * share / share.mean())[:, None]
    return kept


def _codes(rng: np.random.Generator, kept: NDArray[np.bool_]) -> Codes:
    return np.where(kept, rng.integers(1, 16, kept.shape), 0).astype(np.uint8)
