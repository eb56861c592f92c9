"""Huffman: zlib inflates its codewords, every code decodes at any place, restarts, sizes, edges, damage."""

import ctypes
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.bitstream import CodecError
from nncourse.codecs.frame import Form, Reader
from nncourse.codecs.huffman import GROUP, Huffman
from nncourse.codecs.length_table import read_lengths, write_lengths
from nncourse.codecs.prefix_code import canonical_codes, package_merge
from nncourse.entropy import binary_entropy, entropy

END_OF_BLOCK = 256
LENGTHS_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]


def form_of(symbols):
    return Form(dtype=symbols.dtype, shape=symbols.shape)


def laplace_indices(count, seed=0):
    drawn = np.random.default_rng(seed).laplace(0, 2.0, count)
    return np.clip(np.rint(drawn) + 8, 0, 15).astype(np.uint8)


def parts_of(body, num_symbols=256):
    """Code lengths and the row of bits of a body of one segment."""
    reader = Reader(body)
    lengths = read_lengths(reader, num_symbols)
    _, num_bits = reader.varint(), reader.varint()
    assert reader.take(2) == b"\0\0", "one segment has no index"
    bits = np.unpackbits(np.frombuffer(reader.rest(), np.uint8), bitorder="little")
    assert not bits[num_bits:].any()
    return lengths, bits[:num_bits].tolist()


def fibonacci_symbols(number):
    counts = [1, 1]
    while len(counts) < number:
        counts.append(counts[-1] + counts[-2])
    return np.random.default_rng(0).permutation(np.repeat(np.arange(number), counts))


def streams():
    rng, num = np.random.default_rng(0), 1_000_000
    kept = rng.random(num) < 0.1
    return {
        "pruned 4-bit": np.where(kept, laplace_indices(num) + 1, 0).astype(np.uint8),
        "4-bit": laplace_indices(num),
        "5-bit": np.clip(np.rint(rng.normal(16, 4, num)), 0, 31).astype(np.uint8),
        "8-bit": np.clip(np.rint(rng.normal(128, 13, num)), 0, 255).astype(np.uint8),
        "int8": np.clip(np.rint(rng.normal(0, 25, num)), -127, 127).astype(np.int8),
        "zero runs": np.minimum(rng.geometric(0.1, num) - 1, 255).astype(np.uint8),
        "bf16 exponents": (rng.normal(size=num).astype(np.float32).view("u4") >> 23).astype("u1"),
    }


STREAMS = streams()


# --- outside proof --------------------------------------------------------------------------------------


def reader_of_row(row):
    """What turns bits of a body into symbols with nothing of the codec but the lengths: word by word."""

    def read(lengths, count):
        codes = canonical_codes(lengths)
        meaning = {
            f"{codes[symbol]:0{lengths[symbol]}b}": symbol for symbol in np.flatnonzero(lengths)
        }
        bits, found = iter(row), []
        for _ in range(count):
            word = ""
            while word not in meaning:
                word += str(next(bits))
            found.append(meaning[word])
        assert next(bits, None) is None
        return found

    return read


@pytest.mark.parametrize("kind", STREAMS)
def test_zlib_inflates_the_very_bits_that_the_codec_wrote(kind):
    """Header of a DEFLATE block, then the codec's row as it is: its last symbol ends the block."""
    raw = STREAMS[kind][:20_000].view(np.uint8)
    symbols = np.append(raw.astype(np.uint16), END_OF_BLOCK).astype(np.uint16)
    lengths, row = parts_of(
        Huffman(max_len=15, streams=1).write_body(symbols, form_of(symbols)), 1 << 16
    )
    bits = []

    def number(value, width):
        bits.extend(value >> place & 1 for place in range(width))

    number(1, 1)
    number(2, 2)
    number(0, 5)  # 257 literals
    number(0, 5)  # one distance, of no bits
    number(len(LENGTHS_ORDER) - 4, 4)
    written = [*map(int, lengths[:257]), 0]
    shares = np.bincount(written, minlength=19)
    shares[[0, 1]] += 1
    of_lengths = package_merge(shares, 7)
    for symbol in LENGTHS_ORDER:
        number(int(of_lengths[symbol]), 3)
    codes = canonical_codes(of_lengths)
    for length in written:
        bits.extend(map(int, f"{codes[length]:0{of_lengths[length]}b}"))
    block = np.packbits(bits + row, bitorder="little").tobytes()
    assert zlib.decompress(block, -15) == raw.tobytes()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=300), st.integers(5, 16))
