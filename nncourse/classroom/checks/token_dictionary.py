"""Below one bit a symbol: one open-ended task, scored by the bits that a stream takes.

A prefix code cannot give a symbol less than one bit. What it codes may be chosen, though: the student's
function cuts the stream into strings and lists the different ones. The judge puts the strings
together again, counts how often each occurs, and charges a best prefix code for the tokens, and the list
itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.classroom.checks.code_lengths import least_bits
from nncourse.classroom.lab import task
from nncourse.classroom.outcome import AnswerError, NotAnswered, Outcome, Student, short
from nncourse.entropy import entropy

NUM_SYMBOLS = 40_000
DENSITIES = (0.08, 0.15)
MOST_TIMES_ENTROPY = (1.5, 1.3, 1.2, 1.14, 1.1)
BITS_OF_A_SYMBOL = 4  # in the list
BITS_OF_AN_ENTRY = 8  # in the list: its length, and that of its codeword
MOST_SYMBOLS_OF_AN_ENTRY = 64  # so that no symbol is far from where its token begins


class NotADictionary(ValueError):
    """What was returned does not stand for the symbols; the message says which rule it breaks."""


@task(points=5)
def make_dictionary(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Tokens, and the string of symbols that each of them stands for."""
    problem, answered, worst = "", True, 0.0
    for density in DENSITIES:
        symbols = pruned_codes(rng, density)
        try:
            got = student(symbols)
            bits = total_bits(got, symbols)
        except AnswerError as error:
            problem, answered = str(error), not isinstance(error, NotAnswered)
            worst = np.inf
        except NotADictionary as error:
            problem, worst = f"returned {short(got, most=80)}: {error}", np.inf
        else:
            worst = max(worst, bits / (entropy(symbols) * symbols.size))
        if problem:
            break
    for most in MOST_TIMES_ENTROPY:
        yield Outcome(
            property=f"takes at most {most:g} times the entropy of the stream, list included",
            passed=worst <= most,
            inputs=f"{NUM_SYMBOLS} codes of 4 bits, {len(DENSITIES)} streams, of which "
            f"{' and '.join(f'{density:.0%}' for density in DENSITIES)} are not 0",
            expected=f"(tokens, entries) that take at most {most:g} times the entropy",
            got=problem or f"returned a dictionary that takes {worst:.3f} times the entropy",
            not_answered=not answered,
        )


def total_bits(value: Any, symbols: NDArray[np.uint8]) -> int:
    """Bits of tokens and list in plain data ``value``; :class:`NotADictionary` if it breaks a rule.

    value    to be (tokens, entries): integers, and a list of integer arrays or lists
    symbols  that the entries of the tokens have to spell

    >>> total_bits(([0, 1, 0], [[0, 0], [5]]), np.array([0, 0, 5, 0, 0], np.uint8))
    31
    """
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise NotADictionary("it is not (tokens, entries)")
    tokens, entries = _integers(value[0], "tokens"), value[1]
    if not isinstance(entries, list | tuple):
        raise NotADictionary("entries are no list of strings of symbols")
    if len(entries) > symbols.size:
        raise NotADictionary(f"{len(entries)} entries for {symbols.size} symbols")
    strings = [_integers(entry, "an entry") for entry in entries]
    longest = max((string.size for string in strings), default=0)
    if longest > MOST_SYMBOLS_OF_AN_ENTRY or min((s.size for s in strings), default=1) < 1:
        raise NotADictionary(
            f"an entry has 1 to {MOST_SYMBOLS_OF_AN_ENTRY} symbols; one has {longest or 0}"
            if longest > MOST_SYMBOLS_OF_AN_ENTRY
            else "an entry is empty"
        )
    if tokens.size and not 0 <= tokens.min() <= tokens.max() < len(strings):
        raise NotADictionary(f"tokens are from 0 to {len(strings) - 1}; one is {tokens.max()}")
    if tokens.size > symbols.size:
        raise NotADictionary(f"{tokens.size} tokens for {symbols.size} symbols")
    spelled = np.concatenate([strings[token] for token in tokens.tolist()] or [np.zeros(0, int)])
    if not np.array_equal(spelled, symbols):
        same = spelled[: symbols.size] == symbols[: spelled.size]
        place = int(np.argmin(same)) if not same.all() else min(spelled.size, symbols.size)
        raise NotADictionary(f"its strings and the symbols part at symbol {place}")
    listed = sum(BITS_OF_AN_ENTRY + BITS_OF_A_SYMBOL * string.size for string in strings)
    return least_bits(np.bincount(tokens)) + listed


def pruned_codes(rng: np.random.Generator, density: float) -> NDArray[np.uint8]:
    """Codes of pruned weights: 0 for a dropped one, 1..15 for the levels of the others.

    Levels as of k-means with a linear start over Laplace weights: the middle ones are the more frequent.
    """
    level = np.clip(np.rint(rng.laplace(0, 2.2, NUM_SYMBOLS)), -7, 7)
    names = rng.permutation(np.arange(1, 16))  # which codes are frequent is not known beforehand
    codes = names[(level + 7).astype(int)]
    return np.where(rng.random(NUM_SYMBOLS) < density, codes, 0).astype(np.uint8)


def _integers(value: Any, what: str) -> NDArray[np.int64]:
    if isinstance(value, list | tuple) and all(type(part) is int for part in value):
        if not all(-(2**63) <= part < 2**63 for part in value):
            raise NotADictionary(f"{what} hold a number beyond 64 bits")
        value = np.array(value, dtype=np.int64)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu" or value.ndim != 1:
        raise NotADictionary(f"{what} are no integers in a row")
    return value.astype(np.int64)
