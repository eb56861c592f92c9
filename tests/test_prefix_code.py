"""Prefix codes against zlib, RFC 1951, dahuffman, and every code that there is for a few symbols."""

import heapq
import itertools
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.codecs.prefix_code import (
    canonical_codes,
    huffman_lengths,
    kraft_sum,
    mean_length,
    package_merge,
    reversed_codes,
)
from nncourse.entropy import entropy_of_counts

LONGEST_OF_DEFLATE = 15
END_OF_BLOCK = 256
# RFC 1951, section 3.2.7: the order in which lengths of the code of lengths are written
LENGTHS_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

counts_of_many = st.lists(st.integers(0, 10_000), min_size=2, max_size=80).filter(any)


def cost(lengths, counts):
    return int(np.asarray(lengths, dtype=np.int64) @ np.asarray(counts))


def fibonacci(number):
    row = [1, 1]
    while len(row) < number:
        row.append(row[-1] + row[-2])
    return row[:number]


def heap_cost(counts):
    """Bits of the best code, as the sum of all joined counts: no tree is built."""
    waiting = [count for count in counts if count]
    heapq.heapify(waiting)
    total = 0
    while len(waiting) > 1:
        joined = heapq.heappop(waiting) + heapq.heappop(waiting)
        total += joined
        heapq.heappush(waiting, joined)
    return total


def least_cost(counts, longest):
    """The least bits over all lengths up to ``longest`` that obey Kraft's inequality."""
    every = itertools.product(range(1, longest + 1), repeat=len(counts))
    return min(
        cost(lengths, counts) for lengths in every if sum(2.0**-length for length in lengths) <= 1
    )


# --- lengths --------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.integers(3, 5))
def test_no_other_code_within_the_limit_takes_fewer_bits(counts, limit):
    assert cost(package_merge(counts, limit), counts) == least_cost(counts, limit)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=6))
def test_no_other_code_takes_fewer_bits_than_huffmans(counts):
    assert cost(huffman_lengths(counts), counts) == least_cost(counts, len(counts) - 1)


@settings(deadline=None)
@given(counts_of_many)
def test_both_ways_to_a_best_code_take_the_bits_that_the_heap_says(counts):
    if np.count_nonzero(counts) == 1:
        return
    assert cost(huffman_lengths(counts), counts) == heap_cost(counts)
    assert cost(package_merge(counts, 32), counts) == heap_cost(counts)


@settings(deadline=None)
@given(counts_of_many, st.integers(7, 16))
def test_a_code_has_no_word_to_spare_none_too_long_and_one_for_each_symbol(counts, limit):
    lengths = package_merge(counts, limit)
    np.testing.assert_array_equal(lengths > 0, np.asarray(counts) > 0)
    assert lengths.max() <= limit
    assert kraft_sum(lengths) == (0.5 if np.count_nonzero(counts) == 1 else 1)


@settings(deadline=None)
@given(counts_of_many)
def test_a_more_frequent_symbol_never_has_the_longer_codeword(counts):
    lengths = package_merge(counts, 12)
    used = np.flatnonzero(counts)
    order = used[np.lexsort((used, -np.asarray(counts)[used]))]
    assert (np.diff(lengths[order].astype(int)) >= 0).all()


@settings(deadline=None)
@given(counts_of_many)
def test_the_mean_length_is_within_a_bit_of_the_entropy(counts):
    lengths, bound = package_merge(counts, 32), entropy_of_counts(counts)
    if np.count_nonzero(counts) > 1:
        assert bound <= mean_length(lengths, counts) + 1e-12
        assert mean_length(lengths, counts) < bound + 1


