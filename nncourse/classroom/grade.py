"""Marks of a folder of submissions, as a table with one row for each student, lab and part.

Every result is in a journal before the next one counts. A run that is killed and started again goes
on where it was; a run after a check was mended grades what that check marks and nothing else.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nncourse.classroom.journal import Journal
from nncourse.classroom.lab import Lab
from nncourse.classroom.labs import LABS
from nncourse.classroom.marking import grade_notebook, grade_task
from nncourse.classroom.parcel import Parcel, code_of, grade_parcel, pack
from nncourse.classroom.rows import Row, write_rows
from nncourse.classroom.sandbox import require
from nncourse.classroom.workers import done_of, workers

__all__ = ["Change", "Row", "grade", "grade_notebook", "grade_task", "journal_of", "write_rows"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A part of a submission whose row is another one than before."""

    before: Row
    after: Row

    def __str__(self) -> str:
        old, new = (
            "no mark" if row.mark is None else f"{row.mark:g}" for row in (self.before, self.after)
        )
        where = f"{self.after.student}, {self.after.lab}, {self.after.task}"
        what = f"{self.before.status} {old} -> {self.after.status} {new}"
        return f"{where}: {what} ({self.after.message})"


def grade(
    submissions: Path,
    out: Path,
    *,
    seed: int | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    sandbox: str = "auto",
    journal: Path | None = None,
    again: Collection[str] = (),
    report: Callable[[Change], None] | None = None,
) -> list[Row]:
    """Rows of every student's parts, sorted by student and lab; also written to ``out`` as CSV.

    submissions  folder with ``<student>/<lab>.ipynb``; names that start with a dot are passed over
    out          the CSV file, replaced in one step when all is graded
    seed         secret seed of the checks' inputs; the journal's, or a new one, when None
    jobs         submissions graded at a time; the number of processor cores when None
    scheduler    address of a Dask scheduler whose workers grade instead
    sandbox      auto or none
    journal      what earlier runs found and this one goes on with; beside ``out`` when None
    again        statuses whose rows are graded again, such as ``timeout`` after a slow night
    report       called with each row that is another one than before

    A lab counts as set as soon as one student handed it in; a student without its file gets
    ``missing_task`` for each of its parts. A ``grader_fault`` is always graded again.
    """
    if seed is not None and seed < 0:
        raise ValueError(f"seed is not negative, got {seed}. Use the one that grading printed.")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs is at least 1, got {jobs}. Leave it out for one per core.")
    require(sandbox)
    handed_in = _handed_in(submissions)
    rows: list[Row] = []
    with Journal(journal or journal_of(out)) as kept:
        before = dict(kept.latest)
        kept.begin(_chosen_seed(seed, kept))
        run = _Run(kept, sandbox=sandbox, again={*again, "grader_fault"})
        bar = tqdm(total=len(handed_in), desc="grading", unit="notebook", disable=None)
        with bar, workers(jobs=jobs, scheduler=scheduler) as (executor, width):
            parcels = run.parcels(handed_in, bar)
            for parcel, result in done_of(_graded, parcels, executor, width):
                run.take(parcel, result)
                bar.update()
        rows = run.rows
        counted = (
            f"graded with seed {kept.seed}, which is secret: {run.num_graded} results, and "
            f"{len(rows) - run.num_graded} from {kept.path.name}"
        )
    order = {(lab.name, part.name): i for lab in LABS.values() for i, part in enumerate(lab.parts)}
    rows.sort(key=lambda row: (row.student, row.lab, order[row.lab, row.task]))
    write_rows(rows, out)
    for row in rows:
        old = before.get((row.student, row.lab, row.task))
        if report is not None and old is not None and _told(old) != _told(row):
            report(Change(before=old, after=row))
    print(counted)
    return rows


def journal_of(out: Path) -> Path:
    """The journal that goes with the table ``out``."""
    return Path(out).with_suffix(".journal")


