"""The rule of claim D6 on planted tables whose verdict is known."""

import numpy as np
import pandas as pd
import pytest

from nncourse.claims.decoder_place import cases, decoding_at_the_door, tiles

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 0.9, -0.6, 0.8, -0.5)
# By measure and place; the ratios of plain over dma are 2 for bytes and 1.5 for energy.
MEASURES = {
    "chip_held_bytes": {"plain": 100.0, "dram": 100.0, "dma": 100.0, "pe": 50.0},
    "dram_bytes": {"plain": 1000.0, "dram": 1000.0, "dma": 500.0, "pe": 500.0},
    "energy_pj": {"plain": 3000.0, "dram": 3000.0, "dma": 2000.0, "pe": 1900.0},
    "cycles": {"plain": 10.0, "dram": 10.0, "dma": 8.0, "pe": 8.0},
    "one_decoder_cycles": {"plain": 10.0, "dram": 10.0, "dma": 24.0, "pe": 99.0},
    "decoder_bytes_per_cycle": {"plain": 0.0, "dram": 0.0, "dma": 4.0, "pe": 16.0},
    "table_bytes": {"plain": 0.0, "dram": 0.0, "dma": 4.0, "pe": 16 * 1024.0},
}
# Of 1000 bytes 500 are left, one behind the other.
TILES = {
    256: {"packed_bytes": 500, "slots_bytes": 600, "table_bytes": 50, "variation": 0.2},
    4096: {"packed_bytes": 500, "slots_bytes": 550, "table_bytes": 10, "variation": 0.1},
}


def d6_table(change=None, noise=STEADY, cases=(("lenet-5", "int8", "edge"),)):
    """Rows of D6; ``change`` takes the place of numbers in ``MEASURES``, noise moves what dma moves."""
    rows = []
    for seed, shift in enumerate(noise):
        for case in cases:
            start = (seed, "mnist", *case)
            for measure, places in MEASURES.items():
                for place, value in (places | (change or {}).get(measure, {})).items():
                    moves = place == "dma" and measure in ("dram_bytes", "energy_pj")
                    rows.append((*start, place, 0, measure, value * (1 + shift * moves)))
            for tile, measures in TILES.items():
                for measure, value in (measures | {"decoded_bytes": 1000}).items():
                    rows.append((*start[:-1], "none", "none", tile, measure, float(value)))
    columns = ["seed", "data", "network", "recipe", "machine", "place", "tile", "measure", "value"]
    return pd.DataFrame(rows, columns=columns).drop_duplicates()


TWO = (("lenet-5", "int8", "edge"), ("resnet-8", "pruned", "server"))


def test_less_outside_and_as_much_inside_hold():
    found = decoding_at_the_door(d6_table(cases=TWO))
    assert (found.verdict, found.margin, found.n) == ("holds", 0.0, 5)
    assert found.statistic == pytest.approx(50, rel=1e-3)
    assert found.interval[0] < 50 < found.interval[1]
    assert "50.0% to 50.0% fewer bytes" in found.reason
    assert "33.3% to 33.3% less energy" in found.reason
    assert found.networks == ("lenet-5", "resnet-8")


def test_a_flipped_table_flips_the_verdict():
    flipped = {
        name: {"plain": MEASURES[name]["dma"], "dram": MEASURES[name]["dma"]}
        | {"dma": MEASURES[name]["plain"]}
        for name in ("dram_bytes", "energy_pj")
    }
    found = decoding_at_the_door(d6_table(flipped))
    assert (found.verdict, found.statistic) == ("does not hold here", pytest.approx(-100, rel=1e-3))
    assert "in no case" in found.reason


@pytest.mark.parametrize("held", [99.0, 101.0])
def test_on_chip_storage_that_changes_refutes_it_though_outside_is_saved(held):
    table = d6_table(cases=TWO)
    where = (table["measure"] == "chip_held_bytes") & (table["place"] == "dma")
    where &= (table["network"] == "resnet-8") & (table["seed"] == 3)
    table.loc[where, "value"] = held
    found = decoding_at_the_door(table)
    assert found.verdict == "does not hold here"
    assert "changes what is held on chip: resnet-8, pruned, on server" in found.reason


