"""Pruning with feedback against the textbook: drop, solve least squares for the rest, repeat."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.curvature import gram, patches
from nncourse.pruners.importance import activation_aware, second_order
from nncourse.pruners.masks import block_mask, magnitude_mask, n_m_mask
from nncourse.pruners.sparse_gpt import prune_with_feedback


def correlated(rng, count, length):
    mixed = rng.normal(size=(count, length)) @ rng.normal(size=(length, length))
    return mixed + rng.normal(size=length)


def with_damping(hessian, damping=0.01):
    return hessian + damping * np.diag(hessian).mean() * np.eye(len(hessian))


def output_error(weight, new, hessian):
    difference = weight - new
    return float(np.einsum("ij,jk,ik->", difference, hessian, difference))


def best_answer(weight, now, settled, hessian):
    """``now`` with the columns from ``settled`` on solved for, given the ones before.

    With columns Q at q, ||(w - w') X||^2 is least in the free columns F where
    H_FF (w'_F - w_F) = H_FQ (w_Q - q).
    """
    fixed, free = slice(0, settled), slice(settled, None)
    answer = now.copy()
    if settled < weight.shape[1]:
        moved = hessian[free, fixed] @ (weight - now)[:, fixed].T
        answer[:, free] = weight[:, free] + np.linalg.solve(hessian[free, free], moved).T
    return answer


def cost_of_dropping(now, column, hessian):
    """Squared output error that each row's weight of ``column`` causes, later columns making up for it."""
    return now[:, column] ** 2 / np.linalg.inv(hessian[column:, column:])[0, 0]


def textbook(weight, hessian, width, choose):
    now, keep = weight.copy(), np.ones(weight.shape, dtype=bool)
    for column in range(weight.shape[1]):
        if column % width == 0:
            block = range(column, min(column + width, weight.shape[1]))
            costs = np.stack([cost_of_dropping(now, each, hessian) for each in block], axis=1)
            keep[:, block] = choose(costs, block)
        now[:, column] = np.where(keep[:, column], now[:, column], 0)
        now = best_answer(weight, now, column + 1, hessian)
    return now, keep


def drop_lowest(costs, count):
    keep = np.ones(costs.size, dtype=bool)
    keep[np.argsort(costs, axis=None)[:count]] = False
    return keep.reshape(costs.shape)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("block", [1, 4, 5, 128])
def test_the_weights_are_those_of_solving_least_squares_after_every_column(seed, block):
    rng = np.random.default_rng(seed)
    weight, hessian = rng.normal(size=(5, 12)), gram(correlated(rng, 40, 12))

    def cheapest(
        costs, columns
    ):  # 30 of the 60 in all; an odd block leaves half a weight to the next
        before, after = 30 * columns[0] // 12, 30 * (columns[-1] + 1) // 12
        return drop_lowest(costs, after - before)

    expected, expected_mask = textbook(weight, with_damping(hessian), block, cheapest)
    new, mask = prune_with_feedback(weight, hessian, sparsity=0.5, block=block)
    np.testing.assert_array_equal(mask, expected_mask)
    np.testing.assert_allclose(new, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (1, 3)])
def test_n_of_m_are_chosen_when_their_group_is_reached(seed, n, m):
    rng = np.random.default_rng(seed)
    weight, hessian = rng.normal(size=(5, 12)), gram(correlated(rng, 40, 12))

    def cheapest(costs, _):
        return np.array([drop_lowest(row, m - n) for row in costs])

    expected, expected_mask = textbook(weight, with_damping(hessian), m, cheapest)
    new, mask = prune_with_feedback(weight, hessian, n=n, m=m)
    np.testing.assert_array_equal(mask, expected_mask)
    np.testing.assert_allclose(new, expected, rtol=1e-7, atol=1e-9)
    assert (mask.reshape(-1, m).sum(axis=1) == n).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_mask_that_is_given_is_kept_and_made_up_for(seed):
    rng = np.random.default_rng(seed)
    weight, hessian = rng.normal(size=(4, 12)), gram(correlated(rng, 40, 12))
    given_mask = block_mask(weight, block=(2, 3), sparsity=0.5)
    new, mask = prune_with_feedback(weight, hessian, mask=given_mask)
    np.testing.assert_array_equal(mask, given_mask)
    assert mask is not given_mask
    expected, _ = textbook(weight, with_damping(hessian), 12, lambda *_: given_mask)
    np.testing.assert_allclose(new, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_one_weight_dropped_costs_what_the_surgeon_says_where_all_others_are_free(seed):
    rng = np.random.default_rng(seed)
    weight, hessian = rng.normal(size=(3, 7)), gram(correlated(rng, 30, 7))
    only_first = np.ones(weight.shape, dtype=bool)
    only_first[1, 0] = False
    new, _ = prune_with_feedback(weight, hessian, mask=only_first, damping=0.0)
    saliency = weight[1, 0] ** 2 / (2 * np.linalg.inv(2 * hessian)[0, 0])
    assert output_error(weight, new, hessian) == pytest.approx(saliency)
    assert saliency == pytest.approx(second_order(weight, hessian, damping=0.0)[1, 0])
    np.testing.assert_array_equal(new[[0, 2]], weight[[0, 2]])


def test_the_costs_paid_one_after_the_other_add_up_to_the_output_error():
    rng = np.random.default_rng(9)
    weight, hessian = rng.normal(size=(4, 10)), gram(correlated(rng, 40, 10))
    new, mask = prune_with_feedback(weight, hessian, sparsity=0.6, damping=0.0)
    now, paid = weight.copy(), 0.0
    for column in range(10):
        paid += cost_of_dropping(now, column, hessian)[~mask[:, column]].sum()
        now[:, column] *= mask[:, column]
        now = best_answer(weight, now, column + 1, hessian)
    assert output_error(weight, new, hessian) == pytest.approx(paid)


@pytest.mark.parametrize("target", [{"sparsity": 0.5}, {"sparsity": 0.8}, {"n": 2, "m": 4}])
def test_on_correlated_inputs_the_output_error_is_below_that_of_magnitude(target):
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        weight, hessian = rng.normal(size=(16, 32)), gram(correlated(rng, 200, 32))
        new, mask = prune_with_feedback(weight, hessian, **target)
        by_magnitude = n_m_mask if "n" in target else magnitude_mask
        plain = weight * by_magnitude(weight, **target)
        assert mask.sum() == np.count_nonzero(plain)
        ratios.append(output_error(weight, new, hessian) / output_error(weight, plain, hessian))
    assert max(ratios) < 1
    assert np.mean(ratios) < 0.85


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), sparsity=st.floats(0, 1))
def test_uncorrelated_inputs_leave_the_kept_weights_alone(seed, sparsity):
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(6, 8)).astype(np.float32)
    sums = rng.uniform(0.1, 10, 8)
    new, mask = prune_with_feedback(weight, np.diag(sums), sparsity=sparsity, damping=0.0)
    scores = activation_aware(weight, np.sqrt(sums))
    np.testing.assert_array_equal(mask, magnitude_mask(scores, sparsity=sparsity))
    np.testing.assert_array_equal(new, weight * mask)
    assert new.dtype == np.float32


