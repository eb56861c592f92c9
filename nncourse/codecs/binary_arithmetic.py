"""Binary arithmetic coding: a message is an interval, its code the roundest number inside.

A bit whose probability of being 1 is p takes the lower share p of the interval if it is 1, the rest if
it is 0. A message of probability P ends in an interval of length P, and a number of about
``-log2(P)`` bits lies in there: what one bit of the message costs need not be whole.

The textbook form has fractions of any length. The fast one has an interval of 32 bits, ``low`` and ``range``, and
probabilities of 16 bits: the share of a 1 is ``(range >> 16) * p``. When the range falls below 2**24, the
highest byte of low is settled but for a carry, and leaves.

Source: J. Rissanen and G. G. Langdon, Arithmetic coding, IBM Journal of Research and Development 23
(1979); bytes that wait for a carry as in G. N. N. Martin, Range encoding, 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

PROBABILITY_BITS = 16
HALF = 1 << PROBABILITY_BITS - 1
LOOKAHEAD = 4  # bytes that a decoder has read beyond those that are settled
LOW, RANGE, CACHE, WAITING, PLACE = 0, 1, 2, 3, 4  # a decoder's low is the code minus low
Coder = NDArray[np.int64]


def encode_textbook(bits: Sequence[int], probabilities: Sequence[Fraction]) -> tuple[int, int]:
    """The code of ``bits`` as ``(number, length)``: the number's ``length`` binary digits behind the point.

    bits           0 and 1
    probabilities  of a 1, for each of them; between 0 and 1, both excluded

    Of all codes whose every continuation lies in the interval it is a shortest one.

    >>> encode_textbook([0, 0, 0], [Fraction(1, 8)] * 3)  # 0.58 bits
    (1, 1)
    >>> decode_textbook((1, 1), [Fraction(1, 8)] * 3)
    [0, 0, 0]
    """
    low, extent = Fraction(0), Fraction(1)
    for bit, probability in zip(bits, probabilities, strict=True):
        share = extent * probability
        low, extent = (low, share) if bit else (low + share, extent - share)
    length = 0
    while True:
        number = -(-low * 2**length // 1)  # the first multiple of 2**-length that is not below low
        if Fraction(number + 1, 2**length) <= low + extent:
            return int(number), length
        length += 1


def decode_textbook(code: tuple[int, int], probabilities: Sequence[Fraction]) -> list[int]:
    """The bits whose code is ``code``."""
    value, bits = Fraction(code[0], 2 ** code[1]), []
    for probability in probabilities:
        bits.append(int(value < probability))
        # The share that was chosen becomes the whole interval.
        value = value / probability if bits[-1] else (value - probability) / (1 - probability)
    return bits


def finished(room: NDArray[np.uint8]) -> bytes:
    """The bytes of :func:`finish` without zeros at the end, of which a decoder supplies four at most."""
    written = room.tobytes()
    return written[:-LOOKAHEAD] + written[-LOOKAHEAD:].rstrip(b"\0")


@numba.njit(cache=True)
def writer() -> Coder:
    """Encoder before the first bit."""
    return np.array([0, 0xFFFFFFFF, 0, 0, -1], dtype=np.int64)


@numba.njit(cache=True)
def reader(stream: NDArray[np.uint8]) -> Coder:
    """Decoder before the first bit."""
    coder = np.array([0, 0xFFFFFFFF, 0, 0, 0], dtype=np.int64)
    for _ in range(LOOKAHEAD):
        _take(coder, stream)
    return coder


@numba.njit(cache=True)
def put(coder: Coder, room: NDArray[np.uint8], bit: Any, probability: Any) -> None:
    """Encodes ``bit``.

    probability  of a 1, of 2**16: 1 .. 2**16 - 1
    """
    share = (coder[RANGE] >> PROBABILITY_BITS) * probability
    if bit:
        coder[RANGE] = share
    else:
        coder[LOW] += share
        coder[RANGE] -= share
    while coder[RANGE] < 1 << 24:
        coder[RANGE] <<= 8
        _shift(coder, room)


@numba.njit(cache=True)
def get(coder: Coder, stream: NDArray[np.uint8], probability: Any) -> Any:
    """Decodes a bit, as a bool."""
    share = (coder[RANGE] >> PROBABILITY_BITS) * probability
    bit = coder[LOW] < share
    if bit:
        coder[RANGE] = share
    else:
        coder[LOW] -= share
        coder[RANGE] -= share
    while coder[RANGE] < 1 << 24:
        coder[RANGE] <<= 8
        _take(coder, stream)
    return bit


@numba.njit(cache=True)
def finish(coder: Coder, room: NDArray[np.uint8]) -> Any:
    """Writes the end; returns the bytes that the code takes, be it more than there is room.

    Of all numbers in the interval it is the one with the most zeros at its end.
    """
    top = coder[LOW] + coder[RANGE] - 1
    for bits in (32, 24, 16, 8, 0):
        cut = top >> bits << bits
        if cut >= coder[LOW]:
            coder[LOW] = cut
            break
    for _ in range(LOOKAHEAD + 1):
        _shift(coder, room)
    return coder[PLACE]


@numba.njit(cache=True)
def ends_here(coder: Coder, stream: NDArray[np.uint8]) -> Any:
    """Whether the decoder has read all of ``stream`` and no more zeros behind it than were left out."""
    missing = coder[PLACE] - stream.size
    if missing == LOOKAHEAD:
        return True
    return 0 <= missing < LOOKAHEAD and stream[stream.size - 1] != 0


@numba.njit(cache=True)
def _take(coder: Coder, stream: NDArray[np.uint8]) -> None:
    """The next byte into the code; 0 behind the end."""
    byte = np.int64(stream[coder[PLACE]]) if coder[PLACE] < stream.size else np.int64(0)
    coder[LOW] = (coder[LOW] << 8 | byte) & 0xFFFFFFFF
    coder[PLACE] += 1


@numba.njit(cache=True)
def _shift(coder: Coder, room: NDArray[np.uint8]) -> None:
    """The highest byte of low leaves, unless a carry may still change it; the first one is always 0."""
    if coder[LOW] < 0xFF000000 or coder[LOW] > 0xFFFFFFFF:
        carry = coder[LOW] >> 32
        _store(coder, room, coder[CACHE] + carry)
        for _ in range(coder[WAITING]):
            _store(coder, room, 255 + carry)
        coder[WAITING] = 0
        coder[CACHE] = coder[LOW] >> 24 & 255
    else:
        coder[WAITING] += 1
    coder[LOW] = (coder[LOW] & 0xFFFFFF) << 8


@numba.njit(cache=True)
def _store(coder: Coder, room: NDArray[np.uint8], byte: Any) -> None:
    """A byte into the room if there is any; the place moves on in any case."""
    if 0 <= coder[PLACE] < room.size:
        room[coder[PLACE]] = byte & 255
    coder[PLACE] += 1