def test_fibonacci_counts_make_the_deepest_tree_and_the_limit_holds():
    counts = fibonacci(33)
    assert huffman_lengths(counts).max() == 32
    assert package_merge(counts, 32).max() == 32
    for limit in (6, 8, 12, 16):
        lengths = package_merge(counts, limit)
        assert lengths.max() == limit
        assert kraft_sum(lengths) == 1
    costs = [cost(package_merge(counts, limit), counts) for limit in range(6, 33)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == heap_cost(counts)


def test_the_limit_costs_what_it_costs_on_paper():
    # Without a limit 1, 2, 3, 4, 4 bits; within three a word of one bit leaves room for four of three.
    assert cost(huffman_lengths([8, 4, 2, 1, 1]), [8, 4, 2, 1, 1]) == 30
    assert cost(package_merge([8, 4, 2, 1, 1], 3), [8, 4, 2, 1, 1]) == 32


@pytest.mark.parametrize("limit", [16, 17, 20])
def test_an_alphabet_of_16_bits(limit):
    counts = np.random.default_rng(0).geometric(0.001, 1 << 16)
    lengths = package_merge(counts, limit)
    assert lengths.max() <= limit
    assert kraft_sum(lengths) == 1
    if limit == 16:
        assert (lengths == 16).all()


def test_equal_counts_give_the_shorter_words_to_the_earlier_symbols():
    assert package_merge([7, 7, 7], 5).tolist() == [1, 2, 2]
    assert package_merge([3] * 6, 8).tolist() == [2, 2, 3, 3, 3, 3]


@pytest.mark.parametrize("lengths_of", [huffman_lengths, lambda counts: package_merge(counts, 8)])
def test_no_symbol_and_a_single_one(lengths_of):
    assert lengths_of([0, 0, 0]).tolist() == [0, 0, 0]
    assert lengths_of([0, 9, 0]).tolist() == [0, 1, 0]


@settings(deadline=None, max_examples=30)
@given(counts_of_many)
def test_dahuffman_takes_as_many_bits(counts):
    dahuffman = pytest.importorskip("dahuffman")
    used = {symbol: count for symbol, count in enumerate(counts) if count}
    table = dahuffman.HuffmanCodec.from_frequencies(used).get_code_table()
    # It adds a symbol for the end, which occurs once.
    theirs = sum(bits * used.get(symbol, 1) for symbol, (bits, _) in table.items())
    assert cost(package_merge([*counts, 1], 32), [*counts, 1]) == theirs


# --- codewords ------------------------------------------------------------------------------------------


def words(lengths):
    codes = canonical_codes(lengths)
    return [
        f"{code:0{length}b}" if length else "" for code, length in zip(codes, lengths, strict=True)
    ]


def test_the_example_of_rfc_1951():
    assert words([3, 3, 3, 3, 3, 2, 4, 4]) == [
        *("010", "011", "100", "101", "110"),
        *("00", "1110", "1111"),
    ]


def test_the_fixed_code_of_rfc_1951():
    # section 3.2.6
    found = words([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8)
    assert (found[0], found[143]) == ("00110000", "10111111")
    assert (found[144], found[255]) == ("110010000", "111111111")
    assert (found[256], found[279]) == ("0000000", "0010111")
    assert (found[280], found[287]) == ("11000000", "11000111")


@settings(deadline=None)
@given(counts_of_many)
def test_no_word_begins_another_and_words_are_in_order(counts):
    lengths = package_merge(counts, 14)
    found = [(word, symbol) for symbol, word in enumerate(words(lengths)) if word]
    in_order = sorted(found, key=lambda pair: (len(pair[0]), pair[1]))
    assert in_order == sorted(found)
    for (one, _), (next_one, _) in itertools.pairwise(sorted(found)):
        assert not next_one.startswith(one)


def test_unused_symbols_leave_no_gap():
    assert words([0, 2, 0, 1, 2]) == ["", "10", "", "0", "11"]


def test_turned_words_read_backwards():
    lengths = np.array([1, 2, 4, 4, 3], np.uint8)
    turned = reversed_codes(canonical_codes(lengths), lengths)
    assert [f"{code:0{length}b}"[::-1] for code, length in zip(turned, lengths, strict=True)] == (
        words(lengths)
    )


def test_words_of_32_bits():
    lengths = package_merge(fibonacci(33), 32)
    assert canonical_codes(lengths).max() == 2**32 - 1


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 33, True, -1])
def test_other_limits_are_refused(limit):
    with pytest.raises(ValueError, match="max_len is from 1 to 32; got"):
        package_merge([1, 2], limit)


def test_more_symbols_than_words_are_refused_with_a_length_that_is_enough():
    with pytest.raises(ValueError, match="leaves room for 8 codewords, and 9 symbols occur; 4 is"):
        package_merge([1] * 9, 3)


@pytest.mark.parametrize("counts", [[1, -1], [0.5, 0.5], [[1, 2]]])
@pytest.mark.parametrize("lengths_of", [huffman_lengths, lambda counts: package_merge(counts, 8)])
def test_what_are_no_counts_is_refused(lengths_of, counts):
    with pytest.raises(ValueError, match="counts are"):
        lengths_of(counts)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 1, 1], "lengths need 1.5 times the room"),
        ([1, 33], "lengths are from 0 to 32; got 1..33"),
        ([-1, 1], "lengths are from 0 to 32"),
        ([0.5], "lengths are whole numbers in a row"),
    ],
)
def test_lengths_of_no_code_are_refused(lengths, message):
    with pytest.raises(ValueError, match=message):
        canonical_codes(lengths)


