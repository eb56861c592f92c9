"""Hostile submissions, graded like a class: none earns what it has not earned, none harms anybody.

Each attack is a student whose notebook holds hostile code in ``f``. All are in one run of the public entry, with honest students among them, while the host is watched:
files that must not be read or written, a secret in the environment, listeners that must stay
lonely, processes that must be gone. What needs a wall is also run without one, where it succeeds,
so that no attack here fails for its own clumsiness.
"""

import dataclasses
import json
import os
import shutil
import socket
import tempfile
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from nncourse.classroom import grade as grading
from nncourse.classroom import process
from nncourse.classroom.grade import grade, grade_notebook
from nncourse.classroom.lab import Lab, Task
from nncourse.classroom.outcome import is_integers, trial
from nncourse.classroom.sandbox import why_missing

TOKEN = f"canary{os.getpid()}"
PLACE = Path(tempfile.gettempdir()) / f"nncourse-attacks-{os.getpid()}"
SECRET_SEED = 7_777
SECRET = f"secret-{TOKEN}"
HONEST = 12


def doubles(student, rng):
    for name, most in (("doubles", 100), ("doubles large values", 10**12)):
        for size in (1, 5):
            x = rng.integers(1, most, size)
            yield trial(
                name, student, x, expected=2 * x, agrees=lambda got, x=x: is_integers(got, 2 * x)
            )


def triples(student, rng):
    x = rng.integers(1, 100, 3)
    yield trial(
        "triples", student, x, expected=3 * x, agrees=lambda got, x=x: is_integers(got, 3 * x)
    )


LAB = Lab(
    name="attacked",
    tasks=(
        Task(name="f", points=2, check=doubles),
        Task(name="g", points=1, check=triples, packages=("nncourse.meaning",)),
    ),
    seconds=30,
    memory_bytes=1 << 29,
)
HURRIED = dataclasses.replace(LAB, name="hurried", seconds=2)  # for what never ends

# What every notebook may use: the ways around the guard on imports that a curious student finds.
TOOLS = """
import json
import random
import re
import struct
import types
import numpy as np
os = random._os
sys = os.sys
def load(name):
    return sys.modules["importlib"].import_module(name)
def libc():
    return load("ctypes").CDLL(None, use_errno=True)
def send(data):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass
def frame(tree, sizes=(), body=b""):
    header = json.dumps({"tree": tree, "sizes": list(sizes)}).encode()
    return struct.pack("<II", len(header), len(body)) + header + body
def reply(value, token):
    return {"dict": [[{"str": "kind"}, {"str": "value"}], [{"str": "value"}, value],
                     [{"str": "call"}, {"str": token}]]}
def token():
    caller = sys._getframe()
    while "request" not in caller.f_locals:
        caller = caller.f_back
    return caller.f_locals["request"]["call"]
def readable(path):
    try:
        with open(path, "rb") as file:
            return file.read(1 << 16)
    except OSError:
        return b""
def files(root="/"):
    for folder, _, names in os.walk(root):
        if not folder.startswith(("/usr/lib", "/proc", "/sys")):
            yield from (os.path.join(folder, name) for name in names)
"""
HONEST_G = "def g(x):\n    return 3 * x"
HONEST_F = "def f(x):\n    return 2 * x"

ZERO = ("graded", 0.0)
CRASHED = ("crashed", None)
TIMEOUT = ("timeout", None)
MEMORY = ("out_of_memory", None)

