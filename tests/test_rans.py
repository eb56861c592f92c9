"""rANS: against the large number of the textbook, the entropy and constriction; numbers that must come home."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.bitstream import CodecError
from nncourse.codecs.frame import Form, Reader
from nncourse.codecs.frequencies import normalized, read_frequencies
from nncourse.codecs.rans import LOWEST, STATES, Rans, decode_textbook, encode_textbook
from nncourse.entropy import entropy


def form_of(symbols):
    return Form(dtype=symbols.dtype, shape=symbols.shape)


def laplace_indices(count, seed=0):
    drawn = np.random.default_rng(seed).laplace(0, 2.0, count)
    return np.clip(np.rint(drawn) + 8, 0, 15).astype(np.uint8)


def parts_of(body, num_symbols=256):
    """Frequencies, the four numbers, and the words of a body."""
    reader = Reader(body)
    frequencies = read_frequencies(reader, num_symbols)
    states = np.frombuffer(reader.take(8 * STATES), "<u8")
    return frequencies, states, np.frombuffer(reader.rest(), "<u4")


# --- the textbook ---------------------------------------------------------------------------------------


def test_the_large_number_worked_by_hand():
    # frequencies 6, 1, 1 of 8, from 1 on, last symbol first:
    # 1: 1 // 1 * 8 + 6 + 0 = 14; 0: 14 // 6 * 8 + 0 + 2 = 18; 2: 18 * 8 + 7 = 151; 0: 151 // 6 * 8 + 1 = 201
    assert encode_textbook([0, 2, 0, 1], [6, 1, 1]) == 201
    assert decode_textbook(201, [6, 1, 1], 4) == [0, 2, 0, 1]


@given(st.lists(st.integers(0, 3), max_size=60), st.permutations([1, 2, 5, 8]))
def test_the_textbook_takes_back_what_it_added(symbols, frequencies):
    number = encode_textbook(symbols, frequencies)
    assert decode_textbook(number, frequencies, len(symbols)) == symbols


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 400), st.integers(0, 1000))
def test_each_of_the_four_numbers_is_the_textbooks_with_words_moved_out(count, seed):
    """A decoder with numbers of any length, and of the words only their order, reads the same symbols."""
    symbols = laplace_indices(count, seed)
    if np.unique(symbols).size == 1:
        return
    frequencies, states, words = parts_of(Rans(table_bits=8).write_body(symbols, form_of(symbols)))
    total, begins = int(frequencies.sum()), np.cumsum(frequencies) - frequencies
    numbers, waiting, read = [int(state) for state in states], list(map(int, words)), []
    for index in range(count):
        number = numbers[index % 4]
        read += decode_textbook(number, frequencies.tolist(), 1)
        number = (
            int(frequencies[read[-1]]) * (number // total) + number % total - int(begins[read[-1]])
        )
        if number < 2**31:
            number = number * 2**32 + waiting.pop(0)
        numbers[index % 4] = number
    assert read == symbols.tolist()
    assert numbers == [2**31] * 4
    assert not waiting


def test_a_stream_is_as_long_as_the_textbooks_number_but_for_the_four_numbers():
    symbols = laplace_indices(4000)
    codec = Rans()
    body = codec.write_body(symbols, form_of(symbols))
    frequencies = normalized(np.bincount(symbols, minlength=256), 12)
    bits = encode_textbook(symbols.tolist(), frequencies.tolist()).bit_length()
    payload = codec.body_sizes(body, form_of(symbols))["payload"]
    assert 0 <= payload - bits <= 64 * STATES


# --- size -----------------------------------------------------------------------------------------------


def streams():
    rng = np.random.default_rng(0)
    num = 1_000_000
    pruned = rng.random(num) < 0.1
    return {
        "pruned 4-bit": np.where(pruned, laplace_indices(num) + 1, 0).astype(np.uint8),
        "4-bit": laplace_indices(num),
        "int8": np.clip(np.rint(rng.normal(0, 25, num)), -127, 127).astype(np.int8),
        "8-bit, all codes equally often": rng.integers(0, 256, num, dtype=np.uint8),
        "bf16 exponents": (rng.normal(size=num).astype(np.float32).view("u4") >> 23).astype("u1"),
        "zero runs": np.minimum(rng.geometric(0.1, num) - 1, 255).astype(np.uint8),
    }


@pytest.mark.parametrize(("kind", "symbols"), streams().items())
def test_a_million_symbols_take_0_7_percent_above_their_entropy_table_included(kind, symbols):
    data = Rans().encode(symbols)
    assert entropy(symbols) <= 8 * len(data) / symbols.size <= 1.007 * entropy(symbols)


def test_fewer_bits_for_frequencies_make_larger_streams_of_many_symbols():
    symbols = streams()["int8"]
    sizes = [len(Rans(table_bits=bits).encode(symbols)) for bits in (10, 12, 14, 16)]
    assert sizes == sorted(sizes, reverse=True)
    assert 8 * sizes[-1] / symbols.size < 1.001 * entropy(symbols)


def test_an_alphabet_beyond_table_bits_gets_more():
    symbols = np.random.default_rng(0).permutation(1 << 16).astype(np.uint16)
    body = Rans(table_bits=8).write_body(symbols, form_of(symbols))
    assert parts_of(body, 1 << 16)[0].sum() == 1 << 18


def test_it_takes_the_size_that_constriction_needs():
    constriction = pytest.importorskip("constriction")
    symbols = laplace_indices(1_000_000)
    shares = np.bincount(symbols, minlength=16) / symbols.size
    model = constriction.stream.model.Categorical(shares.astype(np.float32), perfect=False)
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(symbols.astype(np.int32), model)
    assert 8 * len(Rans(table_bits=16).encode(symbols)) < 1.001 * coder.num_bits()


# --- edges ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 9])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_fewer_symbols_than_numbers(count, dtype):
    symbols = (np.arange(count) * 37 % 251).astype(dtype)
    codec = Rans()
    np.testing.assert_array_equal(codec.decode(codec.encode(symbols)), symbols)


def test_a_single_symbol_takes_a_table_and_nothing_else():
    symbols = np.full(1000, 9, np.uint8)
    body = Rans().write_body(symbols, form_of(symbols))
    assert body == bytes([0, 1, 9, 0, 1])
    np.testing.assert_array_equal(Rans().read_body(body, form_of(symbols)), symbols)


@pytest.mark.parametrize("table_bits", [8, 12, 16, 20])
def test_a_symbol_that_is_nearly_alone(table_bits):
    symbols = np.zeros(100_000, np.uint8)
    symbols[[5, 77_777]] = 200
    codec = Rans(table_bits=table_bits)
    data = codec.encode(symbols)
    np.testing.assert_array_equal(codec.decode(data), symbols)
    assert len(data) < 65 - 100_000 * np.log2(1 - 2.0**-table_bits) / 8


@pytest.mark.parametrize("table_bits", [7, 21, 12.0, True, None])
def test_other_table_bits_are_refused(table_bits):
    with pytest.raises(ValueError, match="table_bits is a whole number from 8 to 20; got"):
        Rans(table_bits=table_bits)


# --- damage ---------------------------------------------------------------------------------------------


def body_and_form():
    symbols = laplace_indices(500)
    return Rans().write_body(symbols, form_of(symbols)), form_of(symbols)


def test_any_flipped_bit_of_numbers_or_words_is_found_without_a_checksum():
    body, form = body_and_form()
    _, _, words = parts_of(body)
    start = len(body) - 4 * words.size - 8 * STATES
    for bit in range(8 * start, 8 * len(body)):
        damaged = bytearray(body)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodecError):
            Rans().read_body(bytes(damaged), form)


def test_words_that_are_missing_or_left_over_are_found():
    body, form = body_and_form()
    for damaged in (body[:-4], body[:-1], body + bytes(4), body + b"\1"):
        with pytest.raises(CodecError):
            Rans().read_body(damaged, form)


def test_more_or_fewer_symbols_than_were_written_are_found():
    body, form = body_and_form()
    for count in (0, form.count - 1, form.count + 1, 60_000):
        with pytest.raises(CodecError):
            Rans().read_body(body, Form(dtype=form.dtype, shape=(count,)))


@pytest.mark.parametrize("state", [0, LOWEST - 1, LOWEST << 32, 2**64 - 1])
def test_a_number_out_of_its_range_is_found(state):
    body, form = body_and_form()
    _, _, words = parts_of(body)
    start = len(body) - 4 * words.size - 8 * STATES
    damaged = body[:start] + state.to_bytes(8, "little") + body[start + 8 :]
    with pytest.raises(CodecError, match="numbers or words"):
        Rans().read_body(damaged, form)


def test_a_single_symbol_of_another_frequency_than_1_is_found():
    with pytest.raises(CodecError, match="only symbol is not 1"):
        Rans().read_body(bytes([1, 2, 9, 0, 2, 0]), Form(dtype=np.dtype(np.uint8), shape=(3,)))