@settings(max_examples=60)
@given(
    rows=st.integers(1, 5),
    length=st.integers(1, 20),
    block=st.integers(1, 25),
    sparsity=st.floats(0, 1),
    constant=st.booleans(),
)
def test_the_count_is_exact_and_each_block_drops_its_share(rows, length, block, sparsity, constant):
    rng = np.random.default_rng(rows * length)
    weight = np.ones((rows, length)) if constant else rng.normal(size=(rows, length))
    hessian = np.eye(length) if constant else gram(correlated(rng, 2 * length + 9, length))
    new, mask = prune_with_feedback(weight, hessian, sparsity=sparsity, block=block)
    dropped = round(sparsity * weight.size)
    assert (~mask).sum() == dropped
    assert not new[~mask].any()
    for start in range(0, length, block):
        part = mask[:, start : start + block]
        assert abs((~part).sum() - dropped * part.size / mask.size) < 1


def test_of_equal_weights_the_earlier_ones_stay():
    _, mask = prune_with_feedback(np.ones((2, 4)), np.eye(4), sparsity=0.5, damping=0.0)
    np.testing.assert_array_equal(mask, [[1, 1, 1, 1], [0, 0, 0, 0]])


def test_weights_on_dead_inputs_go_first_and_the_others_are_pruned_as_if_they_were_alone():
    rng = np.random.default_rng(3)
    weight, inputs = rng.normal(size=(4, 10)), correlated(rng, 50, 10)
    dead, alive = np.array([0, 4, 9]), np.array([1, 2, 3, 5, 6, 7, 8])
    inputs[:, dead] = 0
    new, mask = prune_with_feedback(weight, gram(inputs), sparsity=0.5, block=3)
    assert not mask[:, dead].any()
    alone, mask_alone = prune_with_feedback(
        weight[:, alive], gram(inputs[:, alive]), sparsity=(20 - 12) / 28, block=3
    )
    np.testing.assert_array_equal(mask[:, alive], mask_alone)
    np.testing.assert_allclose(new[:, alive], alone)


