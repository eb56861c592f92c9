"""What the public checks say about one notebook: the table behind ``nncourse check``."""

from __future__ import annotations

from pathlib import Path

from nncourse.classroom.lab import PUBLIC_SEED
from nncourse.classroom.labs import lab_of
from nncourse.classroom.marking import grade_task, smallest_failure
from nncourse.classroom.rows import Row
from nncourse.classroom.submission import read_notebook


def main(notebook: Path) -> int:
    """Exit status of ``nncourse check NOTEBOOK``: 0 when every task earns all its points."""
    rows = check(notebook)
    print(table(rows))
    return 0 if all(row.mark == row.max_mark for row in rows) else 1


def check(notebook: Path) -> list[Row]:
    """Rows of the notebook's tasks with the public seed, each function in a process of its own.

    The file's name says which lab it is. Raises ``ValueError`` for a file that is no notebook.
    """
    path = Path(notebook)
    lab = lab_of(path.stem)
    content = read_notebook(path)
    return [
        grade_task(
            content,
            task,
            lab,
            student="",
            seed=PUBLIC_SEED,
            explain=smallest_failure,
            sandbox="none",  # the student's own code on the student's own machine
        )
        for task in lab.tasks
    ]


def table(rows: list[Row]) -> str:
    """``rows`` as lines of text: task, mark, status, message."""
    width = max(len(row.task) for row in rows)
    lines = []
    for row in rows:
        mark = "  -" if row.mark is None else f"{row.mark:3g}"
        lines.append(f"{row.task:{width}}  {mark} of {row.max_mark:g}  {row.status}: {row.message}")
    earned = sum(row.mark or 0 for row in rows)
    lines.append(f"{'in all':{width}}  {earned:3g} of {sum(row.max_mark for row in rows):g}")
    return "\n".join(lines)
