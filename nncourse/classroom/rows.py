"""The rows of a table of marks: one for each student, lab and task.

A status is not a mark. What could not be graded keeps its mark empty and says what to do about it,
so that a fault of the grader is never a zero.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

COLUMNS = ("student", "lab", "task", "status", "mark", "max_mark", "message")
MAX_MESSAGE_CHARACTERS = 500

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "graded": "Fix what the message names, run the check in the notebook, and hand it in again.",
        "timeout": "Run the cell on small inputs and look for a loop that does not end.",
        "crashed": "Remove what ends the program or its connections (exit, kill, open files).",
        "out_of_memory": "Look for an array that grows with the square of the input.",
        "unreadable": "Save the file again in JupyterLab, open it once more, and hand that in.",
        "missing_task": "Put the function back under the name that the lab gives, and hand it in.",
        "grader_fault": "Nothing to do: the instructor grades this one again.",
    }
)
STATUSES = tuple(ADVICE)


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
    score: float | None = None  # what an open-ended task counts; not in the table
    public_case: str = ""  # the smallest failing public case, for the student; not in the table

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, got {self.status!r}.")
        if (self.mark is not None) != (self.status == "graded"):
            raise ValueError(
                f"mark is given exactly when the status is graded, got {self.mark} with "
                f"{self.status}."
            )


def one_line(message: str) -> str:
    """``message`` as one printable line of bounded length.

    >>> one_line("two\\nlines \\x1b[31m")
    'two lines [31m'
    """
    printable = "".join(c if c.isprintable() else " " for c in message)
    return " ".join(printable.split())[:MAX_MESSAGE_CHARACTERS]


def write_rows(rows: Iterable[Row], out: Path) -> None:
    """Write ``rows`` to the CSV file ``out``, UTF-8, in one step: never half a table."""
    out = Path(out)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in rows:
                mark = "" if row.mark is None else f"{row.mark:g}"
                known = (row.student, row.lab, row.task, row.status)
                writer.writerow([*known, mark, f"{row.max_mark:g}", row.message])
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


def read_rows(path: Path) -> list[Row]:
    """The rows that :func:`write_rows` wrote to ``path``."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(
                f"{path} has the columns {reader.fieldnames}, not those of a table of marks "
                f"({', '.join(COLUMNS)}). Name the file that nncourse grade wrote."
            )
        return [
            Row(
                student=line["student"],
                lab=line["lab"],
                task=line["task"],
                status=line["status"],
                message=line["message"],
                mark=float(line["mark"]) if line["mark"] else None,
                max_mark=float(line["max_mark"]),
            )
            for line in reader
        ]
