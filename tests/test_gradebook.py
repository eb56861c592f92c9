"""The gradebook is nbgrader's: its own interface reads it, and a person's mark outlives the program's."""

import csv

import pytest

from nncourse.classroom import essays, export, gradebook
from nncourse.classroom.gradebook import ESSAY, record, results
from nncourse.classroom.labs import LABS
from nncourse.classroom.rows import Row

pytest.importorskip("nbgrader")
pytestmark = pytest.mark.filterwarnings("default")

LAB = LABS["06_write_a_huffman_codec"]
FIRST = LAB.tasks[0]


def rows_of(student, *, share=1.0, status="graded", message="6 of 6 properties hold", lab=LAB):
    return [
        Row(
            student=student,
            lab=lab.name,
            task=part.name,
            status=status,
            mark=part.points * share if status == "graded" else None,
            max_mark=part.points,
            message=message,
        )
        for part in lab.parts
    ]


@pytest.fixture
def db(tmp_path):
    return f"sqlite:///{tmp_path}/gradebook.db"


@pytest.fixture
def book(db):
    """nbgrader's own interface, opened anew for each question."""
    from nbgrader.api import Gradebook

    opened = []

    def open_again():
        opened.append(Gradebook(db))
        return opened[-1]

    yield open_again
    for one in opened:
        one.close()


def test_nbgrader_reads_assignments_students_and_scores(db, book):
    record([*rows_of("ada"), *rows_of("bob", share=0.5)], db)
    found = book()
    assert [assignment.name for assignment in found.assignments] == [LAB.name]
    assert sorted(student.id for student in found.students) == ["ada", "bob"]
    points = sum(part.points for part in LAB.parts)
    [assignment] = found.assignments
    assert assignment.max_score == points + LAB.essay_points
    assert found.find_submission(LAB.name, "ada").score == points
    assert found.find_submission(LAB.name, "bob").score == points / 2
    grade = found.find_grade("check-code-lengths", LAB.name, LAB.name, "bob")
    assert (grade.auto_score, grade.needs_manual_grade) == (FIRST.points / 2, False)
    comment = found.find_comment("code_lengths", LAB.name, LAB.name, "bob")
    assert comment.comment == "graded: 6 of 6 properties hold"


def test_the_cells_of_the_gradebook_are_those_of_the_notebook(db, book):
    from pathlib import Path

    import nbformat

    record(rows_of("ada"), db)
    path = Path(__file__).resolve().parents[1] / "labs" / f"{LAB.name}.ipynb"
    named = [
        cell.metadata.nbgrader
        for cell in nbformat.read(path, as_version=4).cells
        if "nbgrader" in cell.metadata
    ]
    notebook = book().find_notebook(LAB.name, LAB.name)
    assert {(cell.name, cell.max_score) for cell in notebook.grade_cells} == {
        (cell.grade_id, cell.points) for cell in named if cell.grade
    }
    assert {cell.name for cell in notebook.solution_cells} == {
        cell.grade_id for cell in named if cell.solution
    }


def test_a_fault_of_the_grader_is_no_zero_and_waits_for_a_person(db, book):
    record(rows_of("ada", status="grader_fault", message="the check failed"), db)
    grade = book().find_grade("check-code-lengths", LAB.name, LAB.name, "ada")
    assert (grade.auto_score, grade.needs_manual_grade) == (None, True)
    assert {result.status for result in results(db) if result.name != ESSAY} == {"grader_fault"}
    assert all(result.mark is None for result in results(db))


def test_a_manual_grade_survives_a_regrade_and_asks_for_another_look(db, book):
    record(rows_of("ada"), db)
    first = book()
    for cell, mark in {"check-code-lengths": 1.5, "answer": 2.0}.items():
        grade = first.find_grade(cell, LAB.name, LAB.name, "ada")
        grade.manual_score, grade.needs_manual_grade = mark, False
    first.db.commit()
    record(rows_of("ada"), db)
    assert not book().find_grade("check-code-lengths", LAB.name, LAB.name, "ada").needs_manual_grade
    record(rows_of("ada", share=0.0), db)
    after = book()
    changed = after.find_grade("check-code-lengths", LAB.name, LAB.name, "ada")
    assert (changed.score, changed.auto_score, changed.needs_manual_grade) == (1.5, 0.0, True)
    essay = after.find_grade("answer", LAB.name, LAB.name, "ada")
    assert (essay.score, essay.needs_manual_grade) == (2.0, False)
    assert after.find_submission(LAB.name, "ada").score == 3.5


