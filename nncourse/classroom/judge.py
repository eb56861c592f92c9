"""From outcomes to a judgement: which properties an answer has, and what its mark is."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from nncourse.classroom.outcome import Check, Outcome, Student


class CheckFault(Exception):
    """A check itself failed: never the student's fault, and never a mark."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What one check found out about one answer."""

    properties: tuple[tuple[str, bool], ...]  # in the order of the check; the first is the core
    first_failure: Outcome | None  # the smallest, since checks go from small to large
    num_cases: int

    @property
    def not_answered(self) -> bool:
        """Whether the stub is still there."""
        return self.first_failure is not None and self.first_failure.not_answered

    @property
    def num_passed(self) -> int:
        """Number of properties that held in all their cases."""
        return sum(passed for _, passed in self.properties)

    @property
    def fraction(self) -> float:
        """Share of the points earned: 0 without the core, else passed over all properties."""
        if not self.properties[0][1]:
            return 0.0
        return self.num_passed / len(self.properties)


def judge(name: str, check: Check, student: Student, *, seed: int) -> Judgement:
    """Judgement of ``student`` by ``check``.

    name     of the task; its CRC-32 joins the seed, so that tasks draw different inputs
    check    generator of outcomes
    student  the function under test
    seed     0 in the lab, secret at grading; non-negative

    Raises :class:`CheckFault` where the check itself raises or yields nothing. What ``student``
    raises besides an ``AnswerError`` passes through only if it is an :class:`Interruption`.

    >>> from nncourse.classroom.outcome import trial
    >>> def check(student, rng):
    ...     yield trial("doubles", student, 2, expected=4, agrees=lambda got: got == 4)
    ...     yield trial("keeps zero", student, 0, expected=0, agrees=lambda got: got == 0)
    >>> judge("double", check, lambda x: 2 * x, seed=0).fraction
    1.0
    >>> judge("double", check, lambda x: 4, seed=0).fraction
    0.5
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    held: dict[str, bool] = {}
    first_failure, num_cases = None, 0
    try:
        with np.errstate(all="ignore"):  # an absurd answer may overflow where it is compared
            for outcome in check(student, rng):
                num_cases += 1
                held[outcome.property] = held.get(outcome.property, True) and outcome.passed
                if first_failure is None and not outcome.passed:
                    first_failure = outcome
    except Interruption:
        raise
    except Exception as error:
        raise CheckFault(f"the check of {name} failed: {type(error).__name__}: {error}") from error
    if not held:
        raise CheckFault(f"the check of {name} yields no outcome")
    return Judgement(
        properties=tuple(held.items()), first_failure=first_failure, num_cases=num_cases
    )


class Interruption(Exception):
    """The student's process ended or ran out of something; ``status`` says what.

    status   timeout, crashed or out_of_memory
    message  a sentence that the student can act on
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
