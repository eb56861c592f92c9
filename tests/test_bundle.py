"""The bundle for students: proven free of answers, explanations, outputs, seeds and foreign files."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nncourse.classroom.bundle import proved, write_zip

ROOT = Path(__file__).resolve().parents[1]
NAME = "01_quantize_a_layer"


@pytest.fixture
def course(tmp_path):
    for folder in ("labs", "solutions"):
        (tmp_path / folder).mkdir()
        shutil.copy(ROOT / folder / f"{NAME}.ipynb", tmp_path / folder)
    return tmp_path


def test_the_labs_of_the_course_give_nothing_away():
    assert "proven free of answers" in proved(ROOT / "solutions", ROOT / "labs")


LEAKS = {
    "holds a line of the answer in pack": '    return np.packbits(table.astype(np.uint8), bitorder="little").tobytes()',
    "still has a mark of a solution": "### BEGIN SOLUTION",
    "holds 1234567890123456789, which could be a secret seed": "seed = 1234567890123456789",
    "holds a line of the answer in sample-answer": (
        "guessing, with Task 1's scale). At 4 bits it hurts: 98.45% instead of 98.87%, although the error fell to a quarter. The squared error"
    ),
}


@pytest.mark.parametrize(("reason", "line"), LEAKS.items(), ids=list(LEAKS))
def test_a_line_that_leaks_is_named(course, monkeypatch, reason, line):
    with pytest.raises(ValueError, match=reason):
        proved(*leaking(course, monkeypatch, lambda cell: cell.update(source=line)))


def leaking(course, monkeypatch, change):
    """Folders of a course whose release itself lets a change of its last code cell pass."""
    path = course / "labs" / f"{NAME}.ipynb"
    lab = json.loads(path.read_text(encoding="utf-8"))
    change(next(cell for cell in reversed(lab["cells"]) if cell["cell_type"] == "code"))
    path.write_text(json.dumps(lab), encoding="utf-8")
    monkeypatch.setattr(
        "nncourse.classroom.bundle.released_text", lambda solution: path.read_text(encoding="utf-8")
    )
    return course / "solutions", course / "labs"


def test_an_output_a_run_count_and_odd_metadata_are_named(course, monkeypatch):
    for change, reason in (
        ({"outputs": [{"output_type": "stream", "text": "42"}]}, "has outputs"),
        ({"execution_count": 3, "outputs": []}, "has outputs"),
        ({"execution_count": None, "metadata": {"seed": 3}}, "carries seed"),
    ):
        with pytest.raises(ValueError, match=reason):
            proved(*leaking(course, monkeypatch, lambda cell, c=change: cell.update(c)))


def test_an_answer_in_words_that_is_not_blank_is_named(course, monkeypatch):
    path = course / "labs" / f"{NAME}.ipynb"
    text = path.read_text(encoding="utf-8").replace("YOUR ANSWER HERE", "YOUR It helps at 3. HERE")
    path.write_text(text, encoding="utf-8")
    monkeypatch.setattr("nncourse.classroom.bundle.released_text", lambda solution: text)
    with pytest.raises(ValueError, match="for the answer in words, is not blank"):
        proved(course / "solutions", course / "labs")


def test_a_lab_that_is_not_the_release_of_its_solution_is_named(course):
    path = course / "labs" / f"{NAME}.ipynb"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="is not the release of its solution"):
        proved(course / "solutions", course / "labs")


@pytest.mark.parametrize("name", ["grades.journal", "99_other.ipynb", "notes"])
def test_a_foreign_file_is_named(course, name):
    (course / "labs" / name).write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=f"holds {name}, which no solution stands for"):
        proved(course / "solutions", course / "labs")


def test_equal_labs_give_an_equal_archive_with_the_notebooks_and_a_readme(course, tmp_path):
    assert "1 notebooks" in write_zip(course / "labs", tmp_path / "one.zip")
    write_zip(course / "labs", tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["labs/README.txt", f"labs/{NAME}.ipynb"]
        inside = archive.read(f"labs/{NAME}.ipynb")
    assert inside == (course / "labs" / f"{NAME}.ipynb").read_bytes()


def test_the_command_releases_proves_and_packs(course):
    (course / "labs" / f"{NAME}.ipynb").unlink()
    finished = subprocess.run(
        [sys.executable, "-m", "nncourse.cli", "release", "--zip", "labs.zip"],
        cwd=course,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert "1 notebooks, proven free of answers" in finished.stdout
    assert (course / "labs.zip").is_file()
