"""An experiment: what one claim needs measured, and the run that records it.

A run can be stopped at any moment. The rows of each finished seed are kept beside the table, and
the next run of the same code starts at the first seed that is missing.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import pkgutil
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from nncourse.experiments import record, sources

Row = record.Row
_CLAIM = re.compile(r"[WQPDF][1-9]|DC|LM")  # DC, LM: whole networks, no claim of their own


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What settles one claim.

    claim       id such as ``"Q2"``
    title       the question, in one line
    networks    names of the networks measured
    data        name of the data set and split the accuracy is read on
    seeds       number of paired seeds of a full run; they are 0, 1, 2, ...
    measure     rows for one seed; with ``smoke`` true a quick part of the same rows
    keys        columns that tell one row of a table from all others
    tolerances  by column, the largest absolute difference that another processor may cause;
                columns not named are reproduced exactly
    inputs      files of the package that the measurement reads, such as stored networks

    A smoke run returns fewer rows, never other ones: that is what lets a test rerun a slice of a
    recorded table and compare.
    """

    claim: str
    title: str
    networks: tuple[str, ...]
    data: str
    seeds: int
    measure: Callable[[int, bool], Iterable[Row]]
    keys: tuple[str, ...]
    tolerances: Mapping[str, float] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _CLAIM.fullmatch(self.claim):
            raise ValueError(f"claim is an id such as 'Q2', got {self.claim!r}")
        if self.seeds < 1:
            raise ValueError(f"seeds is at least 1, got {self.seeds}")
        if "seed" not in self.keys:
            raise ValueError(f"keys has to name the column 'seed', got {self.keys}")

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 by module and input, of all that the rows depend on today."""
        return sources.digests(self.measure.__module__, inputs=self.inputs)


def experiments() -> dict[str, Experiment]:
    """Every experiment of the course, by claim id."""
    import nncourse.experiments as room

    names = sorted(module.name for module in pkgutil.iter_modules(room.__path__))
    return {name.upper(): find(name) for name in names if _CLAIM.fullmatch(name.upper())}


def find(claim: str) -> Experiment:
    """The experiment of a claim.

    claim  id, in either case

    >>> find("Q2").seeds
    5
    """
    name = claim.lower()
    if _CLAIM.fullmatch(claim.upper()):
        module = f"nncourse.experiments.{name}"
        if importlib.util.find_spec(module) is not None:
            found: Experiment = importlib.import_module(module).EXPERIMENT
            return found
    raise ValueError(
        f"claim {claim!r} has no experiment yet; those there are: {', '.join(experiments())}"
    )


def run(
    claim: str | Experiment,
    *,
    seeds: int | None = None,
    smoke: bool = False,
    jobs: int = 1,
    results: Path | None = None,
) -> Path:
    """The path of the table that the experiment of ``claim`` recorded.

    claim    id, or an experiment that is not in the course
    seeds    number of seeds; the experiment's own when None
    smoke    measure a quick slice of one seed, into ``CLAIM.smoke.csv`` beside the real table
    jobs     seeds measured at a time, each in a process of its own; the rows are the same
    results  folder of the tables; ``record.results_folder()`` when None

    What an interrupted run finished is taken up when code, inputs and form are the same, and
    thrown away otherwise. No seed is measured twice.
    """
    experiment = find(claim) if isinstance(claim, str) else claim
    usual = 1 if smoke else experiment.seeds
    number = usual if seeds is None else seeds
    if number < 1:
        raise ValueError(f"seeds is at least 1, got {number}")
    if jobs < 1:
        raise ValueError(f"jobs is at least 1, got {jobs}. Try the number of cores.")
    folder = record.results_folder() if results is None else results
    stem = f"{experiment.claim}.smoke" if smoke else experiment.claim
    digests = experiment.digests
    partial = _Partial(folder / f"{stem}.partial.json", sources.combined(digests))

    finished = partial.read()
    missing = [seed for seed in range(number) if str(seed) not in finished]
    for seed, measured in _all_measured(experiment, missing, smoke=smoke, jobs=jobs):
        finished[str(seed)] = measured
        partial.write(finished)
    taken = [finished[str(seed)] for seed in range(number)]
    command = " ".join(
        ["nncourse experiment", experiment.claim]
        + ([f"--seeds {number}"] if number != usual else [])
        + (["--smoke"] if smoke else [])
    )
    path = record.write(
        stem,
        [row for part in taken for row in part["rows"]],
        command=command,
        sources=digests,
        sources_sha256=partial.sources_sha256,
        seeds=range(number),
        seconds=sum(part["seconds"] for part in taken),
        folder=folder,
    )
    partial.path.unlink()
    return path


def measure_slice(claim: str) -> pd.DataFrame:
    """Rows of seed 0 measured now, in the quick form: what a chapter runs beside the record.

    claim  id such as ``"Q2"``
    """
    return pd.DataFrame(list(find(claim).measure(0, True)))


def check_fresh(claim: str, *, results: Path | None = None) -> None:
    """Nothing when the recorded table of ``claim`` belongs to today's code, else an error.

    claim    id such as ``"Q2"``
    results  folder of the tables

    Raises ``record.StaleRecordError`` naming the modules that changed since.
    """
    experiment = find(claim)
    record.check_digests(experiment.claim, experiment.digests, folder=results)


def differences(
    experiment: Experiment, measured: pd.DataFrame, recorded: pd.DataFrame
) -> pd.DataFrame:
    """The cells of ``measured`` that ``recorded`` does not repeat; empty when it repeats all.

    experiment  says which columns identify a row and how far a column may move
    measured    rows of a rerun, perhaps fewer than recorded
    recorded    rows of the stored table
    returns     columns ``row column measured recorded``
    """
    keys = list(experiment.keys)
    old = recorded.set_index(keys)
    if not old.index.is_unique:
        raise ValueError(f"keys {keys} do not tell the recorded rows apart")
    found = []
    for key, row in measured.set_index(keys).iterrows():
        if key not in old.index:
            found.append({"row": key, "column": "", "measured": "a row", "recorded": "none"})
            continue
        for column, value in row.items():
            other = old.at[key, column] if column in old.columns else None
            if not _agree(value, other, experiment.tolerances.get(str(column), 0.0)):
                found.append({"row": key, "column": column, "measured": value, "recorded": other})
    return pd.DataFrame(found, columns=["row", "column", "measured", "recorded"])


@dataclass(frozen=True)
class _Partial:
    """The finished seeds of a run that is not over."""

    path: Path
    sources_sha256: str

    def read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        same = isinstance(kept, dict) and kept.get("sources_sha256") == self.sources_sha256
        return dict(kept.get("seeds", {})) if same else {}

    def write(self, finished: Mapping[str, Any]) -> None:
        text = json.dumps({"sources_sha256": self.sources_sha256, "seeds": finished})
        record.write_atomically(self.path, text)


def _all_measured(
    experiment: Experiment, seeds: Sequence[int], *, smoke: bool, jobs: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each seed with what it measured, in the order in which they finish."""
    if jobs == 1 or len(seeds) < 2:
        for seed in seeds:
            yield seed, _measure(experiment, seed, smoke)
        return
    # A fresh interpreter for each worker: a forked one would share locks with torch's threads.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(_measure, experiment, seed, smoke): seed for seed in seeds}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _measure(experiment: Experiment, seed: int, smoke: bool) -> dict[str, Any]:
    start = time.perf_counter()
    with tqdm(desc=f"{experiment.claim} seed {seed}", unit=" rows") as bar:
        rows = []
        for row in experiment.measure(seed, smoke):
            if row.get("seed") != seed:
                raise ValueError(
                    f"{experiment.claim} measured seed {seed} and returned a row of seed "
                    f"{row.get('seed')}: each row has to carry the seed it was asked for"
                )
            rows.append({name: _plain(value) for name, value in row.items()})
            bar.update()
    return {"rows": rows, "seconds": time.perf_counter() - start}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _agree(measured: Any, recorded: Any, tolerance: float) -> bool:
    if isinstance(measured, str) or isinstance(recorded, str) or recorded is None:
        return bool(measured == recorded)
    return bool(measured == recorded or abs(measured - recorded) <= tolerance)
