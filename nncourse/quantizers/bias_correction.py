"""Bias correction: rounding errors of weights move the mean of an output, and the bias moves it back."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import nn

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]


def corrected_bias(
    weight: Floats, quantized: Floats, bias: Floats | None, inputs: Floats
) -> Doubles:
    """The bias plus ``E[W x] - E[W_q x]``, float64, shape (out,).

    weight, quantized  shape (out, k): before and after quantizing
    bias               shape (out,), None for zeros
    inputs             calibration vectors x, shape (..., k)

    With it, the mean error of every output is 0 on these inputs, and the squared error is smaller by
    the square of what the mean error was.

    >>> corrected_bias(np.array([[0.4]]), np.array([[0.0]]), None, np.array([[1.0], [3.0]]))
    array([0.8])

    Source: Nagel et al., ICCV 2019, arXiv:1906.04721, section 4.2, and the empirical variant there.
    """
    weight, quantized = np.asarray(weight, np.float64), np.asarray(quantized, np.float64)
    if weight.ndim != 2 or weight.shape != quantized.shape:
        raise ValueError(
            f"weight and quantized share a shape (out, k); got {weight.shape}, {quantized.shape}: "
            "view a convolution as (out, in * kh * kw)"
        )
    inputs = np.asarray(inputs)
    if inputs.ndim < 2 or inputs.shape[-1] != weight.shape[1] or inputs.size == 0:
        raise ValueError(
            f"inputs hold at least one vector, shape (..., {weight.shape[1]}); got {inputs.shape}"
        )
    given = np.zeros(len(weight)) if bias is None else np.asarray(bias, np.float64)
    if given.shape != (len(weight),):
        raise ValueError(f"bias has shape ({len(weight)},); got {given.shape}")
    mean = inputs.reshape(-1, weight.shape[1]).mean(axis=0, dtype=np.float64)
    corrected: Doubles = given + (weight - quantized) @ mean
    return corrected


def correct_biases(
    model: nn.Module, quantized: nn.Module, inputs: torch.Tensor, *, batch: int = 256
) -> nn.Module:
    """A copy of ``quantized`` whose layers have the mean outputs of those of ``model`` on ``inputs``.

    model      the network before quantizing, in evaluation mode
    quantized  the same network with quantized weights, perhaps activations, in evaluation mode
    inputs     calibration inputs, shape (n, ...)
    batch      inputs that run at once

    Every Linear and Conv2d is corrected in the order of their calls, each with those before it corrected
    already, as a correction moves the inputs of all that follow. A layer without a bias gets one. A
    layer that is called several times is corrected for the mean over all calls.

    >>> import torch
    >>> from torch import nn
    >>> model, quantized = nn.Linear(1, 1), nn.Linear(1, 1)
    >>> _ = quantized.load_state_dict({"weight": model.weight + 1, "bias": model.bias})
    >>> corrected = correct_biases(model, quantized, torch.tensor([[1.0], [3.0]]))
    >>> round((corrected.bias - model.bias).item(), 5)
    -2.0
    """
    import torch
    from torch import nn

    if len(inputs) == 0 or batch < 1:
        raise ValueError(
            f"inputs hold at least one input and batch is at least 1; got {len(inputs)}, {batch}"
        )
    if model.training or quantized.training:
        for network in (model, quantized):
            if any(isinstance(part, nn.Dropout | nn.BatchNorm2d) for part in network.modules()):
                raise ValueError("model and quantized are in evaluation mode: call eval() first")
    corrected = deepcopy(quantized)
    wanted = _mean_outputs(model, inputs, batch)
    layers = dict(corrected.named_modules())
    missing = [name for name in wanted if not isinstance(layers.get(name), nn.Linear | nn.Conv2d)]
    if missing:
        raise ValueError(
            f"quantized has the layers of model under the same names; it lacks {', '.join(missing)}"
        )
    for name, mean in wanted.items():
        layer: Any = layers[name]
        found = _mean_outputs(corrected, inputs, batch)
        if name not in found:
            raise ValueError(f"quantized calls the layers that model calls; it never calls {name}")
        shift = (mean - found[name]).to(layer.weight.dtype)
        if layer.bias is None:
            layer.bias = nn.Parameter(torch.zeros_like(shift))
        with torch.no_grad():
            layer.bias += shift
    return corrected


def _mean_outputs(model: nn.Module, inputs: torch.Tensor, batch: int) -> dict[str, torch.Tensor]:
    """Mean output of each channel of each layer, float64, in the order of their first calls."""
    import torch
    from torch import nn

    sums: dict[str, torch.Tensor] = {}
    counts: dict[str, int] = {}

    def watch(name: str, channel: int) -> Any:
        def hook(layer: nn.Module, given: Any, output: torch.Tensor) -> None:
            rows = output.detach().movedim(channel, -1).flatten(0, -2).double()
            sums[name] = sums.get(name, torch.zeros(())) + rows.sum(dim=0)
            counts[name] = counts.get(name, 0) + len(rows)

        return hook

    handles = []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            channel = -1 if isinstance(layer, nn.Linear) else -3
            handles.append(layer.register_forward_hook(watch(name, channel)))
    try:
        with torch.no_grad():
            for start in range(0, len(inputs), batch):
                model(inputs[start : start + batch])
    finally:
        for handle in handles:
            handle.remove()
    return {name: total / counts[name] for name, total in sums.items()}
