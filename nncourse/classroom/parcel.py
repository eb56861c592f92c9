"""One submission on its way to whoever grades it: bytes, so no file has to be reached from there."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nncourse.classroom.handed_in import HandedInFile
from nncourse.classroom.intake import read_regular
from nncourse.classroom.lab import Lab, Task
from nncourse.classroom.marking import Part, grade_notebook
from nncourse.classroom.rows import Row
from nncourse.classroom.submission import MAX_FILE_BYTES, MissingTask, Unreadable
from nncourse.experiments import sources
from nncourse.meaning import meaning

SHARED = ("process", "runner", "submission")


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What one student handed in for one lab, read once.

    files  contents by name, of the files that could be read
    keys   of each part to grade: equal keys, equal rows
    code   digest of the code that is to grade each part
    """

    student: str
    lab: str
    seed: int
    sandbox: str
    files: Mapping[str, bytes]
    keys: Mapping[str, str]
    code: Mapping[str, str]


def pack(folder: Path, lab: Lab, *, seed: int, sandbox: str, code: Mapping[str, str]) -> Parcel:
    """The parcel of the student's ``folder``; parts whose file cannot be read have no key in it.

    code  of each part, from :func:`code_of`
    """
    files: dict[str, bytes] = {}
    for name, max_bytes in _files_of(lab).items():
        with contextlib.suppress(MissingTask, Unreadable):
            files[name] = read_regular(folder / name, max_bytes=max_bytes)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    keys = {
        part.name: key(folder.name, lab.name, part.name, digests[name], code[part.name], seed)
        for part in lab.parts
        if (name := _file_of(part, lab)) in digests
    }
    return Parcel(
        student=folder.name,
        lab=lab.name,
        seed=seed,
        sandbox=sandbox,
        files=files,
        keys=keys,
        code=code,
    )


def _files_of(lab: Lab) -> dict[str, int]:
    """Largest size of each file of ``lab``, by name."""
    return {
        f"{lab.name}.ipynb": MAX_FILE_BYTES,
        **{part.file: part.max_bytes for part in lab.files},
    }


def _file_of(part: Part, lab: Lab) -> str:
    return part.file if isinstance(part, HandedInFile) else f"{lab.name}.ipynb"


def key(student: str, lab: str, part: str, digest: str, code: str, seed: int) -> str:
    """SHA-256 of all that a row depends on."""
    return hashlib.sha256(json.dumps([student, lab, part, digest, code, seed]).encode()).hexdigest()


def grade_parcel(parcel: Parcel, lab: Lab) -> list[Row]:
    """Rows of the parts of ``lab`` that the parcel names."""
    with tempfile.TemporaryDirectory(prefix="submission-") as name:
        folder = Path(name)
        for file, content in parcel.files.items():
            (folder / file).write_bytes(content)
        return grade_notebook(
            folder / f"{lab.name}.ipynb",
            lab,
            student=parcel.student,
            seed=parcel.seed,
            only=parcel.keys.keys(),
            public_case=True,
            sandbox=parcel.sandbox,
        )


def code_of(lab: Lab) -> dict[str, str]:
    """Digest of the code that marks each part of ``lab``: its check, and all that grading shares.

    Sentences do not count, so a typo mended in a docstring grades nobody again.
    """
    return {part.name: _digest(part, lab) for part in lab.parts}


def _digest(part: Part, lab: Lab) -> str:
    if isinstance(part, Task):
        rules = repr((part.points, part.packages, part.off_limits, lab.seconds, lab.memory_bytes))
        of_check = _module_digest(part.check)
    elif isinstance(part, HandedInFile):
        rules = repr((part.points, part.file, part.max_bytes, part.max_values))
        of_check = _module_digest(part.check) + _package_digest("nncourse.classroom.nnc_reader")
    else:
        rules = repr((part.points, part.text, part.unit, sorted(part.units.items()), part.rtol))
        of_check = _module_digest(part.answer)
    return hashlib.sha256("\n".join([rules, of_check, _marking_digest()]).encode()).hexdigest()


@functools.cache  # also because reading a source is not safe from several threads at once
def _module_digest(function: object) -> str:
    module = getattr(function, "__module__", "")
    if module.partition(".")[0] == __name__.partition(".")[0]:
        return _package_digest(module)
    text = inspect.getsource(inspect.getmodule(function) or function)  # type: ignore[arg-type]
    return hashlib.sha256(meaning(text).encode()).hexdigest()


@functools.cache
def _marking_digest() -> str:
    """Of the code that all checks share; the runner is started and never imported.

    The marking itself counts without what it imports: for one kind of part that is every codec.
    """
    shared = (_package_digest(f"nncourse.classroom.{module}") for module in SHARED)
    return " ".join([sources.digest("nncourse.classroom.marking"), *shared])


@functools.cache
def _package_digest(module: str) -> str:
    return sources.combined(sources.digests(module))
