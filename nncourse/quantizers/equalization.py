"""Equalization: neighboring layers share the spread of their weights, so that one grid fits all channels.

ReLU and max pooling commute with a positive factor. Dividing an output channel by a factor and
multiplying what reads it by the same one leaves the network as it was, but not its ranges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

CONVERGED = 1e-3  # a pass whose factors all lie so close to 1 is the last


def equalize(
    weight_first: Floats, bias_first: Floats | None, weight_second: Floats, *, groups: int = 1
) -> tuple[Doubles, Doubles | None, Doubles, Doubles]:
    """First weight and bias divided by a factor per channel, second weight multiplied, the factors.

    weight_first   shape (out, ...)
    bias_first     shape (out,), None for none
    weight_second  shape (out_2, out / groups, ...), or (out_2, out * pixels) after a flatten
    groups         of the second layer: ``out`` for a depthwise convolution
    returns        float64; the factors have shape (out,)

    The factor of channel i is ``sqrt(r1 * r2) / r2`` with the ranges r1 and r2 of its weights in both
    layers, which makes both ranges ``sqrt(r1 * r2)``. A channel that is dead on either side (all weights
    0) keeps its weights: factor 1. The bias is scaled along, so a channel of tiny weights and a large
    bias can get a larger one.

    >>> first, _, second, factors = equalize(np.array([[8.0], [1.0]]), None, np.array([[2.0, 4.0]]))
    >>> factors, np.abs(first).max(axis=1), second
    (array([2. , 0.5]), array([4., 2.]), array([[4., 2.]]))

    Source: Nagel et al., ICCV 2019, arXiv:1906.04721, section 4.1, equation 11.
    """
    first, second = np.array(weight_first, np.float64), np.array(weight_second, np.float64)
    channels = len(first) if first.ndim >= 2 else 0
    grouped = channels and groups >= 1 and channels % groups == 0 and len(second) % groups == 0
    if second.ndim < 2 or not grouped or second.shape[1] % (channels // groups):
        raise ValueError(
            f"weight_second reads the {channels} channels of weight_first: shape "
            f"(out, channels / groups * pixels, ...); got {first.shape}, {second.shape}, groups {groups}"
        )
    bias = None if bias_first is None else np.array(bias_first, np.float64)
    if bias is not None and bias.shape != (channels,):
        raise ValueError(f"bias_first has shape ({channels},); got {bias.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("weights are finite; got NaN or infinity: find where it came from")
    readers = second.reshape(groups, len(second) // groups, channels // groups, -1)
    range_first = np.abs(first.reshape(channels, -1)).max(axis=1)
    range_second = np.abs(readers).max(axis=(1, 3)).reshape(-1)
    alive = (range_first > 0) & (range_second > 0)
    factors = np.ones(channels)
    factors[alive] = np.sqrt(range_first[alive]) / np.sqrt(range_second[alive])
    first = first / factors.reshape(-1, *[1] * (first.ndim - 1))
    second = (readers * factors.reshape(groups, 1, -1, 1)).reshape(second.shape)
    return first, None if bias is None else bias / factors, second, factors


def equalize_network(model: nn.Module, *, max_passes: int = 50) -> nn.Module:
    """A copy of ``model`` with every pair of neighboring layers equalized, again and again until it rests.

    model       ``nn.Sequential``, nested or not, of Linear and Conv2d with ReLU, LeakyReLU, max and average
                pooling, flatten, dropout or identity between them
    max_passes  over all pairs: equalizing one pair unsettles the pairs beside it

    Any other layer ends a chain, and the layers on its two sides are no pair. A batch norm is refused:
    fold it first. So is a model without a pair.

    >>> import torch
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    >>> for layer, weight in ((network[0], 100.0), (network[2], 0.01)):
    ...     _ = nn.init.constant_(layer.weight, weight)
    >>> [round(equalize_network(network)[i].weight.item(), 4) for i in (0, 2)]
    [1.0, 1.0]
    """
    import torch

    equalized = deepcopy(model)
    pairs = _pairs(equalized)
    if not pairs:
        raise ValueError(
            "model holds a Linear or Conv2d that feeds another one through ReLU, pooling or flatten, in "
            f"an nn.Sequential; got {type(model).__name__} without any: equalize its parts"
        )
    for _ in range(max_passes):
        farthest = 1.0
        for first, second in pairs:
            weight, bias, readers, factors = equalize(
                _array(first.weight),
                None if first.bias is None else _array(first.bias),
                _array(second.weight),
                groups=getattr(second, "groups", 1),
            )
            with torch.no_grad():
                first.weight.copy_(torch.from_numpy(weight))
                if bias is not None:
                    first.bias.copy_(torch.from_numpy(bias))
                second.weight.copy_(torch.from_numpy(readers))
            farthest = max(farthest, float(factors.max()), float(1 / factors.min()))
        if farthest < 1 + CONVERGED:
            break
    return equalized


def _pairs(model: nn.Module) -> list[tuple[Any, Any]]:
    """Layers that feed each other through nothing but positively homogeneous, channel-wise layers."""
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm

    pooling = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
    through = (nn.ReLU, nn.LeakyReLU, nn.Identity, nn.Dropout, nn.Dropout2d, *pooling)
    chain = list(_chain(model))
    calls = Counter(id(layer) for layer in chain)
    found: list[tuple[Any, Any]] = []
    first: Any = None
    flat = False
    for layer in chain:
        if isinstance(layer, _BatchNorm):
            raise ValueError("model has no batch norms; got one: fold_batch_norm(model) first")
        if isinstance(layer, nn.Linear | nn.Conv2d):
            if first is not None and _feeds(first, layer, flat):
                found.append((first, layer))
            first, flat = (layer if calls[id(layer)] == 1 else None), False
        elif isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) == (1, -1):
            flat = True
        elif not isinstance(layer, through):
            first = None
    return [pair for pair in found if all(calls[id(layer)] == 1 for layer in pair)]


def _feeds(first: Any, second: Any, flat: bool) -> bool:
    from torch import nn

    if isinstance(second, nn.Conv2d):
        return isinstance(first, nn.Conv2d) and not flat
    if isinstance(first, nn.Conv2d):
        return flat and second.in_features % first.out_channels == 0
    return bool(second.in_features == first.out_features)


def _chain(model: nn.Module) -> Iterator[nn.Module]:
    from torch import nn

    if isinstance(model, nn.Sequential) and type(model).forward is nn.Sequential.forward:
        for part in model:
            yield from _chain(part)
    else:
        yield model


def _array(values: Any) -> Doubles:
    array: Doubles = values.detach().double().cpu().numpy()
    return array