def test_words_read_one_by_one_from_a_dictionary_are_the_symbols(values, max_len):
    symbols = np.array(values, np.uint8)
    if np.unique(symbols).size < 2:
        return
    codec = Huffman(max_len=max_len, streams=1)
    lengths, row = parts_of(codec.write_body(symbols, form_of(symbols)))
    assert reader_of_row(row)(lengths, symbols.size) == values


def test_a_body_worked_by_hand():
    # Symbols 0 1 2 occur 2, 1, 1 times: words 0, 10, 11; the row 0 10 11 0, lowest bit first 0b011010
    symbols = np.array([0, 1, 2, 0], np.uint8)
    table = write_lengths(np.array([1, 2, 2], np.uint8))
    body = Huffman(streams=1).write_body(symbols, form_of(symbols))
    assert body == table + bytes([4, 6, 0, 0, 0b011010])


def test_dahuffman_takes_as_many_bits_for_a_million_symbols():
    dahuffman = pytest.importorskip("dahuffman")
    symbols = STREAMS["4-bit"]
    counts = {symbol: int(count) for symbol, count in enumerate(np.bincount(symbols)) if count}
    words = dahuffman.HuffmanCodec.from_frequencies(counts).get_code_table()
    theirs = sum(words[symbol][0] * count for symbol, count in counts.items())
    codec = Huffman(max_len=16)
    ours = codec.sizes(codec.encode(symbols))["payload"]
    # It has a word for an end as well, which costs at most a bit for each of the rarest symbol.
    assert ours <= theirs <= ours + min(counts.values())


# --- size -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STREAMS)
def test_a_million_symbols_take_at_most_2_percent_above_their_entropy_or_what_a_bit_a_word_costs(
    kind,
):
    symbols = STREAMS[kind]
    bits, bound = 8 * len(Huffman().encode(symbols)) / symbols.size, entropy(symbols)
    assert bound <= bits
    if bound >= 2:
        assert bits <= 1.02 * bound
    else:
        # Gallager (1978), theorem 2: a code's redundancy when one symbol has half the weight or more.
        most_frequent = np.unique_counts(symbols).counts.max() / symbols.size
        redundancy = 2 - binary_entropy(most_frequent) - most_frequent
        assert 1 <= bits <= bound + redundancy, "no codeword is shorter than a bit"


@pytest.mark.parametrize("kind", STREAMS)
def test_it_is_never_larger_than_zstd_1(kind):
    zstandard = pytest.importorskip("zstandard")
    if kind == "pruned 4-bit":  # zstd joins zeros, where a codeword takes a bit
        return
    symbols = STREAMS[kind]
    assert len(Huffman().encode(symbols)) <= len(zstandard.compress(symbols.tobytes(), 1))


@pytest.mark.parametrize("kind", STREAMS)
def test_it_is_no_larger_than_zlib_without_matches(kind):
    symbols = STREAMS[kind]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    theirs = len(packer.compress(symbols.tobytes()) + packer.flush())
    assert len(Huffman(max_len=15).encode(symbols)) <= 1.001 * theirs


# --- every path of the decoder -----------------------------------------------------------------------------


