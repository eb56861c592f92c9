"""Curvature: Gram matrices of real inputs, damping, and a factor that solves for the columns still free."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.curvature import damped, gram, inverse_factor, patches


def correlated(rng, count, length):
    return rng.normal(size=(count, length)) @ rng.normal(size=(length, length))


def test_a_convolution_is_a_matrix_product_with_its_patches():
    rng = np.random.default_rng(1)
    images = rng.normal(size=(2, 3, 7, 6)).astype(np.float32)
    weight = rng.normal(size=(4, 3, 3, 2)).astype(np.float32)
    got = patches(images, kernel=(3, 2), stride=2, padding=1) @ weight.reshape(4, -1).T
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(images), torch.from_numpy(weight), stride=2, padding=1
    ).numpy()
    np.testing.assert_allclose(
        got.reshape(2, *expected.shape[2:], 4).transpose(0, 3, 1, 2), expected, atol=1e-5
    )


def test_the_gram_gives_the_squared_output_error_of_a_moved_weight():
    rng = np.random.default_rng(0)
    inputs, moved = correlated(rng, 30, 6), rng.normal(size=(4, 6))
    error = np.square(inputs @ moved.T).sum(axis=0)
    np.testing.assert_allclose(np.einsum("ij,jk,ik->i", moved, gram(inputs), moved), error)


def test_batches_add_up():
    x = np.random.default_rng(4).normal(size=(30, 2, 5)).astype(np.float32)
    whole = gram(x)
    np.testing.assert_allclose(gram(x[i : i + 10] for i in (0, 10, 20)), whole, rtol=1e-12)
    double = x.reshape(-1, 5).astype(np.float64)
    np.testing.assert_allclose(whole, np.einsum("ni,nj->ij", double, double), rtol=1e-12)


def test_damping_is_a_share_of_the_mean_of_the_inputs_that_live():
    hessian = np.diag([2.0, 0.0, 4.0])
    np.testing.assert_allclose(
        damped(hessian, length=3, damping=0.1), np.diag([2.0 + 0.3, 3.0, 4.0 + 0.3])
    )


def test_inputs_that_are_all_dead_still_give_a_matrix_with_an_inverse():
    np.testing.assert_array_equal(damped(np.zeros((3, 3)), length=3, damping=0.0), np.eye(3))


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), length=st.integers(1, 12))
def test_the_factor_is_triangular_and_its_square_the_inverse(seed, length):
    rng = np.random.default_rng(seed)
    hessian = damped(gram(correlated(rng, 40, length)), length=length, damping=0.01)
    factor = inverse_factor(hessian)
    np.testing.assert_array_equal(factor, np.triu(factor))
    assert (np.diag(factor) > 0).all()
    np.testing.assert_allclose(factor.T @ factor @ hessian, np.eye(length), atol=1e-8)


def test_a_row_of_the_factor_answers_for_the_columns_after_it():
    rng = np.random.default_rng(7)
    hessian = gram(correlated(rng, 50, 8))
    factor = inverse_factor(hessian)
    for column in range(8):
        later = slice(column + 1, None)
        inverse = np.linalg.inv(hessian[column:, column:])
        assert 1 / factor[column, column] ** 2 == pytest.approx(1 / inverse[0, 0])
        moved = -np.linalg.solve(hessian[later, later], hessian[later, column])
        np.testing.assert_allclose(factor[column, later] / factor[column, column], moved)


def test_the_inputs_are_never_modified():
    inputs = np.random.default_rng(0).normal(size=(9, 4))
    hessian = gram(inputs)
    hessian.flags.writeable = inputs.flags.writeable = False
    gram(inputs)
    patches(inputs.reshape(1, 1, 9, 4), kernel=(2, 2), padding=1)
    inverse_factor(damped(hessian, length=4, damping=0.01))


H = np.eye(4)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: gram([]), "no batch"),
        (lambda: gram(np.ones(3)), "floating arrays"),
        (lambda: gram([np.ones((2, 3)), np.ones((2, 4))]), "equally long"),
        (lambda: gram(np.full((2, 2), np.inf)), "finite"),
        (lambda: patches(np.ones((2, 2)), kernel=(1, 1)), "images have shape"),
        (lambda: patches(np.ones((1, 1, 2, 2)), kernel=(3, 1)), "kernel fits"),
        (
            lambda: damped(H[:3], length=4, damping=0.01),
            r"inputs_gram has shape \(4, 4\).*got \(3, 4\)",
        ),
        (lambda: damped(np.triu(np.ones((4, 4))), length=4, damping=0.01), "symmetric"),
        (lambda: damped(H * np.nan, length=4, damping=0.01), "finite"),
        (lambda: damped(-H, length=4, damping=0.01), "sums of squares"),
        (lambda: damped(H, length=4, damping=-1.0), "damping is at least 0; got -1.0"),
        (lambda: inverse_factor(np.ones((4, 4))), "positive definite.*raise damping"),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()
