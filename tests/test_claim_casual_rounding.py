"""The rule of claim F4 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.casual_rounding import losses, substitutes, width_excesses

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
BYTES = {"float": 4.0, "eight bits": 1.0, "by channel": 0.5, "casual": 0.5}  # a weight
# Points lost in casual rounding, by width.
LOST = {300: 0.0, 100: 0.1, 12: 3.0}


def f4_table(lost=None, reached=None, noise=STEADY, family="perceptron", data="mnist"):
    """Rows of F4 in which the widest loses nothing, and a third of it in eight bits is as good."""
    lost = LOST if lost is None else lost
    reached = reached or {}
    rows = []
    for seed, shift in enumerate(noise):
        for width, points in lost.items():
            whole = 0.97 + reached.get(width, 0.0) / 100
            for number, (arm, bytes_each) in enumerate(BYTES.items()):
                # The noise of an arm is its own: it does not cancel between two arms.
                after = whole - ((points if arm == "casual" else 0.0) + number * shift / 3) / 100
                name = f"{family}-{width}"
                size = 1000 * width * bytes_each
                row = (seed, family, width, name, data, 1000 * width, arm, size, after, after)
                rows.append(row)
    columns = ["seed", "family", "width", "network", "data", "weights", "arm", "stored_bytes"]
    return pd.DataFrame(rows, columns=[*columns, "validation_accuracy", "accuracy"])


def test_survivors_that_a_smaller_file_replaces_hold():
    found = judge("F4", f4_table())
    assert (found.verdict, found.statistic, found.margin, found.n) == ("holds", 2.0, 2.0, 5)


def test_a_flipped_table_flips_the_verdict():
    wide_loses = f4_table(lost={300: 3.0, 100: 0.0, 12: 0.0})
    found = judge("F4", wide_loses)
    assert found.verdict == "does not hold here"
    assert "narrowest" in found.reason


def test_survivors_that_nothing_replaces_do_not_hold():
    found = judge("F4", f4_table(reached={100: -2.0, 12: -4.0}, lost={300: 0.0, 100: 3.0, 12: 3.0}))
    assert (found.verdict, found.statistic, found.margin) == ("does not hold here", 0.0, 1.0)


def test_one_survivor_of_two_without_a_better_structure_is_a_condition():
    found = judge("F4", f4_table(reached={12: -4.0}))
    assert (found.verdict, found.statistic, found.margin) == ("holds with conditions", 1.0, 2.0)
    assert "Survivors without one: perceptron-100 on mnist." in found.reason


def test_a_line_on_which_width_decides_nothing_is_a_condition():
    flat = f4_table(lost={18: 0.0, 4: 0.0}, family="separable", data="fashion-mnist")
    found = judge("F4", pd.concat([f4_table(), flat]))
    assert found.verdict == "holds with conditions"
    assert "separable on fashion-mnist" in found.reason
    assert "(not clear)" in found.reason


def test_no_survivor_leaves_nothing_to_judge():
    found = judge("F4", f4_table(lost=dict.fromkeys(LOST, 3.0)))
    assert found.verdict == "undecided"
    assert judge("F4", f4_table(noise=NOISY)).verdict == "undecided"


def test_four_seeds_are_too_few_though_they_agree():
    found = judge("F4", f4_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_the_substitute_is_chosen_on_validation_and_judged_on_test():
    table = f4_table()
    tempting = (table["width"] == 12) & (table["arm"] == "eight bits")
    table.loc[tempting, "validation_accuracy"] = 0.99
    table.loc[tempting, "accuracy"] = 0.90
    (first, *_) = substitutes(table)
    assert (first.survivor, first.network, first.arm) == (
        "perceptron-300",
        "perceptron-12",
        "eight bits",
    )
    assert first.ruling == "does not hold here"
    assert first.saved == pytest.approx(12.5)


def test_a_substitute_takes_no_more_bytes():
    for one in substitutes(f4_table()):
        assert one.saved >= 1.0
        assert one.network != one.survivor


def test_losses_are_taken_against_the_same_weights_in_float():
    table = f4_table()
    found = losses(table, "casual").set_index("width")
    assert found.loc[12, "loss"] == pytest.approx(3.0, abs=0.02)
    assert list(found["ruling"]) == ["holds", "holds", "does not hold here"]
    (excess,) = width_excesses(table).values()
    assert excess.mean == pytest.approx(3.0, abs=0.02)


def test_the_margin_is_that_of_the_data():
    assert judge("F4", f4_table(lost={300: 0.4, 12: 3.0})).verdict == "undecided"
    table = f4_table(lost={300: 0.4, 12: 3.0}, data="fashion-mnist")
    assert judge("F4", table).verdict == "holds"


@pytest.mark.parametrize("arm", ["float", "casual"])
def test_a_missing_arm_is_named(arm):
    table = f4_table()
    with pytest.raises(ValueError, match=f"arm={arm}"):
        judge("F4", table[table["arm"] != arm])


def test_a_missing_column_unpaired_seeds_and_one_width_are_refused():
    table = f4_table()
    with pytest.raises(ValueError, match="validation_accuracy"):
        judge("F4", table.drop(columns="validation_accuracy"))
    with pytest.raises(ValueError, match="not paired"):
        judge("F4", table[~((table["arm"] == "casual") & (table["seed"] == 4))])
    with pytest.raises(ValueError, match="one width"):
        judge("F4", table[table["width"] == 300])
