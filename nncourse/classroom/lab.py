"""A lab and its tasks: what is asked, what it is worth, and how an answer is checked.

In a lab notebook a task is called with the student's function:

    from nncourse.classroom.checks import quantize_layer as check

    check.quantize(quantize)   # prints ok, or raises CheckFailed with the smallest failing case

At grading the same check runs with a secret seed, against a function in another process.
"""

from __future__ import annotations

import builtins
import dis
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from nncourse.classroom.handed_in import HandedInFile
from nncourse.classroom.judge import Judgement, judge
from nncourse.classroom.outcome import AnswerError, Check, CheckFailed, NotAnswered, Student
from nncourse.classroom.question import Question
from nncourse.classroom.wire import NotPlain, to_plain

PUBLIC_SEED = 0

# What an answer may import besides NumPy and the task's own packages: nothing that opens files,
# processes or connections, and nothing that compresses.
# fmt: off
STANDARD = frozenset((
    "__future__", "abc", "array", "bisect", "cmath", "collections", "contextlib", "copy",
    "dataclasses", "decimal", "enum", "fractions", "functools", "heapq", "io", "itertools",
    "json", "math", "numbers", "operator", "random", "re", "statistics", "string", "struct",
    "textwrap", "time", "types", "typing", "warnings",
))
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Task:
    """One function that a student writes.

    name        of the function
    points      most that the answer can earn
    check       generator of outcomes, from small to large; its first property is the core
    packages    modules an answer may import besides NumPy and plain parts of the standard library
    off_limits  modules that do the task already, with all that lies inside them
    """

    name: str
    points: float
    check: Check
    packages: tuple[str, ...] = ()
    off_limits: tuple[str, ...] = ("nncourse",)

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"name is the function's name, got {self.name!r}. Use an identifier.")
        if not self.points > 0:
            raise ValueError(f"points are above 0, got {self.points} for {self.name}.")

    def __call__(self, function: Callable[..., Any]) -> None:
        """Print ``ok`` when ``function`` passes with the public seed; else raise `CheckFailed`."""
        found = self.judge_here(function)
        failure = found.first_failure
        if failure is None:
            print(f"{self.name}: ok ({found.num_cases} cases)")
        elif failure.not_answered:
            raise CheckFailed(f"{self.name}: not answered yet.")
        else:
            raise CheckFailed(
                f"{self.name}: not yet right.\n"
                f"A right answer {failure.property}.\n"
                f"  input     {failure.inputs}\n"
                f"  expected  {failure.expected}\n"
                f"  got       {failure.got}\n"
                f"{found.num_passed} of {len(found.properties)} properties hold."
            )

    def judge_here(self, function: Callable[..., Any], *, seed: int = PUBLIC_SEED) -> Judgement:
        """Judgement of ``function``, called in this process; `CheckFailed` if it is off limits."""
        if not callable(function):
            raise CheckFailed(
                f"{self.name}: give the function itself, not what it returns: "
                f"check.{self.name}({self.name})."
            )
        for module in _modules_used(function):
            if is_off_limits(module, self):
                raise CheckFailed(
                    f"{self.name}: your function uses {module}, which is off limits here. The task "
                    "is to write it yourself, with NumPy."
                )
        return judge(self.name, self.check, black_box(function), seed=seed)


@dataclass(frozen=True, kw_only=True)
class Lab:
    """Tasks that are handed in as one notebook, and what an answer may use while it is graded.

    name          of the notebook, without .ipynb
    tasks         functions, marked by program
    seconds       of wall-clock time for one task, the judge's own not counted
    memory_bytes  of address space for one task
    questions     numbers that differ from student to student
    files         handed in beside the notebook
    essay_points  of the answer in words, marked by a person; 0 for none
    """

    name: str
    tasks: tuple[Task, ...]
    seconds: float = 20.0
    memory_bytes: int = 2 << 30
    questions: tuple[Question, ...] = ()
    files: tuple[HandedInFile, ...] = ()
    essay_points: float = 2.0

    def __post_init__(self) -> None:
        names = [part.name for part in self.parts]
        if not self.tasks or len(set(names)) != len(names):
            raise ValueError(f"tasks need different names, got {names} in {self.name}.")

    @property
    def parts(self) -> tuple[Task | Question | HandedInFile, ...]:
        """All that is marked by program, one row of the table each."""
        return (*self.tasks, *self.questions, *self.files)

    def task(self, name: str) -> Task:
        """The task called ``name``."""
        return next(task for task in self.tasks if task.name == name)


