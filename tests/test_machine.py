"""The machine: one layer worked on paper, and what more bandwidth, memory or cells may never do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.accelerator import (
    ACTIVATION_SERIAL,
    EDGE,
    FUSIBLE,
    SERVER,
    TWO_WIDTH,
    WEIGHT_SERIAL,
    Accelerator,
    Gemm,
    SystolicArray,
)
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


LARGE = Gemm("large", 4096, 256, 4096)
widths = st.integers(1, 8)


def test_narrow_values_save_a_fixed_array_traffic_and_no_cycle():
    wide = EDGE.run([LARGE])
    narrow = EDGE.run([LARGE], weight_bits=2, activation_bits=4)
    np.testing.assert_array_equal(narrow.compute_cycles, wide.compute_cycles)
    np.testing.assert_array_equal(narrow.mac_pj + narrow.sram_pj, wide.mac_pj + wide.sram_pj)
    assert narrow.dram_bytes[0] < wide.dram_bytes[0]


def test_one_layer_of_two_bit_numbers_in_fusible_cells_worked_on_paper():
    report = SMALL.with_cell(FUSIBLE).run(
        [Gemm("fc", 1, 8, 100, input_words=100)], weight_bits=2, activation_bits=2
    )
    # 100 products of a sum take 7 places of 16; 2 x 2 folds of 11 cycles.
    assert report.compute_cycles[0] == 2 * 2 * 11
    # Weights and inputs at two bits, outputs at eight.
    assert report.dram_bytes[0] == 800 / 4 + 100 / 4 + 8
    assert report.mac_pj[0] == pytest.approx(
        800 * PRICES["int8"].mac_pj * FUSIBLE.energy_ratio / 16
    )
    sram_bytes = (100 * 2 + 800) / 4 + 4 * (8 * 2 + 8)
    assert report.sram_pj[0] == pytest.approx(sram_bytes * sram_pj_per_byte(8192))


@pytest.mark.parametrize("dataflow", ["ws", "os", "is"])
@pytest.mark.parametrize("bits", [(8, 8), (8, 4), (4, 4), (2, 8), (3, 5), (2, 2)])
def test_parting_cells_meet_the_division_by_products_in_a_large_layer(dataflow, bits):
    machine = replace(EDGE, array=SystolicArray(16, 16, dataflow))
    activation_bits, weight_bits = bits
    products = FUSIBLE.products(activation_bits=activation_bits, weight_bits=weight_bits)
    report = machine.with_cell(FUSIBLE).run(
        [LARGE], activation_bits=activation_bits, weight_bits=weight_bits
    )
    # Filling and draining are not divided: what an output-stationary fold of 4096 / 16 steps spends on it
    # is 30 cycles, about an eighth.
    gain = machine.run([LARGE]).compute_cycles[0] / report.compute_cycles[0]
    assert gain <= products
    assert gain == pytest.approx(products, rel=0.12 if dataflow == "os" else 1e-9)


@given(st.integers(1, 3000), st.integers(1, 300), widths, widths)
def test_cells_that_part_fold_a_sum_like_an_array_of_as_many_times_the_rows(k, n, a, w):
    products = int(FUSIBLE.products(activation_bits=a, weight_bits=w))
    parted = EDGE.with_cell(FUSIBLE).run([Gemm("any", 50, n, k)], activation_bits=a, weight_bits=w)
    taller = SystolicArray(16 * products, 16)
    folds = taller.cycles_of(50, n, k) // (2 * taller.rows + taller.cols + 50 - 2)
    assert parted.compute_cycles[0] == folds * (2 * 16 + 16 + 50 - 2)


def test_a_sum_shorter_than_the_cell_leaves_part_of_it_idle():
    depthwise = Gemm("depthwise", 1024, 1, 9, groups=64)
    fixed, parted = (
        machine.run([depthwise], weight_bits=2, activation_bits=2)
        for machine in (EDGE, EDGE.with_cell(FUSIBLE))
    )
    assert parted.compute_cycles[0] == fixed.compute_cycles[0]  # one fold as before
    assert parted.utilization[0] < fixed.utilization[0]


@given(layers, widths, widths)
def test_narrower_numbers_never_take_longer_or_cost_more_in_any_cell(layers, a, w):
    for cell in (FUSIBLE, TWO_WIDTH, ACTIVATION_SERIAL, WEIGHT_SERIAL):
        machine = EDGE.with_cell(cell)
        wide, narrow = machine.run(layers), machine.run(layers, activation_bits=a, weight_bits=w)
        assert (narrow.compute_cycles <= wide.compute_cycles).all()
        assert (narrow.dram_bytes <= wide.dram_bytes).all()
        assert (narrow.utilization <= 1 + 1e-12).all()
        if cell.energy_ratio is not None:
            assert (narrow.energy_pj <= wide.energy_pj).all()
        else:
            assert np.isnan(narrow.energy_pj).all()


def test_serial_cells_take_time_in_proportion_to_the_bits_of_one_operand():
    fixed = EDGE.run([LARGE]).compute_cycles[0]
    for bits in range(1, 9):
        expected = np.ceil(fixed * bits / 8)
        by_weights = EDGE.with_cell(WEIGHT_SERIAL).run([LARGE], weight_bits=bits)
        by_inputs = EDGE.with_cell(ACTIVATION_SERIAL).run([LARGE], activation_bits=bits)
        assert by_weights.compute_cycles[0] == by_inputs.compute_cycles[0] == expected
        other = EDGE.with_cell(ACTIVATION_SERIAL).run([LARGE], weight_bits=bits)
        assert other.compute_cycles[0] == fixed


def test_each_layer_has_widths_of_its_own_and_writes_what_the_next_one_reads():
    pair = [Gemm("a", 1, 10, 16, input_words=16), Gemm("b", 1, 4, 10, input_words=10)]
    report = SMALL.run(pair, weight_bits=[2, 4], activation_bits=[8, 4])
    assert report.dram_bytes.tolist() == [160 / 4 + 16 + 10 / 2, 40 / 2 + 10 / 2 + 4]


def test_where_both_sides_are_computed_both_have_the_width_of_activations():
    scores = Gemm("scores", 64, 64, 64, has_weights=False)
    machine = EDGE.with_cell(FUSIBLE)
    four = machine.run([scores], activation_bits=4, weight_bits=2)
    assert four.products[0] == 4
    assert four.compute_cycles[0] < machine.run([scores], weight_bits=2).compute_cycles[0]


def test_on_equal_area_fusible_cells_lose_at_eight_bits_and_win_at_two():
    fixed = EDGE.run([LARGE]).compute_cycles[0]
    machine = EDGE.with_cell(FUSIBLE, equal_area=True)
    cycles = [
        machine.run([LARGE], weight_bits=bits, activation_bits=bits).compute_cycles[0]
        for bits in (8, 4, 2)
    ]
    gains = [fixed / one for one in cycles]
    by_area = FUSIBLE.gain_per_area(activation_bits=[8, 4, 2], weight_bits=[8, 4, 2])
    assert gains[0] < 1 < gains[1] < gains[2]
    assert gains == pytest.approx(by_area, rel=0.06)  # 100 cells, where 101.6 would fit


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: EDGE.run([]), "layers is empty"),
        (lambda: EDGE.run(resnet50(), weight_bytes=[1.0]), "one size"),
        (lambda: EDGE.run([Gemm("fc", 1, 1, 1)], weight_bytes=[-1]), "at least 0"),
        (lambda: EDGE.with_datapath("fp7"), "format is one of"),
        (lambda: EDGE.with_datapath("fp32").with_cell(FUSIBLE), "needs the datapath int8"),
        (lambda: EDGE.with_cell(FUSIBLE).with_datapath("int4"), "needs the datapath int8"),
        (lambda: EDGE.with_cell(WEIGHT_SERIAL, equal_area=True), "no price"),
        (lambda: EDGE.with_cell(FUSIBLE).with_cell(TWO_WIDTH, equal_area=True), "fixed cells"),
        (lambda: SMALL.run([LARGE], weight_bits=9), "1 to 8, the datapath int8"),
        (lambda: SMALL.run([LARGE], weight_bits=0), "weight_bits are whole"),
        (lambda: SMALL.run([LARGE], activation_bits=2.5), "activation_bits are whole"),
        (lambda: SMALL.run([LARGE], activation_bits=[8, 8]), "one for each of 1 layers"),
        (lambda: replace(EDGE, sram_bytes=0), "sram_bytes is above 0"),
        (lambda: replace(EDGE, clock_hz=-1), "clock_hz is above 0"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