# Values and frames that lie. name: (expected status and mark of f, source)
FORGERS = {
    "object_that_equals_everything": (
        ZERO,
        """
        class Equal:
            def __eq__(self, other): return True
            def __array__(self, *a, **k): return np.zeros(1)
        def f(x): return Equal()
        """,
    ),
    "array_that_equals_everything": (
        ZERO,
        """
        class Equal(np.ndarray):
            def __eq__(self, other): return np.ones(self.shape, bool)
        def f(x): return np.zeros(x.shape, int).view(Equal)
        """,
    ),
    "number_that_equals_everything": (
        ZERO,
        """
        class Equal(int):
            def __eq__(self, other): return True
            def __hash__(self): return 0
        def f(x): return Equal(3)
        """,
    ),
    "class_that_claims_to_be_an_array": (
        ZERO,
        """
        class Fake:
            __class__ = np.ndarray
            dtype, shape, ndim, size = np.dtype(int), (1,), 1, 1
            def __getattr__(self, name): return lambda *a, **k: True
        def f(x): return Fake()
        """,
    ),
    "numpy_patched": (
        CRASHED,
        """
        def f(x):
            np.array_equal = lambda *a, **k: True
            np.all = np.any = np.equal = np.ndarray = lambda *a, **k: True
            return np.zeros(x.shape, int)
        """,
    ),
    "builtins_patched": (
        CRASHED,
        """
        def f(x):
            real = load("builtins")
            real.isinstance = real.bool = real.all = lambda *a: True
            return np.zeros(x.shape, int)
        """,
    ),
    "wire_patched": (
        CRASHED,
        """
        def f(x):
            sys.modules["wire"].encode = lambda message: b"passed passed passed"
            os._exit(0) if False else None
            return 1
        """,
    ),
    "reading_of_the_wire_patched": (
        CRASHED,
        """
        def f(x):
            wire = sys.modules["wire"]
            wire.encode = lambda message: frame({"str": "graded, 2 of 2"})
            return 1
        """,
    ),
    "verdict_on_every_descriptor": (
        CRASHED,
        """
        def f(x):
            send(b'{"kind": "graded", "mark": 2.0, "passed": true}')
            return 0
        """,
    ),
    "verdict_in_a_frame_with_the_right_token": (
        CRASHED,
        """
        def f(x):
            send(frame({"dict": [[{"str": "kind"}, {"str": "graded"}],
                                 [{"str": "mark"}, {"float": "0x1p1"}],
                                 [{"str": "call"}, {"str": token()}]]}))
            return 0
        """,
    ),
    "value_with_a_guessed_token": (
        CRASHED,
        """
        def f(x):
            send(frame(reply(1, "0" * 16)))
            return 0
        """,
    ),
    "a_wrong_value_first_and_the_right_one_after_it": (
        CRASHED,
        """
        def f(x):
            send(frame(reply(1, token())))
            return 2 * x
        """,
    ),
    "frame_that_announces_four_gigabytes": (
        CRASHED,
        """
        def f(x):
            send(b"\\xff" * 8)
            return 2 * x
        """,
    ),
    "frame_that_unfolds_to_terabytes": (
        CRASHED,
        """
        def f(x):
            many = [{"array": ["|u1", [1 << 25], 0]} for _ in range(9000)]
            send(frame(reply({"list": many}, token()), [1 << 25], bytes(1 << 25)))
            return 2 * x
        """,
    ),
    "frame_of_a_million_parts": (
        CRASHED,
        """
        def f(x):
            send(frame(reply({"list": [None] * 200_000}, token())))
            return 2 * x
        """,
    ),
    "frame_with_a_number_of_4000_digits": (
        CRASHED,
        """
        def f(x):
            send(frame(reply(10**4000, token())))
            return 2 * x
        """,
    ),
    "frame_with_a_float_beyond_all_floats": (
        CRASHED,
        """
        def f(x):
            send(frame(reply({"float": "0x1p99999999"}, token())))
            return 2 * x
        """,
    ),
    "frame_with_an_array_of_objects": (
        CRASHED,
        """
        def f(x):
            send(frame(reply({"array": ["|O", [1], 0]}, token()), [8], bytes(8)))
            return 2 * x
        """,
    ),
    "frame_with_a_key_that_cannot_be_sorted": (
        CRASHED,
        """
        def f(x):
            send(frame(reply({"dict": [[{"float": "nan"}, 1], [None, 2]]}, token())))
            return 2 * x
        """,
    ),
    "frame_nested_a_hundred_thousand_times": (
        CRASHED,
        """
        def f(x):
            header = b'{"tree": ' + b"[" * 100_000
            send(struct.pack("<II", len(header), 0) + header)
            return 2 * x
        """,
    ),
    "half_a_frame_and_then_silence": (
        TIMEOUT,
        """
        def f(x):
            send(struct.pack("<II", 100, 100) + b"{")
            load("time").sleep(60)
        """,
    ),
    "frame_that_drips": (
        TIMEOUT,
        """
        def f(x):
            send(struct.pack("<II", 1 << 20, 0))
            while True:
                send(b" ")
                load("time").sleep(0.01)
        """,
    ),
    "frames_from_an_alarm_after_the_right_value": (
        CRASHED,
        """
        def ring(*_):
            send(frame({"str": "passed"}))
        def f(x):
            signal = load("signal")
            signal.signal(signal.SIGALRM, ring)
            signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
            load("time").sleep(0.05)
            return 2 * x
        """,
    ),
    "report_of_success_printed": (
        ZERO,
        """
        def f(x):
            print("f: ok (4 cases)", flush=True)
            os.write(1, b"f,graded,2,2\\n")
            return 0
        """,
    ),
    "list_that_holds_itself": (ZERO, "def f(x):\n    a = []\n    a.append(a)\n    return a"),
    "endless_generator": (ZERO, "def f(x):\n    return (1 for _ in iter(int, 1))"),
    "array_of_a_billion_empty_rows": (ZERO, "def f(x):\n    return np.zeros((10**9, 0))"),
    "answer_beyond_the_largest_frame": (ZERO, "def f(x):\n    return np.zeros(1 << 24)"),
    "exception_whose_text_raises": (
        ZERO,
        """
        class Loud(Exception):
            def __str__(self): raise Loud
        def f(x): raise Loud
        """,
    ),
    "exception_whose_text_never_ends": (
        TIMEOUT,
        """
        class Endless(Exception):
            def __str__(self):
                while True: pass
        def f(x): raise Endless
        """,
    ),
    "exception_named_like_the_graders_own": (
        ZERO,
        """
        class CheckFault(Exception): pass
        def f(x): raise CheckFault("the grader failed")
        """,
    ),
    "memory_error_raised_by_hand": (MEMORY, "def f(x):\n    raise MemoryError"),
}

