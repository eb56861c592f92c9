"""The instructor's guide: a new instructor types its commands, in order, and each does what it says."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nncourse.classroom.labs import LABS
from nncourse.classroom.rows import STATUSES

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "book" / "classroom" / "instructors_guide.md").read_text(encoding="utf-8")
NAME = "01_quantize_a_layer"


def commands():
    """Lines of the blocks that are for a shell, in their order."""
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.slow
def test_a_new_instructor_can_follow_the_guide(tmp_path, missing):
    pytest.importorskip("nbgrader")
    if shutil.which("bwrap") is None:
        missing("bubblewrap", "apt-get install bubblewrap")
    for folder in ("labs", "solutions"):
        (tmp_path / folder).mkdir()
        shutil.copy(ROOT / folder / f"{NAME}.ipynb", tmp_path / folder)
    shutil.copytree(ROOT / "solutions" / "rubrics", tmp_path / "solutions" / "rubrics")
    shutil.copytree(ROOT / "tests" / "planted", tmp_path / "tests" / "planted")
    for student, folder in {"ada": "solutions", "bob": "labs"}.items():
        (tmp_path / "class" / student).mkdir(parents=True)
        shutil.copy(ROOT / folder / f"{NAME}.ipynb", tmp_path / "class" / student)
    for line in commands():
        program, *arguments = shlex.split(line)
        assert program == "nncourse", line
        finished = subprocess.run(
            [sys.executable, "-m", "nncourse.cli", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, (line, finished.stdout, finished.stderr)
    for name in (
        "labs.zip",
        "grades.csv",
        "grades.journal",
        "gradebook.db",
        "essays/marks.csv",
        f"essays/{NAME}.html",
        f"formgrader/autograded/ada/{NAME}/{NAME}.ipynb",
        "canvas.csv",
        "moodle.csv",
        "feedback/ada.html",
        "leaderboard.html",
    ):
        assert (tmp_path / name).is_file(), name


def test_every_command_of_the_classroom_is_in_the_guide():
    from nncourse.classroom.commands import add

    names = []

    class Anything:
        def add_argument(self, *names, **options):
            pass

    add(lambda name, run, text: names.append(name) or Anything())
    assert {line.split()[1] for line in commands()} == set(names)


def test_every_status_and_every_lab_is_in_the_guide():
    rows = re.findall(r"^\| `(\w+)` \|", GUIDE, flags=re.MULTILINE)
    assert tuple(rows) == STATUSES
    for lab in LABS.values():
        number, *words = lab.name.split("_")
        [row] = re.findall(rf"\| {number} {'[ -]'.join(words)} \|.*", GUIDE, flags=re.IGNORECASE)
        points = f"{sum(part.points for part in lab.parts):g}, {lab.essay_points:g}"
        assert row.endswith(f"| {points} |")


def test_every_page_that_the_guide_links_to_exists():
    links = re.findall(r"\]\((\.\./[^)]+)\)", GUIDE)
    assert len(links) > 10
    for link in links:
        assert (ROOT / "book" / "classroom" / link).resolve().is_file(), link