# --- zlib -----------------------------------------------------------------------------------------------


class BitRow:
    """Bits in the order of DEFLATE, lowest of a byte first."""

    def __init__(self):
        self.bits = []

    def number(self, value, width):
        self.bits += [value >> place & 1 for place in range(width)]

    def word(self, code, length):
        self.bits += [code >> place & 1 for place in reversed(range(length))]

    def to_bytes(self):
        return np.packbits(self.bits, bitorder="little").tobytes()


def dynamic_block(symbols, lengths):
    """A last block of DEFLATE whose code of literals has ``lengths``, 257 of them."""
    row = BitRow()
    row.number(1, 1)
    row.number(2, 2)
    row.number(len(lengths) - 257, 5)
    row.number(0, 5)  # one distance, of length 0: there are none
    row.number(len(LENGTHS_ORDER) - 4, 4)
    written = [*map(int, lengths), 0]
    shares = np.bincount(written, minlength=19)
    shares[[0, 1]] += 1  # a code of a single word is refused
    of_lengths = package_merge(shares, 7)
    for symbol in LENGTHS_ORDER:
        row.number(int(of_lengths[symbol]), 3)
    codes = canonical_codes(of_lengths)
    for length in written:
        row.word(int(codes[length]), int(of_lengths[length]))
    codes = canonical_codes(lengths)
    for symbol in [*symbols, END_OF_BLOCK]:
        row.word(int(codes[symbol]), int(lengths[symbol]))
    return row.to_bytes()


def lengths_in_block(block):
    """The literals' lengths that a first dynamic block of DEFLATE declares (RFC 1951, section 3.2.7)."""
    bits = iter(np.unpackbits(np.frombuffer(block, np.uint8), bitorder="little").tolist())

    def number(width):
        return sum(next(bits) << place for place in range(width))

    number(1)
    assert number(2) == 2, "a block of dynamic codes"
    num_literals, num_distances, num_lengths = number(5) + 257, number(5) + 1, number(4) + 4
    of_lengths = [0] * 19
    for symbol in LENGTHS_ORDER[:num_lengths]:
        of_lengths[symbol] = number(3)
    meaning = {word: symbol for symbol, word in enumerate(words(of_lengths)) if word}
    found = []
    while len(found) < num_literals + num_distances:
        word = ""
        while word not in meaning:
            word += str(next(bits))
        symbol = meaning[word]
        if symbol < 16:
            found.append(symbol)
        elif symbol == 16:
            found += [found[-1]] * (3 + number(2))
        else:
            found += [0] * (3 + number(3) if symbol == 17 else 11 + number(7))
    return np.array(found[:num_literals])


DATA = {
    "geometric": lambda rng: np.minimum(rng.geometric(0.3, 6000) - 1, 255),
    "int8 of a Gauss": lambda rng: np.rint(rng.normal(0, 25, 6000)).astype(np.int8).view("u1"),
    "noise": lambda rng: rng.integers(0, 256, 6000),
    "Fibonacci": lambda rng: rng.permutation(np.repeat(np.arange(18), fibonacci(18))),
    "pruned": lambda rng: np.where(rng.random(6000) < 0.9, 0, rng.integers(1, 16, 6000)),
    "one symbol": lambda rng: np.full(500, 65),
}


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("limit", [9, 12, 15])
def test_zlib_inflates_a_block_of_our_code(kind, limit):
    symbols = DATA[kind](np.random.default_rng(0)).astype(np.uint8)
    counts = np.bincount(np.append(symbols, END_OF_BLOCK), minlength=257)
    block = dynamic_block(symbols, package_merge(counts, limit))
    assert zlib.decompress(block, -15) == symbols.tobytes()


@pytest.mark.parametrize("kind", ["geometric", "int8 of a Gauss", "noise"])
def test_the_lengths_that_zlib_chooses_take_as_many_bits(kind):
    symbols = DATA[kind](np.random.default_rng(0)).astype(np.uint8)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    block = packer.compress(symbols.tobytes()) + packer.flush()
    counts = np.bincount(np.append(symbols, END_OF_BLOCK), minlength=257)
    if kind == "noise":  # zlib stores what it cannot make smaller
        assert block[0] & 6 == 0
        assert cost(package_merge(counts, LONGEST_OF_DEFLATE), counts) > 8 * 0.99 * symbols.size
        return
    theirs = lengths_in_block(block)
    ours = package_merge(counts, LONGEST_OF_DEFLATE)
    assert cost(ours, counts) == cost(theirs[:257], counts)
