"""What a student handed in, as bytes: from regular files of bounded size, never through a link.

The bytes that are hashed are the bytes that are graded, so a file that changes meanwhile cannot be
marked under another one's name.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from nncourse.classroom.refusal import MissingTask, Unreadable


def read_regular(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of the regular file at ``path``.

    max_bytes  largest size that is read at all

    Raises ``MissingTask`` where there is no such file, ``Unreadable`` for a link, a folder, a pipe,
    a device or a larger file; the message is a sentence for the student.
    """
    refused = Unreadable(f"{path.name} is not a regular file (a link or a folder); hand in a copy")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise MissingTask(_missing_file(path)) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise refused from None
        raise Unreadable(f"{path.name} cannot be opened ({type(error).__name__})") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise refused
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(max_bytes + 1) if status.st_size <= max_bytes else b""
    if status.st_size > max_bytes or len(content) > max_bytes:
        raise Unreadable(
            f"{path.name} has {max(status.st_size, len(content))} bytes, more than {max_bytes}; of "
            "a notebook, clear the outputs (Kernel, Restart and clear outputs) and save it again"
        )
    return content


def _missing_file(path: Path) -> str:
    others = sorted(other.name for other in path.parent.glob(f"*{path.suffix}"))
    hint = f"; found {', '.join(others[:3])}: rename it if it is this one" if others else ""
    return f"no file {path.name}{hint}"