def task(
    *,
    points: float,
    packages: tuple[str, ...] = (),
    off_limits: tuple[str, ...] = ("nncourse",),
) -> Callable[[Check], Task]:
    """Decorator that turns a check into the task of the same name; arguments as in :class:`Task`."""

    def decorate(check: Check) -> Task:
        name = getattr(check, "__name__", "")
        return Task(name=name, points=points, check=check, packages=packages, off_limits=off_limits)

    return decorate


def black_box(function: Callable[..., Any]) -> Student:
    """``function`` behind the same wall as at grading: read-only copies in, plain data out."""

    def student(*inputs: Any) -> Any:
        try:
            with np.errstate(all="ignore"):
                returned = function(*(_read_only(value) for value in inputs))
        except NotImplementedError:
            raise NotAnswered("not answered yet") from None
        except Exception as error:
            raise AnswerError(f"raised {type(error).__name__}: {error}"[:300]) from error
        try:
            return to_plain(returned)
        except NotPlain as error:
            raise AnswerError(not_plain_sentence(str(error))) from None

    return student


def is_off_limits(module: str, task: Task) -> bool:
    """Whether an answer to ``task`` must not use ``module``.

    >>> lenient = Task(name="f", points=1, check=lambda student, rng: iter(()), packages=("nncourse.units",))
    >>> is_off_limits("nncourse.bitstream", lenient), is_off_limits("nncourse.units", lenient)
    (True, False)
    """
    return _is_inside(module, task.off_limits) and not _is_inside(module, task.packages)


def may_import(module: str, task: Task) -> bool:
    """Whether ``module`` is there for an answer to ``task`` while it is graded.

    >>> plain = Task(name="f", points=1, check=lambda student, rng: iter(()), packages=("scipy.special",))
    >>> [may_import(name, plain) for name in ("numpy.fft", "math", "scipy.special", "scipy", "os")]
    [True, True, True, False, False]
    """
    return module.partition(".")[0] in STANDARD or _is_inside(module, ("numpy", *task.packages))


def not_plain_sentence(what: str) -> str:
    """What a student reads whose function returned ``what``.

    >>> not_plain_sentence("a Tensor")
    'returned a Tensor; expected plain numbers, bytes or NumPy arrays'
    """
    return f"returned {what}; expected plain numbers, bytes or NumPy arrays"


def _read_only(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.setflags(write=False)
    return value


def _is_inside(module: str, prefixes: Iterable[str]) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def _modules_used(function: Any) -> Iterator[str]:
    """Names of modules that ``function`` reaches through its code, globals and default values."""
    seen: set[int] = set()
    waiting = [function]
    while waiting and len(seen) < 10_000:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, ModuleType):
            yield thing.__name__
            continue
        module = getattr(thing, "__module__", None)
        if isinstance(module, str) and module.partition(".")[0] == __name__.partition(".")[0]:
            yield module
            continue
        if isinstance(thing, FunctionType):
            for name in _names(thing.__code__):
                if name.startswith("import "):
                    yield name.removeprefix("import ")
                elif name in thing.__globals__ and not hasattr(builtins, name):
                    waiting.append(thing.__globals__[name])
            waiting += [cell.cell_contents for cell in thing.__closure__ or () if _is_full(cell)]
            waiting += list(thing.__defaults__ or ())
        for inner in ("__wrapped__", "__func__", "func"):  # decorators, methods, functools.partial
            waiting += [getattr(thing, inner)] if hasattr(thing, inner) else []


def _names(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            yield f"import {instruction.argval}"
        elif instruction.opname == "LOAD_GLOBAL":
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_full(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
