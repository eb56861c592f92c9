"""Fine-tuning: forward passes equal the affine quantizer, backward passes equal torch's and the papers'."""

import numpy as np
import pytest
import torch
from torch import nn

from nncourse.quantizers import affine
from nncourse.quantizers.codebook import Codebook
from nncourse.quantizers.fine_tuning import (
    Binary,
    LearnedStep,
    StraightThrough,
    input_grids,
    plain_tensors,
    prepare,
    round_straight_through,
    weight_grids,
)

VALUES = torch.from_numpy(np.random.default_rng(0).normal(size=4000).astype(np.float32))
UPSTREAM = torch.from_numpy(np.random.default_rng(1).normal(size=4000).astype(np.float32))


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)
    )


def images(count=16):
    return torch.from_numpy(np.random.default_rng(2).random((count, 1, 8, 8), dtype=np.float32))


def test_rounding_is_exact_and_its_gradient_is_one():
    x = (VALUES * 1000).clone().requires_grad_()
    y = round_straight_through(x)
    (y * UPSTREAM).sum().backward()
    assert torch.equal(y, torch.round(x))
    assert torch.equal(x.grad, UPSTREAM)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("signed", [True, False])
def test_a_learned_step_rounds_as_the_quantizer_does_bit_for_bit(bits, signed):
    grid = LearnedStep(bits, step=0.137, signed=signed, num_values=7)
    expected = affine.dequantize(affine.quantize(VALUES.numpy(), grid.qparams), grid.qparams)
    assert np.array_equal(grid(VALUES).detach().numpy(), expected)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_gradients_of_a_learned_step_are_those_of_torchs_learnable_operator(bits):
    # Between qmax and qmax + 1/2 torch still counts a value as inside, since it rounds first; the
    # paper counts it as clipped. Everywhere else the two agree.
    qmax = 2 ** (bits - 1) - 1
    scaled = VALUES.abs() / 0.25
    values = VALUES[(scaled <= qmax) | (scaled > qmax + 0.5)]
    upstream = UPSTREAM[: values.numel()]
    grid = LearnedStep(bits, step=0.25, signed=True, num_values=values.numel())
    x = values.clone().requires_grad_()
    (grid(x) * upstream).sum().backward()
    other_x = values.clone().requires_grad_()
    step = torch.tensor([0.25], requires_grad=True)
    zero = torch.tensor([0.0], requires_grad=True)
    y = torch._fake_quantize_learnable_per_tensor_affine(
        other_x, step, zero, grid.qmin, grid.qmax, grid.gradient_scale
    )
    (y * upstream).sum().backward()
    assert torch.equal(x.grad, other_x.grad)
    assert grid.step.grad.item() == pytest.approx(step.grad.item(), rel=1e-4)
    assert abs(grid.step.grad.item()) > 1e-3


def test_the_gradient_of_a_learned_step_is_the_papers_formula():
    grid = LearnedStep(3, step=0.5, signed=True, num_values=VALUES.numel())
    (grid(VALUES) * UPSTREAM).sum().backward()
    scaled = VALUES.double().numpy() / 0.5
    slope = np.where(np.abs(scaled) < 3, np.rint(scaled) - scaled, np.sign(scaled) * 3)
    expected = (slope * UPSTREAM.double().numpy()).sum() / np.sqrt(VALUES.numel() * 3)
    assert grid.step.grad.item() == pytest.approx(expected, rel=1e-4)


def test_a_step_cannot_be_driven_to_zero_or_below():
    grid = LearnedStep(4, step=0.1, signed=True, num_values=1)
    with torch.no_grad():
        grid.step.fill_(-1.0)
    assert torch.isfinite(grid(VALUES)).all()
    assert float(grid.qparams.scale) > 0


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_straight_through_uses_the_range_of_the_largest_value(bits):
    qparams = affine.choose_qparams(VALUES.numpy(), bits=bits)
    expected = affine.dequantize(affine.quantize(VALUES.numpy(), qparams), qparams)
    x = VALUES.clone().requires_grad_()
    y = StraightThrough(bits)(x)
    (y * UPSTREAM).sum().backward()
    assert np.allclose(y.detach().numpy(), expected, rtol=1e-6)
    assert torch.allclose(x.grad, UPSTREAM)
    assert torch.equal(StraightThrough(bits)(torch.zeros(3)), torch.zeros(3))


