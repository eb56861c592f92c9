"""The measures of lab 06: least totals against every code there is, words against RFC 1951, charges by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.classroom.checks.code_lengths import (
    bits_of,
    fibonacci,
    is_prefix_code,
    least_bits,
    least_bits_within,
)
from nncourse.classroom.checks.codeword_streams import some_lengths, words_of, written
from nncourse.classroom.checks.restart_points import restart_offsets
from nncourse.classroom.checks.token_dictionary import (
    NotADictionary,
    pruned_codes,
    total_bits,
)

few_counts = st.lists(st.integers(1, 40), min_size=2, max_size=5)


def every_code(size, longest):
    for lengths in itertools.product(range(1, longest + 1), repeat=size):
        if sum(2.0**-length for length in lengths) <= 1:
            yield np.array(lengths)


@settings(deadline=None, max_examples=30)
@given(few_counts, st.integers(3, 4))
def test_no_code_at_all_takes_less_than_the_least(counts, limit):
    best = min(bits_of(lengths, counts) for lengths in every_code(len(counts), limit))
    assert least_bits_within(counts, limit) == best
    if limit >= len(counts) - 1:
        assert least_bits(counts) == best


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=40))
def test_without_a_limit_in_reach_both_measures_agree(counts):
    assert least_bits_within(counts, len(counts)) == least_bits(counts)


def test_a_limit_costs_bits_where_the_counts_grow_like_fibonaccis():
    counts = fibonacci(12)
    costs = [least_bits_within(counts, limit) for limit in (4, 5, 7, 11)]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[-1] == least_bits(counts)


@pytest.mark.parametrize(
    ("lengths", "is_code"),
    [
        ([1, 2, 2, 0], True),
        ([2, 2, 2, 0], True),
        ([1, 1, 2, 0], False),
        ([1, 2, 2, 3], False),
        ([1, 2, 0, 0], False),
        ([0, 0, 0, 0], False),
    ],
)
def test_a_prefix_code_has_room_for_every_word_and_words_for_what_occurs(lengths, is_code):
    assert is_prefix_code(np.array(lengths), np.array([5, 2, 1, 0])) is is_code


def test_lengths_that_are_no_integers_are_no_code():
    assert not is_prefix_code(np.array([1.0, 1.0]), np.array([1, 1]))
    assert not is_prefix_code([1, 1], np.array([1, 1]))
    assert not is_prefix_code(np.array([1, 10**9]), np.array([1, 1]))


def test_the_words_of_rfc_1951():
    words = words_of(np.array([3, 3, 3, 3, 3, 2, 4, 4]))
    assert [f"{word:b}" for word in words] == ["10", "11", "100", "101", "110", "0", "1110", "1111"]


def test_words_in_bytes_by_hand():
    lengths = np.array([1, 2, 2])
    # 11 0 10 0, then two spare bits
    assert written([2, 0, 1, 0], lengths, words_of(lengths)) == bytes([0b110_10_000])


def test_drawn_lengths_use_up_all_words():
    for size in (2, 7, 40):
        lengths = some_lengths(np.random.default_rng(size), size)
        assert sum(2.0 ** -lengths.astype(float)) == 1


def test_offsets_say_where_words_begin():
    offsets, ends = restart_offsets(np.array([0, 1, 1, 0, 0]), np.array([1, 3]), 2)
    assert offsets.tolist() == [0, 4, 8]
    assert ends.tolist() == [1, 4, 7, 8, 9]


def test_the_charge_of_a_dictionary_by_hand():
    symbols = np.array([0, 0, 5, 0, 0, 0, 0], np.uint8)
    # tokens 0 1 0 0: four bits; entries of two symbols and of one: 8 + 8 and 8 + 4
    assert total_bits((np.array([0, 1, 0, 0]), [[0, 0], np.array([5])]), symbols) == 4 + 28


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ([0, 1], "tokens are no integers"),
        (np.zeros(3), "not \\(tokens, entries\\)"),
        (([0, 2], [[0], [1]]), "tokens are from 0 to 1; one is 2"),
        (([0, 1], [[0], []]), "an entry is empty"),
        (([0], [[0] * 65]), "one has 65"),
        (([0, 0], [[0], [1]]), "part at symbol 1"),
        (([0], [[0], [1]]), "part at symbol 1"),
        (([0, 1, 0], [[0], [1]]), "3 tokens for 2 symbols"),
        (([0, 1], [[0], [1], [2]]), "3 entries for 2 symbols"),
        (([0.0, 1.0], [[0], [1]]), "tokens are no integers in a row"),
        (([0, 1], {}), "entries are no list"),
    ],
)
def test_a_dictionary_that_breaks_a_rule_is_told_which(value, rule):
    with pytest.raises(NotADictionary, match=rule):
        total_bits(value, np.array([0, 1], np.uint8))


def test_drawn_streams_have_the_density_and_all_levels():
    symbols = pruned_codes(np.random.default_rng(0), 0.15)
    assert np.mean(symbols > 0) == pytest.approx(0.15, abs=0.01)
    assert np.unique(symbols).size == 16
