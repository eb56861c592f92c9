"""The rule of claim D5 on planted tables whose verdict is known."""

import numpy as np
import pandas as pd
import pytest

from nncourse.claims.compressed_rows import (
    break_even,
    computed_as_it_is,
    cycle_cases,
    size_cases,
    time_crossings,
)

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 0.9, -0.6, 0.8, -0.5)
CASES = (("lenet-5", 0.2), ("resnet-8", 0.5))
BYTES = {"dense": 900.0, "CSR": 300.0, "run length": 200.0}
CYCLES = {"dense": 1000.0, "engine": 250.0}
TIME = {0.5: 2.0, 0.2: 1.0, 0.05: 0.25}
PAYS = {(8, 4): 0.3, (32, 32): 0.5}


def d5_table(bytes_=None, cycles=None, pays=None, exact=1.0, time=None, noise=STEADY, cases=CASES):
    """Rows of D5 in which CSR is 1.5 times as large as run length and the engine four times faster.

    bytes_, cycles  by form, in place of ``BYTES`` and ``CYCLES``; the noise moves CSR and the engine
    """
    rows = []
    for seed, shift in enumerate(noise):
        for network, density in cases:
            start = (seed, network, "mnist", density)
            for form, value in (BYTES | (bytes_ or {})).items():
                value *= 1 + shift * (form == "CSR")
                rows.append((*start, "bytes", form, 0, 0, 4, value))
            for form, value in (CYCLES | (cycles or {})).items():
                value *= 1 + shift * (form == "engine")
                rows.append((*start, "cycles", form, 64, 0, 0, value))
            rows.append((*start, "product", "CSR", 0, 0, 4, exact))
        for (index_bits, value_bits), at in (PAYS | (pays or {})).items():
            rows.append((seed, "drawn", "", 0, "break-even", "CSR", 0, index_bits, value_bits, at))
        for density, ratio in (TIME if time is None else time).items():
            rows.append((seed, "drawn", "", density, "time", "CSR", 0, 0, 32, ratio))
    columns = ["seed", "network", "data", "density", "part", "form", "elements", "index_bits"]
    return pd.DataFrame(rows, columns=[*columns, "value_bits", "value"])


def test_larger_than_run_length_and_faster_than_dense_multipliers_hold():
    found = computed_as_it_is(d5_table())
    assert (found.verdict, found.margin, found.n) == ("holds", 1.0, 5)
    assert found.statistic == pytest.approx(1.5)
    assert found.interval[0] < 1.5 < found.interval[1]
    assert "below densities of 30% to 50%" in found.reason


def test_a_flipped_table_flips_the_verdict():
    flipped = {"CSR": BYTES["run length"], "run length": BYTES["CSR"]}
    found = computed_as_it_is(d5_table(flipped))
    assert (found.verdict, found.statistic) == ("does not hold here", pytest.approx(2 / 3))
    assert "nowhere clearly larger than run length" in found.reason


def test_an_engine_that_is_nowhere_faster_refutes_it():
    found = computed_as_it_is(d5_table(cycles={"engine": 1200.0}))
    assert found.verdict == "does not hold here"
    assert "nowhere clearly faster" in found.reason


def test_one_product_that_differs_refutes_it():
    table = d5_table()
    where = (table["part"] == "product") & (table["network"] == "resnet-8") & (table["seed"] == 2)
    table.loc[where, "value"] = 0.0
    found = computed_as_it_is(table)
    assert found.verdict == "does not hold here"
    assert "CSR of resnet-8 differs" in found.reason


@pytest.mark.parametrize("at", [0.0, 0.005, 1.0])
def test_a_width_at_which_it_pays_everywhere_or_nowhere_refutes_it(at):
    table = d5_table()
    one = (table["part"] == "break-even") & (table["index_bits"] == 8) & (table["seed"] == 3)
    table.loc[one, "value"] = at
    found = computed_as_it_is(table)
    assert found.verdict == "does not hold here"
    assert "everywhere or nowhere" in found.reason


def test_a_network_on_which_the_engine_gains_nothing_is_a_condition_with_its_name():
    table = d5_table()
    where = (table["form"] == "engine") & (table["network"] == "resnet-8")
    table.loc[where, "value"] = 1000.0
    found = computed_as_it_is(table)
    assert found.verdict == "holds with conditions"
    assert "The engine is not clearly faster for resnet-8 at 50% on 64 (1.00x)." in found.reason
    assert "lenet-5" not in found.reason


