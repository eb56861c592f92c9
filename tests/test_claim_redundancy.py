"""The rule of claim P1 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.redundancy import losses, redundancies

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
DENSITIES = (0.5, 0.2, 0.1)
# Points lost by density.
ITERATIVE = {0.5: 0.0, 0.2: 0.0, 0.1: 4.0}
RANDOM = {0.5: 1.0, 0.2: 3.0, 0.1: 9.0}
ONE_SHOT = {0.5: 0.1, 0.2: 2.0, 0.1: 6.0}
CLEAR_LOSS = dict.fromkeys(DENSITIES, 5.0)


def p1_table(
    iterative=None, random=None, one_shot=None, noise=STEADY, networks=("lenet-5",), data="mnist"
):
    """Rows of P1 in which half and a fifth of the weights lose nothing when chosen by magnitude."""
    lost = {
        "iterative": ITERATIVE | (iterative or {}),
        "random": RANDOM | (random or {}),
        "one-shot": ONE_SHOT | (one_shot or {}),
    }
    rows = []
    for seed, shift in enumerate(noise):
        for network in networks:
            start = (seed, network, data)
            rows += [(*start, arm, 1.0, 1000, 0.95) for arm in ("before", "control")]
            for place, (arm, points) in enumerate(lost.items(), start=1):
                for density in points:
                    # The noise of an arm is its own: it does not cancel between two arms.
                    after = 0.95 - (points[density] + place * shift) / 100
                    rows.append((*start, arm, density, round(1000 * density), after))
    columns = ["seed", "network", "data", "arm", "density", "stored_bytes", "accuracy"]
    return pd.DataFrame(rows, columns=columns)


def test_no_loss_at_a_fifth_that_lots_do_lose_holds():
    found = judge("P1", p1_table(networks=("lenet-5", "lenet-300-100")))
    assert (found.verdict, found.statistic, found.margin, found.n) == ("holds", 2.0, 2.0, 5)
    assert found.networks == ("lenet-5", "lenet-300-100")
    assert found.data == "mnist"


def test_a_flipped_table_flips_the_verdict():
    found = judge("P1", p1_table(iterative=CLEAR_LOSS))
    assert (found.verdict, found.statistic) == ("does not hold here", 0.0)


def test_both_voices_count_at_the_smallest_density_without_loss():
    found = judge("P1", p1_table())
    assert "lenet-5 5.0 times fewer weights" in found.software
    assert "in rounds 0.00 points, at once 2.00, by lot 3.00" in found.software
    assert "lenet-5 5.00" in found.hardware


def test_a_density_where_one_shot_was_not_measured_is_told_without_it():
    table = p1_table()
    found = judge("P1", table[(table["arm"] != "one-shot") | (table["density"] != 0.2)])
    assert found.verdict == "holds"
    assert "in rounds 0.00 points, by lot 3.00" in found.software


def test_a_density_without_loss_below_one_with_a_loss_does_not_count():
    (one,) = redundancies(p1_table(iterative={0.2: 4.0, 0.1: 0.0}))
    assert one.density == 0.5
    (none,) = redundancies(p1_table(iterative={0.5: 4.0}))
    assert none.density is None
    assert none.loss.mean == pytest.approx(4.0)


def test_the_order_of_the_rows_does_not_matter():
    table = p1_table(networks=("lenet-5", "lenet-300-100"))
    turned = table.iloc[::-1]
    assert judge("P1", turned).verdict == judge("P1", table).verdict
    assert {one.density for one in redundancies(turned)} == {0.2}


def test_one_network_that_loses_among_two_is_a_condition_with_its_name():
    good = p1_table()
    bad = p1_table(iterative=CLEAR_LOSS, networks=("lenet-300-100",))
    found = judge("P1", pd.concat([good, bad]))
    assert (found.verdict, found.statistic, found.margin) == ("holds with conditions", 1.0, 2.0)
    assert "No loss: lenet-5 at 20%" in found.reason
    assert "Not shown at any density of at most one half: lenet-300-100 (+5.00" in found.reason


def test_connections_that_lots_choose_as_well_are_a_condition():
    found = judge("P1", p1_table(random={0.2: 0.0}))
    assert found.verdict == "holds with conditions"
    assert "Drawing lots does as well there: lenet-5" in found.reason


def test_more_than_half_of_the_weights_is_no_redundancy():
    table = p1_table(iterative={0.8: 0.0, **CLEAR_LOSS}, random={0.8: 3.0})
    (one,) = redundancies(table)
    assert one.density == 0.8
    assert judge("P1", table).verdict == "undecided"
    assert judge("P1", table).statistic == 0.0


def test_wide_intervals_decide_nothing():
    found = judge("P1", p1_table(noise=NOISY))
    assert (found.verdict, found.statistic) == ("undecided", 0.0)
    assert "some interval is wide" in found.reason


def test_one_wide_interval_beside_a_clear_loss_keeps_the_claim_open():
    table = pd.concat(
        [
            p1_table(iterative=CLEAR_LOSS),
            p1_table(noise=NOISY, networks=("lenet-300-100",)),
        ]
    )
    assert judge("P1", table).verdict == "undecided"


def test_four_seeds_are_too_few_though_they_agree():
    found = judge("P1", p1_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_the_loss_is_taken_against_the_control_not_against_the_first_network():
    table = p1_table()
    table.loc[table["arm"] == "before", "accuracy"] = 0.5
    assert judge("P1", table).verdict == "holds"
    table.loc[table["arm"] == "control", "accuracy"] = 1.0
    assert judge("P1", table).verdict == "does not hold here"


def test_the_margin_is_that_of_the_data():
    slight = {"iterative": {0.5: 0.4, 0.2: 0.4}}
    assert judge("P1", p1_table(**slight, data="fashion-mnist")).verdict == "holds"
    assert judge("P1", p1_table(**slight)).verdict == "does not hold here"
    with pytest.raises(ValueError, match="no margin was named for the data set 'letters'"):
        judge("P1", p1_table(data="letters"))


def test_losses_come_with_their_interval_and_ruling_for_each_density():
    found = losses(p1_table(), "iterative").set_index("density")
    assert list(found["ruling"]) == ["holds", "holds", "does not hold here"]
    row = found.loc[0.1]
    assert row["loss"] == pytest.approx(4.0)
    assert row["low"] < row["loss"] < row["high"]
    assert row["n"] == 5


@pytest.mark.parametrize("arm", ["control", "iterative", "random"])
def test_a_missing_arm_is_named(arm):
    table = p1_table(networks=("lenet-5", "lenet-300-100"))
    gone = (table["arm"] == arm) & (table["network"] == "lenet-300-100")
    with pytest.raises(ValueError, match=f"arm={arm}") as caught:
        judge("P1", table[~gone])
    assert "lenet-300-100" in str(caught.value)


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="stored_bytes"):
        judge("P1", p1_table().drop(columns="stored_bytes"))


def test_arms_of_different_seeds_are_not_paired():
    table = p1_table()
    for arm in ("iterative", "random"):
        with pytest.raises(ValueError, match="not paired"):
            judge("P1", table[~((table["arm"] == arm) & (table["seed"] == 4))])


def test_a_seed_counted_twice_is_refused():
    with pytest.raises(ValueError, match="two rows of one seed"):
        judge("P1", pd.concat([p1_table(), p1_table()]))
