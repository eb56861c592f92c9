"""The rule of Deep Compression's own target, on planted tables whose verdict is known."""

import numpy as np
import pandas as pd
import pytest

from nncourse.claims.whole_files import (
    judged,
    points,
    smallest_without_loss,
    target_is_met,
)

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 0.4, -0.4, 0.5, -0.5)
SIZES = {"pruned": 200, "shared": 30, "huffman": 24, "adaptive": 18}


def dc_table(losses=None, noise=STEADY, sizes=None, networks=("lenet-300-100", "lenet-5")):
    """Rows of DC: dense files of 1,000 bytes, two densities whose losses are in points."""
    losses = {0.1: 0.0, 0.04: 0.5} if losses is None else losses
    rows = []
    for network in networks:
        for seed, shift in enumerate(noise):
            start = {"seed": seed, "network": network, "data": "mnist"}
            dense = {"density": 1.0, "form": "dense", "stored_bytes": 1000, "positions_bytes": 0}
            rows.append(start | dense | {"arm": "control", "accuracy": 0.99})
            for density, loss in losses.items():
                for form, size in (SIZES | (sizes or {})).items():
                    rows.append(
                        start
                        | {
                            "arm": "compressed",
                            "density": density,
                            "form": form,
                            "stored_bytes": round(size * density / 0.1),
                            "positions_bytes": round(size * density / 0.2),
                            "accuracy": 0.99 - (loss + shift) / 100,
                        }
                    )
    return pd.DataFrame(rows)


def test_small_files_without_loss_meet_the_target():
    found = target_is_met(dc_table())
    assert (found.claim, found.verdict, found.n) == ("DC", "holds", 5)
    # 1,000 bytes over 24 are 41.7; the target of the first network is 40.
    assert found.statistic == pytest.approx(1000 / 24 / 40)
    assert "lenet-5 41.7 times smaller (huffman, 10.0% of the weights" in found.reason


def test_a_flipped_table_flips_the_verdict():
    worse = dc_table({0.1: 3.0, 0.04: 3.0})
    better = worse.assign(accuracy=2 * 0.99 - worse["accuracy"])
    assert target_is_met(worse).verdict == "does not hold here"
    assert target_is_met(better).verdict == "holds"


def test_sizes_choose_what_is_judged_and_accuracy_does_not():
    # The larger density loses at its first file on target; that the smaller one does not is no rescue.
    table = dc_table({0.1: 3.0, 0.04: 0.0})
    assert target_is_met(table).verdict == "does not hold here"
    point = judged(points(table), "lenet-5")
    assert (point.density, point.form) == (0.1, "huffman")
    assert smallest_without_loss(points(table), "lenet-5").density == 0.04


def test_one_seed_that_misses_the_size_takes_the_point_off_target():
    table = dc_table()
    one = (table["seed"] == 3) & (table["form"] == "huffman") & (table["density"] == 0.1)
    table.loc[one, "stored_bytes"] = 26
    assert judged(points(table), "lenet-5").form == "adaptive"
    assert judged(points(table), "lenet-300-100").form == "adaptive"


def test_files_that_are_too_large_refute_it():
    large = dict.fromkeys(SIZES, 100)
    found = target_is_met(dc_table({0.1: 0.0}, sizes=large))
    assert found.verdict == "does not hold here"
    assert "lenet-5 has no file 39 times smaller" in found.reason
    assert found.statistic == pytest.approx(10 / 40)


def test_one_network_of_two_is_a_condition_that_is_named():
    good, bad = dc_table(networks=("lenet-5",)), dc_table({0.1: 2.0}, networks=("lenet-300-100",))
    found = target_is_met(pd.concat([bad, good]))
    assert found.verdict == "holds with conditions"
    assert "Not so: lenet-300-100" in found.reason


def test_wide_intervals_and_too_few_seeds_are_undecided():
    assert target_is_met(dc_table(noise=NOISY)).verdict == "undecided"
    few = target_is_met(dc_table(noise=STEADY[:4]))
    assert (few.verdict, few.reason) == ("undecided", "4 seeds are fewer than 5.")


def test_the_factor_is_against_the_dense_file_of_the_same_seed():
    table = dc_table(networks=("lenet-5",))
    table.loc[(table["arm"] == "control") & (table["seed"] == 2), "stored_bytes"] = 500
    first = points(table)[0]
    assert (first.form, first.factor) == ("pruned", 2.5)


def test_the_smallest_file_without_loss_may_be_none():
    found = points(dc_table({0.1: 3.0}))
    assert smallest_without_loss(found, "lenet-5") is None
    assert "no file of lenet-5 is without loss" in target_is_met(dc_table({0.1: 3.0})).software


def test_missing_arms_and_unpaired_seeds_are_named():
    table = dc_table()
    with pytest.raises(ValueError, match="arm=control"):
        target_is_met(table[table["arm"] != "control"])
    with pytest.raises(ValueError, match="no compressed row of lenet-300-100"):
        target_is_met(table[table["arm"] == "control"])
    with pytest.raises(ValueError, match="not paired"):
        target_is_met(table[~((table["arm"] == "control") & (table["seed"] == 4))])
    with pytest.raises(ValueError, match="target for lenet-300-100, lenet-5"):
        points(table.assign(network="vgg-16"))


def test_losses_are_paired_by_seed():
    table = dc_table(noise=(0.0,) * 5)
    # Seeds differ by whole points, their losses do not: the interval has no width.
    moved = table.assign(accuracy=table["accuracy"] - table["seed"] / 100)
    found = judged(points(moved), "lenet-5")
    assert np.isclose(found.loss.high, 0.0)
    assert found.ruling == "holds"
