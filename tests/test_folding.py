"""Batch-norm folding: the same outputs with one layer less, and a name for every norm that stays."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nncourse.quantizers.folding import fold, fold_batch_norm
from nncourse.zoo.networks import build, example_input


def lived_in(model, seed=0):
    """Statistics, gains and shifts as training would leave them, signs and tiny variances included."""
    generator = torch.Generator().manual_seed(seed)
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
            part.running_mean.normal_(generator=generator)
            part.running_var.uniform_(0.05, 4, generator=generator)
            if part.affine:
                part.weight.data.normal_(generator=generator)
                part.bias.data.normal_(generator=generator)
    return model.eval()


class Named(nn.Module):
    """Attributes listed in an order that the forward does not follow."""

    def __init__(self):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 6, 3, groups=3, bias=False)
        self.conv1 = nn.Conv2d(3, 6, 3, stride=2)
        self.bn2 = nn.BatchNorm2d(6, affine=False)

    def forward(self, x):
        return self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))


def batch(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_same_outputs(model, folded, x):
    with torch.no_grad():
        expected, got = model(x), folded(x)
    # A few float32 roundings (6e-8 each) of sums of hundreds of terms, a few layers deep.
    scale = float(expected.abs().max())
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("name", ["resnet-8", "mobilenet-10"])
def test_the_outputs_of_a_network_of_the_zoo_stay(name):
    model = lived_in(build(name))
    folded = fold_batch_norm(model)
    assert any(isinstance(part, nn.BatchNorm2d) for part in model.modules())
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    assert type(folded) is type(model)
    assert_same_outputs(model, folded, batch(*example_input(name, batch=4).shape))


def test_the_order_of_the_calls_decides_and_not_that_of_the_attributes():
    model = lived_in(Named())
    folded = fold_batch_norm(model)
    assert isinstance(folded, Named)
    assert isinstance(folded.bn1, nn.Identity)
    assert isinstance(folded.bn2, nn.Identity)
    assert_same_outputs(model, folded, batch(2, 3, 11, 11))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_weights_and_biases_are_those_of_torch(bias, groups):
    conv = nn.Conv2d(4, 8, 3, bias=bias, groups=groups)
    model = lived_in(nn.Sequential(conv, nn.BatchNorm2d(8, eps=1e-3)))
    expected = fuse_conv_bn_eval(model[0], model[1])
    got = fold_batch_norm(model)[0]
    for part in ("weight", "bias"):
        np.testing.assert_allclose(
            getattr(got, part).detach().numpy(),
            getattr(expected, part).detach().numpy(),
            rtol=1e-6,  # torch rounds to float32 three times, we once
            atol=1e-6,
        )


def test_folding_by_hand():
    # (2x + 1 - 5) / sqrt(3 + 1) * 10 + 7 = 10x - 13
    weight, bias = fold(
        np.array([[[[2.0]]]]),
        np.array([1.0]),
        mean=np.array([5.0]),
        variance=np.array([3.0]),
        gain=np.array([10.0]),
        shift=np.array([7.0]),
        epsilon=1.0,
    )
    assert (weight.item(), bias.item()) == (10.0, -13.0)


def test_the_model_keeps_its_batch_norms_weights_and_layout():
    model = lived_in(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)))
    model = model.to(memory_format=torch.channels_last).double()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    folded = fold_batch_norm(model)
    assert isinstance(model[1], nn.BatchNorm2d)
    assert model[0].bias is None
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
    assert folded[0].weight.dtype == torch.float64
    assert folded[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert folded[0].weight.requires_grad


def test_a_model_without_batch_norm_comes_back_as_an_equal_copy():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).eval()
    folded = fold_batch_norm(model)
    assert folded is not model
    assert_same_outputs(model, folded, batch(1, 1, 5, 5))


class ReadTwice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

    def forward(self, x):
        y = self.conv(x)
        return self.bn(y) + y


class CalledTwice(ReadTwice):
    def forward(self, x):
        return self.bn(self.conv(self.bn(self.conv(x))))


class Branching(ReadTwice):
    def forward(self, x):
        return self.bn(self.conv(x)) if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)), "cannot be folded: 2;"),
        (nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 1)), "cannot be folded: 0;"),
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), "cannot be folded: 1;"),
        (
            nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)),
            "cannot be folded: 1;",
        ),
        (ReadTwice(), "cannot be folded: bn;"),
        (CalledTwice(), "cannot be folded: bn;"),
        (Branching(), "traceable by torch.fx"),
    ],
)
def test_a_batch_norm_that_would_stay_is_named(model, said):
    with pytest.raises(ValueError, match=said):
        fold_batch_norm(model.eval())


def test_a_model_in_training_mode_is_refused():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    with pytest.raises(ValueError, match=r"model\.eval\(\)"):
        fold_batch_norm(model)


def test_vectors_of_the_wrong_length_and_zero_variance_are_refused():
    weight, one = np.ones((2, 3)), np.ones(2)
    with pytest.raises(ValueError, match="mean has one value for each output channel"):
        fold(weight, None, mean=np.ones(3), variance=one)
    with pytest.raises(ValueError, match="needs an epsilon"):
        fold(weight, None, mean=one, variance=0 * one, epsilon=0.0)
