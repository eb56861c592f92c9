"""Marks of one submission: a row for each part of a lab.

Every student's function runs in a process of its own. What a submission does wrong is a status or a
lost mark of its own part; what the grader does wrong is a ``grader_fault`` and no mark.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from pathlib import Path

from nncourse.classroom.handed_in import HandedInFile
from nncourse.classroom.intake import read_regular
from nncourse.classroom.judge import CheckFault, Interruption, Judgement, judge
from nncourse.classroom.lab import PUBLIC_SEED, Lab, Task, is_off_limits, may_import
from nncourse.classroom.process import student_process
from nncourse.classroom.question import Question
from nncourse.classroom.rows import Row, one_line
from nncourse.classroom.submission import (
    Answer,
    MissingTask,
    Notebook,
    Unreadable,
    find_answer,
    read_notebook,
)

Part = Task | Question | HandedInFile


def grade_notebook(
    path: Path,
    lab: Lab,
    *,
    student: str,
    seed: int,
    only: Collection[str] | None = None,
    public_case: bool = False,
    sandbox: str = "auto",
) -> list[Row]:
    """Rows of the notebook at ``path``, one for each part of ``lab``.

    only         names of the parts to grade; all of them when None
    public_case  as in :func:`grade_task`
    sandbox      auto or none, as in :mod:`nncourse.classroom.sandbox`
    """
    parts = [part for part in lab.parts if only is None or part.name in only]
    rows: dict[str, Row] = {}
    notebook: Notebook | None = None
    fault: Exception | None = None
    try:
        if not os.path.lexists(path):
            raise MissingTask(_missing_file(path))
        notebook = read_notebook(path)
    except Exception as error:
        fault = error
    for part in parts:
        if isinstance(part, HandedInFile):
            rows[part.name] = grade_file(
                path.parent / part.file, part, lab, student=student, seed=seed
            )
        elif notebook is None:
            assert fault is not None
            rows[part.name] = _row_of(fault, student, lab, part)
        elif isinstance(part, Question):
            rows[part.name] = grade_question(notebook, part, lab, student=student)
        else:
            rows[part.name] = grade_task(
                notebook,
                part,
                lab,
                student=student,
                seed=seed,
                public_case=public_case,
                sandbox=sandbox,
            )
    return [rows[part.name] for part in parts]


def grade_task(
    notebook: Notebook,
    task: Task,
    lab: Lab,
    *,
    student: str,
    seed: int,
    explain: Callable[[Judgement], str] = lambda found: "",
    public_case: bool = False,
    sandbox: str = "auto",
) -> Row:
    """Row of one task, whose function runs in a process of its own.

    explain      more words for the message; inputs of a secret seed do not belong in it
    public_case  try an answer that fails again with the public seed, and note its smallest failure
    process      how the process is started, handed on to it
    """
    try:
        answer = find_answer(notebook, task.name)
        if forbidden := sorted(name for name in answer.imports if is_off_limits(name, task)):
            return _row(
                student, lab, task, "graded", f"uses {forbidden[0]}, which is off limits", mark=0.0
            )
        with student_process(answer.source, task, lab, sandbox=sandbox) as function:
            found = judge(task.name, task.check, function, seed=seed)
    except Exception as error:
        return _row_of(error, student, lab, task)
    return _row(
        student,
        lab,
        task,
        "graded",
        _sentence(found, answer, explain(found) or _absent(answer, task)),
        mark=round(task.points * found.fraction, 4),
        public_case=_public_case(answer, task, lab, found, sandbox=sandbox) if public_case else "",
    )


def grade_question(notebook: Notebook, question: Question, lab: Lab, *, student: str) -> Row:
    """Row of a number asked for in words; nothing of the submission runs."""
    try:
        answer = find_answer(notebook, question.name)
        right, sentence = question.verdict(answer.source, student)
    except Exception as error:
        return _row_of(error, student, lab, question)
    return _row(student, lab, question, "graded", sentence, mark=question.points * right)


def grade_file(path: Path, part: HandedInFile, lab: Lab, *, student: str, seed: int) -> Row:
    """Row of a file beside the notebook, read by the judge itself."""
    from nncourse.classroom.nnc_reader import opened  # it loads the codecs, which few labs need

    try:
        container = opened(read_regular(path, max_bytes=part.max_bytes), part)
        found = part.judge(container, seed=seed)
        score = None if part.score is None else float(part.score(container))
    except Exception as error:
        return _row_of(error, student, lab, part)
    mark = round(part.points * found.fraction, 4)
    sentence = _sentence(found, None, "" if score is None else f"score {score:,.6g}")
    return _row(student, lab, part, "graded", sentence, mark=mark, score=score)


def smallest_failure(found: Judgement) -> str:
    """The smallest failing case in a sentence, for public seeds only; empty when all holds."""
    failure = found.first_failure
    if failure is None or failure.not_answered:
        return ""
    return f"for {failure.inputs}: expected {failure.expected}, got {failure.got}"


def _absent(answer: Answer, task: Task) -> str:
    """What to tell about imports of ``answer`` that find nothing while it is graded."""
    names = sorted(name for name in answer.imports if not may_import(name, task))
    return (
        f"{names[0][:60]} is not there at grading; NumPy is what an answer needs" if names else ""
    )


def _public_case(answer: Answer, task: Task, lab: Lab, found: Judgement, *, sandbox: str) -> str:
    if found.first_failure is None or found.not_answered:
        return ""
    try:
        with student_process(answer.source, task, lab, sandbox=sandbox) as function:
            words = smallest_failure(judge(task.name, task.check, function, seed=PUBLIC_SEED))
    except Exception:  # the secret inputs have decided; this run only looks for words
        return ""
    return words or "the public cases in the lab all pass"


def _missing_file(path: Path) -> str:
    others = sorted(other.name for other in path.parent.glob("*.ipynb"))
    hint = f"; found {', '.join(others[:3])}: rename it if it is this lab" if others else ""
    return f"no file {path.name}{hint}"


def _row_of(error: Exception, student: str, lab: Lab, part: Part) -> Row:
    """Row of a part that could not be graded: whose fault ``error`` is decides the status."""
    match error:
        case MissingTask():
            return _row(student, lab, part, "missing_task", str(error))
        case Unreadable():
            return _row(student, lab, part, "unreadable", str(error))
        case Interruption():
            return _row(student, lab, part, error.status, error.message)
        case CheckFault():
            return _row(student, lab, part, "grader_fault", str(error))
    fault = f"the grader failed ({type(error).__name__}: {error}); grade this one again"
    return _row(student, lab, part, "grader_fault", fault)


def _row(
    student: str,
    lab: Lab,
    part: Part,
    status: str,
    message: str,
    *,
    mark: float | None = None,
    score: float | None = None,
    public_case: str = "",
) -> Row:
    return Row(
        student=student,
        lab=lab.name,
        task=part.name,
        status=status,
        mark=mark,
        max_mark=part.points,
        message=one_line(message),
        score=score,
        public_case=one_line(public_case),
    )


def _sentence(found: Judgement, answer: Answer | None, explanation: str) -> str:
    """What the student reads; of secret cases the property's name and the kind of error only."""
    parts = [f"{found.num_passed} of {len(found.properties)} properties hold"]
    if found.not_answered:
        parts = ["not answered"]
    elif found.first_failure is not None:
        parts.append(f"missed first: a right answer {found.first_failure.property}")
        if raised := re.match(r"raised (\w{1,60}):", found.first_failure.got):
            parts.append(f"it raised {raised[1]}")
        elif found.first_failure.got.startswith("returned "):
            parts.append(f"it {found.first_failure.got}")
        if not found.properties[0][1]:
            parts.append("this is the core of the task, so the mark is 0")
    note = "" if answer is None else answer.note
    return "; ".join([*parts, *(part for part in (explanation, note) if part)])
