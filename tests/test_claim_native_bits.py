"""The rule of claim F5 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.native_bits import cases

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
# Points that native gains over tuned, by bits.
GAIN = {4: 0.5, 2: 1.0, 1: 2.0}


def f5_table(gain=None, noise=STEADY, networks=("perceptron-30",)):
    """Rows of F5 in which native training wins at every width."""
    gain = GAIN | (gain or {})
    rows = []
    for seed, shift in enumerate(noise):
        for network in networks:
            start = (seed, network, "mnist")
            rows.append((*start, "float", 32, 3200, 0.97))
            for bits, points in gain.items():
                # The noise of an arm is its own: it does not cancel between two arms.
                rows.append((*start, "tuned", bits, 100 * bits, 0.95 + shift / 100))
                native = 0.95 + (points + 2 * shift) / 100
                rows.append((*start, "native", bits, 100 * bits, native))
    columns = ["seed", "network", "data", "arm", "bits", "stored_bytes", "accuracy"]
    return pd.DataFrame(rows, columns=columns)


def test_a_gain_in_every_case_holds():
    found = judge("F5", f5_table(networks=("perceptron-30", "separable-9")))
    assert (found.verdict, found.statistic, found.margin, found.n) == ("holds", 6.0, 3.0, 5)


def test_a_flipped_table_flips_the_verdict():
    table = f5_table()
    swapped = table.assign(arm=table["arm"].replace({"native": "tuned", "tuned": "native"}))
    found = judge("F5", swapped)
    assert (found.verdict, found.statistic) == ("does not hold here", 0.0)
    assert "It loses 3" in found.reason


def test_one_case_that_native_loses_is_a_condition():
    found = judge("F5", f5_table({4: -0.5}))
    assert (found.verdict, found.statistic) == ("holds with conditions", 2.0)
    assert "perceptron-30 on mnist at 4 bits (-0.50 points)" in found.reason
    assert "at 1 bit (+2.00 points)" in found.reason


def test_half_of_the_cases_is_not_more_than_half():
    table = f5_table({4: 0.0, 2: 0.5}, networks=("perceptron-30",))
    other = f5_table({4: 0.0, 2: 0.0, 1: 0.5}, networks=("separable-9",))
    found = judge("F5", pd.concat([table, other]))
    assert (found.verdict, found.statistic) == ("holds with conditions", 3.0)
    assert "3 are not settled" in found.reason


def test_one_case_alone_is_chance():
    found = judge("F5", f5_table({4: 0.0, 2: 0.0}))
    assert (found.verdict, found.statistic) == ("does not hold here", 1.0)


def test_wide_intervals_win_nothing():
    assert judge("F5", f5_table(noise=NOISY)).verdict == "does not hold here"


def test_four_seeds_are_too_few_though_they_agree():
    found = judge("F5", f5_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_both_ways_are_also_measured_against_float_of_equal_steps():
    (four, two, one) = cases(f5_table())
    assert [case.bits for case in (four, two, one)] == [4, 2, 1]
    assert four.tuned_below.mean == pytest.approx(2.0)
    assert one.below.mean == pytest.approx(0.0)
    assert "at 4 bits 1.50 native, 2.00 tuned" in judge("F5", f5_table()).software
    assert "4 bits 8.0" in judge("F5", f5_table()).hardware


@pytest.mark.parametrize("arm", ["float", "native", "tuned"])
def test_a_missing_arm_is_named(arm):
    table = f5_table()
    with pytest.raises(ValueError, match=f"arm={arm}"):
        judge("F5", table[table["arm"] != arm])


def test_a_missing_column_unpaired_seeds_and_seeds_twice_are_refused():
    table = f5_table()
    with pytest.raises(ValueError, match="bits"):
        judge("F5", table.drop(columns="bits"))
    with pytest.raises(ValueError, match="not paired"):
        judge("F5", table[~((table["arm"] == "tuned") & (table["seed"] == 4))])
    with pytest.raises(ValueError, match="two rows of one seed"):
        judge("F5", pd.concat([table, table]))
