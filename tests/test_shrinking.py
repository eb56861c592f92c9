"""Shrunk networks: the outputs of the masked ones, from layers that are really smaller."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from nncourse.accelerator.gemm import gemms
from nncourse.pruners.channels import (
    channel_groups,
    channel_masks,
    channel_scores,
    fixed_channels,
    keep_channels,
)
from nncourse.pruners.masked import with_masks
from nncourse.pruners.shrinking import shrink
from nncourse.zoo.checkpoints import load_pretrained
from nncourse.zoo.networks import example_input, num_parameters

ZOO = ("lenet-300-100", "lenet-5", "resnet-8", "mobilenet-10")


def batch(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def lived_in(model, seed=0):
    """Statistics, gains and shifts as training would leave them: none is 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._NormBase):
            if part.running_mean is not None:
                part.running_mean.normal_(generator=generator)
                part.running_var.uniform_(0.5, 2, generator=generator)
            if part.affine:
                part.weight.data.normal_(generator=generator)
                part.bias.data.normal_(generator=generator)
    return model.eval()


def random_keep(groups, seed):
    rng = np.random.default_rng(seed)
    keep = {group.name: rng.random(group.size) < rng.uniform(0.2, 0.9) for group in groups}
    for kept in keep.values():
        kept[rng.integers(len(kept))] = True
    return keep


def removed(model, masks):
    """Values that the masks drop, counted one by one."""
    return sum(int((~mask).sum()) for mask in masks.values())


def assert_shrinks_to_the_masked(model, x, seed=0):
    groups = channel_groups(model, x[:1])
    keep = random_keep(groups, seed)
    masks = channel_masks(model, groups, keep)
    masked, small = with_masks(model, masks), shrink(model, x[:1], keep)
    with torch.no_grad():
        expected, got = masked(x), small(x)
    scale = max(1.0, float(expected.abs().max()))
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=0, atol=1e-5 * scale)
    assert num_parameters(small) == num_parameters(model) - removed(model, masks)
    return small


@pytest.mark.parametrize("name", ZOO)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_trained_network_of_the_zoo_computes_what_the_masked_one_does(name, seed):
    x = batch(*example_input(name, batch=3).shape)
    assert_shrinks_to_the_masked(load_pretrained(name), x, seed)


class Branches(nn.Module):
    """A concatenation that is added to a shortcut, in functional forms."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 10, 3, padding=1)
        self.left = nn.Conv2d(10, 4, 1)
        self.right = nn.Conv2d(10, 6, 3, padding=1, padding_mode="circular")
        self.norm = nn.BatchNorm2d(10)
        self.tail = nn.Conv2d(10, 8, 3)
        self.head = nn.Linear(8 * 3 * 3, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        y = torch.cat([self.left(x), torch.sigmoid(self.right(x))], dim=1)
        y = torch.add(F.relu(self.norm(y)), x)
        y = F.max_pool2d(self.tail(y), 2)
        return F.log_softmax(self.head(y.view(y.size(0), -1)), dim=1)


class Gated(nn.Module):
    """Squeeze and excitation: a branch that multiplies each channel."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.7))
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.down, self.up = nn.Linear(8, 3), nn.Linear(3, 8)
        self.act = nn.PReLU()
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.act(self.norm(self.conv(x))) * self.scale
        gate = torch.sigmoid(self.up(F.silu(self.down(x.mean((2, 3))))))
        x = x * gate.unsqueeze(-1).unsqueeze(-1) + 1.5
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.shared, self.last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        x = self.first(x).relu()
        return self.last(self.shared(self.shared(x).relu()).relu())


