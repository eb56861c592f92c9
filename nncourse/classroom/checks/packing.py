"""Packing codes into bytes and back: two tasks.

Every sentence completes "A right answer ...".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_close, is_integers, trial


@task(points=2)
def pack(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Codes one after another, least significant bit first, in exactly enough bytes."""

    def attempt(sentence: str, codes: Any, bits: int) -> Outcome:
        expected = _packed(codes, bits)
        return trial(
            sentence,
            student,
            codes,
            bits,
            expected=expected,
            agrees=lambda got: type(got) is bytes and got == expected,
        )

    core = "puts the first of two 4-bit codes into the low half of a byte"
    for size in (2, 4, 40):
        yield attempt(core, _codes(rng, size, 4), 4)
    for size in (8, 64):
        yield attempt("packs 1-bit codes eight to a byte", _codes(rng, size, 1), 1)
    for size in (1, 3, 5):
        yield attempt("fills the last byte with zero bits", _codes(rng, size, 4), 4)
    for bits in (3, 5, 6, 7):
        for size in (2, 3, 25):
            yield attempt("lets a code straddle two bytes", _codes(rng, size, bits), bits)
    for bits in (8, 9, 12, 16):
        for size in (1, 3, 11):
            yield attempt("packs codes of 8 to 16 bits", _codes(rng, size, bits), bits)
    for dtype in (np.uint8, np.int32, np.uint16):
        codes = _codes(rng, 7, 5).astype(dtype)
        yield attempt("takes codes of any integer type", codes, 5)
    yield attempt("gives no bytes for no codes", np.zeros(0, np.int64), 3)


@task(points=2)
def unpack(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """The inverse of packing, for ``count`` codes."""

    def attempt(sentence: str, size: int, bits: int) -> Outcome:
        codes = _codes(rng, size, bits)
        return trial(
            sentence,
            student,
            _packed(codes, bits),
            bits,
            size,
            expected=codes,
            agrees=lambda got: (
                isinstance(got, np.ndarray)
                and got.shape == codes.shape
                and is_close(got, codes, rtol=0.0)
            ),
        )

    core = "reads the first of two 4-bit codes from the low half of a byte"
    for size in (2, 4, 40):
        yield attempt(core, size, 4)
    for size in (8, 64):
        yield attempt("reads eight 1-bit codes from a byte", size, 1)
    for size in (1, 3, 5):
        yield attempt("gives exactly count codes and drops the filling", size, 4)
    for bits in (3, 5, 6, 7):
        for size in (2, 3, 25):
            yield attempt("reads a code that straddles two bytes", size, bits)
    for bits in (8, 9, 12, 16):
        for size in (1, 3, 11):
            yield attempt("reads codes of 8 to 16 bits", size, bits)
    codes = _codes(rng, 6, 5)
    yield trial(
        "gives an integer array",
        student,
        _packed(codes, 5),
        5,
        6,
        expected=codes,
        agrees=lambda got: is_integers(got, codes),
    )
    yield attempt("gives no codes for a count of 0", 0, 3)


def _packed(codes: Any, bits: int) -> bytes:
    """Textbook form: the codes are the digits of one large number, the first one lowest."""
    number = sum(int(code) << (i * bits) for i, code in enumerate(codes))
    return number.to_bytes(-(-len(codes) * bits // 8), "little")


def _codes(rng: np.random.Generator, size: int, bits: int) -> Any:
    codes = rng.integers(0, 2**bits, size)
    if size > 1:  # the first two differ, and the largest code occurs: no order is ambiguous
        codes[0], codes[1] = 2**bits - 1, 2 ** (bits - 1) - 1
    return codes
