"""What a machine makes of a network: cycles, traffic and energy, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Report:
    """What each layer took; arrays of shape (layers,).

    macs            of all weights, zeros among them
    effective_macs  those that switch: all of them on dense hardware
    products        that one cell starts in a cycle, above 1 for narrow operands in a cell that gains by them
    cells           of the array

    Fractions of cycles and of counts are expectations, where only a density of the weights is known.
    """

    names: tuple[str, ...]
    macs: NDArray[np.int64]
    effective_macs: NDArray[np.int64] | NDArray[np.float64]
    compute_cycles: NDArray[np.int64] | NDArray[np.float64]
    dram_cycles: NDArray[np.float64]
    decode_cycles: NDArray[np.float64]
    dram_bytes: NDArray[np.float64]
    mac_pj: NDArray[np.float64]
    sram_pj: NDArray[np.float64]
    dram_pj: NDArray[np.float64]
    decode_pj: NDArray[np.float64]
    products: NDArray[np.float64]
    cells: int

    @property
    def cycles(self) -> NDArray[np.float64]:
        """The slowest of computing, fetching and decoding, layer by layer."""
        slower: NDArray[np.float64] = np.maximum(self.compute_cycles, self.dram_cycles)
        return np.maximum(slower, self.decode_cycles)

    @property
    def energy_pj(self) -> NDArray[np.float64]:
        """Arithmetic, on-chip memory, DRAM and decoder together."""
        return self.mac_pj + self.sram_pj + self.dram_pj + self.decode_pj

    @property
    def utilization(self) -> NDArray[np.float64]:
        """Share of the products that the cells could start, waiting included, that they do start.

        0 for a layer of which nothing is left, which takes no time.
        """
        possible = self.cycles * self.cells * self.products
        share: NDArray[np.float64] = np.divide(
            self.effective_macs, possible, out=np.zeros(len(self.names)), where=possible > 0
        )
        return share

    def table(self) -> pd.DataFrame:
        """One row a layer; ``bound`` names what its time went to."""
        times = [self.compute_cycles, self.dram_cycles, self.decode_cycles]
        bound = np.array(["array", "DRAM", "decoder"])[np.argmax(times, axis=0)]
        columns = {
            "macs": self.macs,
            "compute_cycles": np.ceil(self.compute_cycles).astype(np.int64),
            "dram_cycles": np.ceil(self.dram_cycles).astype(np.int64),
            "bound": bound,
            "utilization": self.utilization.round(3),
            "dram_bytes": np.ceil(self.dram_bytes).astype(np.int64),
            "mac_pj": self.mac_pj.round(),
            "sram_pj": self.sram_pj.round(),
            "dram_pj": self.dram_pj.round(),
        }
        return pd.DataFrame(columns, index=pd.Index(self.names, name="layer"))
