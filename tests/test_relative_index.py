"""Relative index: EIE's own column, the textbook walk, and the number of fillers that theory asks for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.codecs import CodecError
from nncourse.codecs.relative_index import best_gap_bits, joined, split, split_textbook

EIE_COLUMN = np.array([0, 0, 1, 2, *[0] * 18, 3], np.uint8)
sparse_rows = st.lists(st.sampled_from([0, 0, 0, 0, 1, 5]), max_size=120)


def test_the_column_of_the_eie_paper():
    values, gaps = split(EIE_COLUMN, 4)
    assert values.tolist() == [1, 2, 0, 3]
    assert gaps.tolist() == [2, 0, 15, 2]


@given(sparse_rows, st.integers(1, 6))
def test_it_equals_the_textbook_walk(symbols, gap_bits):
    values, gaps = split(np.array(symbols, np.uint8), gap_bits)
    assert (values.tolist(), gaps.tolist()) == split_textbook(symbols, gap_bits)


@given(sparse_rows, st.integers(1, 16))
def test_joining_gives_the_symbols_back(symbols, gap_bits):
    array = np.array(symbols, np.uint16)
    np.testing.assert_array_equal(joined(*split(array, gap_bits), array.size), array)


@pytest.mark.parametrize("zeros", [0, 2, 3, 4, 6, 7, 8, 11, 12])
def test_a_filler_moves_on_by_one_more_than_its_gap(zeros):
    # two bits: a filler covers four zeros, three of its gap and its own
    values, gaps = split(np.array([*[0] * zeros, 9]), 2)
    assert values.size == 1 + zeros // 4
    assert gaps[-1] == zeros % 4


@pytest.mark.parametrize("density", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("gap_bits", [3, 4, 5, 8])
def test_entries_for_each_nonzero_are_as_many_as_independent_zeros_ask_for(density, gap_bits):
    rng = np.random.default_rng(0)
    symbols = (rng.random(400_000) < density).astype(np.uint8)
    values, _ = split(symbols, gap_bits)
    expected = 1 / (1 - (1 - density) ** 2**gap_bits)
    # three standard errors of a geometric run, generously: 2 % at the lowest density
    assert values.size / symbols.sum() == pytest.approx(expected, rel=0.02)


def test_the_best_width_is_the_best_of_all_widths():
    rng = np.random.default_rng(1)
    for density in (0.5, 0.1, 0.01):
        symbols = (rng.random(20_000) < density).astype(np.uint8)
        costs = {bits: split(symbols, bits)[0].size * (bits + 4) for bits in range(1, 17)}
        assert best_gap_bits(symbols, 4) == min(costs, key=costs.__getitem__)


def test_a_gap_beyond_the_end_is_damage():
    with pytest.raises(CodecError, match="beyond the 5 symbols"):
        joined(np.array([1, 1], np.uint8), np.array([3, 2], np.uint16), 5)


@pytest.mark.parametrize("gap_bits", [0, 17, 2.5, True, None])
def test_other_widths_are_refused(gap_bits):
    with pytest.raises(ValueError, match="gap_bits is a whole number from 1 to 16"):
        split([1], gap_bits)
