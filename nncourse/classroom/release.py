"""The student's copy of a lab, derived from its solution.

A solution holds its answers between ``### BEGIN SOLUTION`` and ``### END SOLUTION``; cells tagged
``solution-only`` explain them. A lab is what remains.
"""

from __future__ import annotations

import copy
import os
import symtable
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = 'raise NotImplementedError("your code here")'
ONLY_IN_SOLUTION = "solution-only"
MAY_RAISE = "raises-exception"  # the tag that nbval, nbclient and jupyter-book know


def release(notebook: NotebookNode) -> NotebookNode:
    """The lab of the solution ``notebook``, which stays as it is.

    Answers become ``raise NotImplementedError``, cells tagged ``solution-only`` go, outputs and
    execution counts go, and code cells that use an unanswered function, or a value that came from
    one, are tagged ``raises-exception``, so that a run of the blank lab passes over them.

    Raises ``ValueError`` for markers that do not pair up and for a notebook without answers.
    """
    lab = copy.deepcopy(notebook)
    lab.cells = [cell for cell in lab.cells if ONLY_IN_SOLUTION not in _tags(cell)]
    lab.metadata = {"kernelspec": lab.metadata["kernelspec"], "language_info": {"name": "python"}}
    unanswered: set[str] = set()
    for cell in lab.cells:
        blanked = without_answers(cell.source)
        if cell.cell_type != "code":
            if blanked != cell.source:
                raise ValueError(f"cell {cell.id} is prose: tag prose answers {ONLY_IN_SOLUTION}.")
            continue
        cell.outputs, cell.execution_count = [], None
        binds, reads = _names(cell.source)
        if blanked != cell.source:
            unanswered |= binds
        elif unanswered & reads:
            unanswered |= binds
            cell.metadata["tags"] = sorted({*_tags(cell), MAY_RAISE})
        cell.source = blanked
    if not unanswered:
        raise ValueError(f"notebook holds no answer: put one between {BEGIN} and {END}.")
    return lab


def without_answers(source: str) -> str:
    """``source`` of a cell, every answer replaced by a line that raises, at the same indentation.

    >>> print(without_answers("def half(x):\\n    ### BEGIN SOLUTION\\n    return x / 2\\n    ### END SOLUTION"))
    def half(x):
        raise NotImplementedError("your code here")
    """
    kept: list[str] = []
    inside = False
    for number, line in enumerate(source.split("\n"), start=1):
        begins, ends = line.strip() == BEGIN, line.strip() == END
        if not (begins or ends) and ("BEGIN SOLUTION" in line or "END SOLUTION" in line):
            raise ValueError(
                f"line {number} is {line.strip()!r}: a marker stands alone on its line."
            )
        if (begins and inside) or (ends and not inside):
            raise ValueError(f"line {number} is {line.strip()!r}: the markers do not pair up.")
        if begins:
            kept.append(line.replace(BEGIN, STUB))
        elif not ends and not inside:
            kept.append(line)
        inside = (inside or begins) and not ends
    if inside:
        raise ValueError(f"an answer begins and never ends: add {END}.")
    return "\n".join(kept)


def release_all(solutions: Path, labs: Path) -> list[Path]:
    """Paths of the labs written to folder ``labs``, one for each notebook in ``solutions``.

    A lab keeps its solution's file name; equal solutions give equal bytes.
    """
    paths = sorted(Path(solutions).glob("*.ipynb"))
    if not paths:
        raise ValueError(f"solutions holds no notebook: {solutions}. Name the folder of solutions.")
    Path(labs).mkdir(parents=True, exist_ok=True)
    written = []
    for path in paths:
        try:
            text = released_text(path)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from None
        target = Path(labs) / path.name
        partial = target.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, target)
        written.append(target)
    return written


def released_text(solution: Path) -> str:
    """Text of the lab file that belongs to the file ``solution``."""
    notebook = nbformat.read(solution, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    lab = release(notebook)
    nbformat.validate(lab)
    text = str(nbformat.writes(lab))  # type: ignore[no-untyped-call]
    return text.rstrip("\n") + "\n"


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _names(source: str) -> tuple[set[str], set[str]]:
    """Names that a cell binds and names that it reads, at any depth."""
    table = symtable.symtable(source, "cell", "exec")
    symbols = table.get_symbols()
    binds = {s.get_name() for s in symbols if s.is_assigned() or s.is_namespace()}
    return binds, {s.get_name() for s in symbols if s.is_referenced()} | _inner(table)


def _inner(table: Any) -> set[str]:
    return {
        name
        for child in table.get_children()
        for name in {s.get_name() for s in child.get_symbols() if s.is_global()} | _inner(child)
    }
