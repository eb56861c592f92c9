"""The rule of claim P3 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.lock_step import share_interval, shares

STEADY = (0.0, 0.001, -0.001, 0.002, -0.002)
NOISY = (0.0, 0.3, -0.3, 0.25, -0.25)
LEFT = 0.2
# Share of the ideal speed-up by mechanism; arrays that leave no zero out make 1 / 5 of it.
SHARES = {"dense": LEFT, "gating": LEFT, "lock step": 0.55, "queue": 0.7, "vector": 0.4}


def p3_table(made=None, noise=STEADY, networks=("lenet-5",), left=LEFT, sizes=(16, 64, 256)):
    """Rows of P3; ``made`` is the share of the ideal speed-up by mechanism."""
    rows = []
    for seed, shift in enumerate(noise):
        for network in networks:
            for mechanism, share in (SHARES | (made or {})).items():
                idle = mechanism in ("dense", "gating")
                for lanes in sizes:
                    for zeros in ("mask", "independent"):
                        # Zeros that are not from a mask come out ideal: no rule may read them.
                        taken = 1.0 if zeros == "independent" else share + (0 if idle else shift)
                        rows.append(
                            (seed, network, mechanism, lanes, 1, 16, 1, zeros, left, taken / left)
                        )
    columns = ["seed", "network", "mechanism", "lanes", "width", "group", "queue_depth", "zeros"]
    table = pd.DataFrame(rows, columns=[*columns, "operations_left", "array_speedup"])
    return table.assign(data="mnist")


def test_lock_step_at_three_of_five_and_queues_below_four_hold():
    found = judge("P3", p3_table(networks=("lenet-5", "resnet-8")))
    assert (found.verdict, found.margin, found.n) == ("holds", pytest.approx(4.0), 5)
    assert found.statistic == pytest.approx(2.75)
    assert found.interval[0] < 2.75 < found.interval[1]
    assert found.networks == ("lenet-5", "resnet-8")
    assert "2.75 of five" in found.reason


def test_a_flipped_table_flips_the_verdict():
    found = judge("P3", p3_table({"lock step": 0.95}))
    assert (found.verdict, found.statistic) == ("does not hold here", pytest.approx(4.75))
    assert "make 95% of the ideal" in found.reason


def test_lock_step_between_three_and_four_of_five_is_a_condition():
    found = judge("P3", p3_table({"lock step": 0.7}))
    assert found.verdict == "holds with conditions"
    assert found.reason == "Lanes in lock step reach 3.50 of five, more than three."


def test_queues_that_recover_the_speed_are_a_condition():
    found = judge("P3", p3_table({"queue": 0.9}))
    assert found.verdict == "holds with conditions"
    assert found.reason == "Queues bring back 4.50 of five."


def test_both_conditions_are_named_together():
    found = judge("P3", p3_table({"lock step": 0.7, "queue": 0.9}))
    assert "3.50 of five" in found.reason
    assert "queues bring back 4.50 of five" in found.reason


@pytest.mark.parametrize("mechanism", ["dense", "gating"])
@pytest.mark.parametrize(("speedup", "expected"), [(1.009, "holds"), (1.02, "does not hold here")])
def test_an_array_that_leaves_no_zero_out_gains_at_most_a_hundredth(mechanism, speedup, expected):
    found = judge("P3", p3_table({mechanism: speedup * LEFT}))
    assert found.verdict == expected


def test_gating_that_slows_an_array_down_is_not_standing_still_either():
    found = judge("P3", p3_table({"gating": 0.9 * LEFT}))
    assert found.verdict == "does not hold here"
    assert "0.90 to 1.00 times" in found.reason


def test_an_interval_that_reaches_four_of_five_is_not_far_less():
    # The mean lies below four of five, and seeds that disagree do not show it.
    found = judge("P3", p3_table({"lock step": 0.7}, noise=NOISY))
    assert (found.verdict, found.statistic) == ("does not hold here", pytest.approx(3.5))
    assert found.interval[0] < 4.0 < found.interval[1]
    assert "not clearly less than 80%" in found.reason


def test_an_interval_that_reaches_three_of_five_is_a_condition():
    found = judge("P3", p3_table({"lock step": 0.55}, noise=tuple(s / 3 for s in NOISY)))
    assert found.interval[0] < 3.0 < found.interval[1] < 4.0
    assert found.verdict == "holds with conditions"


def test_four_seeds_are_too_few_though_they_agree():
    found = judge("P3", p3_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_independent_zeros_and_other_mechanisms_decide_nothing():
    first = judge("P3", p3_table())
    without = p3_table({"vector": 1.0}).query("zeros == 'mask'")
    assert (judge("P3", without).verdict, judge("P3", without).statistic) == (
        first.verdict,
        first.statistic,
    )


def test_the_share_is_of_the_operations_that_are_left():
    # Half of the operations left and a speed-up of 1.1 make 55% of the ideal as well.
    found = judge("P3", p3_table({"dense": 0.5, "gating": 0.5}, left=0.5))
    assert (found.verdict, found.statistic) == ("holds", pytest.approx(2.75))
    assert "2.0 times fewer operations" in found.software


def test_one_design_in_three_does_not_move_the_median():
    table = p3_table()
    table.loc[(table["mechanism"] == "lock step") & (table["lanes"] == 16), "array_speedup"] = 5.0
    assert share_interval(table, "lock step").mean == pytest.approx(0.55)


def test_shares_keep_designs_networks_and_kinds_of_zeros_apart():
    table = p3_table(networks=("lenet-5", "resnet-8"))
    found = shares(table)
    assert len(found) == len(SHARES) * 3 * 2 * 2
    lock_step = found[found["mechanism"] == "lock step"]
    by_zeros = lock_step.groupby("zeros")["speedup"].mean()
    assert by_zeros["mask"] == pytest.approx(2.75)
    assert by_zeros["independent"] == pytest.approx(5.0)


def test_hardware_tells_every_mechanism_that_was_measured():
    hardware = judge("P3", p3_table()).hardware
    for said in ("dense 1.00", "gating 1.00", "lock step 2.75", "queue 3.50", "vector 2.00"):
        assert said in hardware


@pytest.mark.parametrize("mechanism", ["dense", "gating", "lock step", "queue"])
def test_a_missing_mechanism_is_named_though_it_has_independent_zeros(mechanism):
    table = p3_table()
    gone = (table["mechanism"] == mechanism) & (table["zeros"] == "mask")
    with pytest.raises(ValueError, match=f"mechanism '{mechanism}' with a real mask"):
        judge("P3", table[~gone])


@pytest.mark.parametrize("column", ["array_speedup", "data", "lanes"])
def test_a_missing_column_is_named(column):
    with pytest.raises(ValueError, match=column):
        judge("P3", p3_table().drop(columns=column))


def test_a_seed_without_one_of_the_networks_is_not_paired():
    table = p3_table(networks=("lenet-5", "resnet-8"))
    gone = (table["seed"] == 4) & (table["network"] == "resnet-8")
    with pytest.raises(ValueError, match="not paired"):
        judge("P3", table[~gone])


def test_a_seed_counted_twice_is_refused():
    with pytest.raises(ValueError, match="two rows of one seed"):
        judge("P3", pd.concat([p3_table(), p3_table()]))
