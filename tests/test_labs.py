"""The labs as students get them: blank earns nothing, solved earns all, each answer is worth its own points."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from nncourse.classroom import report
from nncourse.classroom.essays import BLANK
from nncourse.classroom.gradebook import ESSAY
from nncourse.classroom.labs import LABS
from nncourse.classroom.marking import grade_notebook
from nncourse.classroom.question import SOLVER
from nncourse.classroom.release import MAY_RAISE, STUB, without_answers

ROOT = Path(__file__).resolve().parents[1]
LAB_LIST = list(LABS.values())
LAB_IDS = list(LABS)
FUNCTIONS = [(lab, part) for lab in LAB_LIST for part in (*lab.tasks, *lab.questions)]
SECRET = 20_251


def marks(path, lab):
    rows = grade_notebook(path, lab, student=SOLVER, seed=SECRET)
    return {row.task: (row.status, row.mark) for row in rows}


def full(lab):
    return {part.name: ("graded", part.points) for part in lab.parts}


def edited(lab, target, edit):
    """The solution with each code cell's source passed through ``edit(source)``, written to ``target``."""
    notebook = json.loads((ROOT / "solutions" / f"{lab.name}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = edit("".join(cell["source"]))
    target.write_text(json.dumps(notebook), encoding="utf-8")
    return target


@pytest.mark.parametrize("lab", LAB_LIST, ids=LAB_IDS)
def test_the_solution_earns_everything(lab):
    assert marks(ROOT / "solutions" / f"{lab.name}.ipynb", lab) == full(lab)


@pytest.mark.parametrize("lab", LAB_LIST, ids=LAB_IDS)
def test_the_blank_lab_earns_nothing_and_is_told_so(lab):
    rows = grade_notebook(ROOT / "labs" / f"{lab.name}.ipynb", lab, student=SOLVER, seed=SECRET)
    rows = [row for row in rows if row.task not in {part.name for part in lab.files}]
    assert {(row.status, row.mark, row.message) for row in rows} == {
        ("graded", 0.0, "not answered")
    }


@pytest.mark.parametrize(
    ("lab", "name"),
    [(lab, part.name) for lab, part in FUNCTIONS],
    ids=[f"{lab.name}-{part.name}" for lab, part in FUNCTIONS],
)
def test_the_solution_with_one_answer_removed_loses_exactly_that(lab, name, tmp_path):
    def is_its_cell(source):
        return re.search(rf"^def {name}\(", source, re.MULTILINE)

    stubbed = edited(
        lab, tmp_path / "stub.ipynb", lambda s: without_answers(s) if is_its_cell(s) else s
    )
    assert marks(stubbed, lab) == {**full(lab), name: ("graded", 0.0)}
    deleted = edited(lab, tmp_path / "gone.ipynb", lambda s: "" if is_its_cell(s) else s)
    assert marks(deleted, lab) == {**full(lab), name: ("missing_task", None)}


@pytest.mark.parametrize("lab", LAB_LIST, ids=LAB_IDS)
def test_half_of_the_answers_earn_their_half(lab, tmp_path):
    first_half = [part.name for part in lab.parts[::2]]

    def edit(source):
        found = re.search(r"^def (\w+)\(", source, re.MULTILINE)
        return source if found and found[1] in first_half else without_answers(source)

    expected = {
        part.name: ("graded", part.points if part.name in first_half else 0.0) for part in lab.parts
    }
    assert marks(edited(lab, tmp_path / "half.ipynb", edit), lab) == expected


@pytest.mark.parametrize("lab", LAB_LIST, ids=LAB_IDS)
def test_the_order_of_the_cells_does_not_matter(lab, tmp_path):
    notebook = json.loads((ROOT / "solutions" / f"{lab.name}.ipynb").read_text(encoding="utf-8"))
    notebook["cells"].reverse()
    (tmp_path / "reversed.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    assert marks(tmp_path / "reversed.ipynb", lab) == full(lab)


@pytest.mark.parametrize("lab", LAB_LIST, ids=LAB_IDS)
def test_the_notebook_asks_for_every_task_and_says_its_points(lab):
    notebook = nbformat.read(ROOT / "labs" / f"{lab.name}.ipynb", as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    graded = {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.get("points")
        for cell in notebook.cells
        if cell.cell_type == "code" and "nbgrader" in cell.metadata and cell.metadata.nbgrader.grade
    }
    for task in (*lab.tasks, *lab.questions):
        slug = task.name.replace("_", "-")
        assert STUB in cells[slug].source
        assert cells[f"check-{slug}"].source == f"check.{task.name}({task.name})"
        assert MAY_RAISE in cells[f"check-{slug}"].metadata.tags
        assert graded[f"check-{slug}"] == task.points
    assert len(graded) == len(lab.tasks) + len(lab.questions)


@pytest.mark.parametrize("lab", LAB_LIST, ids=LAB_IDS)
def test_the_answer_in_words_is_a_cell_that_students_may_edit(lab):
    notebook = nbformat.read(ROOT / "labs" / f"{lab.name}.ipynb", as_version=4)
    [answer] = [cell for cell in notebook.cells if cell.id == ESSAY]
    assert answer.source == BLANK
    named = answer.metadata.nbgrader
    assert (named.points, named.grade, named.locked) == (lab.essay_points, True, False)


@pytest.mark.parametrize("lab", LAB_LIST, ids=LAB_IDS)
def test_a_lab_has_the_length_of_a_lab_and_no_outputs(lab):
    notebook = nbformat.read(ROOT / "labs" / f"{lab.name}.ipynb", as_version=4)
    assert 25 <= len(notebook.cells) <= 42
    assert not any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.parametrize("lab", LAB_LIST, ids=LAB_IDS)
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("folder", ["labs", "solutions"])
def test_every_cell_that_is_not_tagged_runs_and_tagged_ones_fail_in_words(lab, folder, tmp_path):
    from nbclient import NotebookClient

    notebook = nbformat.read(ROOT / folder / f"{lab.name}.ipynb", as_version=4)
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    shown = {
        "\n".join(output["traceback"])
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.id.startswith("check-")
        for output in cell.outputs
        if output.output_type == "error"
    }
    parts = (*lab.tasks, *lab.questions)
    names = {f"{part.name}: not answered yet." for part in parts}
    assert shown == (names if folder == "labs" else set())


def test_check_prints_a_table_with_the_smallest_failing_case(tmp_path, capsys):
    lab = LAB_LIST[0]
    path = edited(
        lab,
        tmp_path / f"{lab.name}.ipynb",
        lambda source: source.replace(
            "largest = np.max(np.abs(x))\n    limit", "largest = np.max(x)\n    limit"
        ),
    )
    assert report.main(path) == 1
    printed = capsys.readouterr().out
    assert "symmetric_scale" in printed.splitlines()[0]
    assert "missed first: a right answer looks at the size of a value" in printed
    assert "expected" in printed
    assert report.main(ROOT / "solutions" / f"{lab.name}.ipynb") == 0


def test_check_refuses_a_file_that_is_no_notebook_of_a_lab(tmp_path):
    (tmp_path / "essay.ipynb").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="Rename the file"):
        report.main(tmp_path / "essay.ipynb")
    (tmp_path / f"{LAB_LIST[0].name}.ipynb").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="not a notebook"):
        report.main(tmp_path / f"{LAB_LIST[0].name}.ipynb")
