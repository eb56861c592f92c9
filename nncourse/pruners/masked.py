"""Masked networks: weights that stay pruned whatever the optimizer does, and the way back.

A mask that is applied once is forgotten at the next step: momentum and weight decay move a weight
whose gradient is zero. Here the weight that the network computes with is a product, the weight that
learns times the mask, so a dropped one is zero in every pass.

Unlike the rest of this room, these are torch modules.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import parametrize

from nncourse.pruners.masks import Mask


class Masked(nn.Module):
    """The parametrization of one tensor: what learns, times a mask.

    mask  boolean, shape of the tensor, True = kept

    >>> Masked(torch.tensor([True, False]))(torch.tensor([3.0, 4.0]))
    tensor([3., 0.])
    """

    mask: torch.Tensor

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """``weight`` with the dropped values at 0."""
        return weight * self.mask

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        """What learns, to begin with: the dropped values start at 0, should they ever come back."""
        return weight * self.mask


def with_masks(model: nn.Module, masks: Mapping[str, Mask]) -> nn.Module:
    """A copy of ``model`` whose named parameters are masked, for training or for inference.

    model  any network; never modified. One that is masked already keeps none of its old masks:
           its dropped weights are zeros, and learn again where the new masks keep them
    masks  boolean, True = kept, by parameter name such as "conv1.weight"; biases and batch
           normalization may be named, too

    >>> network = nn.Sequential(nn.Linear(2, 1, bias=False))
    >>> masked = with_masks(network, {"0.weight": np.array([[True, False]])})
    >>> bool(masked[0].weight[0, 1] == 0)
    True
    """
    copied = plain(model)
    parameters = dict(copied.named_parameters())
    for name, mask in masks.items():
        if name not in parameters:
            raise ValueError(
                f"masks names the parameter {name!r}; those there are: {', '.join(parameters)}"
            )
        value, mask = parameters[name], np.asarray(mask)
        if mask.dtype != bool or mask.shape != tuple(value.shape):
            raise ValueError(
                f"the mask of {name!r} is boolean of shape {tuple(value.shape)}; "
                f"got {mask.dtype} of shape {mask.shape}"
            )
        # The layout in memory is that of the weight: a mask laid out otherwise slows every pass.
        kept = torch.empty_like(value, dtype=torch.bool).copy_(torch.from_numpy(mask.copy()))
        owner, last = _owner(copied, name)
        parametrize.register_parametrization(owner, last, Masked(kept))
    return copied


def masks_of(model: nn.Module) -> dict[str, Mask]:
    """The masks of a masked network by parameter name; empty for any other network."""
    found: dict[str, Mask] = {}
    for path, module in model.named_modules():
        if not parametrize.is_parametrized(module):
            continue
        parametrizations: Any = module.parametrizations
        for last, parts in parametrizations.items():
            for part in parts:
                if isinstance(part, Masked):
                    found[f"{path}.{last}" if path else last] = part.mask.cpu().numpy().copy()
    return found


def plain(model: nn.Module) -> nn.Module:
    """A copy of ``model`` without masks, its dropped weights zeros among the others.

    model  masked or not; never modified
    """
    copied = copy.deepcopy(model)
    for path, module in copied.named_modules():
        if not parametrize.is_parametrized(module):
            continue
        parametrizations: Any = module.parametrizations
        if not all(
            isinstance(part, Masked) for parts in parametrizations.values() for part in parts
        ):
            raise ValueError(f"model: layer {path!r} is parametrized by more than masks")
        values = {last: getattr(module, last).detach().clone() for last in parametrizations}
        # A copy shares its class with the original, so torch's own removal, which takes the weight off
        # that class, would break the original.
        module.__class__ = type(module).__bases__[0]
        del module.parametrizations
        for last, value in values.items():
            module.register_parameter(last, nn.Parameter(value))
    return copied


def rewind(model: nn.Module, state: Mapping[str, torch.Tensor]) -> nn.Module:
    """A copy of a masked network with the kept weights, and all else, back at an earlier state.

    model  from :func:`with_masks`; never modified
    state  ``state_dict()`` of the plain network at that time

    With the state before any training, and a mask found by training, what comes back is a lottery
    ticket. Source: J. Frankle and M. Carbin, The lottery ticket hypothesis, ICLR 2019; rewinding to a
    later step, Frankle et al., arXiv:1903.01611.
    """
    earlier = plain(model)
    earlier.load_state_dict(state)
    return with_masks(earlier, masks_of(model))


def weights_of(model: nn.Module) -> dict[str, NDArray[np.float32]]:
    """Copies of the tensors that are worth pruning: parameters of two axes and more, by name.

    model  masked or not; a dropped weight is 0
    """
    bare = plain(model)
    return {
        name: value.detach().contiguous().numpy().copy()
        for name, value in bare.named_parameters()
        if value.dim() > 1
    }


def _owner(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, last = name.rpartition(".")
    return model.get_submodule(path), last
