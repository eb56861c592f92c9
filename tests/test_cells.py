"""Cells of several widths: the published figures, and what an array of them makes of a layer."""

import numpy as np
import pytest

from nncourse.accelerator import (
    EDGE,
    FIXED,
    FUSIBLE,
    SERVER,
    TWO_WIDTH,
    WEIGHT_SERIAL,
    Cell,
    Gemm,
    SystolicArray,
)
from nncourse.accelerator.workloads import resnet50
from nncourse.scorecard import scorecard

LARGE = Gemm("large", 4096, 512, 4608, input_words=4096 * 512)
PARALLEL = (FIXED, TWO_WIDTH, FUSIBLE)


def test_the_areas_and_energies_are_those_of_the_synthesis():
    assert (FIXED.area_um2, FUSIBLE.area_um2) == (687.61, 1733.13)
    assert FIXED.cycle_pj == pytest.approx(0.298, abs=5e-4)
    assert FUSIBLE.relative_area == pytest.approx(2.52, abs=5e-3)


@pytest.mark.parametrize(("bits", "gain"), [(8, 1 / 2.52), (4, 1.59), (2, 6.3)])
def test_the_gain_of_a_fusible_cell_per_area(bits, gain):
    found = FUSIBLE.gain_per_area(activation_bits=bits, weight_bits=bits)
    assert found == pytest.approx(gain, rel=0.01)


def test_a_fusible_cell_breaks_even_at_five_bits_and_a_fixed_one_at_eight():
    assert FUSIBLE.break_even_bits == pytest.approx(5.04, abs=0.005)
    assert FIXED.break_even_bits == 8
    assert FUSIBLE.break_even_bits < TWO_WIDTH.break_even_bits < FIXED.break_even_bits


@pytest.mark.parametrize("activation_bits", range(1, 9))
@pytest.mark.parametrize("weight_bits", range(1, 9))
def test_products_follow_the_widths_rounded_up(activation_bits, weight_bits):
    def up(bits, widths):
        return min(width for width in widths if width >= bits)

    asked = {"activation_bits": activation_bits, "weight_bits": weight_bits}
    for cell in PARALLEL:
        expected = 64 / (up(activation_bits, cell.widths) * up(weight_bits, cell.widths))
        assert cell.products(**asked) == expected
        assert cell.mac_pj(**asked) == pytest.approx(cell.cycle_pj / expected)
    assert WEIGHT_SERIAL.products(**asked) == 8 / weight_bits


def test_a_cell_without_a_price_says_so():
    assert np.isnan(WEIGHT_SERIAL.mac_pj(activation_bits=8, weight_bits=4))
    with pytest.raises(ValueError, match="area of a serial cell is not known"):
        WEIGHT_SERIAL.gain_per_area(activation_bits=8, weight_bits=4)


@pytest.mark.parametrize("cell", [*PARALLEL, WEIGHT_SERIAL])
@pytest.mark.parametrize("weight_bits", [8, 5, 4, 2, 1])
def test_a_large_layer_gains_as_many_times_as_its_cells_make_products(cell, weight_bits):
    asked = {"weight_bits": weight_bits, "activation_bits": 8}
    whole = EDGE.with_cell(FIXED).run([LARGE], **asked)
    found = EDGE.with_cell(cell).run([LARGE], **asked)
    gain = whole.compute_cycles[0] / found.compute_cycles[0]
    assert gain == pytest.approx(cell.products(**asked), rel=0.01)


