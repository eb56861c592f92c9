"""Huffman streams without their checks, so that a bench can say what the checks cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import getsource
from types import SimpleNamespace
from typing import Any
from unittest import mock


@contextmanager
def unchecked() -> Iterator[None]:
    """Within it Huffman streams have no checksum and their loops compare no position with the end."""
    from nncourse.codecs import frame
    from nncourse.codecs import huffman_kernels as kernels

    loops = {name: _without_checks(name) for name in ("read_four", "read_four_wide")}
    no_checksum = SimpleNamespace(crc32=lambda data, start=0: 0)
    with mock.patch.multiple(kernels, **loops), mock.patch.object(frame, "zlib", no_checksum):
        yield


_UNCHECKED: dict[str, Any] = {}


def _without_checks(name: str) -> Any:
    """The loop ``name`` of the Huffman kernels, compiled from its source without its comparisons."""
    if name not in _UNCHECKED:
        import numba

        from nncourse.codecs import huffman_kernels as kernels

        source = getsource(getattr(kernels, name).py_func).split("\n", 1)[1]
        bare, num_checks = re.subn(r"\n +if at0 > end .*:\n +return False", "", source)
        assert num_checks == 1, (
            f"{name} compares its positions in another way than this bench knows"
        )
        scope = dict(vars(kernels))
        exec(bare, scope)
        _UNCHECKED[name] = numba.njit(scope[name])
    return _UNCHECKED[name]
