"""A whole machine: an array, an on-chip memory, a channel to DRAM; and what it makes of a network.

Three sentences carry the model. A layer is a matrix product. A layer takes as long as the slower of
computing and fetching. Energy is counts times a table.

The rule for DRAM traffic is a teaching rule, no mapper: a layer keeps either a slice of its weights or
a slice of its inputs on chip and streams the other past it, whichever moves fewer bytes. The groups of
a layer share nothing and come one after another, so each is sliced for itself.

Values cross the channel as wide as they are. On chip they take the width that the cells compute with: a
fixed cell's is the datapath's, so narrow values save traffic there and no cycle. A cell that parts into p
products sums them, and fills p places of the inner dimension k: the array sees ceil(k / p), and short
sums leave part of the cell idle. This is the fold of Bit Fusion's own simulator; filling and draining
take the cells that are there, and operands are taken to reach them fast enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.accelerator.cells import FIXED, Cell
from nncourse.accelerator.energy import (
    DATAPATH_BITS,
    DRAM_PJ_PER_BYTE,
    price,
    sram_pj_per_byte,
)
from nncourse.accelerator.gemm import Gemm
from nncourse.accelerator.report import Report
from nncourse.accelerator.systolic import SystolicArray, ceil_divide

ACCUMULATOR_BITS = (
    32  # partial sums of integer products; floats accumulate in their own width, at least 32
)


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """A machine that computes in one number format, the datapath, whatever its weights are stored in.

    Cells other than the fixed ones compute in integers narrower than the datapath, too.

    sram_bytes            on-chip memory, half for weights and half for inputs, each double-buffered
    dram_bytes_per_cycle  bandwidth of the channel
    clock_hz              of array and channel
    datapath              a format of ``energy.PRICES``; every value on chip takes its width
    cell                  what the array is made of; any but ``cells.FIXED`` needs the datapath int8
    """

    name: str
    array: SystolicArray
    sram_bytes: int
    dram_bytes_per_cycle: float
    clock_hz: float
    datapath: str = "int8"
    cell: Cell = FIXED

    def __post_init__(self) -> None:
        price(self.datapath)
        if self.cell != FIXED and self.datapath != "int8":
            raise ValueError(
                f"cell: a {self.cell.name} cell computes in integers of up to 8 bits and needs the "
                f"datapath int8; got {self.datapath}"
            )
        for field in ("sram_bytes", "dram_bytes_per_cycle", "clock_hz"):
            if not getattr(self, field) > 0:
                raise ValueError(f"{field} is above 0; got {getattr(self, field)}")

    def with_datapath(self, datapath: str) -> Accelerator:
        """The same machine computing in another format: as many cells, of another size and price."""
        return replace(self, datapath=datapath)

    def with_cell(self, cell: Cell, *, equal_area: bool = False) -> Accelerator:
        """The same machine made of other cells.

        cell        such as ``cells.FUSIBLE``
        equal_area  False: as many cells. True: as many as fit the area of this array of fixed ones,
                    memory and channel left as they are; ValueError for a cell without a price

        >>> from nncourse.accelerator.cells import FUSIBLE
        >>> EDGE.with_cell(FUSIBLE, equal_area=True).array.cells
        100
        """
        if equal_area and self.cell != FIXED:
            raise ValueError(
                f"equal_area counts from an array of fixed cells; got {self.cell.name}"
            )
        array = cell.array_in_area_of(self.array) if equal_area else self.array
        return replace(self, cell=cell, array=array)

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
        weight_bytes     stored bytes of each layer's weights, shape (layers,), fetched as they are stored
                         and widened on the way in; when None, as ``weight_bits`` make them
        weight_bits      whole bits of each layer's weights, one for all or shape (layers,); when None,
                         the width of the datapath. Where both sides are computed, both are activations
        activation_bits  whole bits of what each layer reads, likewise. What it writes is as wide as
                         what the next of ``layers`` reads; after the last, as the datapath

        A cell without a price gives an energy of NaN for the arithmetic, and so for the sum.
        """
        if not layers:
            raise ValueError("layers is empty; read them with gemms(model, example_input)")
        rows = [(g.m, g.n, g.k, g.groups, g.input_words, g.has_weights) for g in layers]
        m, n, k, groups, input_words, has_weights = np.array(rows, dtype=np.int64).T
        read_bits = self._bits("activation_bits", activation_bits, len(rows))
        second_bits = np.where(
            has_weights.astype(bool), self._bits("weight_bits", weight_bits, len(rows)), read_bits
        )
        written_bits = np.append(read_bits[1:], DATAPATH_BITS[self.datapath])
        stored = n * k * groups * second_bits / 8
        if weight_bytes is not None:
            given = np.asarray(weight_bytes, dtype=np.float64)
            if given.shape != stored.shape or not (given >= 0).all():
                raise ValueError(
                    f"weight_bytes is one size of at least 0 for each of {len(rows)} layers"
                )
            # What is computed, not stored, crosses the channel as wide as it is.
            stored = np.where(has_weights.astype(bool), given, stored)
        input_word, weight_word, products = self._in_cells(read_bits, second_bits)
        input_bytes = input_words * read_bits / 8
        output_bytes = m * n * groups * written_bits / 8
        buffer = self.sram_bytes / 4 * groups  # each group has the whole buffer in its turn
        keep_weights = stored + input_bytes * np.ceil(n * k * groups * weight_word / buffer)
        keep_inputs = input_bytes + stored * np.ceil(input_words * input_word / buffer)
        dram_bytes = np.minimum(keep_weights, keep_inputs) + output_bytes
        if self.cell.is_serial:
            places = k
            cycles = np.ceil(self.array.cycles_of(m, n, k) / products).astype(np.int64)
        else:
            places = ceil_divide(k, products.astype(np.int64))
            cycles = self.array.cycles_of(m, n, places)
        reads, weight_reads, _ = self.array.sram_of(m, n, k)
        _, _, partial_writes = self.array.sram_of(m, n, places)
        folds = (
            np.ones_like(k) if self.array.dataflow == "os" else ceil_divide(places, self.array.rows)
        )
        partial_reads = m * n * (folds - 1)
        partial_bytes = max(ACCUMULATOR_BITS / 8, self.word_bytes)
        sram_bytes = groups * (
            reads * input_word
            + weight_reads * weight_word
            + (partial_writes + partial_reads) * partial_bytes
        )
        macs = m * n * k * groups
        energy_ratio = float("nan") if self.cell.energy_ratio is None else self.cell.energy_ratio
        return Report(
            names=tuple(g.name for g in layers),
            macs=macs,
            compute_cycles=cycles * groups,
            dram_cycles=dram_bytes / self.dram_bytes_per_cycle,
            dram_bytes=dram_bytes,
            mac_pj=macs * price(self.datapath).mac_pj * (energy_ratio / products),
            sram_pj=sram_bytes * sram_pj_per_byte(self.sram_bytes),
            dram_pj=dram_bytes * DRAM_PJ_PER_BYTE,
            products=products,
            cells=self.array.cells,
        )

    def _in_cells(
        self, read_bits: NDArray[np.int64], second_bits: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Bytes of both operands on chip, as wide as the cells compute, and a cell's products a cycle."""
        if self.cell == FIXED:
            word_bytes = np.full(read_bits.shape, self.word_bytes)
            return word_bytes, word_bytes, np.ones(read_bits.shape)
        return (
            self.cell.activation_width(read_bits) / 8,
            self.cell.weight_width(second_bits) / 8,
            self.cell.products(activation_bits=read_bits, weight_bits=second_bits),
        )

    def _bits(self, name: str, bits: ArrayLike | None, layers: int) -> NDArray[np.int64]:
        """One width for each layer, none wider than the datapath."""
        widest = DATAPATH_BITS[self.datapath]
        asked = np.asarray(widest if bits is None else bits)
        if asked.shape not in ((), (layers,)):
            raise ValueError(
                f"{name} is one width, or one for each of {layers} layers; got {bits!r}"
            )
        if asked.dtype.kind not in "iu" or (asked < 1).any() or (asked > widest).any():
            raise ValueError(
                f"{name} are whole numbers from 1 to {widest}, the datapath {self.datapath}; got {bits!r}"
            )
        return np.broadcast_to(asked.astype(np.int64), (layers,))


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
