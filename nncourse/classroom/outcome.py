"""One case put to a student's function, and what came of it.

A check is a generator of outcomes. It calls :func:`trial` for each case, from small to large, and
names the property that the case belongs to; the first property named is the task's core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

Student = Callable[..., Any]  # returns plain data or raises AnswerError
Check = Callable[[Student, np.random.Generator], Iterator["Outcome"]]


class AnswerError(Exception):
    """The student's function gave no plain data: it raised, or returned something else."""


class CheckFailed(AssertionError):
    """An answer is not right yet; shown to the student as sentences instead of a traceback."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


class NotAnswered(AnswerError):
    """The student's function is still the stub."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a student's function did in one case."""

    property: str  # a sentence about any right answer, the same for all cases of the property
    passed: bool
    inputs: str
    expected: str
    got: str
    not_answered: bool = False

    def __post_init__(self) -> None:
        if not self.property.strip():
            raise ValueError("property is empty. Name in a sentence what a right answer does.")


def trial(
    property: str,
    student: Student,
    *inputs: Any,
    expected: Any,
    agrees: Callable[[Any], bool],
) -> Outcome:
    """Outcome of calling ``student(*inputs)``.

    property  the sentence that this case tests
    student   the function under test; an :class:`AnswerError` becomes a failed outcome
    inputs    plain data, handed over as read-only copies
    expected  the value, or a sentence about it, shown when the case fails
    agrees    whether the returned plain data, of any type, is right; must not raise

    >>> trial("doubles", lambda x: 3 * x, 2, expected=4, agrees=lambda got: got == 4).got
    '6'
    """
    shown = ", ".join(short(value) for value in inputs)
    try:
        got = student(*inputs)
    except AnswerError as error:
        return Outcome(
            property=property,
            passed=False,
            inputs=shown,
            expected=short(expected),
            got=str(error),
            not_answered=isinstance(error, NotAnswered),
        )
    return Outcome(
        property=property,
        passed=bool(agrees(got)),
        inputs=shown,
        expected=expected if isinstance(expected, str) else short(expected),
        got=short(got),
    )


def short(value: Any, *, most: int = 200) -> str:
    """``value`` in at most ``most`` characters on one line, with type and shape of an array.

    >>> short(np.arange(3, dtype=np.int8)), short(b"ab")
    ('array([0, 1, 2], int8)', "b'ab'")
    >>> short({"a": bytes(10**6)}, most=30)
    "{'a': b'\\\\x00\\\\x00\\\\x00\\\\x00..."
    """
    if isinstance(value, np.ndarray):
        if value.size <= 16:
            text = f"array({value.tolist()}, {value.dtype})"
        else:
            first = ", ".join(f"{part:.6g}" for part in value.ravel()[:4])
            text = f"array of shape {value.shape}, {value.dtype}: {first}, ..."
    elif isinstance(value, tuple | list):
        inside = ", ".join(short(part, most=most) for part in value[:8])
        inside += ", ..." if len(value) > 8 else ""
        comma = "," if len(value) == 1 and isinstance(value, tuple) else ""
        text = f"[{inside}]" if isinstance(value, list) else f"({inside}{comma})"
    elif isinstance(value, dict):
        inside = ", ".join(f"{short(k)}: {short(part)}" for k, part in islice(value.items(), 8))
        text = f"{{{inside}{', ...' if len(value) > 8 else ''}}}"
    elif isinstance(value, np.generic):
        text = f"{value.item()!r} ({value.dtype})"
    elif isinstance(value, str | bytes):
        text = repr(value[: most // 2]) + ("..." if len(value) > most // 2 else "")
    else:
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3] + "..."


def is_number(value: Any) -> bool:
    """Whether ``value`` is one real number: Python's, NumPy's, or an array without axes."""
    if type(value) in (int, float):
        return True
    return (
        isinstance(value, np.ndarray | np.generic) and value.ndim == 0 and value.dtype.kind in "iuf"
    )


def is_close(value: Any, expected: Any, *, rtol: float) -> bool:
    """Whether ``value`` holds real numbers of the shape of ``expected``, all within ``rtol``."""
    if not is_number(value) and not (isinstance(value, np.ndarray) and value.dtype.kind in "iuf"):
        return False
    found, wanted = np.asarray(value, np.float64), np.asarray(expected, np.float64)
    if found.shape != wanted.shape:
        return False
    return bool(np.all(np.abs(found - wanted) <= rtol * np.abs(wanted)))


def is_integers(value: Any, expected: Any) -> bool:
    """Whether ``value`` is an integer array equal to ``expected``, whatever the width of its type."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "iu"
        and value.shape == np.shape(expected)
        and bool(np.array_equal(value, expected))
    )
