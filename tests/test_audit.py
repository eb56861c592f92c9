"""The audit: a grader counts as proven only when everything that proves it is there and comes out right."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from nncourse.classroom import audit
from nncourse.classroom.labs import LABS

ROOT = Path(__file__).resolve().parents[1]
WHOLE = LABS["06_write_a_huffman_codec"]
LAB = dataclasses.replace(WHOLE, tasks=WHOLE.tasks[2:3])


@pytest.mark.parametrize("lab", LABS.values(), ids=list(LABS))
def test_no_lab_lands_without_what_proves_its_graders(lab):
    assert not list(audit.gaps(lab, ROOT))


@pytest.mark.parametrize("lab", LABS.values(), ids=list(LABS))
def test_the_audit_looks_at_every_part_in_every_way(lab):
    names = [case.name for case in audit.cases_of(lab, ROOT)]
    assert names[:2] == ["the blank lab", "the solution"]
    for part in (*lab.tasks, *lab.questions):
        assert f"the solution with {part.name} emptied" in names
        assert f"the solution with {part.name} deleted" in names
    for name, reason, _ in audit.planted(lab, ROOT):
        assert f"{name}, planted: {reason}" in names


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one lab with a question, whose files can be changed."""
    monkeypatch.setattr(audit, "LABS", {LAB.name: LAB})
    for folder in ("labs", "solutions"):
        (tmp_path / folder).mkdir()
        shutil.copy(ROOT / folder / f"{LAB.name}.ipynb", tmp_path / folder)
    (tmp_path / "tests" / "planted").mkdir(parents=True)
    plant(tmp_path, [entry for entry in audit.planted(LAB, ROOT) if entry[0] == LAB.tasks[0].name])
    return tmp_path


def plant(course, entries):
    path = course / "tests" / "planted" / f"{LAB.name}.py"
    path.write_text(f"PLANTED = {[tuple(entry) for entry in entries]!r}\n", encoding="utf-8")


def edit(course, folder, before, after):
    path = course / folder / f"{LAB.name}.ipynb"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_a_lab_with_everything_in_place_is_proven(course, capsys):
    assert audit.main(course, jobs=1) == 0
    assert f"{LAB.name}: proven, " in capsys.readouterr().out


def test_a_planted_answer_that_is_right_is_found(course, capsys):
    solution = json.loads((course / "solutions" / f"{LAB.name}.ipynb").read_text(encoding="utf-8"))
    right = next(
        "".join(cell["source"])
        for cell in solution["cells"]
        if "".join(cell["source"]).startswith(f"def {LAB.tasks[0].name}(")
    )
    plant(course, [*audit.planted(LAB, course), (LAB.tasks[0].name, "is right", right)])
    assert audit.main(course, jobs=1) == 1
    printed = capsys.readouterr().out
    assert "NOT proven" in printed
    assert "planted: is right" in printed
    assert "drawn with seed" in printed


def test_a_wrong_solution_and_a_lab_with_its_answers_are_found(course, capsys):
    shutil.copy(course / "solutions" / f"{LAB.name}.ipynb", course / "labs")
    edit(course, "solutions", "336,113 bytes", "336,113 kB")
    assert audit.main(course, jobs=1) == 1
    printed = capsys.readouterr().out
    assert "the solution: stream_with_notes is graded, 0" in printed
    assert f"the blank lab: {LAB.tasks[0].name} is graded, 2.0 of 2" in printed


def test_what_is_missing_is_named(course, capsys):
    plant(course, [("no_such_task", "?", "def no_such_task(): pass")])
    (course / "labs" / f"{LAB.name}.ipynb").unlink()
    assert audit.main(course, jobs=1) == 1
    printed = capsys.readouterr().out
    assert f"labs/{LAB.name}.ipynb is missing" in printed
    assert f"{LAB.tasks[0].name} has 0 planted wrong answers" in printed
    assert "answers to no_such_task, which is no part of the lab" in printed


def test_an_unknown_lab_is_named(course):
    with pytest.raises(ValueError, match="must be called like a lab"):
        audit.main(course, labs=["99_none"])
