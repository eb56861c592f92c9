"""Smoothing: the function stays, the peaks move."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.quantizers.smoothing import fold, smoothing_scales


def normalized(rng, count, width):
    x = rng.normal(size=(count, width))
    return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=40)
def test_a_folded_layer_computes_what_it_computed_before(seed, strength):
    rng = np.random.default_rng(seed)
    x, factor, shift = normalized(rng, 50, 16), rng.normal(size=16), rng.normal(size=16)
    weight = rng.normal(size=(8, 16))
    inputs = x * factor + shift
    scales = smoothing_scales(
        np.abs(inputs).max(axis=0), np.abs(weight).max(axis=0), strength=strength
    )
    factor_2, shift_2, weight_2 = fold(factor, shift, weight, scales)
    np.testing.assert_allclose((x * factor_2 + shift_2) @ weight_2.T, inputs @ weight.T, atol=1e-9)


def test_powers_of_two_change_no_bit():
    rng = np.random.default_rng(0)
    factor, shift = (rng.normal(size=8).astype(np.float32) for _ in range(2))
    weight = rng.normal(size=(4, 8)).astype(np.float32)
    scales = 2.0 ** rng.integers(-6, 7, size=8)
    back = fold(*fold(factor, shift, weight, scales), 1 / scales)
    for before, after in zip((factor, shift, weight), back, strict=True):
        assert after.dtype == np.float32
        np.testing.assert_array_equal(before, after)


def test_strength_one_half_makes_the_peaks_of_inputs_and_columns_equal():
    rng = np.random.default_rng(1)
    inputs, weights = rng.random(20) + 0.1, rng.random(20) + 0.1
    scales = smoothing_scales(inputs, weights)
    np.testing.assert_allclose(inputs / scales, weights * scales)


def test_strength_one_leaves_inputs_of_peak_one_and_strength_zero_columns_of_peak_one():
    inputs, weights = np.array([8.0, 0.5]), np.array([2.0, 4.0])
    np.testing.assert_allclose(inputs / smoothing_scales(inputs, weights, strength=1.0), 1)
    np.testing.assert_allclose(weights * smoothing_scales(inputs, weights, strength=0.0), 1)


def test_a_factor_planted_in_the_inputs_is_taken_out_again_whatever_it_is():
    inputs, weights = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.2, 0.1])
    planted = np.array([64.0, 1.0, 1.0])
    before = inputs / smoothing_scales(inputs, weights)
    after = inputs * planted / smoothing_scales(inputs * planted, weights / planted)
    np.testing.assert_allclose(before, after)


def test_dead_inputs_and_dead_columns_keep_their_scale():
    scales = smoothing_scales(np.array([0.0, 4.0, 4.0]), np.array([1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(scales, [1.0, 1.0, 2.0])


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="one number for each input"):
        smoothing_scales(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="strength"):
        smoothing_scales(np.ones(3), np.ones(3), strength=50)
    with pytest.raises(ValueError, match="at least 0"):
        smoothing_scales(-np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="above 0"):
        fold(np.ones(2), np.ones(2), np.ones((1, 2)), np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="each column"):
        fold(np.ones(2), np.ones(2), np.ones((1, 3)), np.ones(2))