class Dense(nn.Module):
    """Every layer reads all earlier ones."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.norm, self.c = nn.BatchNorm2d(9), nn.Conv2d(9, 6, 3, padding=1)
        self.d = nn.Conv2d(15, 2, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(torch.relu(a))
        c = self.c(self.norm(torch.cat((a, b), 1)))
        return self.d(torch.cat((a, b, c), 1)).mean(dim=[-2, -1])


def grouped():
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, bias=False),
        nn.BatchNorm2d(12, affine=False),
        nn.Softplus(),
        nn.Conv2d(12, 8, 3, groups=4),
        nn.Conv2d(8, 16, 3, groups=8),  # depthwise, two outputs for each input
        nn.AvgPool2d(2),
        nn.Conv2d(16, 6, 1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


@pytest.mark.parametrize("make", [Branches, Gated, Dense, grouped])
@pytest.mark.parametrize("seed", range(4))
def test_a_hand_made_network_computes_what_the_masked_one_does(make, seed):
    torch.manual_seed(seed)
    assert_shrinks_to_the_masked(lived_in(make()), batch(3, 3, 8, 8), seed)


def test_a_layer_that_is_called_twice_is_cut_alike_both_times():
    torch.manual_seed(0)
    small = assert_shrinks_to_the_masked(Twice(), batch(5, 4))
    assert small.first.out_features == small.shared.in_features == small.shared.out_features < 6


def test_a_one_dimensional_network_shrinks_too():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(2, 6, 3), nn.BatchNorm1d(6), nn.ReLU(), nn.Conv1d(6, 3, 3))
    assert_shrinks_to_the_masked(lived_in(model), batch(2, 2, 9))


def test_gradients_and_batch_statistics_are_those_of_the_masked_network_while_it_trains():
    model = load_pretrained("resnet-8").train()
    x = batch(6, 1, 28, 28)
    groups = channel_groups(model, x[:1])
    keep = random_keep(groups, 3)
    masked = with_masks(model, channel_masks(model, groups, keep))
    small = shrink(model, x[:1], keep)
    expected, got = masked(x), small(x)
    expected.square().sum().backward()
    got.square().sum().backward()
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4 * scale)
    kept = torch.from_numpy(keep["conv1"])
    torch.testing.assert_close(
        small.norm1.running_mean, masked.norm1.running_mean[kept], rtol=1e-4, atol=1e-5
    )
    wanted = masked.conv1.parametrizations.weight.original.grad[kept]
    torch.testing.assert_close(
        small.conv1.weight.grad, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max())
    )


def test_the_layers_tell_their_new_size_to_all_who_ask():
    model = load_pretrained("mobilenet-10")
    x = example_input("mobilenet-10")
    groups = channel_groups(model, x)
    keep = keep_channels(channel_scores(model, groups), sparsity=0.5)
    small = shrink(model, x, keep)
    assert repr(small.block1.depthwise) == (
        "Conv2d(8, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=8, bias=False)"
    )
    assert repr(small.fc) == "Linear(in_features=64, out_features=10, bias=True)"
    assert small.norm1.num_features == len(small.norm1.running_var) == 8
    before = {gemm.name: gemm for gemm in gemms(model, x)}
    for gemm in gemms(small, x):
        old = before[gemm.name]
        halves = {"conv1": 2, "fc": 2}.get(gemm.name, 2 if old.groups > 1 else 4)
        assert gemm.macs * halves == old.macs


def test_type_layout_mode_hooks_and_frozen_weights_stay_and_so_does_the_model():
    model = load_pretrained("resnet-8").double()
    model.train()
    model.norm1.eval()
    model.conv1.weight.requires_grad_(False)
    calls = []
    model.fc.register_forward_hook(lambda *_: calls.append("fc"))
    before = copy.deepcopy(model.state_dict())
    x = example_input("resnet-8").double()
    groups = channel_groups(model, x)
    small = shrink(model, x, random_keep(groups, 0))
    assert type(small) is type(model)
    assert small.conv1.weight.dtype == torch.float64
    assert small.block2.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert not small.block2.conv1.weight.is_contiguous()
    assert small.training
    assert not small.norm1.training
    assert not small.conv1.weight.requires_grad
    assert small.fc.weight.requires_grad
    calls.clear()
    small(batch(2, 1, 28, 28).double())
    assert calls == ["fc"]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.fc.in_features == 64


def test_a_row_by_row_layout_stays_row_by_row():
    small = shrink(
        load_pretrained("lenet-5"), example_input("lenet-5"), {"conv1": np.arange(20) > 9}
    )
    assert small.conv2.weight.shape == (50, 10, 5, 5)
    assert small.conv2.weight.is_contiguous()


def test_the_masked_network_itself_shrinks_with_its_zeros():
    model = load_pretrained("lenet-5")
    x = example_input("lenet-5")
    groups = channel_groups(model, x)
    keep = random_keep(groups, 5)
    masked = with_masks(model, channel_masks(model, groups, keep))
    small = shrink(masked, x, keep)
    wanted = shrink(model, x, keep).state_dict()
    assert set(small.state_dict()) == set(wanted)
    assert all(torch.equal(value, wanted[key]) for key, value in small.state_dict().items())


def test_what_is_kept_whole_stays_bit_for_bit():
    model = load_pretrained("resnet-8")
    small = shrink(model, example_input("resnet-8"), {})
    x = batch(2, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(small(x), model(x))


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ({"conv1": np.zeros(20, bool)}, "keeps at least one channel; got none of 20"),
        ({"conv1": np.ones(19, bool)}, r"boolean of shape \(20,\)"),
        ({"conv1": np.ones(20)}, "got float64"),
        ({"conv3": np.ones(20, bool)}, "those that can be cut are: conv1, conv2, fc1"),
        ({"fc2": np.ones(10, bool)}, "it is an output of the network"),
    ],
)
def test_a_wrong_keep_names_the_group_and_the_fix(keep, said):
    with pytest.raises(ValueError, match=said):
        shrink(load_pretrained("lenet-5"), example_input("lenet-5"), keep)


def test_a_weight_that_is_computed_by_something_else_is_refused():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 2))
    nn.utils.parametrizations.orthogonal(model[0])
    with pytest.raises(ValueError, match="parametrized by more than masks"):
        shrink(model, torch.zeros(1, 2), {"0": np.arange(4) < 2})


def test_why_a_layer_is_never_cut_is_kept():
    reasons = fixed_channels(load_pretrained("resnet-8"), example_input("resnet-8"))
    assert reasons == {"fc": "it is an output of the network"}
