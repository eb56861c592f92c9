"""Plain data, and the frames that carry it between the judge and a student's process.

Plain data is None, bool, int (64 bits), float, str, bytes, NumPy arrays and scalars of a number
type, and lists, tuples and dicts of these: things that cannot run code when they are looked at. The
runner inside the student's process loads this file by its path, so it needs NumPy and nothing of
this package.

A frame is two little-endian uint32 (bytes of the header, bytes of the body), a JSON header and a
body. Arrays and bytes lie in the body one after another; the header says what they are. Nothing is
unpickled or evaluated, and no size is believed before the bytes are there. What is read obeys every
rule that what is written obeys: a frame may come from a student's own writer.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

MAX_HEADER_BYTES = 1 << 20
MAX_BODY_BYTES = 1 << 26
MAX_DEPTH = 8
MAX_ITEMS = 10_000
KEY_TYPES = (str, int)
INTS = range(-(2**63), 2**64)
NUMBER_TYPES = frozenset(
    np.dtype(code).newbyteorder("<").str for code in ("?", *"bhilBHIL", *"efd", *"FD")
) | {"<i8", "<u8"}

_SIZES = struct.Struct("<II")


class NotPlain(TypeError):
    """A value is not plain data; the message says what it was."""


class WireError(ValueError):
    """A frame is malformed or too large."""


def to_plain(value: object) -> Any:
    """``value`` as plain data of our own making, or :class:`NotPlain`.

    value    anything a student's function returned
    returns  equal plain data; arrays are little-endian copies in C order

    Types are compared exactly: a subclass of an array or of a number may answer comparisons as it
    likes, so it is refused instead of read.

    >>> to_plain((np.float32(0.5), [1, "two"]))
    (np.float32(0.5), [1, 'two'])
    >>> to_plain(object())
    Traceback (most recent call last):
        ...
    nncourse.classroom.wire.NotPlain: an object
    """
    blobs: list[bytes] = []
    return _Reader(blobs).tree(_write_tree(value, blobs, 0, [0]))


def encode(message: object) -> bytes:
    """Frame that holds ``message``, plain data.

    >>> decode(*split(encode({"kind": "result", "value": [1, b"abc"]})))
    {'kind': 'result', 'value': [1, b'abc']}
    """
    blobs: list[bytes] = []
    tree = _write_tree(message, blobs, 0, [0])
    header = json.dumps({"tree": tree, "sizes": [len(blob) for blob in blobs]}).encode()
    body = b"".join(blobs)
    if len(header) > MAX_HEADER_BYTES or len(body) > MAX_BODY_BYTES:
        raise NotPlain(f"a value of {len(header) + len(body)} bytes, which is too large")
    return _SIZES.pack(len(header), len(body)) + header + body


def decode(header: bytes, body: bytes) -> Any:
    """Message in a frame's ``header`` and ``body``; :class:`WireError` if it is malformed."""
    try:
        fields = json.loads(header)
        sizes = fields["sizes"]
        if type(sizes) is not list or any(type(size) is not int or size < 0 for size in sizes):
            raise WireError("sizes are not counts")
        if len(sizes) > MAX_ITEMS or sum(sizes) != len(body):
            raise WireError("sizes do not add up to the body")
        blobs, start = [], 0
        for size in sizes:
            blobs.append(body[start : start + size])
            start += size
        reader = _Reader(blobs)
        tree = reader.tree(fields["tree"])
        if reader.num_blobs != len(blobs):
            raise WireError("bytes that belong to nothing")
        return tree
    except Exception as error:  # whatever a forger thinks of
        raise WireError(f"malformed frame: {type(error).__name__}") from None


def receive(read_exactly: Callable[[int], bytes]) -> Any:
    """Next message, read through ``read_exactly(count)``; refuses a large frame before reading it."""
    num_header, num_body = _SIZES.unpack(read_exactly(_SIZES.size))
    if num_header > MAX_HEADER_BYTES or num_body > MAX_BODY_BYTES:
        raise WireError(f"a frame of {num_header + num_body} bytes is too large")
    return decode(read_exactly(num_header), read_exactly(num_body))


def split(frame: bytes) -> tuple[bytes, bytes]:
    """Header and body of a whole frame in memory."""
    num_header, _ = _SIZES.unpack_from(frame)
    return frame[_SIZES.size : _SIZES.size + num_header], frame[_SIZES.size + num_header :]