def test_where_dead_inputs_have_more_weights_than_are_dropped_the_others_stay_as_they_are():
    rng = np.random.default_rng(3)
    weight, inputs = rng.normal(size=(4, 10)), correlated(rng, 50, 10)
    inputs[:, [0, 4, 9]] = 0
    new, mask = prune_with_feedback(weight, gram(inputs), sparsity=0.1)
    assert (~mask[:, [0, 4, 9]]).sum() == (~mask).sum() == 4
    np.testing.assert_array_equal(new, weight * mask)


def test_a_layer_that_never_saw_an_input_loses_the_right_number_of_weights():
    weight = np.random.default_rng(0).normal(size=(3, 5))
    new, mask = prune_with_feedback(weight, np.zeros((5, 5)), sparsity=0.4, damping=0.0)
    assert (~mask).sum() == 6
    np.testing.assert_array_equal(new, weight * mask)


def test_a_convolution_keeps_its_shape_and_the_mask_of_its_matrix():
    rng = np.random.default_rng(2)
    weight = rng.normal(size=(4, 2, 3, 3)).astype(np.float32)
    hessian = gram(patches(rng.normal(size=(3, 2, 6, 6)), kernel=(3, 3)))
    new, mask = prune_with_feedback(weight, hessian, sparsity=0.7)
    flat, flat_mask = prune_with_feedback(weight.reshape(4, 18), hessian, sparsity=0.7)
    assert new.shape == mask.shape == weight.shape
    np.testing.assert_array_equal(new.reshape(4, 18), flat)
    np.testing.assert_array_equal(mask.reshape(4, 18), flat_mask)


def test_nothing_dropped_changes_nothing_and_everything_dropped_leaves_nothing():
    rng = np.random.default_rng(4)
    weight, hessian = rng.normal(size=(3, 6)), gram(correlated(rng, 20, 6))
    whole, mask = prune_with_feedback(weight, hessian, sparsity=0.0)
    np.testing.assert_array_equal(whole, weight)
    assert mask.all()
    nothing, mask = prune_with_feedback(weight, hessian, sparsity=1.0)
    assert not nothing.any()
    assert not mask.any()


def test_the_inputs_are_never_modified():
    rng = np.random.default_rng(6)
    weight, hessian = rng.normal(size=(3, 4)), gram(rng.normal(size=(9, 4)))
    mask = weight > 0
    for array in (weight, hessian, mask):
        array.flags.writeable = False
    for target in ({"sparsity": 0.5}, {"n": 1, "m": 2}, {"mask": mask}):
        new, kept = prune_with_feedback(weight, hessian, **target)
        assert new.flags.writeable
        assert kept.flags.writeable


W, H = np.ones((2, 4)), np.eye(4)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: prune_with_feedback(W, H), "sparsity, or n and m, or mask; got none"),
        (lambda: prune_with_feedback(W, H, n=2), "got n$"),
        (lambda: prune_with_feedback(W, H, sparsity=0.5, n=2, m=4), "got sparsity and n and m"),
        (lambda: prune_with_feedback(W, H, sparsity=0.5, mask=W > 0), "got sparsity and mask"),
        (lambda: prune_with_feedback(W, H, sparsity=90), r"fraction.*Did you mean 0\.9"),
        (lambda: prune_with_feedback(W, H, n=2, m=3), "m divides the length 4"),
        (lambda: prune_with_feedback(W, H, n=5, m=4), "0 < n <= m"),
        (lambda: prune_with_feedback(W, H, mask=W), r"mask is boolean of shape \(2, 4\)"),
        (lambda: prune_with_feedback(W, H, mask=W[0] > 0), r"got bool \(4,\)"),
        (lambda: prune_with_feedback(W[0], H, sparsity=0.5), "weight is floating, of shape"),
        (lambda: prune_with_feedback(W > 0, H, sparsity=0.5), "got bool"),
        (lambda: prune_with_feedback(W * np.inf, H, sparsity=0.5), "weight is finite"),
        (lambda: prune_with_feedback(W, H, sparsity=0.5, block=0), "block is at least 1"),
        (lambda: prune_with_feedback(W, H[:3], sparsity=0.5), r"shape \(4, 4\)"),
        (lambda: prune_with_feedback(W, H, sparsity=0.5, damping=-1.0), "damping"),
        (
            lambda: prune_with_feedback(W, np.ones((4, 4)), sparsity=0.5, damping=0.0),
            "raise damping",
        ),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()
