"""The gradebook: nbgrader's database, through nbgrader's own interface.

SQLite or any database that SQLAlchemy reaches by an address. A mark that a person entered, in
formgrader or from a table, is never touched: grading again changes what the program found, and asks
for another look where that differs.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nncourse.classroom.handed_in import HandedInFile
from nncourse.classroom.lab import Lab
from nncourse.classroom.labs import LABS
from nncourse.classroom.marking import Part
from nncourse.classroom.rows import Row

ESSAY = "answer"  # id of the cell in every lab that a person marks


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the gradebook knows of one part of a submission."""

    student: str
    lab: str
    name: str  # of the part; ESSAY for the answer in words
    max_mark: float
    auto: float | None  # the program's mark
    manual: float | None  # a person's, which counts instead
    extra: float  # on top, from a person
    status: str  # why there is no mark; empty where there is one
    comment: str

    @property
    def mark(self) -> float | None:
        """The mark that counts; None while there is none."""
        found = self.auto if self.manual is None else self.manual
        return None if found is None else found + self.extra


def require() -> None:
    """``ValueError`` where nbgrader is not installed."""
    if importlib.util.find_spec("nbgrader") is None:
        raise ValueError("the gradebook is nbgrader's: pip install 'nncourse[book]'")


def grade_id(part: Part) -> str:
    """Id of the cell that carries the points of ``part`` in the notebook of its lab."""
    kind = "file" if isinstance(part, HandedInFile) else "check"
    return f"{kind}-{part.name.replace('_', '-')}"


@contextlib.contextmanager
def opened(db: str) -> Iterator[Any]:
    """nbgrader's ``Gradebook`` at the address ``db``, its tables made where there are none."""
    require()
    from nbgrader.api import Gradebook
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

    # nbgrader starts alembic as a program, which lies beside this Python.
    beside = str(Path(sys.executable).parent)
    if beside not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH", "")])
    try:
        book = Gradebook(db)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, OperationalError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise ValueError(
            f"the gradebook {shown(db)} cannot be opened ({reason}). Give an address such as "
            "sqlite:///gradebook.db or postgresql+psycopg://user:password@host/course."
        ) from None
    try:
        yield book
    finally:
        book.close()


def shown(db: str) -> str:
    """The address without its password.

    >>> shown("postgresql+psycopg://ada:secret@host/course")
    'postgresql+psycopg://ada@host/course'
    """
    head, at, tail = db.rpartition("@")
    scheme, slashes, user = head.partition("://")
    return f"{scheme}{slashes}{user.partition(':')[0]}{at}{tail}" if at else db


def absolute(db: str) -> str:
    """The address with the path of an SQLite file in full, for a program in another folder.

    >>> absolute("postgresql+psycopg://host/course")
    'postgresql+psycopg://host/course'
    """
    scheme = "sqlite:///"
    return f"{scheme}{Path(db.removeprefix(scheme)).resolve()}" if db.startswith(scheme) else db


def record(rows: Iterable[Row], db: str) -> None:
    """Enter the rows of a run; running it again changes nothing."""
    ordered = sorted(rows, key=lambda row: (row.lab, row.student))
    submissions = [
        (lab, student, {row.task: row for row in own})
        for (lab, student), own in groupby(ordered, key=lambda row: (row.lab, row.student))
    ]
    with opened(db) as book:
        for name in sorted({lab for lab, _, _ in submissions}):
            _set_up(book, LABS[name])
        for student in sorted({student for _, student, _ in submissions}):
            book.update_or_create_student(student)
        for lab, student, own in tqdm(submissions, desc="gradebook", disable=None):
            _enter(book, LABS[lab], student, own)


def enter_manual(db: str, marks: Iterable[tuple[str, str, str, float, str]]) -> int:
    """Number of marks entered: (student, lab, part, mark, comment) of a person each."""
    number = 0
    with opened(db) as book:
        for student, lab, name, mark, comment in marks:
            grade, remark = _found(book, LABS[lab], student)[name]
            if not 0 <= mark <= grade.max_score:
                raise ValueError(
                    f"a mark for {name} in {lab} is 0 to {grade.max_score:g}, got {mark:g} for "
                    f"{student}."
                )
            grade.manual_score, grade.needs_manual_grade = mark, False
            remark.manual_comment = comment or None
            number += 1
        book.db.commit()
    return number