def test_a_network_on_which_csr_is_no_larger_is_a_condition_with_its_name():
    table = d5_table()
    where = (table["form"] == "CSR") & (table["part"] == "bytes") & (table["network"] == "lenet-5")
    table.loc[where, "value"] = 200.0
    found = computed_as_it_is(table)
    assert found.verdict == "holds with conditions"
    assert (
        "CSR is not clearly larger than run length for lenet-5 at 20%, 4 bits (1.00)"
        in found.reason
    )


def test_seeds_that_disagree_show_nothing():
    table = d5_table({"CSR": 210.0}, {"engine": 900.0}, noise=NOISY)
    assert not any(case.is_clear for case in (*size_cases(table), *cycle_cases(table)))
    assert computed_as_it_is(table).verdict == "does not hold here"


def test_four_seeds_are_too_few_though_they_agree():
    found = computed_as_it_is(d5_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_the_statistic_is_that_of_the_case_where_csr_is_least_larger():
    table = d5_table()
    where = (table["form"] == "CSR") & (table["part"] == "bytes") & (table["network"] == "lenet-5")
    table.loc[where, "value"] = 220.0
    assert computed_as_it_is(table).statistic == pytest.approx(1.1)


def test_widths_and_multipliers_are_cases_of_their_own():
    wide = d5_table()
    more = wide[wide["part"].isin(("bytes", "cycles"))].assign(value_bits=8, elements=16)
    table = pd.concat([wide, more])
    assert [case.width for case in size_cases(table)] == [4, 4, 8, 8]
    assert [case.width for case in cycle_cases(table)] == [64, 64, 16, 16]


def test_break_even_densities_keep_their_widths():
    found = break_even(d5_table()).set_index(["index_bits", "value_bits"])["density"]
    assert found.to_dict() == pytest.approx(PAYS)


def test_the_time_crosses_between_the_two_densities_on_either_side():
    crossing = time_crossings(d5_table(time={0.4: 4.0, 0.1: 0.25}))["CSR"]
    assert crossing == pytest.approx(np.sqrt(0.4 * 0.1))
    assert time_crossings(d5_table())["CSR"] == pytest.approx(0.2)
    assert time_crossings(d5_table(time={0.4: 4.0, 0.1: 2.0})) == {"CSR": 0.0}
    assert time_crossings(d5_table(time={0.4: 0.9, 0.1: 0.2}))["CSR"] == pytest.approx(0.4)


def test_the_time_of_a_processor_decides_nothing():
    slow = d5_table(time={0.5: 9.0, 0.05: 3.0})
    assert computed_as_it_is(slow).verdict == computed_as_it_is(d5_table()).verdict == "holds"


def test_both_voices_tell_their_numbers():
    found = computed_as_it_is(d5_table())
    assert "8 and 4 bits 30%, 32 and 32 bits 50%" in found.software
    assert "with 64 it takes 4.00 to 4.00 times fewer cycles" in found.hardware
    assert "CSR 20%" in found.hardware


@pytest.mark.parametrize("part", ["bytes", "cycles", "product", "break-even", "time"])
def test_a_missing_part_is_named(part):
    table = d5_table()
    with pytest.raises(ValueError, match=f"no row of the part '{part}'"):
        computed_as_it_is(table[table["part"] != part])


@pytest.mark.parametrize("form", ["run length", "engine"])
def test_a_missing_form_is_named(form):
    table = d5_table()
    with pytest.raises(ValueError, match=f"form={form}"):
        computed_as_it_is(table[table["form"] != form])


def test_a_seed_counted_twice_a_missing_column_and_unpaired_seeds_are_refused():
    table = d5_table()
    with pytest.raises(ValueError, match="two rows of one seed"):
        computed_as_it_is(pd.concat([table, table]))
    with pytest.raises(ValueError, match="elements"):
        computed_as_it_is(table.drop(columns="elements"))
    gone = (table["seed"] == 4) & (table["form"] == "run length")
    with pytest.raises(ValueError, match="not paired"):
        computed_as_it_is(table[~gone])
