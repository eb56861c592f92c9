"""Blocks around our codes, read by zlib."""

import zlib

import numpy as np
import pytest

from nncourse.codecs.deflate_block import END, dynamic_block, literal_counts
from nncourse.codecs.prefix_code import huffman_lengths, package_merge

KINDS = {
    "pruned": lambda rng: np.where(rng.random(3000) < 0.9, 0, rng.integers(1, 16, 3000)),
    "8 bits": lambda rng: np.rint(rng.normal(128, 25, 3000)).clip(0, 255),
    "noise": lambda rng: rng.integers(0, 256, (30, 100)),
    "one symbol": lambda rng: np.full(50, 65),
    "nothing": lambda rng: np.zeros(0),
}


@pytest.mark.parametrize("limit", [9, 12, 15])
@pytest.mark.parametrize("kind", KINDS)
def test_zlib_reads_the_symbols_back(kind, limit):
    symbols = KINDS[kind](np.random.default_rng(0)).astype(np.uint8)
    block = dynamic_block(symbols, package_merge(literal_counts(symbols), limit))
    assert zlib.decompress(block, -15) == symbols.tobytes()


def test_a_code_that_is_not_ours_but_is_one_is_read_as_well_and_a_broken_block_is_not():
    symbols = KINDS["pruned"](np.random.default_rng(1)).astype(np.uint8)
    flat = np.full(END + 1, 8)
    flat[[END, END - 1]] = 9
    assert zlib.decompress(dynamic_block(symbols, flat), -15) == symbols.tobytes()
    block = bytearray(dynamic_block(symbols, huffman_lengths(literal_counts(symbols))))
    block[3] ^= 255
    with pytest.raises(zlib.error):
        zlib.decompress(bytes(block), -15)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (np.full(256, 8), "257 literals"),
        (np.full(257, 16), "16 bits"),
        (np.eye(1, 257, 0, dtype=int)[0], "no codeword for a literal"),
        (np.full(257, 8), "times the room"),
    ],
)
def test_lengths_of_no_block_are_refused(lengths, message):
    with pytest.raises(ValueError, match=message):
        dynamic_block(np.array([0, 1], np.uint8), lengths)
