"""The rules that give verdicts, on planted tables whose verdict is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.claims import CLAIMS, Verdict, claims, judge, register, verdict
from nncourse.claims.intervals import Interval, non_inferiority, paired_interval
from nncourse.experiments import record

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 0.4, -0.4, 0.5, -0.5)


def q2_table(loss=0.0, noise=STEADY, networks=("lenet-5",), size=(1000, 500, 250), arms=None):
    """Rows of Q2 in which FP16 loses nothing and INT8 loses ``loss`` points."""
    losses = {"fp32": 0.0, "fp16": 0.0, "int8": loss} | (arms or {})
    sizes = dict(zip(("fp32", "fp16", "int8"), size, strict=True))
    return pd.DataFrame(
        {
            "seed": seed,
            "network": network,
            "data": "mnist",
            "arm": arm,
            "stored_bytes": sizes.get(arm, sizes["int8"]),
            "accuracy": 0.99 - (lost + (shift if arm != "fp32" else 0.0)) / 100,
        }
        for network in networks
        for seed, shift in enumerate(noise)
        for arm, lost in losses.items()
    )


def test_no_loss_at_the_right_sizes_holds():
    found = judge("Q2", q2_table())
    assert (found.verdict, found.n, found.margin) == ("holds", 5, 0.2)
    assert found.statistic < 0.2


def test_a_flipped_table_flips_the_verdict():
    lost = {"fp16": 3.0, "fp16 fine-tuned": 3.0, "int8 fine-tuned": 3.0}
    worse = q2_table(loss=3.0, arms=lost)
    better = worse.assign(accuracy=2 * 0.99 - worse["accuracy"])
    assert judge("Q2", worse).verdict == "does not hold here"
    assert judge("Q2", better).verdict == "holds"


def test_a_wide_interval_is_undecided_though_the_mean_loss_is_zero():
    found = judge("Q2", q2_table(noise=NOISY))
    assert found.verdict == "undecided"
    assert found.interval[0] < 0 < 0.2 < found.interval[1]


def test_four_seeds_are_too_few_though_they_agree():
    found = judge("Q2", q2_table(noise=(0.0, 0.0, 0.0, 0.0)))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_a_clear_loss_waits_for_fine_tuning_and_then_takes_its_result():
    assert judge("Q2", q2_table(loss=2.0)).verdict == "undecided"
    assert judge("Q2", q2_table(loss=2.0, arms={"int8 fine-tuned": 0.0})).verdict == "holds"
    failed = judge("Q2", q2_table(loss=2.0, arms={"int8 fine-tuned": 1.0}))
    assert failed.verdict == "holds with conditions"
    assert "int8" in failed.reason


def test_a_file_that_is_too_large_is_a_condition():
    found = judge("Q2", q2_table(size=(1000, 500, 300)))
    assert found.verdict == "holds with conditions"
    assert "0.3000 of the bytes" in found.reason
    assert judge("Q2", q2_table(size=(1000, 500, 254))).verdict == "holds"


def test_one_failing_network_among_two_is_a_condition_not_a_pass():
    good = q2_table(networks=("lenet-300-100",), arms={"int8 fine-tuned": 0.0})
    bad = q2_table(loss=2.0, networks=("lenet-5",), arms={"int8 fine-tuned": 2.0})
    assert judge("Q2", pd.concat([good, bad])).verdict == "holds with conditions"


@pytest.mark.parametrize("arm", ["fp32", "fp16", "int8"])
def test_a_missing_arm_is_named(arm):
    table = q2_table()
    with pytest.raises(ValueError, match=f"arm={arm}"):
        judge("Q2", table[table["arm"] != arm])


def test_arms_of_different_seeds_are_not_paired():
    table = q2_table(noise=(0.0,) * 6)
    broken = table[~((table["arm"] == "int8") & (table["seed"] == 5))]
    with pytest.raises(ValueError, match="not paired"):
        judge("Q2", broken)


def test_a_seed_counted_twice_is_refused():
    with pytest.raises(ValueError, match="two rows of one seed"):
        judge("Q2", pd.concat([q2_table(), q2_table()]))


def test_a_missing_column_or_an_empty_table_is_named():
    with pytest.raises(ValueError, match="stored_bytes"):
        judge("Q2", q2_table().drop(columns="stored_bytes"))
    with pytest.raises(ValueError, match="any row"):
        judge("Q2", q2_table().iloc[:0])


def test_a_data_set_without_a_margin_is_not_judged():
    with pytest.raises(ValueError, match="no margin"):
        judge("Q2", q2_table().assign(data="other"))


PRICE = {
    "fp64": 15.0,
    "fp32": 4.6,
    "fp16": 1.5,
    "int16": 0.9,
    "bf16": 0.95,
    "fp8_e4m3": 0.37,
    "fp8_e5m2": 0.25,
    "int8": 0.3,
    "int4": 0.15,
}


def q1_table(sqnr, *, seeds=5):
    return pd.DataFrame(
        {
            "seed": seed,
            "network": "lenet-5",
            "data": "mnist",
            "tensors": tensors,
            "layer": "fc1",
            "format": name,
            "mac_energy_pj": PRICE[name],
            "mac_area_um2": 1000 * PRICE[name],
            "sqnr_db": value + 0.1 * seed,
        }
        for seed in range(seeds)
        for tensors in ("weights", "activations")
        for name, value in sqnr.items()
    )


def test_exactly_opposite_rankings_of_some_formats_hold_with_conditions():
    found = judge("Q1", q1_table({"fp32": 150, "fp16": 70, "int8": 40}))
    assert (found.verdict, found.statistic) == ("holds with conditions", pytest.approx(1.0))
    assert "bf16" in found.reason


def test_exactly_opposite_rankings_of_all_formats_hold():
    order = sorted(PRICE, key=lambda name: PRICE[name])
    found = judge("Q1", q1_table({name: 10.0 * rank for rank, name in enumerate(order)}))
    assert found.verdict == "holds"


def test_equal_rankings_do_not_hold():
    found = judge("Q1", q1_table({"fp32": 10, "fp16": 40, "int8": 70}))
    assert (found.verdict, found.statistic) == ("does not hold here", pytest.approx(-1.0))


def test_one_exception_among_many_formats_is_named():
    found = judge(
        "Q1", q1_table({"fp64": 300, "fp32": 150, "fp16": 70, "int16": 80, "int8": 40, "int4": 20})
    )
    assert found.verdict == "holds with conditions"
    assert "fp16, dearer and no more accurate than int16" in found.reason


def test_exceptions_are_gathered_by_the_dearer_format_and_say_where_they_are():
    order = {"fp64": 300, "fp32": 150, "fp16": 70, "int16": 80, "int8": 75, "int4": 20}
    table = q1_table(order)
    calm = (table["tensors"] == "weights") & (table["format"] == "int8")
    table.loc[calm, "sqnr_db"] = 40 + 0.1 * table.loc[calm, "seed"]
    reason = judge("Q1", table).reason
    assert "fp16, dearer and no more accurate than int16, int8 (on activations)." in reason


def test_a_format_that_is_dearer_and_only_as_accurate_is_an_exception():
    table = q1_table({"fp64": np.inf, "fp32": np.inf, "fp16": 70, "int16": 60, "int8": 40})
    found = judge("Q1", table)
    assert found.statistic < 1
    assert "fp64, dearer and no more accurate than fp32" in found.reason


def test_rankings_need_five_seeds_and_the_three_formats():
    sqnr = {"fp32": 150, "fp16": 70, "int8": 40}
    assert judge("Q1", q1_table(sqnr, seeds=4)).verdict == "undecided"
    del sqnr["int8"]
    with pytest.raises(ValueError, match="format=int8"):
        judge("Q1", q1_table(sqnr))


SIX = ["storage_bytes", "dram_bytes", "energy_pj", "operations", "inferences_per_s", "latency_s"]


def w1_table(**stages):
    """Rows of W1; each stage names its ratios in the order of the six numbers, and may add a loss."""
    rows = [("before", [1.0] * 6, 0.0)] + [
        (stage, ratios, loss) for stage, (ratios, loss) in stages.items()
    ]
    return pd.DataFrame(
        {
            "seed": 0,
            "network": "lenet-5",
            "data": "mnist",
            "machine": "m",
            "stage": stage,
            "technique": stage,
            "accuracy": 0.99 - loss / 100,
        }
        | {
            name: 100.0 * ratio if name == "inferences_per_s" else 100.0 / ratio
            for name, ratio in zip(SIX, ratios, strict=True)
        }
        for stage, ratios, loss in rows
    )


ALL, NO_OPERATIONS = ([2.0] * 6, 0.0), ([2.0, 2.0, 2.0, 1.0, 2.0, 2.0], 0.0)


def test_six_gains_are_undecided_until_every_stage_is_measured():
    found = judge("W1", w1_table(quantization=NO_OPERATIONS))
    assert (found.verdict, found.statistic, found.margin) == ("undecided", 5.0, 6.0)
    assert "pruning, coding still to come" in found.reason


def test_six_gains_by_every_stage_hold_and_by_some_hold_with_conditions():
    assert judge("W1", w1_table(quantization=ALL, pruning=ALL, coding=ALL)).verdict == "holds"
    found = judge("W1", w1_table(quantization=NO_OPERATIONS, pruning=ALL, coding=ALL))
    assert found.verdict == "holds with conditions"
    assert "quantization" in found.reason


def test_a_number_that_nothing_moves_fails_the_claim():
    found = judge(
        "W1", w1_table(quantization=NO_OPERATIONS, pruning=NO_OPERATIONS, coding=NO_OPERATIONS)
    )
    assert found.verdict == "does not hold here"
    assert "operations" in found.reason


def test_a_gain_paid_for_with_accuracy_does_not_count():
    paid = ([2.0] * 6, 1.0)
    found = judge("W1", w1_table(quantization=paid, pruning=paid, coding=paid))
    assert (found.verdict, found.statistic) == ("does not hold here", 0.0)


def test_a_row_of_several_stages_together_counts_for_none_of_them():
    alone = dict.fromkeys(["quantization", "pruning", "coding"], NO_OPERATIONS)
    found = judge("W1", w1_table(**alone, **{"all three": ALL}))
    assert (found.verdict, found.statistic) == ("does not hold here", 5.0)
    together = dict.fromkeys(["quantization", "pruning", "coding"], ALL)
    assert judge("W1", w1_table(**together, **{"all three": NO_OPERATIONS})).verdict == "holds"
    assert "2.00 times smaller" in judge("W1", w1_table(**alone, **{"all three": ALL})).software


def test_a_table_without_its_row_before_is_refused():
    table = w1_table(quantization=ALL)
    with pytest.raises(ValueError, match="'before'"):
        judge("W1", table[table["stage"] != "before"])


def test_paired_interval_agrees_with_a_table_of_student():
    # Differences 1..5: mean 3, standard deviation 1.5811, t(0.975, 4) = 2.7764.
    found = paired_interval([1, 2, 3, 4, 5], [0, 0, 0, 0, 0])
    assert found.mean == pytest.approx(3.0)
    assert found.high - 3 == pytest.approx(2.7764 * 1.5811 / 5**0.5, rel=1e-4)


def test_one_pair_gives_no_bound_at_all():
    found = paired_interval([1.0], [1.0])
    assert (found.low, found.high) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("before", "after"), [([], []), ([1.0], [1.0, 2.0]), ([np.nan, 1.0], [1.0, 1.0])]
)
def test_interval_of_unpaired_or_unfinished_values_is_refused(before, after):
    with pytest.raises(ValueError, match="before and after"):
        paired_interval(before, after)


@given(
    center=st.floats(-5, 5),
    half=st.floats(0, 5),
    margin=st.floats(0.01, 5),
)
def test_no_loss_is_claimed_only_when_the_whole_interval_is_within_the_margin(center, half, margin):
    found = non_inferiority(Interval(center, center - half, center + half, 5), margin=margin)
    assert (found == "holds") == (center + half <= margin)
    assert (found == "does not hold here") == (center - half > margin)


def test_claims_lists_all_of_them_in_the_order_of_the_article():
    table = claims()
    assert list(table["id"]) == list(CLAIMS)
    assert list(table.columns[:5]) == ["id", "verdict", "statistic", "margin", "n"]
    assert len(table) == 22


@pytest.fixture
def f3_without_rule(monkeypatch):
    monkeypatch.setattr(register, "RULES", {k: v for k, v in register.RULES.items() if k != "F3"})


def test_a_claim_without_experiment_or_table_is_undecided_and_says_why(tmp_path, f3_without_rule):
    assert "not written" in verdict("F3").reason
    empty = verdict("Q2", results=tmp_path)
    assert (empty.verdict, empty.statistic, empty.n) == ("undecided", None, 0)
    assert "nncourse experiment Q2" in empty.reason


def test_an_unknown_claim_is_answered_with_the_choices(f3_without_rule):
    with pytest.raises(ValueError, match="W1, Q1"):
        verdict("Q99")
    with pytest.raises(ValueError, match="no rule yet"):
        judge("F3", pd.DataFrame())


def test_every_claim_has_a_rule():
    assert list(register.RULES) == list(CLAIMS)


def test_a_verdict_comes_from_the_recorded_table(tmp_path):
    record.write(
        "Q2",
        q2_table().to_dict("records"),
        command="nncourse experiment Q2",
        sources={},
        sources_sha256="",
        seeds=range(5),
        seconds=0.0,
        folder=tmp_path,
    )
    assert verdict("Q2", results=tmp_path) == judge("Q2", q2_table())


def card(**changes):
    given = {
        "claim": "Q2",
        "verdict": "holds",
        "measure": "loss",
        "statistic": 0.1,
        "margin": 0.2,
        "n": 5,
        "interval": (0.0, 0.1),
        "networks": ("lenet-5",),
        "data": "MNIST test",
        "reason": "1 < 2 & so on.",
        "software": "fine",
        "hardware": "cheap",
    }
    return Verdict(**(given | changes))


def test_the_card_says_in_words_all_that_it_shows():
    html = card()._repr_html_()
    for text in (
        "Q2: holds",
        "1 &lt; 2 &amp; so on.",
        "SW",
        "fine",
        "HW",
        "n = 5",
        "0.2",
        "lenet-5",
    ):
        assert text in html
    assert 'aria-label="Verdict on claim Q2"' in html
    for text in ("Q2: holds", "1 < 2 & so on.", "SW: fine", "HW: cheap", "0 to 0.1"):
        assert text in str(card())


def test_a_verdict_of_unknown_word_or_without_number_is_refused():
    with pytest.raises(ValueError, match="'maybe'"):
        card(verdict="maybe")
    with pytest.raises(ValueError, match="NaN"):
        card(statistic=float("nan"))
