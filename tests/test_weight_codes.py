"""Weights as one-byte codes: what a codec is given."""

import numpy as np
import pytest

from nncourse.accelerator import Gemm
from nncourse.experiments.weight_codes import codes_of, drawn_codes, shared_codes


def test_gone_weights_are_zero_and_kept_ones_are_not():
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((30, 40)) * (rng.random((30, 40)) < 0.2)
    codes = shared_codes(weight)
    np.testing.assert_array_equal(codes != 0, weight != 0)
    assert codes.max() == 15


def test_a_larger_weight_never_has_a_smaller_code():
    weight = np.random.default_rng(1).standard_normal(500)
    order = np.argsort(weight)
    assert (np.diff(shared_codes(weight)[order].astype(int)) >= 0).all()


def test_a_matrix_without_kept_weights_is_all_zeros():
    assert not shared_codes(np.zeros((2, 3))).any()


def test_codes_in_eight_bits_are_the_grids_as_unsigned_bytes():
    codes = codes_of(np.array([[-1.0, 0.5, 1.0], [0.0, 2.0, -4.0]]), "int8")
    np.testing.assert_array_equal(codes.view(np.int8), [[-127, 64, 127], [0, 64, -127]])


def test_drawn_codes_have_the_shapes_of_the_layers_and_are_the_seeds():
    layers = [Gemm("a", 9, 8, 18), Gemm("b", 9, 1, 9, groups=8)]
    first, again, other = (drawn_codes(layers, "pruned", seed=seed) for seed in (0, 0, 1))
    assert {name: each.shape for name, each in first.items()} == {"a": (8, 18), "b": (8, 9)}
    for name, each in first.items():
        np.testing.assert_array_equal(each, again[name])
        assert (each != other[name]).any()
        assert np.count_nonzero(each) == each.size - round(0.8 * each.size)


def test_bad_requests_are_named():
    with pytest.raises(ValueError, match="recipe is one of int8, pruned; got 'fp32'"):
        codes_of(np.ones((2, 2)), "fp32")
    with pytest.raises(ValueError, match="levels are 1 to 255"):
        shared_codes(np.ones(4), levels=256)
