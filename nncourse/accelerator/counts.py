"""Counts: cycles, multiplications and on-chip words of every layer of a network on an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator.cells import Cell
from nncourse.accelerator.effort import Array, Effort
from nncourse.accelerator.gemm import Gemm
from nncourse.accelerator.sparsity import DenseHardware, Sparsity
from nncourse.accelerator.systolic import SystolicArray, ceil_divide
from nncourse.accelerator.zeros import Mask, PrunedGemm

Counts = dict[str, NDArray[Any]]


def layer_counts(
    layers: Sequence[Gemm],
    *,
    array: Array,
    cell: Cell,
    sparsity: Sparsity,
    products: NDArray[np.float64],
    zeros: Sequence[Mask | float | None],
) -> Counts:
    """The fields of ``Effort`` by name, each an array of shape (layers,).

    products  that a cell starts in a cycle, shape (layers,)
    zeros     of ``zeros.given_zeros``; a layer without any is computed whole, on every rung

    Dense layers take closed forms for all at once; the others are looked at one by one.
    """
    counts = _dense_counts(layers, array, cell, products)
    if isinstance(sparsity, DenseHardware) or all(zero is None for zero in zeros):
        return counts
    counts = {name: column.astype(np.float64) for name, column in counts.items()}
    for place, (layer, zero) in enumerate(zip(layers, zeros, strict=True)):
        if zero is None:
            continue
        effort = sparsity.effort(
            array,
            PrunedGemm(
                name=layer.name, m=layer.m, n=layer.n, k=layer.k, groups=layer.groups, zeros=zero
            ),
        )
        for field in fields(Effort):
            counts[field.name][place] = getattr(effort, field.name)
    return counts


def _dense_counts(
    layers: Sequence[Gemm], array: Array, cell: Cell, products: NDArray[np.float64]
) -> Counts:
    sizes = [(layer.m, layer.n, layer.k, layer.groups) for layer in layers]
    m, n, k, groups = np.array(sizes, dtype=np.int64).T
    if cell.is_serial:
        places = k
        cycles = np.ceil(array.cycles_of(m, n, k) / products).astype(np.int64)
    else:
        places = ceil_divide(k, products.astype(np.int64))
        cycles = array.cycles_of(m, n, places)
    reads, weight_reads, _ = array.sram_of(m, n, k)
    _, _, partial_writes = array.sram_of(m, n, places)
    folds = np.ones_like(k)
    if isinstance(array, SystolicArray) and array.dataflow != "os":
        folds = ceil_divide(places, array.rows)
    none = np.zeros(len(m))
    return {
        "cycles": cycles * groups,
        "macs": m * n * k * groups,
        "input_reads": groups * reads,
        "weight_reads": groups * weight_reads,
        "output_writes": groups * partial_writes,
        "output_reads": groups * m * n * (folds - 1),
        "stored_words": n * k * groups,
        "index_bits": none,
        "index_reads": none,
        "outputs_left": none + 1.0,
        "inputs_left": none + 1.0,
    }
