"""Training with the grid in the loop: the forward pass rounds, the backward pass looks through it.

Rounding has a slope of zero almost everywhere, so nothing could be learned behind it. The
straight-through estimator pretends that rounding is the identity where the value lies inside the range
and a constant outside. A learned step goes further: the width of the grid is a parameter, and it moves
to where the loss falls.

Unlike the rest of this room, these are torch modules.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import parametrize

from nncourse.quantizers.affine import QParams, choose_qparams
from nncourse.quantizers.codebook import Codebook

METHODS = ("learned step", "straight through")
LAYERS = (nn.Linear, nn.Conv2d)
PARAMETRIZED = ".parametrizations.weight"  # where torch keeps the weight that learns
SMALLEST_STEP = 1e-8  # a step that training drives below is used as this


def round_straight_through(x: torch.Tensor) -> torch.Tensor:
    """``x`` rounded, ties to even, with the gradient of the identity.

    >>> x = torch.tensor([0.4, 1.5, 2.5], requires_grad=True)
    >>> y = round_straight_through(x)
    >>> y.sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([0.0, 2.0, 2.0], [1.0, 1.0, 1.0])

    Source: Bengio et al., Estimating or propagating gradients through stochastic neurons, arXiv:1308.3432.
    """
    return torch.round(x).detach() + (x - x.detach())  # x - x is an exact 0


class StraightThrough(nn.Module):
    """A symmetric grid whose step follows the largest magnitude, ``max|x| / qmax``, in every pass.

    bits  width of a code, 2..16; codes -(2**(bits-1) - 1) .. 2**(bits-1) - 1

    The step is taken as a constant: only the values learn.

    >>> x = torch.tensor([0.1, -0.6, 1.0], requires_grad=True)
    >>> StraightThrough(2)(x).tolist()
    [0.0, -1.0, 1.0]
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.qmin, self.qmax = _codes(bits, signed=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` on the grid, with the gradient of the identity."""
        step = self.step_of(x.detach())
        return round_straight_through(torch.clamp(x / step, self.qmin, self.qmax)) * step

    def step_of(self, x: torch.Tensor) -> torch.Tensor:
        """The step for values ``x``, a scalar; 1 where all are zero."""
        largest = x.abs().max() / self.qmax
        return torch.where(largest > 0, largest.clamp(min=SMALLEST_STEP), torch.ones_like(largest))


class LearnedStep(nn.Module):
    """A grid of one learned step, for weights (signed codes) or for inputs (signed or not).

    bits        width of a code
    step        to start from, above 0
    signed      codes -(2**(bits-1) - 1) .. 2**(bits-1) - 1, else 0 .. 2**bits - 1
    num_values  values that share the step: its gradient, a sum over all of them, is scaled by
                ``1 / sqrt(num_values * qmax)``, so that step and weights learn at one pace

    The gradient of a value is that of the identity inside the range and 0 outside; of the step, the
    rounding error inside and the clipped code outside.

    >>> grid = LearnedStep(2, step=0.5, signed=True, num_values=3)
    >>> x = torch.tensor([0.1, 0.45, 2.0], requires_grad=True)
    >>> y = grid(x)
    >>> y.sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([0.0, 0.5, 0.5], [1.0, 1.0, 0.0])
    >>> round(grid.step.grad.item() * 3**0.5, 3)  # (0 - 0.2) + (1 - 0.9) + 1
    0.9

    Source: S. Esser et al., Learned step size quantization, ICLR 2020, equations 1 to 3 and section 2.2.
    The paper starts at ``2 * mean|x| / sqrt(qmax)``, made for few bits; :func:`prepare` starts at the
    step of least squared error, which is right at eight bits too.
    """

    def __init__(self, bits: int, *, step: float, signed: bool, num_values: int) -> None:
        super().__init__()
        if not (math.isfinite(step) and step > 0):
            raise ValueError(f"step is above 0, got {step}. Take one from choose_qparams.")
        if num_values < 1:
            raise ValueError(f"num_values is at least 1, got {num_values}.")
        self.qmin, self.qmax = _codes(bits, signed=signed)
        self.gradient_scale = 1 / math.sqrt(num_values * self.qmax)
        self.step = nn.Parameter(torch.tensor(float(step)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` on the grid."""
        scaled = self.step * self.gradient_scale
        step = (self.step.detach() + (scaled - scaled.detach())).clamp(min=SMALLEST_STEP)
        return round_straight_through(torch.clamp(x / step, self.qmin, self.qmax)) * step

    @property
    def qparams(self) -> QParams:
        """The grid as it stands, for :func:`nncourse.quantizers.affine.quantize`."""
        step = np.float32(max(float(self.step.detach()), SMALLEST_STEP))
        return QParams(
            scale=np.asarray(step), zero_point=np.asarray(0), qmin=self.qmin, qmax=self.qmax
        )


class Binary(nn.Module):
    """Two levels, ``-a`` and ``+a``, with ``a`` the mean magnitude; 0 counts as positive.

    The gradient of the sign is that of the identity for ``|x| <= 1`` and 0 beyond, so that a weight far
    out is not driven further.

    >>> Binary()(torch.tensor([0.5, -0.25, 0.0])).tolist()
    [0.25, -0.25, 0.25]

    Source: M. Rastegari et al., XNOR-Net, ECCV 2016, section 3.1; the gradient, Hubara et al.,
    Binarized neural networks, NeurIPS 2016, equation 4.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` on its two levels."""
        inside = torch.clamp(x, -1.0, 1.0)
        sign = torch.where(x >= 0, 1.0, -1.0).detach()
        return x.abs().mean() * (sign + (inside - inside.detach()))


Grid = StraightThrough | LearnedStep | Binary


def prepare(
    model: nn.Module,
    *,
    weight_bits: int | Mapping[str, int],
    input_bits: int | Mapping[str, int] | None = None,
    calibration: torch.Tensor | None = None,
    method: str = "learned step",
) -> nn.Module:
    """A copy of ``model`` whose convolution and linear layers round their weights, and their inputs too.

    model        any network; never modified
    weight_bits  width of the weights, 1..16, one for all or by layer name (layers left out stay float);
                 1 is :class:`Binary`, whatever the method
    input_bits   width of what each layer reads, 1..16, likewise; None leaves inputs as they are.
                 Inputs that are never negative on ``calibration`` take codes from 0 up
    calibration  batch of inputs of the network, float32, from which the first steps of the inputs come
    method       "learned step" or "straight through", of the weights; inputs always learn their step

    The rounded weight stands in the place of the weight (``layer.weight``), the one that learns is kept
    beside it. One grid serves a whole tensor. First steps are those of least squared error. Train the
    copy as any other network, then take it apart with :func:`weight_grids` and
    :func:`plain_tensors`.
    """
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}; got {method!r}")
    copied = copy.deepcopy(model)
    layers = _layers(copied)
    weight_widths = _by_layer(weight_bits, layers, "weight_bits")
    input_widths = {} if input_bits is None else _by_layer(input_bits, layers, "input_bits")
    if input_widths:
        if calibration is None:
            raise ValueError("calibration is needed with input_bits: a batch of training images")
        inputs = _inputs_of(copied, calibration)
    for name, layer in layers.items():
        if name in weight_widths:
            weight = layer.weight
            assert isinstance(weight, torch.Tensor)
            grid = _weight_grid(weight.detach().numpy(), weight_widths[name], method)
            parametrize.register_parametrization(layer, "weight", grid)
        if name in input_widths:
            layer.register_module("input_grid", _input_grid(inputs[name], input_widths[name]))
            layer.register_forward_pre_hook(_through_input_grid)
    return copied


def weight_grids(model: nn.Module) -> dict[str, QParams | Codebook]:
    """The grid of each layer's weights, by name; of binary weights their codebook of two levels.

    model  prepared, usually trained since
    """
    grids: dict[str, QParams | Codebook] = {}
    for name, layer in _layers(model).items():
        if not parametrize.is_parametrized(layer, "weight"):
            continue
        grid: Any = layer.parametrizations.weight[0]  # type: ignore[union-attr,index]
        rounded = layer.weight.detach().numpy()  # type: ignore[operator]
        if isinstance(grid, LearnedStep):
            grids[name] = grid.qparams
        elif isinstance(grid, Binary):
            grids[name] = Codebook(np.unique(rounded))
        else:
            step = np.float32(np.abs(rounded).max() / grid.qmax or 1.0)
            grids[name] = QParams(
                scale=np.asarray(step), zero_point=np.asarray(0), qmin=grid.qmin, qmax=grid.qmax
            )
    return grids


def input_grids(model: nn.Module) -> dict[str, QParams]:
    """The grid of what each layer of a :func:`prepare`-d network reads, by layer name."""
    return {
        name: layer.input_grid.qparams  # type: ignore[union-attr,misc]
        for name, layer in _layers(model).items()
        if isinstance(getattr(layer, "input_grid", None), LearnedStep)
    }


def plain_tensors(model: nn.Module) -> dict[str, NDArray[np.float32]]:
    """The tensors of a plain network of the same form, by name, with the rounded weights.

    model  prepared, usually trained since; never modified
    """
    tensors = {}
    for name, value in model.state_dict().items():
        path, _, last = name.rpartition(".")
        if path.endswith(PARAMETRIZED):
            if last != "original":
                continue
            name = path.replace(".parametrizations", "")
            layer = model.get_submodule(name.removesuffix(".weight"))
            value = layer.weight
            assert isinstance(value, torch.Tensor)
        elif ".parametrizations." in name or path.endswith(".input_grid"):
            continue
        if value.is_floating_point():
            tensors[name] = value.detach().contiguous().numpy().copy()
    return tensors


def _codes(bits: int, *, signed: bool) -> tuple[int, int]:
    low = 2 if signed else 1
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not low <= bits <= 16:
        kind = "signed" if signed else "unsigned"
        raise ValueError(f"bits of {kind} codes is a whole number from {low} to 16; got {bits!r}")
    return (-(2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def _layers(model: nn.Module) -> dict[str, nn.Module]:
    return {name: module for name, module in model.named_modules() if isinstance(module, LAYERS)}


def _by_layer(
    bits: int | Mapping[str, int], layers: Mapping[str, nn.Module], argument: str
) -> dict[str, int]:
    widths = dict(bits) if isinstance(bits, Mapping) else dict.fromkeys(layers, bits)
    unknown = sorted(set(widths) - set(layers))
    if unknown:
        raise ValueError(
            f"{argument} names the layer {unknown[0]!r}; those there are: {', '.join(layers)}"
        )
    for name, width in widths.items():
        if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= 16:
            raise ValueError(
                f"{argument} of {name!r} is a whole number from 1 to 16; got {width!r}"
            )
    return widths


def _weight_grid(weight: NDArray[Any], bits: int, method: str) -> Grid:
    if bits == 1:
        return Binary()
    if method == "straight through":
        return StraightThrough(bits)
    first = choose_qparams(weight, bits=bits, method="mse")
    return LearnedStep(bits, step=float(first.scale), signed=True, num_values=weight.size)


def _input_grid(values: NDArray[Any], bits: int) -> LearnedStep:
    signed = bool(values.min() < 0)
    scheme = "symmetric" if signed else "asymmetric"
    first = choose_qparams(values, bits=bits, scheme=scheme, method="mse")
    # The paper counts the values of one input, not of the batch.
    return LearnedStep(
        bits, step=float(first.scale), signed=signed, num_values=values.size // len(values)
    )


def _through_input_grid(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[Any, ...]:
    grid = layer.input_grid
    assert isinstance(grid, LearnedStep)
    return (grid(inputs[0]), *inputs[1:])


def _inputs_of(model: nn.Module, batch: torch.Tensor) -> dict[str, NDArray[np.float32]]:
    seen: dict[str, NDArray[np.float32]] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            seen[name] = inputs[0].numpy().copy()

        return hook

    hooks = [layer.register_forward_pre_hook(keep(name)) for name, layer in _layers(model).items()]
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            model(batch)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return seen
