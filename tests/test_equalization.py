"""Equalization: the same function, and one grid that fits every channel."""

from copy import deepcopy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from nncourse.quantizers.affine import choose_qparams, fake_quantize
from nncourse.quantizers.equalization import equalize, equalize_network


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU()),
        nn.Conv2d(8, 6, 3, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 4 * 4, 20),
        nn.ReLU(),
        nn.Linear(20, 5),
    ).double()


def badly_scaled(model, seed=0):
    """The same function, with channels that differ by up to four decimal orders."""
    rng = np.random.default_rng(seed)
    model = deepcopy(model)
    layers = [model[0], model[3][0], model[4], model[7], model[9]]
    with torch.no_grad():
        for first, second in pairwise(layers):
            factor = torch.from_numpy(10.0 ** rng.uniform(-2, 2, len(first.weight)))
            first.weight *= factor.reshape(-1, *[1] * (first.weight.ndim - 1))
            if first.bias is not None:
                first.bias *= factor
            if getattr(second, "groups", 1) > 1:
                second.weight /= factor.reshape(-1, 1, 1, 1)
            else:
                pixels = second.weight.shape[1] // len(factor)
                shape = (1, -1, *[1] * (second.weight.ndim - 2))
                second.weight /= factor.repeat_interleave(pixels).reshape(shape)
    return model


def images():
    return torch.randn(16, 2, 12, 12, generator=torch.Generator().manual_seed(1)).double()


def outputs(model):
    with torch.no_grad():
        return model(images()).numpy()


def quantized(model, bits):
    model = deepcopy(model)
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            weight = layer.weight.detach().numpy()
            nearest = fake_quantize(weight, choose_qparams(weight, bits=bits))
            layer.weight.data = torch.from_numpy(nearest).double()
    return model


def test_the_function_stays_and_the_input_too():
    model = badly_scaled(network())
    before = deepcopy(model.state_dict())
    np.testing.assert_allclose(outputs(equalize_network(model)), outputs(model), atol=1e-10)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_it_rescues_one_grid_per_tensor_on_badly_scaled_channels(bits):
    for seed in range(3):
        model = badly_scaled(network(seed), seed)
        exact = outputs(model)
        plain = np.mean((outputs(quantized(model, bits)) - exact) ** 2)
        rescued = np.mean((outputs(quantized(equalize_network(model), bits)) - exact) ** 2)
        assert rescued < 0.2 * plain


def test_both_ranges_become_their_geometric_mean():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(6, 4, 3, 3)), 50 * rng.normal(size=(5, 6, 2, 2))
    new_first, bias, new_second, factors = equalize(first, np.ones(6), second)
    expected = np.sqrt(np.abs(first).max(axis=(1, 2, 3)) * np.abs(second).max(axis=(0, 2, 3)))
    np.testing.assert_allclose(np.abs(new_first).max(axis=(1, 2, 3)), expected)
    np.testing.assert_allclose(np.abs(new_second).max(axis=(0, 2, 3)), expected)
    np.testing.assert_allclose(bias, 1 / factors)
    assert equalize(new_first, bias, new_second)[3] == pytest.approx(1)


def test_dead_channels_stay_as_they_are():
    first = np.array([[0.0], [4.0], [4.0]])
    second = np.array([[2.0, 0.0, 1.0]])
    new_first, bias, new_second, factors = equalize(first, np.array([7.0, 7.0, 7.0]), second)
    np.testing.assert_array_equal(factors, [1, 1, 2])
    np.testing.assert_array_equal(new_first, [[0], [4], [2]])
    np.testing.assert_array_equal(bias, [7, 7, 3.5])
    np.testing.assert_array_equal(new_second, [[2, 0, 2]])


def test_layers_beside_something_else_are_no_pair():
    chain = [nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 3)]
    with pytest.raises(ValueError, match="without any"):
        equalize_network(nn.Sequential(*chain))
    shared = nn.Linear(3, 3)
    with pytest.raises(ValueError, match="without any"):
        equalize_network(nn.Sequential(shared, nn.ReLU(), shared))
    with pytest.raises(ValueError, match="fold_batch_norm"):
        equalize_network(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Conv2d(1, 1, 1)))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: equalize(np.ones((3, 2)), None, np.ones((2, 4))), "reads the 3 channels"),
        (lambda: equalize(np.ones((4, 2)), None, np.ones((3, 2)), groups=2), "reads the 4"),
        (lambda: equalize(np.ones((3, 2)), np.ones(2), np.ones((2, 3))), "bias_first"),
        (lambda: equalize(np.ones((3, 2)) * np.nan, None, np.ones((2, 3))), "finite"),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()
