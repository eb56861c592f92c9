"""rANS: fractions of a bit for each symbol, with one multiplication and one table.

The message is one large number x. To add a symbol of frequency f out of M, at place c among the
frequencies, becomes ``x' = (x // f) * M + c + x % f``: x grows by the factor M / f, that is by
``log2(M / f)`` bits, whole or not. Reading goes the other way: ``x' % M`` falls into the symbol's stretch of M, and
``x = f * (x' // M) + x' % M - c``. The last symbol that was added is read first, so an encoder starts at
the end. A number of 64 bits does for x: words of 32 bits move between it and the stream.

Source: J. Duda, Asymmetric numeral systems, arXiv:1311.2540 (2013), section 5 (range variant).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numba
import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError
from nncourse.codecs.codec import Codec
from nncourse.codecs.frame import Buffer, Form, Reader
from nncourse.codecs.frequencies import (
    MAX_BITS,
    Frequencies,
    normalized,
    read_frequencies,
    write_frequencies,
)
from nncourse.codecs.huffman_kernels import histogram

STATES = 4  # numbers in turn, so that a processor need not wait for one
LOWEST = 1 << 31  # a number is in LOWEST .. 2**63 - 1 between symbols
DEFAULT_BITS = 12
Entries = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Rans(Codec):
    """Static model of order 0: every symbol at its frequency, rounded to whole parts of 2**table_bits.

    table_bits  bits of the sum of all frequencies, 8..20: a decoder has a table of 2**table_bits entries. An
                alphabet that needs more gets more: two more than ``ceil(log2(symbols that occur))``

    Four numbers take turns: symbol i belongs to number i % 4. Body, for more than one symbol that
    occurs: table of frequencies (:mod:`nncourse.codecs.frequencies`), the four numbers that the decoder
    begins with (8 bytes each), then words of four bytes in the order in which it reads them. All
    bytes are least significant first. The decoder ends at the four numbers that the encoder began with, 2**31,
    or the stream is damaged.

    >>> codec = Rans()
    >>> symbols = (np.random.default_rng(0).random(100_000) < 0.05).astype(np.uint8)
    >>> data = codec.encode(symbols)  # a prefix code needs a bit a symbol; the entropy is 0.286
    >>> 8 * len(data) / symbols.size < 0.3
    True
    """

    name: ClassVar[str] = "rans"
    number: ClassVar[int] = 3

    table_bits: int = DEFAULT_BITS

    def __post_init__(self) -> None:
        bits = self.table_bits
        if isinstance(bits, bool) or not isinstance(bits, int) or not 8 <= bits <= MAX_BITS:
            raise ValueError(f"table_bits is a whole number from 8 to {MAX_BITS}; got {bits!r}")

    def write_body(self, symbols: NDArray[Any], form: Form) -> bytes:
        """The body that holds ``symbols``."""
        if not symbols.size:
            return b""
        counts = histogram(symbols, 1 << 8 * symbols.itemsize)
        num_used = int(np.count_nonzero(counts))
        if num_used == 1:
            return write_frequencies((counts > 0).astype(np.int64))
        bits = max(self.table_bits, min((num_used - 1).bit_length() + 2, MAX_BITS))
        frequencies = normalized(counts, bits)
        begins = np.cumsum(frequencies) - frequencies
        # A word for each symbol is more than any stream needs: a symbol adds 20 bits at most.
        room = np.empty(symbols.size + STATES, dtype=np.uint32)
        states = np.full(STATES, LOWEST, dtype=np.uint64)
        first = _write(
            symbols, frequencies.astype(np.uint64), begins.astype(np.uint64), bits, states, room
        )
        words = room[first:].astype("<u4", copy=False)
        return b"".join(
            [
                write_frequencies(frequencies),
                states.astype("<u8").tobytes(),
                words.tobytes(),
            ]
        )

    def read_body(self, body: Buffer, form: Form) -> NDArray[Any]:
        """The symbols of ``body``."""
        if not form.count:
            Reader(body).finish()
            return np.zeros(0, dtype=form.symbol_dtype)
        frequencies, states, words = _opened(body, form)
        if states is None:
            return np.full(form.count, np.argmax(frequencies), dtype=form.symbol_dtype)
        symbols = np.empty(form.count, dtype=form.symbol_dtype)
        bits = int(frequencies.sum()).bit_length() - 1
        if not _read(words, _entries(frequencies), bits, states, symbols):
            raise CodecError("data: its numbers do not end where they began; it is damaged")
        return symbols

    def body_sizes(self, body: Buffer, form: Form) -> dict[str, int]:
        """Bits of ``body`` by what they are for."""
        if not form.count:
            Reader(body).finish()
            return {}
        _, states, words = _opened(body, form)
        payload = 0 if states is None else 8 * (states.nbytes + words.nbytes)
        return {"codebook": 8 * len(body) - payload, "payload": payload}


def encode_textbook(symbols: Sequence[int], frequencies: Sequence[int]) -> int:
    """The one large number that holds ``symbols``, as one would say it: nothing moves out of it.

    >>> number = encode_textbook([0, 2, 0, 1], [6, 1, 1])
    >>> decode_textbook(number, [6, 1, 1], 4)
    [0, 2, 0, 1]
    """
    number, total = 1, sum(frequencies)
    for symbol in reversed(symbols):
        begin = sum(frequencies[:symbol])
        number = number // frequencies[symbol] * total + begin + number % frequencies[symbol]
    return number


def decode_textbook(number: int, frequencies: Sequence[int], count: int) -> list[int]:
    """The ``count`` symbols that :func:`encode_textbook` put into ``number``."""
    symbols, total = [], sum(frequencies)
    for _ in range(count):
        place, symbol, begin = number % total, 0, 0
        while place >= begin + frequencies[symbol]:
            begin += frequencies[symbol]
            symbol += 1
        number = frequencies[symbol] * (number // total) + place - begin
        symbols.append(symbol)
    return symbols


def _opened(
    body: Buffer, form: Form
) -> tuple[Frequencies, NDArray[np.uint64] | None, NDArray[np.uint32]]:
    """Frequencies, the four numbers (None for a single symbol), words."""
    reader = Reader(body)
    frequencies = read_frequencies(reader, 1 << 8 * form.dtype.itemsize)
    if np.count_nonzero(frequencies) == 1:
        reader.finish()
        if frequencies.sum() != 1:
            raise CodecError("data: the frequency of its only symbol is not 1; it is damaged")
        return frequencies, None, np.zeros(0, dtype=np.uint32)
    states = np.frombuffer(reader.take(8 * STATES), dtype="<u8").astype(np.uint64)
    rest = reader.rest()
    if len(rest) % 4 or int(states.min()) < LOWEST or int(states.max()) >= LOWEST << 32:
        raise CodecError("data: its numbers or words are truncated, extended or damaged")
    return frequencies, states, np.frombuffer(rest, dtype="<u4").astype(np.uint32, copy=False)


def _entries(frequencies: Frequencies) -> Entries:
    """For every place below the total: symbol (16 bits), its frequency (24), distance from its begin (24)."""
    symbols = np.repeat(np.arange(frequencies.size), frequencies).astype(np.uint64)
    begins = np.repeat(np.cumsum(frequencies) - frequencies, frequencies)
    widths = np.repeat(frequencies, frequencies).astype(np.uint64)
    distances = (np.arange(symbols.size) - begins).astype(np.uint64)
    entries: Entries = symbols | widths << np.uint64(16) | distances << np.uint64(40)
    return entries


# Invariant of both loops: between symbols every number is in LOWEST .. 2**63 - 1. A word is moved out
# before a symbol would push a number beyond, and in as soon as it is below.


@numba.njit(cache=True)
def _write(
    symbols: NDArray[Any],
    frequencies: NDArray[np.uint64],
    begins: NDArray[np.uint64],
    bits: int,
    states: NDArray[np.uint64],
    room: NDArray[np.uint32],
) -> int:
    """Words into the end of ``room``, the last one written first; returns where they begin."""
    shift = np.uint64(63 - bits)
    up, word = np.uint64(bits), np.uint64(32)
    position = room.size
    for index in range(symbols.size - 1, -1, -1):
        state = states[index & 3]
        symbol = symbols[index]
        frequency = frequencies[symbol]
        if state >= frequency << shift:
            position -= 1
            room[position] = state & np.uint64(0xFFFFFFFF)
            state >>= word
        quotient = state // frequency
        states[index & 3] = (quotient << up) + state - quotient * frequency + begins[symbol]
    return position


@numba.njit(cache=True)
def _read(
    words: NDArray[np.uint32],
    entries: Entries,
    bits: int,
    states: NDArray[np.uint64],
    symbols: NDArray[Any],
) -> Any:
    """Fills ``symbols``; whether the numbers end at LOWEST with no word left and none too few."""
    mask, down, word = np.uint64((1 << bits) - 1), np.uint64(bits), np.uint64(32)
    sixteen, forty, low = np.uint64(16), np.uint64(40), np.uint64(0xFFFFFF)
    lowest = np.uint64(LOWEST)
    state0, state1, state2, state3 = states[0], states[1], states[2], states[3]
    position, one = np.uint64(0), np.uint64(1)
    index, count = 0, symbols.size
    # Four words at most are read in a round.
    while index + 4 <= count and np.int64(position) + 4 <= words.size:
        entry0, entry1 = entries[state0 & mask], entries[state1 & mask]
        entry2, entry3 = entries[state2 & mask], entries[state3 & mask]
        symbols[index] = entry0 & np.uint64(65535)
        symbols[index + 1] = entry1 & np.uint64(65535)
        symbols[index + 2] = entry2 & np.uint64(65535)
        symbols[index + 3] = entry3 & np.uint64(65535)
        state0 = (entry0 >> sixteen & low) * (state0 >> down) + (entry0 >> forty)
        state1 = (entry1 >> sixteen & low) * (state1 >> down) + (entry1 >> forty)
        state2 = (entry2 >> sixteen & low) * (state2 >> down) + (entry2 >> forty)
        state3 = (entry3 >> sixteen & low) * (state3 >> down) + (entry3 >> forty)
        if state0 < lowest:
            state0 = state0 << word | np.uint64(words[position])
            position += one
        if state1 < lowest:
            state1 = state1 << word | np.uint64(words[position])
            position += one
        if state2 < lowest:
            state2 = state2 << word | np.uint64(words[position])
            position += one
        if state3 < lowest:
            state3 = state3 << word | np.uint64(words[position])
            position += one
        index += 4
    last = np.array([state0, state1, state2, state3])
    for rest in range(index, count):
        state = last[rest & 3]
        entry = entries[state & mask]
        symbols[rest] = entry & np.uint64(65535)
        state = (entry >> sixteen & low) * (state >> down) + (entry >> forty)
        if state < lowest:
            if np.int64(position) >= words.size:
                return False
            state = state << word | np.uint64(words[position])
            position += one
        last[rest & 3] = state
    return np.int64(position) == words.size and np.all(last == lowest)
