"""Something that reads bytes, and what damaged bytes make of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nncourse.bitstream import CodecError
from nncourse.fuzz.damage import mutated

NUM_STREAMS = 100_000
ASIDE = 8  # every so many streams, sizes and parts are asked for too


class FuzzFailure(AssertionError):
    """A stream that was neither refused nor decoded as it declares; the message holds its bytes."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Something that reads bytes.

    name      for the report
    originals  whole streams, which the damaged ones are made of
    read      decodes a stream and checks what it gives against what the stream declares
    aside     what else can be asked of a stream; called now and then
    repair    the stream with a checksum that fits again; None where it has no place for one
    """

    name: str
    originals: tuple[bytes, ...]
    read: Callable[[bytes], object]
    aside: tuple[Callable[[bytes], object], ...] = ()
    repair: Callable[[bytes], bytes | None]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What became of the damaged streams of one target.

    refused   raised CodecError
    decoded   gave an array of the declared form, under a repaired checksum
    longest_seconds  that a single stream took
    """

    name: str
    streams: int
    refused: int
    decoded: int
    seconds: float
    longest_seconds: float


def fuzz(target: Target, *, streams: int = NUM_STREAMS, seed: int = 0) -> Tally:
    """What became of ``streams`` damaged streams of ``target``; FuzzFailure at the first wrong one.

    streams  how many, at least 1
    seed     the same one gives the same streams
    """
    if streams < 1:
        raise ValueError(f"streams is at least 1; got {streams}")
    rng = random.Random(seed)
    refused = decoded = 0
    longest = 0.0
    start = before = time.perf_counter()
    for number, (data, is_repaired) in enumerate(damaged_streams(target, rng, streams)):
        questions = (target.read, *target.aside) if number % ASIDE == 0 else (target.read,)
        for question in questions:
            try:
                question(data)
            except CodecError:
                refused += question is target.read
            except MemoryError as error:
                raise FuzzFailure(f"{target.name}: out of memory: {data.hex()}") from error
            except Exception as error:
                raise FuzzFailure(f"{target.name}: {error!r}: {data.hex()}") from error
            else:
                if not is_repaired:
                    raise FuzzFailure(f"{target.name}: damage was not found: {data.hex()}")
                decoded += question is target.read
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    return Tally(
        name=target.name,
        streams=streams,
        refused=refused,
        decoded=decoded,
        seconds=before - start,
        longest_seconds=longest,
    )


def damaged_streams(target: Target, rng: random.Random, count: int) -> Iterator[tuple[bytes, bool]]:
    """``count`` streams that differ from all originals, and whether their checksum was repaired."""
    originals = frozenset(target.originals)
    made = 0
    while made < count:
        data = mutated(rng.choice(target.originals), rng, target.originals)
        if data in originals:
            continue
        repaired = target.repair(data) if made % 2 else None
        if repaired is not None and repaired in originals:
            continue
        made += 1
        yield (data, False) if repaired is None else (repaired, True)
