"""Activation-aware scales against plain rounding and against outputs computed in full."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.curvature import gram
from nncourse.quantizers.activation_aware import output_error, scaled_rounding, search_scales
from nncourse.quantizers.affine import choose_qparams, dequantize, quantize


def layer(seed, *, outlier=1.0, inputs=300, columns=32, rows=24):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(inputs, columns))
    x[:, 3] *= outlier
    return rng.normal(size=(rows, columns)), x


def search(weight, x, **kwargs):
    return search_scales(weight, gram(x), np.abs(x).mean(axis=0), **kwargs)


def test_the_output_error_is_that_of_multiplying_all_inputs():
    weight, x = layer(0)
    difference = weight * 0.01
    expected = np.square(x @ difference.T).sum()
    assert output_error(difference, gram(x)) == pytest.approx(expected, rel=1e-10)


def test_scales_of_one_are_plain_rounding():
    weight, _ = layer(1)
    grid = choose_qparams(weight, bits=4, group_size=8)
    np.testing.assert_array_equal(
        scaled_rounding(weight, np.ones(32), bits=4, group_size=8),
        dequantize(quantize(weight, grid), grid),
    )


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 100), st.sampled_from([2, 3, 4]))
@settings(max_examples=20)
def test_the_search_is_never_worse_than_plain_rounding_on_its_own_inputs(seed, outlier, bits):
    weight, x = layer(seed, outlier=outlier)
    found = search(weight, x, bits=bits, group_size=8)
    plain = output_error(
        weight - scaled_rounding(weight, np.ones(32), bits=bits, group_size=8), gram(x)
    )
    chosen = output_error(
        weight - scaled_rounding(weight, found.scales, bits=bits, group_size=8), gram(x)
    )
    assert chosen == pytest.approx(found.errors.min(), rel=1e-9)
    assert found.errors[0] == pytest.approx(plain, rel=1e-9)
    assert chosen <= plain * (1 + 1e-12)


def test_a_large_input_is_protected_and_the_error_falls_several_times():
    weight, x = layer(2, outlier=60.0)
    found = search(weight, x, bits=4, group_size=16)
    assert found.scales.argmax() == 3
    assert found.exponent > 0
    assert found.errors.min() < found.errors[0] / 3


def test_a_dead_input_gets_the_smallest_scale_and_no_division_by_zero():
    weight, x = layer(3)
    x[:, 5] = 0
    found = search(weight, x, bits=3)
    assert np.isfinite(found.scales).all()
    assert found.scales[5] == found.scales.min()


def test_what_does_not_fit_is_named():
    weight, x = layer(4)
    with pytest.raises(ValueError, match="one number for each column"):
        search_scales(weight, gram(x), np.ones(5), bits=4)
    with pytest.raises(ValueError, match="at least 0"):
        search_scales(weight, gram(x), -np.ones(32), bits=4)
    with pytest.raises(ValueError, match="steps"):
        search(weight, x, bits=4, steps=0)
