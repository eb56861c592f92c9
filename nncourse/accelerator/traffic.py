"""Traffic: the bytes that layers move, over the channel, on the chip and through a decoder.

The rule for DRAM is a teaching rule, no mapper: a layer keeps either a slice of its weights or a slice of
its inputs on chip and streams the other past it, whichever moves fewer bytes. The groups of a layer share
nothing and come one after another, so each is sliced for itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator.counts import Counts
from nncourse.accelerator.decoder import Decoder

Bytes = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Bytes of each layer, shape (layers,): over the channel, on chip, and out of the decoder."""

    dram_bytes: Bytes
    sram_bytes: Bytes
    decoded_bytes: Bytes


def traffic(
    counts: Counts,
    *,
    groups: NDArray[np.int64],
    input_words: NDArray[np.int64],
    input_bytes: Bytes,
    stored_bytes: Bytes,
    output_bytes: Bytes,
    input_word: Bytes,
    weight_word: Bytes,
    partial_word: float,
    weighted: NDArray[np.bool_],
    sram_bytes: int,
    decoder: Decoder | None,
) -> Traffic:
    """The bytes that each layer moves.

    counts        of ``counts.layer_counts``
    input_words   distinct input values of the layer
    input_bytes, stored_bytes, output_bytes  as they cross the channel once; weights with their indices
    input_word, weight_word, partial_word    bytes of one value on chip
    weighted      layers with stored weights, the only ones that are decoded
    sram_bytes    of the machine
    """
    input_words_left = input_words * counts["inputs_left"]
    read_bytes = counts["weight_reads"] * weight_word
    read_bytes = read_bytes + counts["index_reads"] * counts["index_bits"] / 8
    on_chip = counts["stored_words"] * weight_word + counts["index_bits"] / 8
    decoded = np.zeros(len(groups))
    if decoder is not None and decoder.where == "pe":
        # Stored weights are kept and read as they are; each read is decoded.
        decoded = np.where(weighted, counts["weight_reads"] * weight_word, 0.0)
        share = np.ones(len(groups))
        np.divide(stored_bytes, on_chip, out=share, where=weighted & (on_chip > 0))
        read_bytes, on_chip = read_bytes * share, on_chip * share
    buffer = sram_bytes / 4 * groups  # each group has the whole buffer in its turn
    refetches = np.maximum(np.ceil(input_words_left * input_word / buffer), 1.0)
    keep_weights = stored_bytes + input_bytes * np.ceil(on_chip / buffer)
    keep_inputs = input_bytes + stored_bytes * refetches
    if decoder is not None and decoder.where == "dma":
        fetches = np.where(keep_weights <= keep_inputs, 1.0, refetches)
        decoded = np.where(weighted, on_chip * fetches, 0.0)
    return Traffic(
        dram_bytes=np.minimum(keep_weights, keep_inputs) + output_bytes,
        sram_bytes=counts["input_reads"] * input_word
        + read_bytes
        + (counts["output_writes"] + counts["output_reads"]) * partial_word,
        decoded_bytes=decoded,
    )
