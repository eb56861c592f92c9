"""Vectors of a cache: half a step at most, the bytes of a memory, and the file's round trip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.quantizers.vectors import Vectors, quantize_vectors


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.floats(1e-3, 1e3))
@settings(max_examples=60)
def test_no_value_moves_by_more_than_half_a_step(seed, bits, size):
    x = (np.random.default_rng(seed).normal(size=(3, 5, 16)) * size + size).astype(np.float32)
    found = quantize_vectors(x, bits=bits)
    error = np.abs(found.values().astype(np.float64) - x)
    limit = found.step.astype(np.float64)[..., None] / 2 + 1e-6 * np.abs(x).max()
    assert (error <= limit).all()


def test_worked_by_hand():
    # 2 bits from -1 to 2: steps of 1
    found = quantize_vectors(np.array([[-1.0, 0.4, 0.6, 2.0]]), bits=2)
    assert found.step == 1
    assert found.low == -1
    np.testing.assert_array_equal(found.codes, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(found.values(), [[-1, 0, 1, 2]])


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
@settings(max_examples=40)
def test_a_token_s_values_do_not_depend_on_the_other_tokens(seed, bits):
    x = np.random.default_rng(seed).normal(size=(2, 7, 8)).astype(np.float32)
    whole = quantize_vectors(x, bits=bits).values()
    one_by_one = [quantize_vectors(x[:, [t]], bits=bits).values() for t in range(7)]
    np.testing.assert_array_equal(whole, np.concatenate(one_by_one, axis=1))


@pytest.mark.parametrize("bits", range(1, 9))
def test_stored_bytes_give_back_the_values_and_are_as_many_as_the_format_says(bits):
    x = np.random.default_rng(bits).normal(size=(2, 3, 32)).astype(np.float32)
    found = quantize_vectors(x, bits=bits)
    data = found.stored()
    assert len(data) == 6 * 32 * bits // 8 + 6 * 4
    back = Vectors.of_stored(data, shape=(2, 3, 32), bits=bits)
    np.testing.assert_array_equal(back.values(), found.values())


def test_constant_vectors_come_back_as_near_as_float16_allows():
    x = np.array([[0.3, 0.3], [0.0, 0.0], [-7.0, -7.0]])
    np.testing.assert_allclose(quantize_vectors(x, bits=4).values(), x, rtol=1e-3, atol=1e-4)


def test_more_bits_never_give_a_larger_error():
    x = np.random.default_rng(0).normal(size=(50, 32))
    errors = [np.square(quantize_vectors(x, bits=b).values() - x).sum() for b in range(1, 9)]
    assert errors == sorted(errors, reverse=True)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="1 to 8"):
        quantize_vectors(np.ones((1, 2)), bits=9)
    with pytest.raises(ValueError, match="fits float16"):
        quantize_vectors(np.array([[1e6, 0.0]]), bits=4)
    with pytest.raises(ValueError, match="holds vectors"):
        quantize_vectors(np.ones((0, 2)), bits=4)
    with pytest.raises(ValueError, match="do not hold"):
        Vectors.of_stored(bytes(3), shape=(1, 8), bits=4)
