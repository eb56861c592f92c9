"""Proof of the graders: what must earn nothing earns nothing, and what is right earns everything.

For each lab: the blank notebook, the solution, the solution with each single answer removed, and
every planted wrong answer. The folder of the course holds ``labs/``, ``solutions/`` and
``tests/planted/<lab>.py``, whose ``PLANTED`` lists (part, reason, source); of a handed-in file the
source is bytes.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nncourse.classroom.lab import Lab
from nncourse.classroom.labs import LABS, lab_of
from nncourse.classroom.marking import Part, grade_notebook
from nncourse.classroom.question import SOLVER
from nncourse.classroom.release import without_answers
from nncourse.classroom.rows import Row
from nncourse.classroom.sandbox import require
from nncourse.classroom.submission import MissingTask, Unreadable, find_answer, read_notebook

LEAST_PLANTED = 5  # wrong answers to each part that runs
Planted = tuple[str, str, str | bytes]
Expected = Callable[[Row], bool]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A submission whose marks are known beforehand."""

    lab: Lab
    name: str  # what it is, in words
    files: dict[str, bytes]  # what is handed in
    only: tuple[str, ...]  # parts that it says something about
    expected: Expected


def main(
    course: Path, *, labs: Sequence[str] = (), jobs: int | None = None, sandbox: str = "none"
) -> int:
    """Exit status of ``nncourse audit``: 0 when every grader is proven."""
    chosen = [lab_of(name) for name in labs] or list(LABS.values())
    if sandbox != "none":  # what runs here is the course's own
        require(sandbox)
    seed = secrets.randbits(62)
    cases = [case for lab in chosen for case in cases_of(lab, course)]
    failures: dict[str, list[str]] = {lab.name: list(gaps(lab, course)) for lab in chosen}
    with ThreadPoolExecutor(max_workers=jobs or os.cpu_count() or 1) as pool:
        run = functools.partial(failures_of, seed=seed, sandbox=sandbox, known={})
        found = pool.map(run, cases)
        for case, problems in zip(
            cases, tqdm(found, total=len(cases), desc="audit", disable=None), strict=True
        ):
            failures[case.lab.name] += problems
    for lab in chosen:
        number = sum(case.lab is lab for case in cases)
        print(f"{lab.name}: {'NOT proven' if failures[lab.name] else 'proven'}, {number} cases")
        for problem in failures[lab.name]:
            print(f"  {problem}")
    if not any(failures.values()):
        return 0
    print(f"the inputs were drawn with seed {seed}")
    return 1


def gaps(lab: Lab, course: Path) -> Iterator[str]:
    """What is not there to prove the graders of ``lab`` with."""
    for folder in ("labs", "solutions"):
        if not (course / folder / f"{lab.name}.ipynb").is_file():
            yield f"{folder}/{lab.name}.ipynb is missing"
    counts = Counter(part for part, _, _ in planted(lab, course))
    parts: tuple[Part, ...] = (*lab.tasks, *lab.files)
    for part in parts:
        if counts[part.name] < LEAST_PLANTED:
            yield (
                f"{part.name} has {counts[part.name]} planted wrong answers in "
                f"tests/planted/{lab.name}.py; it needs {LEAST_PLANTED}"
            )
    for name in counts.keys() - {part.name for part in lab.parts}:
        yield f"tests/planted/{lab.name}.py has answers to {name}, which is no part of the lab"


