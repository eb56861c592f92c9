"""The bundle that students get, and the proof that nothing in it gives an answer away."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nncourse.classroom.release import BEGIN, END, ONLY_IN_SOLUTION, released_text

SHORTEST_TELLING_LINE = 13  # shorter lines, such as ``return codes``, stand in questions as well
_ALLOWED_METADATA = {"nbgrader", "tags"}
_SEED = re.compile(
    r"(?<![\w.])\d{15,}(?![\w.])"
)  # a secret seed has up to 19 digits, none fewer than 15
_WHEN = (1980, 1, 1, 0, 0, 0)  # in the archive, so that equal labs give equal bytes

README = """\
The labs of the course on neural-network compression.

Install the course (pip install nncourse jupyterlab), start `jupyter lab` in this folder, and open a
notebook. Every task has a check below it; `nncourse check LAB.ipynb` runs all checks of a notebook.
Hand in the notebook under its own name.
"""


def proved(solutions: Path, labs: Path) -> str:
    """A sentence that says what was proven; ``ValueError`` names the first thing that leaks.

    Each notebook in ``labs`` is the release of its solution, byte for byte, holds no line of an
    answer or of an explanation, no output, no count of a run and no number that could be a secret
    seed. There is no other notebook and no file of another kind.
    """
    names = sorted(path.name for path in Path(solutions).glob("*.ipynb"))
    others = sorted(
        path.name
        for path in Path(labs).iterdir()
        if path.name not in names and not path.name.startswith(".")
    )
    if others:
        raise ValueError(f"{labs} holds {', '.join(others)}, which no solution stands for")
    for name in names:
        text = (Path(labs) / name).read_text(encoding="utf-8")
        if text != released_text(Path(solutions) / name):
            raise ValueError(f"{name} is not the release of its solution; run nncourse release")
        solution = json.loads((Path(solutions) / name).read_text(encoding="utf-8"))
        for problem in leaks(json.loads(text), solution):
            raise ValueError(f"{name} must not be given out: {problem}")
    return (
        f"{len(names)} notebooks, proven free of answers, explanations, outputs, hidden seeds and "
        "foreign files"
    )


def leaks(lab: Any, solution: Any) -> Iterator[str]:
    """Sentences about what ``lab`` gives away; both are notebooks as JSON."""
    public: set[str] = set()
    secret: dict[str, str] = {}
    for cell in solution["cells"]:
        source = "".join(cell["source"])
        if ONLY_IN_SOLUTION in cell["metadata"].get("tags", []):
            secret.update(dict.fromkeys(_lines(source), cell["id"]))
            continue
        outside = re.sub(rf"{BEGIN}\n.*?{END}", "", source, flags=re.DOTALL)
        public.update(_lines(outside))
        secret.update(dict.fromkeys(set(_lines(source)) - set(_lines(outside)), cell["id"]))
    for cell in lab["cells"]:
        source = "".join(cell["source"])
        if "SOLUTION" in source or ONLY_IN_SOLUTION in cell["metadata"].get("tags", []):
            yield f"cell {cell['id']} still has a mark of a solution"
        for line in _lines(source):
            if line in secret and line not in public:
                yield f"cell {cell['id']} holds a line of the answer in {secret[line]}: {line[:60]}"
        if cell.get("outputs") or cell.get("execution_count"):
            yield f"cell {cell['id']} has outputs"
        if _is_essay(cell) and source.strip() != "YOUR ANSWER HERE":
            yield f"cell {cell['id']}, for the answer in words, is not blank"
        if odd := cell["metadata"].keys() - _ALLOWED_METADATA:
            yield f"cell {cell['id']} carries {', '.join(sorted(odd))}"
        if number := _SEED.search(source):
            yield f"cell {cell['id']} holds {number[0]}, which could be a secret seed"


def write_zip(labs: Path, out: Path) -> str:
    """Write the notebooks of ``labs`` and a README to the archive ``out``; a sentence about it.

    Equal labs give equal bytes.
    """
    paths = sorted(Path(labs).glob("*.ipynb"))
    partial = Path(out).with_name(f".{Path(out).name}.{os.getpid()}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        contents = {"README.txt": README.encode()} | {
            path.name: path.read_bytes() for path in paths
        }
        for name, content in contents.items():
            entry = zipfile.ZipInfo(f"labs/{name}", date_time=_WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    os.replace(partial, out)
    return f"{out}: {len(paths)} notebooks, {Path(out).stat().st_size} bytes"


def _is_essay(cell: Any) -> bool:
    graded = cell["metadata"].get("nbgrader", {}).get("grade", False)
    return cell["cell_type"] == "markdown" and bool(graded)


def _lines(source: str) -> list[str]:
    lines = (line.strip() for line in source.split("\n"))
    return [line for line in lines if len(line) >= SHORTEST_TELLING_LINE]
