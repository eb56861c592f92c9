"""Kinds of damage that a stream may take, and a checksum that hides it."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence

from nncourse.bitstream import CodecError
from nncourse.codecs.frame import Reader, varint


def mutated(data: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """``data`` with one to three changes, each of a kind that is drawn.

    others  streams that a piece may come from
    """
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(MUTATIONS)(result, rng, others)
    return bytes(result)


def repaired_frame(data: bytes) -> bytes | None:
    """A codec's stream with the checksum that its other bytes ask for; None if its header does not end.

    >>> from nncourse.codecs import get_codec
    >>> stream = get_codec("fixed").encode(b"abc")
    >>> repaired_frame(stream[:-1] + b"?") == stream[:-1] + b"?"
    False
    >>> repaired_frame(stream) == stream
    True
    """
    reader = Reader(data, 5)
    try:
        for _ in range(reader.byte() + 1):
            reader.varint()
        place = reader.position
        reader.take(4)
    except CodecError:
        return None
    checksum = zlib.crc32(data[place + 4 :], zlib.crc32(data[:place]))
    return data[:place] + checksum.to_bytes(4, "little") + data[place + 4 :]


# --- kinds of damage: each changes ``data`` in place -------------------------------------------------------

Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def _flip_bits(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 4, 8)) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set_bytes(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 4)) if data else 0):
        data[rng.randrange(len(data))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))


def _truncate(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _extend(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    data += rng.choice((bytes(1), b"\xff", bytes(9), rng.randbytes(rng.randrange(1, 40))))


def _delete(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    place = rng.randrange(len(data) + 1)
    del data[place : place + rng.randrange(1, 9)]


def _repeat(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    place = rng.randrange(len(data) + 1)
    data[place:place] = data[place : place + rng.randrange(1, 17)]


def _splice(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """The end is another stream's."""
    if others:
        other = rng.choice(others)
        data[rng.randrange(len(data) + 1) :] = other[rng.randrange(len(other) + 1) :]


def _shuffle(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Eight bytes in another order."""
    place = rng.randrange(len(data) + 1)
    piece = list(data[place : place + 8])
    rng.shuffle(piece)
    data[place : place + 8] = bytes(piece)


def _write_number(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """A byte becomes a number, of absurd size now and then, as lengths and counts are written."""
    place = rng.randrange(len(data) + 1)
    number = rng.choice((0, 1, 100, 255, 256, 1000, rng.getrandbits(rng.randrange(1, 62))))
    data[place : place + 1] = varint(number)


MUTATIONS: tuple[Mutation, ...] = (
    *(_flip_bits, _flip_bits, _set_bytes, _set_bytes),
    *(_truncate, _extend, _delete, _repeat, _splice, _shuffle, _write_number),
)
