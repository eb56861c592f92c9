"""Effort: what one layer asks of an array, whole or with zeros left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator.chances import rows_left, spans, touched
from nncourse.accelerator.lanes import Lanes
from nncourse.accelerator.systolic import SystolicArray
from nncourse.accelerator.zeros import Mask, PrunedGemm

Array = SystolicArray | Lanes


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What a layer takes, all groups and all its input places together.

    cycles         of the array; a fraction where they are an expectation
    macs           multiply-accumulates that switch
    input_reads, weight_reads, output_writes, output_reads  on-chip words; the outputs are partial sums
    stored_words   weights that are stored, with whatever zeros their form has to keep
    index_bits     stored beside them to say where they are
    index_reads    times that all index bits are read on chip
    outputs_left, inputs_left  share of the outputs and of the input values that the layer still has
    """

    cycles: float
    macs: float
    input_reads: float
    weight_reads: float
    output_writes: float
    output_reads: float
    stored_words: float
    index_bits: float = 0.0
    index_reads: float = 0.0
    outputs_left: float = 1.0
    inputs_left: float = 1.0


def dense_effort(
    array: Array, layer: PrunedGemm, *, n: int | None = None, k: int | None = None
) -> Effort:
    """What the layer takes of an array that computes with every weight.

    n, k  instead of the layer's own, for one that has become smaller
    """
    n, k = layer.n if n is None else n, layer.k if k is None else k
    inputs, weights, outputs = array.sram_of(layer.m, n, k)
    # Sums leave the array between folds of the inner dimension, unless they are what it holds.
    folds = 1
    if isinstance(array, SystolicArray) and array.dataflow != "os":
        folds = -(-k // array.rows)
    groups = layer.groups
    return Effort(
        cycles=array.cycles_of(layer.m, n, k) * groups,
        macs=layer.m * n * k * groups,
        input_reads=inputs * groups,
        weight_reads=weights * groups,
        output_writes=outputs * groups,
        output_reads=layer.m * n * (folds - 1) * groups,
        stored_words=n * k * groups,
    )


def skipping_effort(
    array: Array,
    layer: PrunedGemm,
    *,
    stored_words: float,
    index_bits: float,
    correlated: tuple[int, int],
) -> Effort:
    """What the layer takes of an array that leaves out whatever it can.

    stored_words, index_bits  of the form in which the weights are stored
    correlated                (outputs, inputs) of the blocks that are kept or dropped as one, for the
                              closed form; (1, 1) where each weight goes by itself
    """
    if isinstance(array, Lanes):
        return _skipping_lanes(array, layer, stored_words, index_bits, correlated)
    return _skipping_systolic(array, layer, stored_words, index_bits, correlated)


def _skipping_lanes(
    array: Lanes,
    layer: PrunedGemm,
    stored_words: float,
    index_bits: float,
    correlated: tuple[int, int],
) -> Effort:
    if isinstance(layer.zeros, float):
        cycles = layer.groups * array.expected_cycles(
            layer.n, layer.k, layer.zeros, block=correlated
        )
    else:
        cycles = float(sum(array.sparse_cycles(mask) for mask in layer.masks))
    inputs, _, outputs = array.sram_of(layer.m, layer.n, layer.k)
    return Effort(
        cycles=layer.m * cycles,
        macs=layer.m * layer.num_kept,
        input_reads=inputs * layer.groups,
        weight_reads=layer.m * stored_words,
        output_writes=outputs * layer.groups,
        output_reads=0,
        stored_words=stored_words,
        index_bits=index_bits,
        index_reads=layer.m,
    )


class _Tiles(NamedTuple):
    """Tiles of a systolic array, each with the share of the layer that is left of it; shape (tiles,).

    sizes  outputs of the tile (of a fold with inputs held: its inputs)
    left   inputs that any of the outputs uses (outputs that use any of the inputs)
    there  1 where anything is left, or the chance of it
    folds  of ``array.rows`` that are left
    times  that such a tile occurs
    """

    sizes: NDArray[np.int64]
    left: NDArray[np.float64]
    there: NDArray[np.float64]
    folds: NDArray[np.float64]
    times: NDArray[np.int64]


def _skipping_systolic(
    array: SystolicArray,
    layer: PrunedGemm,
    stored_words: float,
    index_bits: float,
    correlated: tuple[int, int],
) -> Effort:
    """Inputs left in each tile of outputs (ws, os), or outputs left in each fold of inputs (is).

    The formulas of a fold are those of ``systolic``, with what is left in the place of the whole. On-chip
    memory holds the stored words; zeros among them are put in on their way into the array.
    """
    along_outputs = array.dataflow != "is"
    if isinstance(layer.zeros, float):
        tiles = _expected_tiles(layer, layer.zeros, array, along_outputs, correlated)
    else:
        tiles = _masked_tiles(layer.zeros, array, along_outputs)
    m, rows, columns = layer.m, array.rows, array.cols

    def total(each: NDArray[np.float64]) -> float:
        return float((each * tiles.times).sum())

    if array.dataflow == "ws":
        passes = 1
        cycles = total(tiles.folds * (2 * rows + columns + m - 2))
        reads = m * total(tiles.left)
        writes = m * total(tiles.sizes * tiles.folds)
        kept_sums = m * total(tiles.sizes * tiles.there)
    elif array.dataflow == "os":
        passes = -(-m // rows)
        cycles = passes * total(tiles.left + (rows + columns - 2) * tiles.there)
        reads = m * total(tiles.left)
        writes = kept_sums = float(m * layer.n * layer.groups)
    else:
        passes = -(-m // columns)
        cycles = passes * total(tiles.left + (2 * rows + columns - 2) * tiles.there)
        reads = m * total(tiles.sizes * tiles.there)
        writes = m * total(tiles.left)
        kept_sums = min(writes, float(m * layer.n * layer.groups))
    return Effort(
        cycles=cycles,
        macs=m * layer.num_kept,
        input_reads=reads,
        weight_reads=passes * stored_words,
        output_writes=writes,
        output_reads=writes - kept_sums,
        stored_words=stored_words,
        index_bits=index_bits,
        index_reads=passes,
    )


def _masked_tiles(masks: Mask, array: SystolicArray, along_outputs: bool) -> _Tiles:
    groups, outputs, inputs = masks.shape
    length, side = (outputs, array.cols) if along_outputs else (inputs, array.rows)
    starts = np.arange(0, length, side)
    used = np.logical_or.reduceat(masks, starts, axis=1 if along_outputs else 2)
    left = used.sum(axis=2 if along_outputs else 1).astype(np.float64).ravel()
    return _Tiles(
        sizes=np.tile(np.minimum(side, length - starts), groups),
        left=left,
        there=(left > 0).astype(np.float64),
        folds=np.ceil(left / array.rows),
        times=np.ones(left.size, dtype=np.int64),
    )


def _expected_tiles(
    layer: PrunedGemm,
    density: float,
    array: SystolicArray,
    along_outputs: bool,
    block: tuple[int, int],
) -> _Tiles:
    """The expectations of :func:`_masked_tiles`, for blocks that are kept by chance."""
    if along_outputs:
        (length, whole), side, (along, across) = (layer.n, layer.k), array.cols, block
    else:
        (length, whole), side, (across, along) = (layer.k, layer.n), array.rows, block
    pieces = spans(length, side, along)
    expected = [
        rows_left(
            whole,
            block=across,
            chance=1.0 - (1.0 - density) ** touched(offset, size, along),
            rows=array.rows,
        )
        for offset, size in pieces
    ]
    left, there, folds = np.array(expected).T
    return _Tiles(
        sizes=np.array([size for _, size in pieces]),
        left=left,
        there=there,
        folds=folds,
        times=np.array(list(pieces.values())) * layer.groups,
    )
