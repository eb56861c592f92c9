"""A student's function in a process of its own, with bounded time, memory and output.

The judge talks to it over one socket pair, in frames of plain data. What the process prints goes
nowhere; what it writes to the socket is read as a returned value at best. It gets no seed, no check
and no environment. The wall around files, processes and network is put up by
:mod:`nncourse.classroom.sandbox`; what its memory may grow to in all, by
:mod:`nncourse.classroom.memory_limit`.

Every task starts a new process, so that none can leave anything to the next. Python with NumPy takes
70 ms to start on an idle core and the walls 8 ms; a server that forks would save most of that, at
the price of a process that outlives what it must not trust.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nncourse.classroom import sandbox as walls
from nncourse.classroom import wire
from nncourse.classroom.judge import Interruption
from nncourse.classroom.lab import STANDARD, Lab, Task, not_plain_sentence
from nncourse.classroom.memory_limit import memory_limit
from nncourse.classroom.outcome import AnswerError, NotAnswered

RUNNER = Path(__file__).with_name("runner.py")
WIRE = Path(__file__).with_name("wire.py")
START_SECONDS = 60.0  # for Python and NumPy to load on a busy machine; not the student's time


@contextlib.contextmanager
def student_process(
    source: str, task: Task, lab: Lab, *, sandbox: str = "auto"
) -> Iterator[StudentProcess]:
    """The function of ``task`` defined by ``source``, callable, as long as the context lasts.

    sandbox  "auto": inside bubblewrap, or :class:`~nncourse.classroom.sandbox.SandboxMissing`;
             "none": as a plain process with this user's rights

    Leaving the context kills the process and all that it started in its session.
    """
    if sandbox != "none":
        walls.require(sandbox)
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
        limit = stack.enter_context(memory_limit(lab.memory_bytes))
        with theirs:
            if sandbox == "none":
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="answer-"))
                process = launch(theirs.fileno(), folder, prefix=limit.prefix)
            else:
                process = launch_inside(theirs.fileno(), task.packages, stack, prefix=limit.prefix)
        stack.callback(_kill, process)
        limit.watch(process)
        student = StudentProcess(process, ours, lab, was_out_of_memory=limit.was_exceeded)
        student.load(
            {
                "source": source.encode(),
                "function": task.name,
                "standard": sorted(STANDARD),
                "packages": list(task.packages),
                "off_limits": list(task.off_limits),
                "memory_bytes": lab.memory_bytes,
                "seconds": lab.seconds,
            }
        )
        yield student


def launch(descriptor: int, folder: str, *, prefix: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """The runner without a sandbox, in a session of its own.

    descriptor  its end of the socket pair; the only open file it inherits
    folder      empty, its working folder and home
    prefix      words of a command that starts the command after it
    """
    return _started(
        [*prefix, sys.executable, "-I", "-B", str(RUNNER), str(descriptor)],
        (descriptor,),
        cwd=folder,
        env={
            "HOME": folder,
            "LANG": "C.UTF-8",
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        },
    )


def launch_inside(
    descriptor: int,
    packages: Sequence[str],
    stack: contextlib.ExitStack,
    *,
    prefix: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    """The runner inside a new sandbox that lasts as long as ``stack``; arguments as in `launch`."""
    runner = [f"{walls.RUNNER_FOLDER}/{RUNNER.name}", str(descriptor), walls.PACKAGES_FOLDER]
    command = stack.enter_context(
        walls.inside([*walls.python_words(), *runner], packages=packages, files=(RUNNER, WIRE))
    )
    return _started([*prefix, *command.words], (descriptor, *command.descriptors), env={})


def _started(
    words: Sequence[str],
    descriptors: tuple[int, ...],
    *,
    env: dict[str, str],
    cwd: str | None = None,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=cwd,
        env=env,
        pass_fds=descriptors,
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class StudentProcess:
    """A student's function, called in its process: plain data in, plain data out.

    Raises ``AnswerError`` where the function raised or returned no plain data, and
    ``Interruption`` where the process ended, ran out of time or broke the protocol.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        judge: socket.socket,
        lab: Lab,
        *,
        was_out_of_memory: Callable[[], bool],
    ) -> None:
        self._process = process
        self._socket = judge
        self._lab = lab
        self._was_out_of_memory = was_out_of_memory
        self._deadline = time.monotonic() + START_SECONDS
        self._left = lab.seconds

    def load(self, answer: dict[str, Any]) -> None:
        """Hand over the program once Python is up; then the student's time runs.

        A process that does not start is the grader's fault: RuntimeError.
        """
        try:
            started = self._receive()
        except Interruption as error:
            raise RuntimeError(f"the runner did not start: {error.message}") from None
        assert started == {"kind": "started"}
        with self._clock():
            self._send(answer)
            if self._receive() != {"kind": "ready"}:
                raise self._broken()

    def __call__(self, *inputs: Any) -> Any:
        """What the function returned for ``inputs``, plain data."""
        token = secrets.token_hex(8)
        with self._clock():
            self._send({"call": token, "inputs": inputs})
            reply = self._receive()
        if type(reply) is not dict or reply.get("call") != token:
            raise self._broken()
        match reply:
            case {"kind": "value", "value": value}:
                return value
            case {"kind": "not_answered"}:
                raise NotAnswered("not answered yet")
            case {"kind": "raised", "type": str(name), "text": str(text)}:
                raise AnswerError(f"raised {name[:60]}: {text[:300]}")
            case {"kind": "not_plain", "text": str(text)}:
                raise AnswerError(not_plain_sentence(text[:120]))
            case {"kind": "memory"}:
                raise self._too_large()
        raise self._broken()

    @contextlib.contextmanager
    def _clock(self) -> Iterator[None]:
        """The student's time, which stands still while the judge prepares and compares."""
        self._deadline = time.monotonic() + self._left
        try:
            yield
        finally:
            self._left = self._deadline - time.monotonic()

    def _send(self, message: dict[str, Any]) -> None:
        frame = wire.encode(message)
        self._socket.settimeout(self._seconds_left())
        try:
            self._socket.sendall(frame)
        except TimeoutError:
            raise self._late() from None
        except OSError:
            raise self._ended() from None

    def _receive(self) -> Any:
        try:
            return wire.receive(self._read_exactly)
        except wire.WireError:
            raise self._broken() from None

    def _read_exactly(self, count: int) -> bytes:
        received = bytearray()  # one block, however small the pieces it comes in
        while len(received) < count:
            self._socket.settimeout(self._seconds_left())
            try:
                part = self._socket.recv(min(count - len(received), 1 << 20))
            except TimeoutError:
                raise self._late() from None
            except OSError:
                raise self._ended() from None
            if not part:
                raise self._ended()
            received += part
        return bytes(received)

    def _seconds_left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> Interruption:
        return Interruption(
            "timeout",
            f"the function took longer than {self._lab.seconds:g} s; look for a loop that does not end",
        )

    def _too_large(self) -> Interruption:
        return Interruption(
            "out_of_memory",
            f"the function needed more than {self._lab.memory_bytes >> 20} MiB of memory; look for "
            "an array or a list that grows too large",
        )

    def _broken(self) -> Interruption:
        return Interruption(
            "crashed",
            "the function's process sent something else than a result; let the function only "
            "compute and return",
        )

    def _ended(self) -> Interruption:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return Interruption(
                "crashed",
                "the function closed its connection to the grader; let it only compute and return",
            )
        if code > 128:  # how bubblewrap and the shell pass on a signal
            code = 128 - code
        if self._was_out_of_memory():
            return self._too_large()
        if code == -signal.SIGXCPU:
            return self._late()
        how = _signal_name(-code) if code < 0 else f"exit status {code}"
        return Interruption(
            "crashed",
            f"the function ended its process ({how}); run it in a fresh kernel and see where it ends",
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
