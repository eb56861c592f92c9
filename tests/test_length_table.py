"""The table of code lengths: worked by hand, read back, small, and refused when it is damaged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.bitstream import CodecError
from nncourse.codecs.frame import Reader
from nncourse.codecs.length_table import read_lengths, write_lengths
from nncourse.codecs.prefix_code import package_merge


def lengths_of(counts, limit=12):
    return package_merge(counts, limit)


def test_a_dense_table_worked_by_hand():
    # form 0, two bits a length; from symbol 1 on, three more behind it; 1, 2, 0, 2 = 0b10_00_10_01
    assert write_lengths(np.array([0, 1, 2, 0, 2, 0], np.uint8)) == bytes([2, 1, 3, 0b10001001])


def test_a_sparse_table_worked_by_hand():
    lengths = np.zeros(256, np.uint8)
    lengths[[3, 200, 255]] = 1, 2, 2
    # form 1, two bits a length; three symbols, with 3, 196 (two bytes) and 54 before them; 1, 2, 2
    table = bytes([1 << 6 | 2, 3, 3, 0b11000100, 1, 54, 0b101001])
    assert write_lengths(lengths) == table
    np.testing.assert_array_equal(read_lengths(Reader(table), 256), lengths)


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300).filter(any))
def test_reading_inverts_writing_and_leaves_what_follows(counts):
    lengths = lengths_of(counts)
    reader = Reader(write_lengths(lengths) + b"next")
    np.testing.assert_array_equal(read_lengths(reader, len(counts)), lengths)
    assert bytes(reader.rest()) == b"next"


@pytest.mark.parametrize("limit", [16, 32])
def test_every_symbol_of_16_bits_fits(limit):
    lengths = lengths_of(np.random.default_rng(0).geometric(0.003, 1 << 16), limit)
    table = write_lengths(lengths)
    np.testing.assert_array_equal(read_lengths(Reader(table), 1 << 16), lengths)
    assert len(table) <= 6 + (1 << 16) * 5 // 8


def test_a_table_takes_half_a_byte_a_symbol_and_less_for_few_of_many():
    assert len(write_lengths(lengths_of(np.random.default_rng(0).geometric(0.02, 256)))) <= 132
    assert len(write_lengths(lengths_of(np.random.default_rng(0).geometric(0.02, 16)))) <= 12
    few = np.zeros(1 << 16, np.int64)
    few[[7, 900, 60_000]] = 1
    assert len(write_lengths(lengths_of(few))) < 10


def test_no_codeword_at_all_is_refused():
    with pytest.raises(ValueError, match="lengths has no codeword"):
        write_lengths(np.zeros(4, np.uint8))


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (bytes([2, 1, 3]), "a table that ends early"),
        (bytes([2, 1, 3, 0b01001001]), "words to spare"),
        (bytes([2, 1, 3, 0b01010101]), "more words than there is room for"),
        (bytes([2, 1, 3, 0b00000010]), "a single codeword of two bits"),
        (bytes([2, 1, 3, 0]), "no codeword"),
        (bytes([2, 3, 3, 0b10001001]), "a symbol beyond the alphabet"),
        (bytes([2, 255, 255, 255, 255, 255, 255, 255, 255, 127, 3, 137]), "a symbol far beyond"),
        (bytes([0, 1, 3, 0b10001001]), "a length of no bits"),
        (bytes([7, 1, 3, 0, 0, 0, 0]), "a length of seven bits"),
        (bytes([2 << 6 | 2, 1, 3, 0b10001001]), "a third form"),
        (bytes([1 << 6 | 2, 3, 0, 0, 4, 0b101001]), "a gap beyond the alphabet"),
        (bytes([1 << 6 | 2, 9, 0, 0, 0, 0b101001]), "more symbols than the alphabet has"),
        (bytes([1 << 6 | 2, 0]), "no symbol"),
        (bytes([1 << 6 | 2, 3, 0, 0, 0, 0b1101001]), "a spare bit that is set"),
        (b"", "nothing"),
    ],
)
def test_damage_is_found(table, why):
    with pytest.raises(CodecError):
        read_lengths(Reader(table), 6)
