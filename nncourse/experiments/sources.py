"""The code that a recorded table depends on, and one hash over what it does.

A table is stale when a rule that produced it changed, not when a sentence about the rule did.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import nncourse
from nncourse.meaning import meaning

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
        "meaning",
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
    found = {name: digest(name, package=package) for name in sources(module, package=package)}
    for name in inputs:
        path = package / name
        if not path.is_file():
            raise ValueError(f"inputs names {name!r}, and the package holds no such file")
        found[name] = _sha256(path.read_bytes())
    return found


def digest(module: str, *, package: Path = PACKAGE) -> str:
    """SHA-256 of what one module does, without those it imports: 64 hexadecimal digits.

    module   full name
    package  folder of the outermost package
    """
    path = _file(module, package)
    if path is None:
        raise ValueError(f"module {module!r} has no file in the package {package.name!r}")
    return _sha256(meaning(path.read_text(encoding="utf-8")).encode())


def combined(parts: dict[str, str]) -> str:
    """One SHA-256 over the names and digests that ``digests`` returned.

    >>> combined({"a": "1"}) == combined({"a": "1"}) != combined({"b": "1"})
    True
    """
    return _sha256("\n".join(f"{name} {digest}" for name, digest in sorted(parts.items())).encode())


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
