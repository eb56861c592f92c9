"""How fast a class is graded, and whether a killed run comes to the same marks.

``nncourse bench classroom`` builds submissions of all kinds, grades them, grades them again while
killing the run, compares the two, and times ordinary submissions against nbgrader's autograde.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nncourse.classroom import audit
from nncourse.classroom.lab import Lab
from nncourse.classroom.labs import LABS
from nncourse.classroom.release import without_answers

LAB = LABS["01_quantize_a_layer"]
SEED = 20_261_128  # of the checks' inputs, and of which wrong answers are handed in
JOBS = 2

# Bodies that a function of the lab is replaced by. Each comes to the same status on every run.
HOSTILE = (
    "    while True: pass",
    "    return np.ones(6 << 27)",
    "    import re\n    re.sys.modules['os']._exit(0)",
    "    return type('Equal', (), {'__eq__': lambda self, other: True})()",
    "    import subprocess\n    return subprocess.run(['true'])",
    "    import random\n    random._os.closerange(3, 64)",
    "    return eval('(' * 90 + ')' * 90)",
    "    raise SystemExit(0)",
)


def main(*, submissions: int = 200, ordinary: int = 20, kills: int = 3) -> int:
    """Print the figures; 0 when the killed run and the undisturbed one agree.

    submissions  of all kinds; half as many seconds or more on two cores
    ordinary     solved ones, the labs in turn, for nbgrader and one worker here; 0 for none
    kills        how often the second run is killed on its way
    """
    course = Path()
    with tempfile.TemporaryDirectory(prefix="bench-classroom-") as name:
        folder = Path(name)
        kinds = hand_in(folder / "class", course, LAB, submissions)
        print(f"{submissions} submissions of {LAB.name}: {dict(Counter(kinds.values()))}")
        whole = _timed(folder / "class", folder / "whole.csv", jobs=JOBS)
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"graded with {JOBS} workers in {whole:.0f} s: {60 * submissions / whole:.0f} a minute; "
            f"largest process {largest:.0f} MiB"
        )
        num_kills = killed_run(folder / "class", folder / "killed.csv", kills=kills)
        same = results(folder / "whole.csv") == results(folder / "killed.csv")
        print(f"killed {num_kills} times on the way: {'the same' if same else 'OTHER'} results")
        if ordinary:
            _against_nbgrader(folder, course, ordinary)
    return 0 if same and num_kills == kills else 1


def hand_in(folder: Path, course: Path, lab: Lab, number: int) -> dict[str, str]:
    """Kind of each of ``number`` submissions written to ``folder``, by student.

    Of ten, four are solved, two half solved, two have two planted wrong answers, and two are
    hostile: in one function, in the file itself, or by a link to a neighbor's.
    """
    rng = np.random.default_rng(SEED)
    solution = json.loads((course / "solutions" / f"{lab.name}.ipynb").read_text(encoding="utf-8"))
    planted = [entry for entry in audit.planted(lab, course) if isinstance(entry[2], str)]
    names = [task.name for task in lab.tasks]
    kinds = {}
    for index in range(number):
        student = f"student-{index:03d}"
        target = folder / student / f"{lab.name}.ipynb"
        target.parent.mkdir(parents=True)
        kind = ("solved",) * 4 + ("half solved",) * 2 + ("wrong",) * 2 + ("hostile",) * 2
        kinds[student] = kind[index % 10]
        chosen = names[int(rng.integers(len(names)))]
        replaced: dict[str, str | None] = {}
        if kinds[student] == "half solved":
            replaced = dict.fromkeys(names[index % 2 :: 2])
        elif kinds[student] == "wrong":
            picked = (planted[i] for i in rng.choice(len(planted), 2, replace=False))
            replaced = {name: str(source) for name, _, source in picked}
        elif kinds[student] == "hostile":
            kind_of_attack = index // 10 * 2 + index % 2
            if kind_of_attack % 5 == 4:
                _hand_in_no_notebook(target, kind_of_attack // 5)
                continue
            body = HOSTILE[kind_of_attack % len(HOSTILE)]
            replaced = {chosen: f"def {chosen}(*inputs):\n{body}\n"}
        target.write_text(_with(solution, replaced), encoding="utf-8")
    return kinds


def killed_run(submissions: Path, out: Path, *, kills: int) -> int:
    """Number of times that a run was killed on its way before one was left to finish.

    It is killed when its journal has grown by another part of the whole, each time.
    """
    expected = sum(1 for _ in submissions.iterdir())
    journal = out.with_suffix(".journal")
    killed = 0
    for kill in range(kills):
        enough = expected * (kill + 1) // (kills + 1)
        with _start(submissions, out, jobs=JOBS) as run:
            while run.poll() is None and _lines(journal) < enough:
                time.sleep(0.01)
            if run.poll() is None:
                run.send_signal(signal.SIGKILL)
                killed += 1
    _timed(submissions, out, jobs=JOBS)
    return killed


def results(table: Path) -> set[tuple[str, ...]]:
    """The rows of a table of marks, in no order."""
    with table.open(encoding="utf-8", newline="") as file:
        return {tuple(line.values()) for line in csv.DictReader(file)}


def _against_nbgrader(folder: Path, course: Path, number: int) -> None:
    """Print what ordinary submissions take here and with nbgrader, the labs in turn."""
    labs = list(LABS.values())
    seconds, work = np.zeros(2), np.zeros(2)
    for place, lab in enumerate(labs[:number]):
        own = len(range(place, number, len(labs)))
        lab_seconds, lab_work = _one_lab(folder / f"ordinary-{lab.name}", course, lab, own)
        print(
            f"  {lab.name}, {own} a grader: {_pair(lab_seconds)}; {_pair(lab_work)} of the processor"
        )
        seconds, work = seconds + lab_seconds, work + lab_work
    print(
        f"{number} ordinary ones, one worker each, here and with nbgrader's autograde: "
        f"{_pair(seconds / number)} a submission; {_pair(work / number)} of the processor"
    )


def _one_lab(folder: Path, course: Path, lab: Lab, number: int) -> tuple[Any, Any]:
    """Seconds, and seconds of the processor, here and with nbgrader, for solved submissions."""
    solution = course / "solutions" / f"{lab.name}.ipynb"
    theirs = folder / "nbgrader"
    targets = [theirs / "source" / lab.name / solution.name]
    for index in range(number):
        targets.append(folder / "class" / f"student-{index:03d}" / solution.name)
        targets.append(theirs / "submitted" / f"student-{index:03d}" / lab.name / solution.name)
    for target in targets:
        target.parent.mkdir(parents=True)
        shutil.copyfile(solution, target)
    seconds = [_timed(folder / "class", folder / "grades.csv", jobs=1)]
    before = _processor_seconds()  # of processes without walls; behind one, nobody tells
    _timed(folder / "class", folder / "open.csv", jobs=1, sandbox="none")
    work = [_processor_seconds() - before]
    _nbgrader(theirs, "generate_assignment", lab.name)
    before, start = _processor_seconds(), time.perf_counter()
    _nbgrader(theirs, "autograde", lab.name)
    seconds.append(time.perf_counter() - start)
    work.append(_processor_seconds() - before)
    return np.array(seconds), np.array(work)


def _pair(numbers: Any) -> str:
    ours, theirs = numbers
    return f"{ours:.1f} s and {theirs:.1f} s ({theirs / ours:.1f} times)"


def _nbgrader(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    finished = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments, f"--CourseDirectory.root={folder}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise ValueError(f"nbgrader {arguments[0]} failed: {finished.stderr[-2000:]}")


def _start(
    submissions: Path, out: Path, *, jobs: int, sandbox: str = "auto"
) -> subprocess.Popen[bytes]:
    words: Sequence[str] = ("grade", str(submissions), "--out", str(out), "--seed", str(SEED))
    options: Sequence[str] = ("--jobs", str(jobs), "--sandbox", sandbox)
    return subprocess.Popen(
        [sys.executable, "-m", "nncourse.cli", *words, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _timed(submissions: Path, out: Path, *, jobs: int, sandbox: str = "auto") -> float:
    """Seconds of a whole run."""
    start = time.perf_counter()
    with _start(submissions, out, jobs=jobs, sandbox=sandbox) as run:
        if run.wait():
            raise ValueError(f"grading {submissions.name} ended with status {run.returncode}")
    return time.perf_counter() - start


def _processor_seconds() -> float:
    """Of all processes that this one and its children have seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.is_file() else 0


def _with(solution: dict[str, object], replaced: dict[str, str | None]) -> str:
    """The solution with some functions emptied (None) or replaced by another source."""
    notebook = json.loads(json.dumps(solution))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        for name, other in replaced.items():
            if cell["cell_type"] == "code" and f"def {name}(" in source:
                cell["source"] = without_answers(source) if other is None else other
    return json.dumps(notebook)


def _hand_in_no_notebook(target: Path, number: int) -> None:
    match number % 4:
        case 0:
            target.write_bytes(b"{")
        case 1:
            target.symlink_to("/etc/passwd")
        case 2:
            target.write_bytes(b"\xff\xfe not text")
        case _:
            target.mkdir()
