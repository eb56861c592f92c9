"""Frequencies: the best whole numbers, and a table that holds them in few bytes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.bitstream import CodecError
from nncourse.codecs.frame import Reader
from nncourse.codecs.frequencies import MAX_BITS, normalized, read_frequencies, write_frequencies


def cost(counts, frequencies):
    """Bits that the counted symbols take."""
    used = np.asarray(counts) > 0
    return -(np.asarray(counts)[used] * np.log2(np.asarray(frequencies)[used])).sum()


def test_counts_that_divide_the_total_keep_their_shares():
    assert normalized([50, 25, 0, 25], 4).tolist() == [8, 4, 0, 4]


def test_a_symbol_that_hardly_occurs_keeps_a_frequency():
    assert normalized([10**12, 1], 8).tolist() == [255, 1]


def test_a_symbol_that_is_alone_has_all():
    assert normalized([0, 3, 0], 8).tolist() == [0, 256, 0]


def test_rare_symbols_that_need_a_unit_each_are_paid_for_by_the_frequent_one():
    # The shares of 16 are 10.7, 3.6 and twelve times 0.14: rounding down and up to 1 gives too much.
    frequencies = normalized([75, 25, *[1] * 12], 5)
    assert frequencies.sum() == 32
    assert frequencies[2:].tolist() == [1] * 12
    assert frequencies[:2].tolist() == [15, 5]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=4), st.integers(2, 4))
def test_no_other_frequencies_cost_less(counts, bits):
    total = 1 << bits
    found = normalized(counts, bits)
    assert found.sum() == total
    every = itertools.product(range(1, total + 1), repeat=len(counts) - 1)
    least = min(
        cost(counts, [*some, total - sum(some)]) for some in every if sum(some) <= total - 1
    )
    assert cost(counts, found) <= least + 1e-9 * abs(least) + 1e-9


def test_equal_counts_differ_by_one_at_most_and_the_earlier_symbol_has_more():
    frequencies = normalized(np.full(300, 17), 10)
    assert frequencies.sum() == 1024
    assert frequencies.tolist() == sorted(frequencies, reverse=True)
    assert np.ptp(frequencies) == 1


def test_more_symbols_than_units_are_refused():
    with pytest.raises(ValueError, match="bits 2 leaves room for 4 symbols, and 5 occur"):
        normalized([1] * 5, 2)


# --- bytes --------------------------------------------------------------------------------------------


def test_the_table_worked_by_hand():
    # total 2**3; lengths side by side, two bits each, from symbol 1 on, two more behind it: 3, 1, 1 in
    # 0b01_01_11; of 6 = 0b110 the bits below the highest, lowest first: 0, 1
    assert write_frequencies(np.array([0, 6, 1, 1])) == bytes([3, 2, 1, 2, 0b010111, 0b10])


def test_a_few_symbols_of_many_take_a_few_bytes():
    frequencies = np.zeros(1 << 16, np.int64)
    frequencies[[7, 60_000]] = 4095, 1
    assert len(write_frequencies(frequencies)) < 12


@settings(deadline=None)
@given(st.data())
def test_reading_inverts_writing_and_leaves_what_follows(data):
    bits = data.draw(st.integers(4, 16))
    counts = data.draw(st.lists(st.integers(0, 1000), min_size=1, max_size=16).filter(any))
    frequencies = normalized(counts, bits)
    reader = Reader(write_frequencies(frequencies) + b"next")
    np.testing.assert_array_equal(read_frequencies(reader, len(counts)), frequencies)
    assert bytes(reader.rest()) == b"next"


def test_every_symbol_of_16_bits_fits():
    frequencies = normalized(np.random.default_rng(0).geometric(0.01, 1 << 16), MAX_BITS)
    table = write_frequencies(frequencies)
    np.testing.assert_array_equal(read_frequencies(Reader(table), 1 << 16), frequencies)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (bytes([21, 2, 1, 2, 0b010111, 0b10]), "a total above 2**20"),
        (bytes([3, 2, 2, 2, 0b010111, 0b10]), "a symbol beyond the alphabet"),
        (bytes([4, 2, 1, 2, 0b010111, 0b10]), "a sum that is not the total"),
        (bytes([3, 2, 1, 2, 0b010100, 0]), "a symbol that lost its length"),
        (bytes([3, 2, 1, 2, 0]), "no symbol at all"),
        (bytes([3, 2, 1, 2, 0b1010111, 0b10]), "a spare bit of the lengths that is set"),
        (bytes([3, 2, 1, 2, 0b010111, 0b110]), "a spare bit that is set"),
        (bytes([3, 2, 1, 2, 0b010111]), "a table that ends early"),
        (bytes([3, 5, 1, 2, 0b00111111, 0b00000100, 0b10]), "a bit length of 31"),
    ],
)
def test_damage_is_found(table, why):
    assert read_frequencies(Reader(bytes([3, 2, 1, 2, 0b010111, 0b10])), 4).sum() == 8
    with pytest.raises(CodecError):
        read_frequencies(Reader(table), 4)
