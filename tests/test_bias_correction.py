"""Bias correction: mean errors vanish on the calibration data, squared errors fall."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from nncourse.quantizers.affine import choose_qparams, fake_quantize
from nncourse.quantizers.bias_correction import correct_biases, corrected_bias


def nearest(weight, bits=3):
    return fake_quantize(weight, choose_qparams(weight, bits=bits))


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, bias=False),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 20),
        nn.ReLU(),
        nn.Linear(20, 5),
    ).eval()


def quantized(model):
    model = deepcopy(model)
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.weight.data = torch.from_numpy(nearest(layer.weight.detach().numpy()))
    return model


def images(count=64):
    return torch.rand(count, 2, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_error_of_a_layer_vanishes_and_its_square_leaves_the_squared_error(seed):
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(6, 30)), rng.normal(size=6)
    inputs = np.maximum(rng.normal(size=(200, 30)), 0) + 0.2
    rounded = nearest(weight)
    before = inputs @ (weight - rounded).T
    after = before + bias - corrected_bias(weight, rounded, bias, inputs)
    np.testing.assert_allclose(after.mean(axis=0), 0, atol=1e-12)
    gain = (before**2).mean(axis=0) - (after**2).mean(axis=0)
    np.testing.assert_allclose(gain, before.mean(axis=0) ** 2, rtol=1e-9)


def test_every_layer_of_a_network_gets_its_mean_back_and_the_squared_error_falls():
    model, x = network(), images()
    rounded = quantized(model)
    fixed = correct_biases(model, rounded, x, batch=24)
    assert rounded[0].bias is None
    with torch.no_grad():
        for depth in range(1, len(model) + 1):
            if not isinstance(model[depth - 1], nn.Linear | nn.Conv2d):
                continue
            error = fixed[:depth](x) - model[:depth](x)
            mean = error.movedim(1, 0).flatten(1).mean(dim=1)
            assert float(mean.abs().max()) < 1e-6  # a few float32 roundings of values below 1
        plain = (rounded(x) - model(x)).square().mean()
        assert (fixed(x) - model(x)).square().mean() < 0.5 * plain


def test_the_networks_are_never_modified():
    model = network()
    rounded = quantized(model)
    before = [deepcopy(part.state_dict()) for part in (model, rounded)]
    correct_biases(model, rounded, images(8))
    for part, state in zip((model, rounded), before, strict=True):
        assert part.state_dict().keys() == state.keys()
        assert all(torch.equal(state[key], value) for key, value in part.state_dict().items())
        assert not any(layer._forward_hooks for layer in part.modules())


W = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: corrected_bias(W, W[:1], None, np.ones((4, 3))), "share a shape"),
        (lambda: corrected_bias(W, W, np.ones(3), np.ones((4, 3))), "bias has shape"),
        (lambda: corrected_bias(W, W, None, np.ones((4, 2))), "inputs hold"),
        (lambda: corrected_bias(W, W, None, np.ones((0, 3))), "inputs hold"),
        (lambda: correct_biases(network(), network(), images(0)), "at least one input"),
        (lambda: correct_biases(network(), nn.Sequential(), images(2)), "it lacks 0, 2, 5, 7"),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()
