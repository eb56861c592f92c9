"""What decoding costs a lane: the multiplier of a uniform grid, a look-up table, or a shifter.

A uniform code is a number: it goes into the multiplier as it is. A codebook's code is an address: a
table turns it into a value first, and the multiplier has to be as wide as that value. A code for a
power of two is a distance to shift by.

Two tables of prices meet here. Multipliers and adders are those of :mod:`nncourse.accelerator.energy`,
45 nm. Register bits are 40 nm, and are not scaled: scaled to 45 nm they would be larger, so the
mismatch flatters the look-up tables. The wires that choose an entry are not priced either: what is
given here for a table is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from nncourse.accelerator.energy import (
    INT8_MULTIPLY_PJ,
    INT8_MULTIPLY_UM2,
    INT32_ADD_PJ,
    INT32_ADD_UM2,
    INT32_MULTIPLY_PJ,
    INT32_MULTIPLY_UM2,
)

REGISTER_BIT_UM2, REGISTER_BIT_PJ = 5.98, 0.009
"""One bit kept in a flip-flop, and reading or writing it, 40 nm at 1 ns.

Source: tables of Aladdin (Shao et al., ISCA 2014) as Accelergy (Wu et al., ICCAD 2019) ships them.
"""

INT8_ADD_UM2, INT8_ADD_PJ = 36.0, 0.03  # Horowitz 2014, 45 nm
SELECTOR_PER_ADDER_BIT = 12 / 28
"""Area and energy of a one-bit selector over a one-bit full adder, by transistors in static CMOS: three
NAND gates of two inputs against the mirror adder. Source: Weste and Harris, CMOS VLSI Design, 4th
edition, chapters 1 and 11."""

ACCUMULATOR_BITS = 32
MARKS = ("table", "law", "extrapolated")


@dataclass(frozen=True, kw_only=True)
class Lane:
    """Area and energy of one lane, by part: what turns a stored code into a sum.

    decode    the look-up table or the shifter; of a table shared by several lanes, its share
    multiply  the multiplier; 0 where a shifter takes its place
    keep      the register that holds the weight next to the multiplier, written once for each read of
              a weight, read for each multiplication
    add       the accumulator's adder, 32 bits
    mark      the weakest of the prices: "table" (of a source), "law" (between two entries of it) or
              "extrapolated" (beyond them, or from counting transistors)
    """

    name: str
    decode_um2: float
    multiply_um2: float
    keep_um2: float
    decode_pj: float
    multiply_pj: float
    keep_pj: float
    mark: str
    add_um2: float = INT32_ADD_UM2
    add_pj: float = INT32_ADD_PJ

    def __post_init__(self) -> None:
        if self.mark not in MARKS:
            raise ValueError(f"mark is one of {', '.join(MARKS)}; got {self.mark!r}")

    @property
    def area_um2(self) -> float:
        """Area of the whole lane."""
        return self.decode_um2 + self.multiply_um2 + self.keep_um2 + self.add_um2

    @property
    def energy_pj(self) -> float:
        """Energy of one multiply-accumulate, decoding included."""
        return self.decode_pj + self.multiply_pj + self.keep_pj + self.add_pj


def table_um2(levels: int, *, value_bits: int = 16) -> float:
    """Area of a look-up table of ``levels`` values, each ``value_bits`` wide, in flip-flops.

    >>> round(table_um2(16))
    1531
    """
    _check("levels", levels, 1, 65536)
    _check("value_bits", value_bits, 1, 32)
    return levels * value_bits * REGISTER_BIT_UM2


def uniform_lane(bits: int, *, activation_bits: int = 8) -> Lane:
    """A lane for codes of a uniform grid: the code itself is multiplied.

    bits             width of a weight, 2 .. 16
    activation_bits  width of what it is multiplied with, 2 .. 16

    >>> uniform_lane(8).mark, uniform_lane(4).mark
    ('table', 'extrapolated')
    """
    _check("bits", bits, 2, 16)
    return _multiplying(f"uniform, {bits} bits", bits, activation_bits, decode=(0.0, 0.0))


def table_lane(
    bits: int,
    *,
    value_bits: int = 16,
    activation_bits: int = 8,
    lanes_per_table: int = 1,
    macs_per_weight: float = 1.0,
) -> Lane:
    """A lane for codes of a codebook: a table of ``2**bits`` values, and a multiplier as wide as they.

    bits             width of a code, 1 .. 16
    value_bits       width of a value in the table, 2 .. 32
    activation_bits  width of what it is multiplied with, 2 .. 16
    lanes_per_table  1: every lane looks up by itself, for each multiplication, and keeps the code.
                     More: one table at the edge of so many lanes decodes each weight once, on its way
                     in, and the lane keeps the value. A table answers one request a cycle, so this
                     serves an array that takes one new weight a cycle for each table
    macs_per_weight  multiplications that follow each weight that a shared table decodes, 1 or more

    >>> own, shared = table_lane(4), table_lane(4, lanes_per_table=16, macs_per_weight=100)
    >>> own.multiply_um2 == shared.multiply_um2, own.area_um2 > 2 * shared.area_um2
    (True, True)
    """
    _check("bits", bits, 1, 16)
    _check("value_bits", value_bits, 2, 32)
    _check("lanes_per_table", lanes_per_table, 1, 1 << 24)
    if not macs_per_weight >= 1:
        raise ValueError(f"macs_per_weight is 1 or more; got {macs_per_weight}")
    shared = lanes_per_table > 1
    area = table_um2(1 << bits, value_bits=value_bits) / lanes_per_table
    reads = 1 / macs_per_weight if shared else 1.0
    return _multiplying(
        f"table, {bits} bits",
        value_bits,
        activation_bits,
        decode=(area, reads * value_bits * REGISTER_BIT_PJ),
        kept_bits=value_bits if shared else bits,
    )


def shift_lane(bits: int, *, activation_bits: int = 8) -> Lane:
    """A lane for powers of two: a shifter instead of a table and a multiplier.

    bits             width of a code, 2 .. 8: a sign and the distance to shift by
    activation_bits  width of what is shifted, 2 .. 16

    The shifter is a row of stages, each of which moves the activation by a power of two or not, with
    one selector for each bit that leaves it. A shift past the accumulator's first bit adds nothing, so
    no stage goes further. The sign is the adder's: it subtracts. Priced by counting transistors
    against the full adder of the table, hence the mark "extrapolated".

    >>> shift_lane(4).area_um2 < uniform_lane(4).area_um2
    True
    """
    _check("bits", bits, 2, 8)
    _check("activation_bits", activation_bits, 2, 16)
    farthest = min((2**bits - 1) // 2 - 1, ACCUMULATOR_BITS - activation_bits)
    selectors, width = 0, activation_bits
    for stage in range(farthest.bit_length()):
        width = min(width + 2**stage, activation_bits + farthest)
        selectors += width
    adder_bits = selectors * SELECTOR_PER_ADDER_BIT
    return Lane(
        name=f"power of two, {bits} bits",
        decode_um2=adder_bits * INT8_ADD_UM2 / 8,
        multiply_um2=0.0,
        keep_um2=bits * REGISTER_BIT_UM2,
        decode_pj=adder_bits * INT8_ADD_PJ / 8,
        multiply_pj=0.0,
        keep_pj=bits * REGISTER_BIT_PJ,
        mark="extrapolated",
    )


def _multiplying(
    name: str,
    weight_bits: int,
    activation_bits: int,
    *,
    decode: tuple[float, float],
    kept_bits: int | None = None,
) -> Lane:
    _check("activation_bits", activation_bits, 2, 16)
    kept_bits = weight_bits if kept_bits is None else kept_bits
    cells = weight_bits * activation_bits
    inside = 8 * 8 < cells < 32 * 32
    return Lane(
        name=name,
        decode_um2=decode[0],
        multiply_um2=_by_cells(cells, INT8_MULTIPLY_UM2, INT32_MULTIPLY_UM2),
        keep_um2=kept_bits * REGISTER_BIT_UM2,
        decode_pj=decode[1],
        multiply_pj=_by_cells(cells, INT8_MULTIPLY_PJ, INT32_MULTIPLY_PJ),
        keep_pj=kept_bits * REGISTER_BIT_PJ,
        mark="table" if cells in (8 * 8, 32 * 32) else "law" if inside else "extrapolated",
    )


def _by_cells(cells: int, at_8_bits: float, at_32_bits: float) -> float:
    """A multiplier of so many one-bit products, by the power law through 8 x 8 and 32 x 32 bits.

    At equal widths it is the law of the energy table; of unequal ones the product of the widths counts.
    """
    exponent = log(at_32_bits / at_8_bits) / log(32 * 32 / (8 * 8))
    return float(at_8_bits * (cells / (8 * 8)) ** exponent)


def _check(name: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} is a whole number from {least} to {most}; got {value!r}")
