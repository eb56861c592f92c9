"""Shrinking: the same network without its dropped channels, in layers that are really smaller.

Zeros in a weight tensor are multiplied like any other number. A channel that is gone everywhere leaves
a smaller dense network, which any library and any accelerator runs faster without knowing of pruning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.pruners.channels import channel_groups, fixed_channels, kept_places

if TYPE_CHECKING:
    import torch
    from torch import nn

Keep = NDArray[np.bool_]


def shrink(model: nn.Module, example_input: Any, keep: Mapping[str, ArrayLike]) -> nn.Module:
    """A copy of ``model`` without the dropped channels, its layers as small as what stays.

    model          traceable by torch.fx, see :func:`~nncourse.pruners.channels.channel_groups`; never
                   modified. One from ``with_masks`` is shrunk with its zeros written in
    example_input  a tensor that the model reads, batch axis included; a tuple for several inputs
    keep           boolean, shape (size,), by group name, True = kept; a group not named keeps all
    returns        same class, names, types, memory format, training mode and hooks; gradients are not
                   copied

    The outputs, and the gradients of what stays, are those of
    ``with_masks(model, channel_masks(model, groups, keep))`` but for the order of the sums: the masked
    network has zeros in all that makes a dropped channel (weights, bias, gain and shift) and in all
    that reads it, so that nothing of it arrives, whatever lies between.

    >>> from torch import nn, zeros
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    >>> shrink(network, zeros(1, 1, 4, 4), {"0": [True, False, True, True]})
    Sequential(
      (0): Conv2d(1, 3, kernel_size=(3, 3), stride=(1, 1))
      (1): ReLU()
      (2): Flatten(start_dim=1, end_dim=-1)
      (3): Linear(in_features=12, out_features=2, bias=True)
    )
    """
    from nncourse.pruners.masked import plain

    small = plain(model)
    groups = channel_groups(small, example_input)
    names = {group.name for group in groups}
    for name in keep:
        reason = fixed_channels(small, example_input).get(name) if name not in names else None
        if reason:
            raise ValueError(f"keep names {name!r}, which is never cut: {reason}. Leave it out")
    for name, (out, inputs) in kept_places(small, groups, keep).items():
        _resize(name, small.get_submodule(name), out, inputs)
    return small


def _resize(name: str, layer: Any, out: Keep, inputs: Keep | None) -> None:
    """Take what is dropped out of one layer of the copy."""
    from torch import nn

    parameters = dict(layer.named_parameters(recurse=False))
    for last in ("weight", "bias"):
        value = getattr(layer, last, None)
        if value is None:
            continue
        if last not in parameters:
            raise ValueError(
                f"model: {last} of layer {name!r} is computed and no parameter; write it in first, "
                "with the remove function of what computes it"
            )
        columns = inputs[: value.shape[1]] if last == "weight" and inputs is not None else None
        layer.register_parameter(
            last, nn.Parameter(_cut(value, out, columns), requires_grad=value.requires_grad)
        )
    if isinstance(layer, nn.modules.batchnorm._NormBase):
        layer.num_features = int(out.sum())
        for last in ("running_mean", "running_var"):
            if getattr(layer, last) is not None:
                setattr(layer, last, _cut(getattr(layer, last), out, None))
    elif isinstance(layer, nn.Linear):
        assert inputs is not None
        layer.out_features, layer.in_features = int(out.sum()), int(inputs.sum())
    elif inputs is None:
        each = layer.out_channels // layer.groups
        layer.out_channels = int(out.sum())
        layer.in_channels = layer.groups = layer.out_channels // each
    else:
        layer.out_channels, layer.in_channels = int(out.sum()), int(inputs.sum())


def _cut(value: torch.Tensor, rows: Keep, columns: Keep | None) -> torch.Tensor:
    """The rows and columns that stay, laid out in memory as before."""
    import torch

    kept = value.detach()[torch.from_numpy(rows).to(value.device)]
    if columns is not None:
        kept = kept[:, torch.from_numpy(columns).to(value.device)]
    if value.dim() == 4:
        last = torch.empty(value.shape, device="meta", memory_format=torch.channels_last)
        if value.stride() == last.stride() and not _rowwise(value):
            laid_out = torch.empty_like(kept, memory_format=torch.channels_last)
            return laid_out.copy_(kept)
    return kept.contiguous()


def _rowwise(value: torch.Tensor) -> bool:
    import torch

    return value.stride() == torch.empty(value.shape, device="meta").stride()
