"""Which channels of which layers are one and the same, found by following a network's calls.

Every output of a layer starts as a channel of its own. What the network does with it decides the rest:
an addition makes two channels one, a concatenation puts them in a row, a flattening repeats each of
them. A call whose effect on the channels is not known here is an error: a guess would cut wrongly.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from nncourse.pruners.channel_following import Follower
from nncourse.pruners.channel_union import Trace

if TYPE_CHECKING:
    import torch
    from torch import fx, nn


def trace_channels(model: nn.Module, example_input: Any) -> Trace:
    """The channels of ``model``.

    model          traceable by torch.fx; followed in evaluation mode, never modified
    example_input  a tensor with its batch axis, or a tuple of them for several inputs

    >>> from torch import nn, zeros
    >>> network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> sides = trace_channels(network, zeros(1, 3)).sides
    >>> bool((sides["0"].out == sides["2"].inputs).all())
    True
    """
    from torch import fx

    model = copy.deepcopy(model).eval()
    _refuse_ties(model)
    try:
        graph = fx.GraphModule(model, fx.Tracer().trace(model))
    except Exception as error:  # whatever the forward of the model raises when fed a proxy
        raise ValueError(
            f"model is traceable by torch.fx; got {type(error).__name__}: {error}. "
            "Take the branches on values out of its forward, or cut its parts one by one"
        ) from error
    inputs = example_input if isinstance(example_input, tuple) else (example_input,)
    follower = Follower(model, _shapes(graph, inputs))
    for node in graph.graph.nodes:
        follower.visit(node)
    follower.refuse_missed()
    return follower.result()


def _shapes(
    graph: fx.GraphModule, inputs: tuple[torch.Tensor, ...]
) -> dict[fx.Node, tuple[int, ...]]:
    """Shape of each tensor that the calls compute."""
    import torch
    from torch import fx

    shapes: dict[fx.Node, tuple[int, ...]] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            result = super().run_node(n)
            if isinstance(result, torch.Tensor):
                shapes[n] = tuple(result.shape)
            return result

    try:
        with torch.no_grad():
            Recorder(graph).run(*inputs)
    except Exception as error:  # whatever the layers of the model raise
        raise ValueError(
            "example_input is what the model reads, with the batch axis; got "
            f"{[tuple(getattr(part, 'shape', ())) for part in inputs]}, and {type(error).__name__}: "
            f"{error}"
        ) from error
    return shapes


def _refuse_ties(model: nn.Module) -> None:
    owners: dict[int, tuple[int, str]] = {}
    for path, part in model.named_modules():
        for name, parameter in part.named_parameters(path, recurse=False):
            owner = owners.setdefault(id(parameter), (id(part), name))
            if owner[0] != id(part):
                raise ValueError(
                    f"model: parameters {owner[1]!r} and {name!r} are one tensor in two layers, and a "
                    "cut would tear them apart; untie them, or call one layer twice"
                )
