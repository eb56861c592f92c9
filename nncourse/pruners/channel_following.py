"""Following the calls of a network, one by one: what each of them does to the channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from nncourse.pruners import channel_calls as calls
from nncourse.pruners.channel_union import Channels, ChannelUnion, Sides, Trace

if TYPE_CHECKING:
    from torch import fx, nn

INPUT = "it is an input of the network"
OUTPUT = "it is an output of the network"


@dataclass(frozen=True)
class _Value:
    """A tensor between two calls, its shape, and the channels along one axis."""

    shape: tuple[int, ...]
    axis: int
    channels: Channels


class Follower:
    """One pass over the calls, in their order."""

    def __init__(self, model: nn.Module, shapes: dict[fx.Node, tuple[int, ...]]) -> None:
        self.model = model
        self.shapes = shapes
        self.values: dict[fx.Node, _Value] = {}
        self.sides: dict[str, Sides] = {}
        self.called: set[str] = set()
        self.names = {id(part): name for name, part in model.named_modules()}
        self.union = ChannelUnion()

    def visit(self, node: fx.Node) -> None:
        """Set the channels of what ``node`` computes, if it is a tensor."""
        if node.op == "placeholder":
            if node in self.shapes:
                self.values[node] = self._fixed(node, INPUT)
        elif node.op == "output":
            for source in node.all_input_nodes:
                if source not in self.values:
                    self._refuse(node, "it returns something that is no tensor of the network")
                self.union.fix(self.values[source].channels, OUTPUT)
        elif node.op == "get_attr":
            if node in self.shapes and prod(self.shapes[node]) != 1:
                self._refuse(node, "it reads a tensor that belongs to no layer; make it a layer")
            self.called.add(str(node.target).rpartition(".")[0])
        elif any(source in self.values for source in node.all_input_nodes):
            self._call(node)

    def refuse_missed(self) -> None:
        """Raise if a layer with parameters was never called: nobody knows what it would read."""
        for name, part in self.model.named_modules():
            if name not in self.called and list(part.parameters(recurse=False)):
                raise ValueError(
                    f"model calls every layer in evaluation mode; layer {name!r} is never called: "
                    "remove it before the cut"
                )

    def result(self) -> Trace:
        """The trace, with one number for each channel."""
        return self.union.trace(self.sides)

    def _call(self, node: fx.Node) -> None:
        name = calls.name_of(node)
        if node not in self.shapes:
            if name in calls.SIZES:
                return
            self._refuse(node, "it returns no single tensor")
        if node.op == "call_module":
            self.values[node] = self._module(node, self.model.get_submodule(str(node.target)))
            return
        self.values[node] = self._function(node, name)

    def _module(self, node: fx.Node, layer: nn.Module) -> _Value:
        from torch import nn

        value = self._only_input(node)
        self.called.add(self.names[id(layer)])
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            if len(value.shape) != layer.weight.dim():
                self._refuse(node, "its input lacks the batch axis")
            return self._layer(node, layer, self._on_axis(node, value, 1), layer.groups)
        if isinstance(layer, nn.Linear):
            return self._layer(node, layer, self._on_axis(node, value, len(value.shape) - 1), 1)
        if isinstance(layer, nn.modules.batchnorm._NormBase):
            value = self._on_axis(node, value, 1)
            self._add(layer, Sides(value.channels, None))
            return self._like(node, value)
        if isinstance(layer, nn.Flatten):
            return self._flatten(node, value, layer.start_dim, layer.end_dim)
        kind = type(layer).__name__
        if kind in calls.SPATIAL_LAYERS:
            return self._pool(node, value, int(kind[-2]))
        if kind in calls.ELEMENTWISE_LAYERS or (
            isinstance(layer, nn.PReLU) and layer.num_parameters == 1
        ):
            return self._like(node, value)
        if kind in calls.MIXING_LAYERS:
            self.union.fix(value.channels, f"{node.target} mixes channels")
            return self._like(node, value)
        return self._unknown(node, f"a {kind} is not known here")

    def _function(self, node: fx.Node, name: str) -> _Value:
        if name in calls.CONCATENATIONS:
            return self._concatenate(node)
        if name in calls.BINARY:
            return self._binary(node)
        value = self._only_input(node, sizes=name in ("view", "reshape"))
        special: dict[str, Callable[[], _Value]] = {
            "flatten": lambda: self._flatten(
                node,
                value,
                calls.argument(node, 1, "start_dim", 0),
                calls.argument(node, 2, "end_dim", -1),
            ),
            "view": lambda: self._reshape(node, value),
            "reshape": lambda: self._reshape(node, value),
            "squeeze": lambda: self._squeeze(node, value),
            "unsqueeze": lambda: self._squeeze(node, value),
        }
        if name in special:
            return special[name]()
        if name in calls.ELEMENTWISE:
            return self._like(node, value)
        if name in calls.POOLS:
            return self._pool(node, value, int(name[-2]))
        if name in calls.REDUCTIONS:
            return self._reduce(node, value)
        if name in calls.MIXING:
            self.union.fix(value.channels, f"{node.name} mixes channels")
            return self._like(node, value)
        return self._unknown(node, f"{name!r} is not known here")

    def _layer(self, node: fx.Node, layer: Any, value: _Value, groups: int) -> _Value:
        """A layer with weights: new channels out of the ones that it reads."""
        name = self.names[id(layer)]
        count = layer.weight.shape[0]
        new = self.sides[name].out if name in self.sides else self.union.new(count)
        reads: Channels | None = value.channels
        if groups > 1 and groups == len(value.channels):
            for part in new.reshape(groups, -1).T:
                self.union.unite(value.channels, part)
            reads = None
        elif groups > 1:
            # A convolution in groups stays regular if each of its groups loses the same places.
            for channels in (value.channels, new):
                for part in channels.reshape(groups, -1):
                    self.union.unite(channels.reshape(groups, -1)[0], part)
        self._add(layer, Sides(new, reads))
        return _Value(self.shapes[node], value.axis, new)

    def _add(self, layer: nn.Module, sides: Sides) -> None:
        """Remember the layer; what is called twice must be cut in the same places twice."""
        earlier = self.sides.setdefault(self.names[id(layer)], sides)
        self.union.unite(earlier.out, sides.out)
        if earlier.inputs is not None and sides.inputs is not None:
            self.union.unite(earlier.inputs, sides.inputs)

    def _binary(self, node: fx.Node) -> _Value:
        for source in node.all_input_nodes:
            if source in self.values:
                continue
            if source not in self.shapes:
                self._refuse(node, "it computes with a size, which the cut may change")
            if prod(self.shapes[source]) != 1:
                self._refuse(node, "it reads a tensor that belongs to no layer; make it a layer")
        values = [self.values[source] for source in node.all_input_nodes if source in self.values]
        first = values[0]
        for other in values[1:]:
            if (len(first.shape), first.axis) != (len(other.shape), other.axis):
                return self._unknown(node, "its operands have their channels on different axes")
            if len(first.channels) == len(other.channels):
                self.union.unite(first.channels, other.channels)
                continue
            narrow, first = sorted((first, other), key=lambda value: len(value.channels))
            self.union.fix(narrow.channels, f"{node.name} spreads it over all channels")
        return self._like(node, first)

    def _concatenate(self, node: fx.Node) -> _Value:
        parts, axis = calls.argument(node, 0, "tensors", ()), calls.argument(node, 1, "dim", 0)
        values = [self.values[part] for part in parts if part in self.values]
        if len(values) != len(parts) or len({value.axis for value in values}) != 1:
            self._refuse(node, "its parts are not all made by the network along the same axis")
        first = values[0]
        axis = axis % len(first.shape)
        if axis == first.axis:
            joined = np.concatenate([value.channels for value in values])
            return _Value(self.shapes[node], axis, joined)
        if axis == 0:
            self._refuse(node, "it works along the batch axis")
        for value in values[1:]:
            self.union.unite(first.channels, value.channels)
        return self._like(node, first)

    def _flatten(self, node: fx.Node, value: _Value, start: Any, end: Any) -> _Value:
        rank = len(value.shape)
        start, end = start % rank, end % rank
        if start == 0 and end > 0:
            return self._unknown(node, "it works along the batch axis; start at axis 1")
        if not start <= value.axis <= end:
            axis = value.axis if value.axis < start else value.axis - (end - start)
            return self._like(node, value, axis)
        outer, inner = (
            prod(value.shape[start : value.axis]),
            prod(value.shape[value.axis + 1 : end + 1]),
        )
        channels = np.tile(np.repeat(value.channels, inner), outer)
        return _Value(self.shapes[node], start, channels)

    def _reshape(self, node: fx.Node, value: _Value) -> _Value:
        sizes: Any = node.args[1:] or [node.kwargs.get("shape", node.kwargs.get("size"))]
        sizes = sizes[0] if isinstance(sizes[0], list | tuple) else sizes
        if len(sizes) != 2 or sizes[1] != -1 or not calls.is_batch_size(sizes[0], value.shape[0]):
            return self._unknown(
                node, "it is no reshape to (batch, -1), so its sizes may not fit after a cut"
            )
        return self._flatten(node, value, 1, -1)

    def _squeeze(self, node: fx.Node, value: _Value) -> _Value:
        axis = calls.argument(node, 1, "dim", None)
        if not isinstance(axis, int):
            return self._unknown(node, "it names no single axis; say which axis has size 1")
        larger = max(len(value.shape), len(self.shapes[node]))
        if axis % larger <= value.axis:
            return self._unknown(node, "it moves or removes the axis of the channels")
        return self._like(node, value)

    def _reduce(self, node: fx.Node, value: _Value) -> _Value:
        axes = calls.argument(node, 1, "dim", None)
        axes = (axes,) if isinstance(axes, int) else axes
        if not isinstance(axes, list | tuple) or not axes:
            return self._unknown(node, "it runs over all axes; say which")
        axes = {axis % len(value.shape) for axis in axes}
        if 0 in axes or value.axis in axes:
            return self._unknown(node, "it runs over the channels or the batch")
        kept = len(self.shapes[node]) == len(value.shape)
        axis = value.axis - (0 if kept else sum(reduced < value.axis for reduced in axes))
        return self._like(node, value, axis)

    def _pool(self, node: fx.Node, value: _Value, rank: int) -> _Value:
        if value.axis >= len(value.shape) - rank:
            return self._unknown(node, "it pools along the axis of the channels")
        return self._like(node, value)

    def _unknown(self, node: fx.Node, why: str) -> _Value:
        """Harmless as long as nothing but the network's inputs goes in; else an error."""
        for source in node.all_input_nodes:
            value = self.values.get(source)
            if value is not None and not self.union.all_fixed(value.channels, INPUT):
                self._refuse(node, why)
        return self._fixed(node, INPUT)

    def _on_axis(self, node: fx.Node, value: _Value, axis: int) -> _Value:
        if value.axis == axis:
            return value
        if self.union.all_fixed(value.channels, INPUT):
            new = self.union.new(value.shape[axis])
            self.union.fix(new, INPUT)
            return _Value(value.shape, axis, new)
        return self._refuse(node, f"it reads channels on axis {axis}, which are on {value.axis}")

    def _like(self, node: fx.Node, value: _Value, axis: int | None = None) -> _Value:
        axis = value.axis if axis is None else axis
        shape = self.shapes[node]
        if len(shape) <= axis or shape[axis] != len(value.channels):
            self._refuse(node, "it changes the number of channels")
        return _Value(shape, axis, value.channels)

    def _only_input(self, node: fx.Node, *, sizes: bool = False) -> _Value:
        tensors = [source for source in node.all_input_nodes if source in self.shapes]
        if len(tensors) != 1 or tensors[0] not in self.values:
            self._refuse(node, f"it reads {len(tensors)} tensors, and one is expected")
        if not sizes and len(node.all_input_nodes) > 1:
            self._refuse(node, "it computes with a size, which the cut may change")
        return self.values[tensors[0]]

    def _refuse(self, node: fx.Node, why: str) -> NoReturn:
        raise ValueError(
            f"model is made of calls whose channels can be followed; at {node.name!r} "
            f"({node.format_node()}) {why}. Rewrite that call, or cut the parts around it"
        )

    def _fixed(self, node: fx.Node, reason: str) -> _Value:
        shape = self.shapes[node]
        axis = min(1, len(shape) - 1)
        channels = self.union.new(shape[axis] if shape else 1)
        self.union.fix(channels, reason)
        return _Value(shape, axis, channels)
