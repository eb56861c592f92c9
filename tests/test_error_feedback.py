"""Error feedback against the textbook: round a column, solve least squares for the rest, repeat."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.curvature import gram, patches
from nncourse.quantizers.affine import choose_qparams, dequantize, quantize
from nncourse.quantizers.error_feedback import quantize_with_feedback


def correlated(rng, count, length):
    mixed = rng.normal(size=(count, length)) @ rng.normal(size=(length, length))
    return mixed + rng.normal(size=length)


def output_error(weight, codes, grids, hessian):
    difference = weight - dequantize(codes, grids).astype(np.float64)
    return float(np.einsum("ij,jk,ik->", difference, hessian, difference))


def textbook(weight, hessian, *, bits, scheme, group_size=None, order=None):
    """After each rounding the free columns are solved for anew, from the original weights.

    With columns Q fixed at q, ||(w - w') X||^2 is least in the free columns F where
    H_FF (w'_F - w_F) = H_FQ (w_Q - q).
    """
    length = weight.shape[1]
    order = list(range(length)) if order is None else list(order)
    now, codes = weight.astype(np.float64), np.zeros(weight.shape, dtype=int)
    grids = {}
    for step, column in enumerate(order):
        group = -1 if group_size is None else column // group_size
        if group not in grids:
            members = weight if group < 0 else now[:, group * group_size : (group + 1) * group_size]
            grids[group] = choose_qparams(members, bits=bits, scheme=scheme, axis=0)
        codes[:, column] = quantize(now[:, [column]], grids[group])[:, 0]
        now[:, column] = dequantize(codes[:, [column]], grids[group])[:, 0]
        fixed, free = order[: step + 1], order[step + 1 :]
        if free:
            moved = weight[:, fixed] - now[:, fixed]
            answer = np.linalg.solve(
                hessian[np.ix_(free, free)], hessian[np.ix_(free, fixed)] @ moved.T
            )
            now[:, free] = weight[:, free] + answer.T
    return codes


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("group_size", [None, 3])
@pytest.mark.parametrize("order", ["natural", "activation"])
def test_the_codes_are_those_of_solving_least_squares_after_every_column(
    seed, scheme, group_size, order
):
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(5, 12))
    hessian = gram(correlated(rng, 40, 12))
    damped = hessian + 0.01 * np.diag(hessian).mean() * np.eye(12)
    columns = None if order == "natural" else np.argsort(-np.diag(hessian), kind="stable")
    codes, _ = quantize_with_feedback(
        weight, hessian, bits=3, scheme=scheme, group_size=group_size, order=order
    )
    expected = textbook(weight, damped, bits=3, scheme=scheme, group_size=group_size, order=columns)
    np.testing.assert_array_equal(codes, expected)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    bits=st.integers(2, 8),
    scheme=st.sampled_from(["symmetric", "asymmetric"]),
    order=st.sampled_from(["natural", "activation"]),
    slicing=st.sampled_from([{"axis": 0}, {"axis": None}, {"group_size": 4}]),
)
def test_uncorrelated_inputs_give_rounding_to_nearest(seed, bits, scheme, order, slicing):
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(6, 8)).astype(np.float32)
    diagonal = np.diag(rng.uniform(0, 10, 8) * (rng.random(8) < 0.8))  # some inputs are dead
    codes, grids = quantize_with_feedback(
        weight, diagonal, bits=bits, scheme=scheme, order=order, **slicing
    )
    nearest = choose_qparams(weight, bits=bits, scheme=scheme, **slicing)
    np.testing.assert_array_equal(grids.scale, nearest.scale)
    np.testing.assert_array_equal(grids.zero_point, nearest.zero_point)
    np.testing.assert_array_equal(codes, quantize(weight, nearest))
    assert codes.dtype == nearest.dtype


@pytest.mark.parametrize("order", ["natural", "activation"])
@pytest.mark.parametrize("slicing", [{"axis": 0}, {"axis": None}, {"group_size": 8}])
@pytest.mark.parametrize("bits", [3, 4])
def test_on_correlated_inputs_the_output_error_is_below_rounding_to_nearest(bits, slicing, order):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        weight = rng.normal(size=(16, 32))
        hessian = gram(correlated(rng, 200, 32))
        codes, grids = quantize_with_feedback(weight, hessian, bits=bits, order=order, **slicing)
        nearest = choose_qparams(weight, bits=bits, **slicing)
        rounded = output_error(weight, quantize(weight, nearest), nearest, hessian)
        assert output_error(weight, codes, grids, hessian) < 0.8 * rounded


def test_dead_inputs_are_rounded_to_nearest_and_disturb_nobody():
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(4, 10))
    inputs = correlated(rng, 50, 10)
    dead = np.array([0, 4, 9])
    inputs[:, dead] = 0
    alive = np.setdiff1d(np.arange(10), dead)
    grid = choose_qparams(weight, bits=4)  # one grid for all, so both calls share it
    codes, grids = quantize_with_feedback(weight, gram(inputs), bits=4, axis=None)
    assert grids.scale == grid.scale
    np.testing.assert_array_equal(codes[:, dead], quantize(weight, grid)[:, dead])
    largest = np.abs(weight).max()
    padded = np.concatenate([weight[:, alive], np.full((4, 1), largest)], axis=1)
    hessian = np.zeros((8, 8))
    hessian[:7, :7] = gram(inputs[:, alive])
    alone, _ = quantize_with_feedback(padded, hessian, bits=4, axis=None)
    np.testing.assert_array_equal(codes[:, alive], alone[:, :7])


def test_a_layer_that_never_saw_an_input_is_rounded_to_nearest():
    weight = np.random.default_rng(0).normal(size=(3, 5))
    codes, grids = quantize_with_feedback(weight, np.zeros((5, 5)), bits=4, damping=0.0)
    np.testing.assert_array_equal(codes, quantize(weight, grids))


def test_groups_that_start_on_weights_with_errors_get_the_grids_of_those():
    rng = np.random.default_rng(5)
    weight, hessian = rng.normal(size=(4, 12)), gram(correlated(rng, 60, 12))
    _, grids = quantize_with_feedback(weight, hessian, bits=2, group_size=4)
    before = choose_qparams(weight, bits=2, group_size=4)
    np.testing.assert_array_equal(grids.scale[:, 0], before.scale[:, 0])
    assert (grids.scale[:, 1:] != before.scale[:, 1:]).all()


def test_convolution_weights_keep_their_shape_and_the_codes_of_the_matrix():
    rng = np.random.default_rng(2)
    weight = rng.normal(size=(4, 2, 3, 3)).astype(np.float32)
    hessian = gram(patches(rng.normal(size=(3, 2, 6, 6)), kernel=(3, 3)))
    codes, grids = quantize_with_feedback(weight, hessian, bits=4)
    flat, _ = quantize_with_feedback(weight.reshape(4, 18), hessian, bits=4)
    np.testing.assert_array_equal(codes.reshape(4, 18), flat)
    assert dequantize(codes, grids).shape == weight.shape


def test_the_inputs_are_never_modified():
    rng = np.random.default_rng(6)
    weight, hessian = rng.normal(size=(3, 4)), gram(rng.normal(size=(9, 4)))
    weight.flags.writeable = hessian.flags.writeable = False
    quantize_with_feedback(weight, hessian, bits=3, order="activation", group_size=2)


W, H = np.ones((2, 4)), np.eye(4)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: quantize_with_feedback(W[0], H, bits=4), "weight has shape"),
        (lambda: quantize_with_feedback(W, H[:3], bits=4), r"inputs_gram has shape \(4, 4\)"),
        (lambda: quantize_with_feedback(W, np.triu(np.ones((4, 4))), bits=4), "symmetric"),
        (lambda: quantize_with_feedback(W, H * np.nan, bits=4), "finite"),
        (lambda: quantize_with_feedback(W, -H, bits=4), "sums of squares"),
        (lambda: quantize_with_feedback(W, H, bits=4, damping=-1.0), "damping is at least 0"),
        (lambda: quantize_with_feedback(W, H, bits=4, order="random"), "order is one of"),
        (lambda: quantize_with_feedback(W, H, bits=4, axis=1), "axis is 0 or None"),
        (lambda: quantize_with_feedback(W, H, bits=4, group_size=3), "group_size divides"),
        (lambda: quantize_with_feedback(W, H, bits=1), "bits"),
        (
            lambda: quantize_with_feedback(W.reshape(2, 2, 2), H, bits=4, group_size=2),
            "two axes",
        ),
        (
            lambda: quantize_with_feedback(W, np.ones((4, 4)), bits=4, damping=0.0),
            "raise damping",
        ),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()
