"""Files beside the notebook: bounded, regular, decoded by the reader that believes nothing."""

import json

import numpy as np
import pytest

from nncourse.classroom import grade as grading
from nncourse.classroom.grade import grade
from nncourse.classroom.handed_in import HandedInFile
from nncourse.classroom.journal import Journal
from nncourse.classroom.lab import Lab
from nncourse.classroom.labs import LABS
from nncourse.classroom.marking import grade_notebook
from nncourse.classroom.outcome import Outcome
from nncourse.container import Plain, write


def holds_ones(container, rng):
    values = container.tensor("w") if "w" in container else np.zeros(0)
    for name, passed in {
        "has a tensor called w": "w" in container,
        "holds ones": bool(values.size and np.all(values == 1)),
    }.items():
        yield Outcome(property=name, passed=passed, inputs="", expected="", got="")


NETWORK = HandedInFile(
    name="network",
    file="network.nnc",
    points=4,
    check=holds_ones,
    score=lambda container: sum(sum(container.record(n).lengths.values()) for n in container),
    max_bytes=4096,
    max_values=1000,
)
LAB = Lab(name="lab", tasks=LABS["01_quantize_a_layer"].tasks[:1], files=(NETWORK,))


def file_of(values, name="w"):
    return write({name: Plain(values=np.asarray(values, np.float32))})


def row_of(folder, content):
    if content is not None:
        (folder / "network.nnc").write_bytes(content)
    [row] = grade_notebook(folder / "lab.ipynb", LAB, student="ada", seed=1, only=["network"])
    return row


def test_a_file_earns_its_points_and_a_score(tmp_path):
    row = row_of(tmp_path, file_of(np.ones(9)))
    assert (row.status, row.mark, row.max_mark) == ("graded", 4.0, 4)
    assert row.score > 0
    assert f"score {row.score:g}" in row.message


def test_half_of_its_properties_earn_half(tmp_path):
    row = row_of(tmp_path, file_of(np.zeros(9)))
    assert (row.status, row.mark) == ("graded", 2.0)
    assert "missed first: a right answer holds ones" in row.message


def test_a_file_that_is_not_there_is_missing(tmp_path):
    assert row_of(tmp_path, None).status == "missing_task"


WHOLE = file_of(np.ones(9))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no .nnc file that can be read"),
        (b"PK\x03\x04", "no .nnc file that can be read"),
        (WHOLE[:-3], "no .nnc file that can be read"),
        (WHOLE[:-6] + bytes([WHOLE[-6] ^ 64]) + WHOLE[-5:], "no .nnc file that can be read"),
        (WHOLE + bytes(5000), "more than 4096"),
        (file_of(np.ones(1001))[:4096], "read|more than 1000"),
    ],
    ids=["empty", "foreign", "cut", "one bit", "too large", "too many values"],
)
def test_a_damaged_or_large_file_is_unreadable_and_no_zero(tmp_path, content, reason):
    row = row_of(tmp_path, content)
    assert (row.status, row.mark) == ("unreadable", None)
    assert any(part in row.message for part in reason.split("|"))


def test_a_few_bytes_that_say_they_are_many_values_are_not_decoded(tmp_path, monkeypatch):
    few = write({"w": Plain(values=np.zeros(1001, np.float16))})
    assert len(few) < NETWORK.max_bytes
    monkeypatch.setattr("nncourse.container.Container.tensor", None)
    row = row_of(tmp_path, few)
    assert (row.status, row.mark) == ("unreadable", None)
    assert "holds 1001 values, more than 1000" in row.message


def test_a_link_to_a_neighbors_file_is_unreadable(tmp_path):
    (tmp_path / "neighbor.nnc").write_bytes(WHOLE)
    (tmp_path / "network.nnc").symlink_to(tmp_path / "neighbor.nnc")
    assert row_of(tmp_path, None).status == "unreadable"


def test_a_class_hands_in_notebooks_and_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(grading, "LABS", {"lab": LAB})
    for student, content in {"ada": WHOLE, "bob": None, "cem": b"junk"}.items():
        folder = tmp_path / "class" / student
        folder.mkdir(parents=True)
        cells = [{"cell_type": "code", "source": "def symmetric_scale(x, bits): return 1"}]
        (folder / "lab.ipynb").write_text(json.dumps({"cells": cells}))
        if content is not None:
            (folder / "network.nnc").write_bytes(content)
    rows = grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none")
    status = {row.student: row.status for row in rows if row.task == "network"}
    assert status == {"ada": "graded", "bob": "missing_task", "cem": "unreadable"}
    assert {row.status for row in rows if row.task != "network"} == {"graded"}
    with Journal(tmp_path / "g.journal") as journal:
        assert journal.latest["ada", "lab", "network"].score > 0
    (tmp_path / "class" / "ada" / "network.nnc").write_bytes(file_of(np.zeros(9)))
    capsys.readouterr()
    grade(tmp_path / "class", tmp_path / "g.csv", sandbox="none")
    assert "graded with seed" in capsys.readouterr().out


def test_bad_files_are_named():
    known = {"points": 1, "check": holds_ones}
    for file in ("../network.nnc", ".network.nnc", "network.pkl"):
        with pytest.raises(ValueError, match="file is a plain name"):
            HandedInFile(name="network", file=file, **known)
    with pytest.raises(ValueError, match="name is an identifier"):
        HandedInFile(name="my network", file="network.nnc", **known)
