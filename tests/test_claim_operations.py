"""The rule of claim P2 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.operations import losses_by_operations

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
DATA = {"lenet-5": "mnist", "resnet-8": "fashion-mnist", "mobilenet-10": "fashion-mnist"}
GLOBAL = {0.3: (0.4, 0.0), 0.1: (0.15, 8.0)}  # operations left and points lost, by density


def p2_table(lost=None, noise=STEADY, networks=tuple(DATA), operations_left=0.2, noisy=None):
    """Rows of P2; ``lost`` is the loss of the uniform arm by network, ``noisy`` has its own spread."""
    rows = []
    for network in networks:
        for seed, shift in enumerate(NOISY if network == noisy else noise):
            start = (seed, network, DATA[network])
            rows.append((*start, "control", 1.0, 1.0, 0.9))
            after = 0.9 - ((lost or {}).get(network, 0.0) + shift) / 100
            rows.append((*start, "uniform", 0.2, operations_left, after))
            for density, (left, points) in GLOBAL.items():
                rows.append((*start, "global", density, left, 0.9 - (points + shift) / 100))
    columns = ["seed", "network", "data", "arm", "density", "operations_left", "accuracy"]
    return pd.DataFrame(rows, columns=columns)


def test_no_loss_on_every_deep_network_holds_for_smaller_networks_only():
    found = judge("P2", p2_table())
    assert (found.verdict, found.n, found.margin) == ("holds with conditions", 5, 0.5)
    assert found.statistic == pytest.approx(0.0)
    assert "ResNet-50 itself is not trained here" in found.reason
    assert "Not shown on" not in found.reason
    assert found.networks == tuple(DATA)


def test_a_flipped_table_flips_the_verdict():
    found = judge("P2", p2_table(lost={"resnet-8": 3.0}))
    assert (found.verdict, found.statistic) == ("does not hold here", pytest.approx(3.0))
    assert "resnet-8 loses 3.00 points" in found.reason


def test_another_deep_network_that_loses_is_a_condition_with_its_name():
    found = judge("P2", p2_table(lost={"mobilenet-10": 3.0}))
    assert found.verdict == "holds with conditions"
    assert "Not shown on: mobilenet-10 (+3.00 points)" in found.reason


def test_another_deep_network_that_is_not_settled_is_named_too():
    found = judge("P2", p2_table(noisy="mobilenet-10"))
    assert found.verdict == "holds with conditions"
    assert "Not shown on: mobilenet-10" in found.reason


def test_a_shallow_network_is_reported_and_not_judged():
    found = judge("P2", p2_table(lost={"lenet-5": 3.0}))
    assert found.verdict == "holds with conditions"
    assert "lenet-5" not in found.reason
    assert "lenet-5 +3.00" in found.software


def test_a_wide_interval_is_undecided():
    found = judge("P2", p2_table(noisy="resnet-8"))
    assert found.verdict == "undecided"
    assert found.interval[0] < 0.5 < found.interval[1]


def test_four_seeds_are_too_few_though_they_agree():
    found = judge("P2", p2_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_no_table_makes_the_claim_hold_without_conditions():
    gains = dict.fromkeys(DATA, -5.0)
    assert judge("P2", p2_table(lost=gains)).verdict == "holds with conditions"


@pytest.mark.parametrize(("left", "counts"), [(0.205, True), (0.21, False)])
def test_a_fifth_is_at_most_one_part_in_forty_more(left, counts):
    table = p2_table(operations_left=left)
    if counts:
        assert judge("P2", table).verdict == "holds with conditions"
    else:
        with pytest.raises(ValueError, match=r"arm=uniform of resnet-8 with at most 20\.5%"):
            judge("P2", table)


def test_a_tenth_is_not_judged_where_a_fifth_was_measured():
    table = p2_table()
    tenth = table[table["arm"] == "uniform"].assign(density=0.1, operations_left=0.1, accuracy=0.5)
    assert judge("P2", pd.concat([tenth, table])).verdict == "holds with conditions"


def test_the_global_arm_does_not_stand_for_the_uniform_one():
    table = p2_table(lost={"resnet-8": 3.0})
    table.loc[table["arm"] == "global", ["accuracy", "operations_left"]] = [0.95, 0.1]
    assert judge("P2", table).verdict == "does not hold here"


def test_the_fewest_operations_are_sought_over_both_arms():
    assert "resnet-8 20%" in judge("P2", p2_table()).hardware
    assert "resnet-8 40%" in judge("P2", p2_table(lost={"resnet-8": 3.0})).hardware
    table = p2_table(lost={"resnet-8": 3.0})
    assert "resnet-8 all" in judge("P2", table[table["arm"] != "global"]).hardware


def test_losses_by_operations_have_a_row_for_each_network_arm_and_density():
    found = losses_by_operations(p2_table(lost={"resnet-8": 1.0}))
    assert len(found) == len(DATA) * 3
    row = found[(found["network"] == "resnet-8") & (found["arm"] == "uniform")].iloc[0]
    assert row["loss"] == pytest.approx(1.0)
    assert row["low"] < row["loss"] < row["high"]
    assert (row["operations_left"], row["n"]) == (pytest.approx(0.2), 5)


def test_a_missing_arm_is_named():
    table = p2_table()
    with pytest.raises(ValueError, match="arm=control"):
        judge("P2", table[table["arm"] != "control"])
    with pytest.raises(ValueError, match="arm=uniform of resnet-8"):
        judge("P2", table[table["arm"] != "uniform"])
    with pytest.raises(ValueError, match="arm=uniform and arm=global"):
        judge("P2", table[table["arm"] == "control"])
    with pytest.raises(ValueError, match="arm=uniform of resnet-8"):
        judge("P2", table[table["network"] != "resnet-8"])


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="operations_left"):
        judge("P2", p2_table().drop(columns="operations_left"))


def test_arms_of_different_seeds_are_not_paired():
    table = p2_table()
    with pytest.raises(ValueError, match="not paired"):
        judge("P2", table[~((table["arm"] == "uniform") & (table["seed"] == 4))])


def test_a_seed_counted_twice_is_refused():
    with pytest.raises(ValueError, match="two rows of one seed"):
        judge("P2", pd.concat([p2_table(), p2_table()]))
