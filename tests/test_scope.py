"""One ranking a tensor, one for the network, and scores that compare between tensors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune as torch_prune

from nncourse.pruners.scope import global_masks, layer_adaptive, uniform_masks


def two_tensors(seed=0):
    rng = np.random.default_rng(seed)
    return {"a": rng.normal(size=(7, 9)), "b": 5 * rng.normal(size=(4, 3, 3, 3))}


@given(st.integers(0, 1000), st.floats(0, 1))
def test_a_uniform_mask_drops_the_same_share_of_each_tensor(seed, sparsity):
    weights = two_tensors(seed)
    for name, mask in uniform_masks(weights, sparsity=sparsity).items():
        assert mask.shape == weights[name].shape
        assert (~mask).sum() == round(sparsity * mask.size)


@given(st.integers(0, 1000), st.floats(0, 1))
def test_a_global_mask_keeps_exactly_the_largest_of_all(seed, sparsity):
    weights = two_tensors(seed)
    masks = global_masks(weights, sparsity=sparsity)
    kept = np.concatenate([np.abs(weights[name][mask]) for name, mask in masks.items()])
    dropped = np.concatenate([np.abs(weights[name][~mask]) for name, mask in masks.items()])
    assert dropped.size == round(sparsity * (kept.size + dropped.size))
    assert not kept.size or not dropped.size or kept.min() >= dropped.max()


def test_a_global_mask_is_that_of_torch():
    layers = [nn.Linear(9, 7), nn.Conv2d(3, 4, 3)]
    weights = {str(i): layer.weight.detach().numpy().copy() for i, layer in enumerate(layers)}
    torch_prune.global_unstructured(
        [(layer, "weight") for layer in layers], torch_prune.L1Unstructured, amount=0.7
    )
    masks = global_masks(weights, sparsity=0.7)
    for i, layer in enumerate(layers):
        assert np.array_equal(masks[str(i)], layer.weight_mask.numpy().astype(bool))


def test_ties_fall_on_later_values_so_that_counts_are_exact():
    masks = global_masks({"a": np.ones((2, 2)), "b": np.ones(4)}, sparsity=0.75)
    assert masks["a"].tolist() == [[True, True], [False, False]]
    assert not masks["b"].any()


def test_adaptive_scores_are_shares_of_what_would_be_left():
    weight = np.array([[2.0, -1.0], [3.0, 0.0]])
    expected = [[4 / 13, 1 / 14], [1.0, 0.0]]
    assert layer_adaptive(weight) == pytest.approx(np.array(expected))


@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_adaptive_scores_do_not_see_the_scale_of_a_tensor(seed, scale):
    weight = np.random.default_rng(seed).normal(size=(5, 6))
    assert layer_adaptive(scale * weight) == pytest.approx(layer_adaptive(weight))


def test_adaptive_scores_rank_a_tensor_as_its_magnitudes_do():
    weight = np.random.default_rng(0).normal(size=200)
    assert np.array_equal(np.argsort(layer_adaptive(weight)), np.argsort(np.abs(weight)))


def test_no_tensor_dies_whole_under_adaptive_scores():
    weights = {"small": np.full(10, 1e-6), "large": np.full(10, 1e6)}
    scores = {name: layer_adaptive(weight) for name, weight in weights.items()}
    masks = global_masks(scores, sparsity=0.9)
    assert masks["small"].any()
    assert masks["large"].any()


def test_an_all_zero_tensor_scores_zero():
    assert not layer_adaptive(np.zeros(3)).any()


def test_bad_input_is_named():
    for masks in (uniform_masks, global_masks):
        with pytest.raises(ValueError, match="weights is empty"):
            masks({}, sparsity=0.5)
        with pytest.raises(ValueError, match=r"Did you mean 0\.9"):
            masks(two_tensors(), sparsity=90)
    with pytest.raises(ValueError, match="not finite"):
        layer_adaptive(np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="at least one"):
        layer_adaptive(np.array([]))


def test_weights_are_not_modified():
    weights = two_tensors()
    before = {name: value.copy() for name, value in weights.items()}
    global_masks(weights, sparsity=0.5)
    uniform_masks(weights, sparsity=0.5)
    layer_adaptive(weights["a"])
    assert all(np.array_equal(weights[name], before[name]) for name in weights)
