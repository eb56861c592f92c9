"""Folding: batch normalization written into the convolution before it, as it is before any quantizing.

At inference a batch normalization is one multiplication and one addition per channel, with constants.
The convolution before it can do both, so the network loses a layer and the quantizer sees the weights
that run.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

Floats = NDArray[np.floating[Any]]


def fold(
    weight: Floats,
    bias: Floats | None,
    *,
    mean: Floats,
    variance: Floats,
    gain: Floats | None = None,
    shift: Floats | None = None,
    epsilon: float = 1e-5,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight and bias, float64, of the layer that convolves and normalizes in one step.

    weight          shape (out, ...), one output channel an index of the first axis
    bias            shape (out,), None for none
    mean, variance  of each output channel, shape (out,)
    gain, shift     what the normalization multiplies by and adds, shape (out,); None for 1 and 0
    epsilon         what the normalization adds to the variance

    >>> weight, bias = fold(
    ...     np.array([[3.0]]), None, mean=np.array([1.0]), variance=np.array([4.0]), epsilon=0.0
    ... )
    >>> weight.item(), bias.item()
    (1.5, -0.5)

    Source: Jacob et al., CVPR 2018, arXiv:1712.05877, section 3.2, equation 14.
    """
    weight = np.asarray(weight, dtype=np.float64)
    channels = weight.shape[:1]
    given = {"bias": bias, "mean": mean, "variance": variance, "gain": gain, "shift": shift}
    defaults = {"bias": 0.0, "gain": 1.0, "shift": 0.0}
    vectors = {}
    for name, value in given.items():
        vectors[name] = np.asarray(
            np.full(channels, defaults[name]) if value is None else value, dtype=np.float64
        )
        if vectors[name].shape != channels:
            raise ValueError(
                f"{name} has one value for each output channel, shape {channels}; got "
                f"{vectors[name].shape}: is the weight laid out as (out, ...)?"
            )
    if (vectors["variance"] + epsilon <= 0).any():
        raise ValueError(
            f"variance + epsilon is above 0; got {(vectors['variance'] + epsilon).min()}: "
            "a channel without variance needs an epsilon"
        )
    factor = vectors["gain"] / np.sqrt(vectors["variance"] + epsilon)
    folded = weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
    return folded, (vectors["bias"] - vectors["mean"]) * factor + vectors["shift"]


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """A copy of ``model`` with every BatchNorm2d folded into the Conv2d right before it.

    model    in evaluation mode, traceable by torch.fx; the order of its calls decides what comes "right
             before", not the order of its attributes
    returns  same class and names; each batch norm is an ``Identity``, each such convolution has a bias

    Folded in float64, rounded once to the type of the weight. A batch normalization of any kind that
    cannot be folded raises ValueError: behind something other than a Conv2d, behind a convolution whose
    output is also read elsewhere, in a module called twice, or without running statistics.

    >>> from torch import nn
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4)).eval()
    >>> fold_batch_norm(network)
    Sequential(
      (0): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1))
      (1): Identity()
    )
    """
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm

    if any(isinstance(part, _BatchNorm) and part.training for part in model.modules()):
        raise ValueError(
            "model is in evaluation mode, where batch norms use their running statistics; "
            "got one that trains: call model.eval() first"
        )
    folded = deepcopy(model)
    for convolution, norm in _pairs(folded):
        _fold_into(folded.get_submodule(convolution), folded.get_submodule(norm))
        folded.set_submodule(norm, nn.Identity().eval())
    remaining = [name for name, part in folded.named_modules() if isinstance(part, _BatchNorm)]
    if remaining:
        raise ValueError(
            f"model keeps batch norms that cannot be folded: {', '.join(remaining)}; each must be a "
            "BatchNorm2d with running statistics that alone reads the output of a Conv2d"
        )
    return folded


def _pairs(model: nn.Module) -> list[tuple[str, str]]:
    """Names of each convolution and the batch norm that alone reads its output."""
    from torch import fx, nn

    if not any(isinstance(part, nn.BatchNorm2d) for part in model.modules()):
        return []
    try:
        graph = fx.Tracer().trace(model)
    except Exception as error:  # whatever the forward of the model raises when fed a proxy
        raise ValueError(
            f"model is traceable by torch.fx; got {type(error).__name__}: {error}. "
            "Fold its parts one by one, or take the branches out of its forward"
        ) from error
    nodes = [node for node in graph.nodes if node.op == "call_module"]
    parts = {node: model.get_submodule(str(node.target)) for node in nodes}
    calls = Counter(id(part) for part in parts.values())
    found = []
    for node, part in parts.items():
        if not isinstance(part, nn.BatchNorm2d) or part.running_mean is None:
            continue
        source = (*node.args, *node.kwargs.values())[0]
        before = parts.get(source) if isinstance(source, fx.Node) else None
        if (
            isinstance(source, fx.Node)
            and isinstance(before, nn.Conv2d)
            and len(source.users) == 1
            and calls[id(before)] == calls[id(part)] == 1
        ):
            found.append((str(source.target), str(node.target)))
    return found


def _fold_into(convolution: Any, norm: Any) -> None:
    import torch
    from torch import nn

    def array(values: torch.Tensor | None) -> Floats | None:
        return None if values is None else values.detach().double().cpu().numpy()

    weight, bias = fold(
        array(convolution.weight),  # type: ignore[arg-type]
        array(convolution.bias),
        mean=array(norm.running_mean),  # type: ignore[arg-type]
        variance=array(norm.running_var),  # type: ignore[arg-type]
        gain=array(norm.weight),
        shift=array(norm.bias),
        epsilon=norm.eps,
    )
    old = convolution.weight
    with torch.no_grad():
        # empty_like keeps the device, the type and the memory format.
        new_weight = torch.empty_like(old).copy_(torch.from_numpy(weight))
        new_bias = torch.empty(len(bias), dtype=old.dtype, device=old.device)
        new_bias.copy_(torch.from_numpy(bias))
    convolution.weight = nn.Parameter(new_weight, requires_grad=old.requires_grad)
    convolution.bias = nn.Parameter(new_bias, requires_grad=old.requires_grad)
