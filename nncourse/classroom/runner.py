"""The program inside a student's process: loads one answer, calls it when the judge asks.

Run as a script: ``python -I runner.py FD [PACKAGES]``, where FD is its end of a socket pair and
PACKAGES a folder to import from. It needs the standard library, NumPy and the file ``wire.py``
beside it. Nothing here is trusted: the judge reads plain data back and checks it again, so a
student who takes this process over can say no more than a returned value could.

It opens with ``{"kind": "started"}``. Messages from the judge: first ``{"source", "function",
"standard", "packages", "off_limits", "memory_bytes", "seconds"}``, answered with ``{"kind":
"ready"}``; then ``{"call": token, "inputs": tuple}``, answered with ``{"kind": "value" | "raised" |
"not_answered" | "not_plain" | "memory", "call": token, ...}``.
"""

from __future__ import annotations

import builtins
import importlib.util
import resource
import socket
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

if __name__ == "__main__":  # NumPy may lie in a folder that only the arguments name
    sys.path += sys.argv[2:]

import numpy as np


def main(descriptor: int) -> None:
    """Answer the judge on socket ``descriptor`` until it hangs up."""
    wire = _load_wire()
    with socket.socket(fileno=descriptor) as judge:

        def read_exactly(count: int) -> bytes:
            parts, missing = [], count
            while missing:
                part = judge.recv(min(missing, 1 << 20))
                if not part:
                    sys.exit(0)
                parts.append(part)
                missing -= len(part)
            return b"".join(parts)

        judge.sendall(wire.encode({"kind": "started"}))
        answer = wire.receive(read_exactly)
        _limit(answer)
        function = _load(answer)
        judge.sendall(wire.encode({"kind": "ready"}))
        while True:
            request = wire.receive(read_exactly)
            for array in _arrays(request["inputs"]):
                array.setflags(write=False)
            judge.sendall(_reply(wire, function, request))


def _reply(wire: Any, function: Any, request: Mapping[str, Any]) -> bytes:
    """Frame with what ``function`` returns or raises for a request."""
    frame: bytes
    token = request["call"]
    try:
        frame = wire.encode({**_call(function, request["inputs"]), "call": token})
    except wire.NotPlain as error:
        frame = wire.encode({"kind": "not_plain", "text": str(error), "call": token})
    except MemoryError:
        frame = wire.encode({"kind": "memory", "call": token})
    return frame


def _load_wire() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wire", Path(__file__).with_name("wire.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["wire"] = module
    spec.loader.exec_module(module)
    return module


def _limit(answer: Mapping[str, Any]) -> None:
    cpu_seconds = int(answer["seconds"]) + 5
    for what, most, hardest in (
        (resource.RLIMIT_AS, answer["memory_bytes"], 0),
        (resource.RLIMIT_CPU, cpu_seconds, 1),  # a signal that says why, a second before the kill
        (resource.RLIMIT_FSIZE, 1 << 20, 0),
        (resource.RLIMIT_NOFILE, 64, 0),
        (resource.RLIMIT_NPROC, 0, 0),  # no process and no thread besides this one
        (resource.RLIMIT_CORE, 0, 0),
    ):
        _, hard = resource.getrlimit(what)
        limits = (most, most + hardest)
        if hard != resource.RLIM_INFINITY:
            limits = (min(most, hard), min(most + hardest, hard))
        try:
            resource.setrlimit(what, limits)
        except (ValueError, OSError):
            if sys.platform == "linux":  # elsewhere there is no sandbox, and not every limit
                raise


def _load(answer: Mapping[str, Any]) -> Any:
    """The student's function, or a function that raises what loading it raised."""
    warnings.simplefilter("ignore")
    blocker: Any = _Blocker(answer["off_limits"], answer["packages"])
    sys.meta_path.insert(0, blocker)
    guarded = {**vars(builtins), "__import__": _guard(answer)}
    namespace: dict[str, Any] = {"__name__": "answer", "__builtins__": guarded}
    try:
        exec(compile(answer["source"].decode(), "answer", "exec"), namespace)
        return namespace[answer["function"]]
    except BaseException as error:
        failure = error

        def raise_again(*inputs: object) -> None:
            raise failure

        return raise_again


class _Blocker:
    """Finder that refuses modules inside ``off_limits``, whichever way they are asked for."""

    def __init__(self, off_limits: Sequence[str], packages: Sequence[str]) -> None:
        self._off_limits = tuple(off_limits)
        self._packages = tuple(packages)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        above = any(package.startswith(name + ".") for package in self._packages)
        if _is_inside(name, self._off_limits) and not (above or _is_inside(name, self._packages)):
            raise ImportError(f"{name} is off limits here: the task is to write this yourself")


def _is_inside(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def _guard(answer: Mapping[str, Any]) -> Any:
    packages, off_limits, standard = answer["packages"], answer["off_limits"], answer["standard"]

    def guarded(
        name: str,
        caller: Mapping[str, Any] | None = None,
        local: Any = None,
        wanted: Any = (),
        level: int = 0,
    ) -> Any:
        if _is_inside(name, off_limits) and not _is_inside(name, packages):
            raise ImportError(f"{name} is off limits here: the task is to write this yourself")
        if name.split(".")[0] not in standard and not _is_inside(name, ("numpy", *packages)):
            raise ImportError(f"{name} cannot be imported here: NumPy is what an answer needs")
        return builtins.__import__(name, caller, local, wanted, level)

    return guarded


def _call(function: Any, inputs: tuple[Any, ...]) -> dict[str, Any]:
    try:
        with np.errstate(all="ignore"):
            return {"kind": "value", "value": function(*inputs)}
    except NotImplementedError:
        return {"kind": "not_answered"}
    except MemoryError:
        return {"kind": "memory"}
    except BaseException as error:
        return {"kind": "raised", "type": type(error).__name__, "text": _text(error)}


def _text(error: BaseException) -> str:
    try:
        return str(error)[:300]
    except BaseException:
        return ""


def _arrays(value: Any) -> list[Any]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, list | tuple):
        return [array for part in value for array in _arrays(part)]
    return []


if __name__ == "__main__":
    main(int(sys.argv[1]))
