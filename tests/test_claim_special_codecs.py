"""The rule of claim D1 on planted tables whose verdict is known."""

import numpy as np
import pandas as pd
import pytest

from nncourse.claims.special_codecs import cases, habits_are_exploited, over_bound

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
BYTES = {
    ("entropy", "bound"): 100,
    ("zlib -9", "general"): 160,
    ("zstd -19", "general"): 140,
    ("huffman", "special"): 120,
    ("rans", "special"): 110,
    ("adaptive", "special"): 90,
}
KINDS = ("8-bit weights", "8-bit activations")


def d1_table(change=None, noise=STEADY, networks=("lenet-5",), kinds=KINDS):
    """Rows of D1; ``change`` takes the place of bytes by (kind, codec), noise moves the special ones."""
    rows = []
    for seed, shift in enumerate(noise):
        for network in networks:
            for kind in kinds:
                for (codec, group), size in BYTES.items():
                    size = (change or {}).get((kind, codec), size) * (
                        1 + shift * (group == "special")
                    )
                    rows.append((seed, network, "mnist", kind, codec, group, size, 200, True))
    names = ["seed", "network", "data", "kind", "codec", "group", "bytes", "raw_bytes", "intact"]
    return pd.DataFrame(rows, columns=names)


def test_smaller_special_codecs_hold_it():
    found = habits_are_exploited(d1_table(networks=("lenet-5", "resnet-8")))
    assert (found.verdict, found.n, found.margin) == ("holds", 5, 1.0)
    assert found.statistic == pytest.approx(90 / 140)
    assert found.interval[0] < 90 / 140 < found.interval[1]
    assert "8-bit weights 0.64 to 0.64" in found.reason
    assert "0.90 to 0.90 (adaptive)" in found.software


def test_a_flipped_table_flips_the_verdict():
    change = {(kind, codec): 50 for kind in KINDS for codec in ("zlib -9", "zstd -19")}
    found = habits_are_exploited(d1_table(change))
    assert found.verdict == "does not hold here"
    assert found.statistic == pytest.approx(90 / 50)


def test_one_kind_on_which_general_codecs_win_is_a_condition():
    found = habits_are_exploited(d1_table({(KINDS[1], "zstd -19"): 80}))
    assert found.verdict == "holds with conditions"
    assert "not clearly for 8-bit activations of lenet-5 (1.125)" in found.reason


def test_one_bit_that_does_not_come_back_refutes_it():
    table = d1_table()
    table.loc[7, "intact"] = False
    found = habits_are_exploited(table)
    assert found.verdict == "does not hold here"
    assert "did not give back the" in found.reason


def test_four_seeds_are_undecided():
    assert habits_are_exploited(d1_table(noise=STEADY[:4])).verdict == "undecided"


def test_noise_that_crosses_one_is_no_clear_gain():
    found = habits_are_exploited(
        d1_table({(k, "zstd -19"): 91 for k in KINDS}, (0, 0.5, -0.4, 0.3, 0))
    )
    assert found.verdict == "does not hold here"


def test_the_best_of_each_group_is_chosen_for_every_seed():
    table = d1_table(kinds=KINDS[:1])
    table.loc[(table["seed"] == 2) & (table["codec"] == "zlib -9"), "bytes"] = 50
    case = cases(table)[0]
    assert case.general == "zstd -19"
    ratios = [90 * (1 + shift) / (50 if seed == 2 else 140) for seed, shift in enumerate(STEADY)]
    assert case.ratio == pytest.approx(np.mean(ratios))


def test_ratios_to_the_bound_by_codec_and_kind():
    found = over_bound(d1_table(noise=(0.0,)))
    assert found.loc[("general", "zlib -9"), KINDS[0]] == 1.6
    assert found.loc[("special", "adaptive"), KINDS[1]] == 0.9


@pytest.mark.parametrize("group", ["bound", "general", "special"])
def test_a_table_without_a_group_says_so(group):
    table = d1_table()
    with pytest.raises(ValueError, match=f"no row of the group '{group}'"):
        habits_are_exploited(table[table["group"] != group])


def test_what_makes_data_larger_is_told():
    found = habits_are_exploited(d1_table({(KINDS[0], "zlib -9"): 201}))
    assert "made some data larger: zlib -9" in found.hardware
