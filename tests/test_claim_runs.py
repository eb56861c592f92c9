"""The rule of claim D4 on planted tables whose verdict is known."""

import pandas as pd
import pytest

from nncourse.claims.runs import cases, runs_of_zeros, zeros

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
MEASURES = {
    "fixed bits": 1000.0,
    "run length bits": 400.0,
    "run length + Huffman bits": 330.0,
    "bound bits": 300.0,
    "entries": 1.2,
    "entries by chance": 1.25,
    "touched by run length": 0.5,
    "touched by Huffman": 0.5,
    "entries a symbol": 0.1,
    "zeros": 0.9,
}


def d4_table(change=None, trained=0.2, active=0.4, noise=STEADY, cases=(("lenet-5", 0.1),)):
    """Rows of D4; ``change`` takes the place of numbers in ``MEASURES``, noise moves run length."""
    rows = []
    for seed, shift in enumerate(noise):
        for network, density in cases:
            start = (seed, network, "mnist")
            rows.append((*start, "weights as trained", 1.0, "zeros", trained))
            rows.append((*start, "activations", 1.0, "zeros", active))
            for measure, value in (MEASURES | (change or {})).items():
                moved = value * (1 + shift * measure.startswith("run length"))
                rows.append((*start, "pruned weights", density, measure, moved))
    names = ["seed", "network", "data", "source", "density", "measure", "value"]
    return pd.DataFrame(rows, columns=names).drop_duplicates()


TWO = (("lenet-5", 0.1), ("resnet-8", 0.5))


def test_all_four_parts_hold_it():
    found = runs_of_zeros(d4_table(cases=TWO))
    assert (found.verdict, found.n, found.margin) == ("holds", 5, 1.0)
    assert found.statistic == pytest.approx(0.4)
    assert "1.10 to 1.10 times the bound" in found.reason


def test_zeros_that_are_not_in_the_parameters_are_a_condition_not_a_repair():
    found = runs_of_zeros(d4_table(trained=0.0001))
    assert found.verdict == "holds with conditions"
    assert "not where the article sees them" in found.reason
    assert "0.01% are zero at most, of what layers read 40% to 40%" in found.reason


def test_a_flipped_table_flips_the_verdict():
    found = runs_of_zeros(d4_table({"fixed bits": 400.0, "run length bits": 1000.0}))
    assert found.verdict == "does not hold here"
    assert found.statistic == pytest.approx(2.5)


def test_far_from_the_bound_is_a_condition():
    found = runs_of_zeros(d4_table({"bound bits": 200.0}))
    assert found.verdict == "holds with conditions"
    assert "not within 1.25 times the bound for lenet-5 at 10% (1.65)" in found.reason


def test_the_smaller_of_the_two_forms_counts():
    case = cases(d4_table({"run length + Huffman bits": 500.0}))[0]
    assert case.bound == pytest.approx(400 / 300)
    assert not case.entropy_coded
    assert cases(d4_table())[0].entropy_coded


def test_easy_random_access_refutes_it():
    found = runs_of_zeros(d4_table({"touched by run length": 0.1}))
    assert (found.verdict, "easier: 10%" in found.reason) == ("does not hold here", True)


def test_a_case_in_which_it_is_larger_is_named():
    table = d4_table(cases=TWO)
    where = (table["network"] == "resnet-8") & (table["measure"] == "run length bits")
    table.loc[where, "value"] *= 3
    found = runs_of_zeros(table)
    assert found.verdict == "holds with conditions"
    assert "not clearly smaller for resnet-8 at 50% (1.20)" in found.reason


def test_four_seeds_are_undecided():
    assert runs_of_zeros(d4_table(noise=STEADY[:4])).verdict == "undecided"


def test_shares_of_zeros_by_network():
    found = zeros(d4_table(cases=TWO), "activations")
    assert found.to_dict() == {"lenet-5": pytest.approx(0.4), "resnet-8": pytest.approx(0.4)}


@pytest.mark.parametrize("source", ["weights as trained", "activations", "pruned weights"])
def test_a_table_without_a_source_says_so(source):
    table = d4_table()
    with pytest.raises(ValueError, match=f"no row of {source}"):
        runs_of_zeros(table[table["source"] != source])
