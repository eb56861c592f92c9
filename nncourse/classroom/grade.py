"""Marks of a folder of submissions, as a table with one row for each student, lab and task.

A status is not a mark: what could not be graded keeps its mark empty, and says why.
"""

from __future__ import annotations

import csv
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, fields
from pathlib import Path

from tqdm import tqdm

from nncourse.classroom.judge import CheckFault, Interruption, Judgement, judge
from nncourse.classroom.lab import Lab, Task, is_off_limits
from nncourse.classroom.labs import LABS
from nncourse.classroom.process import student_process
from nncourse.classroom.submission import (
    Answer,
    MissingTask,
    Notebook,
    Unreadable,
    find_answer,
    read_notebook,
)

STATUSES = (
    "graded",
    "timeout",
    "crashed",
    "out_of_memory",
    "unreadable",
    "missing_task",
    "grader_fault",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One task of one student."""

    student: str
    lab: str
    task: str
    status: str
    mark: float | None  # None unless graded
    max_mark: float
    message: str  # one line

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, got {self.status!r}.")
        if (self.mark is not None) != (self.status == "graded"):
            raise ValueError(
                f"mark is given exactly when the status is graded, got {self.mark} with "
                f"{self.status}."
            )


def grade(
    submissions: Path, out: Path, *, seed: int | None = None, jobs: int | None = None
) -> list[Row]:
    """Rows of every student's tasks, sorted by student and lab; also written to ``out`` as CSV.

    submissions  folder with ``<student>/<lab>.ipynb``; names that start with a dot are passed over
    out          the CSV file, replaced in one step when all is graded
    seed         secret seed of the checks' inputs; drawn and printed when None
    jobs         submissions graded at a time; the number of processor cores when None

    A lab counts as set as soon as one student handed it in; a student without its file gets
    ``missing_task`` for each of its tasks.
    """
    if seed is not None and seed < 0:
        raise ValueError(f"seed is not negative, got {seed}. Use the one that grading printed.")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs is at least 1, got {jobs}. Leave it out for one per core.")
    handed_in = _handed_in(submissions)
    drawn = secrets.randbits(62) if seed is None else seed
    rows: list[Row] = []
    with (
        ThreadPoolExecutor(max_workers=jobs or os.cpu_count() or 1) as pool,
        tqdm(total=len(handed_in), desc="grading", unit="notebook", disable=None) as bar,
    ):
        running = [
            pool.submit(grade_notebook, path, lab, student=path.parent.name, seed=drawn)
            for path, lab in handed_in
        ]
        try:
            for done in as_completed(running):
                rows += done.result()
                bar.update()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    order = {(lab.name, task.name): i for lab in LABS.values() for i, task in enumerate(lab.tasks)}
    rows.sort(key=lambda row: (row.student, row.lab, order[row.lab, row.task]))
    write_rows(rows, out)
    if seed is None:
        print(f"graded with seed {drawn}; to grade again with the same inputs: --seed {drawn}")
    return rows


def grade_notebook(path: Path, lab: Lab, *, student: str, seed: int) -> list[Row]:
    """Rows of the notebook at ``path``, one for each task of ``lab``."""
    try:
        if not os.path.lexists(path):
            raise MissingTask(_missing_file(path))
        notebook = read_notebook(path)
    except Unreadable as error:
        return [_row(student, lab, task, "unreadable", str(error)) for task in lab.tasks]
    except MissingTask as error:
        return [_row(student, lab, task, "missing_task", str(error)) for task in lab.tasks]
    except Exception as error:
        return [_row(student, lab, task, "grader_fault", _fault(error)) for task in lab.tasks]
    return [grade_task(notebook, task, lab, student=student, seed=seed) for task in lab.tasks]


def grade_task(
    notebook: Notebook,
    task: Task,
    lab: Lab,
    *,
    student: str,
    seed: int,
    explain: Callable[[Judgement], str] = lambda found: "",
) -> Row:
    """Row of one task, whose function runs in a process of its own.

    explain  more words for the message; inputs of a secret seed do not belong in it
    """
    try:
        answer = find_answer(notebook, task.name)
        if forbidden := sorted(name for name in answer.imports if is_off_limits(name, task)):
            return _row(
                student, lab, task, "graded", f"uses {forbidden[0]}, which is off limits", mark=0.0
            )
        with student_process(answer.source, task, lab) as function:
            found = judge(task.name, task.check, function, seed=seed)
    except MissingTask as error:
        return _row(student, lab, task, "missing_task", str(error))
    except Interruption as error:
        return _row(student, lab, task, error.status, error.message)
    except CheckFault as error:
        return _row(student, lab, task, "grader_fault", str(error))
    except Exception as error:
        return _row(student, lab, task, "grader_fault", _fault(error))
    mark = round(task.points * found.fraction, 4)
    return _row(student, lab, task, "graded", _sentence(found, answer, explain(found)), mark=mark)


def write_rows(rows: Iterable[Row], out: Path) -> None:
    """Write ``rows`` to the CSV file ``out``, UTF-8, in one step: never half a table."""
    out = Path(out)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(field.name for field in fields(Row))
            for row in rows:
                mark = "" if row.mark is None else f"{row.mark:g}"
                known = (row.student, row.lab, row.task, row.status)
                writer.writerow([*known, mark, f"{row.max_mark:g}", row.message])
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


def _handed_in(submissions: Path) -> list[tuple[Path, Lab]]:
    """Paths of the notebooks to grade, with their labs; some may not be there."""
    if not submissions.is_dir():
        raise ValueError(
            f"submissions must be a folder with <student>/<lab>.ipynb, got {submissions}."
        )
    students = sorted(
        folder
        for folder in submissions.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
    )
    set_labs = [
        lab
        for lab in LABS.values()
        if any(os.path.lexists(folder / f"{lab.name}.ipynb") for folder in students)
    ]
    if not set_labs:
        raise ValueError(
            f"submissions holds no notebook of a lab: {submissions} has {len(students)} students' "
            f"folders, and none holds one of {', '.join(f'{name}.ipynb' for name in LABS)}."
        )
    for folder in students:
        for stray in sorted(folder.glob("*.ipynb")):
            if stray.stem not in LABS:
                print(f"passed over: {folder.name}/{stray.name} is no lab", file=sys.stderr)
    return [(folder / f"{lab.name}.ipynb", lab) for folder in students for lab in set_labs]


def _missing_file(path: Path) -> str:
    others = sorted(other.name for other in path.parent.glob("*.ipynb"))
    hint = f"; found {', '.join(others[:3])}: rename it if it is this lab" if others else ""
    return f"no file {path.name}{hint}"


def _row(
    student: str, lab: Lab, task: Task, status: str, message: str, *, mark: float | None = None
) -> Row:
    printable = "".join(c if c.isprintable() else " " for c in message)
    return Row(
        student=student,
        lab=lab.name,
        task=task.name,
        status=status,
        mark=mark,
        max_mark=task.points,
        message=" ".join(printable.split())[:500],
    )


def _sentence(found: Judgement, answer: Answer, explanation: str) -> str:
    """What the student reads; of secret cases the property's name and the kind of error only."""
    parts = [f"{found.num_passed} of {len(found.properties)} properties hold"]
    if found.not_answered:
        parts = ["not answered"]
    elif found.first_failure is not None:
        parts.append(f"missed first: a right answer {found.first_failure.property}")
        if raised := re.match(r"raised (\w{1,60}):", found.first_failure.got):
            parts.append(f"it raised {raised[1]}")
        elif found.first_failure.got.startswith("returned "):
            parts.append(f"it {found.first_failure.got}")
        if not found.properties[0][1]:
            parts.append("this is the core of the task, so the mark is 0")
    return "; ".join([*parts, *(part for part in (explanation, answer.note) if part)])


def _fault(error: BaseException) -> str:
    return f"the grader failed ({type(error).__name__}: {error}); grade this one again"
