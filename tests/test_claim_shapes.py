"""The rule of claim P4 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.shapes import cases, losses, smallest_densities

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
DENSE_CYCLES = 1000.0
# Points lost by density: single weights go to a quarter, the others to one half.
LOST = {
    "fine-grained": {0.5: 0.0, 0.25: 0.0},
    "bank": {0.5: 0.0, 0.25: 3.0},
    "channel": {0.5: 4.0, 0.25: 9.0},
}
# Cycles over those of the dense network, by density.
TIME = {
    "fine-grained": {0.5: 0.9, 0.25: 0.8},
    "bank": {0.5: 0.5, 0.25: 0.25},
    "channel": {0.5: 0.4, 0.25: 0.2},
}


def p4_table(
    lost=None,
    time=None,
    noise=STEADY,
    jitter=(0.0,) * 5,
    networks=("resnet-8",),
    arrays=("systolic", "lanes"),
    data="fashion-mnist",
):
    """Rows of P4 in which banks lose more than single weights and are faster at their best density.

    lost, time  by shape and density, in place of ``LOST`` and ``TIME``
    noise       of the accuracies of a shape, in points; jitter: of the cycles, as a share
    """
    lost, time = LOST | (lost or {}), TIME | (time or {})
    rows = []
    for seed, shift in enumerate(noise):
        for network in networks:
            for array in arrays:
                start = (seed, network, data)
                for shape in ("as trained", "dense"):
                    rows.append((*start, shape, 1.0, array, DENSE_CYCLES, 0.9))
                for shape, points in lost.items():
                    for density in points:
                        after = 0.9 - (points[density] + shift) / 100
                        slower = 1 + jitter[seed] if shape == "fine-grained" else 1
                        cycles = DENSE_CYCLES * time[shape][density] * slower
                        rows.append((*start, shape, density, array, cycles, after))
    columns = ["seed", "network", "data", "shape", "density", "array", "array_cycles", "accuracy"]
    return pd.DataFrame(rows, columns=columns)


def densities(table):
    return smallest_densities(table).set_index(["network", "shape"])["density"].to_dict()


def test_shapes_that_keep_more_weights_and_take_fewer_cycles_hold():
    found = judge("P4", p4_table(networks=("resnet-8", "mobilenet-10")))
    assert (found.verdict, found.margin, found.n) == ("holds", 1.0, 5)
    assert found.statistic == pytest.approx(0.8 / 0.5)
    assert found.networks == ("resnet-8", "mobilenet-10")


def test_a_flipped_table_flips_the_verdict():
    fast = {"fine-grained": TIME["bank"], "bank": TIME["fine-grained"]}
    found = judge("P4", p4_table(time=fast))
    assert (found.verdict, found.statistic) == ("does not hold here", pytest.approx(0.25 / 0.9))


def test_every_shape_is_taken_at_its_own_smallest_density_without_loss():
    assert densities(p4_table()) == {
        ("resnet-8", "fine-grained"): 0.25,
        ("resnet-8", "bank"): 0.5,
        ("resnet-8", "channel"): 1.0,
    }


def test_a_density_without_loss_below_one_with_a_loss_does_not_count():
    table = p4_table(lost={"bank": {0.5: 3.0, 0.25: 0.0}})
    assert densities(table)["resnet-8", "bank"] == 1.0


def test_a_shape_that_passes_nowhere_takes_the_cycles_of_the_dense_network():
    (found, _) = cases(p4_table(lost={"bank": {0.5: 3.0, 0.25: 3.0}}))
    assert found.gain == pytest.approx(0.8)
    assert not found.gains_time


def test_the_best_shape_is_the_fastest_at_its_own_density_not_at_an_equal_one():
    # Channels are faster than banks at every density, and have no density without loss.
    assert {case.best for case in cases(p4_table())} == {"bank"}
    fine = {"channel": {0.5: 0.0, 0.25: 9.0}}
    assert {case.best for case in cases(p4_table(lost=fine))} == {"channel"}


def test_an_array_without_a_gain_is_a_condition_with_its_name():
    table = p4_table()
    slow = (table["array"] == "systolic") & (table["shape"] != "fine-grained")
    table.loc[slow, "array_cycles"] = DENSE_CYCLES
    found = judge("P4", table)
    assert found.verdict == "holds with conditions"
    assert "Faster: resnet-8 on lanes, bank (1.60x)" in found.reason
    assert "not faster: resnet-8 on systolic" in found.reason


def test_the_statistic_is_the_median_over_networks_and_arrays():
    table = p4_table(arrays=("systolic", "lanes", "wide lanes"))
    banks = table["shape"] == "bank"
    table.loc[banks & (table["array"] == "systolic"), "array_cycles"] = 0.8 * DENSE_CYCLES
    table.loc[banks & (table["array"] == "wide lanes"), "array_cycles"] = 0.1 * DENSE_CYCLES
    assert judge("P4", table).statistic == pytest.approx(0.8 / 0.5)


def test_ratio_that_is_not_given_up_is_a_condition():
    # Every shape goes as far as single weights do.
    same = {"bank": LOST["fine-grained"], "channel": LOST["fine-grained"]}
    found = judge("P4", p4_table(lost=same))
    assert found.verdict == "holds with conditions"
    assert "no ratio is given up on resnet-8" in found.reason


def test_a_shape_that_goes_further_than_single_weights_gives_up_no_ratio():
    table = p4_table(lost={"fine-grained": LOST["bank"], "bank": LOST["fine-grained"]})
    assert not any(case.gives_up_ratio for case in cases(table))
    assert judge("P4", table).verdict == "holds with conditions"


def test_one_structured_shape_as_good_as_single_weights_is_allowed_if_another_is_not():
    assert judge("P4", p4_table(lost={"bank": LOST["fine-grained"]})).verdict == "holds"


def test_seeds_that_disagree_about_the_time_show_no_gain():
    # Faster in the mean over the seeds, but not in each of them.
    table = p4_table(jitter=(0.9, -0.6, 0.8, -0.5, 0.0))
    assert all(case.interval.low < 0 < case.interval.mean for case in cases(table))
    assert judge("P4", table).verdict == "does not hold here"


def test_wide_intervals_of_accuracy_pass_no_density():
    table = p4_table(noise=NOISY)
    assert set(losses(table)["ruling"]) >= {"undecided"}
    assert set(densities(table).values()) == {1.0}
    assert judge("P4", table).statistic == pytest.approx(1.0)


def test_four_seeds_are_too_few_though_they_agree():
    found = judge("P4", p4_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_the_loss_is_taken_against_the_dense_arm_of_as_many_steps():
    table = p4_table()
    table.loc[table["shape"] == "as trained", "accuracy"] = 0.99
    assert judge("P4", table).verdict == "holds"
    table.loc[table["shape"] == "dense", "accuracy"] = 0.99
    assert set(densities(table).values()) == {1.0}


def test_the_margin_is_that_of_the_data():
    slight = {"bank": {0.5: 0.4, 0.25: 3.0}}
    assert densities(p4_table(lost=slight))["resnet-8", "bank"] == 0.5
    assert densities(p4_table(lost=slight, data="mnist"))["resnet-8", "bank"] == 1.0
    with pytest.raises(ValueError, match="no margin was named for the data set 'letters'"):
        judge("P4", p4_table(data="letters"))


def test_losses_count_a_seed_once_however_many_arrays_it_ran_on():
    for arrays in (("systolic",), ("lanes", "systolic", "wide lanes")):
        found = losses(p4_table(arrays=arrays)).set_index(["shape", "density"])
        assert len(found) == 6
        row = found.loc["bank", 0.25]
        assert row["loss"] == pytest.approx(3.0)
        assert row["high"] - row["loss"] == pytest.approx(2.7764 * 0.015811 / 5**0.5, rel=1e-3)


def test_both_voices_name_densities_and_cycles():
    found = judge("P4", p4_table())
    assert "resnet-8: fine-grained 25%, bank 50%, channel 100%" in found.software
    assert "resnet-8 on lanes 1.60 (bank)" in found.hardware


@pytest.mark.parametrize("shape", ["dense", "fine-grained"])
def test_a_missing_shape_is_named(shape):
    table = p4_table()
    with pytest.raises(ValueError, match=shape):
        judge("P4", table[table["shape"] != shape])


def test_a_network_without_any_pruned_shape_is_named():
    table = p4_table()
    with pytest.raises(ValueError, match="no row of a pruned shape"):
        judge("P4", table[table["shape"] == "dense"])
    with pytest.raises(ValueError, match="of any other pruned shape for resnet-8"):
        judge("P4", table[table["shape"].isin(["dense", "fine-grained"])])
    other = p4_table(networks=("mobilenet-10",)).query("shape == 'dense'")
    with pytest.raises(ValueError, match="of any other pruned shape for mobilenet-10"):
        judge("P4", pd.concat([table, other]))


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="array_cycles"):
        judge("P4", p4_table().drop(columns="array_cycles"))


def test_arms_of_different_seeds_are_not_paired():
    table = p4_table()
    with pytest.raises(ValueError, match="not paired"):
        judge("P4", table[~((table["shape"] == "bank") & (table["seed"] == 4))])


def test_a_seed_counted_twice_is_refused():
    with pytest.raises(ValueError, match="two rows of one seed"):
        judge("P4", pd.concat([p4_table(), p4_table()]))