@pytest.mark.parametrize("dataflow", ["ws", "is"])
def test_fused_cells_act_as_an_array_of_more_rows_up_to_its_fill(dataflow):
    # With k along the rows, p products a cell hold p times as much of a sum.
    machine = EDGE.with_cell(FUSIBLE)
    machine = type(machine)(
        **{**machine.__dict__, "array": SystolicArray(16, 16, dataflow)},
    )
    found = machine.run([LARGE], weight_bits=4, activation_bits=4).compute_cycles[0]
    taller = SystolicArray(64, 16, dataflow)
    folds = taller.cycles(LARGE) - 2 * 48 * -(-LARGE.k // 64) * -(-LARGE.n // 16)
    if dataflow == "ws":
        assert found == folds
    assert found <= taller.cycles(LARGE)


def test_fixed_cells_gain_traffic_from_narrow_weights_but_not_one_cycle():
    layers = resnet50()
    for machine in (EDGE, SERVER, EDGE.with_cell(FIXED)):
        wide = machine.run(layers, weight_bits=8)
        narrow = machine.run(layers, weight_bits=2)
        assert np.array_equal(wide.compute_cycles, narrow.compute_cycles)
        assert np.array_equal(wide.mac_pj, narrow.mac_pj)
        assert narrow.dram_bytes.sum() < wide.dram_bytes.sum()


def test_a_width_for_each_layer_is_that_width_layer_by_layer():
    layers = resnet50()[:6]
    widths = [8, 7, 4, 3, 2, 1]
    machine = EDGE.with_cell(FUSIBLE)
    together = machine.run(layers, weight_bits=widths, activation_bits=widths[::-1])
    for index, layer in enumerate(layers):
        alone = machine.run([layer], weight_bits=widths[index], activation_bits=widths[::-1][index])
        for column in ("compute_cycles", "dram_bytes", "mac_pj", "sram_pj"):
            assert getattr(together, column)[index] == getattr(alone, column)[0]


def test_equal_area_means_at_most_the_area_and_nearly_all_of_it():
    for cell in (TWO_WIDTH, FUSIBLE):
        for machine in (EDGE, SERVER):
            equal = machine.with_cell(cell, equal_area=True)
            share = equal.array.cells * cell.relative_area / machine.array.cells
            assert 0.9 < share <= 1
    assert EDGE.with_cell(FIXED, equal_area=True).array == EDGE.array


def test_the_scorecard_takes_widths_of_weights_and_activations_by_layer():
    layers = [
        Gemm("first", 64, 64, 576, input_words=576 * 8),
        Gemm("second", 64, 64, 576, input_words=576 * 8),
    ]
    machine = EDGE.with_cell(FUSIBLE)
    size = sum(layer.weight_words for layer in layers)
    plain = scorecard(layers, machine, stored_bytes=size, bits=8)
    narrow = scorecard(
        layers,
        machine,
        stored_bytes=size,
        bits={"first": 8, "second": 2},
        activation_bits={"first": 8, "second": 2},
    )
    gain = plain.report.compute_cycles / narrow.report.compute_cycles
    assert gain[0] == 1
    assert gain[1] > 8
    assert narrow.energy_pj < plain.energy_pj


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EDGE.run([LARGE], weight_bits=9), "weight_bits lies in 1 .. 8"),
        (lambda: EDGE.run([LARGE], activation_bits=0), "activation_bits lies in 1 .. 8"),
        (lambda: EDGE.run([LARGE], weight_bits=[8, 8]), "one for each of 1 layers"),
        (lambda: EDGE.run([LARGE], weight_bits=4.5), "one whole number"),
        (lambda: EDGE.with_cell(FUSIBLE).with_datapath("fp32"), "cell is for a datapath of int8"),
        (lambda: FUSIBLE.products(activation_bits=9, weight_bits=4), "in 1 .. 8; got 9"),
        (lambda: Cell(name="x", widths=(4, 2)), "widths ascend"),
        (lambda: Cell(name="x", widths=(2, 4)), "end with it"),
        (lambda: Cell(name="x", widths=(8,), area_um2=1.0), "both known or both None"),
        (lambda: EDGE.with_cell(WEIGHT_SERIAL, equal_area=True), "not known"),
        (
            lambda: scorecard([LARGE], EDGE, stored_bytes=9, bits=8, activation_bits={"x": 8}),
            "says nothing about the layer 'large'",
        ),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
