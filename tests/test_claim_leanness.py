"""The rule of claim F1 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.leanness import comparison, losses

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
# Points lost by (arm, density, bits).
FAT = {
    ("pruned", 0.8, 32): 0.0,
    ("pruned", 0.5, 32): 0.0,
    ("pruned", 0.1, 32): 2.0,
    ("tuned", 1.0, 4): 0.0,
    ("tuned", 1.0, 2): 0.1,
}
LEAN = {
    ("pruned", 0.8, 32): 1.0,
    ("pruned", 0.5, 32): 3.0,
    ("pruned", 0.1, 32): 40.0,
    ("tuned", 1.0, 4): 0.1,
    ("tuned", 1.0, 2): 5.0,
}
NAMES = {"fat": "perceptron-300", "lean": "separable-18"}


def f1_table(fat=None, lean=None, noise=STEADY, apart=0.0):
    """Rows of F1 in which the lean network loses wherever the fat one does not."""
    lost = {"fat": FAT | (fat or {}), "lean": LEAN | (lean or {})}
    rows = []
    for seed, shift in enumerate(noise):
        for role, by_place in lost.items():
            start = (seed, role, NAMES[role], "mnist")
            size = 1000 if role == "fat" else 20
            before = 0.97 - (apart if role == "lean" else 0.0) / 100
            rows.append((*start, "before", 1.0, 32, size, before))
            rows.append((*start, "control", 1.0, 32, size, 0.97))
            for number, (place, points) in enumerate(by_place.items(), start=1):
                # The noise of an arm is its own: it does not cancel between two arms.
                own = shift * number / (5 if role == "fat" else 3)
                rows.append((*start, *place, size * place[1], 0.97 - (points + own) / 100))
    columns = ["seed", "role", "network", "data", "arm", "density", "bits", "stored_bytes"]
    return pd.DataFrame(rows, columns=[*columns, "accuracy"])


def test_a_lean_network_that_loses_in_both_and_at_once_holds():
    found = judge("F1", f1_table())
    assert (found.verdict, found.statistic, found.margin, found.n) == ("holds", 2.0, 2.0, 5)


def test_a_flipped_table_flips_the_verdict():
    table = f1_table()
    flipped = table.assign(
        role=table["role"].map({"fat": "lean", "lean": "fat"}), network=table["network"]
    )
    found = judge("F1", flipped)
    assert (found.verdict, found.statistic) == ("does not hold here", 0.0)


def test_a_lean_network_that_can_be_pruned_a_little_is_a_condition():
    found = judge("F1", f1_table(lean={("pruned", 0.8, 32): 0.0}))
    assert (found.verdict, found.statistic) == ("holds with conditions", 2.0)
    assert "At a density of 80% the lean one loses" in found.reason


def test_one_technique_of_two_is_a_condition():
    found = judge("F1", f1_table(lean={("tuned", 1.0, 2): 0.1}))
    assert (found.verdict, found.statistic) == ("holds with conditions", 1.0)
    assert "Pruned to 50% the lean network loses 3.0" in found.reason


def test_networks_of_different_accuracy_are_not_compared():
    found = judge("F1", f1_table(apart=1.0))
    assert found.verdict == "undecided"
    assert "not shown to be of the same accuracy: +1.00 points apart" in found.reason
    assert judge("F1", f1_table(apart=-1.0)).verdict == "undecided"
    assert judge("F1", f1_table(apart=0.4)).verdict == "holds"


def test_a_fat_network_that_loses_everywhere_leaves_nothing_to_compare():
    found = judge("F1", f1_table(fat=dict.fromkeys(FAT, 4.0)))
    assert found.verdict == "undecided"
    assert "loses at every setting" in found.reason


def test_wide_intervals_show_nothing():
    assert judge("F1", f1_table(noise=NOISY)).verdict in ("undecided", "does not hold here")
    assert judge("F1", f1_table(noise=NOISY)).statistic == 0.0


def test_four_seeds_are_too_few_though_they_agree():
    found = judge("F1", f1_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_the_comparison_is_made_where_the_fat_one_is_compressed_the_most():
    table = f1_table()
    assert comparison(table, "pruned").setting == 0.5
    assert comparison(table, "tuned").setting == 2
    gap = f1_table(fat={("pruned", 0.5, 32): 2.0, ("pruned", 0.1, 32): 0.0})
    assert comparison(gap, "pruned").setting == 0.8


def test_losses_are_taken_against_the_own_control():
    table = f1_table()
    table.loc[(table["role"] == "lean") & (table["arm"] == "control"), "accuracy"] += 0.01
    found = losses(table, "pruned").query("role == 'lean' and density == 0.8")
    assert found["loss"].item() == pytest.approx(2.0)


@pytest.mark.parametrize("arm", ["before", "control", "pruned", "tuned"])
def test_a_missing_arm_is_named(arm):
    table = f1_table()
    with pytest.raises(ValueError, match=f"arm={arm}"):
        judge("F1", table[table["arm"] != arm])


def test_a_missing_column_unpaired_seeds_and_seeds_twice_are_refused():
    table = f1_table()
    with pytest.raises(ValueError, match="role"):
        judge("F1", table.drop(columns="role"))
    with pytest.raises(ValueError, match="not paired"):
        judge("F1", table[~((table["arm"] == "tuned") & (table["seed"] == 4))])
    with pytest.raises(ValueError, match="two rows of one seed"):
        judge("F1", pd.concat([table, table]))
