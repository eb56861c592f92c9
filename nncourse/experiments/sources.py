"""The code that a recorded table depends on, and one hash over its meaning.

A table is stale when a rule that produced it changed, not when a sentence about the rule did. The
hash is therefore taken over the syntax trees, without what never reaches a number: comments,
formatting, docstrings and the wording of raised errors.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import nncourse

PACKAGE = Path(nncourse.__file__).parent

# These modules carry rows to the disk and back, or bytes from a server that are then checked by hash.
# No number of a table comes from them.
CARRIERS = frozenset(
    f"nncourse.{module}"
    for module in (
        "experiments",
        "experiments.experiment",
        "experiments.record",
        "experiments.sources",
        "zoo.sources",
    )
)


def sources(module: str, *, package: Path = PACKAGE) -> dict[str, Path]:
    """Module names with their files: ``module`` and all it imports from its own package.

    module   full name such as ``nncourse.experiments.q2``
    package  folder of the outermost package; another one is for tests
    returns  sorted by name

    Imports are read from the text, also those inside functions, and followed until nothing new
    turns up. Imports through a string (``importlib``) are not seen. The outermost package itself
    is left out: it holds the version number, and a new version alone makes no table stale.

    >>> "nncourse.experiments.q2" in sources("nncourse.experiments.q2")
    True
    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file(name, package)
        if path is None or name in found or name in CARRIERS or name == package.name:
            continue
        found[name] = path
        waiting += _imported(ast.parse(path.read_text(encoding="utf-8")))
    if not found:
        raise ValueError(f"module {module!r} has no file in the package {package.name!r}")
    return dict(sorted(found.items()))


def digests(module: str, *, inputs: Sequence[str] = (), package: Path = PACKAGE) -> dict[str, str]:
    """SHA-256 of every source of ``module``, and of the data files that it reads.

    module   full name of the experiment's module
    inputs   files relative to the package, hashed byte for byte (stored networks)
    package  folder of the outermost package
    returns  hexadecimal digest for each module name and each input
    """
    found = {
        name: _sha256(meaning(path.read_text(encoding="utf-8")).encode())
        for name, path in sources(module, package=package).items()
    }
    for name in inputs:
        path = package / name
        if not path.is_file():
            raise ValueError(f"inputs names {name!r}, and the package holds no such file")
        found[name] = _sha256(path.read_bytes())
    return found


def combined(parts: dict[str, str]) -> str:
    """One SHA-256 over the names and digests that ``digests`` returned.

    >>> combined({"a": "1"}) == combined({"a": "1"}) != combined({"b": "1"})
    True
    """
    return _sha256("\n".join(f"{name} {digest}" for name, digest in sorted(parts.items())).encode())


def meaning(text: str) -> str:
    """What a Python source does, as text: equal for two sources that differ in sentences only.

    text  Python source

    Fields that are empty are not written, since newer Python versions add such fields to the tree
    and the same source has to give the same text in all of them.

    >>> meaning("x = 1  # one") == meaning("x  =  1") != meaning("x = 2")
    True
    >>> meaning("def f():\\n    'First.'\\n    return 1") == meaning("def f(): return 1")
    True
    """
    return _written(_Unworded().visit(ast.parse(text)))


class _Unworded(ast.NodeTransformer):
    """Drops docstrings and the arguments of raised exceptions."""

    def visit(self, node: ast.AST) -> ast.AST:
        node = super().visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node


def _is_text(line: ast.AST) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )


def _written(node: object) -> str:
    if isinstance(node, ast.AST):
        fields = [
            f"{name}={_written(value)}"
            for name, value in ast.iter_fields(node)
            if value is not None and value != [] and name not in ("ctx", "kind")
        ]
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_written, node))}]"
    return repr(node)


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(name: str, package: Path) -> Path | None:
    first, *rest = name.split(".")
    if first != package.name:
        return None
    stem = package.joinpath(*rest)
    for path in (stem.with_name(stem.name + ".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
