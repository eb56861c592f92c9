"""Sensitivity: what a network loses when one layer alone is quantized, layer by layer, width by width."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nncourse.quantizers.affine import choose_qparams, fake_quantize

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.floating[Any]]
Evaluate = Callable[[Mapping[str, Floats]], Mapping[str, float]]
Quantizer = Callable[[Floats, int], Floats]


def per_channel(weight: Floats, bits: int) -> Floats:
    """``weight`` on a symmetric grid of ``bits`` bits for each output channel (axis 0)."""
    return fake_quantize(weight, choose_qparams(weight, bits=bits, axis=0))


def sensitivity_scan(
    weights: Mapping[str, Floats],
    *,
    widths: Sequence[int],
    evaluate: Evaluate,
    quantizer: Quantizer = per_channel,
) -> pd.DataFrame:
    """One row for each layer and width: how the network does when only that layer has that width.

    weights    the weights of each layer, by layer name
    widths     bits to try, each once
    evaluate   called with the layers that are changed and their weights (none: the network as it is);
               gives measures of the network by name, such as ``{"accuracy": 0.97, "loss": 0.1}``.
               An :class:`Evaluator`, for one
    quantizer  called with a weight and a width in bits; gives the quantized weight in the same shape
    returns    columns layer (in the order of ``weights``), bits, and for each measure its value and, as
               ``accuracy_change`` or ``loss_change``, the value less that of the network as it is

    Accuracy on a few thousand images moves in coarse steps and is mostly noise for mild widths; the
    loss moves with every output. Give the allocator the change of the loss:
    ``scan.pivot(index="layer", columns="bits", values="loss_change")``.

    >>> weights = {"first": np.array([[0.4, 1.0]]), "last": np.array([[0.5, 1.0]])}
    >>> def evaluate(changed):
    ...     error = sum(np.abs(weights[name] - weight).sum() for name, weight in changed.items())
    ...     return {"loss": round(float(error), 3)}
    >>> sensitivity_scan(weights, widths=[2, 3], evaluate=evaluate)
       layer  bits   loss  loss_change
    0  first     2  0.400        0.400
    1  first     3  0.067        0.067
    2   last     2  0.500        0.500
    3   last     3  0.167        0.167
    """
    if not weights:
        raise ValueError("weights is empty; name at least one layer")
    if not len(widths) or len(set(widths)) < len(widths):
        raise ValueError(f"widths names each width once, and at least one; got {list(widths)}")
    plain = dict(evaluate({}))
    rows = []
    for layer, weight in weights.items():
        for bits in widths:
            quantized = quantizer(weight, bits)
            if np.shape(quantized) != np.shape(weight):
                raise ValueError(
                    f"quantizer keeps the shape of a weight; {layer} of {np.shape(weight)} "
                    f"became {np.shape(quantized)}"
                )
            reached = evaluate({layer: quantized})
            row: dict[str, Any] = {"layer": layer, "bits": bits}
            for measure, value in plain.items():
                row |= {measure: reached[measure], f"{measure}_change": reached[measure] - value}
            rows.append(row)
    scan = pd.DataFrame(rows)
    scan["layer"] = pd.Categorical(scan["layer"], categories=list(weights), ordered=True)
    return scan


class Evaluator:
    """Accuracy and cross-entropy of a classifier whose weights are partly replaced.

    network   any classifier; copied, never modified, run in inference mode
    x, y      inputs, floating, shape (n, ...); classes, integer, shape (n,)
    batch     inputs at a time
    cache     keep what the stage of the layer that changed last reads, and run only what follows

    A stage is a child of an ``nn.Sequential``: what lies before the first changed layer then runs once
    for all widths. Any other network is one stage, and a cache saves nothing. Results are equal, bit for
    bit, with and without the cache, which holds the inputs of one stage for all of ``x``.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        x: Floats,
        y: NDArray[np.integer[Any]],
        *,
        batch: int = 1000,
        cache: bool = True,
    ) -> None:
        import torch
        from torch import nn

        if len(x) == 0 or len(x) != len(y):
            raise ValueError(
                f"x and y are inputs and their classes, at least one; got {len(x)}, {len(y)}"
            )
        if batch < 1:
            raise ValueError(f"batch is at least 1; got {batch}")
        network = copy.deepcopy(network).eval()
        is_chain = type(network).forward is nn.Sequential.forward
        # named_children would pass over the second use of a stage
        children = [child for child in network._modules.values() if child is not None]
        self._stages = children if is_chain else [network]
        self._layers = {
            name: module
            for name, module in network.named_modules()
            if isinstance(getattr(module, "weight", None), nn.Parameter) and module.weight.ndim >= 2
        }
        self._x = torch.split(torch.from_numpy(np.asarray(x)), batch)
        self._y = torch.from_numpy(np.asarray(y)).long()
        self._cache = cache
        self._kept = 0, self._x  # a stage, and what it reads

    @property
    def weights(self) -> dict[str, Floats]:
        """Copies of the weights of two or more axes, by layer name, in order."""
        return {name: layer.weight.detach().numpy().copy() for name, layer in self._layers.items()}

    def __call__(self, changed: Mapping[str, Floats]) -> dict[str, float]:
        """``accuracy``, a fraction, and ``loss``, mean cross-entropy in nats, with ``changed`` weights.

        changed  new weights by layer name; the other layers are as they were
        """
        import torch

        new = {name: self._checked(name, weight) for name, weight in changed.items()}
        with torch.inference_mode():
            start, read = self._before(list(changed))
            before = {name: self._layers[name].weight.data for name in changed}
            try:
                for name, weight in new.items():
                    self._layers[name].weight.data = weight
                logits = torch.cat([self._through(part, start, None) for part in read])
            finally:
                for name, weight in before.items():
                    self._layers[name].weight.data = weight
            loss = torch.nn.functional.cross_entropy(logits.double(), self._y)
        right = logits.numpy().argmax(axis=1) == self._y.numpy()  # ties go to the lower class
        return {"accuracy": float(right.mean()), "loss": float(loss)}

    def _before(self, changed: list[str]) -> tuple[int, tuple[torch.Tensor, ...]]:
        """The first stage that ``changed`` layers are in, and what it reads from the stages before."""
        if not self._cache:
            return 0, self._x
        start, read = self._kept
        firsts = [
            stage for stage, module in enumerate(self._stages) if self._holds(module, changed)
        ]
        first = firsts[0] if firsts else start
        if first < start:
            start, read = 0, self._x
        if first > start:
            read = tuple(self._through(part, start, first) for part in read)
        self._kept = first, read
        return first, read

    def _holds(self, stage: torch.nn.Module, layers: list[str]) -> bool:
        inside = set(stage.modules())
        return any(self._layers[name] in inside for name in layers)

    def _through(self, part: torch.Tensor, start: int, stop: int | None) -> torch.Tensor:
        values = part.clone()  # a stage may work in place
        for stage in self._stages[start:stop]:
            values = stage(values)
        return values

    def _checked(self, name: str, weight: Floats) -> torch.Tensor:
        import torch

        if name not in self._layers:
            raise ValueError(f"the layers are {', '.join(self._layers)}; got {name!r}")
        old = self._layers[name].weight
        if np.shape(weight) != tuple(old.shape):
            raise ValueError(
                f"{name} has a weight of shape {tuple(old.shape)}; got {np.shape(weight)}"
            )
        return torch.tensor(np.asarray(weight), dtype=old.dtype)
