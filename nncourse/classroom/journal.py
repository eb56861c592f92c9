"""What grading has found out, on disk after every submission: a run can be killed at any moment.

One line of JSON for each submission graded, appended and flushed to the disk before the next one is
counted. The first line holds the secret seed, so the file is readable by its owner only. A line that
a killed run left half-written is cut off when the file is opened again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nncourse.classroom.rows import Row

FORMAT = 1


class Journal:
    """An open journal. One run at a time may have it open.

    ``with Journal(path) as journal`` reads what earlier runs found.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.seed: int | None = None
        self.latest: dict[tuple[str, str, str], Row] = {}  # of each student, lab and task
        self._known: dict[str, Row] = {}
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"))

    def __enter__(self) -> Journal:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(
                f"another run is writing {self.path}; wait for it, or name another --journal"
            ) from None
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._read()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        self._lock.release()

    def begin(self, seed: int) -> None:
        """Note the secret seed of what follows."""
        if seed != self.seed:
            self._append({"format": FORMAT, "seed": seed})
            self.seed = seed

    def known(self, key: str) -> Row | None:
        """The row that was found for ``key``, or None."""
        return self._known.get(key)

    def add(self, keyed: Iterable[tuple[str, Row]]) -> None:
        """Keep the rows of one submission, each with its key; on disk when this returns."""
        found = list(keyed)
        self._append({"results": [{"key": key, **asdict(row)} for key, row in found]})
        self._keep(found)

    def _keep(self, keyed: Iterable[tuple[str, Row]]) -> None:
        for key, row in keyed:
            self._known[key] = row
            self.latest[row.student, row.lab, row.task] = row

    def _append(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        os.lseek(self._descriptor, 0, os.SEEK_END)
        while line:
            line = line[os.write(self._descriptor, line) :]
        os.fsync(self._descriptor)

    def _read(self) -> None:
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            good = 0
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                self._take(line, number)
                good += len(line)
        os.ftruncate(self._descriptor, good)

    def _take(self, line: bytes, number: int) -> None:
        try:
            record = json.loads(line)
            if "seed" in record:
                if record["format"] != FORMAT:
                    raise ValueError(f"format {record['format']}")
                self.seed = int(record["seed"])
                return
            self._keep((result.pop("key"), Row(**result)) for result in record["results"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{self.path}, line {number}, is no entry of a journal ({error}). Take that line "
                "out, and what it held is graded again."
            ) from None


def noted(grades: Path, journal: Path | None) -> tuple[dict[tuple[str, str, str], Row], int | None]:
    """Latest row of each student, lab and part with all that is noted of it, and the secret seed."""
    path = Path(grades).with_suffix(".journal") if journal is None else Path(journal)
    if not path.is_file():
        if journal is not None:
            raise ValueError(f"journal {path} is not there; name the file beside the table")
        return {}, None
    with Journal(path) as kept:
        return dict(kept.latest), kept.seed
