"""The fixed-length code: bits on paper, and any item in reach."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.codecs import CodecError
from nncourse.codecs.fixed import Fixed
from nncourse.codecs.frame import Form


def body(values):
    values = np.asarray(values)
    form = Form(dtype=values.dtype, shape=values.shape)
    return Fixed().write_body(values.view(form.symbol_dtype), form), form


def test_a_body_worked_by_hand():
    # minimum -3; distances 0, 5, 2 in three bits each: 000, 101, 010 from the low end on
    assert body(np.array([-3, 2, -1], np.int8))[0] == bytes([3, 0xFD, 0xFF, 0b10_101_000, 0])


def test_codes_are_as_wide_as_the_range_needs():
    codec = Fixed()
    for span, bits in [(0, 0), (1, 1), (2, 2), (15, 4), (16, 5), (65535, 16)]:
        data = codec.encode(np.array([0, span] * 8, np.uint16))
        assert codec.sizes(data)["payload"] == 16 * bits


@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=60), st.data())
def test_a_stretch_is_read_without_the_rest(values, data):
    array = np.array(values, np.int16)
    start = data.draw(st.integers(0, array.size))
    stop = data.draw(st.integers(start, array.size))
    codec = Fixed()
    stretch = codec.read(codec.encode(array), start, stop)
    assert stretch.dtype == array.dtype
    np.testing.assert_array_equal(stretch, array[start:stop])


def test_a_stretch_outside_the_array_is_refused():
    data = Fixed().encode(np.arange(10, dtype=np.uint8))
    for start, stop in [(-1, 3), (3, 2), (0, 11)]:
        with pytest.raises(IndexError, match=r"in order in 0 \.\. 10"):
            Fixed().read(data, start, stop)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (bytes([9, 0, 0]), "9 bits from 0 on in uint8"),
        (bytes([1, 0xFF, 0, 0b111]), "1 bits from 255 on in uint8"),
        (bytes([2, 0xFE, 0, 0b111111]), "bits from 254"),
        (bytes([2, 0xFD, 0, 0b111111]), "beyond uint8"),
        (bytes([1, 0, 0]), "truncated"),
        (bytes([1, 0, 0, 7, 0]), "foreign bytes"),
        (bytes([0, 5, 0, 1]), "0 bits are followed"),
        (bytes([1, 0]), "truncated"),
    ],
)
def test_a_body_that_cannot_have_been_written_is_refused(damaged, reason):
    with pytest.raises(CodecError, match=reason):
        Fixed().read_body(damaged, Form(dtype=np.dtype(np.uint8), shape=(3,)))
