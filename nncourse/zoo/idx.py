"""The IDX format of MNIST: a magic number, one size per axis, then the bytes of the array.

The magic number is two zero bytes, a type code (0x08 = unsigned byte) and the number of axes; each
size is a 32-bit unsigned integer, most significant byte first.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section
"File formats for the MNIST database".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

UNSIGNED_BYTE = 0x08  # the type code of every file of MNIST and Fashion-MNIST
GZIP_MAGIC = b"\x1f\x8b"


def parse(data: bytes, *, name: str = "data") -> npt.NDArray[np.uint8]:
    """Array stored in an IDX file of unsigned bytes; writable, C order.

    data   bytes of the whole file, gzip-packed or not
    name   what an error calls the file

    Only unsigned bytes are read: no other type occurs in this course. The sizes in the header
    decide how many bytes must follow; a byte too few or too many is an error.

    >>> parse(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    array([7, 8, 9], dtype=uint8)
    """
    if data[:2] == GZIP_MAGIC:
        data = _unpacked(data, name)
    if len(data) < 4:
        raise ValueError(
            f"{name}: an IDX file starts with 4 bytes, got {len(data)}. Fetch it again."
        )
    zeros, type_code, num_axes = struct.unpack(">HBB", data[:4])
    if zeros != 0 or type_code != UNSIGNED_BYTE or num_axes == 0:
        raise ValueError(
            f"{name}: an IDX file of bytes starts with 00 00 08 and a number of axes above 0, "
            f"got {data[:4].hex(' ')}. Is it another kind of file?"
        )
    header_bytes = 4 + 4 * num_axes
    if len(data) < header_bytes:
        raise ValueError(
            f"{name}: the header of {num_axes} axes takes {header_bytes} bytes, the file ends "
            f"after {len(data)}. Fetch it again."
        )
    shape = struct.unpack(f">{num_axes}I", data[4:header_bytes])
    expected_bytes = header_bytes + math.prod(shape)
    if len(data) != expected_bytes:
        kind = "truncated" if len(data) < expected_bytes else "followed by foreign bytes"
        raise ValueError(
            f"{name}: shape {shape} takes {expected_bytes} bytes, the file has {len(data)}: it is "
            f"{kind}. Fetch it again."
        )
    return np.frombuffer(data, dtype=np.uint8, offset=header_bytes).reshape(shape).copy()


def read(path: Path) -> npt.NDArray[np.uint8]:
    """Array stored in the IDX file at ``path`` (see :func:`parse`)."""
    return parse(path.read_bytes(), name=str(path))


def serialize(array: npt.NDArray[np.uint8]) -> bytes:
    """Bytes of the IDX file that :func:`parse` reads back as ``array``.

    array  uint8, 1 to 255 axes

    >>> parse(serialize(np.array([[1, 2]], dtype=np.uint8)))
    array([[1, 2]], dtype=uint8)
    """
    if array.dtype != np.uint8 or array.ndim == 0:
        raise ValueError(
            f"array must be uint8 with at least one axis, got {array.dtype} of shape "
            f"{array.shape}. Convert it with .astype(np.uint8)."
        )
    header = struct.pack(f">HBB{array.ndim}I", 0, UNSIGNED_BYTE, array.ndim, *array.shape)
    return header + array.tobytes()


def _unpacked(data: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{name}: damaged gzip file ({error}). Fetch it again.") from None
