"""A submitted notebook: its code cells, and the part of them that one answer needs.

Nothing of a submission runs here. Cells are parsed one by one, so that a cell with a syntax error
loses only itself; metadata is never asked, names of functions decide. What is looked at is bounded,
and so is the time that looking at it takes.
"""

from __future__ import annotations

import ast
import bisect
import builtins
import json
import symtable
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from nncourse.classroom.intake import read_regular
from nncourse.classroom.refusal import MissingTask, Unreadable

__all__ = ["Answer", "MissingTask", "Notebook", "Unreadable", "find_answer", "read_notebook"]

MAX_FILE_BYTES = 20 << 20
MAX_BRACKETS = 500_000  # of the JSON; each becomes an object many times its size
MAX_CELLS = 2_000
MAX_CHARACTERS = 300_000  # of code, in all cells
MAX_CELL_CHARACTERS = 50_000  # what the parser does is not always in proportion to them
MAX_STATEMENTS = 5_000
MAX_MAGICS = 100  # lines for IPython or the shell; each has the whole cell read once more
MAX_MAGIC_CHARACTERS = 20_000  # of a cell with such lines

_TRANSPARENT_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")
_parsing = threading.Lock()  # the filter on warnings belongs to the whole process


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
    notebook of format 4 as UTF-8 JSON, with about as much code as a lab could ask for.
    """
    raw = read_regular(path, max_bytes=MAX_FILE_BYTES)
    try:
        if raw.count(b"[") + raw.count(b"{") > MAX_BRACKETS:
            raise Unreadable("the file is damaged or no notebook; clear its outputs and save it")
        content = json.loads(raw.decode("utf-8-sig"))
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
    if len(content["cells"]) > MAX_CELLS:
        raise Unreadable(
            f"the notebook has {len(content['cells'])} cells, more than {MAX_CELLS}; hand in the "
            "lab with your answers and nothing else"
        )
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
    bindings = _bindings(statements)
    definitions = bindings.get(function, [])
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
            waiting += _binding(bindings, name, before=index)
        for name in statement.reads_later:
            waiting += _binding(bindings, name, before=len(statements))
    source = "".join(statements[index].source + "\n" for index in sorted(chosen))
    notes = [f"{function} is defined {len(definitions)} times, the last one counts"]
    return Answer(
        source=source,
        imports=frozenset(_imports(source)),
        note="; ".join(notes[: len(definitions) > 1] + [faults][: bool(faults)]),
    )


def _bindings(statements: tuple[Statement, ...]) -> dict[str, list[int]]:
    """Indices of the statements that bind each name, in their order."""
    found: dict[str, list[int]] = {}
    for i, statement in enumerate(statements):
        for name in statement.binds:
            found.setdefault(name, []).append(i)
    return found


def _binding(bindings: Mapping[str, list[int]], name: str, *, before: int) -> list[int]:
    """The statement that ``name`` is bound by there; stars may bind what nothing else does."""
    if everywhere := bindings.get(name, []):
        num_earlier = bisect.bisect_left(everywhere, before)
        return [everywhere[num_earlier - 1 if num_earlier else -1]]
    return [] if hasattr(builtins, name) else bindings.get("*", [])


def _notebook(cells: list[object]) -> Notebook:
    statements: list[Statement] = []
    faults: list[str] = []
    num_characters, num_magics = 0, 0
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source")
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if not isinstance(source, str):
            faults.append(f"cell {number} holds no readable source")
            continue
        if len(source) > MAX_CELL_CHARACTERS:
            faults.append(f"cell {number} holds more than {MAX_CELL_CHARACTERS} characters")
            continue
        num_characters += len(source)
        try:
            source, num_lines = _python(source, MAX_MAGICS - num_magics)
            num_magics += num_lines
            statements += _statements(source)
        except SyntaxError as error:
            faults.append(
                f"cell {number} cannot be parsed (line {error.lineno}: {error.msg})"[:200]
            )
        except (ValueError, RecursionError, MemoryError):
            faults.append(f"cell {number} cannot be parsed")
        if num_characters > MAX_CHARACTERS or len(statements) > MAX_STATEMENTS:
            raise Unreadable(
                f"the notebook holds more than {MAX_CHARACTERS} characters or {MAX_STATEMENTS} "
                "statements of code; hand in the lab with your answers and nothing else"
            )
    return Notebook(statements=tuple(statements), faults=tuple(faults))


def _python(cell: str, max_magics: int) -> tuple[str, int]:
    """``cell`` without the lines that are for IPython or the shell, and how many it may have."""
    source = cell.replace("\r\n", "\n").replace("\r", "\n")
    if source.lstrip().startswith(_TRANSPARENT_MAGICS):
        source = source.lstrip().partition("\n")[2]
    try:
        _parsed(source)
    except SyntaxError:
        num_magics = sum(any(sign in line for sign in "%!?") for line in source.split("\n"))
        if num_magics > max_magics or len(source) > MAX_MAGIC_CHARACTERS:
            raise
        transformed = TransformerManager().transform_cell(source)  # type: ignore[no-untyped-call]
        return str(transformed), num_magics
    return source, 0


def _parsed(source: str) -> ast.Module:
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _statements(source: str) -> list[Statement]:
    lines = [line.encode() for line in source.split("\n")]
    nodes = _parsed(source).body
    if len(nodes) > MAX_STATEMENTS:
        raise ValueError
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [statement for node in nodes if (statement := _statement(lines, node)) is not None]


def _statement(lines: list[bytes], node: ast.stmt) -> Statement | None:
    """``node`` as a statement, or None when it defines nothing that an answer could need."""
    assert node.end_lineno is not None
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        text = b"\n".join(lines[first - 1 : node.end_lineno]).decode()
    elif isinstance(
        node,
        ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.If | ast.Try,
    ):
        own = lines[node.lineno - 1 : node.end_lineno]
        own[-1] = own[-1][: node.end_col_offset]
        own[0] = own[0][node.col_offset :]
        text = b"\n".join(own).decode()
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
    for node in ast.walk(_parsed(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
