"""The wall around a student's process: bubblewrap, with as little inside as Python and NumPy need.

Inside there is no network, no other process, no home, no /proc, no /dev, and nothing that can be
written to; of the system there are the shared libraries, of Python the standard library, NumPy and
the packages that the task lists, all read-only. The process starts without the grader's
environment and, where the grader is root, as a user of its own that owns nothing.

Bubblewrap needs Linux. :func:`require` says in a sentence why there is no sandbox, and grading
with secret seeds stops there; the other choice, ``none``, runs submissions without a wall.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import random
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nncourse.classroom.system_calls import closing_filter

SANDBOXES = ("auto", "none")
WARNING = (
    "warning: --sandbox none runs submissions without a wall. Their code has your rights: it can "
    "read and change your files, the marks and other submissions among them, and use the network. "
    "Run it only on a machine with nothing to lose."
)
RUNNER_FOLDER = "/runner"
PACKAGES_FOLDER = "/packages"
PROBE_SECONDS = 120
NOBODY = 65534
NUM_USERS = 4096
FIRST_USER = 1_900_000_000  # above the ids that distributions and containers hand out
_LIBRARY_FOLDERS = ("/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64")
_PROBE = "import numpy, os; assert not os.path.exists('/proc'); assert os.getuid()"


class SandboxMissing(ValueError):
    """There is no sandbox on this machine; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """How to start a command inside a new sandbox."""

    words: tuple[str, ...]
    descriptors: tuple[int, ...]  # open files that it inherits


def require(sandbox: str) -> None:
    """Return if submissions can be run in ``sandbox``; otherwise raise :class:`SandboxMissing`.

    sandbox  "auto": bubblewrap, or nothing; "none": no wall, with a warning on standard error
    """
    if sandbox not in SANDBOXES:
        raise ValueError(f"sandbox is one of {', '.join(SANDBOXES)}, got {sandbox!r}.")
    if sandbox == "none":
        print(WARNING, file=sys.stderr)
    elif reason := why_missing():
        raise SandboxMissing(
            f"there is no sandbox here: {reason}. Grade on a machine that has one, or accept that "
            "submissions run with your rights: --sandbox none."
        )


