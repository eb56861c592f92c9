"""What a codebook costs in bits and in silicon: three tasks.

Every sentence completes "A right answer ...". The first property of a check is the task's core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_close, is_number, trial

RTOL = 1e-6


@task(points=1)
def stored_bits(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Packed indices of ceil(log2 k) bits, and the table."""

    def attempt(sentence: str, num_weights: int, num_levels: int, level_bits: int) -> Outcome:
        expected = _stored_bits(num_weights, num_levels, level_bits)
        return trial(
            sentence,
            student,
            num_weights,
            num_levels,
            level_bits,
            expected=expected,
            agrees=lambda got: is_number(got) and int_or_none(got) == expected,
        )

    core = "counts the index of every weight and every level of the table"
    for num_levels in (2, 4, 16, 256):
        yield attempt(core, int(rng.integers(5, 2000)), num_levels, 32)
    for num_levels in (3, 5, 9, 17, 100, 257):
        yield attempt(
            "spends a whole number of bits on an index",
            int(rng.integers(10, 300_000)),
            num_levels,
            16,
        )
    for level_bits in (8, 32):
        yield attempt(
            "spends nothing on indices when there is one level",
            int(rng.integers(10, 999)),
            1,
            level_bits,
        )
    for power in (1, 8, 15, 16):
        yield attempt(
            "is exact for large layers and tables", 10**12 + 1, 2**power + (power == 15), 16
        )
    yield trial(
        "gives an integer",
        student,
        100,
        6,
        16,
        expected="an integer",
        agrees=lambda got: (
            type(got) is int
            or (
                isinstance(got, np.ndarray | np.generic)
                and got.ndim == 0
                and got.dtype.kind in "iu"
            )
        ),
    )


@task(points=2)
def break_even(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """The smallest layer for which a codebook takes fewer bits than a uniform grid; 0 if none."""

    def attempt(
        sentence: str, num_levels: int, level_bits: int, uniform_bits: int, scale_bits: int
    ) -> Outcome:
        expected = _break_even(num_levels, level_bits, uniform_bits, scale_bits)
        return trial(
            sentence,
            student,
            num_levels,
            level_bits,
            uniform_bits,
            scale_bits,
            expected=expected,
            agrees=lambda got: is_number(got) and int_or_none(got) == expected,
        )

    core = "gives the smallest number of weights with which the codebook takes fewer bits"
    for num_levels, uniform_bits, scale_bits in ((4, 5, 31), (16, 7, 30), (8, 8, 31), (64, 9, 13)):
        yield attempt(core, num_levels, 32, uniform_bits, scale_bits)
    for num_levels, uniform_bits in ((4, 4), (16, 8), (16, 6), (2, 2)):
        yield attempt("asks for fewer bits, not for as many", num_levels, 32, uniform_bits, 32)
    for num_levels, uniform_bits in ((3, 4), (5, 8), (12, 8), (20, 6), (33, 8)):
        yield attempt("spends a whole number of bits on an index", num_levels, 16, uniform_bits, 32)
    for num_levels, uniform_bits in ((4, 2), (16, 4), (9, 4), (32, 4), (256, 2)):
        yield attempt(
            "gives 0 when the codebook never takes fewer", num_levels, 16, uniform_bits, 16
        )
    for num_levels, uniform_bits, scale_bits in ((2, 4, 32), (2, 2, 64), (4, 8, 64)):
        yield attempt(
            "gives 1 when the table is smaller than the scale",
            num_levels,
            8,
            uniform_bits,
            scale_bits,
        )
    for _ in range(6):
        num_levels, bits = int(rng.integers(2, 300)), int(rng.integers(10, 17))
        yield attempt(
            "finds the border for tables and grids of any size", num_levels, bits, bits, 48
        )


@task(points=2)
def table_price(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Area and energy of lanes with a table each, and their ratio to lanes that only multiply."""

    def attempt(
        sentence: str,
        num_lanes: int,
        num_levels: int,
        level_bits: int,
        *,
        looks_at: tuple[int, ...],
    ) -> Outcome:
        bit = rng.uniform([3.0, 0.005], [8.0, 0.02])
        wide = rng.uniform([500.0, 0.5], [1500.0, 1.5])
        narrow = rng.uniform([50.0, 0.03], [200.0, 0.1])
        total = num_lanes * (np.array([num_levels, 1]) * level_bits * bit + wide)
        expected = np.stack([total, total / (num_lanes * narrow)])

        def agrees(got: Any) -> bool:
            if not _is_pair(got) or not all(isinstance(part, np.ndarray) for part in got):
                return False
            if any(part.shape != (2,) or part.dtype.kind not in "iuf" for part in got):
                return False
            found = np.stack(got).astype(np.float64)
            chosen = list(looks_at)
            return is_close(found.ravel()[chosen], expected.ravel()[chosen], rtol=RTOL)

        return trial(
            sentence,
            student,
            num_lanes,
            num_levels,
            level_bits,
            bit,
            wide,
            narrow,
            expected=(expected[0], expected[1]),
            agrees=agrees,
        )

    area, energy, area_ratio, energy_ratio = range(4)
    core = "gives the area of the flip-flops and of the multiplier behind them"
    for num_levels, level_bits in ((2, 8), (16, 16), (7, 12)):
        yield attempt(core, 1, num_levels, level_bits, looks_at=(area,))
    for num_lanes in (2, 64):
        yield attempt("gives every lane a table of its own", num_lanes, 16, 16, looks_at=(area,))
    for num_levels in (2, 16, 256):
        yield attempt(
            "reads one level, not the whole table, before each multiplication",
            4,
            num_levels,
            16,
            looks_at=(energy,),
        )
    for num_lanes in (1, 32):
        yield attempt(
            "compares with as many lanes that only multiply",
            num_lanes,
            16,
            16,
            looks_at=(area_ratio, energy_ratio),
        )
    for num_levels, level_bits in ((3, 8), (64, 16), (256, 32)):
        yield attempt(
            "prices tables of any size",
            int(rng.integers(2, 99)),
            num_levels,
            level_bits,
            looks_at=(area, energy, area_ratio, energy_ratio),
        )


def int_or_none(value: Any) -> int | None:
    """``value`` as an integer, exactly; None for fractions, NaN and infinity.

    >>> int_or_none(np.float64(3)), int_or_none(3.5), int_or_none(float("inf"))
    (3, None, None)
    """
    number = value.item() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(number, float) and not number.is_integer():
        return None
    return int(number)


def _stored_bits(num_weights: int, num_levels: int, level_bits: int) -> int:
    return num_weights * (num_levels - 1).bit_length() + num_levels * level_bits


def _break_even(num_levels: int, level_bits: int, uniform_bits: int, scale_bits: int) -> int:
    saved_bits = uniform_bits - (num_levels - 1).bit_length()  # by each weight
    extra_bits = num_levels * level_bits - scale_bits
    if saved_bits > extra_bits:
        return 1
    return extra_bits // saved_bits + 1 if saved_bits > 0 else 0


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2
