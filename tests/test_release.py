"""Release: a lab is its solution without the answers."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nncourse.classroom.release import (
    MAY_RAISE,
    STUB,
    release,
    release_all,
    released_text,
    without_answers,
)

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
METADATA = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
ANSWER = "def half(x):\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION"


def notebook(*cells):
    made = new_notebook(cells=list(cells), metadata=METADATA)
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"
    return made


def test_an_answer_becomes_a_line_that_raises_at_its_indentation():
    assert without_answers(ANSWER) == f"def half(x):\n    {STUB}"


def test_what_stands_around_an_answer_stays():
    source = "a = 1\n### BEGIN SOLUTION\nb = 2\n### END SOLUTION\nc = 3"
    assert without_answers(source) == f"a = 1\n{STUB}\nc = 3"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("### BEGIN SOLUTION\nx = 1", "never ends"),
        ("x = 1\n### END SOLUTION", "line 2.*do not pair up"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "line 2.*do not pair up"),
        ("## BEGIN SOLUTION\nx = 1", "stands alone"),
        ("x = 1  ### END SOLUTION", "stands alone"),
    ],
)
def test_markers_that_do_not_pair_up_are_named(source, reason):
    with pytest.raises(ValueError, match=reason):
        without_answers(source)


def test_a_notebook_without_an_answer_is_refused():
    with pytest.raises(ValueError, match="holds no answer"):
        release(notebook(new_code_cell("1 + 1")))


def test_an_answer_in_prose_must_be_tagged_instead():
    with pytest.raises(ValueError, match="cell-0 is prose"):
        release(notebook(new_markdown_cell("### BEGIN SOLUTION\nyes\n### END SOLUTION")))


def test_the_solution_itself_is_not_modified():
    solution = notebook(new_code_cell(ANSWER), new_code_cell("half(4)"))
    before = nbformat.writes(solution)
    release(solution)
    assert nbformat.writes(solution) == before


def test_cells_that_build_on_an_answer_may_raise_and_no_others():
    lab = release(
        notebook(
            new_code_cell("half = None"),
            new_code_cell(ANSWER),
            new_code_cell("result = [half(x) for x in range(3)]"),
            new_code_cell("def show():\n    return result"),
            new_code_cell("show()"),
            new_code_cell("print(1)"),
        )
    )
    tagged = [MAY_RAISE in cell.metadata.get("tags", []) for cell in lab.cells]
    assert tagged == [False, False, True, True, True, False]


def test_explanations_outputs_and_counts_do_not_reach_the_lab():
    explanation = new_markdown_cell("because", metadata={"tags": ["solution-only"]})
    cell = new_code_cell(ANSWER, execution_count=7)
    cell.outputs = [nbformat.v4.new_output("stream", text="42")]
    lab = release(notebook(cell, explanation))
    assert [cell.source for cell in lab.cells] == [f"def half(x):\n    {STUB}"]
    assert lab.cells[0].outputs == []
    assert lab.cells[0].execution_count is None


def test_a_fault_names_its_file(tmp_path):
    (tmp_path / "solutions").mkdir()
    broken = notebook(new_code_cell("### BEGIN SOLUTION"))
    nbformat.write(broken, tmp_path / "solutions" / "09_broken.ipynb")
    with pytest.raises(ValueError, match=r"09_broken\.ipynb: an answer begins and never ends"):
        release_all(tmp_path / "solutions", tmp_path / "labs")


def test_a_folder_without_solutions_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no notebook"):
        release_all(tmp_path, tmp_path / "labs")


def test_labs_are_the_released_solutions_byte_for_byte(tmp_path):
    assert SOLUTIONS
    written = release_all(ROOT / "solutions", tmp_path)
    assert [path.name for path in written] == [
        p.name for p in sorted((ROOT / "labs").glob("*.ipynb"))
    ]
    for path in written:
        assert path.read_bytes() == (ROOT / "labs" / path.name).read_bytes()


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
def test_no_line_of_an_answer_is_left_in_the_lab(solution):
    cells = json.loads(solution.read_text(encoding="utf-8"))["cells"]
    lab = released_text(solution)
    for cell in cells:
        source = "".join(cell["source"])
        if "### BEGIN SOLUTION" in source:
            inside = source.split("### BEGIN SOLUTION")[1].split("### END SOLUTION")[0]
            for line in filter(None, map(str.strip, inside.splitlines())):
                if len(line) > 12:
                    assert line not in lab
    assert "SOLUTION" not in lab
    assert "solution-only" not in lab


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")
def test_nbgrader_clears_the_solutions_as_we_do_and_accepts_both(solution):
    from nbgrader.nbgraderformat import MetadataValidator
    from nbgrader.preprocessors import ClearSolutions

    original = nbformat.read(solution, as_version=4)
    ours = release(original)
    validator = MetadataValidator()
    validator.validate_nb(original)
    validator.validate_nb(ours)
    clear = ClearSolutions()
    clear.code_stub = {"python": STUB}
    theirs, _ = clear.preprocess(original, {})
    by_id = {cell.id: cell.source for cell in theirs.cells}
    assert {cell.id: cell.source for cell in ours.cells}.items() <= by_id.items()