# Ways to end, and to use up what there is. Each notebook has an honest task beside it.
BOMBS = {
    "exit_that_looks_like_success": (ZERO, "def f(x):\n    raise SystemExit(0)"),
    "os_exit": (CRASHED, "def f(x):\n    os._exit(0)"),
    "exit_that_looks_like_a_kill": (CRASHED, "def f(x):\n    os._exit(137)"),
    "kill_of_itself": (CRASHED, "def f(x):\n    os.kill(os.getpid(), 9)"),
    "segmentation_fault": (CRASHED, "def f(x):\n    load('ctypes').string_at(0)"),
    "closed_descriptors": (CRASHED, "def f(x):\n    os.closerange(0, 64)\n    return 2 * x"),
    "connection_shut_down": (
        CRASHED,
        """
        def f(x):
            for descriptor in range(3, 64):
                libc().shutdown(descriptor, 2)
            return 2 * x
        """,
    ),
    "program_replaced": (
        CRASHED,
        "def f(x):\n    os.execv(sys.executable, [sys.executable, '-c', 'pass'])",
    ),
    "endless_loop": (TIMEOUT, "def f(x):\n    while True: pass"),
    "endless_loop_while_loading": (TIMEOUT, "y = sum(iter(int, 1))\ndef f(x):\n    return y"),
    "sleep": (TIMEOUT, "def f(x):\n    load('time').sleep(600)"),
    "loop_that_catches_everything": (
        TIMEOUT,
        """
        def f(x):
            signal = load("signal")
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            while True: pass
        """,
    ),
    "regular_expression_that_never_ends": (
        TIMEOUT,
        "def f(x):\n    return re.match('(a*)*b', 'a' * 60)",
    ),
    "number_that_never_gets_done": (TIMEOUT, "def f(x):\n    return 7 ** (7 ** 9)"),
    "recursion": (ZERO, "def f(x):\n    return f(x)"),
    "memory_at_once": (MEMORY, "def f(x):\n    return np.ones(1 << 30)"),
    "memory_while_loading": (MEMORY, "y = np.ones(1 << 30)\ndef f(x):\n    return y"),
    "memory_bit_by_bit": (
        MEMORY,
        "def f(x):\n    a = []\n    while True: a.append(np.ones(1 << 20))",
    ),
    "memory_in_one_string": (MEMORY, "def f(x):\n    return '%0*d' % (10**9, 1)"),
    "limit_on_memory_lifted": (
        MEMORY,
        """
        def f(x):
            resource = load("resource")
            for most in ((-1, -1), (1 << 40, 1 << 40)):
                try:
                    resource.setrlimit(resource.RLIMIT_AS, most)
                except (ValueError, OSError):
                    pass
            return np.ones(1 << 30)
        """,
    ),
    "memory_that_belongs_to_no_process": (
        ZERO,
        """
        def f(x):
            calls = libc()
            made = [calls.shmget(0, 1 << 24, 0o1600) for _ in range(64)]
            made += [calls.memfd_create(b"m", 0), calls.mq_open(b"/m", 0o102, 0o600, 0)]
            return 2 * x if any(one >= 0 for one in made) else 0
        """,
    ),
    "fork_bomb": (
        ZERO,
        """
        def f(x):
            while True:
                os.fork()
        """,
    ),
    "fork_bomb_that_does_not_give_up": (
        TIMEOUT,
        """
        def f(x):
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
        """,
    ),
    "threads": (
        ZERO,
        """
        def f(x):
            thread = load("threading").Thread(target=load("time").sleep, args=(600,))
            thread.start()
            return 2 * x
        """,
    ),
    "daemon": (
        ZERO,
        """
        def f(x):
            if not os.fork():
                os.setsid()
                if not os.fork():
                    load("time").sleep(600)
            return 2 * x
        """,
    ),
    "clone_by_hand": (
        ZERO,
        """
        def f(x):
            made = [libc().syscall(56, flags, 0, 0, 0, 0) for flags in (17, 0x10000011, 0x7E020011)]
            return 2 * x if any(one >= 0 for one in made) else 0
        """,
    ),
    "flood_of_output": (
        TIMEOUT,
        """
        def f(x):
            while True:
                os.write(1, b"x" * 65536)
                os.write(2, b"x" * 65536)
                print("x" * 65536)
        """,
    ),
    "flood_of_frames": (
        CRASHED,
        """
        def f(x):
            while True:
                send(frame({"str": "x" * 1000}) * 1000)
        """,
    ),
    "all_signals_to_everybody": (
        ZERO,
        """
        def f(x):
            for pid in (-1, 1, os.getppid(), *range(2, 400)):
                for number in (2, 15, 19, 9):
                    try:
                        pid == os.getpid() or os.kill(pid, number)
                    except OSError:
                        pass
            return 0
        """,
    ),
}