def test_binary_weights_have_two_levels_and_pass_gradients_between_minus_one_and_one():
    x = (2 * VALUES).requires_grad_()
    y = Binary()(x)
    mean = x.detach().abs().mean()
    assert torch.equal(y.detach().unique(), torch.tensor([-mean, mean]))
    (gradient,) = torch.autograd.grad(y, x, UPSTREAM)
    inside = x.detach().abs() <= 1
    through_mean = torch.sign(x.detach()) * (torch.sign(y.detach()) * UPSTREAM).sum() / x.numel()
    assert torch.allclose(gradient, through_mean + mean * UPSTREAM * inside, atol=1e-6)


@pytest.mark.parametrize("weight_bits", [1, 2, 4, 8])
def test_the_prepared_network_computes_with_the_tensors_that_it_hands_out(weight_bits):
    model = small_network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prepared = prepare(model, weight_bits=weight_bits).eval()
    plain = small_network()
    state = plain.state_dict()
    state.update({k: torch.from_numpy(v) for k, v in plain_tensors(prepared).items()})
    plain.load_state_dict(state)
    assert torch.equal(plain.eval()(images()), prepared(images()))
    assert {"0", "4"} == set(weight_grids(prepared))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    for name, grid in weight_grids(prepared).items():
        weight = plain.get_submodule(name).weight.detach().numpy()
        if isinstance(grid, Codebook):
            restored = grid.lookup(grid.assign(weight))
        else:
            restored = affine.dequantize(affine.quantize(weight, grid), grid)
        assert np.array_equal(restored, weight)


def test_layers_may_have_widths_of_their_own_or_stay_float():
    prepared = prepare(small_network(), weight_bits={"4": 2})
    assert list(weight_grids(prepared)) == ["4"]
    assert np.unique(plain_tensors(prepared)["4.weight"]).size == 3
    assert np.unique(plain_tensors(prepared)["0.weight"]).size > 3


def test_inputs_are_rounded_on_the_grid_that_input_grids_tells():
    prepared = prepare(
        small_network(), weight_bits={}, input_bits={"4": 2}, calibration=images()
    ).eval()
    seen = []
    prepared.get_submodule("4").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    prepared(images())
    (grid,) = input_grids(prepared).values()
    assert (grid.qmin, grid.qmax) == (0, 3)
    assert seen[0].unique().numel() <= 4
    assert float(seen[0].detach().max()) <= 3 * float(grid.scale) * 1.0001


def test_inputs_below_zero_get_signed_codes():
    prepared = prepare(small_network(), weight_bits={}, input_bits=4, calibration=images() - 0.5)
    assert input_grids(prepared)["0"].qmin == -7


@pytest.mark.parametrize("method", ["learned step", "straight through"])
def test_training_moves_weights_and_steps_and_lowers_the_loss(method):
    prepared = prepare(
        small_network(), weight_bits=3, input_bits=4, calibration=images(), method=method
    )
    x, y = images(64), torch.arange(64) % 3
    optimizer = torch.optim.Adam(prepared.parameters(), lr=0.01)
    seen = []
    for _ in range(60):
        loss = nn.functional.cross_entropy(prepared(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(float(loss.detach()))
    assert seen[-1] < 0.8 * seen[0]
    first = prepare(small_network(), weight_bits=3, method=method)
    after, before = weight_grids(prepared)["4"], weight_grids(first)["4"]
    assert float(after.scale) != float(before.scale)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight_bits": 0}, "weight_bits of '0' is a whole number from 1 to 16; got 0"),
        ({"weight_bits": 17}, "got 17"),
        ({"weight_bits": {"fc9": 4}}, "weight_bits names the layer 'fc9'"),
        ({"weight_bits": 4, "method": "magic"}, "method is one of"),
        ({"weight_bits": 4, "input_bits": 4}, "calibration is needed"),
        ({"weight_bits": 4, "input_bits": 0, "calibration": images()}, "input_bits of '0' is a"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_in_a_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        prepare(small_network(), **arguments)


def test_a_learned_step_starts_above_zero():
    with pytest.raises(ValueError, match="step is above 0, got 0"):
        LearnedStep(4, step=0.0, signed=True, num_values=1)
    with pytest.raises(ValueError, match="num_values is at least 1"):
        LearnedStep(4, step=1.0, signed=True, num_values=0)
