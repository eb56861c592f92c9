"""A submitted notebook: its code cells, and the part of them that one answer needs.

Nothing of a submission runs here. Cells are parsed one by one, so that a cell with a syntax error
loses only itself; metadata is never asked, names of functions decide.
"""

from __future__ import annotations

import ast
import builtins
import json
import stat
import symtable
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

MAX_FILE_BYTES = 20 << 20
MAX_CELL_CHARACTERS = 200_000

_TRANSPARENT_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")
_parsing = threading.Lock()  # the filter on warnings belongs to the whole process


class Unreadable(ValueError):
    """A file is no notebook; the message is a sentence for the student."""


class MissingTask(ValueError):
    """A notebook does not define the function of a task; the message says what was looked for."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of a notebook's outermost level."""

    source: str
    binds: frozenset[str]  # names it defines; "*" for a star import
    reads_now: frozenset[str]  # names it needs while it runs
    reads_later: frozenset[str]  # names its functions need when they are called


@dataclass(frozen=True, kw_only=True)
class Notebook:
    """The statements of a notebook in its order, and the cells that could not be parsed."""

    statements: tuple[Statement, ...]
    faults: tuple[str, ...]  # sentences, one for each cell that was left out


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one task's function needs, as a program, and what to tell the student about it."""

    source: str
    imports: frozenset[str]  # modules it imports, at any depth
    note: str  # empty, or a sentence


def read_notebook(path: Path) -> Notebook:
    """Statements of the notebook at ``path``.

    Raises :class:`Unreadable` for anything but a regular file of at most 20 MB that holds a
    notebook of format 4 as UTF-8 JSON.
    """
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("this is not a regular file (a link or a folder); hand in a copy")
        if status.st_size > MAX_FILE_BYTES:
            raise Unreadable(
                f"the file has {status.st_size} bytes, more than {MAX_FILE_BYTES}; clear the "
                "outputs (Kernel, Restart and clear outputs) and save it again"
            )
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise Unreadable(f"the file cannot be opened ({type(error).__name__})") from None
    except UnicodeDecodeError:
        raise Unreadable("the file is not UTF-8 text; save it again from JupyterLab") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(
            "the file is not JSON, so it is damaged or no notebook; hand it in again"
        ) from None
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise Unreadable("the file is not a notebook of format 4; save it again from JupyterLab")
    return _notebook(content["cells"])


def find_answer(notebook: Notebook, function: str) -> Answer:
    """The last definition of ``function`` and, recursively, the definitions that it needs.

    Of a name bound several times the last binding counts, as after running all cells; a statement
    that builds on an earlier binding brings that one along. Loops and bare expressions are never
    included: an answer stands on functions, classes, imports and constants.

    Raises :class:`MissingTask` where nothing at the outermost level defines ``function``.

    >>> cells = ["import numpy as np", "train()", "def f(", "def half(x): return np.divide(x, 2)"]
    >>> notebook = _notebook([{"cell_type": "code", "source": cell} for cell in cells])
    >>> find_answer(notebook, "half").source
    'import numpy as np\\ndef half(x): return np.divide(x, 2)\\n'
    >>> notebook.faults
    ("cell 3 cannot be parsed (line 1: '(' was never closed)",)
    """
    statements = notebook.statements
    definitions = [i for i, statement in enumerate(statements) if function in statement.binds]
    faults = "; ".join(notebook.faults[:3])
    if not definitions:
        raise MissingTask(
            f"no cell defines {function}; keep the name that the lab gives"
            + (f" ({faults})" if faults else "")
        )
    chosen: set[int] = set()
    waiting = [definitions[-1]]
    while waiting:
        index = waiting.pop()
        if index in chosen:
            continue
        chosen.add(index)
        statement = statements[index]
        for name in statement.reads_now:
            waiting += _bindings(statements, name, before=index)
        for name in statement.reads_later:
            waiting += _bindings(statements, name, before=len(statements))
    source = "".join(statements[index].source + "\n" for index in sorted(chosen))
    notes = [f"{function} is defined {len(definitions)} times, the last one counts"]
    return Answer(
        source=source,
        imports=frozenset(_imports(source)),
        note="; ".join(notes[: len(definitions) > 1] + [faults][: bool(faults)]),
    )


def _bindings(statements: tuple[Statement, ...], name: str, *, before: int) -> list[int]:
    all_of_them = [i for i, statement in enumerate(statements) if name in statement.binds]
    earlier = [i for i in all_of_them if i < before]
    if found := (earlier or all_of_them)[-1:]:
        return found
    if hasattr(builtins, name):
        return []
    return [i for i, statement in enumerate(statements) if "*" in statement.binds]


def _notebook(cells: list[object]) -> Notebook:
    statements: list[Statement] = []
    faults: list[str] = []
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source")
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if not isinstance(source, str) or len(source) > MAX_CELL_CHARACTERS:
            faults.append(f"cell {number} holds no readable source")
            continue
        try:
            statements += _statements(source)
        except SyntaxError as error:
            faults.append(
                f"cell {number} cannot be parsed (line {error.lineno}: {error.msg})"[:200]
            )
        except (ValueError, RecursionError, MemoryError):
            faults.append(f"cell {number} cannot be parsed")
    return Notebook(statements=tuple(statements), faults=tuple(faults))


def _statements(cell: str) -> list[Statement]:
    if cell.lstrip().startswith(_TRANSPARENT_MAGICS):
        cell = cell.lstrip().partition("\n")[2]
    source = TransformerManager().transform_cell(cell)  # type: ignore[no-untyped-call]
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            statement
            for node in ast.parse(source).body
            if (statement := _statement(source, node)) is not None
        ]


def _statement(source: str, node: ast.stmt) -> Statement | None:
    """``node`` as a statement, or None when it defines nothing that an answer could need."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        text = "\n".join(source.split("\n")[first - 1 : node.end_lineno])
    elif isinstance(
        node,
        ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.If | ast.Try,
    ):
        text = ast.get_source_segment(source, node) or ""
    else:
        return None
    table = symtable.symtable(text, "cell", "exec")
    binds = {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }
    if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
        binds.add("*")
    reads_now = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    if isinstance(node, ast.AugAssign):
        reads_now |= binds
    reads_later = set(_global_names(table))
    if isinstance(node, ast.ClassDef):
        reads_now |= reads_later
    return Statement(
        source=text,
        binds=frozenset(binds),
        reads_now=frozenset(reads_now),
        reads_later=frozenset(reads_later),
    )


def _global_names(table: symtable.SymbolTable) -> Iterator[str]:
    for child in table.get_children():
        yield from (symbol.get_name() for symbol in child.get_symbols() if symbol.is_global())
        yield from _global_names(child)


def _imports(source: str) -> Iterator[str]:
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
