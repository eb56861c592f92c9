"""Codewords in a row of bytes: three tasks, to name them, to write them, and to read them again.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.classroom.checks.code_lengths import refusal
from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_integers, trial

Integers = NDArray[np.int64]


@task(points=2)
def canonical_codes(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """The codeword of each symbol as a number, in the order of RFC 1951."""

    def attempt(sentence: str, lengths: Any) -> Outcome:
        lengths = np.asarray(lengths, np.int64)
        expected = words_of(lengths)
        return trial(
            sentence,
            student,
            lengths,
            expected=expected,
            agrees=lambda got: is_integers(got, expected),
        )

    lengths: Any
    core = "counts up through the words of a length, in the order of the symbols"
    for lengths in ([1, 1], [2, 2, 2, 2], [3] * 8):
        yield attempt(core, lengths)
    for lengths in ([2, 1, 2], [3, 3, 3, 3, 3, 2, 4, 4], [1, 2, 3, 3]):
        yield attempt("appends a 0 for each bit that the next words have more", lengths)
    for size in (5, 20):
        yield attempt(
            "appends a 0 for each bit that the next words have more", some_lengths(rng, size)
        )
    for lengths in ([1, 3, 3, 3, 3], [2, 2, 5, 5, 5], [1, 4, 4, 9]):
        yield attempt("steps over a length that no word has", lengths)
    for lengths in ([0, 1, 0, 1], [0, 0, 2, 1, 0, 2]):
        yield attempt("gives 0 to a symbol without a word, and no word away for it", lengths)
    yield attempt("gives 0 to a symbol without a word, and no word away for it", [0, 1, 0])
    lengths = np.append(np.arange(1, 40), 39)
    yield attempt("serves words of many bits", rng.permutation(lengths))


@task(points=2)
def encode(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """The codewords of the symbols in a row, highest bit of each byte first."""

    def attempt(sentence: str, symbols: Any, lengths: Any) -> Outcome:
        symbols, lengths = np.asarray(symbols, np.uint8), np.asarray(lengths, np.int64)
        codes = words_of(lengths)
        expected = written(symbols, lengths, codes)
        return trial(
            sentence,
            student,
            symbols,
            lengths,
            codes,
            expected=expected,
            agrees=lambda got: isinstance(got, bytes) and got == expected,
        )

    lengths: Any
    core = "writes one word after the other, from the highest bit of each byte on"
    yield attempt(core, [0, 1, 1, 0, 1, 0, 0, 1], [1, 1])
    yield attempt(core, [2, 0, 1, 0, 0], [1, 2, 2])
    for size in (4, 12):
        lengths = some_lengths(rng, size)
        yield attempt(core, _whole_bytes(rng, lengths), lengths)
    for count in (1, 3, 7):
        yield attempt("fills the last byte up with zeros", np.ones(count), [1, 1])
    lengths = some_lengths(rng, 9)
    yield attempt("fills the last byte up with zeros", rng.permutation(np.arange(9)), lengths)
    yield attempt("gives no bytes for no symbols", [], [1, 1])
    lengths = np.append(np.arange(1, 20), 19)
    yield attempt("writes words longer than a byte", rng.integers(0, 20, 30), lengths)
    lengths = some_lengths(rng, 16)
    yield attempt("serves thousands of symbols", rng.integers(0, 16, 5000), lengths)


@task(points=3)
def decode(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """The symbols that a row of canonical codewords stands for."""

    def attempt(sentence: str, symbols: Any, lengths: Any, slack: bytes = b"") -> Outcome:
        symbols, lengths = np.asarray(symbols, np.int64), np.asarray(lengths, np.int64)
        data = written(symbols, lengths, words_of(lengths)) + slack
        return trial(
            sentence,
            student,
            data,
            lengths,
            len(symbols),
            expected=symbols,
            agrees=lambda got: is_integers(got, symbols),
        )

    lengths: Any
    core = "gives the symbols back"
    yield attempt(core, [0, 1, 1, 0], [1, 1])
    yield attempt(core, [2, 0, 1, 0, 0, 2], [1, 2, 2])
    for size in (5, 16):
        lengths = some_lengths(rng, size)
        yield attempt(core, rng.integers(0, size, 40), lengths)
    for slack in (b"\0", b"\xff\xff", bytes(rng.integers(0, 256, 9, dtype=np.uint8))):
        yield attempt("stops after count symbols, whatever follows", [1, 0, 2], [1, 2, 2], slack)
    yield attempt("gives an empty array for no symbols", [], [1, 1])
    yield attempt("serves a code of a single word", [3, 3, 3, 3, 3], [0, 0, 0, 1])
    lengths = rng.permutation(np.append(np.arange(1, 20), 19))
    yield attempt("reads words longer than a byte", rng.integers(0, 20, 30), lengths)
    lengths = np.array([1, 4, 4, 9])
    yield attempt("reads a code that leaves words unused", rng.integers(0, 4, 20), lengths)
    damaged = "raises ValueError when the bits end before the symbols do"
    yield refusal(damaged, student, b"", np.array([1, 1]), 1)
    yield refusal(damaged, student, b"\x5a", np.array([1, 1]), 9)
    lengths = some_lengths(rng, 16)
    symbols = rng.integers(0, 16, 50)
    data = written(symbols, lengths, words_of(lengths))
    yield refusal(damaged, student, data[:-2], lengths, 50)
    foreign = "raises ValueError at bits that are no word"
    yield refusal(foreign, student, b"\xff", np.array([0, 1]), 2)
    yield refusal(foreign, student, b"\x8f\xff", np.array([1, 2, 4]), 5)
    yield refusal(foreign, student, b"\x8f\0", np.array([1, 2, 4]), 5)  # enough words behind it
    lengths = some_lengths(rng, 16)
    yield attempt("serves thousands of symbols", rng.integers(0, 16, 4000), lengths)


def words_of(lengths: Integers) -> Integers:
    """Canonical codewords: by length, then by symbol, each one more than the one before.

    >>> words_of(np.array([2, 1, 3, 3])).tolist()  # 10, 0, 110, 111
    [2, 0, 6, 7]
    """
    words = np.zeros(len(lengths), np.int64)
    word, before = 0, 0
    for symbol in np.argsort(lengths, kind="stable"):
        if length := int(lengths[symbol]):
            word <<= length - before
            words[symbol] = word
            word, before = word + 1, length
    return words


def written(symbols: Any, lengths: Any, codes: Any) -> bytes:
    """The words of ``symbols`` in a row of bytes, highest bit first, spare bits zero."""
    text = "".join(f"{int(codes[symbol]):0{int(lengths[symbol])}b}" for symbol in symbols)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[start : start + 8], 2) for start in range(0, len(text), 8))


def some_lengths(rng: np.random.Generator, size: int) -> Integers:
    """Lengths of a code with a word for each of ``size`` symbols and none to spare."""
    lengths = [0]
    while len(lengths) < size:
        split = lengths.pop(int(rng.integers(len(lengths))))
        lengths += [split + 1, split + 1]
    return rng.permutation(np.array(lengths, np.int64))


def _whole_bytes(rng: np.random.Generator, lengths: Integers) -> Integers:
    """Symbols whose words fill bytes exactly: as many of each as eight."""
    return rng.permutation(np.repeat(np.arange(len(lengths)), 8))
