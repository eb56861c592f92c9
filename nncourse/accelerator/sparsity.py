"""The ladder of sparsity: what hardware can do with a zero, from nothing to a shape made for it.

A machine stands on one rung. Which weights are zero is a matter of the network: a mask for each layer,
or a density where no mask is known, which then stands for zeros that fall by chance.

====================  =======================  ====================  =====================================
rung                  time                     arithmetic energy     stored
====================  =======================  ====================  =====================================
``DenseHardware``     of all weights           of all weights        all weights
``Gating``            of all weights           of kept weights       all weights
``Skipping``          of what the array can    of kept weights       kept weights, and where they are
                      not leave out
``Blocks``            likewise                 likewise              kept blocks, a bit for each block
``NM``                of n in m                likewise              n in m, log2 m bits for each
``Channels``          of a smaller layer       of a smaller layer    the smaller layer
====================  =======================  ====================  =====================================

What an array can leave out is a matter of its form. A lane leaves out a vector of ``width`` inputs of its
one output. A systolic array that holds weights or outputs leaves out an input that none of the ``cols``
outputs of a tile uses; one that holds inputs, an output that uses none of the ``rows`` inputs of a fold.

Source: the three words format, gating and skipping are those of Wu et al., Sparseloop, MICRO 2022; n of
m on a systolic array shortens the inner dimension, as in SCALE-Sim version 3 (arXiv:2504.15377).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator.effort import Array, Effort, dense_effort, skipping_effort
from nncourse.accelerator.zeros import Mask, PrunedGemm

BITMASK = "bitmask"


class Sparsity(Protocol):
    """One rung of the ladder."""

    def effort(self, array: Array, layer: PrunedGemm) -> Effort:
        """What a layer takes of an array on this rung."""
        ...


@dataclass(frozen=True)
class DenseHardware:
    """Zeros are multiplied like any other number."""

    def effort(self, array: Array, layer: PrunedGemm) -> Effort:
        """What the layer takes, zeros and all."""
        return dense_effort(array, layer)


@dataclass(frozen=True)
class Gating:
    """A multiplier stands still where its weight is zero: no time is gained, and its energy is.

    Source: Chen et al., Eyeriss, ISSCC 2016, for zero inputs.
    """

    def effort(self, array: Array, layer: PrunedGemm) -> Effort:
        """What the layer takes: the time of all weights, the arithmetic of the kept ones."""
        return replace(dense_effort(array, layer), macs=layer.m * layer.num_kept)


@dataclass(frozen=True, kw_only=True)
class Skipping:
    """Zeros are not stored, and left out of the time as far as the form of the array allows.

    index_bits  how a kept weight's place is stored: "bitmask", one bit for each weight, kept or not; or a
                whole number of bits that count the zeros since the last kept weight of the output,
                where a longer run takes a zero stored as a weight for each full ``2**index_bits``
    """

    index_bits: int | str = BITMASK

    def __post_init__(self) -> None:
        bits = self.index_bits
        whole = isinstance(bits, int) and not isinstance(bits, bool) and 1 <= bits <= 16
        if bits != BITMASK and not whole:
            raise ValueError(f'index_bits is "{BITMASK}" or from 1 to 16 bits; got {bits!r}')

    def effort(self, array: Array, layer: PrunedGemm) -> Effort:
        """What the layer takes when as much as possible is left out."""
        if isinstance(self.index_bits, str):
            words, bits = layer.num_kept, float(layer.n * layer.k * layer.groups)
        else:
            words = stored_entries(layer, self.index_bits)
            bits = words * self.index_bits
        return skipping_effort(array, layer, stored_words=words, index_bits=bits, correlated=(1, 1))


@dataclass(frozen=True)
class Blocks:
    """Weights are dropped in blocks of ``rows`` outputs by ``columns`` inputs, and stored block by block.

    A block that covers what the array leaves out as one is gained whole; a block that lies across it is
    not: its neighbors keep the place busy. A block with one kept weight is stored whole.
    """

    rows: int
    columns: int

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1:
            raise ValueError(f"rows and columns are at least 1; got {self.rows}, {self.columns}")

    def effort(self, array: Array, layer: PrunedGemm) -> Effort:
        """What the layer takes when blocks are left out as far as the array can."""
        down, across = ceil(layer.n / self.rows), ceil(layer.k / self.columns)
        num_blocks = down * across * layer.groups
        if isinstance(layer.zeros, float):
            words = layer.num_kept
        else:
            kept = sum(int(self._kept(mask).sum()) for mask in layer.masks)
            words = min(kept * self.rows * self.columns, layer.n * layer.k * layer.groups)
        return skipping_effort(
            array,
            layer,
            stored_words=words,
            index_bits=num_blocks,
            correlated=(self.rows, self.columns),
        )

    def _kept(self, mask: Mask) -> Mask:
        tall = np.logical_or.reduceat(mask, np.arange(0, mask.shape[0], self.rows), axis=0)
        kept: Mask = np.logical_or.reduceat(tall, np.arange(0, mask.shape[1], self.columns), axis=1)
        return kept


@dataclass(frozen=True)
class NM:
    """Of every m consecutive inputs of an output at most n are kept, and n places are stored.

    The array sees an inner dimension of ``ceil(k n / m)``; inputs are all read, and each place picks the
    one that it needs of its m. Masks with more than n in a stretch raise ValueError. The last stretch may
    be short: where a mask keeps more of it than its share, the output that keeps most sets the dimension.

    Source: Mishra et al., Accelerating sparse deep neural networks, arXiv:2104.08378, section 3.
    """

    n: int
    m: int

    def __post_init__(self) -> None:
        if not 0 < self.n <= self.m:
            raise ValueError(f"n of every m weights are kept, 0 < n <= m; got {self.n}, {self.m}")

    def effort(self, array: Array, layer: PrunedGemm) -> Effort:
        """What the layer takes of an array that works on n in m."""
        inner = ceil(layer.k * self.n / self.m)
        if isinstance(layer.zeros, float):
            if layer.zeros > self.n / self.m + 1e-9:
                raise ValueError(
                    f"layer {layer.name!r} has the density {layer.zeros:g}, and {self.n} of {self.m} "
                    f"keep {self.n / self.m:g} at most"
                )
        else:
            self._check(layer)
            inner = max(inner, int(layer.zeros.sum(axis=2).max()))
        places = layer.n * inner * layer.groups
        part = dense_effort(array, layer, k=inner)
        return replace(
            part,
            macs=layer.m * min(layer.num_kept, places),
            input_reads=dense_effort(array, layer).input_reads,
            stored_words=places,
            index_bits=places * (self.m - 1).bit_length() if self.n < self.m else 0,
            index_reads=part.weight_reads / places,
        )

    def _check(self, layer: PrunedGemm) -> None:
        for mask in layer.masks:
            stretches = np.arange(0, mask.shape[1], self.m)
            counts = np.add.reduceat(mask, stretches, axis=1, dtype=np.int64)
            if counts.max() > self.n:
                output, stretch = np.unravel_index(int(counts.argmax()), counts.shape)
                first = int(stretch) * self.m
                raise ValueError(
                    f"layer {layer.name!r} keeps {counts.max()} of the inputs {first} to "
                    f"{min(first + self.m, mask.shape[1]) - 1} of output {output}; this machine "
                    f"keeps {self.n} of {self.m}: prune with n_m_mask(weight, n={self.n}, m={self.m})"
                )


@dataclass(frozen=True)
class Channels:
    """Outputs and inputs without any kept weight are gone, and what is left is a smaller dense layer.

    Given a density d only, ``sqrt(d)`` of the outputs and of the inputs are taken to be left. The inputs
    of a convolution are those of the matrix product, (channel, kernel row, kernel column).
    """

    def effort(self, array: Array, layer: PrunedGemm) -> Effort:
        """What the smaller layer takes."""
        if isinstance(layer.zeros, float):
            side = sqrt(layer.zeros)
            sizes = [(max(1, round(layer.n * side)), max(1, round(layer.k * side)))] * layer.groups
        else:
            sizes = [
                (int(mask.any(axis=1).sum()), int(mask.any(axis=0).sum())) for mask in layer.masks
            ]
        parts = [
            dense_effort(array, replace(layer, groups=1, zeros=1.0), n=n, k=k)
            for n, k in sizes
            if n and k
        ]
        total = {
            name: float(sum(getattr(part, name) for part in parts))
            for name in (
                "cycles",
                "macs",
                "input_reads",
                "weight_reads",
                "output_writes",
                "output_reads",
                "stored_words",
            )
        }
        return Effort(
            **total,
            outputs_left=sum(n for n, _ in sizes) / (layer.n * layer.groups),
            inputs_left=sum(k for _, k in sizes) / (layer.k * layer.groups),
        )


DENSE = DenseHardware()


def stored_entries(layer: PrunedGemm, index_bits: int) -> float:
    """Entries of a layer under a relative index: kept weights, and zeros that bridge long runs.

    index_bits  a run of z zeros before a kept weight takes ``z // 2**index_bits`` zeros, since a stored
                zero with the largest index spans that many places

    Runs start anew with each output; zeros after its last kept weight cost nothing. For a density d the
    expectation: a place ends a run of at least 2**b j zeros with chance ``d (1 - d)**(2**b j)``.
    """
    reach = 2**index_bits
    if isinstance(layer.zeros, float):
        steps = reach * np.arange(1, layer.k // reach + 1)
        fillers = float(np.sum((1.0 - layer.zeros) ** steps * np.maximum(layer.k - steps, 0)))
        return layer.num_kept + layer.zeros * fillers * layer.n * layer.groups
    return float(sum(_entries(mask, reach) for mask in layer.masks))


def _entries(mask: Mask, reach: int) -> int:
    outputs, places = np.nonzero(mask)
    if not outputs.size:
        return 0
    runs: NDArray[np.int64] = np.diff(places, prepend=-1) - 1
    first = np.diff(outputs, prepend=-1) != 0
    runs[first] = places[first]
    return int(outputs.size + (runs // reach).sum())
