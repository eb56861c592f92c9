"""A number asked for in words, different for every student.

The numbers in the question are drawn from the student's id, so a neighbor's answer is an answer to
another question. The answer is written as text, a number and its unit, and is read without running
anything:

    def stream_bytes():
        return "12.5 kB"
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nncourse.classroom.outcome import CheckFailed, NotAnswered

SOLVER = "solution"  # the student id under which the published solutions answer

Numbers = dict[str, float]

_QUANTITY = re.compile(
    r"\s*(?:about|around|ca\.?|~|≈)?\s*"
    r"(?P<number>[-+]?(?:\d{1,3}(?:[,_' ]\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?)"
    r"\s*(?P<unit>[^\W\d_]\S*(?:\s[^\W\d_]\S*)*|%)?\s*",
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One number that a student works out.

    name    of the function whose return line holds the answer
    points  all or nothing
    text    the question; names in braces stand for the numbers drawn
    draw    the numbers, from a generator that the student's id seeds
    answer  the right number in ``unit``, given the numbers by name
    unit    of the answer
    units   other units that count, with how many of ``unit`` one of them is
    rtol    largest relative error that still counts
    """

    name: str
    points: float
    text: str
    draw: Callable[[np.random.Generator], Numbers]
    answer: Callable[..., float]
    unit: str
    units: Mapping[str, float]
    rtol: float = 0.01

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"name is the function's name, got {self.name!r}. Use an identifier.")
        if not self.points > 0 or not self.rtol > 0:
            raise ValueError(f"points and rtol are above 0, got {self.points} and {self.rtol}.")

    def numbers(self, student: str) -> Numbers:
        """The numbers in this student's question; the same for an id in other letters."""
        known = f"{self.name}:{student.strip().casefold()}".encode()
        return self.draw(np.random.default_rng(list(hashlib.sha256(known).digest())))

    def question(self, student: str) -> str:
        """The question as ``student`` gets it."""
        return self.text.format(**self.numbers(student))

    def expected(self, student: str) -> float:
        """The right number for ``student``, in :attr:`unit`."""
        return float(self.answer(**self.numbers(student)))

    def ask(self, student: str) -> None:
        """Print the question of ``student``, under whose id the notebook is handed in."""
        print(self.question(student))

    def __call__(self, function: Callable[[], object]) -> None:
        """Print how the answer is read, in the lab: its form is checked, not its value."""
        try:
            answer = function()
        except NotImplementedError:
            raise CheckFailed(f"{self.name}: not answered yet.") from None
        try:
            value = self.read(str(answer))
        except ValueError as error:
            raise CheckFailed(f"{self.name}: {error}.") from None
        print(f"{self.name}: read as {value:,.6g} {self.unit}; marked when it is handed in")

    def read(self, text: str) -> float:
        """The quantity that ``text`` states, in :attr:`unit`; ``ValueError`` if it states none."""
        found = _QUANTITY.fullmatch(text) if len(text) <= 200 else None
        if found is None:
            raise ValueError(f'write one number and its unit, such as "12.5 {self.unit}"')
        known = {name.casefold(): size for name, size in {**self.units, self.unit: 1.0}.items()}
        unit = (found["unit"] or "").strip().rstrip(".").casefold()
        if unit not in known:
            units = ", ".join([self.unit, *self.units])
            raise ValueError(f"the unit is {unit or 'missing'!r}; write one of {units}")
        return float(re.sub(r"[,_' ]", "", found["number"])) * known[unit]

    def verdict(self, source: str, student: str) -> tuple[bool, str]:
        """Whether the program ``source`` answers the question of ``student``, and a sentence."""
        try:
            value = self.read(stated(source, self.name))
        except NotAnswered:
            return False, "not answered"
        except ValueError as error:
            return False, str(error)
        if abs(value - self.expected(student)) <= self.rtol * abs(self.expected(student)):
            return True, f"right, within {self.rtol:.0%}"
        return False, (
            f"{value:,.6g} {self.unit} is not the number that {student} was asked for: "
            f"{self.question(student)}"
        )


def stated(source: str, function: str) -> str:
    """The text or number that ``function`` returns, read from its source and never computed.

    >>> stated("def size():\\n    return '12 kB'", "size")
    '12 kB'
    """
    found = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    body = found[-1].body if found else []
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    match body:
        case [ast.Return(value=ast.Constant(value=str() | int() | float() as value))]:
            return str(value)
        case [ast.Raise()]:
            raise NotAnswered("not answered yet")
    raise ValueError(
        'write the number itself into one return line, such as return "12.5 kB"; what is computed '
        "there is not read"
    )
