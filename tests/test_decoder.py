"""Where compressed weights are decoded, and what that moves."""

import pytest

from nncourse.accelerator import EDGE, Decoder, Gemm

LAYERS = [
    Gemm("conv", 196, 64, 288, input_words=12_544),
    Gemm("fc", 1, 512, 1024, input_words=1024),
]
STORED = [64 * 288 / 4, 512 * 1024 / 4]


def report(decoder):
    return EDGE.with_decoder(decoder).run(LAYERS, weight_bytes=STORED)


def test_a_decoder_at_the_channel_leaves_on_chip_memory_as_it_is():
    without, dma = report(None), report(Decoder(bytes_per_cycle=64, pj_per_byte=2.0))
    assert (dma.dram_bytes == without.dram_bytes).all()
    assert (dma.sram_pj == without.sram_pj).all()
    assert dma.decode_cycles.tolist() == [64 * 288 / 64, 512 * 1024 / 64]
    assert dma.decode_pj.tolist() == [2.0 * 64 * 288, 2.0 * 512 * 1024]
    assert (without.decode_cycles == 0).all()


def test_a_decoder_at_the_cells_reads_stored_weights_and_decodes_every_read():
    without, pe = report(None), report(Decoder(bytes_per_cycle=64, pj_per_byte=2.0, where="pe"))
    assert (pe.sram_pj < without.sram_pj).all()
    assert pe.decode_pj.tolist() == [2.0 * 64 * 288, 2.0 * 512 * 1024]  # each is read once here
    assert (pe.dram_bytes <= without.dram_bytes).all()


def test_a_slow_decoder_is_what_a_layer_waits_for():
    slow = report(Decoder(bytes_per_cycle=0.5))
    assert slow.table()["bound"].tolist() == ["decoder", "decoder"]
    assert (slow.cycles == slow.decode_cycles).all()


def test_layers_without_weights_decode_nothing():
    layers = [Gemm("scores", 8, 8, 8, has_weights=False)]
    found = EDGE.with_decoder(Decoder(bytes_per_cycle=1.0, pj_per_byte=1.0)).run(layers)
    assert found.decode_cycles.tolist() == [0]
    assert found.decode_pj.tolist() == [0]


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="bytes_per_cycle is above 0; got 0"):
        Decoder(bytes_per_cycle=0)
    with pytest.raises(ValueError, match="pj_per_byte"):
        Decoder(bytes_per_cycle=1, pj_per_byte=-1)
    with pytest.raises(ValueError, match='where is "dma" or "pe"'):
        Decoder(bytes_per_cycle=1, where="dram")
