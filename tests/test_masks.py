"""Keep-masks: exact counts under ties, hardware shapes, and torch's answer where both apply."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils import prune

from nncourse.pruners.masks import bank_balanced_mask, block_mask, magnitude_mask, n_m_mask


@given(
    size=st.integers(1, 60),
    sparsity=st.floats(0, 1),
    levels=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_the_count_is_exact_and_ties_keep_the_earlier_weight(size, sparsity, levels, seed):
    weight = np.random.default_rng(seed).integers(-levels, levels + 1, size).astype(float)
    keep = magnitude_mask(weight, sparsity=sparsity)
    assert (~keep).sum() == round(sparsity * size)
    magnitude = np.abs(weight)
    if keep.any() and not keep.all():
        assert magnitude[keep].min() >= magnitude[~keep].max()
        tied = magnitude == magnitude[keep].min()
        assert not (np.flatnonzero(tied & ~keep)[:, None] < np.flatnonzero(tied & keep)).any()


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_unstructured_magnitude_masks_equal_those_of_torch(sparsity):
    layer = torch.nn.Conv2d(8, 16, 3)
    weight = layer.weight.detach().numpy().copy()
    prune.l1_unstructured(layer, "weight", amount=sparsity)
    np.testing.assert_array_equal(
        magnitude_mask(weight, sparsity=sparsity), layer.weight_mask.numpy() == 1
    )


@pytest.mark.parametrize("sparsity", [0.0, 0.25, 0.4, 0.9])
def test_masks_of_whole_outputs_or_inputs_equal_those_of_torch_by_l2_norm(sparsity):
    layer = torch.nn.Linear(20, 16)
    weight = layer.weight.detach().numpy().copy()
    for dim, block in [(0, (1, 20)), (1, (16, 1))]:
        pruned = prune.ln_structured(copy.deepcopy(layer), "weight", sparsity, n=2, dim=dim)
        np.testing.assert_array_equal(
            block_mask(weight, block=block, sparsity=sparsity), pruned.weight_mask.numpy() == 1
        )
    channels = torch.nn.Conv2d(4, 10, 3)
    weight = channels.weight.detach().numpy().copy()
    pruned = prune.ln_structured(channels, "weight", sparsity, n=2, dim=0)
    np.testing.assert_array_equal(
        block_mask(weight, block=(1, 36), sparsity=sparsity), pruned.weight_mask.numpy() == 1
    )


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.9])
def test_random_masks_equal_those_of_torch_for_the_same_random_numbers(sparsity):
    layer = torch.nn.Linear(20, 16)
    torch.manual_seed(1)
    ranks = torch.rand_like(layer.weight).numpy()
    torch.manual_seed(1)
    prune.random_unstructured(layer, "weight", sparsity)  # drops the largest random numbers
    np.testing.assert_array_equal(
        magnitude_mask(1 - ranks, sparsity=sparsity), layer.weight_mask.numpy() == 1
    )


@pytest.mark.parametrize("sparsity", [0.3, 0.9])
def test_scores_in_the_place_of_weights_give_the_masks_that_torch_gives_for_scores(sparsity):
    layer = torch.nn.Linear(20, 16)
    scores = np.random.default_rng(0).uniform(size=(16, 20))
    prune.l1_unstructured(layer, "weight", sparsity, importance_scores=torch.from_numpy(scores))
    np.testing.assert_array_equal(
        magnitude_mask(scores, sparsity=sparsity), layer.weight_mask.numpy() == 1
    )


@pytest.mark.parametrize(
    ("n", "m", "axis"), [(2, 4, -1), (1, 4, 1), (4, 4, -1), (2, 4, 0), (1, 2, 0)]
)
def test_n_of_every_m_are_kept_along_the_axis(n, m, axis):
    weight = np.random.default_rng(0).normal(size=(8, 4, 3, 4))
    keep = n_m_mask(weight, n=n, m=m, axis=axis).reshape(8, -1)
    groups = np.moveaxis(keep, axis, -1).reshape(-1, m)
    assert (groups.sum(axis=1) == n).all()
    magnitude = np.moveaxis(np.abs(weight).reshape(8, -1), axis, -1).reshape(-1, m)
    kept = np.where(groups, magnitude, np.inf).min(axis=1)
    dropped = np.where(groups, -np.inf, magnitude).max(axis=1)
    assert (kept >= dropped).all()


def test_whole_blocks_go_by_their_norm_worked_by_hand():
    weight = np.array(
        [[1.0, 0, 3, 3], [0, 1, 3, 3], [2, 2, 0, 0], [2, 2, 0, 5]]
    )  # norms^2: 2 36 16 25
    keep = block_mask(weight, block=(2, 2), sparsity=0.5)
    expected = np.zeros((4, 4), dtype=bool)
    expected[:2, 2:] = expected[2:, 2:] = True
    np.testing.assert_array_equal(keep, expected)


@given(sparsity=st.floats(0, 1))
def test_blocks_are_dropped_in_exact_number_even_when_all_are_equal(sparsity):
    keep = block_mask(np.ones((6, 8)), block=(2, 4), sparsity=sparsity)
    assert (~keep).sum() == 8 * round(sparsity * 6)


@given(sparsity=st.floats(0, 1), seed=st.integers(0, 20))
def test_every_bank_keeps_the_same_number(sparsity, seed):
    weight = np.random.default_rng(seed).normal(size=(4, 24))
    banks = bank_balanced_mask(weight, bank=8, sparsity=sparsity).reshape(-1, 8)
    assert set(banks.sum(axis=1)) == {8 - round(sparsity * 8)}


def test_integer_weights_are_ranked_by_magnitude_even_the_lowest_one():
    weight = np.array([-128, 127, 5], dtype=np.int8)
    np.testing.assert_array_equal(magnitude_mask(weight, sparsity=2 / 3), [True, False, False])


def test_the_input_is_left_alone():
    weight = np.random.default_rng(0).normal(size=(8, 8))
    weight.flags.writeable = False
    magnitude_mask(weight, sparsity=0.5)
    n_m_mask(weight, n=2, m=4)
    block_mask(weight, block=(2, 2), sparsity=0.5)
    bank_balanced_mask(weight, bank=4, sparsity=0.5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda w: magnitude_mask(w, sparsity=90), r"Did you mean 0\.9"),
        (lambda w: magnitude_mask(w, sparsity=-0.1), "fraction"),
        (lambda w: magnitude_mask(w > 0, sparsity=0.5), "real numbers"),
        (lambda w: magnitude_mask(w[:0], sparsity=0.5), "at least one element"),
        (lambda w: magnitude_mask(w * np.nan, sparsity=0.5), "NaN"),
        (lambda w: n_m_mask(w, n=2, m=3), "m divides the length 4"),
        (lambda w: n_m_mask(w, n=5, m=4), "0 < n <= m"),
        (lambda w: n_m_mask(w, n=2, m=4, axis=2), "axis"),
        (lambda w: block_mask(w, block=(3, 2), sparsity=0.5), r"block\[0\]"),
        (lambda w: block_mask(w[0], block=(1, 2), sparsity=0.5), "two axes"),
        (lambda w: bank_balanced_mask(w, bank=3, sparsity=0.5), "bank divides"),
    ],
)
def test_bad_input_names_the_argument_the_rule_and_the_value(call, said):
    with pytest.raises(ValueError, match=said):
        call(np.ones((4, 4)))
