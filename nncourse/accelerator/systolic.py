"""A systolic array: cycles and on-chip reads and writes of a matrix product, in closed form.

One operand is held in a grid of rows x columns cells, the others are pumped through, skewed by a cycle
a row. A matrix larger than the array is cut into folds, one after another, each paying the whole fill
and drain. The formulas equal SCALE-Sim's cycle-by-cycle simulation.

Source: Samajdar et al., SCALE-Sim, arXiv:1811.02883, section III; ISPASS 2020, equations 1 to 4. The
output-stationary fold has no separate drain in the tool (version 3.0.0), and none here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator.gemm import Gemm

DATAFLOWS = ("ws", "os", "is")
Count = TypeVar("Count", int, NDArray[np.int64])


def ceil_divide(whole: Count, part: Any) -> Count:
    """``whole / part`` rounded up, for integers and integer arrays."""
    rounded: Count = -(-whole // part)
    return rounded


@dataclass(frozen=True)
class SystolicArray:
    """A grid of multiply-accumulate cells.

    rows, cols  of the grid
    dataflow    what stays in the cells: "ws" weights (rows hold k, columns n), "os" outputs (m, n),
                "is" inputs (k, m)

    >>> SystolicArray(16, 16, "ws").cycles(Gemm("g1", 100, 50, 70))
    2920
    """

    rows: int
    cols: int
    dataflow: str = "ws"

    def __post_init__(self) -> None:
        for name in ("rows", "cols"):
            value = getattr(self, name)
            if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
                raise ValueError(f"{name} is a whole number of at least 1; got {value!r}")
        if self.dataflow not in DATAFLOWS:
            raise ValueError(f'dataflow is "ws", "os" or "is"; got {self.dataflow!r}')

    @property
    def cells(self) -> int:
        """Multiply-accumulates that the array can start in one cycle."""
        return self.rows * self.cols

    def cycles(self, gemm: Gemm) -> int:
        """Cycles for one layer, its groups one after another.

        SCALE-Sim reports the index of the last cycle, one less for a layer of one group.
        """
        return self.cycles_of(gemm.m, gemm.n, gemm.k) * gemm.groups

    def sram(self, gemm: Gemm) -> tuple[int, int, int]:
        """Words read as inputs, read as weights, and written as (partial) outputs, for one layer.

        Weight- and input-stationary arrays write a partial sum for every fold of k; reading it back
        for the next fold is not among SCALE-Sim's counts and not among these.
        """
        reads = self.sram_of(gemm.m, gemm.n, gemm.k)
        inputs, weights, outputs = (words * gemm.groups for words in reads)
        return inputs, weights, outputs

    def utilization(self, gemm: Gemm) -> float:
        """Share of the cells' cycles that do a multiply-accumulate of the layer."""
        return gemm.macs / (self.cycles(gemm) * self.cells)

    def cycles_of(self, m: Count, n: Count, k: Count) -> Count:
        """Cycles of one product; integers or arrays of them."""
        held_rows, held_columns, streamed = self._roles(m, n, k)
        folds = ceil_divide(held_rows, self.rows) * ceil_divide(held_columns, self.cols)
        fills = 1 if self.dataflow == "os" else 2
        return folds * (fills * self.rows + self.cols + streamed - 2)

    def sram_of(self, m: Count, n: Count, k: Count) -> tuple[Count, Count, Count]:
        """Input reads, weight reads and output writes of one product, in words."""
        if self.dataflow == "ws":
            return m * k * ceil_divide(n, self.cols), k * n, m * n * ceil_divide(k, self.rows)
        if self.dataflow == "is":
            return m * k, k * n * ceil_divide(m, self.cols), m * n * ceil_divide(k, self.rows)
        return m * k * ceil_divide(n, self.cols), k * n * ceil_divide(m, self.rows), m * n

    def _roles(self, m: Count, n: Count, k: Count) -> tuple[Count, Count, Count]:
        """Which size lies along the rows, which along the columns, and which is pumped through."""
        if self.dataflow == "ws":
            return k, n, m
        if self.dataflow == "is":
            return k, m, n
        return m, n, k
