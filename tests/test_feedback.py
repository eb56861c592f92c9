"""Feedback and leaderboard: pages that stand alone, say what to do, and give no secret away."""

import dataclasses
import json

import pytest

from nncourse.classroom import grade as grading
from nncourse.classroom import leaderboard
from nncourse.classroom.feedback import write
from nncourse.classroom.grade import grade
from nncourse.classroom.journal import Journal
from nncourse.classroom.labs import LABS
from nncourse.classroom.outcome import is_integers, trial
from nncourse.classroom.rows import ADVICE, STATUSES, Row, read_rows, write_rows

LAB = LABS["01_quantize_a_layer"]
LAST = LAB.tasks[-1].name


def test_every_status_has_a_sentence_to_act_on():
    assert set(ADVICE) == set(STATUSES)
    assert all(sentence.endswith(".") for sentence in ADVICE.values())


def row(student, task=LAST, mark=1.0, status="graded", message="5 of 6 properties hold"):
    return Row(
        student=student,
        lab=LAB.name,
        task=task,
        status=status,
        mark=mark if status == "graded" else None,
        max_mark=3,
        message=message,
    )


def test_a_table_is_read_as_it_was_written(tmp_path):
    rows = [row("ada"), row("bob", status="timeout"), row("cem", message='a, "b"')]
    write_rows(rows, tmp_path / "g.csv")
    assert read_rows(tmp_path / "g.csv") == rows
    (tmp_path / "other.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match="not those of a table of marks"):
        read_rows(tmp_path / "other.csv")


def increases(student, rng):
    x = rng.integers(1, 100, 3)
    for value in ([7], x):
        expected = [v + 1 for v in value]
        yield trial(
            "adds one",
            student,
            list(map(int, value)),
            expected=expected,
            agrees=lambda got, e=expected: is_integers(got, e),
        )


@pytest.fixture
def graded(tmp_path, monkeypatch):
    task = dataclasses.replace(LAB.tasks[0], name="f", check=increases)
    lab = dataclasses.replace(LAB, tasks=(task,))
    monkeypatch.setattr(grading, "LABS", {lab.name: lab})
    sources = {
        "ada": "def f(x):\n    return np.array(x) + 1",
        "<b>bob</b>": "def f(x):\n    raise ValueError(f'<script>{x}</script>')",
        "cem": "def g(x):\n    return x",
    }
    for student, source in sources.items():
        folder = tmp_path / "class" / student.replace("/", "")
        folder.mkdir(parents=True)
        cells = [{"cell_type": "code", "source": text} for text in ("import numpy as np", source)]
        (folder / f"{LAB.name}.ipynb").write_text(json.dumps({"cells": cells}))
    grade(tmp_path / "class", tmp_path / "g.csv", seed=4, sandbox="none")
    return tmp_path


def test_a_page_shows_the_smallest_public_case_and_no_secret_one(graded):
    pages = {
        path.name: path.read_text(encoding="utf-8")
        for path in write(graded / "g.csv", graded / "out")
    }
    assert sorted(pages) == ["_b_bob_b_.html", "ada.html", "cem.html"]
    bob = pages["_b_bob_b_.html"]
    assert "a right answer adds one" in bob
    assert (
        "The smallest case in the lab that fails: for [7]: expected [8], got raised ValueError"
        in bob
    )
    assert ADVICE["graded"] in bob
    assert "<script>" not in bob
    assert "<b>bob" not in bob
    assert "smallest case" not in pages["ada.html"]
    assert "missing_task" in pages["cem.html"]
    assert ADVICE["missing_task"] in pages["cem.html"]
    for text in pages.values():
        assert "http" not in text.replace("http-equiv", "")
        assert "default-src 'none'" in text


def test_the_table_itself_tells_no_case(graded):
    [bob] = [row for row in read_rows(graded / "g.csv") if "bob" in row.student]
    assert "[7]" not in bob.message
    assert "script" not in bob.message


def test_a_page_tells_the_student_a_pseudonym(graded):
    ada = next(path for path in write(graded / "g.csv", graded / "out") if path.stem == "ada")
    assert leaderboard.pseudonym("ada", 4) in ada.read_text(encoding="utf-8")


def test_marks_and_comments_of_a_person_are_shown(graded):
    pytest.importorskip("nbgrader")
    from nncourse.classroom import gradebook

    db = f"sqlite:///{graded}/gradebook.db"
    points = {part.name: part.points for part in LAB.parts}
    rows = [row("ada", task=name, mark=0.0) for name in points]
    rows = [dataclasses.replace(r, max_mark=points[r.task]) for r in rows]
    gradebook.record(rows, db)
    gradebook.enter_manual(
        db,
        [("ada", LAB.name, "answer", 1.5, "name the bits"), ("ada", LAB.name, LAST, 2.0, "looked")],
    )
    write_rows(rows, graded / "h.csv")
    [page] = write(graded / "h.csv", graded / "out", db=db)
    text = page.read_text(encoding="utf-8")
    assert "From the person who marked it: name the bits" in text
    assert "From the person who marked it: looked" in text
    assert f"3.5 of {sum(points.values()) + LAB.essay_points:g} points" in text


def test_correctness_comes_first_then_the_score_then_the_whole_lab():
    rows = [
        row("slow", mark=3.0),
        row("fast", mark=3.0),
        row("wrong", mark=1.0),
        row("late", status="timeout"),
        row("none", mark=0.0),
        row("twin", mark=1.0),
        row("twin", task="pack", mark=2.0),
    ]
    places = leaderboard.ranking(rows, LAST, {"slow": 20.0, "fast": 10.0, "wrong": 1.0})
    assert [(p.rank, p.who) for p in places] == [
        (1, "fast"),
        (2, "slow"),
        (3, "wrong"),
        (4, "twin"),
    ]
    same = leaderboard.ranking([row("b"), row("a")], LAST, {})
    assert [(p.rank, p.who) for p in same] == [(1, "a"), (1, "b")]


def test_the_board_hides_who_is_who_unless_asked(tmp_path):
    write_rows([row("ada"), row("bob", mark=2.0)], tmp_path / "g.csv")
    with pytest.raises(ValueError, match="pseudonyms need the journal"):
        leaderboard.write(tmp_path / "g.csv", tmp_path / "board.html")
    named = leaderboard.write(tmp_path / "g.csv", tmp_path / "board.html", names=True)
    assert ">ada<" in named.read_text(encoding="utf-8")
    with Journal(tmp_path / "g.journal") as journal:
        journal.begin(9)
    hidden = leaderboard.write(tmp_path / "g.csv", tmp_path / "board.html")
    text = hidden.read_text(encoding="utf-8")
    assert ">ada<" not in text
    assert leaderboard.pseudonym("ada", 9) in text


def test_pseudonyms_of_a_class_differ():
    assert len({leaderboard.pseudonym(f"student-{i}", 3) for i in range(200)}) >= 198
