"""The machine: one layer worked on paper, and what more bandwidth, memory or cells may never do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.accelerator import EDGE, SERVER, Accelerator, Gemm, SystolicArray
from nncourse.accelerator.energy import DRAM_PJ_PER_BYTE, PRICES, sram_pj_per_byte
from nncourse.accelerator.workloads import resnet50

SMALL = Accelerator(
    name="small", array=SystolicArray(4, 4), sram_bytes=8192, dram_bytes_per_cycle=2, clock_hz=1e6
)


def test_one_layer_worked_on_paper():
    report = SMALL.run([Gemm("fc", 1, 8, 8, input_words=8)])
    # 2 x 2 folds of 4 x 4 weights, each 2*4 + 4 + 1 - 2 = 11 cycles.
    assert report.compute_cycles[0] == 44
    # 64 weights + 8 inputs + 8 outputs, a byte each, once.
    assert report.dram_bytes[0] == 80
    assert report.cycles[0] == 44
    assert report.mac_pj[0] == pytest.approx(64 * PRICES["int8"].mac_pj)
    # Inputs are read for both columns of folds, weights once; partial sums (4 bytes) are written twice
    # and read back once.
    sram_bytes = 8 * 2 + 64 + 4 * (8 * 2 + 8)
    assert report.sram_pj[0] == pytest.approx(sram_bytes * sram_pj_per_byte(8192))
    assert report.dram_pj[0] == pytest.approx(80 * DRAM_PJ_PER_BYTE)
    assert report.table().loc["fc", "bound"] == "array"


def test_a_layer_larger_than_the_memory_streams_the_smaller_side_again():
    # 4096 weights, 64 inputs: two slices of weights in a 2048-byte buffer, or the inputs kept once.
    assert SMALL.run([Gemm("fc", 1, 64, 64, input_words=64)]).dram_bytes[0] == 4096 + 64 + 64
    # 4096 weights, 40960 inputs: keeping weights reads the inputs twice (86016), keeping inputs reads the
    # weights 20 times (122880).
    both = Gemm("conv", 640, 64, 64, input_words=40960)
    assert SMALL.run([both]).dram_bytes[0] == 4096 + 2 * 40960 + both.output_words


def test_groups_are_sliced_one_by_one():
    # Each group's 1024 weights fit the 2048-byte buffer, though the 8 of them together do not.
    one = Gemm("head", 32, 32, 32, input_words=1024)
    eight = replace(one, groups=8, input_words=8 * 1024)
    assert SMALL.run([eight]).dram_bytes[0] == 8 * SMALL.run([one]).dram_bytes[0] == 8 * 3 * 1024


def test_attention_moves_as_much_for_each_input_of_a_batch_as_for_one():
    scores = Gemm("scores", 197, 197, 64, 12, has_weights=False)
    assert EDGE.run([scores.batched(64)]).dram_bytes[0] == 64 * EDGE.run([scores]).dram_bytes[0]


def test_stored_bytes_decide_the_traffic_of_weights_and_nothing_else():
    layers = [Gemm("fc", 1, 64, 64, input_words=64)]
    dense, packed = SMALL.run(layers), SMALL.run(layers, weight_bytes=[1000])
    assert dense.dram_bytes[0] - packed.dram_bytes[0] == 4096 - 1000
    np.testing.assert_array_equal(dense.compute_cycles, packed.compute_cycles)
    np.testing.assert_array_equal(dense.mac_pj + dense.sram_pj, packed.mac_pj + packed.sram_pj)


layers = st.lists(
    st.builds(
        lambda m, n, k, g: Gemm("any", m, n, k, g), *(st.integers(1, 400),) * 3, st.integers(1, 8)
    ),
    min_size=1,
    max_size=5,
)


@given(layers)
def test_more_bandwidth_never_slows_and_more_memory_never_adds_traffic(layers):
    base = EDGE.run(layers)
    wide = replace(EDGE, dram_bytes_per_cycle=2 * EDGE.dram_bytes_per_cycle).run(layers)
    large = replace(EDGE, sram_bytes=2 * EDGE.sram_bytes).run(layers)
    assert (wide.cycles <= base.cycles).all()
    assert (large.dram_bytes <= base.dram_bytes).all()
    assert (base.cycles >= base.compute_cycles).all()
    assert (base.cycles >= base.dram_cycles).all()
    assert (base.utilization <= 1).all()


@given(layers)
def test_a_wider_datapath_costs_more_energy_and_traffic_in_the_same_compute_cycles(layers):
    narrow, wide = EDGE.run(layers), EDGE.with_datapath("fp32").run(layers)
    assert (wide.energy_pj > narrow.energy_pj).all()
    assert (wide.dram_bytes >= 4 * narrow.dram_bytes * 0.999).all()
    np.testing.assert_array_equal(wide.compute_cycles, narrow.compute_cycles)


def test_resnet_50_is_bound_by_memory_only_where_weights_are_used_once():
    table = EDGE.run(resnet50()).table()
    assert len(table) == 54
    assert table.loc["fc", "bound"] == "DRAM"
    assert table.loc["layer1.0.conv2", "bound"] == "array"


def test_a_large_array_is_quicker_but_less_of_it_is_busy():
    small, large = EDGE.run(resnet50()), SERVER.run(resnet50())
    assert large.cycles.sum() < small.cycles.sum()
    # 64 times the cells, far from 64 times the speed: short sums and small images leave cells idle.
    assert small.cycles.sum() / large.cycles.sum() < 64 / 2


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: EDGE.run([]), "layers is empty"),
        (lambda: EDGE.run(resnet50(), weight_bytes=[1.0]), "one size"),
        (lambda: EDGE.run([Gemm("fc", 1, 1, 1)], weight_bytes=[-1]), "at least 0"),
        (lambda: EDGE.with_datapath("fp7"), "format is one of"),
        (lambda: replace(EDGE, sram_bytes=0), "sram_bytes is above 0"),
        (lambda: replace(EDGE, clock_hz=-1), "clock_hz is above 0"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
