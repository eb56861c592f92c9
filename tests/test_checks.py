"""The checks: right answers pass with any seed, wrong ones are caught, and no answer breaks a check."""

import functools
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from nncourse import formats
from nncourse.classroom.judge import CheckFault, judge
from nncourse.classroom.lab import CheckFailed, Task, black_box
from nncourse.classroom.labs import LABS, lab_of
from nncourse.classroom.outcome import Outcome, trial
from nncourse.classroom.submission import find_answer, read_notebook

TESTS = Path(__file__).resolve().parent
TASKS = [(lab, task) for lab in LABS.values() for task in lab.tasks]
TASK_IDS = [f"{lab.name}-{task.name}" for lab, task in TASKS]
LEAST_PLANTED = 5


def planted(lab):
    """(task, reason, source) of every planted wrong answer to ``lab``."""
    path = TESTS / "planted" / f"{lab.name}.py"
    spec = importlib.util.spec_from_file_location("planted", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PLANTED


PLANTED = [(lab, *case) for lab in LABS.values() for case in planted(lab)]
PLANTED_IDS = [f"{task}-{reason}" for _, task, reason, _ in PLANTED]


def function_from(source, name):
    namespace = {"np": np, "__name__": "answer"}
    exec(source, namespace)
    return namespace[name]


@functools.cache
def solution(lab_name, task_name):
    notebook = read_notebook(TESTS.parent / "solutions" / f"{lab_name}.ipynb")
    return function_from(find_answer(notebook, task_name).source, task_name)


@pytest.mark.parametrize(("lab", "task"), TASKS, ids=TASK_IDS)
def test_the_published_answer_passes_in_the_lab(lab, task, capsys):
    task(solution(lab.name, task.name))
    assert capsys.readouterr().out.startswith(f"{task.name}: ok (")


@pytest.mark.parametrize(("lab", "task"), TASKS, ids=TASK_IDS)
def test_the_published_answer_passes_with_any_seed(lab, task):
    for seed in (*range(1, 13), 2**62 - 1):
        found = judge(task.name, task.check, black_box(solution(lab.name, task.name)), seed=seed)
        assert found.fraction == 1.0, (seed, found.first_failure)


@pytest.mark.parametrize(("lab", "name", "reason", "source"), PLANTED, ids=PLANTED_IDS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_planted_wrong_answer_is_caught_in_the_lab(lab, name, reason, source):
    with pytest.raises(CheckFailed, match=f"{name}: not yet right"):
        lab.task(name)(function_from(source, name))


@pytest.mark.parametrize(("lab", "task"), TASKS, ids=TASK_IDS)
def test_every_task_has_planted_wrong_answers(lab, task):
    assert sum(name == task.name for name, _, _ in planted(lab)) >= LEAST_PLANTED


@pytest.mark.parametrize(("lab", "task"), TASKS, ids=TASK_IDS)
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        1,
        -(2**63),
        2**64 - 1,
        math.nan,
        math.inf,
        5e-324,
        "text",
        b"",
        [],
        (1, 2),
        (math.nan, math.nan),
        (np.float32(1), math.inf),
        ("a", "b"),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((2, 2), complex), np.zeros(2)),
        (np.array(1), None),
        {"a": [1]},
        np.float16(65504),
        np.array(3),
        np.zeros(0),
        np.full((1,), np.nan),
        np.full(4, -(2**63)),
        np.zeros((1, 1, 1), bool),
        np.full(2, 1e300),
    ],
    ids=repr,
)
def test_no_constant_earns_anything_or_breaks_a_check(lab, task, value):
    found = judge(task.name, task.check, lambda *inputs: value, seed=5)
    assert found.fraction == 0.0


@pytest.mark.parametrize(("lab", "task"), TASKS, ids=TASK_IDS)
def test_returning_an_input_earns_nothing(lab, task):
    for position in range(2):
        found = judge(
            task.name, task.check, lambda *inputs, i=position: inputs[i % len(inputs)], seed=5
        )
        assert found.fraction == 0.0


@pytest.mark.parametrize(("lab", "task"), TASKS, ids=TASK_IDS)
def test_properties_do_not_depend_on_the_answer_or_the_seed(lab, task):
    def raising(*inputs):
        raise ZeroDivisionError

    right = judge(task.name, task.check, black_box(solution(lab.name, task.name)), seed=1)
    wrong = judge(task.name, task.check, black_box(raising), seed=2)
    assert [name for name, _ in right.properties] == [name for name, _ in wrong.properties]
    assert right.num_cases == wrong.num_cases


