"""Sensitivity: what a network loses when one layer alone is pruned, layer by layer, density by density."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from nncourse.pruners.masks import Mask, Weight, magnitude_mask

Evaluate = Callable[[Mapping[str, NDArray[Any]]], float | Mapping[str, float]]


class Chooser(Protocol):
    """A mask function of which only the sparsity is still open."""

    def __call__(self, weight: Weight, /, *, sparsity: float) -> Mask: ...


def sensitivity_scan(
    weights: Mapping[str, Weight],
    evaluate: Evaluate,
    *,
    densities: Sequence[float],
    choose: Chooser = magnitude_mask,
    scores: Mapping[str, Weight] | None = None,
) -> pd.DataFrame:
    """One row for each layer and density: how the network does when that layer alone is pruned.

    weights    the tensors to prune, by name; never modified
    evaluate   called with all tensors of ``weights`` by name, one of them pruned (to begin with, none);
               gives the accuracy of the network, or measures of it by name, such as
               ``{"accuracy": 0.97, "loss": 0.1}``. It decides on which images: those of the validation
               split, as densities chosen by a scan of test images would flatter the test
    densities  fractions of the layer to keep, each once; 1 is the network as it is
    choose     called with a tensor and a sparsity: ``magnitude_mask``, or another whose shape is set,
               ``functools.partial(bank_balanced_mask, bank=16)``
    scores     importance by name, ranked in the place of the tensors that it names
    returns    columns layer (in the order of ``weights``), density, and accuracy or the measures

    Accuracy on a few thousand images moves in coarse steps and hides mild losses; the loss moves with
    every output.

    >>> weights = {"first": np.array([[4.0, 1.0]]), "last": np.array([[3.0, 2.0]])}
    >>> def evaluate(tensors):
    ...     return float(tensors["first"].sum() * tensors["last"].sum() / 25)
    >>> sensitivity_scan(weights, evaluate, densities=[1.0, 0.5])
       layer  density  accuracy
    0  first      1.0       1.0
    1  first      0.5       0.8
    2   last      1.0       1.0
    3   last      0.5       0.6
    """
    scores = {} if scores is None else scores
    _check(weights, densities, scores)
    rows: list[dict[str, Any]] = []
    whole = _measures(evaluate(dict(weights)))
    steps = [(layer, density) for layer in weights for density in densities]
    for layer, density in tqdm(steps, desc="sensitivity", unit="density", leave=False):
        weight = weights[layer]
        keep = choose(scores.get(layer, weight), sparsity=1.0 - density)
        if keep.shape != weight.shape:
            raise ValueError(
                f"choose gives a mask of the shape of the tensor; {layer!r} has {weight.shape}, "
                f"got {keep.shape}"
            )
        measures = whole
        if not keep.all():
            measures = _measures(evaluate({**weights, layer: weight * keep}))
        rows.append({"layer": layer, "density": density, **measures})
    scan = pd.DataFrame(rows)
    scan["layer"] = pd.Categorical(scan["layer"], categories=list(weights), ordered=True)
    return scan


def _check(
    weights: Mapping[str, Weight], densities: Sequence[float], scores: Mapping[str, Weight]
) -> None:
    if not weights:
        raise ValueError("weights is empty; give the tensors to prune by name")
    if not len(densities) or len(set(densities)) < len(densities):
        raise ValueError(
            f"densities names each density once, and at least one; got {list(densities)}"
        )
    wrong = [density for density in densities if not 0.0 <= density <= 1.0]
    if wrong:
        raise ValueError(
            f"densities are fractions to keep, in [0, 1]; got {wrong[0]}: is it in percent?"
        )
    for name, score in scores.items():
        if name not in weights or np.shape(score) != weights[name].shape:
            known = {layer: weight.shape for layer, weight in weights.items()}
            raise ValueError(
                f"scores have the names and shapes of weights, {known}; got {name!r} {np.shape(score)}"
            )


def _measures(found: float | Mapping[str, float]) -> dict[str, float]:
    if isinstance(found, Mapping):
        return {name: float(value) for name, value in found.items()}
    return {"accuracy": float(found)}
