"""The calls whose effect on channels is known, by what they do to them.

A function and a method of the same name do the same; so do a layer and its functional form.
"""

from __future__ import annotations

import operator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from torch import fx

# Each value by itself.
ELEMENTWISE = frozenset(
    (
        *("relu", "relu_", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish"),
        *("hardswish", "hardsigmoid", "hardtanh", "sigmoid", "tanh", "softplus", "softsign"),
        *("logsigmoid", "dropout", "dropout1d", "dropout2d", "dropout3d"),
        *("abs", "neg", "exp", "sqrt", "square", "clamp"),
        *("contiguous", "clone", "detach", "float", "double", "half"),
    )
)
ELEMENTWISE_LAYERS = frozenset(
    (
        *("ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish"),
        *("Hardswish", "Hardsigmoid", "Hardtanh", "Sigmoid", "Tanh", "Softplus", "Softsign"),
        *("LogSigmoid", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "Identity"),
    )
)

# Two tensors, value by value: the channels of both become one.
BINARY = frozenset(
    (
        *("add", "add_", "iadd", "sub", "sub_", "isub", "mul", "mul_", "imul"),
        *("div", "div_", "truediv", "itruediv", "maximum", "minimum", "pow"),
    )
)
CONCATENATIONS = frozenset(("cat", "concat", "concatenate"))

# Along the last axes, as many as the digit in the name says.
POOLS = frozenset(
    f"{kind}_pool{axes}d"
    for kind in ("max", "avg", "adaptive_avg", "adaptive_max")
    for axes in (1, 2, 3)
)
SPATIAL_LAYERS = frozenset(
    f"{kind}{axes}d"
    for kind in (
        *("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool"),
        *("ZeroPad", "ReflectionPad", "ReplicationPad"),
    )
    for axes in (1, 2, 3)
)
REDUCTIONS = frozenset(("mean", "sum", "amax", "amin"))
RESHAPES = frozenset(("flatten", "view", "reshape", "squeeze", "unsqueeze"))

# A value depends on all channels: a channel of zeros is not the same as no channel.
MIXING = frozenset(("softmax", "log_softmax", "softmin", "normalize", "layer_norm", "group_norm"))
MIXING_LAYERS = frozenset(
    ("Softmax", "Softmax2d", "LogSoftmax", "Softmin", "LayerNorm", "GroupNorm")
)

# No tensor comes back.
SIZES = frozenset(("size", "shape", "dim", "ndim", "dtype", "device"))


@cache
def known_functions() -> dict[Any, str]:
    """Names above of the functions of torch and of Python's operators, by function.

    >>> import torch
    >>> known_functions()[torch.nn.functional.relu], known_functions()[operator.add]
    ('relu', 'add')
    """
    import torch
    from torch.nn import functional

    names = ELEMENTWISE | BINARY | CONCATENATIONS | POOLS | REDUCTIONS | RESHAPES | MIXING
    return {
        getattr(module, name): name
        for module in (operator, torch, functional)
        for name in sorted(names)
        if callable(getattr(module, name, None))
    }


def name_of(node: fx.Node) -> str:
    """What a call is called: the function, the method, or the attribute that it reads."""
    if node.target is getattr:
        return str(node.args[1])
    if node.op == "call_function":
        return known_functions().get(node.target) or f"{node.target}"
    return str(node.target)


def argument(node: fx.Node, place: int, name: str, default: Any) -> Any:
    """An argument of a call, by its place or its name."""
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


def is_node(value: Any) -> TypeGuard[fx.Node]:
    """Whether an argument is the result of another call."""
    from torch import fx

    return isinstance(value, fx.Node)


def is_batch_size(size: Any, batch: int) -> bool:
    """Whether ``size`` is the batch: ``x.size(0)``, ``x.shape[0]``, or the number itself."""
    if not is_node(size):
        return bool(size == batch)
    if size.op == "call_method" and size.target == "size":
        return bool(argument(size, 1, "dim", None) == 0)
    source = size.args[0] if size.args else None
    return bool(
        size.target is operator.getitem
        and size.args[1] == 0
        and is_node(source)
        and name_of(source) in ("size", "shape")
    )