@functools.cache
def why_missing() -> str:
    """Why no sandbox can be made here, in a clause; empty if one can: one is tried, once."""
    if sys.platform != "linux":
        return f"it needs Linux with bubblewrap, and this is {sys.platform}"
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed (apt-get install bubblewrap, or make tools)"
    if is_root() and shutil.which("setpriv") is None:
        return "setpriv is not installed (apt-get install util-linux)"
    python = (*python_words(), "-c", f"import sys; sys.path.append({PACKAGES_FOLDER!r}); {_PROBE}")
    try:
        with inside(python, packages=()) as command:
            tried = subprocess.run(
                command.words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                env={},
                pass_fds=command.descriptors,
                check=False,
                timeout=PROBE_SECONDS,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap cannot be started on this machine ({error})"
    if tried.returncode == 0:
        return ""
    said = (tried.stderr.strip().splitlines() or [f"exit status {tried.returncode}"])[-1][:200]
    needs = (
        "" if is_root() else "; as an ordinary user it needs user namespaces, as root it does not"
    )
    return f"bubblewrap cannot put up its walls on this machine ({said}{needs})"


def python_words() -> tuple[str, ...]:
    """The interpreter that this one rests on, told to look at nothing outside itself."""
    return (_python(), "-I", "-S", "-B")


@contextlib.contextmanager
def inside(
    command: Sequence[str], *, packages: Sequence[str], files: Sequence[Path] = ()
) -> Iterator[Command]:
    """``command`` as it is started inside a new sandbox.

    packages  modules besides NumPy and the standard library that are there, in PACKAGES_FOLDER
    files     that are there too, in RUNNER_FOLDER
    """
    with contextlib.ExitStack() as stack:
        words = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
        words += ["--unshare-cgroup-try", "--hostname", "sandbox", "--die-with-parent"]
        words += ["--new-session", "--clearenv", "--setenv", "LANG", "C.UTF-8"]
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            words += ["--setenv", name, "1"]
        words += ["--setenv", "LD_LIBRARY_PATH", str(Path(sys.base_prefix).resolve() / "lib")]
        drop: list[str] = []
        words += ["--perms", "0755", "--tmpfs", "/"]
        words += _system()
        if is_root():
            user = str(stack.enter_context(_user_of_its_own()))
            setpriv = os.path.realpath(shutil.which("setpriv") or "setpriv")
            words += _bound(Path(setpriv))
            drop = [setpriv, "--reuid", user, "--regid", user, "--clear-groups"]
            drop += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        else:
            words += ["--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY)]
        for folder in (RUNNER_FOLDER, PACKAGES_FOLDER):
            words += ["--perms", "0755", "--dir", folder]
        for module in ("numpy", *packages):
            words += _module(module)
        for file in files:
            words += ["--ro-bind", str(file), f"{RUNNER_FOLDER}/{file.name}"]
        words += ["--remount-ro", "/", "--chdir", "/"]
        open_files = []
        if (closing := closing_filter()) is not None:
            open_files.append(stack.enter_context(_readable(closing)))
            words += ["--seccomp", str(open_files[-1])]
        arguments = b"".join(os.fsencode(word) + b"\0" for word in words)
        open_files.append(stack.enter_context(_readable(arguments)))
        bubblewrap = shutil.which("bwrap") or "bwrap"
        yield Command(
            words=(bubblewrap, "--args", str(open_files[-1]), *drop, *command),
            descriptors=tuple(open_files),
        )


@functools.cache
def is_root() -> bool:
    """Whether this process can become other users, so that a sandbox gets one of its own."""
    return os.geteuid() == 0 and len(_user_ids()) >= NUM_USERS


def _user_ids() -> range:
    """Ids to choose a sandbox's user from: unused ones if this namespace has them."""
    try:
        lines = Path("/proc/self/uid_map").read_text().splitlines()
    except OSError:
        return range(0)
    ranges = [
        range(int(first), int(first) + int(count)) for first, _, count in map(str.split, lines)
    ]
    longest = max(ranges, key=len)
    if FIRST_USER in longest and FIRST_USER + NUM_USERS in longest:
        return range(FIRST_USER, FIRST_USER + NUM_USERS)
    highest = min(longest.stop, NOBODY)
    return range(max(longest.start, 1, highest - NUM_USERS), highest)


@contextlib.contextmanager
def _user_of_its_own() -> Iterator[int]:
    """The id of a user that no other sandbox of this machine has, as long as the context lasts."""
    ids = _user_ids()
    with socket.socket(socket.AF_UNIX) as claim:
        for user in random.SystemRandom().sample(ids, k=len(ids)):
            with contextlib.suppress(OSError):
                claim.bind(f"\0nncourse-sandbox-user-{user}")
                break
        else:
            raise RuntimeError(f"all {len(ids)} users for sandboxes are taken")
        yield user


def _system() -> list[str]:
    """The shared libraries of the system, and Python with its standard library."""
    words = []
    for folder in map(Path, _LIBRARY_FOLDERS):
        if folder.is_symlink():
            words += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.is_dir():
            words += _bound(folder)
    cache = Path("/etc/ld.so.cache")
    if cache.exists():
        words += _bound(cache)
    prefix = Path(sys.base_prefix).resolve()
    words += _bound(Path(_python()))
    for folder in {prefix / "lib", Path(sysconfig.get_path("stdlib")).resolve()}:
        if not any(folder.is_relative_to(bound) for bound in _LIBRARY_FOLDERS):
            words += _bound(folder)
    for folder in sorted(_installed_packages(prefix)):
        words += ["--tmpfs", str(folder), "--remount-ro", str(folder)]
    return words


def _installed_packages(prefix: Path) -> set[Path]:
    """Folders of packages inside what is bound, to be hidden."""
    libraries = {prefix / "lib", *(Path(folder).resolve() for folder in _LIBRARY_FOLDERS)}
    names = ("site-packages", "dist-packages")
    return {
        folder
        for library in libraries
        for name in names
        for folder in (*library.glob(f"python3*/{name}"), *library.glob(f"python/{name}"))
        if folder.is_dir() and not folder.is_symlink()
    }


def _module(name: str) -> list[str]:
    """A module or package under PACKAGES_FOLDER, with the libraries that were packed beside it."""
    parts = name.split(".")
    top = importlib.util.find_spec(parts[0])
    if top is None or top.origin is None:
        raise ValueError(f"packages names {name}, which is not installed here. Install it.")
    words = []
    for i in range(1, len(parts)):  # a parent is there as a name, without its other modules
        parent = importlib.util.find_spec(".".join(parts[:i]))
        if parent is None or parent.origin is None or not parent.submodule_search_locations:
            raise ValueError(f"packages names {name}, but {'.'.join(parts[:i])} is no package.")
        folder = "/".join((PACKAGES_FOLDER, *parts[:i]))
        words += ["--perms", "0755", "--dir", folder]
        words += ["--ro-bind", parent.origin, f"{folder}/__init__.py"]
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ValueError(f"packages names {name}, which is not installed here. Install it.")
    origin = Path(found.origin)
    source = origin.parent if found.submodule_search_locations else origin
    target = "/".join((PACKAGES_FOLDER, *parts[:-1], source.name))
    words += ["--ro-bind", str(source), target]
    beside = Path(top.origin).parent.parent / f"{parts[0]}.libs"
    if top.submodule_search_locations and beside.is_dir():
        words += ["--ro-bind", str(beside), f"{PACKAGES_FOLDER}/{beside.name}"]
    return words


def _bound(path: Path) -> list[str]:
    """``path`` where it is outside, read-only, below folders that every user may enter."""
    words = []
    for parent in reversed(path.parents[:-1]):
        words += ["--perms", "0755", "--dir", str(parent)]
    return [*words, "--ro-bind", str(path), str(path)]


def _python() -> str:
    return os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)


@contextlib.contextmanager
def _readable(content: bytes) -> Iterator[int]:
    """A descriptor from which ``content`` can be read once."""
    descriptor = os.memfd_create("sandbox")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
