"""The rule of claim D3 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims.concentration import cases, correlation, flat_gains_little, worth_it

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
# kind: fill, gain
KINDS = {
    "pruned": (0.25, 2.8),
    "exponent": (0.5, 1.9),
    "8-bit grid": (0.8, 1.2),
    "noise": (1.0, 0.99),
}
NETWORKS = ("lenet-5", "resnet-8")


def d3_table(change=None, noise=STEADY, networks=NETWORKS):
    """Rows of D3; ``change`` takes the place of ``KINDS``, noise moves the gain."""
    rows = []
    for seed, shift in enumerate(noise):
        for network in networks:
            for kind, (fill, gain) in (KINDS | (change or {})).items():
                size = 1000 / gain / (1 + shift)
                rows.append((seed, network, "mnist", kind, 1000, 1000, size, 8, 8 * fill))
                rows[-1] += (8 / gain, 0.5, 1)
    names = ["seed", "network", "data", "kind", "symbols", "fixed_bytes", "huffman_bytes", "width"]
    return pd.DataFrame(rows, columns=[*names, "entropy", "codeword", "top", "intact"])


def test_much_where_concentrated_and_little_where_flat_holds():
    found = flat_gains_little(d3_table())
    assert (found.verdict, found.n, found.margin) == ("holds", 5, 1.05)
    assert found.statistic == pytest.approx(0.99)
    assert found.interval[0] < 0.99 < found.interval[1] < 1.05
    assert "0.99 to 0.99 where the entropy is within 5% of the width" in found.reason
    assert "1.90 to 2.80 where it is at most half" in found.reason


def test_a_flipped_table_flips_the_verdict():
    flipped = {"noise": (1.0, 2.8), "pruned": (0.25, 0.99)}
    found = flat_gains_little(d3_table(flipped))
    assert found.verdict == "does not hold here"
    assert "Flat, and the gain is large: noise of lenet-5 (2.800)" in found.reason


def test_a_flat_case_whose_interval_crosses_the_margin_is_undecided():
    found = flat_gains_little(d3_table({"noise": (1.0, 1.04)}))
    assert found.verdict == "undecided"
    assert "not clearly small for noise" in found.reason


def test_a_concentrated_case_without_a_gain_is_a_condition_with_its_name():
    found = flat_gains_little(d3_table({"exponent": (0.5, 1.4)}))
    assert found.verdict == "holds with conditions"
    assert "no clear gain: exponent of lenet-5 (1.400)" in found.reason
    assert "pruned of" not in found.reason.split("no clear gain")[1]


def test_a_loose_order_is_a_condition():
    found = flat_gains_little(
        d3_table({"8-bit grid": (0.55, 0.9), "other": (0.6, 3.5), "more": (0.7, 3.0)})
    )
    assert found.verdict == "holds with conditions"
    assert "The order is loose" in found.reason


def test_the_order_is_that_of_the_weakest_network():
    table = d3_table()
    where = (table["network"] == "resnet-8") & (table["kind"] == "pruned")
    table.loc[where, "huffman_bytes"] = 1000 / 1.6
    assert correlation(table[table["network"] == "lenet-5"]).mean == pytest.approx(-1)
    assert correlation(table).mean == pytest.approx(-0.8)
    assert flat_gains_little(table).verdict == "holds"


@pytest.mark.parametrize(("gone", "said"), [("noise", "flat"), ("both", "concentrated")])
def test_without_flat_or_without_concentrated_data_nothing_is_decided(gone, said):
    table = d3_table()
    kinds = ["noise"] if gone == "noise" else ["pruned", "exponent"]
    extra = d3_table({"a": (0.7, 1.3), "b": (0.75, 1.25)})
    found = flat_gains_little(extra[~extra["kind"].isin(kinds)])
    assert found.verdict == "undecided"
    assert f"No case is {said}" in found.reason
    assert flat_gains_little(table).verdict == "holds"


def test_four_seeds_and_a_stream_that_did_not_come_back_are_undecided():
    assert flat_gains_little(d3_table(noise=STEADY[:4])).verdict == "undecided"
    table = d3_table()
    table.loc[5, "intact"] = 0
    found = flat_gains_little(table)
    assert found.verdict == "undecided"
    assert "did not come back" in found.reason


def test_how_full_a_distribution_may_be_for_a_tenth_saved():
    assert worth_it(cases(d3_table())) == pytest.approx((0.8, 1.0))
    overlap = cases(d3_table({"odd": (0.3, 1.05)}))
    assert worth_it(overlap) == pytest.approx((0.25, 1.0))


def test_both_voices_tell_their_numbers():
    found = flat_gains_little(d3_table({"noise": (1.0, 0.9)}))
    assert "at most 0.80 of the width, and nowhere from 1.00 on" in found.software
    assert "pruned 2.80 to 2.80" in found.hardware
    assert "larger, for noise," in found.hardware


def test_a_missing_column_too_few_kinds_and_a_seed_twice_are_named():
    table = d3_table()
    with pytest.raises(ValueError, match="entropy"):
        flat_gains_little(table.drop(columns="entropy"))
    with pytest.raises(ValueError, match="fewer than three kinds"):
        flat_gains_little(table[table["kind"].isin(["noise", "pruned"])])
    with pytest.raises(ValueError, match="two rows of one seed"):
        flat_gains_little(pd.concat([table, table]))


@pytest.mark.parametrize(
    ("fill", "gain", "verdict"),
    [
        (0.96, 1.2, "does not hold here"),
        (0.94, 1.2, "holds"),
        (0.49, 1.45, "holds with conditions"),
        (0.52, 1.85, "holds"),
    ],
)
def test_what_counts_as_flat_and_as_concentrated_is_told_by_the_fill(fill, gain, verdict):
    assert flat_gains_little(d3_table({"odd": (fill, gain)})).verdict == verdict


def test_noise_in_the_gain_of_concentrated_data_is_no_clear_gain():
    found = flat_gains_little(
        d3_table({"exponent": (0.5, 1.6), "noise": (1.0, 0.8)}, noise=(0, 0.15, -0.15, 0.2, -0.2))
    )
    assert found.verdict == "holds with conditions"
    assert "no clear gain: exponent" in found.reason
