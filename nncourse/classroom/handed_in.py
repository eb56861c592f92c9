"""A file that a student hands in beside the notebook, judged by what is decoded from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nncourse.classroom.judge import Judgement, judge
from nncourse.classroom.outcome import Outcome

# A check gets the opened container. Its type is not imported: what a check imports is part of what
# its marks depend on, and no other check depends on the reader of files.
FileCheck = Callable[[Any, np.random.Generator], Iterator[Outcome]]


@dataclass(frozen=True, kw_only=True)
class HandedInFile:
    """One file of a lab.

    name        of the part, as it stands in the table of marks
    file        its name in the student's folder, such as ``network.nnc``
    points      most that the file can earn
    check       generator of outcomes, given the opened file; its first property is the core
    score       what the leaderboard counts, lower is better; None when nothing is counted
    max_bytes   largest file that is opened
    max_values  most values that all its tensors may hold together
    """

    name: str
    file: str
    points: float
    check: FileCheck
    score: Callable[[Any], float] | None = None
    max_bytes: int = 8 << 20
    max_values: int = 1 << 25

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"name is an identifier, got {self.name!r}.")
        if "/" in self.file or self.file.startswith(".") or not self.file.endswith(".nnc"):
            raise ValueError(f"file is a plain name that ends in .nnc, got {self.file!r}.")
        if not self.points > 0:
            raise ValueError(f"points are above 0, got {self.points} for {self.name}.")

    def judge(self, container: Any, *, seed: int) -> Judgement:
        """Judgement of an opened file, as of a function's answers."""

        def check(student: object, rng: np.random.Generator) -> Iterator[Outcome]:
            return self.check(container, rng)

        return judge(self.name, check, lambda: None, seed=seed)
