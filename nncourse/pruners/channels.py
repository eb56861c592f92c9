"""Channel groups: which channels must be dropped together, which matter least, and what masks that is.

A channel is an output of one layer, and something else reads it: the batch normalization behind the
layer, the layer after that, and, where a shortcut is added, a layer far away. All of them lose the
channel together or not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from nncourse.pruners.channel_choice import Keep, Scores
from nncourse.pruners.channel_choice import keep_channels as keep_channels
from nncourse.pruners.channel_trace import trace_channels

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Member:
    """One axis of one layer that a group cuts.

    layer   name of the layer
    side    "out" for its outputs (of a batch norm and of a depthwise convolution the inputs as well),
            "in" for its inputs
    places  for each channel of the group, its indices along that axis: behind a flattening several
    """

    layer: str
    side: Literal["out", "in"]
    places: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if self.side not in ("out", "in"):
            raise ValueError(f"side is 'out' or 'in', got {self.side!r} for {self.layer}.")
        if not self.places or not all(self.places):
            raise ValueError(f"places holds an index for every channel, got {self.places}.")


@dataclass(frozen=True, kw_only=True)
class ChannelGroup:
    """Channels that can be dropped, and everything that goes with each of them.

    name     of the first layer that makes them; a second group of that layer ends in "#2"
    size     channels
    members  the axes cut, in the order of the calls; each lists a place for every channel
    """

    name: str
    size: int
    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        if self.size < 1 or any(len(member.places) != self.size for member in self.members):
            raise ValueError(
                f"size is the number of places of every member and at least 1; got {self.size} for "
                f"{self.name} with {[len(member.places) for member in self.members]}."
            )


def channel_groups(model: nn.Module, example_input: Any) -> list[ChannelGroup]:
    """The groups of channels that can be cut, in the order in which the network makes them.

    model          traceable by torch.fx: convolutions, linear layers, batch and instance norms,
                   pooling, elementwise functions, additions, products, concatenation, flattening
    example_input  a tensor that the model reads, batch axis included; a tuple for several inputs

    Channels that the network reads or returns are in no group: :func:`fixed_channels` has the reasons.
    All channels of a group have the same members, so a layer keeps some of its channels as soon as
    each group does. A convolution in g groups that is not depthwise loses the same places of each of
    its groups; a layer that is called twice the same places in both calls. A call that is not known
    raises ValueError with its name.

    >>> from torch import nn, zeros
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    >>> (group,) = channel_groups(network, zeros(1, 1, 4, 4))
    >>> group.name, group.size, [(member.layer, member.side) for member in group.members]
    ('0', 4, [('0', 'out'), ('3', 'in')])
    >>> group.members[1].places[1]
    (4, 5, 6, 7)

    Source: G. Fang et al., DepGraph, CVPR 2023, arXiv:2301.12900, section 3.
    """
    trace = trace_channels(model, example_input)
    places: dict[int, dict[tuple[str, str], list[int]]] = defaultdict(lambda: defaultdict(list))
    for layer, sides in trace.sides.items():
        for side, along in (("in", sides.inputs), ("out", sides.out)):
            for place, channel in enumerate([] if along is None else along.tolist()):
                if channel not in trace.fixed:
                    places[channel][layer, side].append(place)
    together: dict[tuple[tuple[str, str], ...], list[int]] = defaultdict(list)
    for channel in sorted(places):
        together[tuple(places[channel])].append(channel)
    groups: list[ChannelGroup] = []
    taken: dict[str, int] = defaultdict(int)
    for axes, channels in together.items():
        maker = next(layer for layer, side in axes if side == "out")
        taken[maker] += 1
        members = tuple(
            Member(
                layer=layer,
                side="out" if side == "out" else "in",
                places=tuple(tuple(places[channel][layer, side]) for channel in channels),
            )
            for layer, side in axes
        )
        name = maker if taken[maker] == 1 else f"{maker}#{taken[maker]}"
        groups.append(ChannelGroup(name=name, size=len(channels), members=members))
    return groups


def fixed_channels(model: nn.Module, example_input: Any) -> dict[str, str]:
    """Why the outputs of a layer are in no group, by layer name; layers that can be cut are left out.

    model, example_input  as for :func:`channel_groups`

    >>> from torch import nn, zeros
    >>> fixed_channels(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)), zeros(1, 3))
    {'1': 'it is an output of the network'}
    """
    trace = trace_channels(model, example_input)
    return {
        layer: trace.fixed[int(channel)]
        for layer, sides in trace.sides.items()
        for channel in sides.out
        if int(channel) in trace.fixed
    }


def channel_scores(model: nn.Module, groups: Iterable[ChannelGroup]) -> dict[str, Scores]:
    """Importance of each channel by group name: float64, shape (size,), at least 0, mean 1 in a group.

    model   the one that was traced, or one with the same layers
    groups  from :func:`channel_groups`

    The L2 norm of all weights that go with the channel, of makers, norms and readers, without biases;
    divided by the mean of the group, so that groups compare. A group of zeros scores zeros.

    >>> import torch
    >>> network = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.Linear(2, 1))
    >>> network[0].weight.data = torch.tensor([[3.0], [0.0]])
    >>> network[1].weight.data = torch.tensor([[4.0, 0.0]])
    >>> channel_scores(network, channel_groups(network, torch.zeros(1, 1)))
    {'0': array([2., 0.])}

    Source: Li et al., Pruning filters for efficient ConvNets, arXiv:1608.08710, for one layer; summed
    over a group: Fang et al., DepGraph, arXiv:2301.12900, equation 4.
    """
    scores = {}
    for group in groups:
        squares = np.zeros(group.size)
        for member in group.members:
            layer = _layer(model, member.layer)
            if layer.weight is None:
                continue
            along = _squares_along(layer, member.side)
            squares += [along[list(places)].sum() for places in member.places]
        norms = np.sqrt(squares)
        if not np.isfinite(norms).all():
            raise ValueError(
                f"weights are finite; group {group.name!r} has NaN or infinity: find where it came from"
            )
        scores[group.name] = norms / norms.mean() if norms.any() else norms
    return scores


def channel_masks(
    model: nn.Module, groups: Iterable[ChannelGroup], keep: Mapping[str, ArrayLike]
) -> dict[str, Keep]:
    """Masks, by parameter name, of every value that goes with a dropped channel; True = kept.

    groups   from :func:`channel_groups` of this model
    keep     boolean, shape (size,), by group name; a group that is not named keeps all
    returns  one mask for each parameter that loses something: rows of weights and biases of the layers
             that make a dropped channel, gain and shift of its norms, columns of the layers that read it

    Zeros in the making layer alone would not do: a batch norm adds its shift, and a sigmoid of 0 is
    one half. With the columns of the readers at 0 as well, nothing of a dropped channel arrives.

    >>> from torch import nn, zeros
    >>> network = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
    >>> groups = channel_groups(network, zeros(1, 1))
    >>> masks = channel_masks(network, groups, {"0": [True, False]})
    >>> list(masks), masks["1.weight"]
    (['0.weight', '0.bias', '1.weight'], array([[ True, False]]))
    """
    masks: dict[str, Keep] = {}
    for name, (out, inputs) in kept_places(model, groups, keep).items():
        layer = _layer(model, name)
        for last in ("weight", "bias"):
            value = getattr(layer, last, None)
            if value is None:
                continue
            rows = out.reshape(-1, *[1] * (value.dim() - 1))
            mask = np.broadcast_to(rows, tuple(value.shape)).copy()
            if last == "weight" and inputs is not None:
                mask &= inputs[: value.shape[1]].reshape(1, -1, *[1] * (value.dim() - 2))
            if not mask.all():
                masks[f"{name}.{last}" if name else last] = mask
    return masks


def kept_places(
    model: nn.Module, groups: Iterable[ChannelGroup], keep: Mapping[str, ArrayLike]
) -> dict[str, tuple[Keep, Keep | None]]:
    """Outputs and inputs that stay, by name of each layer that a group in ``keep`` cuts.

    model, groups, keep  as for :func:`channel_masks`
    returns              pairs of boolean arrays; None for the inputs of norms and depthwise
                         convolutions, which go with their outputs
    """
    by_name = {group.name: group for group in groups}
    found: dict[str, tuple[Keep, Keep | None]] = {}
    for name, value in keep.items():
        if name not in by_name:
            raise ValueError(
                f"keep names the group {name!r}; those that can be cut are: {', '.join(by_name)}"
            )
        group, kept = by_name[name], np.asarray(value)
        if kept.dtype != bool or kept.shape != (group.size,):
            raise ValueError(
                f"keep of group {name!r} is boolean of shape ({group.size},), one for each channel; "
                f"got {kept.dtype} of shape {kept.shape}"
            )
        if not kept.any():
            raise ValueError(
                f"keep of group {name!r} keeps at least one channel; got none of {group.size}: a "
                "network without it would be cut in two"
            )
        for member in group.members:
            if member.layer not in found:
                found[member.layer] = _everything(_layer(model, member.layer))
            axis = found[member.layer][member.side == "in"]
            if axis is None or any(place >= len(axis) for p in member.places for place in p):
                raise ValueError(
                    f"groups belong to the model; group {name!r} has channels that layer "
                    f"{member.layer!r} lacks: call channel_groups(model, ...) again"
                )
            for places, stays in zip(member.places, kept, strict=True):
                axis[list(places)] = stays
    return found


def _everything(layer: Any) -> tuple[Keep, Keep | None]:
    from torch import nn

    if isinstance(layer, nn.modules.batchnorm._NormBase):
        return np.ones(layer.num_features, dtype=bool), None
    if isinstance(layer, nn.Linear):
        return np.ones(layer.out_features, dtype=bool), np.ones(layer.in_features, dtype=bool)
    depthwise = layer.groups == layer.in_channels > 1
    inputs = None if depthwise else np.ones(layer.in_channels, dtype=bool)
    return np.ones(layer.out_channels, dtype=bool), inputs


def _squares_along(layer: Any, side: str) -> Scores:
    """Sum of the squared weights of each output, or of each input of all groups of a convolution."""
    weight = layer.weight.detach().double().cpu().numpy()
    if side == "out":
        by_output: Scores = np.square(weight.reshape(len(weight), -1)).sum(axis=1)
        return by_output
    groups = getattr(layer, "groups", 1)
    parts = weight.reshape(groups, len(weight) // groups, weight.shape[1], -1)
    by_input: Scores = np.square(parts).sum(axis=(1, 3)).reshape(-1)
    return by_input


def _layer(model: nn.Module, name: str) -> Any:
    try:
        return model.get_submodule(name)
    except AttributeError as error:
        raise ValueError(
            f"groups belong to the model; it has no layer {name!r}: call channel_groups(model, ...)"
        ) from error
