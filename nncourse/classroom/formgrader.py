"""A course folder for nbgrader's formgrader, so that a person reads and marks in the browser.

Each submission is laid into the lab's own notebook: functions and words by their place, with what
grading found below each check. Nothing else of what a student handed in gets there, no output and
no metadata, so the pages hold what the course put there and text.
"""

from __future__ import annotations

import copy
import html
import json
import os
from pathlib import Path
from typing import Any

from nncourse.classroom.essays import answer_in
from nncourse.classroom.gradebook import ESSAY, grade_id, shown
from nncourse.classroom.intake import read_regular
from nncourse.classroom.lab import Lab
from nncourse.classroom.labs import LABS
from nncourse.classroom.rows import Row, read_rows
from nncourse.classroom.submission import (
    MAX_FILE_BYTES,
    MissingTask,
    Notebook,
    Unreadable,
    find_answer,
    read_notebook,
)

CONFIG = """\
c = get_config()
c.CourseDirectory.root = {root!r}
c.CourseDirectory.db_url = {db!r}
"""


def lay_out(submissions: Path, grades: Path, labs: Path, db: str, out: Path) -> str:
    """Fill the course folder ``out`` for the gradebook ``db``; a sentence about it.

    submissions  what was graded
    grades       its table of marks
    labs         the notebooks that were given out
    """
    rows = read_rows(grades)
    out = Path(out).resolve()
    number = 0
    for name in sorted({row.lab for row in rows}):
        template = json.loads((Path(labs) / f"{name}.ipynb").read_text(encoding="utf-8"))
        _write(out / "source" / name / f"{name}.ipynb", template)
        _write(out / "release" / name / f"{name}.ipynb", template)
        for student in sorted({row.student for row in rows if row.lab == name}):
            own = {row.task: row for row in rows if (row.lab, row.student) == (name, student)}
            path = Path(submissions) / student / f"{name}.ipynb"
            try:
                content = read_regular(path, max_bytes=MAX_FILE_BYTES)
            except (MissingTask, Unreadable):
                continue
            filled = laid_in(template, LABS[name], path, content, own)
            for step in ("submitted", "autograded"):
                _write(out / step / student / name / f"{name}.ipynb", filled)
            number += 1
    config = out / "nbgrader_config.py"
    config.write_text(CONFIG.format(root=str(out), db=db), encoding="utf-8")
    config.chmod(0o600)  # the address may hold a password
    return f"{number} submissions in {out}, for the gradebook {shown(db)}"


def laid_in(template: Any, lab: Lab, path: Path, content: bytes, rows: dict[str, Row]) -> Any:
    """The notebook ``template`` of a lab with the answers of the submission at ``path``."""
    notebook = copy.deepcopy(template)
    try:
        read: Notebook | None = read_notebook(path)
    except (MissingTask, Unreadable):
        read = None
    checks = {grade_id(part): part.name for part in lab.parts}
    names = set(checks.values())
    for cell in notebook["cells"]:
        marked = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if marked == ESSAY:
            cell["source"] = harmless(answer_in(content)) or "(not answered)"
        elif marked in names:
            cell["source"] = _function(read, marked)
        elif marked in checks and (row := rows.get(checks[marked])):
            mark = "no mark" if row.mark is None else f"{row.mark:g} of {row.max_mark:g}"
            text = f"{row.status}, {mark}: {row.message}\n"
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
    return notebook


def harmless(text: str) -> str:
    """Markdown without HTML and links: formgrader shows both as they are, in the grader's session.

    >>> harmless("a <script>b</script> [c](javascript:d)")
    'a &lt;script&gt;b&lt;/script&gt; &#91;c](javascript:d)'
    """
    return html.escape(text, quote=False).replace("[", "&#91;")


def _function(notebook: Notebook | None, name: str) -> str:
    if notebook is None:
        return "# the notebook cannot be read"
    try:
        return find_answer(notebook, name).source
    except MissingTask as error:
        return f"# {error}"


def _write(path: Path, notebook: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(notebook, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(partial, path)
