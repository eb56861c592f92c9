"""The language model that an experiment looks at: its matrices, what they read, and its losses.

Calibration sees text that the model was trained on; losses are read on plays that it has never seen.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from nncourse.curvature import gram
from nncourse.experiments.subject import Array, gemm_layers
from nncourse.quantizers.smoothing import fold
from nncourse.zoo.transformer import Cache, Form

NORMS = {"attention.qkv": "norm1", "perceptron.up": "norm2"}
"""Layers of a block that read a layer normalization, and which one."""
OUTLIER_CHANNELS = (21, 85)
OUTLIER_FACTOR = 64  # a power of two: nothing is rounded when it is multiplied and divided

Rounder = Callable[[Array], Array]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Inputs:
    """What a layer read over the calibration text.

    gram   sum of x x^T, shape (k, k)
    means  mean |x| of each input, shape (k,)
    peaks  largest |x| of each input, shape (k,)
    """

    gram: Doubles
    means: Doubles
    peaks: Doubles

    @property
    def peak_ratio(self) -> float:
        """Largest magnitude of all inputs over their mean magnitude."""
        return float(self.peaks.max() / self.means.mean())


def layer_names(form: Form) -> list[str]:
    """The layers whose matrices are compressed: those of the blocks, the head and the tokens left out."""
    ends = ("attention.qkv", "attention.out", "perceptron.up", "perceptron.down")
    return [f"blocks.{block}.{end}" for block in range(form.depth) for end in ends]


def calibrate(model: nn.Module, windows: npt.NDArray[np.int64]) -> dict[str, Inputs]:
    """What each layer of the blocks reads while the model reads ``windows``, by layer name."""
    seen: dict[str, Array] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            seen[name] = inputs[0].reshape(-1, inputs[0].shape[-1]).numpy().astype(np.float64)

        return hook

    copied = copy.deepcopy(model).eval()
    for name, layer in gemm_layers(copied).items():
        if name.startswith("blocks."):
            layer.register_forward_pre_hook(keep(name))
    with torch.inference_mode():
        copied(torch.from_numpy(windows[:, :-1]))
    return {
        name: Inputs(gram=gram(x), means=np.abs(x).mean(axis=0), peaks=np.abs(x).max(axis=0))
        for name, x in seen.items()
    }


def folded(tensors: Mapping[str, Array], scales: Mapping[str, Doubles]) -> dict[str, Array]:
    """Tensors of a model that computes the same with what some layers read divided by ``scales``.

    tensors  by name; never modified
    scales   by name of a layer that reads a normalization, shape (k,): divides the normalization and
             multiplies the columns of the layer's matrix
    """
    moved = dict(tensors)
    for layer, factors in scales.items():
        block, _, end = layer.partition(".")[2].partition(".")
        if end not in NORMS:
            raise ValueError(f"scales names {layer!r}, which reads no normalization")
        norm = f"blocks.{block}.{NORMS[end]}"
        factor, shift, matrix = f"{norm}.weight", f"{norm}.bias", f"{layer}.weight"
        moved[factor], moved[shift], moved[matrix] = fold(
            moved[factor], moved[shift], moved[matrix], factors
        )
    return moved


def with_outliers(
    tensors: Mapping[str, Array],
    form: Form,
    *,
    channels: tuple[int, ...] = OUTLIER_CHANNELS,
    factor: float = OUTLIER_FACTOR,
) -> dict[str, Array]:
    """Tensors of the same function whose normalizations make some channels ``factor`` times larger.

    Synthetic: large language models grow such channels by themselves, small ones do not. The columns
    that read the channels are divided by the factor; a power of two leaves every result as it was, bit for
    bit, as long as no weight falls below the normal numbers.
    """
    scales = np.ones(form.width)
    scales[list(channels)] = 1 / factor
    layers = [name for name in layer_names(form) if name.endswith(tuple(NORMS))]
    return folded(tensors, dict.fromkeys(layers, scales))


def with_rounded_cache(
    model: nn.Module, *, keys: Rounder | None = None, values: Rounder | None = None
) -> nn.Module:
    """A copy of ``model`` whose attention reads keys and values through the rounders.

    Each maps a float32 array (batch, heads, tokens, head width) to one of the same shape. A rounder that
    takes every token by itself gives what a cache would that is written token by token.
    """
    copied = copy.deepcopy(model)

    def through(rounder: Rounder) -> Callable[[nn.Module, Any, torch.Tensor], torch.Tensor]:
        def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(rounder(output.numpy()))

        return hook

    for name, module in copied.named_modules():
        rounder = {"keys": keys, "values": values}.get(name.rpartition(".")[2])
        if rounder is not None and isinstance(module, nn.Identity):
            module.register_forward_hook(through(rounder))
    return copied


def cache_of(model: nn.Module, tokens: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """Keys and values of all blocks after reading ``tokens`` (n,), shape (depth, heads, n, head width)."""
    cache = Cache()
    with torch.inference_mode():
        model(torch.from_numpy(tokens[None]), cache)
    keys, values = (torch.cat(parts).numpy() for parts in (cache.keys, cache.values))
    return keys, values


def window_losses(model: nn.Module, windows: npt.NDArray[np.int64], *, batch: int = 32) -> Doubles:
    """Mean loss of each window, in nats per character, float64, shape (rows,)."""
    parts = []
    with torch.inference_mode():
        for rows in torch.split(torch.from_numpy(windows), batch):
            logits = model(rows[:, :-1]).flatten(0, 1)
            each = nn.functional.cross_entropy(logits, rows[:, 1:].flatten(), reduction="none")
            parts.append(each.view(len(rows), -1).double().mean(dim=1).numpy())
    return np.concatenate(parts)
