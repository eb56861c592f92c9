"""Where compressed weights are decoded: what each place moves, holds, spends and asks of a decoder.

The same stored weights on the same machine, decoded in four places:

- ``plain``: nowhere; weights are stored, moved and held as they are computed with;
- ``dram``: once, when the network is loaded; the file is small, and from DRAM on all is as in ``plain``;
- ``dma``: at every fetch, on the way from DRAM into the chip; on-chip memory holds decoded weights;
- ``pe``: at the cells; on-chip memory holds stored weights, and every read of one is decoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator import Accelerator, Decoder, Gemm, Lanes, Report, SystolicArray
from nncourse.accelerator.energy import sram_pj_per_byte

PLACES = ("plain", "dram", "dma", "pe")
TABLE_BYTES = 8 * 1024
ENTRY_BYTES = 2
DECODE_PJ = ENTRY_BYTES * sram_pj_per_byte(TABLE_BYTES)
"""Of one decoded weight: one look-up in a table of 4,096 entries, a symbol and its length each."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One network on one machine with its decoder in one place, for one inference.

    file_bytes               of the weights on a disk
    dram_held_bytes          of the weights in DRAM
    chip_held_bytes          of the largest layer's weights in on-chip memory
    dram_bytes               moved over the channel
    energy_pj                of the whole inference, decoder included
    cycles                   with decoders enough that nothing waits for them
    decoder_bytes_per_cycle  decoded bytes that this takes: at the door the need of the busiest layer on
                             average, since the buffer evens it out; at the cells what they take in a
                             cycle, since nothing lies between; 0 where nothing is decoded while it runs
    table_bytes              of the tables of as many decoders of one weight a cycle, each with its own
    one_decoder_cycles       with a single decoder of one weight a cycle
    """

    file_bytes: int
    dram_held_bytes: int
    chip_held_bytes: int
    dram_bytes: float
    energy_pj: float
    cycles: float
    decoder_bytes_per_cycle: float
    table_bytes: int
    one_decoder_cycles: float


def placed(
    layers: Sequence[Gemm],
    machine: Accelerator,
    *,
    stored_bytes: Mapping[str, int],
    place: str,
) -> Placed:
    """What decoding in ``place`` makes of one inference.

    layers        of the network, for one inference
    machine       without a decoder of its own
    stored_bytes  of each layer's compressed weights, by name
    place         one of ``PLACES``

    A weight takes a word of the datapath once it is decoded. A layer that is no smaller stored than
    decoded is left as it is, and nothing decodes it.
    """
    if place not in PLACES:
        raise ValueError(f"place is one of {', '.join(PLACES)}; got {place!r}")
    names = [layer.weights_name for layer in layers]
    missing = [name for name in names if name not in stored_bytes]
    if missing:
        raise ValueError(f"stored_bytes says nothing about the layer {missing[0]!r}")
    decoded = {
        layer.weights_name: round(layer.weight_words * machine.word_bytes) for layer in layers
    }
    stored = {name: stored_bytes[name] for name in decoded}
    moved = stored if place in ("dma", "pe") else decoded
    held = stored if place == "pe" else decoded
    weight_bytes = [moved[name] for name in names]
    is_coded = np.array([stored[name] < decoded[name] for name in names])

    def run(weights_per_cycle: float) -> Report:
        """With decoders that give as many weights a cycle, where there are any."""
        decoder = None
        if place in ("dma", "pe"):
            decoder = Decoder(
                bytes_per_cycle=weights_per_cycle * machine.word_bytes,
                pj_per_byte=DECODE_PJ / machine.word_bytes,
                where=place,
            )
        report = machine.with_decoder(decoder).run(layers, weight_bytes=weight_bytes)
        return replace(
            report,
            decode_cycles=np.where(is_coded, report.decode_cycles, 0.0),
            decode_pj=np.where(is_coded, report.decode_pj, 0.0),
        )

    fed, slow = run(inf), run(1)
    needed = {
        "dma": float((slow.decode_cycles / fed.cycles).max()),
        "pe": float(_intake(machine)),
    }.get(place, 0.0)
    return Placed(
        file_bytes=sum((decoded if place == "plain" else stored).values()),
        dram_held_bytes=sum(moved.values()),
        chip_held_bytes=max(held.values()),
        dram_bytes=float(fed.dram_bytes.sum()),
        energy_pj=float(fed.energy_pj.sum()),
        cycles=float(fed.cycles.sum()),
        decoder_bytes_per_cycle=needed * machine.word_bytes,
        table_bytes=ceil(needed) * TABLE_BYTES,
        one_decoder_cycles=float(slow.cycles.sum()),
    )


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Compressed tiles of equal numbers of weights, seen by who has to know their addresses.

    Every tile begins at a whole byte.

    decoded_bytes  of all tiles
    packed_bytes   of all tiles, one behind the other
    slots_bytes    of all tiles, each in a slot as large as the largest tile of its layer, so that addresses
                   are multiples; nothing follows the last tile of a layer
    table_bytes    of a table that holds the address of every tile, four bytes each
    variation      standard deviation over mean of the tiles of a layer, averaged over the layers with
                   as many bytes as they have; tiles at the end of a layer left out where they are short
    """

    decoded_bytes: int
    packed_bytes: int
    slots_bytes: int
    table_bytes: int
    variation: float


ADDRESS_BYTES = 4


def tiled(bits: Mapping[str, NDArray[np.integer]], *, weights: int, word_bits: int = 8) -> Tiles:
    """Layers cut into tiles of ``weights`` weights each, the last of a layer shorter.

    bits       that each weight takes in its compressed form, by layer, in the order of storage
    weights    of a tile
    word_bits  of a decoded weight
    """
    if weights < 1:
        raise ValueError(f"weights of a tile are at least 1; got {weights}")
    decoded = packed = slots = table = 0
    spread = whole_bytes = 0.0
    for each in bits.values():
        flat = np.asarray(each, dtype=np.int64).ravel()
        tiles = -(-np.add.reduceat(flat, np.arange(0, flat.size, weights)) // 8)
        decoded += -(-flat.size * word_bits // 8)
        packed += int(tiles.sum())
        slots += int(tiles.max()) * (tiles.size - 1) + int(tiles[-1])
        table += ADDRESS_BYTES * tiles.size
        whole = tiles[: flat.size // weights]
        if whole.size > 1:
            spread += float(whole.std()) * whole.size
            whole_bytes += float(whole.sum())
    return Tiles(
        decoded_bytes=decoded,
        packed_bytes=packed,
        slots_bytes=slots,
        table_bytes=table,
        variation=spread / whole_bytes if whole_bytes else 0.0,
    )


def _intake(machine: Accelerator) -> int:
    """Weights that the cells take in one cycle: a row of the array while it is filled, one a lane."""
    array = machine.array
    if isinstance(array, Lanes):
        return array.cells
    assert isinstance(array, SystolicArray)
    return array.cols
