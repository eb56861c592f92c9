"""The rule of claim F6 on planted tables whose verdict is known."""

import numpy as np
import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.equal_bytes import NUM_BUDGETS, common_budgets, lines, qualities

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
WIDTHS = (10, 30, 100, 300)
# Points that a width of the weights reaches above a line in the logarithm of the bytes.
ABOVE = {8: 0.0, 4: 1.0, 2: 0.3}


def f6_table(above=None, noise=STEADY, architecture="convolutional", data="mnist"):
    """Rows of F6 in which 4 bits are best at every number of bytes."""
    above = ABOVE if above is None else above
    is_text = architecture == "transformer"
    rows = []
    for seed, shift in enumerate(noise):
        for bits, points in above.items():
            for width in WIDTHS:
                size = 100 * width * bits
                # The noise of an arm is its own: it does not cancel between two arms.
                quality = 90 + np.log(size / 1000) + points + bits * shift / 4
                value = (100 - quality) / 50 if is_text else quality / 100
                name = f"{architecture}-{width}"
                measure = "loss" if is_text else "accuracy"
                rows.append((seed, architecture, width, name, data, bits, measure, size, value))
    columns = ["seed", "architecture", "width", "network", "data", "bits", "measure"]
    return pd.DataFrame(rows, columns=[*columns, "stored_bytes", "value"])


def both(above=None, **more):
    """A line of convolutional networks and one of transformers."""
    return pd.concat(
        [
            f6_table(above, **more),
            f6_table(above, architecture="transformer", data="shakespeare", **more),
        ]
    )


def test_four_bits_best_everywhere_hold():
    found = judge("F6", both())
    assert (found.verdict, found.statistic, found.margin, found.n) == ("holds", 2.0, 2.0, 5)
    assert "9 of 9 budgets" in found.reason


def test_a_flipped_table_flips_the_verdict():
    found = judge("F6", both({8: 0.0, 4: -3.0, 2: -0.3}))
    assert (found.verdict, found.statistic) == ("does not hold here", 0.0)
    assert "0 of 9 budgets" in found.reason


def test_an_architecture_that_was_not_measured_is_a_condition():
    found = judge("F6", f6_table())
    assert (found.verdict, found.statistic) == ("holds with conditions", 1.0)
    assert "Not measured with 5 seeds: transformer." in found.reason


def test_one_line_of_two_is_a_condition():
    bad = f6_table({8: 0.0, 4: -1.0, 2: -0.3}, architecture="transformer", data="shakespeare")
    found = judge("F6", pd.concat([f6_table(), bad]))
    assert (found.verdict, found.statistic, found.margin) == ("holds with conditions", 1.0, 2.0)


def test_as_good_as_the_best_within_the_margin_is_on_the_frontier():
    assert judge("F6", f6_table({8: 0.0, 4: 0.9, 2: 1.0})).statistic == 1.0
    assert judge("F6", f6_table({8: 0.0, 4: 0.7, 2: 1.0})).statistic == 0.0


def test_a_loss_counts_with_its_own_margin_and_less_is_better():
    text = {"architecture": "transformer", "data": "shakespeare"}
    assert judge("F6", f6_table({8: 0.0, 4: 1.0}, **text)).statistic == 1.0
    assert judge("F6", f6_table({8: 0.0, 4: -1.5}, **text)).statistic == 0.0
    assert judge("F6", f6_table({8: 0.0, 4: -0.5}, **text)).statistic == 1.0


def test_wide_intervals_put_nothing_on_the_frontier_and_nothing_off_it():
    found = judge("F6", f6_table(noise=NOISY))
    assert (found.verdict, found.statistic) == ("undecided", 0.0)


def test_a_line_of_four_seeds_is_reported_and_not_counted():
    few = f6_table(architecture="transformer", data="shakespeare", noise=(0.0,) * 4)
    found = judge("F6", pd.concat([f6_table(), few]))
    assert (found.verdict, found.statistic) == ("holds with conditions", 1.0)
    assert "(4 seeds, not counted)" in found.reason
    assert judge("F6", few).verdict == "undecided"


def test_budgets_lie_where_all_widths_of_the_weights_reach():
    rows = f6_table()
    budgets = common_budgets(rows)
    assert len(budgets) == NUM_BUDGETS
    assert budgets[[0, -1]] == pytest.approx([100 * 10 * 8, 100 * 300 * 2])
    apart = rows[~((rows["bits"] == 2) & (rows["width"] > 10))]
    with pytest.raises(ValueError, match="share no range"):
        common_budgets(apart)


def test_quality_is_interpolated_along_the_logarithm_of_the_bytes():
    rows = f6_table(noise=(0.0,))
    (at,) = qualities(rows, np.array([np.sqrt(4000 * 12000)]))[4].to_numpy()
    assert at.item() == pytest.approx(91 + np.log(np.sqrt(4 * 12)))


def test_the_best_other_width_is_named_at_each_budget():
    (line,) = lines(f6_table())
    assert {budget.best_other for budget in line.budgets} == {2}
    assert line.budgets[0].shortfall.mean == pytest.approx(-0.7)


def test_missing_columns_widths_and_seeds_are_refused():
    table = f6_table()
    with pytest.raises(ValueError, match="measure"):
        judge("F6", table.drop(columns="measure"))
    with pytest.raises(ValueError, match="bits=4"):
        judge("F6", table[table["bits"] != 4])
    with pytest.raises(ValueError, match="not paired"):
        judge("F6", table[~((table["bits"] == 4) & (table["seed"] == 4))])
    with pytest.raises(ValueError, match="not paired"):
        judge(
            "F6", table[~((table["network"] == "convolutional-30") & (table["seed"] == 4))].iloc[1:]
        )
    with pytest.raises(ValueError, match="two rows of one seed"):
        judge("F6", pd.concat([table, table]))
    with pytest.raises(ValueError, match="no margin"):
        judge("F6", table.assign(data="letters"))