def test_recording_twice_changes_nothing(db):
    record([*rows_of("ada"), *rows_of("bob", status="timeout")], db)
    once = results(db)
    record([*rows_of("ada"), *rows_of("bob", status="timeout")], db)
    assert results(db) == once


def test_a_student_who_handed_nothing_in_is_known_and_has_no_submission(db, book):
    record([*rows_of("ada"), *rows_of("bob", status="missing_task", message="no file x.ipynb")], db)
    found = book()
    assert [student.id for student in found.students] == ["ada", "bob"]
    assert [s.student.id for s in found.assignment_submissions(LAB.name)] == ["ada"]


def test_a_part_that_is_added_to_a_lab_reaches_submissions_that_are_there(db, monkeypatch):
    import dataclasses

    smaller = dataclasses.replace(LAB, tasks=LAB.tasks[:2], questions=())
    with monkeypatch.context() as earlier:
        earlier.setattr(gradebook, "LABS", {LAB.name: smaller})
        record(rows_of("ada", lab=smaller), db)
    record(rows_of("ada"), db)
    found = {result.name: result.mark for result in results(db)}
    assert found == {part.name: part.points for part in LAB.parts} | {ESSAY: None}


def test_an_address_that_cannot_be_opened_is_a_sentence_without_its_password(tmp_path):
    for db in (
        "nonsense",
        "unknown://ada:secret@host/course",
        f"sqlite:///{tmp_path}/missing/g.db",
    ):
        with pytest.raises(ValueError, match="cannot be opened") as caught:
            record(rows_of("ada"), db)
        assert "secret" not in str(caught.value)


def test_totals_for_canvas_and_moodle_leave_open_what_is_open(db, tmp_path):
    record(
        [
            *rows_of("ada"),
            *rows_of("bob", status="timeout"),
            *rows_of("cem", status="grader_fault"),
            *rows_of("dot"),
        ],
        db,
    )
    gradebook.enter_manual(db, [(s, LAB.name, ESSAY, 1.5, "") for s in ("ada", "bob", "cem")])
    points = sum(part.points for part in LAB.parts)
    said = export.write("canvas", db, tmp_path / "canvas.csv")
    assert said.endswith("4 totals, of which 3 stay open")
    table = list(csv.reader((tmp_path / "canvas.csv").read_text(encoding="utf-8").splitlines()))
    assert table[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", LAB.name]
    assert table[1][0].strip() == "Points Possible"
    assert float(table[1][-1]) == points + LAB.essay_points
    assert {line[0]: line[-1] for line in table[2:]} == {
        "ada": f"{points + 1.5:g}",
        "bob": "",
        "cem": "",
        "dot": "",
    }
    export.write("moodle", db, tmp_path / "moodle.csv", open_as_zero=True)
    table = list(csv.reader((tmp_path / "moodle.csv").read_text(encoding="utf-8").splitlines()))
    assert table[0] == ["username", LAB.name]
    assert dict(table[1:]) == {"ada": f"{points + 1.5:g}", "bob": "1.5", "cem": "", "dot": ""}


def test_a_gradebook_without_submissions_has_nothing_to_export(db, tmp_path):
    with pytest.raises(ValueError, match="holds no submission"):
        export.write("moodle", db, tmp_path / "moodle.csv")


def test_marks_of_a_person_are_entered_from_a_table(db, tmp_path):
    record([*rows_of("ada"), *rows_of("bob")], db)
    table = tmp_path / "marks.csv"
    table.write_text(f"student,lab,mark,comment\nada,{LAB.name},1.5,no index\nbob,{LAB.name},,\n")
    assert essays.enter(table, db).startswith("1 marks entered")
    [essay] = [r for r in results(db) if (r.student, r.name) == ("ada", ESSAY)]
    assert (essay.mark, essay.comment) == (1.5, "no index")
    for line, reason in {
        f"ada,{LAB.name},3,": "0 to 2",
        f"ada,{LAB.name},much,": "write a number",
        f"eve,{LAB.name},1,": "no submission of eve",
        "ada,99_none,1,": "which the course has not",
    }.items():
        table.write_text(f"student,lab,mark,comment\n{line}\n")
        with pytest.raises(ValueError, match=reason):
            essays.enter(table, db)
    assert {r.mark for r in results(db) if r.name == ESSAY} == {1.5, None}
