"""The rule of claim Q5 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims import judge
from nncourse.claims.widths import judged_networks

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
NOISY = (0.0, 2.0, -2.0, 1.5, -1.5)
LAYERS = ("a", "b", "c", "d", "e", "f", "g")
ENDS_LOSE = {"a": 3.0, "b": 2.0, "c": 0.1, "d": 0.2, "e": 0.1, "f": 2.0, "g": 3.0}
MIDDLE_LOSES = {name: 3.1 - value for name, value in ENDS_LOSE.items()}


def q5_table(lost=None, gain=1.0, cycles=1.5, noise=STEADY, networks=("resnet-8",)):
    """Rows of Q5: what each layer loses alone, points gained by the allocation, its cycles."""
    lost = ENDS_LOSE if lost is None else lost
    rows = []
    for seed, shift in enumerate(noise):
        for network in networks:
            start = (seed, network, "fashion-mnist")
            for bits in (2, 3, 8):
                rows += [
                    (*start, "one layer", layer, bits, "loss_change", lost[layer] / bits)
                    for layer in LAYERS
                ]
            for bits in (3, 4):
                rows.append((*start, "fixed", "all", bits, "accuracy", 0.8))
                rows.append((*start, "fixed", "all", bits, "stored_bytes", 1000.0))
                rows.append((*start, "allocated", "all", bits, "stored_bytes", 990.0))
                after = 0.8 + (gain + shift) / 100
                rows.append((*start, "allocated", "all", bits, "accuracy", after))
                for kind in ("two widths", "fusible"):
                    rows.append((*start, "fixed", "all", bits, f"{kind} cycles", 1000.0))
                    rows.append((*start, "allocated", "all", bits, f"{kind} cycles", 1000 * cycles))
    columns = ["seed", "network", "data", "arm", "layer", "bits", "measure", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_wide_ends_a_winning_allocation_and_more_cycles_hold():
    found = judge("Q5", q5_table(networks=("resnet-8", "mobilenet-10")))
    assert (found.verdict, found.statistic, found.margin, found.n) == ("holds", 1.0, 0.5, 5)
    assert found.networks == ("resnet-8", "mobilenet-10")


def test_a_flipped_table_flips_the_verdict():
    found = judge("Q5", q5_table(lost=MIDDLE_LOSES, gain=-1.0, cycles=0.5))
    assert (found.verdict, found.statistic) == ("does not hold here", 0.0)


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({"lost": MIDDLE_LOSES}, "the ends do not need more bits (chance 0.00)"),
        ({"gain": 0.0}, "an allocation does not clearly win"),
        ({"cycles": 1.0}, "takes no more cycles"),
    ],
)
def test_each_part_that_fails_is_a_condition_with_its_name(planted, said):
    found = judge("Q5", q5_table(**planted))
    assert found.verdict == "holds with conditions"
    assert said in found.reason


def test_equal_layers_have_an_even_chance():
    (network,) = judged_networks(q5_table(lost=dict.fromkeys(LAYERS, 1.0)))
    assert network.chance.mean == 0.5
    assert network.ends_need_more == "no"


def test_seeds_that_disagree_about_the_ends_settle_nothing():
    table = pd.concat(
        [
            q5_table(lost=ENDS_LOSE if seed % 2 else MIDDLE_LOSES).query("seed == @seed")
            for seed in range(5)
        ]
    )
    (network,) = judged_networks(table)
    assert network.ends_need_more == "not settled"


def test_an_allocation_that_wins_at_one_width_and_loses_at_the_other_does_not_win():
    table = q5_table()
    worse = (table["arm"] == "allocated") & (table["bits"] == 3) & (table["measure"] == "accuracy")
    table.loc[worse, "value"] -= 0.05
    (network,) = judged_networks(table)
    assert not network.allocation_wins
    assert network.gain[4].low > 0


def test_few_seeds_decide_nothing_and_noise_is_no_win():
    assert judge("Q5", q5_table(noise=STEADY[:4])).verdict == "undecided"
    assert "does not clearly win" in judge("Q5", q5_table(noise=NOISY)).reason


def test_an_allocation_of_more_bytes_is_no_fair_comparison():
    table = q5_table()
    larger = (table["arm"] == "allocated") & (table["measure"] == "stored_bytes")
    table.loc[larger, "value"] = 1001.0
    with pytest.raises(ValueError, match="allocates more bytes than 3 fixed bits"):
        judge("Q5", table)


def test_a_missing_part_is_named():
    table = q5_table()
    with pytest.raises(ValueError, match="arm=allocated"):
        judge("Q5", table[table["arm"] != "allocated"])
    with pytest.raises(ValueError, match="one layer"):
        judge("Q5", table[table["arm"] != "one layer"])
    with pytest.raises(ValueError, match="no middle is left"):
        judge("Q5", table[table["layer"].isin(["all", "a", "b", "f", "g"])])