def cases_of(lab: Lab, course: Path) -> Iterator[Case]:
    """Every submission that proves something about ``lab``; none where its files are missing."""
    blank, solution = (course / folder / f"{lab.name}.ipynb" for folder in ("labs", "solutions"))
    if not blank.is_file() or not solution.is_file():
        return
    notebook = f"{lab.name}.ipynb"
    functions = tuple(part.name for part in lab.parts if part not in lab.files)
    everything = tuple(part.name for part in lab.parts)
    files = {
        part.file: (course / "solutions" / part.file).read_bytes()
        for part in lab.files
        if (course / "solutions" / part.file).is_file()
    }
    text = solution.read_bytes()

    def case(name: str, content: bytes, only: tuple[str, ...], expected: Expected) -> Case:
        handed_in = {**files, notebook: content}
        return Case(lab=lab, name=name, files=handed_in, only=only, expected=expected)

    yield case("the blank lab", blank.read_bytes(), functions, _is_blank)
    yield case("the solution", text, everything, _is_full)
    for name in functions:
        for how, edit in (("emptied", without_answers), ("deleted", lambda source: "")):
            without = _edited(text, name, edit)
            yield case(
                f"the solution with {name} {how}", without, everything, _loses_only(name, how)
            )
    for part in lab.files:
        handed_in = {**{name: files[name] for name in files if name != part.file}, notebook: text}
        yield Case(
            lab=lab,
            name=f"the solution without {part.file}",
            files=handed_in,
            only=everything,
            expected=_loses_only(part.name, "deleted"),
        )
    file_of = {part.name: part.file for part in lab.files}
    for name, reason, source in planted(lab, course):
        if name not in everything:
            continue
        wrong = {file_of[name]: source} if isinstance(source, bytes) else {}
        content = _with_cell(str(source)) if isinstance(source, str) else text
        yield Case(
            lab=lab,
            name=f"{name}, planted: {reason}",
            files={notebook: content, **wrong},
            only=(name,),
            expected=_loses_marks,
        )


def failures_of(
    case: Case, *, seed: int, sandbox: str, known: dict[tuple[str, str, str], Row]
) -> list[str]:
    """Sentences about the rows of ``case`` that are not what they have to be.

    known  rows by lab, task and program; what two cases share is graded once
    """
    rows = []
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        path = Path(folder) / f"{case.lab.name}.ipynb"
        for name, content in case.files.items():
            (Path(folder) / name).write_bytes(content)
        for name in case.only:
            program = _program(path, name) if name in _tasks(case.lab) else ""
            row = known.get((case.lab.name, name, program)) if program else None
            if row is None:
                [row] = grade_notebook(
                    path, case.lab, student=SOLVER, seed=seed, only=[name], sandbox=sandbox
                )
            if program:
                known[case.lab.name, name, program] = row
            rows.append(row)
    return [
        f"{case.name}: {row.task} is {row.status}, {row.mark} of {row.max_mark} ({row.message})"
        for row in rows
        if not case.expected(row)
    ]


def _program(path: Path, name: str) -> str:
    """What would run of the notebook for the task called ``name``; empty where nothing would."""
    try:
        return find_answer(read_notebook(path), name).source
    except (MissingTask, Unreadable):
        return ""


def _tasks(lab: Lab) -> set[str]:
    return {task.name for task in lab.tasks}


def planted(lab: Lab, course: Path) -> list[Planted]:
    """(part, reason, source) of the planted wrong answers; none where the file is missing."""
    path = course / "tests" / "planted" / f"{lab.name}.py"
    spec = importlib.util.spec_from_file_location("planted", path)
    if not path.is_file() or spec is None or spec.loader is None:
        return []
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.PLANTED)


def _is_blank(row: Row) -> bool:
    return (row.status, row.mark) == ("graded", 0.0)


def _is_full(row: Row) -> bool:
    return row.mark == row.max_mark


def _loses_marks(row: Row) -> bool:
    return row.status == "graded" and row.mark is not None and row.mark < row.max_mark


def _loses_only(name: str, how: str) -> Expected:
    def expected(row: Row) -> bool:
        if row.task != name:
            return _is_full(row)
        return row.status == "missing_task" if how == "deleted" else _is_blank(row)

    return expected


def _edited(notebook: bytes, name: str, edit: Callable[[str], str]) -> bytes:
    """``notebook`` with the cell that defines ``name`` passed through ``edit``."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and re.search(rf"^def {name}\(", source, re.MULTILINE):
            cell["source"] = edit(source)
    return json.dumps(content).encode()


def _with_cell(source: str) -> bytes:
    cells: Iterable[dict[str, Any]] = (
        {"cell_type": "code", "source": text} for text in ("import numpy as np", source)
    )
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4}).encode()
