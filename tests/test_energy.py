"""Prices: the anchors of the table exactly, the laws between them, and independent synthesis results."""

import itertools

import pytest

from nncourse.accelerator import energy
from nncourse.accelerator.energy import (
    DATAPATH_BITS,
    DRAM_PJ_PER_BYTE,
    PRICES,
    price,
    sram_pj_per_byte,
)
from nncourse.formats import FORMATS, FloatFormat

# Horowitz, ISSCC 2014: multiply pJ, add pJ, multiply um2, add um2.
TABLE = {
    "int8": (0.2, 0.1, 282, 137),
    "int32": (3.1, 0.1, 3495, 137),
    "fp16": (1.1, 0.4, 1640, 1360),
    "fp32": (3.7, 0.9, 7700, 4184),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_entries_of_the_table_come_back_exactly(name):
    entry = PRICES[name]
    found = (entry.multiply_pj, entry.add_pj, entry.multiply_um2, entry.add_um2)
    assert found == pytest.approx(TABLE[name], rel=1e-12)
    assert entry.mark == "table"


def test_everything_else_is_marked_as_law_or_extrapolation():
    assert {entry.mark for name, entry in PRICES.items() if name not in TABLE} == {
        "law",
        "extrapolated",
    }
    inside = {f"int{bits}" for bits in range(9, 17)}  # between the table's 8 and 32 bits
    assert {name for name, entry in PRICES.items() if entry.mark == "law"} == inside
    assert all(PRICES[name].source for name in PRICES)
    assert set(DATAPATH_BITS) == set(PRICES)


@pytest.mark.parametrize(
    ("wide", "narrow"), [("16b/8b", (2203.24, 687.61)), ("8b/4b", (687.61, 282.24))]
)
def test_the_area_law_is_within_35_percent_of_an_independent_synthesis(wide, narrow):
    # Fixed-width multiply-accumulate units at 45 nm, results of Bit Fusion (ISCA 2018), registers included.
    upper, lower = (int(part.removesuffix("b")) for part in wide.split("/"))
    law = PRICES[f"int{upper}"].mac_um2 / PRICES[f"int{lower}"].mac_um2
    assert law == pytest.approx(narrow[0] / narrow[1], rel=0.35)


def test_every_float_has_a_price_by_its_significand_and_no_block_format_has_one():
    floats = {name: one for name, one in FORMATS.items() if isinstance(one, FloatFormat)}
    assert floats.keys() <= PRICES.keys()
    assert {name: DATAPATH_BITS[name] for name in floats} == {
        name: one.bits for name, one in floats.items()
    }
    ordered = sorted(floats, key=lambda name: floats[name].mantissa_bits)
    for narrow, wide in itertools.pairwise(ordered):
        same = floats[narrow].mantissa_bits == floats[wide].mantissa_bits
        assert (PRICES[narrow].mac_pj == PRICES[wide].mac_pj) == same
        assert PRICES[narrow].mac_um2 <= PRICES[wide].mac_um2
    for name in ("mxfp8", "mxfp4", "nvfp4", "binary", "ternary"):
        with pytest.raises(ValueError, match="format is one of"):
            price(name)


def test_integers_get_cheaper_with_every_bit_but_the_accumulator_stays():
    energies = [PRICES[f"int{bits}"].mac_pj for bits in range(16, 1, -1)]
    assert energies == sorted(energies, reverse=True)
    assert min(energies) > energy.INT32_ADD_PJ


@pytest.mark.parametrize(("kilobytes", "table_pj"), [(8, 10), (32, 20), (1024, 100)])
def test_the_memory_law_meets_the_three_caches_of_the_table(kilobytes, table_pj):
    assert 8 * sram_pj_per_byte(1024 * kilobytes) == pytest.approx(table_pj, rel=0.14)


def test_fetching_a_word_costs_two_hundred_integer_operations_or_more():
    assert DRAM_PJ_PER_BYTE == 160
    assert 4 * DRAM_PJ_PER_BYTE / PRICES["int32"].mac_pj == pytest.approx(200)


def test_unknown_formats_and_sizes_are_named():
    with pytest.raises(ValueError, match="format is one of fp64"):
        price("int7.5")
    with pytest.raises(ValueError, match="capacity_bytes"):
        sram_pj_per_byte(0)