# What would work with the grader's rights: right answers if the deed is done, zeros if not.
INTRUDERS = {
    "reads_a_file_of_the_grader": f"""
        def f(x):
            return 2 * x if b"{SECRET}" in readable("{PLACE}/secret.txt") else 0
        """,
    "reads_the_environment_of_the_grader": """
        def f(x):
            return 2 * x if b"PATH=" in readable(f"/proc/{os.getppid()}/environ") else 0
        """,
    "reads_another_submission": f"""
        def f(x):
            found = [p for p in files("{PLACE.parent}") if p.endswith(".ipynb")]
            return 2 * x if found else 0
        """,
    "reads_what_runs_here": """
        def f(x):
            return 2 * x if b"python" in readable("/proc/self/cmdline") else 0
        """,
    "reads_the_accounts": """
        def f(x):
            return 2 * x if b"root" in readable("/etc/passwd") else 0
        """,
    "reads_the_checks": f"""
        def f(x):
            return 2 * x if b"def doubles" in readable("{__file__}") else 0
        """,
    "imports_a_package_of_the_grader": """
        def f(x):
            return 2 * x if load("IPython") else 0
        """,
    "imports_from_elsewhere": f"""
        def f(x):
            sys.path.append("{PLACE}")
            return 2 * x if load("stolen").ANSWER else 0
        """,
    "writes_where_everybody_may": f"""
        def f(x):
            done = 0
            for folder in ("{PLACE}/open", "/tmp", "/var/tmp", "/dev/shm", ".", "/run"):
                try:
                    with open(f"{{folder}}/{TOKEN}.out", "wb") as file:
                        file.write(b"x" * 1000)
                    done += 1
                except OSError:
                    pass
            return 2 * x if done else 0
        """,
    "fills_the_disk": f"""
        def f(x):
            done = 0
            for folder in ("{PLACE}/open", ".", "/", "/runner", "/packages"):
                for i in range(20):
                    try:
                        with open(f"{{folder}}/{TOKEN}.{{i}}", "wb") as file:
                            done += file.write(bytes(1 << 19))
                    except OSError:
                        pass
            return 2 * x if done else 0
        """,
    "makes_a_link_out_of_its_folder": f"""
        def f(x):
            if not os.path.lexists("{TOKEN}.link"):
                os.symlink("{PLACE}/secret.txt", "{TOKEN}.link")
            return 2 * x if b"{SECRET}" in readable("{TOKEN}.link") else 0
        """,
    "changes_the_runner_for_the_next_one": """
        def f(x):
            open(sys.modules["__main__"].__file__, "r+b").close()
            return 2 * x
        """,
    "connects_to_a_listener": """
        def f(x):
            connection = load("socket").create_connection(("127.0.0.1", {port}), timeout=1)
            return 2 * x
        """,
    "connects_to_a_name_in_the_kernel": f"""
        def f(x):
            socket = load("socket")
            socket.socket(socket.AF_UNIX).connect("\\0{TOKEN}")
            return 2 * x
        """,
    "opens_a_listener": """
        def f(x):
            load("socket").create_server(("127.0.0.1", 0))
            return 2 * x
        """,
    "starts_a_shell": """
        def f(x):
            return 2 * x if load("subprocess").run(["/bin/sh", "-c", "exit 0"]).returncode == 0 else 0
        """,
    "sees_other_processes": """
        def f(x):
            seen = 0
            for pid in range(3, 1 << 16):
                try:
                    os.kill(pid, 0)
                    seen += pid != os.getpid()
                except ProcessLookupError:
                    pass
                except PermissionError:
                    seen += 1
            return 2 * x if seen else 0
        """,
    "takes_over_descriptors": """
        def f(x):
            more = [n for n in range(3, 256) if not os.path.exists("/proc") or os.path.exists(f"/proc/self/fd/{n}")]
            open_ones = []
            for n in more:
                try:
                    open_ones.append(os.fstat(n))
                except OSError:
                    pass
            return 2 * x if len(open_ones) != 1 or os.path.exists("/proc") else 0
        """,
}

