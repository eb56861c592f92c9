"""A whole machine: an array, an on-chip memory, a channel to DRAM; and what it makes of a network.

Three sentences carry the model. A layer is a matrix product. A layer takes as long as the slowest of
computing, fetching and decoding. Energy is counts times a table.

Values cross the channel as wide as they are. On chip they take the width that the cells compute with: a
fixed cell's is the datapath's, so narrow values save traffic there and no cycle. A cell that parts into p
products sums them, and fills p places of the inner dimension k: the array sees ceil(k / p), and short
sums leave part of the cell idle. This is the fold of Bit Fusion's own simulator; filling and draining
take the cells that are there, and operands are taken to reach them fast enough.

What the machine makes of a zero is the matter of its rung on the ladder of ``sparsity``; which bytes it
moves, that of ``traffic``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.accelerator.cells import FIXED, Cell
from nncourse.accelerator.counts import layer_counts
from nncourse.accelerator.decoder import Decoder
from nncourse.accelerator.effort import Array
from nncourse.accelerator.energy import (
    DATAPATH_BITS,
    DRAM_PJ_PER_BYTE,
    price,
    sram_pj_per_byte,
)
from nncourse.accelerator.gemm import Gemm
from nncourse.accelerator.lanes import Lanes
from nncourse.accelerator.report import Report
from nncourse.accelerator.sparsity import DENSE, DenseHardware, Gating, Sparsity
from nncourse.accelerator.systolic import SystolicArray
from nncourse.accelerator.traffic import traffic
from nncourse.accelerator.zeros import Mask, given_zeros

# Of partial sums of integer products; floats accumulate in their own width, at least this.
ACCUMULATOR_BITS = 32


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """A machine that computes in one number format, the datapath, whatever its weights are stored in.

    Cells other than the fixed ones compute in integers narrower than the datapath, too.

    sram_bytes            on-chip memory, half for weights and half for inputs, each double-buffered
    dram_bytes_per_cycle  bandwidth of the channel
    clock_hz              of array and channel
    datapath              a format of ``energy.PRICES``; every value on chip takes its width
    cell                  what the array is made of; any but ``cells.FIXED`` needs the datapath int8, a
                          systolic array, and dense or gated hardware
    sparsity              what becomes of zeros, a rung of ``sparsity``
    decoder               of compressed weights; None where they are widened for nothing
    """

    name: str
    array: Array
    sram_bytes: int
    dram_bytes_per_cycle: float
    clock_hz: float
    datapath: str = "int8"
    cell: Cell = FIXED
    sparsity: Sparsity = DENSE
    decoder: Decoder | None = None

    def __post_init__(self) -> None:
        price(self.datapath)
        if self.cell != FIXED and self.datapath != "int8":
            raise ValueError(
                f"cell: a {self.cell.name} cell computes in integers of up to 8 bits and needs the "
                f"datapath int8; got {self.datapath}"
            )
        plain = isinstance(self.sparsity, DenseHardware | Gating)
        if self.cell != FIXED and (isinstance(self.array, Lanes) or not plain):
            raise ValueError(
                f"cell: a {self.cell.name} cell works in a systolic array, on dense or gated hardware; "
                f"got {type(self.array).__name__} and {type(self.sparsity).__name__}"
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
        if not equal_area:
            return replace(self, cell=cell)
        if self.cell != FIXED or not isinstance(self.array, SystolicArray):
            raise ValueError(
                "equal_area counts from a systolic array of fixed cells; got "
                f"{type(self.array).__name__} of {self.cell.name} ones"
            )
        return replace(self, cell=cell, array=cell.array_in_area_of(self.array))

    def with_array(self, array: Array) -> Accelerator:
        """The same machine around another array."""
        return replace(self, array=array)

    def with_sparsity(self, sparsity: Sparsity) -> Accelerator:
        """The same machine on another rung of the ladder.

        >>> from nncourse.accelerator.sparsity import Gating
        >>> layers = [Gemm("fc", 1, 64, 64)]
        >>> reports = [machine.run(layers, densities=0.25) for machine in (EDGE, EDGE.with_sparsity(Gating()))]
        >>> [(int(report.cycles[0]), round(float(report.mac_pj[0]))) for report in reports]
        [(1056, 1229), (1056, 307)]
        """
        return replace(self, sparsity=sparsity)

    def with_decoder(self, decoder: Decoder | None) -> Accelerator:
        """The same machine with a decoder, or without."""
        return replace(self, decoder=decoder)

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
        masks: Mapping[str, Mask] | None = None,
        densities: ArrayLike | None = None,
    ) -> Report:
        """Cycles, traffic and energy of every layer.

        layers           products, in order
        weight_bytes     stored bytes of each layer's weights, shape (layers,), indices included, fetched as
                         they are stored and widened on the way in; when None, as ``weight_bits`` and
                         the rung of the machine make them
        weight_bits      whole bits of each layer's weights, one for all or shape (layers,); when None,
                         the width of the datapath. Where both sides are computed, both are activations
        activation_bits  whole bits of what each layer reads, likewise. What it writes is as wide as
                         what the next of ``layers`` reads; after the last, as the datapath

        masks            True = kept, by the name under which a layer's weights are stored, in the order
                         (outputs, inputs, kernel) of the weight; a layer that is not named is whole
        densities        instead: share of the weights kept, one for all or shape (layers,), each weight by
                         chance: cycles and counts are then expectations

        A cell without a price gives an energy of NaN for the arithmetic, and so for the sum.
        """
        if not layers:
            raise ValueError("layers is empty; read them with gemms(model, example_input)")
        rows = [(g.m, g.n, g.k, g.groups, g.input_words, g.has_weights) for g in layers]
        m, n, k, groups, input_words, has_weights = np.array(rows, dtype=np.int64).T
        read_bits = self._bits("activation_bits", activation_bits, len(rows))
        weighted = has_weights.astype(bool)
        second_bits = np.where(
            weighted, self._bits("weight_bits", weight_bits, len(rows)), read_bits
        )
        written_bits = np.append(read_bits[1:], DATAPATH_BITS[self.datapath])
        input_word, weight_word, products = self._in_cells(read_bits, second_bits)
        counts = layer_counts(
            layers,
            array=self.array,
            cell=self.cell,
            sparsity=self.sparsity,
            products=products,
            zeros=given_zeros(layers, masks, densities),
        )
        stored = (counts["stored_words"] * second_bits + counts["index_bits"]) / 8
        if weight_bytes is not None:
            given = np.asarray(weight_bytes, dtype=np.float64)
            if given.shape != stored.shape or not (given >= 0).all():
                raise ValueError(
                    f"weight_bytes is one size of at least 0 for each of {len(rows)} layers"
                )
            # What is computed, not stored, crosses the channel as wide as it is.
            stored = np.where(weighted, given, stored)
        moved = traffic(
            counts,
            groups=groups,
            input_words=input_words,
            input_bytes=input_words * read_bits / 8 * counts["inputs_left"],
            stored_bytes=stored,
            output_bytes=m * n * groups * written_bits / 8 * counts["outputs_left"],
            input_word=input_word,
            weight_word=weight_word,
            partial_word=max(ACCUMULATOR_BITS / 8, self.word_bytes),
            weighted=weighted,
            sram_bytes=self.sram_bytes,
            decoder=self.decoder,
        )
        energy_ratio = float("nan") if self.cell.energy_ratio is None else self.cell.energy_ratio
        return Report(
            names=tuple(g.name for g in layers),
            macs=m * n * k * groups,
            effective_macs=counts["macs"],
            compute_cycles=counts["cycles"],
            dram_cycles=moved.dram_bytes / self.dram_bytes_per_cycle,
            decode_cycles=moved.decoded_bytes
            / (self.decoder.bytes_per_cycle if self.decoder else 1.0),
            dram_bytes=moved.dram_bytes,
            mac_pj=counts["macs"] * price(self.datapath).mac_pj * (energy_ratio / products),
            sram_pj=moved.sram_bytes * sram_pj_per_byte(self.sram_bytes),
            dram_pj=moved.dram_bytes * DRAM_PJ_PER_BYTE,
            decode_pj=moved.decoded_bytes * (self.decoder.pj_per_byte if self.decoder else 0.0),
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
