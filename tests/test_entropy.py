"""Entropy: against values on paper, scipy, and the length of real codes."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nncourse.entropy import binary_entropy, counts_of, entropy, entropy_of_counts


def test_a_fair_die_of_eight_sides_takes_three_bits():
    assert entropy(np.arange(8)) == 3


def test_one_symbol_takes_nothing():
    assert entropy([5, 5, 5]) == 0
    assert entropy([]) == 0


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=50))
def test_it_equals_scipys(counts):
    assert entropy_of_counts(counts) == pytest.approx(
        scipy.stats.entropy(counts, base=2), abs=1e-12
    )


def test_symbols_that_never_occur_change_nothing():
    assert entropy_of_counts([3, 0, 5, 0]) == entropy_of_counts([3, 5])


def test_a_coin_of_eleven_percent_carries_half_a_bit():
    assert binary_entropy(0.11) == pytest.approx(0.4999, abs=1e-4)
    assert binary_entropy(0) == binary_entropy(1) == 0


def test_floats_are_counted_by_their_bits():
    values = np.array([0.0, -0.0, np.nan, np.nan], dtype=np.float32)
    assert sorted(counts_of(values)) == [1, 1, 2]


def test_order_and_shape_do_not_matter():
    symbols = np.random.default_rng(0).integers(0, 9, (30, 40))
    assert entropy(symbols) == entropy(np.sort(symbols.ravel()))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="counts are at least 0; got -1"):
        entropy_of_counts([3, -1])
    with pytest.raises(ValueError, match=r"probability is in \[0, 1\]; got 1.5"):
        binary_entropy(1.5)
