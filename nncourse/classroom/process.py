"""A student's function in a process of its own, with bounded time, memory and output.

The judge talks to it over one socket pair, in frames of plain data. What the process prints goes
nowhere; what it writes to the socket is read as a returned value at best. It gets no seed, no check
and no environment. This bounds accidents and keeps marks honest; a wall around files and network is
the business of the command that :func:`launch` starts.
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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nncourse.classroom import wire
from nncourse.classroom.judge import Interruption
from nncourse.classroom.lab import Lab, Task, not_plain_sentence
from nncourse.classroom.outcome import AnswerError, NotAnswered

RUNNER = Path(__file__).with_name("runner.py")
START_SECONDS = 60.0  # for Python and NumPy to load on a busy machine; not the student's time


@contextlib.contextmanager
def student_process(source: str, task: Task, lab: Lab) -> Iterator[StudentProcess]:
    """The function of ``task`` defined by ``source``, callable, as long as the context lasts.

    Leaving the context kills the process and all that it started in its session.
    """
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryDirectory(prefix="answer-") as folder:
        with theirs:
            process = launch(theirs.fileno(), folder)
        try:
            student = StudentProcess(process, ours, lab.seconds)
            student.load(
                {
                    "source": source,
                    "function": task.name,
                    "packages": list(task.packages),
                    "off_limits": list(task.off_limits),
                    "memory_bytes": lab.memory_bytes,
                    "seconds": lab.seconds,
                }
            )
            yield student
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def launch(descriptor: int, folder: str) -> subprocess.Popen[bytes]:
    """The runner, started in a session of its own.

    descriptor  its end of the socket pair; the only open file it inherits
    folder      empty, its working folder and home

    Every start of a student's code passes here, so a sandbox wraps this one command.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-B", str(RUNNER), str(descriptor)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={
            "HOME": folder,
            "LANG": "C.UTF-8",
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        },
        pass_fds=(descriptor,),
        start_new_session=True,
    )


class StudentProcess:
    """A student's function, called in its process: plain data in, plain data out.

    Raises ``AnswerError`` where the function raised or returned no plain data, and
    ``Interruption`` where the process ended, ran out of time or broke the protocol.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], judge: socket.socket, seconds: float
    ) -> None:
        self._process = process
        self._socket = judge
        self._seconds = seconds
        self._deadline = time.monotonic() + START_SECONDS
        self._left = seconds

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
                raise Interruption("out_of_memory", "the function ran out of memory")
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
        parts, missing = [], count
        while missing:
            self._socket.settimeout(self._seconds_left())
            try:
                part = self._socket.recv(min(missing, 1 << 20))
            except TimeoutError:
                raise self._late() from None
            except OSError:
                raise self._ended() from None
            if not part:
                raise self._ended()
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _seconds_left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> Interruption:
        return Interruption(
            "timeout",
            f"the function took longer than {self._seconds:g} s; look for a loop that does not end",
        )

    def _broken(self) -> Interruption:
        return Interruption("crashed", "the function's process sent something else than a result")

    def _ended(self) -> Interruption:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return Interruption("crashed", "the function's process stopped talking to the grader")
        if code == -signal.SIGXCPU:
            return self._late()
        if code == -signal.SIGKILL:
            return Interruption(
                "out_of_memory", "the function's process was killed, most likely for its memory"
            )
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return Interruption("crashed", f"the function ended its process ({how})")