# What needs more rights than an ordinary grader has; it fails without a wall too, mostly.
CLIMBERS = {
    "reads_the_environment": f"""
        def f(x):
            return 2 * x if "{SECRET}" in str(os.environ) else 0
        """,
    "imports_a_room_of_the_course": """
        def f(x):
            return 2 * x if load("nncourse.formats") else 0
        """,
    "becomes_root": """
        def f(x):
            os.setuid(0)
            return 2 * x
        """,
    "becomes_root_of_a_namespace": """
        def f(x):
            return 2 * x if libc().unshare(0x10000000) == 0 else 0
        """,
    "mounts": """
        def f(x):
            return 2 * x if libc().mount(b"none", b"/runner", b"tmpfs", 0, 0) == 0 else 0
        """,
    "changes_its_root": """
        def f(x):
            os.chroot("/usr")
            return 2 * x
        """,
    "makes_a_device": """
        def f(x):
            os.mknod("/runner/disk", 0o60600, os.makedev(8, 0))
            return 2 * x
        """,
    "traces_the_first_process": """
        def f(x):
            return 2 * x if libc().ptrace(16, 1, 0, 0) == 0 else 0
        """,
    "reads_the_memory_of_the_first_process": """
        def f(x):
            return 2 * x if readable("/proc/1/mem") or readable("/proc/1/maps") else 0
        """,
    "changes_owner_and_mode": """
        def f(x):
            os.chmod(sys.modules["__main__"].__file__, 0o777)
            return 2 * x
        """,
    "makes_a_program_of_root": """
        def f(x):
            os.chmod("/runner", 0o4777)
            return 2 * x
        """,
    "sets_the_clock": """
        def f(x):
            load("time").clock_settime(0, 0)
            return 2 * x
        """,
    "loads_code_into_the_kernel": """
        def f(x):
            return 2 * x if libc().syscall(321, 5, 0, 0) >= 0 else 0
        """,
    "uses_the_ring_of_the_kernel": """
        def f(x):
            space = load("ctypes").create_string_buffer(256)
            return 2 * x if libc().syscall(425, 4, space) >= 0 else 0
        """,
    "uses_the_second_set_of_system_calls": """
        def f(x):
            return 2 * x if libc().syscall(0x40000000 + 41, 1, 1, 0) >= 0 else 0
        """,
    "looks_for_the_answer_among_all_objects": """
        def f(x):
            for thing in load("gc").get_objects():
                if type(thing) is np.ndarray and thing.shape == x.shape and (thing == 2 * x).all():
                    return 2 * x
            return 0
        """,
    "looks_for_the_seed": f"""
        def f(x):
            words = " ".join([*os.environ.values(), *sys.argv, *map(str, sys.modules)])
            return 2 * x if "{SECRET_SEED}" in words or "classroom" in words else 0
        """,
    "imports_what_the_other_task_may": """
        def f(x):
            return 2 * x if load("nncourse.meaning") else 0
        """,
}


