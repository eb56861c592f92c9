"""Numbers asked for in words: everyone's own, read as text, with a tolerance and a unit."""

import itertools
import json

import pytest

from nncourse.classroom.lab import Lab
from nncourse.classroom.labs import LABS
from nncourse.classroom.marking import grade_notebook
from nncourse.classroom.outcome import CheckFailed
from nncourse.classroom.question import SOLVER, Question, stated

QUESTIONS = [(lab, question) for lab in LABS.values() for question in lab.questions]
IDS = [question.name for _, question in QUESTIONS]


AREA = Question(
    name="area",
    points=2,
    text="A field is {width:g} m wide and 20 m long. How large is it?",
    draw=lambda rng: {"width": float(rng.integers(10, 1000))},
    answer=lambda width: width * 20,
    unit="m2",
    units={"ha": 1e4},
)


def test_the_labs_ask_at_least_one_number_of_everyone():
    assert QUESTIONS


@pytest.mark.parametrize(("lab", "question"), QUESTIONS, ids=IDS)
def test_an_answer_copied_from_a_neighbor_is_a_wrong_one(lab, question):
    students = [f"student-{i}" for i in range(40)]
    right = {
        s: f"def {question.name}():\n    return '{question.expected(s)} {question.unit}'"
        for s in students
    }
    assert all(question.verdict(right[s], s)[0] for s in students)
    pairs = list(itertools.permutations(students, 2))
    caught = sum(not question.verdict(right[a], b)[0] for a, b in pairs)
    assert caught >= 0.95 * len(pairs)


@pytest.mark.parametrize(("lab", "question"), QUESTIONS, ids=IDS)
def test_the_published_solution_is_nobody_elses(lab, question):
    mine, yours = (question.question(student) for student in (SOLVER, "ada"))
    assert mine != yours
    assert question.question(" ADA ") == yours


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 m2", 3),
        ("1,250.5 m2", 1250.5),
        ("about 1 250 m2.", 1250),
        ("12_000 M2", 12_000),
        ("1.5e3 m2", 1500),
        ("0.25 ha", 2500),
        ("-3 m2", -3),
    ],
)
def test_a_quantity_is_read_with_its_unit(text, value):
    assert AREA.read(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("12", "the unit is 'missing'; write one of m2, ha"),
        ("12 acres", "the unit is 'acres'"),
        ("large", "write one number and its unit"),
        ("12 or 13 m2", "write one number|the unit is"),
        ("", "write one number"),
        ("1,2 m2", "write one number"),
        ("9" * 300 + " m2", "write one number"),
    ],
)
def test_what_is_no_quantity_is_told_how_to_write_one(text, reason):
    with pytest.raises(ValueError, match=reason):
        AREA.read(text)


def test_the_answer_is_read_and_never_computed():
    assert stated("def area():\n    'words'\n    return 12.5", "area") == "12.5"
    for body in ("return 2 * 3", "return f'{3} m2'", "x = 3\n    return x", "return open('x')"):
        with pytest.raises(ValueError, match="what is computed there is not read"):
            stated(f"def area():\n    {body}", "area")


def test_the_tolerance_is_relative():
    expected = AREA.expected("ada")
    for error, right in ((0.0, True), (0.009, True), (-0.009, True), (0.011, False)):
        source = f"def area():\n    return '{expected * (1 + error)} m2'"
        assert AREA.verdict(source, "ada")[0] == right


def rows_of(tmp_path, *sources, student="ada"):
    lab = Lab(name="lab", tasks=LABS["01_quantize_a_layer"].tasks[:1], questions=(AREA,))
    cells = [{"cell_type": "code", "source": source} for source in sources]
    (tmp_path / "lab.ipynb").write_text(json.dumps({"cells": cells}))
    [row] = grade_notebook(tmp_path / "lab.ipynb", lab, student=student, seed=1, only=["area"])
    return row


def test_a_row_says_what_was_asked(tmp_path):
    right = f"def area():\n    return '{AREA.expected('ada')} m2'"
    assert rows_of(tmp_path, right).mark == 2.0
    row = rows_of(tmp_path, right, student="bob")
    assert (row.status, row.mark) == ("graded", 0.0)
    assert f"not the number that bob was asked for: {AREA.question('bob')}" in row.message
    blank = "def area():\n    raise NotImplementedError('your code here')"
    assert rows_of(tmp_path, blank).message == "not answered"
    assert rows_of(tmp_path, "x = 1").status == "missing_task"
    assert rows_of(tmp_path, "def area():\n    return f('(' * 10000)").mark == 0.0


def test_the_lab_checks_the_form_and_not_the_value(capsys):
    AREA.ask("ada")
    AREA(lambda: "1 ha")
    assert "area: read as 10,000 m2; marked when it is handed in" in capsys.readouterr().out
    with pytest.raises(CheckFailed, match="the unit is 'missing'"):
        AREA(lambda: "12")

    def blank():
        raise NotImplementedError

    with pytest.raises(CheckFailed, match="not answered yet"):
        AREA(blank)


def test_bad_questions_are_named():
    known = {"text": "", "draw": lambda rng: {}, "answer": lambda: 1.0, "unit": "m", "units": {}}
    with pytest.raises(ValueError, match="name is the function's name"):
        Question(name="no name", points=1, **known)
    with pytest.raises(ValueError, match="points and rtol are above 0"):
        Question(name="f", points=0, **known)
