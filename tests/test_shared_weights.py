"""Shared weights: the gradient of a level, what training keeps, and where the levels start."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nncourse.pruners.masked import plain, with_masks
from nncourse.pruners.masks import magnitude_mask
from nncourse.quantizers.codebook import Codebook
from nncourse.quantizers.fine_tuning import plain_tensors
from nncourse.quantizers.shared_weights import (
    SharedWeights,
    first_levels,
    share,
    shared_tensors,
)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(3 * 16, 5),
        nn.ReLU(),
        nn.Linear(5, 4),
    )


def pruned(sparsity=0.6):
    model = network()
    masks = {
        name: magnitude_mask(value.detach().numpy(), sparsity=sparsity)
        for name, value in model.named_parameters()
        if value.dim() > 1
    }
    return plain(with_masks(model, masks)), masks


def loss_of(model):
    torch.manual_seed(7)
    x, y = torch.rand(16, 1, 6, 6), torch.randint(0, 4, (16,))
    return nn.functional.cross_entropy(model(x), y)


def steps(model, number, rate=0.05):
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    for _ in range(number):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()


def test_the_gradient_of_a_level_is_the_sum_over_its_weights():
    model, masks = pruned()
    shared = share(model, masks, bits=2)
    loss_of(shared).backward()
    # The same weights, unshared: what autograd says about each of them.
    unshared = network()
    unshared.load_state_dict(
        {name: torch.from_numpy(value) for name, value in plain_tensors(shared).items()}
    )
    loss_of(unshared).backward()
    gradients = dict(unshared.named_parameters())
    for name, tensor in shared_tensors(shared).items():
        kept = gradients[name].grad.numpy()[tensor.mask].astype(np.float64)
        expected = np.bincount(tensor.codes, weights=kept)
        layer = shared.get_submodule(name.removesuffix(".weight"))
        found = layer.parametrizations.weight.original.grad.numpy()
        assert np.allclose(found, expected, atol=1e-6)
        assert np.abs(expected).max() > 1e-3


def test_with_a_level_for_each_weight_it_is_the_masked_network():
    model, masks = pruned()
    shared = share(model, masks, bits=16, start="least error")
    masked = with_masks(model, masks)
    for copy in (shared, masked):
        steps(copy, 20)
    expected = plain(masked).state_dict()
    for name, value in plain_tensors(shared).items():
        assert np.allclose(value, expected[name].numpy(), atol=1e-6)
    moved = np.abs(expected["3.weight"].numpy() - model.state_dict()["3.weight"].numpy())
    assert moved.max() > 1e-3


def test_training_keeps_masks_and_codes_and_moves_the_levels():
    model, masks = pruned()
    shared = share(model, masks, bits=2)
    before = shared_tensors(shared)
    steps(shared, 20)
    after = shared_tensors(shared)
    assert after.keys() == masks.keys()
    for name, tensor in after.items():
        assert np.array_equal(tensor.mask, masks[name])
        assert np.array_equal(tensor.codes, before[name].codes)
        assert tensor.levels.size <= 3
        assert not np.array_equal(tensor.levels, before[name].levels)


def test_what_the_file_holds_is_what_the_network_computes_with():
    model, masks = pruned()
    shared = share(model, masks, bits=dict.fromkeys(masks, 3))
    steps(shared, 5)
    tensors = plain_tensors(shared)
    assert tensors.keys() == model.state_dict().keys()
    for name, tensor in shared_tensors(shared).items():
        assert np.array_equal(tensor.weights, tensors[name])
        assert tensor.codes.dtype == np.uint8
        assert (np.diff(tensor.levels) > 0).all()


def test_levels_that_pass_each_other_come_out_in_order():
    model, masks = pruned()
    shared = share(model, masks, bits=2)
    weight = shared[3].weight.detach().numpy().copy()
    levels = shared[3].parametrizations.weight.original
    with torch.no_grad():
        levels.copy_(levels.flip(0))
    tensor = shared_tensors(shared)["3.weight"]
    assert (np.diff(tensor.levels) > 0).all()
    assert not np.array_equal(tensor.weights, weight)
    assert np.array_equal(tensor.weights, shared[3].weight.detach().numpy())


def test_levels_that_meet_become_one():
    model, masks = pruned()
    shared = share(model, masks, bits=2)
    with torch.no_grad():
        shared[3].parametrizations.weight.original.fill_(0.25)
    tensor = shared_tensors(shared)["3.weight"]
    assert tensor.levels.tolist() == [0.25]
    assert np.array_equal(tensor.weights, shared[3].weight.detach().numpy())


def test_the_model_is_never_modified():
    model, masks = pruned()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    steps(share(model, masks, bits=2), 3)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_tensor_that_keeps_nothing_stays_as_it_is():
    model, masks = pruned()
    masks["0.weight"][:] = False
    model = plain(with_masks(model, masks))
    shared = share(model, masks, bits=2)
    assert "0.weight" not in shared_tensors(shared)
    assert not shared[0].weight.detach().any()


def test_the_state_comes_back_from_a_saved_one():
    model, masks = pruned()
    shared = share(model, masks, bits=2)
    steps(shared, 3)
    again = share(model, masks, bits=2)
    again.load_state_dict(shared.state_dict())
    assert torch.equal(again[3].weight, shared[3].weight)


@given(
    values=st.lists(st.floats(-100, 100, width=32, allow_subnormal=False), min_size=1, max_size=60),
    number=st.integers(1, 33),
)
@settings(max_examples=60)
def test_linear_levels_are_the_means_of_the_values_nearest_to_them(values, number):
    x = np.array(values, dtype=np.float64)
    book = first_levels(x, number)
    codes = book.assign(x)
    assert 1 <= book.levels.size <= min(number, np.unique(x).size)
    assert set(codes) == set(range(book.levels.size))
    means = np.bincount(codes, weights=x) / np.bincount(codes)
    assert np.allclose(means, book.levels, rtol=1e-9, atol=1e-9)


def test_the_linear_start_keeps_more_levels_for_large_weights():
    x = np.random.default_rng(0).laplace(size=20_000)
    linear, least = (first_levels(x, 16, start=start) for start in ("linear", "least error"))

    def error(book: Codebook) -> float:
        return float(np.square(book.lookup(book.assign(x)) - x).mean())

    assert error(least) < error(linear)
    far = 4.0
    assert np.sum(np.abs(linear.levels) > far) > np.sum(np.abs(least.levels) > far)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"bits": 0}, "from 1 to 16; got 0"),
        ({"bits": 17}, "from 1 to 16; got 17"),
        ({"bits": True}, "from 1 to 16; got True"),
        ({"bits": {"0.weight": 2}}, "bits lacks the parameter '3.weight'"),
        ({"start": "random"}, "start is one of linear, least error; got 'random'"),
    ],
)
def test_settings_that_make_no_sense_are_named(change, complaint):
    model, masks = pruned()
    with pytest.raises(ValueError, match=complaint):
        share(model, masks, **({"bits": 2} | change))


def test_names_and_masks_that_fit_nothing_are_named():
    model, masks = pruned()
    with pytest.raises(ValueError, match=r"names the parameter 'fc9\.weight'"):
        share(model, {**masks, "fc9.weight": masks["0.weight"]}, bits=2)
    with pytest.raises(ValueError, match=r"names the parameter 'fc9\.weight'"):
        share(model, masks, bits={**dict.fromkeys(masks, 2), "fc9.weight": 2})
    with pytest.raises(ValueError, match="boolean of shape"):
        share(model, {"0.weight": masks["0.weight"].astype(float)}, bits=2)


@pytest.mark.parametrize(
    ("codes", "complaint"),
    [([0, 0], "at least one is above 0"), ([-1, 1], "0 or more"), ([1, 3], "without weights")],
)
def test_codes_that_cannot_be_are_refused(codes, complaint):
    with pytest.raises(ValueError, match=complaint):
        SharedWeights(torch.tensor(codes))


def test_no_levels_and_no_values_are_refused():
    with pytest.raises(ValueError, match="got 0 levels for 3 values"):
        first_levels(np.ones(3), 0)
    with pytest.raises(ValueError, match="for 0 values"):
        first_levels(np.ones(0), 3)
