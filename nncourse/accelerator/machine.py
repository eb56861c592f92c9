"""A whole machine: an array, an on-chip memory, a channel to DRAM; and what it makes of a network.

Three sentences carry the model. A layer is a matrix product. A layer takes as long as the slower of
computing and fetching. Energy is counts times a table.

The rule for DRAM traffic is a teaching rule, no mapper: a layer keeps either a slice of its weights or
a slice of its inputs on chip and streams the other past it, whichever moves fewer bytes. The groups of
a layer share nothing and come one after another, so each is sliced for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nncourse.accelerator.cells import CELL_BITS, FIXED, Cell
from nncourse.accelerator.energy import (
    DATAPATH_BITS,
    DRAM_PJ_PER_BYTE,
    price,
    sram_pj_per_byte,
)
from nncourse.accelerator.gemm import Gemm
from nncourse.accelerator.systolic import SystolicArray, ceil_divide

ACCUMULATOR_BITS = (
    32  # partial sums of integer products; floats accumulate in their own width, at least 32
)


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """A machine that computes in one number format, the datapath, whatever its weights are stored in.

    sram_bytes            on-chip memory, half for weights and half for inputs, each double-buffered
    dram_bytes_per_cycle  bandwidth of the channel
    clock_hz              of array and channel
    datapath              a format of ``energy.PRICES``; every value on chip takes its width
    cell                  the kind of cells, for a datapath of int8; None for fixed ones at the prices of
                          ``energy``. Cells of several widths keep values on chip at the width they
                          compute them at
    """

    name: str
    array: SystolicArray
    sram_bytes: int
    dram_bytes_per_cycle: float
    clock_hz: float
    datapath: str = "int8"
    cell: Cell | None = None

    def __post_init__(self) -> None:
        price(self.datapath)
        if self.cell is not None and self.datapath != f"int{CELL_BITS}":
            raise ValueError(f"cell is for a datapath of int{CELL_BITS}; got {self.datapath!r}")
        for field in ("sram_bytes", "dram_bytes_per_cycle", "clock_hz"):
            if not getattr(self, field) > 0:
                raise ValueError(f"{field} is above 0; got {getattr(self, field)}")

    def with_datapath(self, datapath: str) -> Accelerator:
        """The same machine computing in another format: as many cells, of another size and price."""
        return replace(self, datapath=datapath)

    def with_cell(self, cell: Cell, *, equal_area: bool = False) -> Accelerator:
        """The same machine with another kind of cells.

        cell        for the datapath int8
        equal_area  fewer cells, so that all take at most the area of the fixed ones they replace; as
                    many cells when False

        >>> from nncourse.accelerator.cells import FUSIBLE
        >>> EDGE.with_cell(FUSIBLE, equal_area=True).array
        SystolicArray(rows=10, cols=10, dataflow='ws')
        """
        array = self.array
        if equal_area:
            cells = array.cells / cell.relative_area
            rows = max(1, round(array.rows / cell.relative_area**0.5))
            array = replace(array, rows=rows, cols=max(1, int(cells // rows)))
        return replace(self, cell=cell, array=array, datapath=f"int{CELL_BITS}")

    @property
    def word_bytes(self) -> float:
        """Bytes of one value on the datapath."""
        return DATAPATH_BITS[self.datapath] / 8

    def run(
        self,
        layers: Sequence[Gemm],
        *,
        weight_bytes: ArrayLike | None = None,
        weight_bits: ArrayLike | None = None,
        activation_bits: ArrayLike | None = None,
    ) -> Report:
        """Cycles, traffic and energy of every layer.

        layers           products, in order
        weight_bytes     stored bytes of each layer's weights, shape (layers,), fetched as they are
                         stored and widened on the way in; when None, ``weight_bits`` each
        weight_bits      width of the weights, one for all or shape (layers,); when None, the datapath's
        activation_bits  likewise of what layers read and hand on

        A cell of several widths makes more products in a cycle, all of one sum: the sum is that much
        shorter for the array. Fixed cells take as long as ever.
        """
        if not layers:
            raise ValueError("layers is empty; read them with gemms(model, example_input)")
        rows = [(g.m, g.n, g.k, g.groups, g.input_words, g.has_weights) for g in layers]
        m, n, k, groups, input_words, has_weights = np.array(rows, dtype=np.int64).T
        widths = self._widths(weight_bits, activation_bits, len(rows))
        words = n * k * groups
        given = words * widths.weight_bits / 8 if weight_bytes is None else weight_bytes
        stored = np.asarray(given, dtype=np.float64)
        if stored.shape != words.shape or not (stored >= 0).all():
            raise ValueError(
                f"weight_bytes is one size of at least 0 for each of {len(rows)} layers"
            )
        # What is computed, not stored, crosses the channel at the width it is computed at.
        dense_bytes = words * widths.weight_bytes
        stored = np.where(has_weights.astype(bool), stored, dense_bytes)
        input_bytes = input_words * widths.activation_bytes
        output_bytes = m * n * groups * widths.activation_bytes
        buffer = self.sram_bytes / 4 * groups  # each group has the whole buffer in its turn
        keep_weights = stored + input_bytes * np.ceil(dense_bytes / buffer)
        keep_inputs = input_bytes + stored * np.ceil(input_bytes / buffer)
        dram_bytes = np.minimum(keep_weights, keep_inputs) + output_bytes
        fused_k = ceil_divide(k, widths.fused)
        reads, weight_reads, partial_writes = self.array.sram_of(m, n, fused_k)
        folds = (
            np.ones_like(k)
            if self.array.dataflow == "os"
            else ceil_divide(fused_k, self.array.rows)
        )
        partial_reads = m * n * (folds - 1)
        partial_bytes = max(ACCUMULATOR_BITS / 8, self.word_bytes)
        operand_bytes = reads * widths.held_bytes + weight_reads * widths.weight_bytes
        sram_bytes = groups * (
            operand_bytes * widths.fused + (partial_writes + partial_reads) * partial_bytes
        )
        macs = m * n * k * groups
        return Report(
            names=tuple(g.name for g in layers),
            macs=macs,
            compute_cycles=self.array.cycles_of(m, n, fused_k, beats=widths.beats) * groups,
            dram_cycles=dram_bytes / self.dram_bytes_per_cycle,
            dram_bytes=dram_bytes,
            mac_pj=macs * widths.mac_pj,
            sram_pj=sram_bytes * sram_pj_per_byte(self.sram_bytes),
            dram_pj=dram_bytes * DRAM_PJ_PER_BYTE,
            cells=self.array.cells,
        )

    def _widths(
        self, weight_bits: ArrayLike | None, activation_bits: ArrayLike | None, number: int
    ) -> _Widths:
        """What the cells make of the widths of each layer."""
        full = DATAPATH_BITS[self.datapath]
        stored, read = (
            _by_layer(name, given, number, full)
            for name, given in (("weight_bits", weight_bits), ("activation_bits", activation_bits))
        )
        ones = np.ones(number, dtype=np.int64)
        if self.cell is None or self.cell == FIXED:
            price_pj = price(self.datapath).mac_pj
            if self.cell is not None:
                price_pj = self.cell.mac_pj(activation_bits=full, weight_bits=full)
            return _Widths(
                weight_bits=stored,
                weight_bytes=np.full(number, self.word_bytes),
                held_bytes=np.full(number, self.word_bytes),
                activation_bytes=read / 8,
                fused=ones,
                beats=ones,
                mac_pj=np.full(number, price_pj),
            )
        cell = self.cell
        computed = np.array([cell.computed_bits(int(bits)) for bits in stored])
        pairs = [(int(a), int(w)) for a, w in zip(read, stored, strict=True)]
        products = [cell.products(activation_bits=a, weight_bits=w) for a, w in pairs]
        return _Widths(
            weight_bits=stored,
            weight_bytes=computed / 8,
            held_bytes=np.array([cell.computed_bits(a) for a, _ in pairs]) / 8,
            activation_bytes=read / 8,
            fused=ones * CELL_BITS if cell.is_serial else np.array(products, dtype=np.int64),
            beats=computed if cell.is_serial else ones,
            mac_pj=np.array([cell.mac_pj(activation_bits=a, weight_bits=w) for a, w in pairs]),
        )


@dataclass(frozen=True, kw_only=True)
class _Widths:
    """Of each layer, arrays of shape (layers,).

    weight_bits       of a stored weight
    weight_bytes      of a weight on chip
    held_bytes        of an activation on chip
    activation_bytes  of an activation off chip
    fused             products of one sum that a cell makes in one go
    beats             cycles that one go takes
    mac_pj            energy of one product and its addition
    """

    weight_bits: NDArray[np.int64]
    weight_bytes: NDArray[np.float64]
    held_bytes: NDArray[np.float64]
    activation_bytes: NDArray[np.float64]
    fused: NDArray[np.int64]
    beats: NDArray[np.int64]
    mac_pj: NDArray[np.float64]


def _by_layer(name: str, bits: ArrayLike | None, number: int, full: int) -> NDArray[np.int64]:
    given = np.asarray(full if bits is None else bits)
    if given.shape not in ((), (number,)) or not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"{name} is one whole number, or one for each of {number} layers")
    if ((given < 1) | (given > full)).any():
        raise ValueError(
            f"{name} lies in 1 .. {full}, the width of the datapath; got {given.tolist()}"
        )
    return np.broadcast_to(given, (number,)).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What each layer took; arrays of shape (layers,)."""

    names: tuple[str, ...]
    macs: NDArray[np.int64]
    compute_cycles: NDArray[np.int64]
    dram_cycles: NDArray[np.float64]
    dram_bytes: NDArray[np.float64]
    mac_pj: NDArray[np.float64]
    sram_pj: NDArray[np.float64]
    dram_pj: NDArray[np.float64]
    cells: int

    @property
    def cycles(self) -> NDArray[np.float64]:
        """The slower of computing and fetching, layer by layer."""
        return np.maximum(self.compute_cycles, self.dram_cycles)

    @property
    def energy_pj(self) -> NDArray[np.float64]:
        """Arithmetic, on-chip memory and DRAM together."""
        return self.mac_pj + self.sram_pj + self.dram_pj

    @property
    def utilization(self) -> NDArray[np.float64]:
        """Share of the cells' cycles, waiting included, that do a multiply-accumulate."""
        return self.macs / (self.cycles * self.cells)

    def table(self) -> pd.DataFrame:
        """One row a layer; ``bound`` names what its time went to."""
        bound = np.where(self.dram_cycles > self.compute_cycles, "DRAM", "array")
        columns = {
            "macs": self.macs,
            "compute_cycles": self.compute_cycles,
            "dram_cycles": np.ceil(self.dram_cycles).astype(np.int64),
            "bound": bound,
            "utilization": self.utilization.round(3),
            "dram_bytes": np.ceil(self.dram_bytes).astype(np.int64),
            "mac_pj": self.mac_pj.round(),
            "sram_pj": self.sram_pj.round(),
            "dram_pj": self.dram_pj.round(),
        }
        return pd.DataFrame(columns, index=pd.Index(self.names, name="layer"))


EDGE = Accelerator(
    name="edge",
    array=SystolicArray(16, 16, "ws"),
    sram_bytes=192 * 1024,
    dram_bytes_per_cycle=4,
    clock_hz=500e6,
)
"""A small machine for teaching, no product: 256 cells, 192 KB, 2 GB/s."""

SERVER = Accelerator(
    name="server",
    array=SystolicArray(128, 128, "ws"),
    sram_bytes=8 * 1024 * 1024,
    dram_bytes_per_cycle=64,
    clock_hz=1e9,
)
"""A large machine for teaching, no product: 16,384 cells, 8 MB, 64 GB/s."""