@pytest.mark.parametrize("max_len", [8, 11, 12, 13, 14, 15, 16])
@pytest.mark.parametrize("num_streams", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_longest_word_and_any_number_of_streams(max_len, num_streams, dtype):
    codec = Huffman(max_len=max_len, streams=num_streams)
    for symbols in (fibonacci_symbols(20), np.random.default_rng(0).integers(0, 256, 3001)):
        symbols = symbols.astype(dtype)
        data = codec.encode(symbols)
        np.testing.assert_array_equal(codec.decode(data), symbols)


@pytest.mark.parametrize(
    "size", [*range(2, 12), 63, 64, 65, 255, 256, 257, 391, 415, 416, 417, 833]
)
def test_sizes_around_those_of_a_chunk(size):
    symbols = laplace_indices(2000)[:size]
    for parameters in ({}, {"streams": 1}, {"restart": 1}, {"restart": 64}, {"restart": 100}):
        codec = Huffman(**parameters)
        np.testing.assert_array_equal(codec.decode(codec.encode(symbols)), symbols)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_symbols_come_back_with_any_parameters(data):
    kind = data.draw(st.sampled_from([np.uint8, np.int16]))
    values = data.draw(
        st.lists(st.integers(0, data.draw(st.sampled_from([1, 3, 40, 127]))), max_size=900)
    )
    codec = Huffman(
        max_len=data.draw(st.integers(1, 16)),
        streams=data.draw(st.integers(1, 255)),
        restart=data.draw(st.none() | st.integers(1, 1000)),
    )
    symbols = np.array(values, kind)
    np.testing.assert_array_equal(codec.decode(codec.encode(symbols)), symbols)


def test_fibonacci_counts_do_not_exceed_the_longest_word():
    symbols = fibonacci_symbols(25).astype(np.uint8)
    for max_len in (5, 8, 12, 16):
        lengths, _ = parts_of(
            Huffman(max_len=max_len, streams=1).write_body(symbols, form_of(symbols))
        )
        assert lengths.max() == max_len


def test_an_alphabet_beyond_max_len_gets_longer_words():
    symbols = np.random.default_rng(0).permutation(1 << 16).astype(np.uint16)
    for max_len in (4, 12):
        codec = Huffman(max_len=max_len)
        data = codec.encode(symbols)
        np.testing.assert_array_equal(codec.decode(data), symbols)
        assert codec.sizes(data)["payload"] == 16 * symbols.size


def test_equal_symbols_take_a_table_and_nothing_else():
    symbols = np.full(10_000, 9, np.uint8)
    for codec in (Huffman(), Huffman(restart=7)):
        assert codec.write_body(symbols, form_of(symbols)) == write_lengths(
            np.array([0] * 9 + [1], np.uint8)
        )
        data = codec.encode(symbols)
        assert codec.read(data, 4000, 4003).tolist() == [9, 9, 9]
        assert codec.reader(data).bits_touched(4000) == 0


# --- a part of it -----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_stretch_is_a_slice_of_the_whole(data):
    size = data.draw(st.integers(0, 3000))
    symbols = laplace_indices(size, seed=data.draw(st.integers(0, 5)))
    codec = Huffman(restart=data.draw(st.none() | st.integers(1, 700)))
    start = data.draw(st.integers(0, size))
    stop = data.draw(st.integers(start, size))
    stretch = codec.read(codec.encode(symbols), start, stop)
    np.testing.assert_array_equal(stretch, symbols[start:stop])


def test_a_stretch_has_the_dtype_of_the_array():
    values = np.arange(-600, 600, dtype=">i2").reshape(30, 40)
    codec = Huffman(restart=100)
    stretch = codec.read(codec.encode(values), 590, 610)
    assert stretch.dtype == values.dtype
    assert stretch.tolist() == list(range(-10, 10))


@pytest.mark.parametrize("restart", [1, 7, 64, 1000, 4096])
def test_every_item_is_found_and_as_many_bits_are_touched_as_lie_before_it_in_its_segment(restart):
    symbols = laplace_indices(4096)
    codec = Huffman(restart=restart)
    reader = codec.reader(codec.encode(symbols))
    lengths, _ = parts_of(Huffman(streams=1).write_body(symbols, form_of(symbols)))
    ends = np.cumsum(lengths[symbols].astype(int))
    begins = np.append(0, ends)
    for index in (0, 1, restart - 1, restart % symbols.size, 2047, 4094, 4095):
        assert reader[index] == symbols[index]
        assert reader[index - symbols.size] == symbols[index]
        first = index // restart * restart
        assert reader.bits_touched(index) == ends[index] - begins[first]


def test_a_read_does_not_look_at_the_bits_of_other_segments():
    """Segments before and after are overwritten under the reader: what it gives stays the same."""
    symbols = laplace_indices(6400)
    codec = Huffman(restart=64)
    reader = codec.reader(codec.encode(symbols))
    stream = reader._stream
    first, last = stream.places[20], stream.places[24]
    assert stream._words.strides == (1,), "a window of 64 bits begins at every byte"
    memory = (ctypes.c_uint8 * stream._words.size).from_address(stream._words.ctypes.data)
    bytes_of = np.ctypeslib.as_array(memory)
    bytes_of[: first // 8] ^= 0xA5
    bytes_of[last // 8 + 1 :] ^= 0x5A
    np.testing.assert_array_equal(reader.read(20 * 64, 24 * 64), symbols[20 * 64 : 24 * 64])
    np.testing.assert_array_equal(reader.read(21 * 64 + 5, 22 * 64 + 9), symbols[1349:1417])


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (0, 101), (5, 4), (101, 101)])
def test_a_stretch_outside_is_an_index_error(start, stop):
    codec = Huffman()
    data = codec.encode(laplace_indices(100))
    with pytest.raises(IndexError):
        codec.read(data, start, stop)


def test_an_item_outside_is_an_index_error():
    codec = Huffman()
    reader = codec.reader(codec.encode(laplace_indices(100)))
    for index in (100, -101):
        with pytest.raises(IndexError, match="index is from -100 to 99"):
            reader[index]


def test_the_index_costs_what_its_widths_say():
    symbols = laplace_indices(100_000)
    codec = Huffman(restart=50)
    sizes = codec.sizes(codec.encode(symbols))
    num_segments = 2000
    whole = int(sizes["payload"]).bit_length()
    # Four bits at most a symbol of the 15 segments between two whole offsets, in 12 bits.
    num_whole = num_segments // GROUP
    assert sizes["index"] <= num_whole * whole + (num_segments - num_whole) * 12 + 8 * 4
    assert sizes["index"] >= num_segments * 8
    coarse = codec.sizes(Huffman(restart=1600).encode(symbols))["index"]
    assert coarse < sizes["index"] / 16


# --- parameters and damage ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_len": 0}, "max_len is a whole number from 1 to 16; got 0"),
        ({"max_len": 17}, "max_len is a whole number from 1 to 16; got 17"),
        ({"max_len": 12.0}, "max_len is a whole number"),
        ({"streams": 0}, "streams is a whole number from 1 to 255; got 0"),
        ({"streams": True}, "streams is a whole number"),
        ({"restart": 0}, "restart is a whole number of symbols, at least 1; got 0"),
        ({"restart": 1.5}, "restart is a whole number of symbols"),
    ],
)
def test_other_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Huffman(**parameters)


