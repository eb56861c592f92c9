"""Cells that gain time from narrower operands: how many products one starts in a cycle, at what price.

A fixed cell multiplies two 8-bit numbers a cycle, however small they are. Three other kinds do not:

- a *fusible* cell is made of small multipliers that join for wide operands and part for narrow ones,
  in powers of two: 16 products of 2 x 2 bits in a cycle, or one of 8 x 8 (Bit Fusion);
- a *two-width* cell parts once only: operands of 8 or 4 bits;
- a *serial* cell takes one operand bit by bit, so time follows the width of that operand exactly.
  Stripes does so with the activations and UNPU with the weights. Here a serial cell has as many
  one-bit lanes as make it keep pace with the fixed one at 8 bits; their area is not priced.

What the freedom costs is known for the fusible cell from the synthesis behind the paper, 45 nm at
500 MHz, and depends on the surroundings. Alone, such a cell takes 2.5 times the area of a fixed one; in
a grid of 4 x 4, where the fixed ones get by with less for each cell, 3.4 times. Both are here.

Sources: Sharma et al., Bit Fusion, ISCA 2018, with the synthesis results of the authors' repository
hsharma35/bitfusion (see ``synthesis``). Judd et al., Stripes, MICRO 2016. Lee
et al., UNPU, IEEE Journal of Solid-State Circuits 54(1), 2019.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.accelerator.synthesis import GRID_SYNTHESIS, SOURCE, SYNTHESIS, Synthesis
from nncourse.accelerator.systolic import SystolicArray

FIXED_BITS = 8
MARKS = ("table", "law", "not priced")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A multiply-accumulate cell, by the widths that it can be set to.

    activation_widths, weight_widths  bits, ascending, up to 8; an operand takes the next wider one
    is_serial     True: lanes work off an operand bit by bit, and time follows its width. False: the
                  products that a cell starts in a cycle belong to one sum, so it takes up as many
                  places of the inner dimension k
    area_ratio    area over that of the fixed 8-bit cell of the same synthesis; None: not priced
    energy_ratio  likewise the energy of a cycle, taken to be the same at every setting
    mark          "table" (of a synthesis), "law" (scaled from one) or "not priced"

    >>> int(FUSIBLE.products(activation_bits=2, weight_bits=2))
    16
    """

    name: str
    activation_widths: tuple[int, ...] = field(default=(FIXED_BITS,), repr=False)
    weight_widths: tuple[int, ...] = field(default=(FIXED_BITS,), repr=False)
    is_serial: bool = field(default=False, repr=False)
    area_ratio: float | None = field(default=None, repr=False)
    energy_ratio: float | None = field(default=None, repr=False)
    mark: str = field(default="not priced", repr=False)
    source: str = field(repr=False)

    def __post_init__(self) -> None:
        for name in ("activation_widths", "weight_widths"):
            widths = getattr(self, name)
            if not widths or list(widths) != sorted(set(widths)) or widths[-1] != FIXED_BITS:
                raise ValueError(f"{name} ascend to {FIXED_BITS} bits; got {widths}")
            if widths[0] < 1:
                raise ValueError(f"{name} are at least 1 bit; got {widths}")
            if not self.is_serial and any(FIXED_BITS % width for width in widths):
                raise ValueError(f"{name} divide {FIXED_BITS} in a cell that parts; got {widths}")
        for name in ("area_ratio", "energy_ratio"):
            ratio = getattr(self, name)
            if ratio is not None and not ratio > 0:
                raise ValueError(f"{name} is above 0, or None where it is not priced; got {ratio}")
        if self.mark not in MARKS:
            raise ValueError(f"mark is one of {', '.join(MARKS)}; got {self.mark!r}")

    def activation_width(self, bits: ArrayLike) -> NDArray[np.int64]:
        """The width that activations of ``bits`` take in the cell, same shape."""
        return _rounded_up("activation_bits", bits, self.activation_widths, self.name)

    def weight_width(self, bits: ArrayLike) -> NDArray[np.int64]:
        """The width that weights of ``bits`` take in the cell, same shape."""
        return _rounded_up("weight_bits", bits, self.weight_widths, self.name)

    def products(
        self, *, activation_bits: ArrayLike, weight_bits: ArrayLike
    ) -> NDArray[np.float64]:
        """Products in one cycle: (8/a)(8/w), each width rounded up to one that the cell has.

        activation_bits, weight_bits  1 .. 8, one or an array of layers
        """
        activations, weights = (
            self.activation_width(activation_bits),
            self.weight_width(weight_bits),
        )
        return (FIXED_BITS / activations) * (FIXED_BITS / weights)

    def gain_per_area(
        self, *, activation_bits: ArrayLike, weight_bits: ArrayLike
    ) -> NDArray[np.float64]:
        """Products in one cycle over those of fixed 8-bit cells on the same area; below 1: a loss.

        >>> FUSIBLE.gain_per_area(activation_bits=[8, 4, 2], weight_bits=[8, 4, 2]).round(2).tolist()
        [0.4, 1.59, 6.35]
        """
        products = self.products(activation_bits=activation_bits, weight_bits=weight_bits)
        return products / self._priced("area_ratio")

    def mac_pj(self, *, activation_bits: ArrayLike, weight_bits: ArrayLike) -> NDArray[np.float64]:
        """Dynamic energy of one multiply-accumulate: the energy ratio times the synthesized fixed cell's."""
        products = self.products(activation_bits=activation_bits, weight_bits=weight_bits)
        return SYNTHESIS["fixed 8"].cell_pj * self._priced("energy_ratio") / products

    @property
    def break_even_bits(self) -> float:
        """Width of both operands at which the cell gains nothing on its area, were every width to be had.

        ``8 / sqrt(area_ratio)``. A cell that rounds widths up breaks even where the rounded width does.

        >>> round(FUSIBLE.break_even_bits, 2)
        5.04
        """
        return FIXED_BITS / sqrt(self._priced("area_ratio"))

    def array_in_area_of(self, array: SystolicArray) -> SystolicArray:
        """A grid of these cells on the area that ``array`` takes with fixed ones: as square as that was.

        >>> FUSIBLE.array_in_area_of(SystolicArray(16, 16))
        SystolicArray(rows=10, cols=10, dataflow='ws')
        """
        ratio = self._priced("area_ratio")
        cells = floor(array.cells / ratio)
        if cells < 1:
            raise ValueError(
                f"array: {array.cells} fixed cells leave no room for a {self.name} one of "
                f"{ratio:.2f} times the area; take a larger array"
            )
        rows = min(cells, max(1, floor(array.rows / sqrt(ratio))))
        return SystolicArray(rows, cells // rows, array.dataflow)

    def _priced(self, name: str) -> float:
        ratio: float | None = getattr(self, name)
        if ratio is None:
            raise ValueError(
                f"the {self.name} cell has no price here; compare its cycles at an equal number of lanes"
            )
        return ratio


def _rounded_up(
    name: str, bits: ArrayLike, widths: tuple[int, ...], cell: str
) -> NDArray[np.int64]:
    asked = np.asarray(bits)
    if asked.dtype.kind not in "iu" or (asked < 1).any() or (asked > widths[-1]).any():
        raise ValueError(
            f"{name} of a {cell} cell are whole numbers from 1 to {widths[-1]}; got {bits!r}"
        )
    return np.array(widths, dtype=np.int64)[np.searchsorted(widths, asked)]


def _parting(
    name: str,
    widths: tuple[int, ...],
    *,
    split: Synthesis,
    whole: Synthesis,
    mark: str = "table",
    source: str = SOURCE,
) -> Cell:
    """A cell that costs ``split`` over ``whole`` times the fixed one."""
    return Cell(
        name=name,
        activation_widths=widths,
        weight_widths=widths,
        area_ratio=split.cell_um2 / whole.cell_um2,
        energy_ratio=split.cell_pj / whole.cell_pj,
        mark=mark,
        source=source,
    )


_ONE_PARTING = f"{SOURCE}; one parting costs what it does from 4 to 2 bits"

FIXED = Cell(name="fixed", area_ratio=1.0, energy_ratio=1.0, mark="table", source=SOURCE)
"""One product a cycle, whatever the widths."""

FUSIBLE = _parting("fusible", (2, 4, 8), split=SYNTHESIS["8 to 2"], whole=SYNTHESIS["fixed 8"])
"""Bit Fusion's cell for 8, 4 and 2 bits, priced alone."""

FUSIBLE_IN_GRID = _parting(
    "fusible, in a grid", (2, 4, 8), split=GRID_SYNTHESIS["8 to 2"], whole=GRID_SYNTHESIS["fixed 8"]
)
"""The same cell, priced in a grid of 4 x 4."""

TWO_WIDTH = _parting(
    "two-width",
    (4, 8),
    split=SYNTHESIS["4 to 2"],
    whole=SYNTHESIS["fixed 4"],
    mark="law",
    source=_ONE_PARTING,
)
"""A cell that parts once: 8 or 4 bits. No synthesis of one was found, so its ratios are those of the cell
that parts once from 4 to 2 bits. Each parting costs much the same in area, 1.53, 1.59 and 1.50 times for
one, two and three of them (the roots of the ratios from 4, 8 and 16 to 2 bits)."""

TWO_WIDTH_IN_GRID = _parting(
    "two-width, in a grid",
    (4, 8),
    split=GRID_SYNTHESIS["4 to 2"],
    whole=GRID_SYNTHESIS["fixed 4"],
    mark="law",
    source=_ONE_PARTING,
)
"""The same cell, priced in a grid of 4 x 4; the roots are 1.85, 1.84 and 1.74 there."""

ACTIVATION_SERIAL = Cell(
    name="serial in activations",
    activation_widths=tuple(range(1, FIXED_BITS + 1)),
    is_serial=True,
    source="Judd et al., Stripes, MICRO 2016",
)
"""Time follows the bits of the activations, in every layer: an upper bound, since it takes enough
inputs at a time to keep all lanes busy. The paper gives 32% more area for its whole chip, of 16 bits
in another process: not a price for this cell."""

WEIGHT_SERIAL = Cell(
    name="serial in weights",
    weight_widths=tuple(range(1, FIXED_BITS + 1)),
    is_serial=True,
    source="Lee et al., UNPU, IEEE Journal of Solid-State Circuits 54(1), 2019",
)
"""Time follows the bits of the weights."""
