"""Run-length code: the bits of EIE's column, and streams that lie about their entries."""

import numpy as np
import pytest

from nncourse.bitstream import pack
from nncourse.codecs import CodecError
from nncourse.codecs.frame import Form
from nncourse.codecs.runlength import RunLength

EIE_COLUMN = np.array([0, 0, 1, 2, *[0] * 18, 3], np.uint8)
FORM = Form(dtype=np.dtype(np.uint8), shape=(23,))


def test_the_body_of_the_eie_column_worked_by_hand():
    body = RunLength(gap_bits=4).write_body(EIE_COLUMN, FORM)
    values = bytes([2, 0, 0]) + pack([1, 2, 0, 3], 2)
    assert body == bytes([4, 4]) + pack([2, 0, 15, 2], 4) + values


def test_zeros_behind_the_last_entry_cost_nothing():
    codec = RunLength(gap_bits=4)
    longer = np.concatenate([EIE_COLUMN, np.zeros(1000, np.uint8)])
    # the length of the axis takes one byte more
    assert len(codec.encode(longer)) == len(codec.encode(EIE_COLUMN)) + 1


def test_the_width_it_chooses_is_the_one_that_makes_the_stream_smallest():
    rng = np.random.default_rng(0)
    symbols = np.where(rng.random(30_000) < 0.07, rng.integers(1, 16, 30_000), 0).astype(np.uint8)
    sizes = {bits: len(RunLength(gap_bits=bits).encode(symbols)) for bits in range(1, 17)}
    assert len(RunLength().encode(symbols)) == min(sizes.values())


def test_bits_for_each_entry_are_gap_and_value():
    symbols = np.zeros(160, np.int8)
    symbols[::16] = np.arange(-5, 5) | 1
    codec = RunLength(gap_bits=4)
    sizes = codec.sizes(codec.encode(symbols))
    # ten entries; values -5 .. 5 and no filler
    assert sizes["index"] == 40
    assert sizes["payload"] == 10 * 4


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bytes([0, 0, 0, 0, 0]), "gaps of 0 bits"),
        (bytes([17, 0, 0, 0, 0]), "gaps of 17 bits"),
        (bytes([4, 24]) + bytes(12) + bytes([0, 1, 0]), "24 entries in 23 symbols"),
        (bytes([4, 2, 0xFF, 0, 1, 0]), "beyond the 23 symbols"),
        (bytes([4, 2]), "truncated"),
        (bytes([4, 0, 0, 0, 0, 7]), "0 bits are followed"),
    ],
)
def test_a_body_that_cannot_have_been_written_is_refused(body, reason):
    with pytest.raises(CodecError, match=reason):
        RunLength().read_body(body, FORM)


def test_the_width_is_checked():
    with pytest.raises(ValueError, match="gap_bits is a whole number from 1 to 16; got 20"):
        RunLength(gap_bits=20)
