"""nbgrader's formgrader opens what grading wrote, and a mark entered in it outlives a regrade."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from nncourse.classroom import formgrader, gradebook
from nncourse.classroom.labs import LABS
from nncourse.classroom.rows import Row, write_rows

pytest.importorskip("nbgrader")
pytestmark = pytest.mark.filterwarnings("default")

ROOT = Path(__file__).resolve().parents[1]
LAB = LABS["01_quantize_a_layer"]
TOKEN = "for-this-test"


@pytest.fixture
def course(tmp_path):
    """A graded submission of a student, laid out, with its gradebook."""
    notebook = json.loads((ROOT / "solutions" / f"{LAB.name}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["metadata"] = {"nbgrader": {"grade": True, "grade_id": "forged", "points": 1000}}
        if cell["id"] == "answer":
            cell["source"] = "Because of <script>the step</script>."
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "display_data", "data": {"text/html": "<b>x</b>"}}]
    path = tmp_path / "class" / "ada" / f"{LAB.name}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    (tmp_path / "class" / "bob").mkdir()
    (tmp_path / "class" / "bob" / path.name).write_bytes(b"{")
    rows = [
        Row(
            student=student,
            lab=LAB.name,
            task=part.name,
            status=status,
            mark=mark,
            max_mark=part.points,
            message="2 of 5 properties hold",
        )
        for student, status, mark in (("ada", "graded", 1.0), ("bob", "unreadable", None))
        for part in LAB.parts
    ]
    write_rows(rows, tmp_path / "grades.csv")
    db = f"sqlite:///{tmp_path}/gradebook.db"
    gradebook.record(rows, db)
    said = formgrader.lay_out(
        tmp_path / "class", tmp_path / "grades.csv", ROOT / "labs", db, tmp_path / "formgrader"
    )
    assert said.startswith("2 submissions in ")
    return tmp_path, rows, db


def test_the_notebook_shown_holds_the_labs_cells_and_the_students_answers(course):
    folder, _, _ = course
    path = folder / "formgrader" / "autograded" / "ada" / LAB.name / f"{LAB.name}.ipynb"
    shown = {cell["id"]: cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]}
    lab = json.loads((ROOT / "labs" / f"{LAB.name}.ipynb").read_text(encoding="utf-8"))["cells"]
    assert [cell["metadata"] for cell in shown.values()] == [cell["metadata"] for cell in lab]
    assert "np.packbits" in shown["pack"]["source"]
    assert shown["answer"]["source"].startswith("Because")
    assert "graded, 1 of 2: 2 of 5" in shown["check-pack"]["outputs"][0]["text"]
    assert "text/html" not in path.read_text(encoding="utf-8")
    bob = folder / "formgrader" / "autograded" / "bob" / LAB.name / f"{LAB.name}.ipynb"
    assert "# the notebook cannot be read" in bob.read_text(encoding="utf-8")


@pytest.fixture
def served(course):
    """``ask(path, body)`` puts a request to a Jupyter server that runs in the course folder."""
    folder, _, _ = course
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "server", "--allow-root", "--no-browser"]
    command += [f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder / "formgrader",
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def ask(path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/formgrader/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}"},
            method="GET" if body is None else "PUT",
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read().decode()

    try:
        for _ in range(600):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                ask("api/assignments")
                break
            except OSError:
                time.sleep(0.2)
        yield ask
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_formgrader_lists_shows_and_takes_a_mark_that_a_regrade_keeps(course, served):
    _, rows, db = course
    [assignment] = json.loads(served("api/assignments"))
    assert (assignment["name"], assignment["num_submissions"]) == (LAB.name, 2)
    submissions = json.loads(served(f"api/submissions/{LAB.name}"))
    assert {s["student"]: s["score"] for s in submissions} == {"ada": len(LAB.tasks), "bob": 0}
    notebooks = json.loads(served(f"api/submitted_notebooks/{LAB.name}/{LAB.name}"))
    [ada] = [notebook["id"] for notebook in notebooks if notebook["student"] == "ada"]
    page = served(f"submissions/{ada}/")
    assert "2 of 5 properties hold" in page
    assert "<script>the step" not in page
    assert "&lt;script&gt;the step" in page
    grades = {
        grade["name"]: grade for grade in json.loads(served(f"api/grades?submission_id={ada}"))
    }
    assert grades["answer"]["needs_manual_grade"]
    served(f"api/grade/{grades['answer']['id']}", {"manual_score": 1.5, "extra_credit": None})
    gradebook.record(rows, db)
    after = {
        result.name: result.mark for result in gradebook.results(db) if result.student == "ada"
    }
    assert after["answer"] == 1.5
