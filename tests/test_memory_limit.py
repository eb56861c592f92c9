"""The limit on memory in all: who exceeds it is killed and known, and nobody else is blamed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nncourse.classroom import memory_limit as limits
from nncourse.classroom.memory_limit import ControlGroup, Watchdog, family_of, memory_limit

BYTES = 150 << 20
GREEDY = "import time; kept = b'x' * (300 << 20); time.sleep(60)"
GREEDY_TOGETHER = (
    "import subprocess, sys, time\n"
    "half = \"import time; kept = b'x' * (90 << 20); time.sleep(60)\"\n"
    "both = [subprocess.Popen([sys.executable, '-c', half]) for _ in range(2)]\n"
    "time.sleep(60)"
)
pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


@pytest.fixture(params=["control group", "watchdog"])
def kind(request, monkeypatch):
    """Which of the two limits is in force; the first needs rights that not everybody has."""
    if request.param == "watchdog":
        monkeypatch.setattr(limits, "_parent_group", lambda: None)
    elif limits._parent_group() is None:
        pytest.skip("no control group can be made here, so the watchdog stands in")
    return {"control group": ControlGroup, "watchdog": Watchdog}[request.param]


def start(limit, code):
    process = subprocess.Popen([*limit.prefix, sys.executable, "-c", code], start_new_session=True)
    limit.watch(process)
    return process


def finish(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def exceeded_within(limit, seconds=60):
    for _ in range(seconds * 20):
        if limit.was_exceeded():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("code", [GREEDY, GREEDY_TOGETHER], ids=["one process", "three together"])
def test_who_needs_too_much_is_killed_and_known(kind, code):
    with memory_limit(BYTES) as limit:
        assert type(limit) is kind
        process = start(limit, code)
        assert exceeded_within(limit)
        finish(process)


def test_a_modest_process_runs_to_its_end(kind):
    with memory_limit(BYTES) as limit:
        process = start(limit, "kept = b'x' * (20 << 20)")
        assert process.wait(timeout=60) == 0
        assert not limit.was_exceeded()


def test_a_process_killed_otherwise_did_not_exceed_it(kind):
    with memory_limit(BYTES) as limit:
        process = start(limit, "import os; os.kill(os.getpid(), 9)")
        assert process.wait(timeout=60) == -signal.SIGKILL
        time.sleep(0.2)
        assert not limit.was_exceeded()


@pytest.mark.parametrize("kind", ["control group"], indirect=True)
def test_a_control_group_is_gone_afterwards(kind):
    with memory_limit(BYTES) as limit:
        assert limit.folder.is_dir()
        finish(start(limit, "import time; time.sleep(60)"))
    assert not limit.folder.exists()


def test_groups_of_graders_that_were_killed_are_swept_away(tmp_path):
    own = limits._new_name()
    names = {
        "of a dead one": own.replace(f"-{os.getpid()}-", "-999999999-"),
        "of this one": own,
        "of another machine's": own.replace("nncourse-", "nncourse-1"),
        "of something else": "nncourse-notes",
    }
    for name in names.values():
        (tmp_path / name).mkdir()
    limits._sweep(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == set(names.values()) - {names["of a dead one"]}


def test_where_a_group_cannot_be_limited_a_watchdog_stands_in(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_parent_group", lambda: tmp_path)  # a folder, but no group
    with memory_limit(BYTES) as limit:
        assert type(limit) is Watchdog
    assert list(tmp_path.iterdir()) == []


def test_a_family_is_a_process_and_all_below_it():
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        parent.stdout.readline()
        family = family_of(parent.pid)
        assert family[0] == parent.pid
        assert len(family) == 2
        parent.communicate(b"\n")
    assert family_of(parent.pid) == []