def doubles(student, rng):
    for value in (1, 10):
        yield trial(
            "doubles", student, value, expected=2 * value, agrees=lambda got, v=value: got == 2 * v
        )
    x = np.array([1.0, 2.0])
    yield trial(
        "doubles arrays",
        student,
        x,
        expected=2 * x,
        agrees=lambda got: isinstance(got, np.ndarray) and np.array_equal(got, 2 * x),
    )


DOUBLE = Task(name="double", points=3, check=doubles)


def failure_of(function):
    with pytest.raises(CheckFailed) as caught:
        DOUBLE(function)
    return str(caught.value)


def test_the_lab_shows_the_smallest_failing_case_and_the_property():
    message = failure_of(lambda x: x * x)
    assert "A right answer doubles." in message
    assert "input     1\n" in message
    assert "expected  2\n" in message
    assert "got       1\n" in message
    assert "0 of 2 properties hold." in message


def test_a_student_sees_sentences_instead_of_a_traceback():
    assert CheckFailed("one\ntwo")._render_traceback_() == ["one", "two"]


def test_a_stub_is_not_answered_yet():
    def double(x):
        raise NotImplementedError("your code here")

    assert failure_of(double) == "double: not answered yet."


def test_an_exception_is_shown_with_the_input_that_caused_it():
    message = failure_of(lambda x: x / 0)
    assert "got       raised ZeroDivisionError: division by zero" in message


def test_a_function_that_changes_its_input_is_told():
    def double(x):
        x *= 2
        return x

    assert "read-only" in failure_of(double)


class AlwaysEqual:
    def __eq__(self, other):
        return True

    __hash__ = None


def test_an_object_that_equals_everything_is_named():
    message = failure_of(lambda x: AlwaysEqual())
    assert "returned an AlwaysEqual; expected plain numbers, bytes or NumPy arrays" in message


def test_giving_a_result_instead_of_the_function_is_named():
    assert "give the function itself" in failure_of(4)


def test_the_rooms_that_do_the_task_are_off_limits_however_they_are_reached():
    def by_global(x):
        return formats.cast(x, "fp16")

    def by_import(x):
        from nncourse.formats import cast

        return cast(x, "fp16")

    def by_default(x, cast=formats.cast):
        return cast(x, "fp16")

    def by_helper(x):
        return by_closure(x)

    cast = formats.cast

    def by_closure(x):
        return cast(x, "fp16")

    for function in (by_global, by_import, by_default, by_helper, by_closure, formats.cast):
        assert "your function uses nncourse.formats, which is off limits" in failure_of(function)
    assert "off limits" in failure_of(functools.partial(formats.cast, name="fp16"))


def test_without_the_core_nothing_is_earned():
    found = judge("double", doubles, lambda x: 2 * x if isinstance(x, np.ndarray) else 0, seed=0)
    assert (found.num_passed, found.fraction) == (1, 0.0)


def test_half_of_the_properties_earn_half():
    found = judge("double", doubles, lambda x: 2 * x if isinstance(x, int) else x, seed=0)
    assert found.fraction == 0.5


def test_a_fault_in_a_check_is_never_the_students():
    def broken(student, rng):
        yield trial("works", student, 1, expected=1, agrees=lambda got: got.missing)

    with pytest.raises(CheckFault, match="the check of broken failed: AttributeError"):
        judge("broken", broken, lambda x: x, seed=0)
    with pytest.raises(CheckFault, match="yields no outcome"):
        judge("empty", lambda student, rng: iter(()), lambda x: x, seed=0)


def test_bad_tasks_and_outcomes_are_named():
    with pytest.raises(ValueError, match="points are above 0"):
        Task(name="f", points=0, check=doubles)
    with pytest.raises(ValueError, match="name is the function's name"):
        Task(name="no name", points=1, check=doubles)
    with pytest.raises(ValueError, match="property is empty"):
        Outcome(property=" ", passed=True, inputs="", expected="", got="")
    with pytest.raises(ValueError, match="called like a lab"):
        lab_of("02_unknown")
