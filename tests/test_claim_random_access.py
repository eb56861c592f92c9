"""The rule of claim D2 on planted tables whose verdict is known."""

import numpy as np
import pandas as pd
import pytest

from nncourse.claims.random_access import BURST_BITS, cases, everything_before

STEADY = (0.0, 0.01, -0.01, 0.02, -0.02)
CASES = (("lenet-5", "8-bit weights"), ("resnet-8", "pruned 4-bit weights"))
# form: bytes, codewords of a read, bits, bits of the dearest read, share of the stream
FORMS = {
    "fixed": (1000, 1, 8, 8, 0.0),
    "Huffman": (500, 400, 2000, 4000, 0.5),
    "restart 16": (600, 8.5, 40, 200, 0.01),
    "restart 64": (545, 32.5, 160, 500, 0.04),
    "restart 256": (510, 128.5, 640, 2000, 0.16),
    "bitmap and rank": (520, 1, 256, 516, 0.06),
}


def d2_table(change=None, noise=STEADY, pairs=CASES):
    """Rows of D2; ``change`` takes the place of ``FORMS``, noise moves bytes of indices and the share."""
    rows = []
    for seed, shift in enumerate(noise):
        for network, kind in pairs:
            for form, values in (FORMS | (change or {})).items():
                size, codewords, bits, most_bits, share = values
                size += 5 * shift * form.startswith("restart")
                share *= 1 + shift
                rows.append((seed, network, "mnist", kind, form, size, 0, codewords, bits))
                rows[-1] += (most_bits, share, 1)
    names = ["seed", "network", "data", "kind", "form", "bytes", "index_bits", "codewords", "bits"]
    return pd.DataFrame(rows, columns=[*names, "most_bits", "share", "intact"])


def test_an_index_that_is_near_and_cheap_is_a_condition_with_its_spacing_and_price():
    found = everything_before(d2_table())
    assert (found.verdict, found.n, found.margin) == ("holds with conditions", 5, 0.4)
    assert found.statistic == pytest.approx(0.5)
    assert found.interval[0] < 0.5 < found.interval[1]
    assert "a read decodes 50% of its layer" in found.reason
    assert "8-bit weights of lenet-5 (every 64, 9.0% of what was saved)" in found.reason


@pytest.mark.parametrize(
    "restart",
    [(600, 32.5, 160, 500, 0.04), (545, 32.5, 160, BURST_BITS + 1, 0.04)],
    ids=["a fifth of what was saved", "beyond a burst"],
)
def test_where_every_index_is_too_dear_or_too_far_the_claim_holds(restart):
    found = everything_before(d2_table({"restart 64": restart}))
    assert found.verdict == "holds"
    assert "No index is both near and cheap" in found.reason


def test_a_flipped_table_flips_the_verdict():
    found = everything_before(d2_table({"Huffman": (500, 40, 200, 4000, 0.1)}))
    assert found.verdict == "does not hold here"
    assert "decodes only 10%" in found.reason


def test_one_network_that_is_read_without_a_walk_refutes_it():
    table = d2_table()
    where = (table["network"] == "resnet-8") & (table["form"] == "Huffman")
    table.loc[where, "share"] = 0.2
    assert everything_before(table).verdict == "does not hold here"


def test_an_index_that_helps_one_case_names_the_other():
    table = d2_table()
    where = (table["network"] == "resnet-8") & (table["form"] == "restart 64")
    table.loc[where, "bytes"] = 700
    found = everything_before(table)
    assert found.verdict == "holds with conditions"
    assert "An index helps for 8-bit weights of lenet-5" in found.reason
    assert "No index is both near and cheap for pruned 4-bit weights of resnet-8" in found.reason


def test_one_read_of_one_seed_beyond_a_burst_is_enough_to_be_too_far():
    table = d2_table()
    where = (table["seed"] == 3) & (table["form"] == "restart 64")
    table.loc[where, "most_bits"] = BURST_BITS + 1
    assert everything_before(table).verdict == "holds"


def test_a_price_whose_interval_crosses_a_tenth_is_not_cheap():
    noisy = d2_table(noise=(0, 3, -3, 5, -5))
    noisy["share"] = np.where(noisy["form"] == "Huffman", 0.5, noisy["share"])
    prices = {index.spacing: index for index in cases(noisy)[0].indices}
    assert prices[64].price < 0.1 < prices[64].interval.high
    assert everything_before(noisy).verdict == "holds"


def test_where_nothing_was_saved_no_index_is_cheap():
    found = cases(d2_table({"fixed": (499, 1, 8, 8, 0.0)}))
    assert all(index.price == 1 and not index.helps for case in found for index in case.indices)


def test_a_read_that_is_wrong_and_too_few_seeds_are_undecided():
    table = d2_table()
    table.loc[7, "intact"] = 0
    assert everything_before(table).verdict == "undecided"
    assert everything_before(d2_table(noise=STEADY[:4])).verdict == "undecided"


def test_both_voices_tell_their_numbers():
    found = everything_before(d2_table())
    assert "every 16 20.0% to 20.0%, every 64 9.0% to 9.0%" in found.software
    assert "400 to 400 codewords" in found.hardware
    assert "at most 516 bits, at 1.04 to 1.04 times the bytes" in found.hardware


def test_a_missing_form_a_missing_column_and_a_seed_twice_are_named():
    table = d2_table()
    for form in ("fixed", "Huffman"):
        with pytest.raises(ValueError, match=f"form={form}"):
            everything_before(table[table["form"] != form])
    with pytest.raises(ValueError, match="no row of a form with restart points"):
        everything_before(table[~table["form"].str.startswith("restart")])
    with pytest.raises(ValueError, match="most_bits"):
        everything_before(table.drop(columns="most_bits"))
    with pytest.raises(ValueError, match="two rows of one seed"):
        everything_before(pd.concat([table, table]))
    gone = (table["seed"] == 4) & (table["form"] == "fixed")
    with pytest.raises(ValueError, match="not paired"):
        everything_before(table[~gone])
