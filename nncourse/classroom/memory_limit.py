"""One bound on the memory that a process and all it starts may use together.

A limit of the process itself counts each process for itself, and not what the kernel keeps for it.
Where a control group can be made (version 1 or 2, mostly as root), the kernel counts and kills;
elsewhere a watchdog adds up the resident memory of the process and its descendants ten times a
second. Both can tell afterwards whether the limit was what ended the process.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

WATCH_SECONDS = 0.1
REMOVAL_SECONDS = 0.02
REMOVAL_TRIES = 500  # a process that is killed on a busy machine takes its time to go
_MOUNTS = Path("/proc/self/mounts")
_GROUPS = Path("/proc/self/cgroup")


class MemoryLimit(Protocol):
    """What bounds a process that is started with ``prefix`` before its command."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """Words of a command that starts the command after it."""

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Bound ``process`` from now on, if ``prefix`` does not already."""

    def was_exceeded(self) -> bool:
        """Whether a process was killed for its memory."""


@contextlib.contextmanager
def memory_limit(num_bytes: int) -> Iterator[MemoryLimit]:
    """A limit of ``num_bytes`` for one process and its descendants, as long as the context lasts.

    The processes are to be killed before the context is left; of a group, the rest is killed then.
    """
    group = ControlGroup.make(num_bytes)
    if group is not None:
        try:
            yield group
        finally:
            group.remove()
        return
    watchdog = Watchdog(num_bytes)
    try:
        yield watchdog
    finally:
        watchdog.stop()


class ControlGroup:
    """A control group with a limit on memory; swap is closed to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = ("/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', f"{folder}/cgroup.procs")

    @classmethod
    def make(cls, num_bytes: int) -> ControlGroup | None:
        """A new group below the one of this process, or None where it cannot be had."""
        parent = _parent_group()
        if parent is None:
            return None
        folder = parent / _new_name()
        try:
            folder.mkdir()
        except OSError:
            return None
        group = cls(folder)
        try:
            if (folder / "memory.max").exists():
                (folder / "memory.max").write_text(str(num_bytes))
                _write_if_there(folder / "memory.swap.max", "0")
                _write_if_there(folder / "memory.oom.group", "1")
            else:
                with (folder / "memory.limit_in_bytes").open("r+") as file:  # never makes a file
                    file.write(str(num_bytes))
                _write_if_there(folder / "memory.memsw.limit_in_bytes", str(num_bytes))
                _write_if_there(folder / "memory.swappiness", "0")
        except OSError:
            group.remove()
            return None
        return group

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Nothing to do: the prefix has put the process into the group."""

    def was_exceeded(self) -> bool:
        """Whether the kernel killed a process of the group for its memory."""
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError):
                counts = dict(
                    line.split(None, 1) for line in (self.folder / name).read_text().splitlines()
                )
                return int(counts.get("oom_kill", 0)) > 0
        return False

    def remove(self) -> None:
        """Kill what is left in the group, and remove it once that is gone."""
        for _ in range(REMOVAL_TRIES):
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                with contextlib.suppress(OSError, ProcessLookupError, PermissionError):
                    for pid in (self.folder / "cgroup.procs").read_text().split():
                        os.kill(int(pid), signal.SIGKILL)
                time.sleep(REMOVAL_SECONDS)
            else:
                return


@functools.cache
def _parent_group() -> Path | None:
    """Folder where groups with a limit on memory can be made."""
    for folder in _candidates():
        limits = ("memory.limit_in_bytes", "memory.max")
        probe = folder / _new_name()
        try:
            probe.mkdir()
        except OSError:
            continue
        try:
            if any(os.access(probe / limit, os.W_OK) for limit in limits):
                _sweep(folder)
                return folder
        finally:
            with contextlib.suppress(OSError):
                probe.rmdir()
    return None


def _new_name() -> str:
    return f"nncourse-{_process_namespace()}-{os.getpid()}-{secrets.token_hex(4)}"


def _process_namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def _sweep(parent: Path) -> None:
    """Remove the groups below ``parent`` that graders left behind which were killed."""
    for folder in parent.glob(f"nncourse-{_process_namespace()}-*-*"):
        with contextlib.suppress(OSError, ValueError):
            if not Path(f"/proc/{int(folder.name.split('-')[2])}").exists():
                folder.rmdir()


def _candidates() -> Iterator[Path]:
    """The groups of this process below each mount that may count memory, and the mounts."""
    try:
        mounts = [line.split() for line in _MOUNTS.read_text().splitlines()]
        own = [line.split(":", 2) for line in _GROUPS.read_text().splitlines()]
    except OSError:
        return
    for _, mount, kind, options, *_ in mounts:
        if kind == "cgroup" and "memory" in options.split(","):
            names = [path for _, controllers, path in own if "memory" in controllers.split(",")]
        elif kind == "cgroup2":
            names = [path for number, _, path in own if number == "0"]
        else:
            continue
        for name in (*names, "/"):
            yield Path(mount) / name.lstrip("/")


def _write_if_there(file: Path, text: str) -> None:
    if file.exists():
        file.write_text(text)


class Watchdog:
    """A thread that kills a process once it and its descendants hold too much memory."""

    prefix: tuple[str, ...] = ()

    def __init__(self, num_bytes: int) -> None:
        self._num_bytes = num_bytes
        self._exceeded = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Look at ``process`` until it ends or the watchdog is stopped."""
        self._thread = threading.Thread(target=self._look, args=(process,), daemon=True)
        self._thread.start()

    def was_exceeded(self) -> bool:
        """Whether the watchdog has killed."""
        return self._exceeded

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self, process: subprocess.Popen[bytes]) -> None:
        while not self._stopped.wait(WATCH_SECONDS):
            family = family_of(process.pid)
            if not family:
                return
            if sum(map(resident_bytes, family)) > self._num_bytes:
                self._exceeded = True
                for pid in reversed(family):
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
                return


def family_of(pid: int) -> list[int]:
    """``pid`` and its descendants, parents first; empty when it is gone.

    Inside a process namespace every process descends from the first one, so nobody gets away by
    losing its parent.
    """
    if not Path(f"/proc/{pid}").exists():
        return []
    family = [pid]
    for member in family:
        family += _children_of(member)
    return family


def _children_of(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):  # it may end while it is looked at
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            yield from map(int, file.read_text().split())


def resident_bytes(pid: int) -> int:
    """Bytes of memory that process ``pid`` holds now; 0 when it is gone."""
    try:
        num_pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return num_pages * os.sysconf("SC_PAGE_SIZE")
