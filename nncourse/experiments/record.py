"""A recorded table and the note beside it that says how it came about.

``book/results/CLAIM.csv`` holds the rows, ``CLAIM.json`` the command, versions, seeds, machine,
seconds and the SHA-256 of the code. The note names no person, host or folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from nncourse.experiments.sources import PACKAGE

Row = Mapping[str, Any]
PACKAGES = ("nncourse", "numpy", "scipy", "numba", "pandas", "torch")


class StaleRecordError(ValueError):
    """A recorded table that today's code, inputs or hash do not vouch for."""


def results_folder(start: Path | None = None) -> Path:
    """The folder ``book/results`` nearest above ``start``, else the one beside the package.

    start  folder to walk up from; the current one when None

    A chapter runs in its own folder below ``book``, a command at the root: both find the same one.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents, PACKAGE.parent):
        if (folder / "book" / "results").is_dir():
            return folder / "book" / "results"
    raise ValueError(
        f"no folder book/results in {start.name!r} or above it, nor beside the package: "
        "work inside the course's folder, or name one with results=..."
    )


def results(claim: str, *, folder: Path | None = None) -> pd.DataFrame:
    """The recorded rows of ``claim``, one measurement a row.

    claim   id such as ``"Q2"``
    folder  where the tables are; found by ``results_folder`` when None

    A table that is not the one its note was written for (edited by hand, or half of a pair) raises
    ``StaleRecordError``. A claim without a table raises ``ValueError`` with the command to run.
    """
    table, note = _paths(claim, folder)
    expected = provenance(claim, folder=folder)["table_sha256"]
    found = _sha256_of_text(table.read_text(encoding="utf-8"))
    if found != expected:
        raise StaleRecordError(
            f"{table.name} is not the table that {note.name} was written for: "
            f"run nncourse experiment {claim}"
        )
    return pd.read_csv(table, dtype=str, keep_default_na=False).apply(_typed)


def provenance(claim: str, *, folder: Path | None = None) -> dict[str, Any]:
    """How the recorded table of ``claim`` was made.

    claim   id such as ``"Q2"``
    folder  where the tables are; found by ``results_folder`` when None
    """
    _, note = _paths(claim, folder)
    record: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
    return record


def is_recorded(claim: str, *, folder: Path | None = None) -> bool:
    """Whether a table and its note are there for ``claim``."""
    folder = results_folder() if folder is None else folder
    return all((folder / f"{claim}{ending}").is_file() for ending in (".csv", ".json"))


def check_digests(claim: str, today: Mapping[str, str], *, folder: Path | None = None) -> None:
    """Nothing when the record of ``claim`` was made by today's sources, else ``StaleRecordError``.

    claim   id such as ``"Q2"``
    today   digest by module, from ``sources.digests``
    folder  where the tables are
    """
    results(claim, folder=folder)
    recorded = provenance(claim, folder=folder)["sources"]
    changed = sorted(
        name for name in recorded.keys() | today.keys() if recorded.get(name) != today.get(name)
    )
    if changed:
        raise StaleRecordError(
            f"the table of {claim} was recorded by other code ({', '.join(changed)} changed): "
            f"run nncourse experiment {claim}"
        )


def write(
    claim: str,
    rows: Iterable[Row],
    *,
    command: str,
    sources: Mapping[str, str],
    sources_sha256: str,
    seeds: Sequence[int],
    seconds: float,
    folder: Path,
) -> Path:
    """The path of the table, written together with its note.

    claim           id; also the stem of both file names
    rows            one mapping of column to value for each measurement
    command         what a reader types to make the table again
    sources         digest by module
    sources_sha256  the one hash over them
    seeds           those that the rows come from
    seconds         time spent measuring, over all the runs that it took
    folder          existing folder

    Each file appears whole or not at all. The note holds the table's hash, so a pair torn by a
    power cut is noticed when it is read.
    """
    table = pd.DataFrame(list(rows)).to_csv(index=False, lineterminator="\n")
    note = {
        "claim": claim,
        "command": command,
        "seeds": list(seeds),
        "seconds": round(seconds, 1),
        **machine(),
        "sources_sha256": sources_sha256,
        "sources": dict(sources),
        "table_sha256": _sha256_of_text(table),
    }
    path = folder / f"{claim}.csv"
    write_atomically(path, table)
    write_atomically(path.with_suffix(".json"), json.dumps(note, indent=2) + "\n")
    return path


def machine() -> dict[str, Any]:
    """What the numbers ran on: package versions, processor model, cores, operating system."""
    return {
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "os": f"{platform.system()} {platform.machine()}",
    }


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that a reader sees the old file or the new one, never a half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _paths(claim: str, folder: Path | None) -> tuple[Path, Path]:
    folder = results_folder() if folder is None else folder
    if not is_recorded(claim, folder=folder):
        raise ValueError(
            f"no recorded table for claim {claim!r}: run nncourse experiment {claim} first"
        )
    return folder / f"{claim}.csv", folder / f"{claim}.json"


def _typed(column: pd.Series) -> pd.Series:
    if set(column) <= {"True", "False"}:
        return column == "True"
    # Python's own reading of a number gives back the very bits that were written.
    for kind in (int, float):
        try:
            return column.map(kind)
        except ValueError:
            continue
    return column


def _sha256_of_text(text: str) -> str:
    # A checkout on another system may end its lines differently; the rows are the same.
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
