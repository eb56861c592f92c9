"""The rule of claim Q3 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.narrow import judged_widths, losses, saved_shares

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
NO_LOSS = {8: 0.0, 4: 0.0, 2: 0.0, 1: 0.0}


def q3_table(tuned=None, seconds=None, noise=STEADY, networks=("lenet-5",), data="mnist"):
    """Rows of Q3; ``tuned`` is the loss in points by width, ``seconds`` the latency by width."""
    tuned = NO_LOSS | (tuned or {})
    seconds = {8: 1.0, 4: 0.9, 2: 0.9, 1: 0.9} | (seconds or {})
    rows = []
    for seed, shift in enumerate(noise):
        for network in networks:
            for arm in ("before", "control"):
                rows.append((seed, network, data, arm, 32, 32, 4.0, 0.99))
            for bits, loss in tuned.items():
                after = 0.99 - (loss + shift) / 100
                rows.append(
                    (seed, network, data, "tuned with inputs", bits, bits, seconds[bits], after)
                )
                rows.append(
                    (seed, network, data, "rounded with inputs", bits, bits, seconds[bits], 0.5)
                )
    columns = ["seed", "network", "data", "arm", "weight_bits", "input_bits"]
    return pd.DataFrame(rows, columns=[*columns, "latency_s", "accuracy"])


def test_no_loss_at_any_width_and_an_array_that_gains_little_hold():
    found = judge("Q3", q3_table(networks=("lenet-5", "lenet-300-100")))
    assert (found.verdict, found.statistic, found.margin, found.n) == ("holds", 6.0, 6.0, 5)
    assert found.networks == ("lenet-5", "lenet-300-100")


def test_a_flipped_table_flips_the_verdict():
    found = judge("Q3", q3_table(tuned={4: 5.0, 2: 9.0, 1: 30.0}))
    assert (found.verdict, found.statistic) == ("does not hold here", 0.0)


def test_a_width_that_loses_is_a_condition_with_its_name_and_its_points():
    found = judge("Q3", q3_table(tuned={1: 4.0}))
    assert (found.verdict, found.statistic) == ("holds with conditions", 2.0)
    assert "A loss: lenet-5 at 1 bit (+4.00 points)" in found.reason


def test_an_array_that_makes_full_use_of_the_narrow_format_is_a_condition():
    found = judge("Q3", q3_table(seconds={4: 0.5}))
    assert found.verdict == "holds with conditions"
    assert "takes 100% of what 4 bits could save" in found.reason


def test_few_seeds_or_wide_intervals_decide_nothing():
    assert judge("Q3", q3_table(noise=STEADY[:4])).verdict == "undecided"
    assert judge("Q3", q3_table(noise=NOISY)).verdict == "undecided"


def test_a_noisy_width_beside_settled_ones_is_named_as_not_settled():
    table = q3_table(tuned={1: 4.0})
    noisy = (table["weight_bits"] == 2) & (table["arm"] == "tuned with inputs")
    table.loc[noisy, "accuracy"] += [0.02, -0.02, 0.015, -0.015, 0.0]
    assert "Not settled: lenet-5 at 2 bits" in judge("Q3", table).reason


def test_the_loss_is_taken_against_the_control_not_against_the_first_network():
    table = q3_table()
    table.loc[table["arm"] == "before", "accuracy"] = 0.5
    assert judge("Q3", table).verdict == "holds"
    table.loc[table["arm"] == "control", "accuracy"] = 1.0
    assert judge("Q3", table).verdict == "does not hold here"


def test_the_margin_is_that_of_the_data():
    losing = {4: 0.4, 2: 0.4, 1: 0.4}
    assert judge("Q3", q3_table(tuned=losing, data="fashion-mnist")).verdict == "holds"
    assert judge("Q3", q3_table(tuned=losing)).verdict == "does not hold here"
    with pytest.raises(ValueError, match="no margin was named for the data set 'letters'"):
        judge("Q3", q3_table(data="letters"))


def test_the_share_of_the_time_saved_is_one_where_half_the_bits_take_half_the_time():
    assert saved_shares(q3_table(seconds={4: 0.5}))["lenet-5"] == pytest.approx(1.0)
    assert saved_shares(q3_table(seconds={4: 1.0}))["lenet-5"] == pytest.approx(0.0)


def test_losses_come_with_their_interval_for_each_width():
    found = losses(q3_table(tuned={2: 1.0}), "tuned with inputs", reference="control")
    row = found[found["weight_bits"] == 2].iloc[0]
    assert row["low"] < row["loss"] < row["high"]
    assert row["loss"] == pytest.approx(1.0)
    assert [width.bits for width in judged_widths(q3_table())] == [4, 2, 1]


def test_a_missing_arm_is_named():
    table = q3_table()
    with pytest.raises(ValueError, match="arm=control"):
        judge("Q3", table[table["arm"] != "control"])
    with pytest.raises(ValueError, match="latency_s"):
        judge("Q3", table.drop(columns="latency_s"))