@pytest.mark.parametrize("measure", ["dram_bytes", "energy_pj"])
def test_a_saving_that_decoding_into_dram_has_too_is_not_that_of_the_door(measure):
    found = decoding_at_the_door(d6_table({measure: {"dram": MEASURES[measure]["dma"]}}))
    assert found.verdict == "does not hold here"
    assert "Decoding into DRAM" in found.reason


@pytest.mark.parametrize("measure", ["dram_bytes", "energy_pj"])
def test_bandwidth_without_energy_and_energy_without_bandwidth_are_conditions(measure):
    table = d6_table(cases=TWO)
    where = (table["measure"] == measure) & (table["place"] == "dma")
    table.loc[where & (table["network"] == "lenet-5"), "value"] = MEASURES[measure]["plain"]
    found = decoding_at_the_door(table)
    assert found.verdict == "holds with conditions"
    assert "lenet-5, int8, on edge" in found.reason
    assert "resnet-8" not in found.reason


def test_seeds_that_disagree_show_no_saving():
    weak = {"dram_bytes": {"dma": 900.0}, "energy_pj": {"dma": 2900.0}}
    found = decoding_at_the_door(d6_table(weak, noise=NOISY))
    assert found.verdict == "does not hold here"
    assert found.interval[0] < 0


def test_the_statistic_is_that_of_the_case_with_the_least_saving():
    table = d6_table(cases=TWO)
    where = (table["measure"] == "dram_bytes") & (table["place"] == "dma")
    table.loc[where & (table["network"] == "resnet-8"), "value"] = 800.0
    assert decoding_at_the_door(table).statistic == pytest.approx(20)


def test_four_seeds_are_too_few_though_they_agree():
    found = decoding_at_the_door(d6_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_a_case_tells_what_the_cells_would_need_and_hold():
    (case,) = cases(d6_table(noise=(0.0,) * 5))
    assert (case.held, case.door_rate, case.cell_rate, case.waiting) == (2.0, 4.0, 16.0, 3.0)
    assert (case.traffic, case.energy) == (2.0, 1.5)
    assert (case.traffic_log.low, case.traffic_log.high) == pytest.approx((np.log(2), np.log(2)))


def test_tiles_are_measured_by_what_is_left_of_the_decoded_bytes():
    found = tiles(d6_table()).set_index("tile")
    assert found["packed"].tolist() == [0.5, 0.5]
    assert found["slots"].tolist() == [0.6, 0.55]
    assert found["table"].tolist() == [0.55, 0.51]
    assert found["variation"].tolist() == [0.2, 0.1]


def test_the_statistics_of_tiles_decide_nothing():
    table = d6_table()
    table.loc[table["tile"] > 0, "value"] *= 3
    assert decoding_at_the_door(table).verdict == "holds"


def test_both_voices_tell_their_numbers():
    found = decoding_at_the_door(d6_table())
    assert "tiles of 256 weights" in found.software
    assert "int8 50%, 60% in slots" in found.software
    assert "55% with a table of addresses" in found.software
    assert "4.00 to 4.00 bytes a cycle" in found.hardware
    assert "3.0 times as long" in found.hardware
    assert "16.00 to 16.00" in found.hardware
    assert "2.00 to 2.00 times more weights, and up to 16 KB" in found.hardware


@pytest.mark.parametrize("place", ["plain", "dram", "dma", "pe"])
def test_a_missing_place_is_named(place):
    table = d6_table()
    with pytest.raises(ValueError, match=f"place={place}"):
        decoding_at_the_door(table[table["place"] != place])


def test_a_missing_part_is_named():
    table = d6_table()
    with pytest.raises(ValueError, match="no row of tiles"):
        decoding_at_the_door(table[table["machine"] != "none"])
    with pytest.raises(ValueError, match="no row of a machine"):
        decoding_at_the_door(table[table["machine"] == "none"])
    with pytest.raises(ValueError, match="place"):
        decoding_at_the_door(table.drop(columns="place"))


def test_a_seed_counted_twice_and_arms_that_are_not_paired_are_refused():
    table = d6_table()
    with pytest.raises(ValueError, match="two rows of one seed"):
        decoding_at_the_door(pd.concat([table, table]))
    gone = (table["seed"] == 4) & (table["place"] == "dma") & (table["measure"] == "dram_bytes")
    with pytest.raises(ValueError, match="not paired"):
        decoding_at_the_door(table[~gone])
