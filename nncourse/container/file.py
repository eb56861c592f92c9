"""A file of tensors, written whole and read a tensor at a time.

====================  ==========================================================================
bytes                 meaning
====================  ==========================================================================
0 to 3                ``NNC`` and 26, which ends a listing on the screen
4                     version, 1
then                  length of the directory in bytes, number of tensors (varints: seven bits a
                      byte, least significant first, the high bit says that another one follows)
then                  the directory: one record for each tensor
next 4                CRC-32 of everything before, least significant byte first
rest                  the streams, in the order of the records, without gaps
====================  ==========================================================================

Every stream is one of :mod:`nncourse.codecs`, with a checksum of its own.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nncourse.bitstream import CodecError
from nncourse.codecs import codec_of
from nncourse.codecs.frame import MAX_VARINT_BYTES, Reader, varint
from nncourse.container.directory import MAX_NAME_BYTES, ContainerError, Record
from nncourse.container.streams import (
    code_streams,
    read_codes,
    read_plain,
    read_scales,
    scale_streams,
)
from nncourse.container.tensors import Plain, Quantized, Stored
from nncourse.ledger import SizeLedger
from nncourse.quantizers.affine import QParams
from nncourse.quantizers.codebook import Codebook

MAGIC = b"NNC\x1a"
VERSION = 1


def write(tensors: Mapping[str, Stored]) -> bytes:
    """The bytes of a file that holds ``tensors``, by name.

    >>> data = write({"bias": Plain(values=np.array([0.5, -1.0], np.float32))})
    >>> open_container(data).tensor("bias")
    array([ 0.5, -1. ], dtype=float32)
    """
    records: list[bytes] = []
    streams: list[bytes] = []
    for name, tensor in tensors.items():
        if not name or len(name.encode()) > MAX_NAME_BYTES:
            raise ValueError(f"a name has 1 to {MAX_NAME_BYTES} bytes; got {len(name.encode())}")
        try:
            own = _streams(tensor)
            if isinstance(tensor, Quantized) and isinstance(tensor.grid, Codebook):
                _check_codebook(tensor.grid)
        except ValueError as error:
            raise ValueError(f"tensors[{name!r}], shape {tensor.shape}: {error}") from None
        records.append(Record.of(name, tensor, own).write())
        streams += own.values()
    directory = b"".join(records)
    head = MAGIC + bytes([VERSION]) + varint(len(directory)) + varint(len(records)) + directory
    return b"".join([head, zlib.crc32(head).to_bytes(4, "little"), *streams])


def open_container(source: bytes | bytearray | memoryview | str | Path) -> Container:
    """The file at a path, or in bytes: its directory is read and checked, its streams are not.

    :class:`ContainerError` for anything that :func:`write` has not written.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        with path.open("rb") as file:
            return Container(*_directory(file, path.stat().st_size), path)
    try:
        data = bytes(memoryview(source))
    except TypeError:
        raise ContainerError(f"source is a path or bytes; got {type(source).__name__}") from None
    return Container(*_directory(io.BytesIO(data), len(data)), data)


