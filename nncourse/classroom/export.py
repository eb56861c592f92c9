"""Totals for a learning platform: the gradebook as the tables that Canvas and Moodle take in.

A total stands there when every part of a lab has a mark. What is open stays an empty field, which
both platforms read as "not graded" and never as zero.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from nncourse.classroom.gradebook import Result, results
from nncourse.classroom.labs import LABS

# What a student left behind without a mark. A fault of the grader is not among them.
STUDENTS_OWN = ("timeout", "crashed", "out_of_memory", "unreadable", "missing_task")

Totals = Mapping[tuple[str, str], float | None]  # by student and lab


def write(system: str, db: str, out: Path, *, open_as_zero: bool = False) -> str:
    """Write the totals of the gradebook ``db`` to ``out``; a sentence about what stays open.

    system        canvas or moodle
    open_as_zero  count as 0 what a student left without a mark
    """
    found = results(db)
    if not found:
        raise ValueError(f"the gradebook holds no submission. Grade first, with --db {db}.")
    totals = totals_of(found, open_as_zero=open_as_zero)
    table = SYSTEMS[system](totals)
    partial = Path(out).with_name(f".{Path(out).name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table)
    os.replace(partial, out)
    num_open = sum(total is None for total in totals.values())
    return f"{out}: {len(totals)} totals, of which {num_open} stay open"


def totals_of(found: list[Result], *, open_as_zero: bool) -> Totals:
    """Total of each student in each lab that was handed in; None while a part has no mark."""
    parts: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    for result in found:
        zero = 0.0 if open_as_zero and result.status in STUDENTS_OWN else None
        parts[result.student, result.lab].append(zero if result.mark is None else result.mark)
    return {
        key: None if any(mark is None for mark in marks) else round(sum(filter(None, marks)), 4)
        for key, marks in parts.items()
    }


def _canvas(totals: Totals) -> list[list[str]]:
    """Canvas, "Importing grades": five columns that identify a student, then one per assignment."""
    students, labs = _axes(totals)
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    table = [[*head, *labs], ["    Points Possible", "", "", "", "", *map(_points, labs)]]
    for student in students:
        known = [student, "", "", student, ""]
        table.append([*known, *(_field(totals, student, lab) for lab in labs)])
    return table


def _moodle(totals: Totals) -> list[list[str]]:
    """Moodle, "Import grades, CSV": users by their user name, a column for each grade item."""
    students, labs = _axes(totals)
    table = [["username", *labs]]
    for student in students:
        table.append([student, *(_field(totals, student, lab) for lab in labs)])
    return table


SYSTEMS: Mapping[str, Callable[[Totals], list[list[str]]]] = {"canvas": _canvas, "moodle": _moodle}


def _axes(totals: Totals) -> tuple[list[str], list[str]]:
    return sorted({student for student, _ in totals}), sorted({lab for _, lab in totals})


def _field(totals: Totals, student: str, lab: str) -> str:
    total = totals.get((student, lab))
    return "" if total is None else f"{total:g}"


def _points(lab: str) -> str:
    return f"{sum(part.points for part in LABS[lab].parts) + LABS[lab].essay_points:g}"
