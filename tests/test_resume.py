"""A run that is killed loses nothing and marks nothing twice; one after a mended check touches what changed."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nncourse import bench_classroom
from nncourse.classroom import grade as grading
from nncourse.classroom.grade import Row, grade
from nncourse.classroom.journal import Journal
from nncourse.classroom.labs import LABS
from nncourse.classroom.outcome import is_integers, trial

TESTS = Path(__file__).resolve().parent
COMMAND = [sys.executable, str(TESTS / "small_class.py")]
SEED = "77"
WHOLE = LABS["01_quantize_a_layer"]
LAB = dataclasses.replace(WHOLE, tasks=WHOLE.tasks[:2])  # as small_class.py sets it


@pytest.fixture(scope="module")
def dozen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dozen")
    bench_classroom.hand_in(folder / "class", TESTS.parent, LAB, 10)
    (folder / "class" / "damaged").mkdir()
    (folder / "class" / "damaged" / f"{LAB.name}.ipynb").write_bytes(b"{")
    (folder / "class" / "empty").mkdir()
    return folder / "class"


def run(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture(scope="module")
def undisturbed(dozen, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "grades.csv"
    finished = run("grade", dozen, "--out", out, "--seed", SEED)
    assert finished.returncode == 0, finished.stderr
    table = bench_classroom.results(out)
    assert len(table) == 12 * len(LAB.tasks)
    assert {row[3] for row in table} >= {"graded", "timeout", "out_of_memory", "unreadable"}
    return table


def graded_keys(journal):
    """Every key in the journal, in order; those of files that cannot be read have none."""
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    keys = [result["key"] for record in records for result in record.get("results", ())]
    return [key for key in keys if key]


@pytest.mark.slow
def test_a_run_killed_three_times_ends_with_the_table_of_an_undisturbed_one(
    dozen, undisturbed, tmp_path
):
    out = tmp_path / "grades.csv"
    journal = out.with_suffix(".journal")
    for enough in (2, 5, 8):
        with subprocess.Popen(
            [*COMMAND, "grade", str(dozen), "--out", str(out), "--seed", SEED, "--jobs", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            while process.poll() is None and (
                not journal.exists() or journal.read_bytes().count(b"\n") <= enough
            ):
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not out.exists()
    finished = run("grade", dozen, "--out", out)  # the seed is the journal's
    assert finished.returncode == 0, finished.stderr
    assert bench_classroom.results(out) == undisturbed
    keys = graded_keys(journal)
    assert len(keys) == len(set(keys))


@pytest.mark.slow
def test_two_workers_of_dask_come_to_the_same_table(dozen, undisturbed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    address = tmp_path / "scheduler.json"
    scheduler = ["scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(address)]
    worker = ["worker", "--scheduler-file", str(address), "--nthreads", "1", "--no-dashboard"]
    worker += ["--preload", str(TESTS / "small_class.py"), "--local-directory", str(tmp_path)]
    dask = [sys.executable, "-m", "dask"]
    started = []
    try:
        for words in (scheduler, worker, worker):
            with (tmp_path / f"{len(started)}.log").open("w") as log:
                started.append(
                    subprocess.Popen(
                        [*dask, *words],
                        env=environment,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
        while not address.exists():
            assert started[0].poll() is None, (tmp_path / "0.log").read_text()
            time.sleep(0.1)
        where = json.loads(address.read_text())["address"]
        out = tmp_path / "grades.csv"
        finished = run(
            "grade", dozen, "--out", out, "--seed", SEED, "--scheduler", where, timeout=300
        )
        assert finished.returncode == 0, finished.stderr
        assert bench_classroom.results(out) == undisturbed
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_no_scheduler_is_a_sentence(dozen, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no Dask scheduler answers at nonsense"):
        grade(dozen, tmp_path / "g.csv", scheduler="nonsense://", sandbox="none")


def doubles(student, rng):
    for size in (1, 5):
        x = rng.integers(1, 100, size)
        yield trial(
            "doubles", student, x, expected=2 * x, agrees=lambda got, x=x: is_integers(got, 2 * x)
        )


def faulty(student, rng):
    for outcome in doubles(student, rng):
        yield dataclasses.replace(outcome, passed=not outcome.passed)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """``course(check)`` sets a lab of two tasks, of which the second has that check."""
    first = dataclasses.replace(LAB.tasks[0], name="f", check=doubles, points=2)

    def with_check(check):
        second = dataclasses.replace(first, name="g", check=check)
        lab = dataclasses.replace(LAB, tasks=(first, second))
        monkeypatch.setattr(grading, "LABS", {lab.name: lab})

    for student, factor in {"ada": 2, "bob": 3}.items():
        source = f"def f(x):\n    return 2 * x\ndef g(x):\n    return {factor} * x"
        path = tmp_path / "class" / student / f"{LAB.name}.ipynb"
        path.parent.mkdir(parents=True)
        cells = [{"cell_type": "code", "source": source}]
        path.write_text(json.dumps({"cells": cells}))
    return with_check


def marks(rows):
    return {(row.student, row.task): row.mark for row in rows}


def test_a_mended_check_grades_what_it_marks_and_reports_the_difference(
    course, tmp_path, monkeypatch, capsys
):
    digests = {"faulty": "1", "doubles": "2"}
    monkeypatch.setattr(
        "nncourse.classroom.parcel._module_digest", lambda check: digests[check.__name__]
    )
    course(faulty)
    rows = grade(tmp_path / "class", tmp_path / "g.csv", seed=3, sandbox="none")
    assert marks(rows) == {("ada", "f"): 2, ("ada", "g"): 0, ("bob", "f"): 2, ("bob", "g"): 2}
    capsys.readouterr()
    changes = []
    course(doubles)
    rows = grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none", report=changes.append)
    assert marks(rows) == {("ada", "f"): 2, ("ada", "g"): 2, ("bob", "f"): 2, ("bob", "g"): 0}
    assert "2 results, and 2 from g.journal" in capsys.readouterr().out
    assert [str(change).partition(" (")[0] for change in changes] == [
        f"ada, {LAB.name}, g: graded 0 -> graded 2",
        f"bob, {LAB.name}, g: graded 2 -> graded 0",
    ]
    changes.clear()
    grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none", report=changes.append)
    assert "0 results, and 4 from g.journal" in capsys.readouterr().out
    assert not changes


def test_a_changed_submission_is_graded_again_and_no_other(course, tmp_path, capsys):
    course(doubles)
    grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none")
    (tmp_path / "class" / "bob" / f"{LAB.name}.ipynb").write_bytes(
        (tmp_path / "class" / "ada" / f"{LAB.name}.ipynb").read_bytes()
    )
    capsys.readouterr()
    rows = grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none")
    assert "2 results, and 2 from g.journal" in capsys.readouterr().out
    assert marks(rows)["bob", "g"] == 2


def test_another_seed_grades_everything_again(course, tmp_path, capsys):
    course(doubles)
    grade(tmp_path / "class", tmp_path / "g.csv", seed=1, sandbox="none")
    grade(tmp_path / "class", tmp_path / "g.csv", seed=2, sandbox="none")
    assert "4 results, and 0 from g.journal" in capsys.readouterr().out


def test_a_fault_of_the_grader_is_graded_again_by_the_next_run(course, tmp_path, monkeypatch):
    course(doubles)

    def no_worker(parcel, lab):
        raise MemoryError("a worker died")

    with monkeypatch.context() as broken:
        broken.setattr(grading, "grade_parcel", no_worker)
        rows = grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none")
        assert {(row.status, row.mark) for row in rows} == {("grader_fault", None)}
        assert "a worker died" in rows[0].message
    rows = grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none")
    assert {row.status for row in rows} == {"graded"}


def test_a_status_can_be_asked_for_again(course, tmp_path, capsys):
    course(doubles)
    grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none")
    capsys.readouterr()
    grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none", again=["graded"])
    assert "4 results, and 0 from" in capsys.readouterr().out


def test_a_worker_with_other_code_does_not_mark(course, tmp_path, monkeypatch):
    course(doubles)
    codes = iter([{"f": "1", "g": "1"}] * 2 + [{"f": "2", "g": "2"}] * 2)
    monkeypatch.setattr(grading, "code_of", lambda lab: next(codes))
    rows = grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none")
    assert {row.status for row in rows} == {"grader_fault"}
    assert "another version" in rows[0].message


def test_a_file_that_comes_later_takes_the_place_of_the_missing_one(course, tmp_path):
    course(doubles)
    path = tmp_path / "class" / "bob" / f"{LAB.name}.ipynb"
    later = path.read_bytes()
    path.unlink()
    changes = []
    rows = grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none")
    assert {row.status for row in rows if row.student == "bob"} == {"missing_task"}
    path.write_bytes(later)
    grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none", report=changes.append)
    assert [change.after.status for change in changes] == ["graded", "graded"]
    shutil.rmtree(path.parent)
    grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none")
    with Journal(tmp_path / "g.journal") as journal:
        assert isinstance(journal.latest["bob", LAB.name, "f"], Row)
