"""Cells whose width can change: what they multiply in a cycle, and what that costs in area and energy.

Every cell here takes operands of up to eight bits. A fixed one computes all of them as eight. One of
parallel parts splits into smaller multipliers that work side by side on one sum. A serial one takes a
weight bit by bit: eight lanes, each one product in as many cycles as the weight has bits.

Source of areas and energies: H. Sharma et al., Bit Fusion, ISCA 2018; synthesis in 45 nm at 500 MHz, one
multiply-accumulate unit with its registers, as published in the repository hsharma35/bitfusion at commit
04ec1c87, results/systolic_array_synth.csv, rows N = M = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

CELL_BITS = 8
CLOCK_HZ = 500e6
# Square micrometers and nanowatts of switching, from the table named above.
FIXED_8_UM2, FIXED_8_NW = 687.61, 148_845.0
FIXED_4_UM2, FIXED_4_NW = 282.24, 60_101.7
FUSIBLE_4_UM2, FUSIBLE_4_NW = 431.47, 78_470.1  # splits down to 2 bits
FUSIBLE_8_UM2, FUSIBLE_8_NW = 1733.13, 279_960.0  # splits down to 2 bits


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of multiply-accumulate cell.

    name       for tables
    widths     operand widths it computes, ascending, the last is 8; a width in between is rounded up
    is_serial  whether the weight comes bit by bit; the other operand then always takes eight bits
    area_um2   of one cell; None where no published figure is comparable
    cycle_pj   energy of one cycle at work; None likewise
    mark       "table" where synthesis gave both figures, "law" where they are derived, "unpriced"
    """

    name: str
    widths: tuple[int, ...]
    is_serial: bool = False
    area_um2: float | None = None
    cycle_pj: float | None = None
    mark: str = "unpriced"

    def __post_init__(self) -> None:
        if not self.widths or list(self.widths) != sorted(set(self.widths)):
            raise ValueError(f"widths ascend, each once; got {self.widths}")
        if self.widths[0] < 1 or self.widths[-1] != CELL_BITS:
            raise ValueError(f"widths lie in 1 .. {CELL_BITS} and end with it; got {self.widths}")
        if (self.area_um2 is None) != (self.cycle_pj is None):
            raise ValueError("area_um2 and cycle_pj are both known or both None")

    def computed_bits(self, bits: int) -> int:
        """The width at which an operand of ``bits`` is computed: the next one the cell has.

        >>> FUSIBLE.computed_bits(5), FIXED.computed_bits(2)
        (8, 8)
        """
        if isinstance(bits, bool) or not 1 <= bits <= CELL_BITS:
            raise ValueError(f"bits of an operand is in 1 .. {CELL_BITS}; got {bits!r}")
        return next(width for width in self.widths if width >= bits)

    def products(self, *, activation_bits: int, weight_bits: int) -> float:
        """Products that one cell finishes in a cycle, on average.

        >>> FUSIBLE.products(activation_bits=4, weight_bits=2)
        8.0
        >>> WEIGHT_SERIAL.products(activation_bits=8, weight_bits=5)
        1.6
        """
        if self.is_serial:
            self.computed_bits(activation_bits)
            return CELL_BITS / self.computed_bits(weight_bits)
        parts = CELL_BITS // self.computed_bits(activation_bits)
        return float(parts * (CELL_BITS // self.computed_bits(weight_bits)))

    def mac_pj(self, *, activation_bits: int, weight_bits: int) -> float:
        """Energy of one product and its addition; NaN for a cell without a price."""
        if self.cycle_pj is None:
            return nan
        return self.cycle_pj / self.products(
            activation_bits=activation_bits, weight_bits=weight_bits
        )

    def gain_per_area(self, *, activation_bits: int, weight_bits: int) -> float:
        """Products a cycle and area, as a multiple of the fixed cell's.

        >>> round(FUSIBLE.gain_per_area(activation_bits=4, weight_bits=4), 2)
        1.59
        """
        products = self.products(activation_bits=activation_bits, weight_bits=weight_bits)
        return products / self.relative_area

    @property
    def relative_area(self) -> float:
        """Area as a multiple of the fixed cell's; ValueError for a cell without a price."""
        if self.area_um2 is None:
            raise ValueError(f"the area of a {self.name} cell is not known: compare cycles instead")
        return self.area_um2 / FIXED_8_UM2

    @property
    def break_even_bits(self) -> float:
        """The width of both operands at which a cell that took any width would pay for its area.

        >>> round(FUSIBLE.break_even_bits, 2)
        5.04
        """
        return CELL_BITS / sqrt(self.relative_area)


def _cycle_pj(nanowatts: float) -> float:
    return nanowatts * 1e-9 / CLOCK_HZ * 1e12


FIXED = Cell(
    name="fixed",
    widths=(8,),
    area_um2=FIXED_8_UM2,
    cycle_pj=_cycle_pj(FIXED_8_NW),
    mark="table",
)
"""Eight by eight bits, whatever comes."""

# One split costs a 4-bit cell this much more area and power than a fixed one; taken as the price of
# the one split from eight bits to four, for which no synthesis is published.
TWO_WIDTH = Cell(
    name="two widths",
    widths=(4, 8),
    area_um2=FIXED_8_UM2 * FUSIBLE_4_UM2 / FIXED_4_UM2,
    cycle_pj=_cycle_pj(FIXED_8_NW * FUSIBLE_4_NW / FIXED_4_NW),
    mark="law",
)
"""Splits once: eight or four bits, either operand."""

FUSIBLE = Cell(
    name="fusible",
    widths=(2, 4, 8),
    area_um2=FUSIBLE_8_UM2,
    cycle_pj=_cycle_pj(FUSIBLE_8_NW),
    mark="table",
)
"""Splits down to two bits, either operand: sixteen products of 2 by 2 bits in a cycle."""

WEIGHT_SERIAL = Cell(name="serial", widths=tuple(range(1, 9)), is_serial=True)
"""One bit of a weight a cycle in each of eight lanes, any width from 1 to 8.

Source: P. Judd et al., Stripes, MICRO 2016, which takes the activations serially; here it is the weights,
as in J. Lee et al., UNPU, ISSCC 2018.
"""
