"""Masked networks: dropped weights stay at zero whatever the optimizer does."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from nncourse.pruners import scope
from nncourse.pruners.masked import masks_of, plain, rewind, weights_of, with_masks
from nncourse.zoo import networks


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))


def trained_steps(model, optimizer, steps=5):
    model.train()
    x, y = torch.randn(8, 1, 4, 4), torch.randint(0, 3, (8,))
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


OPTIMIZERS = {
    "momentum and weight decay": lambda p: torch.optim.SGD(
        p, lr=0.1, momentum=0.9, weight_decay=0.1
    ),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_dropped_weights_stay_at_zero(network, optimizer):
    masks = scope.global_masks(weights_of(network), sparsity=0.5)
    masked = with_masks(network, masks)
    trained_steps(masked, OPTIMIZERS[optimizer](masked.parameters()))
    weights = weights_of(masked)
    for name, mask in masks.items():
        assert not weights[name][~mask].any()
        assert (weights[name][mask] != weights_of(network)[name][mask]).any()


def test_momentum_gathered_before_the_mask_moves_nothing_either(network):
    model = with_masks(network, {})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    trained_steps(model, optimizer)
    mask = np.zeros((3, 16), dtype=bool)
    masked = with_masks(model, {"3.weight": mask})
    for group in optimizer.param_groups:
        group["params"] = list(masked.parameters())
    trained_steps(masked, optimizer)
    assert not weights_of(masked)["3.weight"].any()


def test_kept_weights_learn_as_in_a_network_whose_others_are_zero(network):
    mask = np.random.default_rng(0).random((3, 16)) < 0.5
    masked = with_masks(network, {"3.weight": mask})
    by_hand = copy.deepcopy(network)
    with torch.no_grad():
        by_hand[3].weight *= torch.from_numpy(mask)
    x, y = torch.randn(8, 1, 4, 4), torch.randint(0, 3, (8,))
    for model in (masked, by_hand):
        nn.functional.cross_entropy(model(x), y).backward()
    learned = masked[3].parametrizations.weight.original.grad
    assert torch.equal(learned, by_hand[3].weight.grad * torch.from_numpy(mask))


def test_plain_gives_the_same_outputs_without_masks_and_leaves_the_masked_one_whole(network):
    masks = scope.uniform_masks(weights_of(network), sparsity=0.5)
    masked = with_masks(network, masks).eval()
    x = torch.randn(2, 1, 4, 4)
    before = masked(x)
    bare = plain(masked)
    assert not masks_of(bare)
    assert [type(module) for module in bare] == [type(module) for module in network]
    assert torch.equal(bare(x), before)
    assert torch.equal(masked(x), before)
    assert {name for name, _ in bare.named_parameters()} == {
        name for name, _ in network.named_parameters()
    }


def test_masks_come_back_as_they_went_in(network):
    masks = scope.uniform_masks(weights_of(network), sparsity=0.3)
    masks["0.bias"] = np.array([True, False, True, True])
    found = masks_of(with_masks(network, masks))
    assert found.keys() == masks.keys()
    assert all(np.array_equal(found[name], masks[name]) for name in masks)


def test_new_masks_replace_old_ones_and_what_comes_back_starts_at_zero(network):
    first = with_masks(network, {"3.weight": np.zeros((3, 16), dtype=bool)})
    second = with_masks(first, {"3.weight": np.ones((3, 16), dtype=bool)})
    assert not weights_of(second)["3.weight"].any()
    trained_steps(second, torch.optim.SGD(second.parameters(), lr=0.1))
    assert weights_of(second)["3.weight"].any()


def test_rewinding_keeps_the_mask_and_takes_the_earlier_values(network):
    earlier = copy.deepcopy(network.state_dict())
    masks = scope.uniform_masks(weights_of(network), sparsity=0.5)
    masked = trained_steps(
        with_masks(network, masks), torch.optim.SGD(network.parameters(), lr=0.1)
    )
    ticket = rewind(masked, earlier)
    for name, mask in masks.items():
        expected = np.where(mask, earlier[name].numpy(), 0)
        assert np.array_equal(weights_of(ticket)[name], expected)
    assert torch.equal(ticket[1].running_mean, earlier["1.running_mean"])


def test_the_layout_in_memory_is_kept():
    network = networks.build("resnet-8")
    masks = scope.uniform_masks(weights_of(network), sparsity=0.5)
    masked = with_masks(network, masks)
    convolutions = [m for m in masked.modules() if isinstance(m, nn.Conv2d)]
    assert convolutions
    for layer in convolutions:
        if layer.weight.shape[1] > 1 and layer.weight.shape[2] > 1:
            assert layer.weight.is_contiguous(memory_format=torch.channels_last)


def test_the_network_is_not_modified(network):
    before = copy.deepcopy(network.state_dict())
    masked = with_masks(network, {"3.weight": np.zeros((3, 16), dtype=bool)})
    trained_steps(masked, torch.optim.SGD(masked.parameters(), lr=0.1))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_bad_masks_are_named(network):
    with pytest.raises(
        ValueError, match=r"names the parameter '4.weight'; those there are: 0.weight"
    ):
        with_masks(network, {"4.weight": np.zeros((3, 16), dtype=bool)})
    with pytest.raises(ValueError, match=r"'3.weight' is boolean of shape \(3, 16\); got bool"):
        with_masks(network, {"3.weight": np.zeros((16, 3), dtype=bool)})
    with pytest.raises(ValueError, match="got float64"):
        with_masks(network, {"3.weight": np.zeros((3, 16))})


def test_a_weight_on_a_grid_as_well_is_refused_rather_than_taken_apart(network):
    from nncourse.quantizers.fine_tuning import prepare

    with pytest.raises(ValueError, match="more than masks"):
        plain(prepare(network, weight_bits=4))