class _Run:
    """What one call of :func:`grade` has so far."""

    def __init__(self, journal: Journal, *, sandbox: str, again: Collection[str]) -> None:
        self.rows: list[Row] = []
        self.num_graded = 0
        self._journal = journal
        self._sandbox = sandbox
        self._again = again

    def parcels(self, handed_in: list[tuple[Path, Lab]], bar: Any) -> Iterator[Parcel]:
        """What is left to grade; rows known already are taken on the way."""
        seed = self._journal.seed
        assert seed is not None
        code = {lab.name: code_of(lab) for _, lab in handed_in}
        for path, lab in handed_in:
            parcel = pack(path.parent, lab, seed=seed, sandbox=self._sandbox, code=code[lab.name])
            self._take_unread(path, lab, {part.name for part in lab.parts} - parcel.keys.keys())
            known = {name: self._journal.known(key) for name, key in parcel.keys.items()}
            good = {
                name: row for name, row in known.items() if row and row.status not in self._again
            }
            self.rows += good.values()
            keys = {name: key for name, key in parcel.keys.items() if name not in good}
            if keys:
                yield dataclasses.replace(parcel, keys=keys)
            else:
                bar.update()

    def take(self, parcel: Parcel, result: list[Row] | Exception) -> None:
        """Keep what came back for a parcel; a worker that failed is a fault of the grader."""
        if isinstance(result, Exception):
            message = f"the worker failed ({type(result).__name__}: {result}); grade this one again"
            points = {part.name: part.points for part in LABS[parcel.lab].parts}
            result = [
                Row(
                    student=parcel.student,
                    lab=parcel.lab,
                    task=name,
                    status="grader_fault",
                    mark=None,
                    max_mark=points[name],
                    message=" ".join(message.split())[:500],
                )
                for name in parcel.keys
            ]
        self._journal.add((parcel.keys[row.task], row) for row in result)
        self.rows += result
        self.num_graded += len(result)

    def _take_unread(self, path: Path, lab: Lab, names: Collection[str]) -> None:
        """Rows of parts whose file is missing or cannot be read, told anew by every run."""
        student, seed = path.parent.name, self._journal.seed or 0
        rows = grade_notebook(path, lab, student=student, seed=seed, only=names)
        new = [r for r in rows if self._journal.latest.get((r.student, r.lab, r.task)) != r]
        if new:
            self._journal.add(("", row) for row in new)
        self.rows += rows
        self.num_graded += len(new)


def _graded(parcel: Parcel) -> list[Row]:
    """Rows of a parcel, on whichever machine this runs."""
    lab = LABS[parcel.lab]
    if code_of(lab) != parcel.code:
        raise RuntimeError("this worker has another version of nncourse than the one that asks it")
    if parcel.sandbox != "none":  # the warning about that stands where the run began
        require(parcel.sandbox)
    return grade_parcel(parcel, lab)


def _chosen_seed(seed: int | None, journal: Journal) -> int:
    if seed is not None:
        return seed
    return secrets.randbits(62) if journal.seed is None else journal.seed


def _told(row: Row) -> tuple[str, float | None, str]:
    return row.status, row.mark, row.message


def _handed_in(submissions: Path) -> list[tuple[Path, Lab]]:
    """Paths of the notebooks to grade, with their labs; some may not be there."""
    if not submissions.is_dir():
        raise ValueError(
            f"submissions must be a folder with <student>/<lab>.ipynb, got {submissions}."
        )
    students = sorted(
        folder
        for folder in submissions.iterdir()
        if folder.is_dir() and not folder.is_symlink() and not folder.name.startswith(".")
    )
    set_labs = [
        lab
        for lab in LABS.values()
        if any(os.path.lexists(folder / f"{lab.name}.ipynb") for folder in students)
    ]
    if not set_labs:
        raise ValueError(
            f"submissions holds no notebook of a lab: {submissions} has {len(students)} students' "
            f"folders, and none holds one of {', '.join(f'{name}.ipynb' for name in LABS)}."
        )
    for folder in students:
        for stray in sorted(folder.glob("*.ipynb")):
            if stray.stem not in LABS:
                print(f"passed over: {folder.name}/{stray.name} is no lab", file=sys.stderr)
    return [(folder / f"{lab.name}.ipynb", lab) for folder in students for lab in set_labs]
