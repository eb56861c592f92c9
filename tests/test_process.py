"""The student's process: whose time runs when."""

import time
from types import SimpleNamespace

import pytest

from nncourse.classroom import process
from nncourse.classroom.judge import Interruption
from nncourse.classroom.lab import Lab, Task
from nncourse.classroom.process import student_process

TASK = Task(name="double", points=1, check=lambda student, rng: iter(()))
LAB = Lab(name="small", tasks=(TASK,), seconds=30.0)


@pytest.fixture
def clock(monkeypatch):
    """A clock that can be put forward by ``clock.ahead`` seconds."""
    shown = SimpleNamespace(ahead=0.0)
    shown.monotonic = lambda: time.monotonic() + shown.ahead
    monkeypatch.setattr(process, "time", shown)
    return shown


def test_what_the_judge_does_between_two_calls_is_not_the_students_time(clock):
    with student_process("def double(x):\n    return 2 * x\n", TASK, LAB) as double:
        assert double(2) == 4
        clock.ahead += 1000
        assert double(3) == 6


def test_the_times_of_all_calls_add_up(clock):
    source = "import time\ndef double(x):\n    time.sleep(x)\n    return 2 * x\n"
    lab = Lab(name="small", tasks=(TASK,), seconds=2.0)
    with student_process(source, TASK, lab) as double, pytest.raises(Interruption, match="2 s"):
        all(double(0.1) for _ in range(100))