def _write_tree(value: Any, blobs: list[bytes], depth: int, count: list[int]) -> Any:
    count[0] += 1
    if depth > MAX_DEPTH or count[0] > MAX_ITEMS:
        raise NotPlain("a value nested too deeply or of too many parts")
    kind = type(value)
    if value is None or kind in (bool, str):
        return value if kind is not str else {"str": value.encode("utf-8", "replace").decode()}
    if kind is int:
        if value not in INTS:
            raise NotPlain("an int beyond 64 bits")
        return value
    if kind is float:
        return {"float": value.hex() if math.isfinite(value) else str(value)}
    if kind is bytes:
        blobs.append(value)
        return {"bytes": len(blobs) - 1}
    if kind is np.ndarray or isinstance(value, np.generic):
        return _write_array(value, blobs)
    if kind in (list, tuple):
        parts = [_write_tree(part, blobs, depth + 1, count) for part in value]
        return {kind.__name__: parts}
    if kind is dict:
        pairs = [
            [
                _write_tree(key, blobs, depth + 1, count),
                _write_tree(part, blobs, depth + 1, count),
            ]
            for key, part in value.items()
            if type(key) in KEY_TYPES or _refuse_key(key)
        ]
        return {"dict": pairs}
    name = str(getattr(kind, "__name__", "thing"))[:60]
    raise NotPlain(f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}")


def _write_array(value: Any, blobs: list[bytes]) -> Any:
    scalar = type(value) is not np.ndarray
    if scalar and type(value) is not value.dtype.type:
        raise NotPlain(f"a {type(value).__name__}, a type of its own")
    little = value.dtype.newbyteorder("<")
    if little.str not in NUMBER_TYPES:
        raise NotPlain(f"a NumPy array of type {value.dtype}, which is not a number type"[:120])
    if not _is_modest(value.shape):
        raise NotPlain(f"a NumPy array of shape {value.shape}, which is too large"[:120])
    contiguous = np.ascontiguousarray(value, dtype=little)
    blobs.append(contiguous.tobytes())
    shape = [] if scalar else list(value.shape)
    return {"scalar" if scalar else "array": [little.str, shape, len(blobs) - 1]}


def _refuse_key(key: object) -> bool:
    raise NotPlain(f"a dict with a key of type {type(key).__name__}")


def _is_modest(shape: Sequence[int]) -> bool:
    """Whether an array's axes stay within what fits a frame, those beside an empty axis too."""
    return math.prod(max(length, 1) for length in shape) <= MAX_BODY_BYTES


class _Reader:
    """Reads one tree; each blob once and in order, so that a small frame stays small in memory."""

    def __init__(self, blobs: Sequence[bytes]) -> None:
        self.num_blobs = 0  # that were used
        self._blobs = blobs
        self._num_items = 0

    def tree(self, tree: Any, depth: int = 0) -> Any:
        self._num_items += 1
        if depth > MAX_DEPTH or self._num_items > MAX_ITEMS:
            raise WireError("nested too deeply or of too many parts")
        if tree is None or type(tree) is bool:
            return tree
        if type(tree) is int and tree in INTS:
            return tree
        if type(tree) is not dict or len(tree) != 1:
            raise WireError("not a tree")
        [(kind, content)] = tree.items()
        if kind == "str" and type(content) is str:
            return content.encode("utf-8", "replace").decode()
        if kind == "float" and type(content) is str:
            return float.fromhex(content)
        if kind == "bytes":
            return self._blob(content)
        if kind in ("array", "scalar"):
            return self._array(content, scalar=kind == "scalar")
        if kind in ("list", "tuple") and type(content) is list:
            parts = [self.tree(part, depth + 1) for part in content]
            return parts if kind == "list" else tuple(parts)
        if kind == "dict" and type(content) is list:
            return {self._key(key, depth + 1): self.tree(part, depth + 1) for key, part in content}
        raise WireError("not a tree")

    def _key(self, tree: Any, depth: int) -> Any:
        key = self.tree(tree, depth)
        if type(key) not in KEY_TYPES:
            raise WireError("a dict with a key of another type")
        return key

    def _blob(self, index: Any) -> bytes:
        if type(index) is not int or index != self.num_blobs:
            raise WireError("bytes out of order")
        self.num_blobs += 1
        return self._blobs[index]

    def _array(self, content: Any, *, scalar: bool) -> Any:
        name, shape, index = content
        if name not in NUMBER_TYPES or len(shape) > 32 or (scalar and shape):
            raise WireError("not an array of numbers")
        if any(type(length) is not int or length < 0 for length in shape):
            raise WireError("a shape of something else than counts")
        blob, dtype = self._blob(index), np.dtype(name)
        if math.prod(shape) * dtype.itemsize != len(blob) or not _is_modest(shape):
            raise WireError("a shape that does not fit its bytes")
        flat = np.frombuffer(blob, dtype=dtype)
        if dtype.kind == "b":  # any other byte than 0 and 1 is no boolean
            flat = flat.view(np.uint8) != 0
        return flat[0] if scalar else flat.reshape(shape).copy()
