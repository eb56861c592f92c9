"""Every rung of the ladder reads the symbols that were written, and they read the codec's own bits."""

import numpy as np
import pytest

from nncourse.codecs.decode_ladder import (
    LADDER,
    from_four_streams,
    in_lock_step,
    ladder_stream,
    several_at_a_look,
)
from nncourse.codecs.huffman import Huffman


def drawn(kind, size, seed=0):
    rng = np.random.default_rng(seed)
    if kind == "pruned":
        return np.where(rng.random(size) < 0.2, rng.integers(1, 16, size), 0).astype(np.uint8)
    if kind == "two symbols":
        return rng.integers(3, 5, size).astype(np.uint8)
    return np.rint(rng.normal(128, 25, size)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [8, 1000, 5003])
@pytest.mark.parametrize("kind", ["pruned", "two symbols", "8 bits"])
@pytest.mark.parametrize("rung", LADDER)
def test_every_rung_reads_what_was_written(rung, kind, size):
    symbols = drawn(kind, size)
    np.testing.assert_array_equal(LADDER[rung](ladder_stream(symbols)), symbols)


@pytest.mark.parametrize("segments", [1, 2, 7, 64, 333])
def test_lock_step_reads_any_number_of_segments(segments):
    symbols = drawn("8 bits", 5003)
    stream = ladder_stream(symbols, segments=segments)
    np.testing.assert_array_equal(in_lock_step(stream), symbols)


@pytest.mark.parametrize("max_len", [8, 9, 14])
def test_rungs_read_codewords_of_any_longest_length(max_len):
    symbols = drawn("8 bits", 5003)
    stream = ladder_stream(symbols, max_len=max_len)
    for rung in (from_four_streams, in_lock_step, several_at_a_look):
        np.testing.assert_array_equal(rung(stream), symbols)


def test_the_bits_are_those_of_the_codec():
    symbols = drawn("pruned", 5000)
    data = Huffman().encode(symbols)
    stream = ladder_stream(symbols)
    assert data.endswith(stream.data)
    assert Huffman().sizes(data)["payload"] == stream.places[-1]


def test_one_symbol_and_more_segments_than_symbols_are_refused():
    for symbols, segments in ((np.zeros(10, np.uint8), 4), (drawn("pruned", 10), 11)):
        with pytest.raises(ValueError, match="at least two different"):
            ladder_stream(symbols, segments=segments)
