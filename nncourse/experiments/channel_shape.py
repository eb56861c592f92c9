"""The one shape of the pruning experiments that leaves a smaller dense network: whole channels."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nncourse.pruners.channels import (
    channel_groups,
    channel_masks,
    channel_scores,
    keep_channels,
)
from nncourse.pruners.masks import Mask
from nncourse.pruners.shrinking import shrink
from nncourse.zoo.pruning import Chooser, Pruned

Keep = NDArray[np.bool_]


def chooser(model: nn.Module, example_input: torch.Tensor) -> Chooser:
    """A function that prunes whole channels, every group of them to the same share.

    model          gives the form; its weights are those that the function is handed
    example_input  of the model

    A sparsity of s drops ``1 - sqrt(1 - s)`` of the channels: a layer between two groups that keep
    the same share loses both inputs and outputs, and keeps ``1 - s`` of its weights.
    """
    groups = channel_groups(model, example_input)

    def choose(weights: Mapping[str, NDArray[np.float32]], sparsity: float) -> Mapping[str, Mask]:
        current = copy.deepcopy(model)
        values = {name: torch.from_numpy(weight) for name, weight in weights.items()}
        current.load_state_dict(values, strict=False)
        scores = channel_scores(current, groups)
        keep = keep_channels(scores, sparsity=1.0 - math.sqrt(1.0 - sparsity))
        return channel_masks(current, groups, keep)

    return choose


def smaller(pruned: Pruned, example_input: Any) -> nn.Module:
    """The network of ``pruned`` without its dropped channels.

    pruned         by a :func:`chooser`: a channel whose maker's weights are all dropped is gone
    example_input  of the network
    """
    keep: dict[str, Keep] = {}
    for group in channel_groups(pruned.network, example_input):
        maker = next(member for member in group.members if member.side == "out")
        mask = pruned.masks[f"{maker.layer}.weight"]
        alive: Keep = mask.reshape(len(mask), -1).sum(axis=1) > 0
        keep[group.name] = np.array([alive[list(places)].any() for places in maker.places])
    return shrink(pruned.network, example_input, keep)
