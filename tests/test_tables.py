"""The price of decoding in a lane: the sources' entries exactly, the laws between them, and one chip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.accelerator.energy import INT32_ADD_PJ, INT32_ADD_UM2, price
from nncourse.accelerator.tables import (
    ACCUMULATOR_BITS,
    Lane,
    shift_lane,
    table_lane,
    table_um2,
    uniform_lane,
)


def test_sixteen_entries_of_sixteen_bits_take_256_register_bits():
    assert table_um2(16) == pytest.approx(256 * 5.98)
    assert table_lane(4).decode_um2 == pytest.approx(256 * 5.98)
    assert table_lane(4).decode_pj == pytest.approx(16 * 0.009)


@pytest.mark.parametrize("bits", range(2, 17))
def test_equal_widths_cost_what_the_energy_table_says(bits):
    lane = uniform_lane(bits, activation_bits=bits)
    entry = price(f"int{bits}")
    assert lane.multiply_pj == pytest.approx(entry.multiply_pj)
    assert lane.multiply_um2 == pytest.approx(entry.multiply_um2)
    assert (lane.add_pj, lane.add_um2) == (INT32_ADD_PJ, INT32_ADD_UM2)
    assert lane.mark == entry.mark


def test_a_product_of_unequal_widths_lies_between_the_two_equal_ones():
    mixed = uniform_lane(4, activation_bits=8).multiply_um2
    assert price("int4").multiply_um2 < mixed < price("int8").multiply_um2
    assert mixed == pytest.approx(uniform_lane(8, activation_bits=4).multiply_um2)


def test_the_arithmetic_unit_of_eie_costs_about_what_the_sum_of_parts_says():
    # EIE (ISCA 2016, table II), 45 nm: arithmetic with its 16-entry codebook takes 0.49% of 638,024 um2
    # and 12.7% of 9.157 mW at 800 MHz. Its operands have 16 bits. Nothing here was fitted to it.
    unit = table_lane(4, value_bits=16, activation_bits=16)
    assert unit.area_um2 == pytest.approx(0.0049 * 638_024, rel=0.2)
    assert unit.energy_pj == pytest.approx(0.127 * 9.157e-3 / 800e6 * 1e12, rel=0.3)


def test_a_table_shared_by_a_row_costs_each_lane_its_share_and_a_wider_register():
    own, shared = table_lane(4), table_lane(4, lanes_per_table=16)
    assert shared.decode_um2 == pytest.approx(own.decode_um2 / 16)
    assert shared.keep_um2 - own.keep_um2 == pytest.approx((16 - 4) * 5.98)
    assert shared.multiply_um2 == own.multiply_um2
    assert shared.decode_pj == own.decode_pj  # used once, each weight is still looked up once


@given(uses=st.floats(1, 1e6))
def test_only_a_shared_table_gains_from_weights_that_stay(uses):
    shared = table_lane(4, lanes_per_table=16, macs_per_weight=uses)
    assert shared.decode_pj == pytest.approx(16 * 0.009 / uses)
    assert table_lane(4, macs_per_weight=uses).decode_pj == pytest.approx(16 * 0.009)


@given(bits=st.integers(2, 8), value_bits=st.integers(2, 32), activation_bits=st.integers(2, 16))
def test_a_table_never_makes_a_lane_cheaper(bits, value_bits, activation_bits):
    value_bits = max(bits, value_bits)
    lane = table_lane(bits, value_bits=value_bits, activation_bits=activation_bits)
    grid = uniform_lane(bits, activation_bits=activation_bits)
    assert lane.area_um2 > grid.area_um2
    assert lane.energy_pj > grid.energy_pj


@given(bits=st.integers(2, 7), activation_bits=st.integers(2, 16))
def test_wider_codes_never_make_any_lane_cheaper(bits, activation_bits):
    for kind in (uniform_lane, table_lane, shift_lane):
        narrow, wide = (kind(b, activation_bits=activation_bits) for b in (bits, bits + 1))
        assert narrow.area_um2 <= wide.area_um2
        assert narrow.energy_pj <= wide.energy_pj


def test_a_shifter_counted_on_paper():
    # 3 bits: three exponents, shifts of 0 to 2. Stage 1 moves 8 bits by 0 or 1: 9 selectors; stage 2
    # by 0 or 2, of which together at most 2 happen: 10 selectors.
    lane = shift_lane(3)
    assert lane.decode_um2 == pytest.approx(19 * 12 / 28 * 36 / 8)
    assert lane.decode_pj == pytest.approx(19 * 12 / 28 * 0.03 / 8)
    assert shift_lane(2).decode_um2 == 0.0  # one exponent: nothing to shift by
    assert lane.mark == "extrapolated"


def test_no_stage_shifts_past_the_accumulator():
    widest = shift_lane(8, activation_bits=16)
    stages = (ACCUMULATOR_BITS - 16).bit_length()
    assert widest.decode_um2 <= stages * ACCUMULATOR_BITS * 12 / 28 * 36 / 8
    assert shift_lane(8).decode_um2 == shift_lane(7).decode_um2


@given(bits=st.integers(2, 8))
def test_the_parts_add_up(bits):
    for lane in (uniform_lane(bits), table_lane(bits), shift_lane(bits)):
        parts = (lane.decode_um2, lane.multiply_um2, lane.keep_um2, lane.add_um2)
        assert min(parts) >= 0
        assert lane.area_um2 == pytest.approx(sum(parts))
        parts = (lane.decode_pj, lane.multiply_pj, lane.keep_pj, lane.add_pj)
        assert min(parts) >= 0
        assert lane.energy_pj == pytest.approx(sum(parts))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: uniform_lane(1), "bits"),
        (lambda: uniform_lane(4.0), "bits"),
        (lambda: uniform_lane(4, activation_bits=1), "activation_bits"),
        (lambda: table_lane(17), "bits"),
        (lambda: table_lane(4, value_bits=64), "value_bits"),
        (lambda: table_lane(4, lanes_per_table=0), "lanes_per_table"),
        (lambda: table_lane(4, lanes_per_table=4, macs_per_weight=0.5), "macs_per_weight"),
        (lambda: table_lane(4, lanes_per_table=4, macs_per_weight=float("nan")), "macs_per_weight"),
        (lambda: shift_lane(9), "bits"),
        (lambda: table_um2(0), "levels"),
    ],
)
def test_what_cannot_be_priced_is_named(call, named):
    with pytest.raises(ValueError, match=f"^{named} is"):
        call()


def test_a_mark_outside_the_three_is_refused():
    with pytest.raises(ValueError, match="mark is one of"):
        Lane(
            name="x",
            decode_um2=0.0,
            multiply_um2=0.0,
            keep_um2=0.0,
            decode_pj=0.0,
            multiply_pj=0.0,
            keep_pj=0.0,
            mark="guess",
        )
