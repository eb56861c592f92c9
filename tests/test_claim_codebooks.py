"""The rule of claim Q4 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.codebooks import judged_arms

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
# Area and energy of a lane at 4 bits; a uniform lane is 1.
PRICES = {
    ("uniform", "own"): 1.0,
    ("kmeans", "own"): 6.0,
    ("kmeans", "shared"): 3.0,
    ("kmeans 8-bit", "own"): 4.0,
    ("kmeans 8-bit", "shared"): 2.5,
    ("log2", "own"): 0.8,
}
SQNR_DB = {"minmax": 10.0, "mse": 15.0, "kmeans": 18.0, "kmeans 8-bit": 17.9, "log2": 13.0}
LOSS = {"minmax": 3.0, "mse": 2.0, "kmeans": 0.0, "kmeans 8-bit": 0.0, "log2": 1.0}


def q4_table(sqnr=None, loss=None, prices=None, noise=STEADY, networks=("lenet-5",), data="mnist"):
    """Rows of Q4 in which the uniform grids lose at every width, and k-means nothing."""
    sqnr, loss, prices = SQNR_DB | (sqnr or {}), LOSS | (loss or {}), PRICES | (prices or {})
    rows = []

    def add(seed, network, data, method, granularity, bits, **values):
        for measure, value in values.items():
            rows.append((seed, network, data, method, granularity, bits, measure, value))

    for seed, shift in enumerate(noise):
        for network in networks:
            add(seed, network, data, "fp32", "none", 32, accuracy=0.99)
            for method in sqnr:
                for granularity in ("tensor", "channel"):
                    for bits in (4, 3, 2):
                        # The noise of an arm is its own: it does not cancel between two arms.
                        spread = shift * (1 + 0.5 * list(sqnr).index(method))
                        accuracy = 0.99 - (loss[method] + spread) / 100
                        add(
                            *(seed, network, data, method, granularity, bits),
                            sqnr_db=sqnr[method],
                            lost_share=0.5,
                            accuracy=accuracy,
                        )
    for method in sqnr:
        for granularity in ("tensor", "channel"):
            for bits in (4, 3, 2):
                add(
                    *(0, "published", "none", method, granularity, bits),
                    sqnr_db=sqnr[method],
                    lost_share=0.5,
                )
    for (method, place), price in prices.items():
        for bits in (4, 3):
            add(0, "lane", "none", method, place, bits, area_um2=100 * price, energy_pj=price)
    columns = ["seed", "network", "data", "method", "granularity", "bits", "measure", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_tables_that_save_every_accuracy_and_double_every_lane_hold():
    found = judge("Q4", q4_table())
    assert (found.verdict, found.n, found.margin) == ("holds", 5, 0.0)
    assert found.statistic == pytest.approx(3.0)
    assert found.networks == ("lenet-5", "published")
    assert found.data == "mnist"
    assert {arm.status for arm in judged_arms(q4_table())} == {"fixed", "no data"}


def test_a_flipped_table_flips_the_verdict():
    flipped = q4_table(
        sqnr={"kmeans": 15.0, "mse": 18.0},
        loss={"kmeans": 3.0, "mse": 0.0, "minmax": 0.0},
        prices={("uniform", "own"): 6.0, ("kmeans", "own"): 1.0},
    )
    found = judge("Q4", flipped)
    assert (found.verdict, found.statistic) == ("does not hold here", pytest.approx(-3.0))


def test_the_better_grid_stands_for_the_uniform_ones():
    # "mse" alone keeps the accuracy: then there was nothing to save.
    found = judge("Q4", q4_table(loss={"mse": 0.0}))
    assert found.verdict == "holds with conditions"
    assert "of 0 where the uniform grid loses" in found.reason
    assert {arm.status for arm in judged_arms(q4_table(loss={"mse": 0.0}))} == {
        "no need",
        "no data",
    }


def test_an_accuracy_improved_but_not_brought_back_is_a_condition():
    found = judge("Q4", q4_table(loss={"kmeans": 1.0}))
    assert found.verdict == "holds with conditions"
    assert "6 improved" in found.reason


def test_an_improvement_within_the_noise_saves_nothing():
    table = q4_table(loss={"minmax": 6.0, "mse": 6.0, "kmeans": 5.9}, noise=NOISY)
    assert "not saved" in {arm.status for arm in judged_arms(table)}
    assert judge("Q4", table).verdict == "holds with conditions"  # hardware's half still does


def test_an_accuracy_made_worse_fails_softwares_half_even_with_a_smaller_error():
    found = judge("Q4", q4_table(loss={"kmeans": 2.5, "minmax": 2.5}))
    assert "Accuracy is worse at" in found.reason
    assert "Software's half does not hold here" in found.reason


def test_an_error_that_is_larger_on_one_network_is_named():
    table = q4_table()
    worse = (
        (table["network"] == "published")
        & (table["method"] == "kmeans")
        & (table["bits"] == 3)
        & (table["granularity"] == "channel")
        & (table["measure"] == "sqnr_db")
    )
    table.loc[worse, "value"] = 9.0
    found = judge("Q4", table)
    assert found.verdict == "holds with conditions"
    assert "not smaller at published, 3 bits, scale a channel" in found.reason
    assert found.statistic == pytest.approx(-6.0)


@pytest.mark.parametrize(("own", "expected"), [(2.0, "holds"), (1.9, "holds with conditions")])
def test_a_lane_is_dear_from_twice_the_price_on(own, expected):
    prices = {("kmeans", "own"): own, ("kmeans 8-bit", "shared"): 2.0}
    assert judge("Q4", q4_table(prices=prices)).verdict == expected


def test_area_alone_is_half_of_the_price():
    table = q4_table()
    own = (table["network"] == "lane") & (table["method"] == "kmeans")
    table.loc[own & (table["measure"] == "energy_pj"), "value"] = 1.0
    found = judge("Q4", table)
    assert found.verdict == "holds with conditions"
    assert "Hardware's half holds with conditions" in found.reason


def test_a_way_around_the_price_is_a_condition_unless_it_costs_accuracy():
    cheap = {("kmeans 8-bit", "shared"): 1.5}
    found = judge("Q4", q4_table(prices=cheap))
    assert found.verdict == "holds with conditions"
    assert "1.5 times the area" in found.reason
    assert judge("Q4", q4_table(prices=cheap, loss={"kmeans 8-bit": 1.0})).verdict == "holds"


def test_four_seeds_are_too_few_though_they_agree():
    found = judge("Q4", q4_table(noise=(0.0,) * 4))
    assert found.verdict == "undecided"
    assert "4 seeds are fewer than 5" in found.reason


def test_fashion_has_a_wider_margin():
    loss = {"kmeans": 0.4}
    assert judge("Q4", q4_table(loss=loss)).verdict == "holds with conditions"
    assert judge("Q4", q4_table(loss=loss, data="fashion-mnist")).verdict == "holds"


def test_a_data_set_without_a_margin_is_not_judged():
    with pytest.raises(ValueError, match="no margin"):
        judge("Q4", q4_table(data="other"))


@pytest.mark.parametrize("method", ["fp32", "minmax", "mse", "kmeans", "kmeans 8-bit"])
def test_a_missing_arm_is_named(method):
    table = q4_table(prices={("kmeans 8-bit", "shared"): 1.5})
    with pytest.raises(ValueError, match=f"method={method}"):
        judge("Q4", table[(table["method"] != method) | (table["network"] == "lane")])


def test_arms_of_different_seeds_are_not_paired():
    table = q4_table()
    broken = table[~((table["method"] == "kmeans") & (table["seed"] == 4))]
    with pytest.raises(ValueError, match="not paired"):
        judge("Q4", broken)


def test_a_table_without_any_accuracy_is_refused():
    table = q4_table()
    with pytest.raises(ValueError, match="no network with an accuracy"):
        judge("Q4", table[table["network"] != "lenet-5"])
