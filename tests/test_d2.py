"""What D2 measures, on layers whose numbers can be told on paper, and against the codec's own reader."""

import numpy as np
import pytest

from nncourse.codecs.huffman import Huffman
from nncourse.experiments.d2 import (
    BARE,
    BITMAP,
    CODERS,
    FIXED,
    FOUR,
    SPACINGS,
    codeword_ends,
    read_cost,
    walk,
)

FORMS = (FIXED, *CODERS, BITMAP)


def drawn(size=6000, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.where(rng.random(size) < 0.3, rng.integers(1, 16, size), 0)
    return codes.astype(np.uint8).reshape(60, -1)


def test_a_walk_on_paper():
    # codewords of 1, 2, 1 and 2 bits; they end at bits 1, 3, 4 and 6
    layer = np.array([[0, 1, 0, 2]], np.uint8)
    assert codeword_ends(layer).tolist() == [1, 3, 4, 6]
    whole = walk(layer, 4)
    assert whole == {"codewords": 2.5, "bits": 3.5, "most_bits": 6, "share": pytest.approx(3.5 / 6)}
    halves = walk(layer, 2)
    assert halves == {"codewords": 1.5, "bits": 2.0, "most_bits": 3, "share": pytest.approx(2 / 6)}


@pytest.mark.parametrize("form", CODERS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_the_bits_of_a_read_are_those_that_the_codec_touches(form, dtype):
    layer = drawn().astype(dtype) * dtype(-3) if dtype == np.int8 else drawn()
    codec = CODERS[form]
    reader = codec.reader(codec.encode(layer))
    places = range(0, layer.size, 37)
    segment_size = codec.restart or -(-layer.size // codec.streams)
    ends = codeword_ends(layer)
    begins = np.append(0, ends)
    touched = [ends[place] - begins[place // segment_size * segment_size] for place in places]
    assert [reader.bits_touched(place) for place in places] == touched


@pytest.mark.parametrize("form", FORMS)
def test_what_is_read_is_what_was_written_and_the_bytes_are_those_of_a_file(form):
    cost = read_cost(form, drawn(), seed=0)
    assert cost["intact"]
    assert cost["bits"] <= cost["most_bits"]
    assert cost["bytes"] * 8 > cost["index_bits"]
    if form in CODERS:
        codec = CODERS[form]
        assert cost["bytes"] == len(codec.encode(drawn()))


def test_without_an_index_half_of_the_stream_is_decoded_and_with_four_streams_an_eighth():
    layer = drawn(60_000)
    assert read_cost(BARE, layer, seed=0)["share"] == pytest.approx(1 / 2, abs=0.01)
    assert read_cost(FOUR, layer, seed=0)["share"] == pytest.approx(1 / 8, abs=0.01)


def test_closer_restart_points_are_nearer_and_dearer():
    costs = [read_cost(f"restart {spacing}", drawn(60_000), seed=0) for spacing in SPACINGS]
    for name, sign in (("codewords", 1), ("bits", 1), ("most_bits", 1), ("bytes", -1)):
        values = [sign * cost[name] for cost in costs]
        assert values == sorted(values), name
    for spacing, cost in zip(SPACINGS, costs, strict=True):
        assert cost["codewords"] == pytest.approx((spacing + 1) / 2, rel=0.05)


def test_a_layer_of_equal_weights_is_read_without_a_bit():
    layer = np.full((10, 10), 3, np.uint8)
    cost = read_cost("restart 16", layer, seed=0)
    assert (cost["bits"], cost["most_bits"], cost["share"]) == (0, 0, 0)
    assert cost["intact"]


def test_an_alphabet_beyond_the_longest_word_is_walked_as_it_is_coded():
    layer = np.random.default_rng(0).integers(0, 256, (50, 100)).astype(np.uint8)
    sizes = Huffman(restart=64).sizes(Huffman(restart=64).encode(layer))
    assert codeword_ends(layer)[-1] == sizes["payload"]
