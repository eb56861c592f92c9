"""Answers in words: laid out for a person beside a rubric and three sample answers.

``nncourse essays SUBMISSIONS`` writes a page for each lab and one table, ``marks.csv``, to fill in;
``nncourse essays --marks marks.csv`` enters it in the gradebook. Marks that stand in the table are
kept when it is written again.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nncourse.classroom import gradebook
from nncourse.classroom.gradebook import ESSAY
from nncourse.classroom.intake import read_regular
from nncourse.classroom.lab import Lab
from nncourse.classroom.labs import LABS
from nncourse.classroom.pages import write_page
from nncourse.classroom.submission import MAX_FILE_BYTES, MissingTask, Unreadable

BLANK = "YOUR ANSWER HERE"
MOST_CHARACTERS = 20_000
COLUMNS = ("student", "lab", "mark", "comment")


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """How the answer in words of a lab is marked.

    question  as it stands in the lab
    points    of the whole answer
    criteria  points and text of each
    samples   mark, text and reason of three answers, the best one first
    """

    question: str
    points: float
    criteria: tuple[dict[str, Any], ...]
    samples: tuple[dict[str, Any], ...]


def rubric_of(lab: Lab, course: Path) -> Rubric:
    """The rubric of ``lab``: ``solutions/rubrics/<lab>.toml`` with the answer of the solution."""
    solutions = Path(course) / "solutions"
    path = solutions / "rubrics" / f"{lab.name}.toml"
    if not path.is_file():
        raise ValueError(f"no rubric at {path}. Name the folder of the course: --course DIR.")
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    cells = json.loads((solutions / f"{lab.name}.ipynb").read_text(encoding="utf-8"))["cells"]
    place = next(i for i, cell in enumerate(cells) if _is_answer(cell))
    best = {
        "mark": lab.essay_points,
        "text": "".join(cells[place + 1]["source"]),
        "why": "The answer of the solution: it meets every criterion.",
    }
    rubric = Rubric(
        question="".join(cells[place - 1]["source"]),
        points=lab.essay_points,
        criteria=tuple(content["criteria"]),
        samples=(best, *content["samples"]),
    )
    total = sum(criterion["points"] for criterion in rubric.criteria)
    if total != lab.essay_points:
        raise ValueError(f"{path} gives {total} points, and the lab {lab.essay_points}")
    return rubric


def answer_in(content: bytes) -> str:
    """The answer in words of the notebook in ``content``; empty when it is blank or not there."""
    try:
        cells = json.loads(content.decode("utf-8-sig"))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if _is_answer(cell)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ""
    text = texts[-1][:MOST_CHARACTERS].strip() if texts else ""
    return "" if text == BLANK else text


def lay_out(submissions: Path, course: Path, out: Path) -> list[Path]:
    """Paths of the pages and the table written to folder ``out``.

    Students come in an order that differs from lab to lab, so that nobody is always read last.
    """
    if not Path(submissions).is_dir():
        raise ValueError(
            f"submissions must be a folder with <student>/<lab>.ipynb, got {submissions}."
        )
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    marks = _marks(out / "marks.csv")
    lines, paths = [], []
    for lab in (lab for lab in LABS.values() if lab.essay_points):
        texts = _texts(Path(submissions), lab)
        if not texts:
            continue
        same = defaultdict(list)
        for student, text in texts.items():
            same[text].append(student)
        answers = [
            {"student": s, "text": t, "twins": [o for o in same[t] if o != s] if t else []}
            for s, t in texts.items()
        ]
        rubric = rubric_of(lab, course)
        paths.append(
            write_page(
                out / f"{lab.name}.html",
                "essays.html",
                lab=lab.name,
                question=rubric.question,
                rubric=rubric,
                answers=answers,
            )
        )
        for student, text in texts.items():
            blank = ("", "") if text else ("0", "not answered")
            lines.append((student, lab.name, *marks.get((student, lab.name), blank)))
    partial = out / f".marks.csv.{os.getpid()}.partial"
    with partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])
    os.replace(partial, out / "marks.csv")
    return [*paths, out / "marks.csv"]


def enter(marks: Path, db: str) -> str:
    """Enter the marks of a filled table in the gradebook ``db``; a sentence about it."""
    if not Path(marks).is_file():
        raise ValueError(f"no table at {marks}. Lay it out first: nncourse essays SUBMISSIONS")
    entries, waiting = [], 0
    for (student, lab), (mark, comment) in _marks(Path(marks)).items():
        if lab not in LABS:
            raise ValueError(f"{marks} names the lab {lab!r}, which the course has not")
        if not mark:
            waiting += 1
            continue
        try:
            entries.append((student, lab, ESSAY, float(mark), comment))
        except ValueError:
            raise ValueError(
                f"{marks}: the mark of {student} is {mark!r}; write a number"
            ) from None
    number = gradebook.enter_manual(db, entries)
    return f"{number} marks entered in {gradebook.shown(db)}, {waiting} still empty"


def _marks(path: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """Mark and comment, as text, by student and lab; empty where there is no table yet."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise ValueError(f"{path} has not the columns {', '.join(COLUMNS)}")
        return {
            (line["student"], line["lab"]): ((line["mark"] or "").strip(), line["comment"] or "")
            for line in reader
        }


def _texts(submissions: Path, lab: Lab) -> dict[str, str]:
    texts = {}
    for folder in submissions.iterdir():
        if folder.name.startswith(".") or folder.is_symlink() or not folder.is_dir():
            continue
        try:
            content = read_regular(folder / f"{lab.name}.ipynb", max_bytes=MAX_FILE_BYTES)
        except (MissingTask, Unreadable):
            continue
        texts[folder.name] = answer_in(content)
    order = {s: hashlib.sha256(f"{lab.name}:{s}".encode()).digest() for s in texts}
    return {student: texts[student] for student in sorted(texts, key=order.__getitem__)}


def _is_answer(cell: Any) -> bool:
    named = cell.get("metadata", {}).get("nbgrader", {})
    return cell["cell_type"] == "markdown" and ESSAY in (cell.get("id"), named.get("grade_id"))