def body_and_form(**parameters):
    symbols = laplace_indices(500)
    return Huffman(**parameters).write_body(symbols, form_of(symbols)), form_of(symbols)


@pytest.mark.parametrize("parameters", [{}, {"streams": 1}, {"restart": 32}])
def test_missing_and_extra_bytes_are_found_without_a_checksum(parameters):
    body, form = body_and_form(**parameters)
    for damaged in (body[:-1], body + b"\0", body + b"\1", body[:10], b""):
        with pytest.raises(CodecError):
            Huffman().read_body(damaged, form)


@pytest.mark.parametrize("parameters", [{}, {"streams": 1}, {"restart": 32}])
def test_more_or_fewer_symbols_than_were_written_are_found(parameters):
    body, form = body_and_form(**parameters)
    for count in (0, form.count - 1, form.count + 1, 4 * form.count):
        with pytest.raises(CodecError):
            Huffman().read_body(body, Form(dtype=form.dtype, shape=(count,)))


@pytest.mark.parametrize("parameters", [{}, {"streams": 1}, {"restart": 32}, {"max_len": 16}])
def test_a_flipped_bit_is_found_or_gives_as_many_symbols_of_the_alphabet(parameters):
    """Other words of a right length cannot be told from the old ones: a checksum is there for that."""
    body, form = body_and_form(**parameters)
    original = Huffman().read_body(body, form)
    num_found = 0
    for bit in range(8 * len(body)):
        damaged = bytearray(body)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            symbols = Huffman().read_body(bytes(damaged), form)
        except CodecError:
            num_found += 1
            continue
        assert symbols.shape == original.shape
        assert symbols.dtype == original.dtype
    assert num_found > len(body)


def test_a_spare_bit_that_is_set_is_found():
    symbols = np.array([0, 1, 2, 0], np.uint8)
    body = bytearray(Huffman(streams=1).write_body(symbols, form_of(symbols)))
    body[-1] |= 0x80
    with pytest.raises(CodecError, match="spare bits"):
        Huffman().read_body(bytes(body), form_of(symbols))


def test_codewords_of_17_bits_are_found():
    lengths = package_merge(np.array([2 ** min(i, 40) for i in range(18)]), 17)
    assert lengths.max() == 17
    body = write_lengths(lengths) + bytes([4, 40, 0, 0]) + bytes(5)
    with pytest.raises(CodecError, match="codewords of 17 bits"):
        Huffman().read_body(body, Form(dtype=np.dtype(np.uint8), shape=(4,)))


def test_a_row_of_ones_stays_in_bounds():
    """Every codeword is as long as can be: the decoder runs past the end, is stopped, and reads zeros."""
    lengths = package_merge(np.array([2**i for i in range(17)]), 16)
    table = write_lengths(lengths)
    for count in (64, 65, 1000, 8 * 60):
        for tail in (60, 200):
            row = b"\xff" * tail
            body = table + bytes([*varints(count, 8 * tail), 0, 0]) + row
            with pytest.raises(CodecError):
                Huffman().read_body(body, Form(dtype=np.dtype(np.uint8), shape=(count,)))


def varints(*values):
    from nncourse.codecs.frame import varint

    return b"".join(map(varint, values))
