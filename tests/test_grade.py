"""Grading: statuses are not marks, and nothing a submission does earns a mark it has not earned."""

import csv
import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nncourse.classroom import grade as grading
from nncourse.classroom.grade import Row, grade, grade_task, write_rows
from nncourse.classroom.lab import Lab, Task
from nncourse.classroom.labs import LABS
from nncourse.classroom.outcome import is_integers, trial
from nncourse.classroom.submission import read_notebook

TESTS = Path(__file__).resolve().parent
LAB = LABS["01_quantize_a_layer"]
SOLUTION = TESTS.parent / "solutions" / f"{LAB.name}.ipynb"
COLUMNS = ["student", "lab", "task", "status", "mark", "max_mark", "message"]
SECRET = 7_777


def cells(*sources):
    made = [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def doubles(student, rng):
    for size in (1, 5):
        x = rng.integers(1, 100, size)
        yield trial(
            "doubles", student, x, expected=2 * x, agrees=lambda got, x=x: is_integers(got, 2 * x)
        )


SMALL = Lab(
    name="small",
    tasks=(Task(name="f", points=2, check=doubles),),
    seconds=3,
    memory_bytes=1 << 30,
)


@pytest.fixture
def outcome(tmp_path):
    def of(*sources, lab=SMALL, sandbox="auto"):
        path = tmp_path / "lab.ipynb"
        path.write_text(cells("import numpy as np", *sources), encoding="utf-8")
        return grade_task(
            read_notebook(path), lab.tasks[0], lab, student="s", seed=SECRET, sandbox=sandbox
        )

    return of


def test_a_right_answer_earns_the_points(outcome):
    row = outcome("def f(x):\n    return 2 * x")
    assert (row.status, row.mark) == ("graded", 2.0)


CHEATS = {
    "an object that equals everything": """
class Equal:
    def __eq__(self, other): return True
    def __array__(self, *a, **k): return np.zeros(1)
def f(x):
    return Equal()
""",
    "an array that equals everything": """
class Equal(np.ndarray):
    def __eq__(self, other): return np.ones(self.shape, bool)
def f(x):
    return np.zeros(x.shape, int).view(Equal)
""",
    "an int that equals everything": """
class Equal(int):
    def __eq__(self, other): return True
    def __hash__(self): return 0
def f(x):
    return Equal(3)
""",
    "NumPy's comparisons patched": """
def f(x):
    np.array_equal = lambda *a, **k: True
    np.all = np.any = np.equal = lambda *a, **k: True
    return np.zeros(x.shape, int)
""",
    "the wire patched to say what it likes": """
import types
def f(x):
    import re
    wire = re.sys.modules["wire"]
    wire.encode = lambda message: b"passed"
    return 1
""",
    "a forged result on every open file": """
def f(x):
    import random
    for descriptor in range(1, 64):
        try:
            random._os.write(descriptor, b'{"kind": "graded", "mark": 2.0, "passed": true}')
        except OSError:
            pass
    return 0
""",
    "a well-formed forged frame before the call": """
import random
def f(x):
    import re
    wire = re.sys.modules["wire"]
    frame = wire.encode({"kind": "value", "call": "guess", "value": 1})
    for descriptor in range(3, 64):
        try:
            random._os.write(descriptor, frame)
        except OSError:
            pass
    return 0
""",
    "prints of a passing report": """
def f(x):
    print("doubles: ok", flush=True)
    return 0
""",
    "the course's own function": "from nncourse.bitstream import pack as f",
    "an import at the last moment": """
def f(x):
    from nncourse.bitstream import pack
    return pack(x, 8)
""",
    "an import through the back door": """
def f(x):
    import random
    room = random._os.sys.modules["importlib"].import_module("nncourse.formats")
    return 2 * x
""",
    "a look at the grader's modules": """
def f(x):
    import re
    names = [name for name in re.sys.modules if name.startswith("nncourse")]
    return 2 * x if names else 0
""",
    "a look for the seed": """
def f(x):
    import random
    words = " ".join([*random._os.environ.values(), *re_sys().argv])
    return 2 * x if "7777" in words else 0
def re_sys():
    import re
    return re.sys
""",
    "an exit that looks like success": "def f(x):\n    raise SystemExit(0)",
    "a hidden test read from a module that is not there": """
import subprocess
def f(x):
    return subprocess.run(["true"])
""",
}


@pytest.mark.parametrize("source", CHEATS.values(), ids=CHEATS)
def test_a_cheat_earns_nothing(outcome, source):
    row = outcome(source)
    assert row.status in ("graded", "crashed")
    assert not row.mark


ENDINGS = {
    "a loop that does not end": ("timeout", "def f(x):\n    while True: pass"),
    "a sleep": ("timeout", "import time\ndef f(x):\n    time.sleep(60)"),
    "a loop while loading": (
        "timeout",
        "x = sum(iter(int, 1))\ndef f(y):\n    return x",
    ),
    "6 GB": ("out_of_memory", "def f(x):\n    return np.ones(6 << 27)"),
    "a list that grows": ("out_of_memory", "def f(x):\n    a = [0]\n    while True: a += a"),
    "os._exit(0)": ("crashed", "def f(x):\n    import random\n    random._os._exit(0)"),
    "a kill of itself": (
        "crashed",
        "def f(x):\n    import random\n    random._os.kill(random._os.getpid(), 11)",
    ),
    "a closed connection": (
        "crashed",
        "def f(x):\n    import random\n    random._os.closerange(3, 64)\n    return 2 * x",
    ),
}


@pytest.mark.parametrize(("status", "source"), ENDINGS.values(), ids=ENDINGS)
def test_a_function_that_does_not_return_has_a_status_and_no_mark(outcome, status, source):
    seconds = 1.5 if status == "timeout" else 30.0  # filling memory takes time on a busy machine
    row = outcome(source, lab=dataclasses.replace(SMALL, seconds=seconds))
    assert (row.status, row.mark) == (status, None)
    assert row.message


def has_ended(pid):
    """Whether process ``pid`` is gone; the kernel gets a moment to carry out the kill."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(os.geteuid() != 0, reason="of other users, the limits stop a second process")
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to look")
def test_the_processes_of_a_submission_are_gone_afterwards(outcome, tmp_path):
    note = tmp_path / "pid"
    outcome(
        "def f(x):\n"
        "    import random\n"
        "    child = random._os.fork()\n"
        "    if not child:\n"
        "        import time\n"
        "        time.sleep(600)\n"
        f"    with open({str(note)!r}, 'w') as file:\n"
        "        file.write(str(child))\n"
        "    return 2 * x",
        sandbox="none",  # with walls there is no second process to begin with
    )
    assert has_ended(int(note.read_text()))


MESSAGES = {
    "it raised ImportError; this is the core of the task, so the mark is 0; scipy.stats is not there": "import scipy.stats\ndef f(x):\n    return scipy.stats",
    "not answered": "def f(x):\n    raise NotImplementedError('your code here')",
    "0 of 1 properties hold; missed first: a right answer doubles; it raised ZeroDivisionError": "def f(x):\n    return x // 1 / 0 / int(0) if 1 // 0 else 0",
    "it returned a set; expected plain": "def f(x):\n    return {1}",
    "uses nncourse.bitstream, which is off limits": "from nncourse.bitstream import pack\ndef f(x):\n    return pack",
    "no cell defines f; keep the name": "def g(x):\n    return 2 * x",
    "f is defined 2 times, the last one counts": "def f(x): return 1\ndef f(x): return 2 * x",
}


@pytest.mark.parametrize(("message", "source"), MESSAGES.items(), ids=MESSAGES)
def test_the_message_is_a_sentence_to_act_on(outcome, message, source):
    assert message in outcome(source).message


def test_what_a_secret_case_held_is_not_in_the_message(outcome):
    row = outcome("def f(x):\n    raise ValueError(f'secret {x}')")
    assert "ValueError" in row.message
    assert "secret" not in row.message


def test_a_message_is_one_printable_line(outcome):
    row = outcome("E = type('A\\nB,\"\\x1b[31m', (Exception,), {})\ndef f(x):\n    raise E")
    assert row.message.isprintable()


def test_a_bug_in_a_check_is_a_grader_fault_and_no_zero(outcome):
    def broken(student, rng):
        yield trial("works", student, 1, expected=1, agrees=lambda got: got["missing"])

    lab = dataclasses.replace(SMALL, tasks=(Task(name="f", points=2, check=broken),))
    row = outcome("def f(x):\n    return {}", lab=lab)
    assert (row.status, row.mark) == ("grader_fault", None)
    assert "KeyError" in row.message


def test_a_runner_that_does_not_start_is_a_grader_fault(outcome, monkeypatch, tmp_path):
    monkeypatch.setattr("nncourse.classroom.process.RUNNER", tmp_path / "missing.py")
    assert outcome("def f(x):\n    return 2 * x").status == "grader_fault"


def planted():
    path = TESTS / "planted" / f"{LAB.name}.py"
    spec = importlib.util.spec_from_file_location("planted", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PLANTED


@pytest.mark.parametrize(
    ("name", "source"),
    [pytest.param(name, source, id=f"{name}-{reason}") for name, reason, source in planted()],
)
def test_a_planted_wrong_answer_loses_marks(outcome, name, source):
    row = outcome(source, lab=dataclasses.replace(LAB, tasks=(LAB.task(name),)))
    assert row.status == "graded"
    assert row.mark < row.max_mark


@pytest.fixture
def classroom(tmp_path):
    def with_files(**files):
        for student, content in files.items():
            folder = tmp_path / "submissions" / student
            folder.mkdir(parents=True)
            if content is not None:
                (folder / f"{LAB.name}.ipynb").write_bytes(content)
        return tmp_path / "submissions"

    return with_files


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_class_is_graded_into_one_table(classroom, tmp_path, capsys):
    folder = classroom(
        ada=SOLUTION.read_bytes(),
        bob=b"{",
        cem=None,
        dot=cells("def pack(codes, bits):\n    return b''").encode(),
    )
    (folder / ".hidden").mkdir()
    (folder / "notes.txt").write_text("not a student")
    (folder / "cem" / "my lab.ipynb").write_text("{}")
    rows = grade(folder, tmp_path / "grades.csv", jobs=2)
    table = read_csv(tmp_path / "grades.csv")
    assert list(table[0]) == COLUMNS
    assert len(table) == len(rows) == 4 * len(LAB.tasks)
    assert [row["task"] for row in table[: len(LAB.tasks)]] == [task.name for task in LAB.tasks]
    of = {
        name: [row for row in table if row["student"] == name]
        for name in ("ada", "bob", "cem", "dot")
    }
    assert all(row["mark"] == row["max_mark"] and row["status"] == "graded" for row in of["ada"])
    assert all(row["mark"] == "" and row["status"] == "unreadable" for row in of["bob"])
    assert all(row["mark"] == "" and row["status"] == "missing_task" for row in of["cem"])
    assert "my lab.ipynb" in of["cem"][0]["message"]
    assert sorted(row["status"] for row in of["dot"]) == ["graded"] + ["missing_task"] * 6
    printed = capsys.readouterr()
    assert "graded with seed" in printed.out
    assert "cem/my lab.ipynb is no lab" in printed.err


def test_the_same_seed_gives_the_same_table(classroom, tmp_path, monkeypatch):
    monkeypatch.setattr(grading, "LABS", {LAB.name: dataclasses.replace(LAB, tasks=LAB.tasks[:2])})
    folder = classroom(
        ada=SOLUTION.read_bytes(), eve=(cells("def quantize(*x): return 1")).encode()
    )
    for name in ("one.csv", "two.csv"):
        grade(folder, tmp_path / name, seed=3, jobs=2)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_a_table_is_written_whole_or_not_at_all(tmp_path):
    out = tmp_path / "grades.csv"
    out.write_text("old")
    good = Row(
        student="a", lab="l", task="t", status="graded", mark=1, max_mark=2, message='x, "y"'
    )

    def rows():
        yield good
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_rows(rows(), out)
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["grades.csv"]
    write_rows([good], out)
    assert read_csv(out)[0]["message"] == 'x, "y"'


def test_a_mark_without_the_status_graded_cannot_be_built():
    known = {"student": "a", "lab": "l", "task": "t", "max_mark": 2, "message": ""}
    with pytest.raises(ValueError, match="exactly when the status is graded"):
        Row(status="timeout", mark=0.0, **known)
    with pytest.raises(ValueError, match="exactly when the status is graded"):
        Row(status="graded", mark=None, **known)
    with pytest.raises(ValueError, match="status must be one of"):
        Row(status="lost", mark=None, **known)


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="submissions must be a folder"):
        grade(tmp_path / "missing", tmp_path / "grades.csv")
    with pytest.raises(ValueError, match="holds no notebook of a lab"):
        grade(tmp_path, tmp_path / "grades.csv")
    with pytest.raises(ValueError, match="seed is not negative"):
        grade(tmp_path, tmp_path / "grades.csv", seed=-1)
    with pytest.raises(ValueError, match="jobs is at least 1"):
        grade(tmp_path, tmp_path / "grades.csv", jobs=0)


def test_the_command_grades_a_folder(classroom, tmp_path):
    folder = classroom(ada=b"not a notebook")
    out = tmp_path / "grades.csv"
    finished = subprocess.run(
        [sys.executable, "-m", "nncourse.cli", "grade", str(folder), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert {row["status"] for row in read_csv(out)} == {"unreadable"}
