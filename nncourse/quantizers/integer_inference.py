"""Integer-only inference: a trained float network made into one of int8 weights and int32 sums.

The network is traced, so that layers are found behind containers, blocks and shortcuts. Batch norms go
into the convolution before them, a ReLU into the layer before it, also past a pooling, with which it
commutes. Every remaining result gets a grid from what it was on calibration images.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncourse.quantizers.affine import Floats, QParams, choose_qparams
from nncourse.quantizers.code_operations import (
    Flatten,
    IntegerAveragePool,
    IntegerMaxPool,
    IntegerReLU,
    IntegerSum,
)
from nncourse.quantizers.integer_layers import IntegerLayer, integer_layer
from nncourse.quantizers.integer_network import INPUT, IntegerNetwork, Operation
from nncourse.quantizers.requantization import fixed_point, requantize

if TYPE_CHECKING:
    from torch import fx, nn

__all__ = [
    "IntegerLayer",
    "IntegerNetwork",
    "fixed_point",
    "requantize",
    "to_integers",
]

ACTIVATIONS = ("uint8", "int8")
PLAIN: dict[str, tuple[Any, ...]] = {  # settings that integer operations do not offer
    "dilation": (1, (1, 1)),
    "padding_mode": ("zeros",),
    "ceil_mode": (False,),
    "return_indices": (False,),
    "divisor_override": (None,),
    "output_size": (1, (1, 1)),
    "start_dim": (1,),
    "end_dim": (-1,),
}
SUPPORTED = (
    "Linear, Conv2d, BatchNorm2d after a Conv2d, ReLU, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d(1), "
    "Flatten, Dropout, Identity, the sum of two results"
)
FUNCTIONS = {
    "relu": "relu",
    "add": "sum",
    "iadd": "sum",
    "flatten": "flatten",
}  # of torch or Python
GEOMETRY = ("stride", "padding", "groups")


def to_integers(
    model: nn.Module,
    calibration_images: Floats,
    *,
    weight_bits: int = 8,
    activations: str = "uint8",
    per_channel: bool = True,
    weight_method: str = "minmax",
    activation_method: str = "minmax",
) -> IntegerNetwork:
    """The integer network of ``model``: symmetric weights, asymmetric activations of 8 bits.

    model               torch network of the modules in ``SUPPORTED``, in any nesting; never modified
    calibration_images  float32, (n, ...), training images: what the ranges of all results come from
    weight_bits         width of a weight, 2 .. 8, kept in int8
    activations         "uint8": codes 0 .. 255; "int8": the same grids, all codes 128 lower
    per_channel         whether each output channel has its own weight scale
    weight_method       how ranges of weights are chosen: see :func:`affine.choose_qparams`
    activation_method   the same for the images and the results

    Raises ValueError, with the name of the layer, for a module without an integer form, and where a sum
    could leave 32 bits.

    >>> from torch.nn import Linear, ReLU, Sequential
    >>> images = np.random.default_rng(0).normal(size=(50, 2))
    >>> (layer,) = to_integers(Sequential(Linear(2, 3), ReLU()), images).layers
    >>> layer.weight.dtype, layer.bias.dtype, layer.relu
    (dtype('int8'), dtype('int32'), True)

    Source: Jacob et al., CVPR 2018, arXiv:1712.05877, section 2; the int8 grids, TensorFlow Lite 8-bit
    quantization specification.
    """
    if activations not in ACTIVATIONS:
        raise ValueError(f"activations is one of {', '.join(ACTIVATIONS)}; got {activations!r}")
    if weight_bits not in range(2, 9):
        raise ValueError(f"weight_bits is a whole number from 2 to 8; got {weight_bits!r}")
    traced, values = _observed(model, calibration_images)
    conversion = _Conversion(
        modules=dict(traced.named_modules()),
        values=values,
        signed=activations == "int8",
        activation_method=activation_method,
        weight_options={
            "bits": int(weight_bits),
            "method": weight_method,
            "per_channel": per_channel,
        },
    )
    for node in traced.graph.nodes:
        conversion.add(node)
    return IntegerNetwork(
        input_grid=conversion.grids[INPUT], operations=tuple(conversion.operations)
    )


@dataclass(kw_only=True)
class _Conversion:
    """Operations so far, and which of them wrote what a node of the traced graph stands for."""

    modules: dict[str, nn.Module]
    values: dict[fx.Node, NDArray[np.float32]]
    signed: bool
    activation_method: str
    weight_options: dict[str, Any]
    operations: list[Operation] = field(default_factory=list)
    grids: dict[str, QParams] = field(default_factory=dict)  # by the name of who wrote the codes
    written: dict[fx.Node, str] = field(default_factory=dict)  # that name, of each node
    absorbed: set[fx.Node] = field(default_factory=set)  # whose work an operation before them does

    def add(self, node: fx.Node) -> None:
        """Append the operation of ``node``, or note that one before it has done its work."""
        from torch import fx

        kind = self.kind(node)
        if kind == "output":
            result = node.args[0]
            last = self.operations[-1].name if self.operations else None
            if not isinstance(result, fx.Node) or self.written[result] != last:
                raise ValueError(
                    "model returns one result, that of its last layer; it returns others"
                )
            return
        if kind == "input":
            self.grids[INPUT], self.written[node] = self.grid(node), INPUT
            return
        read = tuple(self.written[each] for each in node.all_input_nodes)
        if kind == "same" or node in self.absorbed:
            self.written[node] = read[0]
            return
        name = str(node.target) if node.op == "call_module" else node.name
        if name in self.grids:  # a module that runs twice
            name = node.name
        operation = self.operation(kind, node, name, read)
        self.operations.append(operation)
        self.grids[name], self.written[node] = operation.output_grid, name

    def operation(self, kind: str, node: fx.Node, name: str, read: tuple[str, ...]) -> Operation:
        from torch.nn.utils.fusion import fuse_conv_bn_eval

        grids = [self.grids[each] for each in read]
        named: dict[str, Any] = {"name": name, "reads": read}
        if kind == "relu":
            return IntegerReLU(output_grid=grids[0], **named)
        if kind == "flatten":
            return Flatten(output_grid=grids[0], **named)
        if kind == "max pool":
            return IntegerMaxPool(output_grid=grids[0], **_windows(self.module(node)), **named)
        end, norm = node, _only_user(node)
        if kind == "weights" and norm is not None and self.kind(norm) == "norm":
            end = norm
            self.absorbed.add(norm)
        relu = self.relu_behind(end)
        named |= {"output_grid": self.grid(relu or end), "relu": relu is not None}
        if relu is not None:
            self.absorbed.add(relu)
        if kind == "sum" and len(grids) == 2:
            return IntegerSum(input_grids=(grids[0], grids[1]), **named)
        if kind == "average pool":
            return IntegerAveragePool(input_grid=grids[0], **_windows(self.module(node)), **named)
        if kind == "weights":
            layer = self.module(node)
            if end is not node:
                layer = fuse_conv_bn_eval(layer, self.module(end))
            return integer_layer(
                layer.weight.detach().numpy(),
                None if layer.bias is None else layer.bias.detach().numpy(),
                input_grid=grids[0],
                **self.weight_options,
                **{what: getattr(layer, what) for what in GEOMETRY if hasattr(layer, what)},
                **named,
            )
        raise _unsupported(node, f"a {kind} of this kind")

    def relu_behind(self, node: fx.Node) -> fx.Node | None:
        """The ReLU that everything at ``node`` goes through next, at most after a choice among it."""
        while (user := _only_user(node)) is not None:
            kind = self.kind(user)
            if kind == "relu":
                return user
            if kind not in ("max pool", "flatten", "same"):
                return None
            node = user
        return None

    def grid(self, node: fx.Node) -> QParams:
        """The grid of the values of ``node``."""
        chosen = choose_qparams(
            self.values[node], bits=8, scheme="asymmetric", method=self.activation_method
        )
        if not self.signed:
            return chosen
        return QParams(scale=chosen.scale, zero_point=chosen.zero_point - 128, qmin=-128, qmax=127)

    def module(self, node: fx.Node) -> Any:
        return self.modules[str(node.target)]

    def kind(self, node: fx.Node) -> str:
        """What ``node`` does, in one word; ValueError where that has no integer form."""
        if node.op in ("placeholder", "output"):
            return "input" if node.op == "placeholder" else "output"
        if node.op == "call_module":
            return _kind_of_module(node, self.module(node))
        target = node.target if isinstance(node.target, str) else node.target.__name__
        kind = FUNCTIONS.get(target)
        others = node.args[1:] + tuple(node.kwargs.values())  # beside what it reads first
        plain = {"flatten": others == (1,), "sum": not node.kwargs, "relu": True}
        if kind is None or not plain[kind]:
            raise _unsupported(node, f"the function {target} with {others}")
        return kind


def _kind_of_module(node: fx.Node, module: nn.Module) -> str:
    from torch import nn

    kinds: list[tuple[type[nn.Module] | tuple[type[nn.Module], ...], str]] = [
        ((nn.Linear, nn.Conv2d), "weights"),
        (nn.BatchNorm2d, "norm"),
        (nn.ReLU, "relu"),
        (nn.MaxPool2d, "max pool"),
        ((nn.AvgPool2d, nn.AdaptiveAvgPool2d), "average pool"),
        (nn.Flatten, "flatten"),
        ((nn.Dropout, nn.Dropout2d, nn.Identity), "same"),
    ]
    for types, kind in kinds:
        if isinstance(module, types):
            plain = PLAIN | ({"padding": (0, (0, 0))} if kind == "average pool" else {})
            odd = {
                setting: getattr(module, setting)
                for setting, allowed in plain.items()
                if hasattr(module, setting) and getattr(module, setting) not in allowed
            }
            if isinstance(getattr(module, "padding", 0), str):
                odd["padding"] = module.padding
            if odd:
                raise _unsupported(node, f"{type(module).__name__} with {odd}")
            return kind
    raise _unsupported(node, type(module).__name__)


def _unsupported(node: fx.Node, what: str) -> ValueError:
    return ValueError(
        f"layer {node.target!s} is {what}, which has no integer form here; supported are {SUPPORTED}"
    )


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _windows(pool: Any) -> dict[str, Any]:
    """Kernel, stride and, where there is any, padding, as pairs; nothing for a pooling to one value."""
    names = {"kernel": "kernel_size", "stride": "stride", "padding": "padding"}
    found = {ours: getattr(pool, theirs) for ours, theirs in names.items() if hasattr(pool, theirs)}
    pairs = {ours: (it, it) if isinstance(it, int) else tuple(it) for ours, it in found.items()}
    return {ours: pair for ours, pair in pairs.items() if (ours, pair) != ("padding", (0, 0))}


def _observed(
    model: nn.Module, images: Floats
) -> tuple[fx.GraphModule, dict[fx.Node, NDArray[np.float32]]]:
    """The traced network and what every node of it gave on ``images``."""
    import torch
    from torch import fx

    try:
        traced = fx.symbolic_trace(copy.deepcopy(model).eval())
    except (fx.proxy.TraceError, TypeError) as error:
        raise ValueError(
            f"model cannot be traced ({error}): its path may not depend on its values"
        ) from None
    values: dict[fx.Node, NDArray[np.float32]] = {}

    class Observer(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            result = super().run_node(n)
            if isinstance(result, torch.Tensor):
                values[n] = result.numpy().copy()  # a ReLU in place would overwrite it
            return result

    with torch.inference_mode():
        Observer(traced).run(torch.from_numpy(np.array(images, dtype=np.float32)))
    return traced, values