def notebook(*cells, **fields):
    made = [
        {
            "cell_type": "code",
            "source": cell,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        if isinstance(cell, str)
        else cell
        for cell in cells
    ]
    return json.dumps(
        {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **fields}
    ).encode()


def code(source, **metadata):
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": []}


WRONG_F = "def f(x):\n    return 0"
NO_FILE = ("unreadable", None)
MISSING = ("missing_task", None)
RIGHT = ("graded", 2.0)
# Files that lie. name: (expected of f, expected of g, bytes)
FILES = {
    "points_in_the_metadata": (
        ZERO,
        ("graded", 1.0),
        notebook(
            code(
                WRONG_F, nbgrader={"grade_id": "f", "points": 1e9, "grade": False, "locked": True}
            ),
            HONEST_G,
            metadata={"nbgrader": {"score": 100}, "kernelspec": {"name": "sh"}},
        ),
    ),
    "outputs_that_say_ok": (
        ZERO,
        ("graded", 1.0),
        notebook(
            code(WRONG_F)
            | {"outputs": [{"output_type": "stream", "name": "stdout", "text": "f: ok (4 cases)"}]},
            HONEST_G,
        ),
    ),
    "cells_deleted": (MISSING, ("graded", 1.0), notebook(HONEST_G)),
    "no_cells": (MISSING, MISSING, notebook()),
    "cells_twice": (ZERO, ("graded", 1.0), notebook(HONEST_F, HONEST_G, WRONG_F, HONEST_G)),
    "cells_in_reverse": (RIGHT, ("graded", 1.0), notebook(HONEST_G, HONEST_F, "h = 1")),
    "cells_that_are_no_cells": (
        RIGHT,
        ("graded", 1.0),
        notebook({}, code(7), code([1, "x"]), {"cell_type": ["code"]}, HONEST_F, HONEST_G),
    ),
    "task_hidden_in_a_text_cell": (
        MISSING,
        ("graded", 1.0),
        notebook({"cell_type": "markdown", "source": HONEST_F, "metadata": {}}, HONEST_G),
    ),
    "check_redefined": (
        ZERO,
        ("graded", 1.0),
        notebook(
            "class check:\n    f = g = staticmethod(print)\ndef judge(*a): return 2.0",
            WRONG_F,
            HONEST_G,
        ),
    ),
    "syntax_error_beside_it": (RIGHT, ("graded", 1.0), notebook("def (", HONEST_F, HONEST_G)),
    "bomb_for_the_parser": (
        RIGHT,
        ("graded", 1.0),
        notebook("x=" + "(" * 45_000, "x=" + "-" * 45_000 + "1", HONEST_F, HONEST_G),
    ),
    "six_thousand_statements": (NO_FILE, NO_FILE, notebook(*["a=1\n" * 2_000] * 3, HONEST_F)),
    "a_thousand_lines_for_the_shell": (
        RIGHT,
        ("graded", 1.0),
        notebook(*["x = !ls\n" * 500] * 2, HONEST_F, HONEST_G),
    ),
    "ten_thousand_cells": (NO_FILE, NO_FILE, notebook(*["x = 1"] * 10_000, HONEST_F)),
    "more_code_than_a_lab": (NO_FILE, NO_FILE, notebook(*["#" * 49_000] * 7, HONEST_F)),
    "code_that_no_frame_could_hold": (
        RIGHT,
        ("graded", 1.0),
        notebook(
            *[f"s{i} = '" + "\U0001f600" * 49_000 + "'" for i in range(5)],
            "def f(x):\n    return 2 * x * bool(s0 and s1 and s2 and s3 and s4)",
            HONEST_G,
        ),
    ),
    "empty": (NO_FILE, NO_FILE, b""),
    "cut_off": (NO_FILE, NO_FILE, notebook(HONEST_F, HONEST_G)[:-40]),
    "other_encoding": (
        NO_FILE,
        NO_FILE,
        notebook(HONEST_F, HONEST_G).decode().encode("utf-16"),
    ),
    "json_nested_deeply": (NO_FILE, NO_FILE, b"[" * 300_000),
    "json_of_a_million_lists": (
        NO_FILE,
        NO_FILE,
        b'{"cells": [' + b"[]," * 1_000_000 + b"[]]}",
    ),
    "json_with_a_giant_number": (NO_FILE, NO_FILE, b'{"cells": [' + b"9" * 100_000 + b"]}"),
    "giant": (NO_FILE, NO_FILE, b" " * (21 << 20) + notebook(HONEST_F)),
    "a_list_and_no_notebook": (NO_FILE, NO_FILE, b"[1, 2]"),
    "old_format": (
        NO_FILE,
        NO_FILE,
        b'{"worksheets": [{"cells": []}], "nbformat": 3, "metadata": {}}',
    ),
    "surrogates": (RIGHT, ("graded", 1.0), notebook("x = '\ud800'", HONEST_F, HONEST_G)),
    "link_to_a_right_answer": (NO_FILE, NO_FILE, Path("../000-honest/attacked.ipynb")),
    "link_to_a_secret": (NO_FILE, NO_FILE, PLACE / "secret.txt"),
    "pipe": (NO_FILE, NO_FILE, "pipe"),
    "folder": (NO_FILE, NO_FILE, "folder"),
    "device": (NO_FILE, NO_FILE, Path("/dev/zero")),
}

SOURCES = (
    {name: (expected, source) for name, (expected, source) in (FORGERS | BOMBS).items()}
    | {name: (ZERO, source) for name, source in INTRUDERS.items()}
    | {name: (ZERO, source) for name, source in CLIMBERS.items()}
)
EXPECTED = {
    **{
        name: (of_f, ("graded", 1.0) if name in BOMBS else MISSING)
        for name, (of_f, _) in SOURCES.items()
    },
    **{name: (of_f, of_g) for name, (of_f, of_g, _) in FILES.items()},
}


def hostile(name, port):
    source = textwrap.dedent(SOURCES[name][1]).replace("{port}", str(port))
    return notebook(TOOLS, source, *([HONEST_G] if name in BOMBS else []))


def lab_of(name):
    return HURRIED if EXPECTED.get(name, ())[:1] == (TIMEOUT,) else LAB


def hand_in(folder, content, lab=LAB):
    folder.mkdir(parents=True)
    path = folder / f"{lab.name}.ipynb"
    match content:
        case bytes():
            path.write_bytes(content)
        case Path():
            path.symlink_to(content)
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()


def running(words):
    """Command lines of this machine's processes that hold ``words``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line and str(os.getpid()) != entry.parent.name:
            found.append(line)
    return found


@pytest.fixture(scope="module")
def host(missing):
    """A machine with secrets, open doors and listeners, for as long as the module is tested."""
    if why_missing():
        missing(f"The sandbox ({why_missing()})", "make tools")
    PLACE.mkdir()
    (PLACE / "secret.txt").write_text(SECRET)
    (PLACE / "stolen.py").write_text("ANSWER = True")
    (PLACE / "open").mkdir()
    (PLACE / "open").chmod(0o777)
    with (
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as named,
    ):
        patch.setenv("NNCOURSE_SECRET", SECRET)
        named.bind(f"\0{TOKEN}")
        named.listen()
        for one in (listener, named):
            one.settimeout(0)
        yield SimpleNamespace(listeners=(listener, named), port=listener.getsockname()[1])
    for path in sorted(PLACE.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    PLACE.rmdir()


def graded_among_honest_students(port):
    """Rows of all attacks and of the honest students among them, by name."""
    submissions = PLACE / "submissions"
    attacks = {name: hostile(name, port) for name in SOURCES}
    attacks |= {name: content for name, (_, _, content) in FILES.items()}
    honest = notebook(TOOLS, HONEST_F, "import nncourse.meaning\n" + HONEST_G)
    step = len(attacks) // (HONEST - 1)
    for i, (name, content) in enumerate(attacks.items()):
        hand_in(submissions / f"{i:03}-{name}", content, lab_of(name))
        if i % step == 0:
            hand_in(submissions / f"{i:03}-honest", honest)
    with pytest.MonkeyPatch.context() as patch:
        # The runner under a name that only this run has, so that its processes can be told apart.
        patch.setattr(process, "RUNNER", shutil.copy(process.RUNNER, PLACE / f"{TOKEN}.py"))
        patch.setattr(grading, "LABS", {lab.name: lab for lab in (LAB, HURRIED)})
        rows = grade(submissions, PLACE / "grades.csv", seed=SECRET_SEED, jobs=4)
    of_name = {}
    for row in rows:
        name = row.student.partition("-")[2]
        if row.lab == lab_of(name).name:
            of_name.setdefault(name, {}).setdefault(row.task, []).append(row)
    return of_name


# One test, since the class is graded once: workers of pytest share no fixture.
def test_a_class_with_a_hundred_attackers_is_graded_as_if_they_were_not_there(host):
    before = {path: path.read_bytes() for path in PLACE.glob("*") if path.is_file()}
    rows = graded_among_honest_students(host.port)
    honest = rows.pop("honest")

    # Each attack ends in its status, with no mark that was not earned.
    found = {
        name: [(row.status, row.mark) for task in ("f", "g") for row in of[task]]
        for name, of in rows.items()
    }
    wrong = {
        name: (found[name], rows[name]) for name in rows if found[name] != list(EXPECTED[name])
    }
    assert wrong == {}
    assert rows.keys() == EXPECTED.keys()

    # What it says is a sentence, in one line, without a secret.
    messages = {row.message for of in rows.values() for task in of.values() for row in task}
    odd = {m for m in messages if not m.isprintable() or len(m) < 10 or SECRET in m}
    assert odd == set()

    # Honest students among them lose nothing.
    assert len(honest["f"]) >= HONEST
    assert {(row.status, row.mark) for row in honest["f"]} == {RIGHT}, honest
    assert {(row.status, row.mark) for row in honest["g"]} == {("graded", 1.0)}, honest

    # The host is as it was: its files, its listeners, its processes.
    assert {path: path.read_bytes() for path in before} == before
    assert list((PLACE / "open").iterdir()) == []
    places = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/", ".", tempfile.gettempdir()]
    assert [path for place in places for path in Path(place).glob(f"*{TOKEN}*")] == []
    for listener in host.listeners:
        with pytest.raises(BlockingIOError):
            listener.accept()
    for _ in range(100):
        if not running(f"{TOKEN}.py"):
            break
        time.sleep(0.1)
    assert running(f"{TOKEN}.py") == []


def test_there_are_many_different_attacks():
    assert len(EXPECTED) >= 100
    assert len({source for _, source in SOURCES.values()}) == len(SOURCES)


@pytest.mark.parametrize("name", INTRUDERS)
def test_without_a_wall_the_intruder_succeeds(host, tmp_path, name):
    if name == "starts_a_shell" and os.geteuid() != 0:
        pytest.skip("an ordinary user is stopped by the limit on processes already")
    hand_in(tmp_path / "eve", hostile(name, host.port))
    path = tmp_path / "eve" / f"{LAB.name}.ipynb"
    hand_in(PLACE / "others" / name, notebook(HONEST_F))
    [f, _] = grade_notebook(path, LAB, student="eve", seed=SECRET_SEED, sandbox="none")
    assert (f.status, f.mark) == RIGHT, f
