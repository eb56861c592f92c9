"""Lossless code of floats: every bit pattern comes back, and the size of what others wrote."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nncourse.codecs import CodecError, get_codec
from nncourse.entropy import entropy

DTYPES = ["<f2", "<f4", "<f8", ">f4"]


def bits_of(values):
    return values.view(np.uint8).tobytes()


@pytest.mark.parametrize("inner", ["huffman", "rans", "zstd", "fixed", "adaptive"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_numbers_come_back(dtype, inner):
    values = np.random.default_rng(0).normal(size=(40, 25)).astype(dtype)
    codec = get_codec("float", inner=inner)
    decoded = codec.decode(codec.encode(values))
    assert decoded.dtype == values.dtype
    assert decoded.shape == values.shape
    assert bits_of(decoded) == bits_of(values)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_bit_pattern_comes_back(dtype, data):
    unsigned = np.dtype(f"u{np.dtype(dtype).itemsize}")
    patterns = data.draw(arrays.arrays(unsigned, arrays.array_shapes(min_side=0)))
    values = patterns.view(dtype)
    codec = get_codec("float")
    assert bits_of(codec.decode(codec.encode(values))) == bits_of(values)


def test_signed_zeros_and_the_payload_of_a_nan_are_kept():
    values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float32)
    values.view(np.uint32)[4] = 0xFFC12345
    codec = get_codec("float")
    assert bits_of(codec.decode(codec.encode(values))) == bits_of(values)


def test_bfloat16_goes_in_as_its_bit_patterns():
    values = np.random.default_rng(0).normal(size=20_000).astype(ml_dtypes.bfloat16)
    codec = get_codec("float")
    data = codec.encode(values.view(np.uint16))
    np.testing.assert_array_equal(codec.decode(data), values.view(np.uint16))
    with pytest.raises(ValueError, match="bfloat16 arrays need"):
        codec.encode(values)


def test_the_exponent_costs_its_entropy_and_the_rest_is_left_alone():
    values = np.random.default_rng(0).normal(0, 0.05, 200_000).astype(np.float32)
    exponents = (values.view(np.uint32) >> 23 & 255).astype(np.uint8)
    codec = get_codec("float", inner="rans")
    bits = 8 * len(codec.encode(values)) / values.size
    # the highest digits of a mantissa are not quite even, and give a little back
    assert 23.95 + entropy(exponents) <= bits < 24 + 1.005 * entropy(exponents)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_size_is_within_one_percent_of_zipnns(dtype):
    torch = pytest.importorskip("torch")
    zipnn = pytest.importorskip("zipnn")
    weights = np.random.default_rng(0).normal(0, 0.02, 2**20).astype(np.float32)
    tensor = torch.from_numpy(weights).to(getattr(torch, dtype))
    if dtype == "float32":
        theirs = zipnn.ZipNN(bytearray_dtype="float32", input_format="byte")
        raw = weights.tobytes()
        ours = get_codec("float").encode(weights)
    else:
        theirs = zipnn.ZipNN(bytearray_dtype="bfloat16", input_format="byte")
        patterns = tensor.view(torch.uint16).numpy()
        raw = patterns.tobytes()
        ours = get_codec("float").encode(patterns)
    assert len(ours) <= 1.01 * len(theirs.compress(bytearray(raw)))


def test_numbers_that_nothing_helps_grow_by_a_few_bytes_only():
    values = np.random.default_rng(0).integers(0, 2**32, 5000, dtype=np.uint32).view(np.float32)
    assert len(get_codec("float").encode(values)) < values.nbytes + 40


def test_other_dtypes_are_refused():
    with pytest.raises(ValueError, match="float16, float32 or float64"):
        get_codec("float").encode(np.zeros(3, np.int8))
    with pytest.raises(ValueError, match=r"inner is one of huffman, .*; got 'gzip'"):
        get_codec("float", inner="gzip")


def test_every_bit_has_a_name_and_every_truncation_is_found():
    codec = get_codec("float")
    data = codec.encode(np.random.default_rng(0).normal(size=50).astype(np.float32))
    assert sum(codec.sizes(data).values()) == 8 * len(data)
    for length in range(len(data)):
        with pytest.raises(CodecError):
            codec.decode(data[:length])
