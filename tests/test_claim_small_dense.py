"""The rule of claim F3 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.small_dense import cases

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
# (family, width, kind, density): bytes, cycles, points above 95%.
NETWORKS = {
    ("perceptron", 300, "dense", 1.0): (1000, 1000, 2.0),
    ("perceptron", 100, "dense", 1.0): (300, 320, 1.5),
    ("separable", 18, "dense", 1.0): (50, 90, 2.0),
    ("perceptron", 300, "pruned", 0.5): (600, 500, 1.9),
    ("perceptron", 300, "pruned", 0.1): (120, 110, 1.0),
}


def f3_table(changes=None, noise=STEADY, data="mnist"):
    """Rows of F3 in which a lean dense network takes the place of both pruned ones."""
    rows = []
    for seed, shift in enumerate(noise):
        for number, (place, facts) in enumerate((NETWORKS | (changes or {})).items()):
            family, width, kind, density = place
            size, cycles, points = facts
            # The noise of a network is its own: it does not cancel between two.
            reached = 0.95 + (points + number * shift) / 100
            start = (seed, family, width, f"{family}-{width}", data, kind, density)
            rows.append((*start, size, cycles, reached, reached))
    columns = ["seed", "family", "width", "network", "data", "kind", "density"]
    columns += ["stored_bytes", "cycles", "validation_accuracy", "accuracy"]
    return pd.DataFrame(rows, columns=columns)


def test_a_dense_network_as_good_on_both_budgets_holds():
    found = judge("F3", f3_table())
    assert (found.verdict, found.statistic, found.margin, found.n) == ("holds", 4.0, 4.0, 5)
    assert "1.2 to 12.0 times less" in found.hardware


def test_a_flipped_table_flips_the_verdict():
    table = f3_table()
    flipped = table.assign(
        accuracy=1.9 - table["accuracy"], validation_accuracy=1.9 - table["validation_accuracy"]
    )
    worse = f3_table({("separable", 18, "dense", 1.0): (50, 90, -3.0)}).query("width != 100")
    assert judge("F3", worse).verdict == "does not hold here"
    assert judge("F3", flipped).verdict != judge("F3", worse).verdict


def test_one_budget_of_two_is_a_condition():
    found = judge("F3", f3_table({("separable", 18, "dense", 1.0): (50, 5000, 2.0)}))
    assert (found.verdict, found.statistic, found.margin) == ("holds with conditions", 2.0, 4.0)
    assert "At equal bytes a dense network is as good in 2 of 2 cases" in found.reason
    assert "At equal cycles a dense network is as good in 0 of 2 cases" in found.reason
    assert "(cycles, nothing dense is as small)" in found.reason


def test_wide_intervals_decide_nothing():
    found = judge("F3", f3_table(noise=NOISY))
    assert (found.verdict, found.statistic) == ("undecided", 0.0)


def test_four_seeds_are_too_few_though_they_agree():
    found = judge("F3", f3_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_the_dense_network_takes_no_more_than_the_budget():
    for case in cases(f3_table()):
        assert case.dense in ("perceptron-100", "separable-18")
        assert case.spared >= 1.0


def test_the_dense_network_is_chosen_on_validation_and_judged_on_test():
    table = f3_table()
    tempting = table["network"] == "perceptron-100"
    table.loc[tempting, "validation_accuracy"] = 0.99
    table.loc[tempting, "accuracy"] = 0.90
    (half, tenth, *_) = cases(table)
    assert (half.dense, half.ruling) == ("perceptron-100", "does not hold here")
    assert (tenth.dense, tenth.ruling) == ("separable-18", "holds")


def test_the_own_family_alone_can_be_asked_for():
    by_place = {(c.density, c.budget): c for c in cases(f3_table(), own_family=True)}
    assert by_place[0.5, "bytes"].dense == "perceptron-100"
    assert by_place[0.5, "bytes"].ruling == "does not hold here"
    assert by_place[0.1, "bytes"].dense == ""


def test_networks_of_another_data_set_do_not_compete():
    other = f3_table(data="fashion-mnist").query("family == 'perceptron'")
    found = cases(pd.concat([f3_table(), other]))
    assert {case.dense for case in found if case.data == "fashion-mnist"} <= {"perceptron-100", ""}


def test_a_missing_kind_or_column_unpaired_seeds_and_seeds_twice_are_refused():
    table = f3_table()
    with pytest.raises(ValueError, match="kind=pruned"):
        judge("F3", table[table["kind"] == "dense"])
    with pytest.raises(ValueError, match="cycles"):
        judge("F3", table.drop(columns="cycles"))
    with pytest.raises(ValueError, match="not paired"):
        judge("F3", table[~((table["family"] == "separable") & (table["seed"] == 4))])
    with pytest.raises(ValueError, match="two rows of one seed"):
        judge("F3", pd.concat([table, table]))
