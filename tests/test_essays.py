"""Answers in words: a rubric and three samples for every lab, and a queue that loses no mark."""

import csv
import json
from pathlib import Path

import pytest

from nncourse.classroom.essays import BLANK, answer_in, lay_out, rubric_of
from nncourse.classroom.labs import LABS

ROOT = Path(__file__).resolve().parents[1]
WITH_ESSAY = [lab for lab in LABS.values() if lab.essay_points]
IDS = [lab.name for lab in WITH_ESSAY]
LAB = WITH_ESSAY[0]


def notebook(text, **changes):
    cell = {"cell_type": "markdown", "id": "answer", "metadata": {}, "source": text, **changes}
    return json.dumps({"cells": [cell]}).encode()


@pytest.mark.parametrize("lab", WITH_ESSAY, ids=IDS)
def test_every_answer_in_words_has_a_rubric_and_three_samples(lab):
    rubric = rubric_of(lab, ROOT)
    assert sum(criterion["points"] for criterion in rubric.criteria) == lab.essay_points
    assert [sample["mark"] for sample in rubric.samples] == [2, 1, 0]
    assert rubric.question.startswith("## In words")
    for sample in rubric.samples:
        assert len(sample["text"]) > 60
        assert sample["why"].endswith(".")


def test_an_answer_is_found_by_its_cell_and_blank_is_no_answer():
    assert answer_in(notebook("Because.")) == "Because."
    assert answer_in(notebook(["Be", "cause."])) == "Because."
    assert answer_in(notebook(BLANK)) == ""
    renamed = {"id": "x", "metadata": {"nbgrader": {"grade_id": "answer"}}}
    assert answer_in(notebook("Because.", **renamed)) == "Because."
    for broken in (
        b"{",
        b"\xff",
        b"[]",
        b'{"cells": 3}',
        b'{"cells": [{"cell_type": "markdown"}]}',
    ):
        assert answer_in(broken) == ""
    assert len(answer_in(notebook("x" * 10**6))) == 20_000


@pytest.fixture
def submissions(tmp_path):
    texts = {
        "ada": "Because <script>alert(1)</script> of the step.",
        "bob": "Because <script>alert(1)</script> of the step.",
        "cem": BLANK,
    }
    for student, text in texts.items():
        (tmp_path / "class" / student).mkdir(parents=True)
        (tmp_path / "class" / student / f"{LAB.name}.ipynb").write_bytes(notebook(text))
    (tmp_path / "class" / "eve").mkdir()
    (tmp_path / "class" / "eve" / f"{LAB.name}.ipynb").symlink_to("/etc/passwd")
    return tmp_path / "class"


def table(folder):
    with (folder / "marks.csv").open(encoding="utf-8", newline="") as file:
        return {line["student"]: line for line in csv.DictReader(file)}


def test_the_page_shows_question_rubric_samples_and_answers_and_runs_nothing(submissions, tmp_path):
    page, _ = lay_out(submissions, ROOT, tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert "In words" in text
    assert "2 of 2" in text
    assert "1 of 2" in text
    assert "0 of 2" in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "The same words: bob" in text
    assert sorted(table(tmp_path / "out")) == ["ada", "bob", "cem"]


def test_a_blank_answer_is_proposed_as_0_and_marks_are_kept(submissions, tmp_path):
    lay_out(submissions, ROOT, tmp_path / "out")
    path = tmp_path / "out" / "marks.csv"
    lines = table(tmp_path / "out")
    assert lines["cem"]["mark"] == "0"
    assert lines["ada"]["mark"] == ""
    path.write_text(
        path.read_text(encoding="utf-8").replace(f"ada,{LAB.name},,", f"ada,{LAB.name},2,good")
    )
    lay_out(submissions, ROOT, tmp_path / "out")
    assert table(tmp_path / "out")["ada"]["mark"] == "2"
    assert table(tmp_path / "out")["ada"]["comment"] == "good"


def test_missing_folders_are_named(submissions, tmp_path):
    with pytest.raises(ValueError, match="submissions must be a folder"):
        lay_out(tmp_path / "none", ROOT, tmp_path / "out")
    with pytest.raises(ValueError, match="--course DIR"):
        lay_out(submissions, tmp_path, tmp_path / "out")
