"""Feedback: one page for each student, with a sentence to act on for every part.

Of a secret case the page names the property only; what it shows in numbers is the smallest failing
case of the lab, which the student can run.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import Any

from nncourse.classroom.gradebook import ESSAY, Result, results
from nncourse.classroom.journal import noted
from nncourse.classroom.leaderboard import pseudonym
from nncourse.classroom.pages import write_page
from nncourse.classroom.rows import ADVICE, Row, read_rows


def write(
    grades: Path, out: Path, *, journal: Path | None = None, db: str | None = None
) -> list[Path]:
    """Paths of the pages written to folder ``out``, one for each student in the table ``grades``.

    journal  what grading noted beside the table; its name with ``.journal`` when None
    db       address of the gradebook, whose marks and comments of a person are shown
    """
    rows = read_rows(grades)
    latest, seed = noted(grades, journal)
    by_hand = {
        (result.student, result.lab, result.name): result for result in (results(db) if db else ())
    }
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for student, own in groupby(sorted(rows, key=lambda row: row.student), lambda row: row.student):
        labs = [
            _lab(name, list(parts), latest, by_hand)
            for name, parts in groupby(own, lambda row: row.lab)
        ]
        paths.append(
            write_page(
                out / f"{_file_name(student)}.html",
                "feedback.html",
                student=student,
                pseudonym="" if seed is None else pseudonym(student, seed),
                labs=labs,
            )
        )
    return paths


def _lab(
    name: str,
    rows: list[Row],
    latest: dict[tuple[str, str, str], Row],
    by_hand: dict[tuple[str, str, str], Result],
) -> dict[str, Any]:
    parts = []
    for row in rows:
        key = (row.student, row.lab, row.task)
        parts.append(_part(row, latest.get(key, row), by_hand.get(key)))
    if essay := by_hand.get((rows[0].student, name, ESSAY)):
        parts.append(_essay(essay))
    known = [part for part in parts if part["mark"] is not None]
    total = sum(part["mark"] for part in known)
    most = sum(part["max_mark"] for part in parts)
    num_open = len(parts) - len(known)
    waiting = f"; {num_open} without a mark yet" if num_open else ""
    return {"name": name, "parts": parts, "sum": f"{total:g} of {most:g} points{waiting}"}


def _part(row: Row, kept: Row, result: Result | None) -> dict[str, Any]:
    by_person = result is not None and result.manual is not None
    mark = result.mark if result is not None and by_person else row.mark
    is_full = mark is not None and mark >= row.max_mark
    return {
        "name": row.task,
        "status": row.status,
        "mark": mark,
        "max_mark": row.max_mark,
        "message": row.message,
        "public_case": "" if is_full else kept.public_case,
        "comment": result.comment if result is not None and by_person else "",
        "advice": "" if is_full else ADVICE[row.status],
    }


def _essay(result: Result) -> dict[str, Any]:
    return {
        "name": "answer in words",
        "status": "needs a person",
        "mark": result.mark,
        "max_mark": result.max_mark,
        "message": "",
        "public_case": "",
        "comment": result.comment,
        "advice": "" if result.mark is not None else "A person reads this one.",
    }


def _file_name(student: str) -> str:
    return re.sub(r"[^\w.@-]", "_", student)
