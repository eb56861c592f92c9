"""Effort: what one layer asks of an array, whole or with zeros left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

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
        cycles = array.expected_cycles(layer.n, layer.k, layer.zeros, block=correlated)
        cycles *= layer.groups
        chance = 1.0 - (1.0 - layer.zeros) ** -(-array.width // correlated[1])
        vectors = -(-layer.k // array.width) * layer.n * layer.groups * chance
    else:
        cycles = float(sum(array.sparse_cycles(mask) for mask in layer.masks))
        vectors = float(sum(array.work(mask).sum() for mask in layer.masks))
    inputs, _, outputs = array.sram_of(layer.m, layer.n, layer.k)
    return Effort(
        cycles=layer.m * cycles,
        macs=layer.m * layer.num_kept,
        input_reads=inputs * layer.groups,
        weight_reads=layer.m * vectors * array.width,
        output_writes=outputs * layer.groups,
        output_reads=0,
        stored_words=stored_words,
        index_bits=index_bits,
        index_reads=layer.m,
    )


def _skipping_systolic(
    array: SystolicArray,
    layer: PrunedGemm,
    stored_words: float,
    index_bits: float,
    correlated: tuple[int, int],
) -> Effort:
    """Inputs left in each tile of outputs (ws, os), or outputs left in each fold of inputs (is).

    The formulas of a fold are those of ``systolic``, with what is left in the place of the whole.
    """
    along_outputs = array.dataflow != "is"
    length, side = (layer.n, array.cols) if along_outputs else (layer.k, array.rows)
    sizes = np.array([min(side, length - start) for start in range(0, length, side)])
    if isinstance(layer.zeros, float):
        tiles = _expected_tiles(layer, sizes, array, along_outputs, correlated)
    else:
        tiles = _masked_tiles(layer.zeros, sizes, array, along_outputs)
    left, there, folds = tiles
    sizes = np.tile(sizes, layer.groups)
    m, rows, columns = layer.m, array.rows, array.cols
    if array.dataflow == "ws":
        passes = 1
        cycles = (folds * (2 * rows + columns + m - 2)).sum()
        reads = m * left.sum(), (left * sizes).sum()
        writes = (m * sizes * folds).sum()
        kept_sums = (m * sizes * there).sum()
    elif array.dataflow == "os":
        passes = -(-m // rows)
        cycles = (passes * (left + (rows + columns - 2) * there)).sum()
        reads = m * left.sum(), passes * (left * sizes).sum()
        writes = kept_sums = (m * sizes).sum()
    else:
        passes = -(-m // columns)
        cycles = (passes * (left + (2 * rows + columns - 2) * there)).sum()
        reads = (m * sizes * there).sum(), passes * (left * sizes).sum()
        writes = m * left.sum()
        kept_sums = min(writes, m * layer.n * layer.groups)
    return Effort(
        cycles=float(cycles),
        macs=m * layer.num_kept,
        input_reads=float(reads[0]),
        weight_reads=float(reads[1]),
        output_writes=float(writes),
        output_reads=float(writes - kept_sums),
        stored_words=stored_words,
        index_bits=index_bits,
        index_reads=passes,
    )


Tiles = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _masked_tiles(
    masks: Mask, sizes: NDArray[np.int64], array: SystolicArray, along_outputs: bool
) -> Tiles:
    """For each tile of each group: what is left of the other axis, whether anything is, and in how many folds."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    used = np.logical_or.reduceat(masks, starts, axis=1 if along_outputs else 2)
    left = used.sum(axis=2 if along_outputs else 1).astype(np.float64).ravel()
    return left, (left > 0).astype(np.float64), np.ceil(left / array.rows)


def _expected_tiles(
    layer: PrunedGemm,
    sizes: NDArray[np.int64],
    array: SystolicArray,
    along_outputs: bool,
    block: tuple[int, int],
) -> Tiles:
    """The expectations of :func:`_masked_tiles`, for blocks that are kept by chance.

    The number of rows left is binomial, so the expected number of folds is the sum over j of the chance
    that more than ``j * array.rows`` are left.
    """
    density = layer.zeros
    assert isinstance(density, float)
    whole, along, across = layer.k, block[0], block[1]
    if not along_outputs:
        whole, along, across = layer.n, block[1], block[0]
    chance = 1.0 - (1.0 - density) ** np.ceil(sizes / along)
    trials = -(-whole // across)  # rows of one block are left together
    limits = np.arange(0, whole, array.rows) // across
    distinct, place = np.unique(chance, return_inverse=True)  # two: full tiles, and the last one
    more = np.where(distinct[:, None] < 1, 1.0 - bdtr(limits, trials, distinct[:, None]), 1.0)
    tiles = (whole * chance, more[place, 0], more.sum(axis=1)[place])
    left, there, folds = (np.tile(each, layer.groups) for each in tiles)
    return left, there, folds