class Container:
    """An opened file. Tensors are read when they are asked for."""

    def __init__(
        self,
        records: dict[str, Record],
        places: dict[str, int],
        header_bytes: int,
        source: Path | bytes,
    ) -> None:
        self._records = records
        self._places = places
        self._source = source
        self.header_bytes = header_bytes

    @property
    def names(self) -> list[str]:
        """Of the tensors, in the order of the file."""
        return list(self._records)

    def __contains__(self, name: object) -> bool:
        return name in self._records

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def record(self, name: str) -> Record:
        """What the directory says of a tensor; no stream is read."""
        if name not in self._records:
            raise KeyError(f"no tensor is called {name!r}; the file has {', '.join(self._records)}")
        return self._records[name]

    def stored(self, name: str) -> Stored:
        """The tensor as it is stored; only its own bytes are read, and checked."""
        record = self.record(name)
        streams = self._streams(record)
        try:
            if record.kind == "plain":
                return read_plain(streams["values"], record.dtype, record.shape)
            grid: QParams | Codebook
            if record.kind == "codebook":
                grid = record.codebook()
            else:
                grid = read_scales(
                    streams, record.qmin, record.qmax, record.axis, record.group_size
                )
            return read_codes(streams, record.form, record.shape, grid, record.gap_bits)
        except CodecError as error:
            raise ContainerError(f"{name}: {error}") from None

    def tensor(self, name: str) -> NDArray[Any]:
        """The values of a tensor: float32 where it was quantized or bfloat16, else as they went in."""
        try:
            values = self.stored(name).decoded()
        except ContainerError:
            raise
        except ValueError as error:  # steps that do not fit the shape
            raise ContainerError(f"{name}: {error}; it is damaged") from None
        if self.record(name).kind == "grid" and not np.isfinite(values).all():
            raise ContainerError(f"{name}: its steps are too large; it is damaged")
        return values

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The values of all tensors, by name."""
        return {name: self.tensor(name) for name in self}

    def ledger(self, *, baseline_bytes: int) -> SizeLedger:
        """All bytes by what they are for: header, then each role of a stream.

        baseline_bytes  size of what the file replaces
        """
        parts: dict[str, bytes] = {"header": self._read(0, self.header_bytes)}
        for record in self._records.values():
            for role, stream in self._streams(record).items():
                parts[role] = parts.get(role, b"") + stream
        result = SizeLedger(baseline_bytes=baseline_bytes)
        for role, data in parts.items():
            result.add(role, data)
        return result

    def table(self) -> pd.DataFrame:
        """Where every byte went: one row a stream, with its bits by part, and one for the header."""
        rows = []
        for record in self._records.values():
            for role, stream in self._streams(record).items():
                codec = codec_of(stream)
                sizes = {part: bits / 8 for part, bits in codec.sizes(stream).items()}
                rows.append(
                    {
                        "tensor": record.name,
                        "shape": " x ".join(map(str, record.shape)),
                        "stream": role,
                        "codec": codec.name,
                        "bytes": len(stream),
                        **sizes,
                    }
                )
        header = {"tensor": "", "shape": "", "stream": "directory", "codec": ""}
        rows.append({**header, "bytes": self.header_bytes, "header": float(self.header_bytes)})
        return pd.DataFrame(rows).fillna(0.0)

    def _streams(self, record: Record) -> dict[str, bytes]:
        place, streams = self._places[record.name], {}
        for role, length in record.lengths.items():
            streams[role] = self._read(place, length)
            place += length
        return streams

    def _read(self, place: int, length: int) -> bytes:
        if isinstance(self._source, bytes):
            data = self._source[place : place + length]
        else:
            with self._source.open("rb") as file:
                file.seek(place)
                data = file.read(length)
        if len(data) != length:
            raise ContainerError("the file became shorter since it was opened")
        return data


def _streams(tensor: Stored) -> dict[str, bytes]:
    if isinstance(tensor, Plain):
        return {"values": tensor.stream()}
    streams = code_streams(tensor)
    if isinstance(tensor.grid, QParams):
        streams |= scale_streams(tensor.grid)
    return streams


def _check_codebook(grid: Codebook) -> None:
    levels = np.asarray(grid.levels).astype(np.float32)
    if not np.isfinite(levels).all() or (np.diff(levels) <= 0).any():
        raise ValueError("levels are finite float32 numbers in ascending order")


def _directory(file: BinaryIO, size: int) -> tuple[dict[str, Record], dict[str, int], int]:
    """Records, where the streams of each begin, and the bytes before the first."""
    try:
        return _checked_directory(file, size)
    except ContainerError:
        raise
    except CodecError as error:
        raise ContainerError(str(error)) from None


def _checked_directory(file: BinaryIO, size: int) -> tuple[dict[str, Record], dict[str, int], int]:
    front = file.read(len(MAGIC) + 1 + 2 * MAX_VARINT_BYTES)
    if front[: len(MAGIC)] != MAGIC:
        raise ContainerError("it does not begin with NNC; was it written by nncourse compress?")
    reader = Reader(front, len(MAGIC))
    if (version := reader.byte()) != VERSION:
        raise ContainerError(f"version {version}, and this reads version {VERSION}")
    length, count = reader.varint(), reader.varint()
    head = reader.position + length
    if head + 4 > size or count > length:
        raise ContainerError(f"a directory of {length} bytes in a file of {size}; it is damaged")
    file.seek(0)
    data = file.read(head + 4)
    if zlib.crc32(data[:head]).to_bytes(4, "little") != data[head:]:
        raise ContainerError("the checksum of its directory does not fit; it is damaged")
    reader = Reader(data[:head], reader.position)
    records: dict[str, Record] = {}
    places: dict[str, int] = {}
    place = head + 4
    for _ in range(count):
        record = Record.read(reader)
        if record.name in records:
            raise ContainerError(f"{record.name} is there twice; it is damaged")
        records[record.name], places[record.name] = record, place
        place += sum(record.lengths.values())
    reader.finish()
    if place != size:
        raise ContainerError(
            f"its streams end at byte {place}, the file at {size}; it is truncated or extended"
        )
    return records, places, head + 4
