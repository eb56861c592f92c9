"""The rule of claim F2 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.regrown import cases, gains

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
PLACES = (
    ("perceptron-300", "mnist", 0.5),
    ("perceptron-300", "mnist", 0.8),
    ("separable-18", "mnist", 0.5),
)
# Points above 95% by arm.
BEST = {"original": 0.0, "halfway": 0.1, "pruned": 0.2, "control": 0.3, "regrown": 1.0}


def f2_table(points=None, noise=STEADY, places=PLACES):
    """Rows of F2 in which the regrown network beats all references by most of a point."""
    points = BEST | (points or {})
    rows = []
    for seed, shift in enumerate(noise):
        for network, data in dict.fromkeys(place[:2] for place in places):
            sparsities = [place[2] for place in places if place[:2] == (network, data)]
            for number, (arm, above) in enumerate(points.items()):
                # The noise of an arm is its own: it does not cancel between two arms.
                accuracy = 0.95 + (above + number * shift) / 100
                shared = arm in ("original", "control")
                for sparsity in [0.0] if shared else sparsities:
                    stored = 1000 if shared or arm == "regrown" else 1000 * (1 - sparsity)
                    rows.append((seed, network, data, arm, sparsity, stored, accuracy))
    columns = ["seed", "network", "data", "arm", "sparsity", "stored_bytes", "accuracy"]
    return pd.DataFrame(rows, columns=columns)


def test_a_gain_over_all_three_references_in_every_case_holds():
    found = judge("F2", f2_table())
    assert (found.verdict, found.statistic, found.margin, found.n) == ("holds", 3.0, 3.0, 5)
    assert found.networks == ("perceptron-300", "separable-18")


def test_a_flipped_table_flips_the_verdict():
    table = f2_table()
    flipped = table.assign(accuracy=2 * 0.95 - table["accuracy"])
    assert judge("F2", flipped).verdict == "does not hold here"


def test_a_gain_that_equal_steps_give_as_well_is_a_condition():
    found = judge("F2", f2_table({"control": 1.0}))
    assert (found.verdict, found.statistic) == ("holds with conditions", 0.0)
    assert "the original, which had fewer steps in 3 of 3 cases" in found.reason
    assert "the whole network after equal steps in 0 of 3 cases." in found.reason


def test_a_gain_in_one_case_of_three_is_chance():
    table = f2_table({"regrown": -1.0})
    lucky = (table["network"] == "separable-18") & (table["arm"] == "regrown")
    table.loc[lucky, "accuracy"] += 0.03
    found = judge("F2", table)
    assert found.verdict == "does not hold here"
    assert "1 of 3 cases: separable-18 on mnist from 50%" in found.reason


def test_wide_intervals_beat_nothing():
    assert judge("F2", f2_table(noise=NOISY)).verdict == "does not hold here"


def test_four_seeds_are_too_few_though_they_agree():
    found = judge("F2", f2_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_gains_are_taken_over_the_reference_of_the_same_sparsity():
    table = f2_table()
    table.loc[(table["arm"] == "pruned") & (table["sparsity"] == 0.8), "accuracy"] -= 0.05
    by_sparsity = {case.sparsity: case.gains["pruned"].mean for case in cases(table)[:2]}
    assert by_sparsity[0.5] == pytest.approx(0.8)
    assert by_sparsity[0.8] == pytest.approx(5.8)


def test_the_gains_come_as_a_table_of_cases_and_references():
    found = gains(f2_table())
    assert len(found) == len(PLACES) * 3
    row = found.query("network == 'separable-18' and reference == 'control'").iloc[0]
    assert row["gain"] == pytest.approx(0.7)
    assert row["low"] < row["gain"] < row["high"]


def test_the_voices_say_what_steps_gave_and_what_came_back():
    found = judge("F2", f2_table())
    assert "+0.70 over the control" in found.software
    assert "2.0 to 5.0 times" in found.hardware


@pytest.mark.parametrize("arm", ["original", "control", "pruned", "regrown"])
def test_a_missing_arm_is_named(arm):
    table = f2_table()
    with pytest.raises(ValueError, match=f"arm={arm}"):
        judge("F2", table[table["arm"] != arm])


def test_a_missing_column_unpaired_seeds_and_seeds_twice_are_refused():
    table = f2_table()
    with pytest.raises(ValueError, match="sparsity"):
        judge("F2", table.drop(columns="sparsity"))
    with pytest.raises(ValueError, match="not paired"):
        judge("F2", table[~((table["arm"] == "control") & (table["seed"] == 4))])
    with pytest.raises(ValueError, match="two rows of one seed"):
        judge("F2", pd.concat([table, table]))
