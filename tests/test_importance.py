"""Importance: scores against finite differences, least squares and each other."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.curvature import gram, patches
from nncourse.pruners.importance import activation_aware, second_order, taylor
from nncourse.pruners.masks import bank_balanced_mask, magnitude_mask, n_m_mask


def correlated(rng, count, length):
    mixed = rng.normal(size=(count, length)) @ rng.normal(size=(length, length))
    return mixed + rng.normal(size=length)


def least_error_without(row, column, inputs):
    """Squared output error when ``row[column]`` is 0 and lstsq fits the rest to the same outputs."""
    others = np.delete(inputs, column, axis=1)
    wanted = inputs @ row
    fitted = others @ np.linalg.lstsq(others, wanted)[0]
    return float(np.square(wanted - fitted).sum())


def test_the_taylor_score_is_the_slope_of_the_loss_as_the_weight_shrinks():
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 3).double()
    x, y = torch.randn(20, 5).double(), torch.randint(0, 3, (20,))
    torch.nn.functional.cross_entropy(layer(x), y).backward()
    weight, gradient = layer.weight.detach().numpy().copy(), layer.weight.grad.numpy()
    scores = taylor(weight, gradient)

    def loss(changed):
        logits = x @ torch.from_numpy(changed).T + layer.bias.detach()
        return float(torch.nn.functional.cross_entropy(logits, y))

    shrink = 1e-5
    for where in np.ndindex(weight.shape):
        less = weight.copy()
        less[where] *= 1 - shrink
        assert abs(loss(less) - loss(weight)) / shrink == pytest.approx(scores[where], rel=1e-3)


def test_gradients_of_batches_that_cancel_do_not_cancel_in_the_score():
    rng = np.random.default_rng(0)
    weight, gradient = rng.normal(size=(4, 3, 2, 2)), rng.normal(size=(4, 3, 2, 2))
    stack = np.stack([gradient, -gradient, 3 * gradient])
    np.testing.assert_allclose(taylor(weight, stack), 5 / 3 * taylor(weight, gradient))
    np.testing.assert_array_equal(taylor(weight, stack[:1]), taylor(weight, gradient))


def test_activation_aware_masks_drop_the_same_share_of_every_row():
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(6, 4, 3, 3)) * rng.uniform(0.01, 10, size=(6, 1, 1, 1))
    inputs = rng.normal(size=(2, 4, 5, 5)) * np.array([1, 5, 20, 0.1])[:, None, None]
    norms = np.sqrt(np.diag(gram(patches(inputs, kernel=(3, 3)))))
    scores = activation_aware(weight, norms)
    assert scores.shape == weight.shape
    assert scores.dtype == np.float64
    keep = bank_balanced_mask(scores, bank=36, sparsity=0.5).reshape(6, 36)
    assert (keep.sum(axis=1) == 18).all()
    matrix = np.abs(weight.reshape(6, 36)) * norms
    threshold = np.median(matrix, axis=1, keepdims=True)
    np.testing.assert_array_equal(keep, matrix > threshold)


def test_the_norms_may_differ_between_outputs_as_in_a_depthwise_convolution():
    rng = np.random.default_rng(2)
    weight, norms = rng.normal(size=(3, 1, 2, 2)), rng.uniform(size=(3, 4))
    scores = activation_aware(weight, norms)
    for output in range(3):
        alone = activation_aware(weight[output : output + 1], norms[output])
        np.testing.assert_array_equal(scores[output], alone[0])


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), length=st.integers(2, 8))
def test_the_second_order_score_is_the_error_left_by_the_best_of_all_other_weights(seed, length):
    rng = np.random.default_rng(seed)
    inputs, weight = correlated(rng, 30, length), rng.normal(size=(3, length))
    scores = second_order(weight, gram(inputs), damping=0.0)
    expected = [
        [least_error_without(row, column, inputs) for column in range(length)] for row in weight
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-9)


def test_the_second_order_score_is_the_formula_of_the_surgeon_for_twice_the_gram():
    rng = np.random.default_rng(3)
    weight, hessian = rng.normal(size=(2, 5)), 2 * gram(correlated(rng, 40, 5))
    surgeon = weight**2 / (2 * np.diag(np.linalg.inv(hessian)))
    np.testing.assert_allclose(second_order(weight, hessian / 2, damping=0.0), surgeon)


def test_without_correlation_all_other_weights_can_do_nothing_and_activation_aware_is_exact():
    rng = np.random.default_rng(4)
    weight, sums = rng.normal(size=(4, 2, 3, 1)), rng.uniform(0, 9, size=6)
    sums[2] = 0
    np.testing.assert_allclose(
        second_order(weight, np.diag(sums), damping=0.0),
        activation_aware(weight, np.sqrt(sums)) ** 2,
    )


def test_an_input_that_was_always_zero_scores_zero_and_changes_no_other_score():
    rng = np.random.default_rng(5)
    inputs, weight = correlated(rng, 40, 6), rng.normal(size=(3, 6))
    inputs[:, 2] = 0
    alive = np.array([0, 1, 3, 4, 5])
    scores = second_order(weight, gram(inputs))
    assert (scores[:, 2] == 0).all()
    np.testing.assert_allclose(
        scores[:, alive], second_order(weight[:, alive], gram(inputs[:, alive]))
    )


def test_a_large_weight_whose_input_another_one_repeats_is_less_important_than_a_small_one():
    rng = np.random.default_rng(6)
    inputs = rng.normal(size=(50, 3))
    inputs[:, 1] = inputs[:, 0] + 0.01 * rng.normal(size=50)
    weight = np.array([[5.0, 4.0, 0.5]])
    assert magnitude_mask(weight, sparsity=1 / 3).tolist() == [[True, True, False]]
    scores = second_order(weight, gram(inputs), damping=0.0)
    assert magnitude_mask(scores, sparsity=1 / 3).tolist() == [[True, False, True]]
    assert n_m_mask(scores, n=2, m=3).tolist() == [[True, False, True]]


def test_the_inputs_are_never_modified():
    rng = np.random.default_rng(7)
    weight, norms, hessian = rng.normal(size=(3, 4)), rng.uniform(size=4), np.eye(4)
    for array in (weight, norms, hessian):
        array.flags.writeable = False
    taylor(weight, weight)
    activation_aware(weight, norms)
    second_order(weight, hessian)


W = np.ones((2, 4))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: taylor(W, W[0]), r"gradient has the shape of the weight, \(2, 4\).*got \(4,\)"),
        (lambda: taylor(W, W[None, :, :3]), r"got \(1, 2, 3\)"),
        (lambda: taylor(W, W[None][:0]), "at least one batch"),
        (lambda: taylor(W, W * np.nan), "gradient is finite"),
        (lambda: taylor(W > 0, W), "weight is floating; got bool"),
        (lambda: activation_aware(W, W[0, :2]), r"input_norms has shape \(4,\).*got \(2,\)"),
        (lambda: activation_aware(W, -W[0]), "at least 0; got -1"),
        (lambda: activation_aware(W[0], W[0]), r"two axes|\(out, \.\.\.\)"),
        (lambda: activation_aware(W * np.inf, W[0]), "weight is finite"),
        (lambda: second_order(W, np.eye(3)), r"inputs_gram has shape \(4, 4\)"),
        (lambda: second_order(W[:, :0], np.eye(0)), r"got \(2, 0\)"),
        (lambda: second_order(W, np.ones((4, 4)), damping=0.0), "raise damping"),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()
