"""The student's process: whose time runs when, and how it is told what ended it."""

import time
from types import SimpleNamespace

import pytest

from nncourse.classroom import memory_limit as limits
from nncourse.classroom import process
from nncourse.classroom.judge import Interruption
from nncourse.classroom.lab import Lab, Task
from nncourse.classroom.process import student_process
from nncourse.classroom.sandbox import why_missing

TASK = Task(name="double", points=1, check=lambda student, rng: iter(()))
LAB = Lab(name="small", tasks=(TASK,), seconds=30.0)


@pytest.fixture(params=["auto", "none"])
def sandbox(request, missing):
    """With walls and without: what a process is told does not depend on them."""
    if request.param == "auto" and why_missing():
        missing(f"The sandbox ({why_missing()})", "make tools")
    return request.param


@pytest.fixture
def clock(monkeypatch):
    """A clock that can be put forward by ``clock.ahead`` seconds."""
    shown = SimpleNamespace(ahead=0.0)
    shown.monotonic = lambda: time.monotonic() + shown.ahead
    monkeypatch.setattr(process, "time", shown)
    return shown


def test_what_the_judge_does_between_two_calls_is_not_the_students_time(clock, sandbox):
    source = "def double(x):\n    return 2 * x\n"
    with student_process(source, TASK, LAB, sandbox=sandbox) as double:
        assert double(2) == 4
        clock.ahead += 1000
        assert double(3) == 6


def test_the_times_of_all_calls_add_up(clock, sandbox):
    source = "import time\ndef double(x):\n    time.sleep(x)\n    return 2 * x\n"
    lab = Lab(name="small", tasks=(TASK,), seconds=2.0)
    with (
        student_process(source, TASK, lab, sandbox=sandbox) as double,
        pytest.raises(Interruption, match="2 s"),
    ):
        all(double(0.1) for _ in range(100))


ENDINGS = {
    "crashed": "import random\ndef double(x):\n    random._os.kill(random._os.getpid(), 9)\n",
    "out_of_memory": (
        "import numpy as np\ndef double(x):\n    kept = np.ones(1 << 25)\n    while True: pass\n"
    ),
}


@pytest.mark.parametrize(("status", "source"), ENDINGS.items(), ids=ENDINGS)
@pytest.mark.parametrize("kind", ["whatever there is", "watchdog"])
def test_a_kill_for_memory_and_another_kill_are_told_apart(
    sandbox, monkeypatch, kind, status, source
):
    if kind == "watchdog":
        monkeypatch.setattr(limits, "_parent_group", lambda: None)
    # Less than the address space that the process may have, so that it does not notice by itself.
    monkeypatch.setattr(process, "memory_limit", lambda num_bytes: limits.memory_limit(150 << 20))
    with (
        student_process(source, TASK, LAB, sandbox=sandbox) as double,
        pytest.raises(Interruption) as caught,
    ):
        double(2)
    assert caught.value.status == status


def test_an_array_that_does_not_fit_the_address_space_is_out_of_memory(sandbox):
    source = "import numpy as np\ndef double(x):\n    return np.ones(1 << 40)\n"
    with (
        student_process(source, TASK, LAB, sandbox=sandbox) as double,
        pytest.raises(Interruption, match="more than 2048 MiB of memory") as caught,
    ):
        double(2)
    assert caught.value.status == "out_of_memory"


def test_a_long_answer_in_any_script_is_handed_over(sandbox):
    source = "def double(x):\n    return len('" + "\U0001f600" * 280_000 + "')\n"
    with student_process(source, TASK, LAB, sandbox=sandbox) as double:
        assert double(2) == 280_000


def test_inside_the_sandbox_no_process_and_no_thread_can_be_started(missing):
    if why_missing():
        missing(f"The sandbox ({why_missing()})", "make tools")
    source = (
        "import random\n"
        "def double(x):\n"
        "    failed = []\n"
        "    threads = random._os.sys.modules['importlib'].import_module('_thread')\n"
        "    for start in (random._os.fork, lambda: threads.start_new_thread(print, ())):\n"
        "        try:\n            start()\n"
        "        except (OSError, RuntimeError) as error:\n"
        "            failed.append(type(error).__name__)\n"
        "    return failed\n"
    )
    with student_process(source, TASK, LAB) as double:
        assert double(2) == ["BlockingIOError", "RuntimeError"]
