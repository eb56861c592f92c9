"""Runs that can be stopped at any moment, and recorded tables that today's code still produces."""

import importlib.util
import json
import subprocess
import sys

import pandas as pd
import pytest

from nncourse.experiments import experiment, record
from nncourse.experiments.experiment import Experiment, check_fresh, differences, experiments, run

PLANTED = """
from nncourse.experiments.experiment import Experiment

calls = []
stop_at = None


def measure(seed, smoke):
    calls.append(seed)
    for arm in ("a",) if smoke else ("a", "b"):
        if (seed, arm) == stop_at:
            raise KeyboardInterrupt
        yield {"seed": seed, "arm": arm, "value": 10 * seed + len(arm)}


EXPERIMENT = Experiment(
    claim="Q9", title="planted", networks=("none",), data="none", seeds=3,
    measure=measure, keys=("seed", "arm"),
)
"""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """An experiment module that counts its calls and can be told to be interrupted."""
    path = tmp_path / "planted.py"
    path.write_text(PLANTED)
    spec = importlib.util.spec_from_file_location("planted", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.digest = {"planted": "1"}
    monkeypatch.setattr(
        experiment.sources, "digests", lambda name, *, inputs=(): dict(module.digest)
    )
    (tmp_path / "results").mkdir()
    module.results = tmp_path / "results"
    return module


def test_a_run_writes_every_row_of_every_seed(planted):
    path = run(planted.EXPERIMENT, results=planted.results)
    assert path.name == "Q9.csv"
    table = record.results("Q9", folder=planted.results)
    assert list(zip(table["seed"], table["arm"], strict=True)) == [
        (seed, arm) for seed in range(3) for arm in "ab"
    ]
    assert sorted(file.name for file in planted.results.iterdir()) == ["Q9.csv", "Q9.json"]


@pytest.mark.parametrize("moment", [(seed, arm) for seed in range(3) for arm in "ab"])
def test_a_run_stopped_anywhere_goes_on_and_measures_no_finished_seed_again(planted, moment):
    run(planted.EXPERIMENT, results=planted.results)
    whole = (planted.results / "Q9.csv").read_text()
    (planted.results / "Q9.csv").unlink()

    planted.calls.clear()
    planted.stop_at = moment
    with pytest.raises(KeyboardInterrupt):
        run(planted.EXPERIMENT, results=planted.results)
    assert not (planted.results / "Q9.csv").exists()
    planted.stop_at = None
    run(planted.EXPERIMENT, results=planted.results)

    finished_before = list(range(moment[0]))
    assert planted.calls == [*finished_before, moment[0], *range(moment[0], 3)]
    assert (planted.results / "Q9.csv").read_text() == whole


def interrupt_after_first_seed(planted):
    planted.stop_at = (1, "a")
    with pytest.raises(KeyboardInterrupt):
        run(planted.EXPERIMENT, results=planted.results)
    planted.stop_at = None
    planted.calls.clear()


def test_what_other_code_finished_is_not_taken_up(planted):
    interrupt_after_first_seed(planted)
    planted.digest["planted"] = "2"
    run(planted.EXPERIMENT, results=planted.results)
    assert planted.calls == [0, 1, 2]


@pytest.mark.parametrize("junk", ["", "{", "[]", '{"sources_sha256": 3}'])
def test_a_damaged_partial_file_is_thrown_away(planted, junk):
    interrupt_after_first_seed(planted)
    (planted.results / "Q9.partial.json").write_text(junk)
    run(planted.EXPERIMENT, results=planted.results)
    assert planted.calls == [0, 1, 2]


def test_a_smoke_run_does_not_touch_the_recorded_table(planted):
    run(planted.EXPERIMENT, results=planted.results)
    before = (planted.results / "Q9.csv").read_text()
    path = run(planted.EXPERIMENT, smoke=True, results=planted.results)
    assert path.name == "Q9.smoke.csv"
    assert (planted.results / "Q9.csv").read_text() == before
    assert len(pd.read_csv(path)) == 1


def test_the_recorded_command_repeats_the_run(planted):
    def recorded_command(**options):
        path = run(planted.EXPERIMENT, results=planted.results, **options)
        return json.loads(path.with_suffix(".json").read_text())["command"]

    assert recorded_command() == "nncourse experiment Q9"
    assert recorded_command(seeds=2) == "nncourse experiment Q9 --seeds 2"
    assert recorded_command(smoke=True) == "nncourse experiment Q9 --smoke"
    assert recorded_command(smoke=True, seeds=2) == "nncourse experiment Q9 --seeds 2 --smoke"


def test_a_row_of_another_seed_is_refused(planted):
    def wrong(seed, smoke):
        return [{"seed": seed + 1}]

    bad = Experiment(
        claim="Q9", title="t", networks=(), data="d", seeds=1, measure=wrong, keys=("seed",)
    )
    with pytest.raises(ValueError, match="row of seed 1"):
        run(bad, results=planted.results)


def test_bad_requests_are_answered_with_the_choices(tmp_path):
    with pytest.raises(ValueError, match="Q2"):
        run("Z9", results=tmp_path)
    with pytest.raises(ValueError, match="seeds is at least 1, got 0"):
        run("Q2", seeds=0, results=tmp_path)


def test_differences_names_each_cell_that_moved_more_than_it_may():
    one = Experiment(
        claim="Q9",
        title="t",
        networks=(),
        data="d",
        seeds=1,
        measure=lambda seed, smoke: [],
        keys=("seed",),
        tolerances={"accuracy": 0.001},
    )
    recorded = pd.DataFrame({"seed": [0, 1], "accuracy": [0.98, 0.97], "bytes": [5, 6]})
    same = pd.DataFrame({"seed": [1], "accuracy": [0.9705], "bytes": [6]})
    assert differences(one, same, recorded).empty
    moved = pd.DataFrame({"seed": [0, 7], "accuracy": [0.982, 0.9], "bytes": [4, 6]})
    assert list(differences(one, moved, recorded)["column"]) == ["accuracy", "bytes", ""]


CLAIMS = sorted(experiments())


def test_the_first_experiments_are_there():
    assert {"W1", "Q1", "Q2"} <= set(CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_recorded_table_belongs_to_todays_code(claim):
    check_fresh(claim)


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_recorded_table_is_of_the_full_run(claim):
    one = experiment.find(claim)
    table = record.results(claim)
    assert sorted(table["seed"].unique()) == list(range(one.seeds))
    assert not table.duplicated(list(one.keys)).any()


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_slice_measured_now_repeats_the_recorded_rows(claim):
    one = experiment.find(claim)
    measured = experiment.measure_slice(claim)
    assert len(measured)
    moved = differences(one, measured, record.results(claim))
    assert moved.empty, f"\n{moved.to_string()}"


def test_seeds_measured_side_by_side_give_the_same_rows(tmp_path):
    (tmp_path / "planted_beside.py").write_text(PLANTED)
    script = """
import planted_beside
from pathlib import Path
from nncourse.experiments import experiment

if __name__ == "__main__":
    experiment.sources.digests = lambda name, *, inputs=(): {"planted": "1"}
    for jobs in (1, 2):
        folder = Path(f"jobs{jobs}")
        folder.mkdir()
        experiment.run(planted_beside.EXPERIMENT, jobs=jobs, results=folder)
"""
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, capture_output=True)
    one, two = ((tmp_path / f"jobs{jobs}" / "Q9.csv").read_text() for jobs in (1, 2))
    assert one == two
    assert len(one.splitlines()) == 7
    with pytest.raises(ValueError, match="jobs is at least 1, got 0"):
        run("Q2", jobs=0, results=tmp_path)
