"""The six numbers: what each of them may and may not do when bytes, widths, masks or batches change."""

from dataclasses import replace

import numpy as np
import pytest

from nncourse.accelerator import EDGE, FUSIBLE, WEIGHT_SERIAL, Gemm
from nncourse.scorecard import SIX, scorecard

LAYERS = [Gemm("conv", 576, 20, 25, input_words=784), Gemm("fc", 1, 500, 800, input_words=800)]
BYTES = 400_500


def card(**changes):
    arguments = {"stored_bytes": BYTES, "bits": 8, **changes}
    return scorecard(LAYERS, arguments.pop("accelerator", EDGE), **arguments)


def test_the_six_numbers_are_the_totals_of_the_machines_account():
    whole = card()
    table = whole.table()
    assert whole.storage_bytes == BYTES
    assert whole.operations == 576 * 20 * 25 + 500 * 800
    assert whole.latency_s == pytest.approx(whole.report.cycles.sum() / 500e6)
    assert whole.inferences_per_s == pytest.approx(1 / whole.latency_s)
    assert whole.energy_pj == pytest.approx(
        table[["mac_pj", "sram_pj", "dram_pj"]].sum().sum(), rel=1e-4
    )
    assert list(whole.six().index) == list(SIX)


def test_a_total_is_shared_out_by_weights_times_width_and_equals_the_same_by_layer():
    shared = card(stored_bytes=(500 * 8 + 400_000 * 4) // 8, bits={"conv": 8, "fc": 4})
    by_layer = card(stored_bytes={"conv": 500, "fc": 200_000}, bits={"conv": 8, "fc": 4})
    assert shared.six().equals(by_layer.six())


def test_half_the_bytes_on_a_fixed_array_save_traffic_and_energy_but_no_operation():
    gain = card().compare(card(stored_bytes=BYTES // 2, bits=4)).gain
    assert gain["storage_bytes"] == pytest.approx(2, rel=1e-3)
    assert 1 < gain["latency_s"] < 2
    assert 1 < gain["energy_pj"] < 2
    assert gain["operations"] == 1
    assert gain["inferences_per_s"] == gain["latency_s"]


def test_dense_hardware_saves_no_time_on_a_mask_only_operations():
    mask = np.zeros((500, 800), dtype=bool)
    mask[:, ::4] = True
    gain = card().compare(card(masks={"fc": mask})).gain
    assert gain["operations"] == pytest.approx((288_000 + 400_000) / (288_000 + 100_000), abs=1e-3)
    assert gain["latency_s"] == gain["energy_pj"] == 1


def test_a_batch_raises_throughput_and_latency_and_shares_the_weights():
    one, many = card(), card(batch=64)
    assert many.latency_s > one.latency_s
    assert many.inferences_per_s > one.inferences_per_s
    assert many.dram_bytes < one.dram_bytes
    assert many.operations == one.operations


def test_a_machine_for_floats_takes_float_widths():
    floats = card(accelerator=EDGE.with_datapath("fp32"), bits="fp32", stored_bytes=4 * BYTES)
    assert floats.energy_pj > 3.9 * card().energy_pj
    assert floats.dram_bytes == pytest.approx(4 * card().dram_bytes)


def test_weights_used_twice_are_stored_once_and_fetched_twice():
    again = replace(LAYERS[1], name="fc#2", repeat_of="fc")
    once = card()
    mask = {"fc": np.arange(400_000) % 4 == 0}
    for stored in (BYTES, {"conv": 500, "fc": 400_000}):
        twice = scorecard(
            [*LAYERS, again], EDGE, stored_bytes=stored, bits={"conv": 8, "fc": 8}, masks=mask
        )
        assert twice.storage_bytes == once.storage_bytes
        assert twice.dram_bytes == pytest.approx(once.dram_bytes + 400_000 + 800 + 500)
        assert twice.operations == 288_000 + 2 * 100_000


def test_products_without_weights_need_no_width_and_carry_no_stored_byte():
    scores = Gemm("scores", 10, 10, 4, 2, has_weights=False)
    mixed = scorecard([*LAYERS, scores], EDGE, stored_bytes=BYTES, bits={"conv": 8, "fc": 8})
    assert mixed.dram_bytes == pytest.approx(card().dram_bytes + 80 + 80 + 200)


def test_other_names_count_as_storage_only():
    with_header = card(stored_bytes={"conv": 500, "fc": 400_000, "header": 64})
    assert with_header.storage_bytes == BYTES + 64
    assert with_header.dram_bytes == pytest.approx(card().dram_bytes)


def test_two_bit_weights_on_a_fixed_array_shrink_storage_and_traffic_and_no_cycle():
    wide, narrow = card(), card(stored_bytes=BYTES // 4, bits=2)
    gain = wide.compare(narrow).gain
    assert gain["storage_bytes"] == pytest.approx(4, rel=1e-3)
    assert gain["dram_bytes"] > 3
    np.testing.assert_array_equal(narrow.report.compute_cycles, wide.report.compute_cycles)


def test_narrow_activations_save_traffic_by_layer():
    wide, narrow = card(), card(activation_bits={"conv": 8, "fc": 4})
    # What conv writes and fc reads takes half; the image and the last outputs stay.
    assert wide.dram_bytes - narrow.dram_bytes == (576 * 20 + 800) / 2
    assert card(activation_bits=8).six().equals(wide.six())
    assert card(activation_bits="int4").six().equals(card(activation_bits=4).six())


def test_cells_that_part_save_cycles_in_the_layers_that_are_narrow():
    machine = EDGE.with_cell(FUSIBLE)
    wide = card(accelerator=machine).report.compute_cycles
    narrow = card(accelerator=machine, bits={"conv": 8, "fc": 2}).report.compute_cycles
    assert narrow[0] == wide[0]
    assert narrow[1] == pytest.approx(wide[1] / 4, rel=0.05)
    both = card(accelerator=machine, bits=2, activation_bits={"conv": 8, "fc": 2})
    assert both.report.compute_cycles[1] < narrow[1]


def test_a_cell_without_a_price_has_cycles_and_no_energy():
    serial = card(accelerator=EDGE.with_cell(WEIGHT_SERIAL), bits=3)
    assert serial.report.compute_cycles.sum() < card().report.compute_cycles.sum() / 2
    assert np.isnan(serial.energy_pj)


@pytest.mark.parametrize("name", ["fp8_e4m3", "mxfp8", "fp6_e3m2", "nvfp4", "int4", "ternary"])
def test_every_format_that_a_float_datapath_can_widen_is_accepted(name):
    machine = EDGE.with_datapath("fp8_e4m3")
    assert card(accelerator=machine, bits=name).storage_bytes == BYTES


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bits": "fp32"}, r"do not fit the datapath int8.*with_datapath"),
        ({"bits": "fp8_e4m3"}, r"fp8_e4m3 weights of 'conv' do not fit the datapath int8"),
        ({"bits": 16}, r"16-bit weights of 'conv' do not fit"),
        ({"stored_bytes": {"conv": 1, "fc": 1, "header": -1}}, "whole numbers"),
        ({"bits": 0}, "whole number from 1 to 64"),
        ({"activation_bits": 0}, "activation_bits of 'conv' is a whole number"),
        ({"activation_bits": 16}, "activation_bits: the 16-bit activations of 'conv' do not fit"),
        ({"activation_bits": {"conv": 8}}, "activation_bits says nothing about the layer 'fc'"),
        (
            {"accelerator": EDGE.with_cell(FUSIBLE), "bits": 16},
            "fusible cell takes integers of up to 8",
        ),
        ({"bits": "int99"}, "whole bits or one of"),
        ({"bits": {"conv": 8}}, "nothing about the layer 'fc'"),
        ({"stored_bytes": 0}, "length of the stored network"),
        ({"stored_bytes": 10.5}, "length of the stored network"),
        ({"stored_bytes": {"conv": 1}}, "nothing about the layer 'fc'"),
        ({"stored_bytes": {"conv": 1, "fc": 0.5}}, "whole numbers"),
        ({"masks": {"fc2": np.ones(1, dtype=bool)}}, "'fc2'; those there are"),
        ({"masks": {"fc": np.ones(10, dtype=bool)}}, "400000 entries"),
        ({"masks": {"fc": np.ones(400_000)}}, "boolean"),
        ({"batch": 0}, "batch"),
    ],
)
def test_bad_input_is_named(changes, said):
    with pytest.raises(ValueError, match=said):
        card(**changes)


def test_layers_need_names_of_their_own_and_there_must_be_some():
    with pytest.raises(ValueError, match="one name twice"):
        scorecard([LAYERS[0], LAYERS[0]], EDGE, stored_bytes=1, bits=8)
    with pytest.raises(ValueError, match="layers is empty"):
        scorecard([], EDGE, stored_bytes=1, bits=8)
