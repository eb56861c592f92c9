"""Where weights are decoded: what each place moves, holds and asks of a decoder."""

import numpy as np
import pytest

from nncourse.accelerator import EDGE, Decoder, Gemm, Lanes
from nncourse.accelerator.energy import sram_pj_per_byte
from nncourse.experiments.placements import DECODE_PJ, PLACES, TABLE_BYTES, placed, tiled

LAYERS = [
    Gemm("conv", 196, 64, 288, input_words=12_544),
    Gemm("fc", 1, 512, 1024, input_words=1024),
]
STORED = {"conv": 64 * 288 // 4, "fc": 512 * 1024 // 4}
DECODED = 64 * 288 + 512 * 1024


def by_place(machine=EDGE, stored=STORED):
    return {place: placed(LAYERS, machine, stored_bytes=stored, place=place) for place in PLACES}


def test_each_place_keeps_the_weights_small_up_to_where_it_decodes():
    found = by_place()
    files = {place: one.file_bytes for place, one in found.items()}
    assert files == {"plain": DECODED} | dict.fromkeys(("dram", "dma", "pe"), DECODED // 4)
    held = {place: one.dram_held_bytes for place, one in found.items()}
    assert held == {"plain": DECODED, "dram": DECODED, "dma": DECODED // 4, "pe": DECODED // 4}
    chip = {place: one.chip_held_bytes for place, one in found.items()}
    assert chip == dict.fromkeys(("plain", "dram", "dma"), 512 * 1024) | {"pe": 512 * 256}


def test_decoding_into_dram_moves_and_spends_what_no_compression_does():
    found = by_place()
    for name in ("dram_bytes", "energy_pj", "cycles", "decoder_bytes_per_cycle"):
        assert getattr(found["dram"], name) == getattr(found["plain"], name), name


def test_at_the_door_the_channel_moves_less_by_what_the_weights_shrink():
    found = by_place()
    assert found["plain"].dram_bytes - found["dma"].dram_bytes == pytest.approx(DECODED * 3 / 4)
    saved = found["plain"].energy_pj - found["dma"].energy_pj
    assert saved == pytest.approx(160 * DECODED * 3 / 4 - DECODE_PJ * DECODED)


def test_lanes_that_read_a_weight_for_every_place_decode_it_for_every_place():
    lanes = EDGE.with_array(Lanes(16, group=32))
    at_cells, at_door = (by_place(lanes)[place] for place in ("pe", "dma"))
    reads = 196 * 64 * 288 + 512 * 1024
    # One weight a cycle: the convolution waits for its products, far more than it has weights.
    assert at_cells.one_decoder_cycles == pytest.approx(reads)
    assert at_door.one_decoder_cycles < at_cells.one_decoder_cycles / 3
    plain = by_place(lanes)["plain"]
    saved = 160 * (plain.dram_bytes - at_cells.dram_bytes)
    saved += sram_pj_per_byte(EDGE.sram_bytes) * reads * 3 / 4 - DECODE_PJ * reads
    assert plain.energy_pj - at_cells.energy_pj == pytest.approx(saved)


def test_the_need_at_the_door_is_what_just_keeps_the_busiest_layer_fed():
    found = by_place()["dma"]
    weights = list(STORED.values())
    for share, waits in ((1.0, False), (0.99, True)):
        decoder = Decoder(bytes_per_cycle=share * found.decoder_bytes_per_cycle)
        report = EDGE.with_decoder(decoder).run(LAYERS, weight_bytes=weights)
        assert (report.cycles.sum() > found.cycles * (1 + 1e-9)) == waits


def test_the_need_at_the_cells_is_what_they_take_in_one_cycle():
    assert by_place()["pe"].decoder_bytes_per_cycle == 16
    lanes = EDGE.with_array(Lanes(64, group=32))
    assert by_place(lanes)["pe"].decoder_bytes_per_cycle == 64
    assert by_place()["plain"].decoder_bytes_per_cycle == 0


def test_every_decoder_has_a_table_of_its_own():
    found = by_place()
    assert found["pe"].table_bytes == 16 * TABLE_BYTES
    needed = -(-found["dma"].decoder_bytes_per_cycle // 1)
    assert found["dma"].table_bytes == needed * TABLE_BYTES
    assert found["plain"].table_bytes == found["dram"].table_bytes == 0


def test_a_word_of_two_bytes_is_one_weight_to_the_decoder():
    wide = EDGE.with_datapath("int16")
    found = by_place(wide)
    assert found["plain"].file_bytes == 2 * DECODED
    assert found["pe"].decoder_bytes_per_cycle == 32
    saved = found["plain"].energy_pj - found["dma"].energy_pj
    assert saved == pytest.approx(160 * DECODED * 7 / 4 - DECODE_PJ * DECODED)


@pytest.mark.parametrize("place", ["dma", "pe"])
def test_a_layer_that_is_no_smaller_stored_is_not_decoded(place):
    whole = {layer.name: layer.weight_words for layer in LAYERS}
    plain = by_place(stored=whole)["plain"]
    found = by_place(stored=whole)[place]
    assert (found.energy_pj, found.one_decoder_cycles) == (plain.energy_pj, plain.cycles)
    assert by_place(stored=whole)["dma"].decoder_bytes_per_cycle == 0
    part = by_place(stored=whole | {"fc": 512 * 256})["dma"]
    saved = 160 * 512 * 768 - DECODE_PJ * 512 * 1024
    assert plain.energy_pj - part.energy_pj == pytest.approx(saved)


def test_bad_requests_are_named():
    with pytest.raises(ValueError, match="place is one of plain, dram, dma, pe; got 'gpu'"):
        placed(LAYERS, EDGE, stored_bytes=STORED, place="gpu")
    with pytest.raises(ValueError, match="says nothing about the layer 'fc'"):
        placed(LAYERS, EDGE, stored_bytes={"conv": 1}, place="dma")


def test_tiles_by_hand():
    # Tiles of two weights: 3 + 5 and 12 + 12 bits, then 2 alone: 1, 3 and 1 bytes.
    found = tiled({"layer": np.array([3, 5, 12, 12, 2])}, weights=2)
    assert (found.decoded_bytes, found.packed_bytes) == (5, 5)
    assert (found.slots_bytes, found.table_bytes) == (3 + 3 + 1, 12)
    assert found.variation == pytest.approx(1 / 2)  # of 1 and 3; the short one does not count


def test_slots_are_as_large_as_the_largest_tile_of_their_own_layer():
    found = tiled({"one": np.full(8, 8), "two": np.full(8, 4)}, weights=4)
    assert (found.packed_bytes, found.slots_bytes, found.variation) == (12, 12, 0.0)


def test_one_tile_for_a_layer_smaller_than_a_tile():
    found = tiled({"layer": np.full(3, 4)}, weights=100)
    assert (found.packed_bytes, found.slots_bytes, found.table_bytes) == (2, 2, 4)
    assert found.variation == 0.0
    with pytest.raises(ValueError, match="at least 1; got 0"):
        tiled({"layer": np.full(3, 4)}, weights=0)