def results(db: str) -> list[Result]:
    """Everything in the gradebook about the labs of the course."""
    found = []
    with opened(db) as book:
        known = {assignment.name for assignment in book.assignments}
        for lab in (lab for name, lab in LABS.items() if name in known):
            for submission in book.assignment_submissions(lab.name):
                for name, (grade, comment) in _parts(submission, lab).items():
                    status, _, said = (comment.auto_comment or "").partition(": ")
                    has_mark = grade.auto_score is not None or grade.manual_score is not None
                    found.append(
                        Result(
                            student=submission.student.id,
                            lab=lab.name,
                            name=name,
                            max_mark=grade.max_score,
                            auto=grade.auto_score,
                            manual=grade.manual_score,
                            extra=grade.extra_credit or 0.0,
                            status="" if has_mark else (status or "needs a person"),
                            comment=comment.manual_comment or said,
                        )
                    )
    return found


def _set_up(book: Any, lab: Lab) -> None:
    """The assignment of ``lab`` with a cell for each part; submissions there get new cells too."""
    from nbgrader.api import Comment, Grade

    book.update_or_create_assignment(lab.name)
    book.update_or_create_notebook(lab.name, lab.name)
    cells = [(grade_id(part), part.name, part.points, "code") for part in lab.parts]
    if lab.essay_points:
        cells.append((ESSAY, ESSAY, lab.essay_points, "markdown"))
    for name, solution, points, kind in cells:
        grade_cell = book.update_or_create_grade_cell(
            name, lab.name, lab.name, max_score=points, cell_type=kind
        )
        solution_cell = book.update_or_create_solution_cell(solution, lab.name, lab.name)
        for submission in book.assignment_submissions(lab.name):
            notebook = submission.notebooks[0]
            if not any(grade.cell_id == grade_cell.id for grade in notebook.grades):
                book.db.add(Grade(cell_id=grade_cell.id, notebook=notebook))
                book.db.add(Comment(cell_id=solution_cell.id, notebook=notebook))
    book.db.commit()


def _enter(book: Any, lab: Lab, student: str, rows: dict[str, Row]) -> None:
    from nbgrader.api import MissingEntry

    try:
        book.find_submission(lab.name, student)
    except MissingEntry:
        if all(row.message.startswith("no file") for row in rows.values()):
            return  # nothing was handed in: nbgrader has no submission for that
        with book.db.no_autoflush:
            book.add_submission(lab.name, student)
    for name, (grade, comment) in _found(book, lab, student).items():
        row = rows.get(name)
        if row is None:  # a person marks it, or it was not graded this time
            continue
        if grade.auto_score != row.mark or row.mark is None:
            grade.needs_manual_grade = grade.manual_score is not None or row.mark is None
        elif grade.manual_score is None:
            grade.needs_manual_grade = False
        grade.auto_score = row.mark
        comment.auto_comment = f"{row.status}: {row.message}"
    book.db.commit()


def _found(book: Any, lab: Lab, student: str) -> dict[str, tuple[Any, Any]]:
    from nbgrader.api import MissingEntry

    try:
        return _parts(book.find_submission(lab.name, student), lab)
    except MissingEntry:
        raise ValueError(
            f"the gradebook has no submission of {student} for {lab.name}; grade it first"
        ) from None


def _parts(submission: Any, lab: Lab) -> dict[str, tuple[Any, Any]]:
    """nbgrader's grade and comment of each part of a submission, by the part's name."""
    notebook = submission.notebooks[0]
    grades = {grade.name: grade for grade in notebook.grades}
    comments = {comment.name: comment for comment in notebook.comments}
    ids = {part.name: grade_id(part) for part in lab.parts} | {ESSAY: ESSAY}
    return {
        name: (grades[cell], comments[name])
        for name, cell in ids.items()
        if cell in grades and name in comments
    }
