"""Area and power of multiply-accumulate cells in a 45 nm process, from one synthesis.

Fixed cells of 2 to 16 bits, and fusible ones that part down to 2 bits. Their absolute values are those of
one tool and one library: ratios within the table are what to trust.

Source: the synthesis results behind Sharma et al., Bit Fusion, ISCA 2018, in the authors' repository
hsharma35/bitfusion at commit 0246bc4c, results/systolic_array_synth.csv, rows of 1 x 1 and 4 x 4 cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SYNTHESIS_HZ = 500e6
SOURCE = "Sharma et al., ISCA 2018; hsharma35/bitfusion@0246bc4c, results/systolic_array_synth.csv"


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Area and power of a grid of ``cells`` cells, registers included, at 500 MHz."""

    cells: int
    area_um2: float
    leakage_nw: float
    dynamic_nw: float

    @property
    def cell_um2(self) -> float:
        """Area of one cell."""
        return self.area_um2 / self.cells

    @property
    def cell_pj(self) -> float:
        """Dynamic energy of one cell in one cycle."""
        return self.dynamic_nw * 1e3 / SYNTHESIS_HZ / self.cells  # nW / Hz = nJ


def _of(cells: int, area_um2: float, leakage_nw: float, dynamic_nw: float) -> Synthesis:
    return Synthesis(cells=cells, area_um2=area_um2, leakage_nw=leakage_nw, dynamic_nw=dynamic_nw)


SYNTHESIS: Mapping[str, Synthesis] = MappingProxyType(
    {
        "fixed 2": _of(1, 124.8912, 2832.7, 28742),
        "fixed 4": _of(1, 282.239998, 7780.7, 60101.7),
        "fixed 8": _of(1, 687.6072, 22952, 148845),
        "fixed 16": _of(1, 2203.236034, 68980, 473688),
        "4 to 2": _of(1, 431.474398, 13545, 78470.1),
        "8 to 2": _of(1, 1733.129989, 64314, 279960),
        "16 to 2": _of(1, 7492.413585, 274220, 1166200),
    }
)
"""One cell alone, by its widest operands or, of fusible ones, its widest and narrowest."""

GRID_SYNTHESIS: Mapping[str, Synthesis] = MappingProxyType(
    {
        "fixed 2": _of(16, 1297.069191, 27768, 325616),
        "fixed 4": _of(16, 3066.008364, 84995, 659402),
        "fixed 8": _of(16, 8171.729995, 257700, 1627500),
        "fixed 16": _of(16, 26870.48336, 912260, 4821500),
        "4 to 2": _of(16, 5670.201557, 175220, 942252),
        "8 to 2": _of(16, 27752.83558, 949240, 3673500),
        "16 to 2": _of(16, 141302.2232, 4726700, 16907600),
    }
)
"""The same in a grid of 4 x 4 cells."""
