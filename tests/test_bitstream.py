"""Packed bits: the textbook form is the oracle, and every damaged stream is named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.bitstream import CodecError, pack, pack_textbook, unpack, unpack_textbook

WIDTHS = range(1, 17)


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 1000])
def test_packing_equals_the_textbook_form_and_unpacking_inverts_it(bits, count):
    codes = np.random.default_rng(count).integers(0, 2**bits, count)
    data = pack(codes, bits)
    assert len(data) == -(-count * bits // 8)
    assert data == pack_textbook(codes, bits)
    back = unpack(data, bits, count)
    assert back.dtype == (np.uint8 if bits <= 8 else np.uint16)
    np.testing.assert_array_equal(back, codes)
    np.testing.assert_array_equal(unpack_textbook(data, bits, count), codes)


@settings(deadline=None)  # the first example may compile the kernel
@given(st.data())
def test_any_codes_survive_the_round_trip(data):
    bits = data.draw(st.integers(1, 16))
    codes = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=70))
    np.testing.assert_array_equal(unpack(pack(codes, bits), bits, len(codes)), codes)


def test_the_first_code_takes_the_lowest_bits_worked_by_hand():
    # 5 = 101, 3 = 011, 6 = 110: bits from the lowest 101 110 011 -> 1 0 1 1 1 0 0 1 | 1
    assert pack([5, 3, 6], 3) == bytes([0b10011101, 0b1])


def test_four_bits_are_half_of_eight():
    codes = np.arange(1000) % 16
    assert 2 * len(pack(codes, 4)) == len(pack(codes, 8)) == 1000


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64, ">u2"])
def test_every_integer_type_and_layout_packs_alike(dtype):
    codes = np.arange(24).reshape(4, 6).astype(dtype)
    assert (
        pack(codes.T, 5)
        == pack(np.ascontiguousarray(codes.T), 5)
        == pack(codes.T.ravel().tolist(), 5)
    )


def test_numpy_wide_unsigned_values_are_not_wrapped():
    with pytest.raises(ValueError, match=r"codes\[0\] is 65536"):
        pack(np.array([2**16], dtype=np.uint64), 16)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: pack([0], 0), "bits is a whole number from 1 to 16"),
        (lambda: pack([0], 17), "bits is a whole number from 1 to 16"),
        (lambda: pack([0], 4.0), "bits is a whole number"),
        (lambda: pack([0], True), "bits is a whole number"),
        (lambda: pack([3, 16, 99], 4), r"codes\[1\] is 16"),
        (lambda: pack([3, -1], 4), r"codes\[1\] is -1.*offset"),
        (lambda: pack([0.5], 4), "codes are integers"),
        (lambda: unpack(b"", 4, -1), "count"),
        (lambda: unpack(b"", 4, 1.0), "count"),
    ],
)
def test_bad_arguments_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@pytest.mark.parametrize("bits", [1, 3, 4, 8, 13, 16])
def test_a_stream_of_the_wrong_length_is_refused(bits):
    data = pack(np.ones(9, dtype=int), bits)
    with pytest.raises(CodecError, match="truncated"):
        unpack(data[:-1], bits, 9)
    with pytest.raises(CodecError, match="foreign"):
        unpack(data + b"\0", bits, 9)


def test_a_set_spare_bit_is_refused():
    damaged = bytearray(pack([1, 2, 3], 3))
    damaged[-1] |= 0x80
    with pytest.raises(CodecError, match="spare bits"):
        unpack(bytes(damaged), 3, 3)


def test_an_absurd_count_allocates_nothing():
    with pytest.raises(CodecError, match="truncated"):
        unpack(b"abc", 16, 10**18)
