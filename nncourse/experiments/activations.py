"""Networks whose layers read rounded activations, as an FP16 or INT8 array would hand them over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import nn

from nncourse.experiments import subject
from nncourse.quantizers import affine
from nncourse.zoo import training
from nncourse.zoo.datasets import Images

METHODS = ("minmax", "percentile", "mse")


def with_fp16_inputs(model: nn.Module) -> nn.Module:
    """A copy of ``model`` whose layers read their inputs rounded to half precision.

    model  never modified
    """
    return subject.with_rounded_inputs(model, dict.fromkeys(subject.gemm_layers(model), _to_half))


def with_int8_inputs(
    model: nn.Module, *, calibration: Images, validation: Images
) -> tuple[nn.Module, str]:
    """A copy of ``model`` whose layers read 8-bit codes, and how the ranges of these were chosen.

    model        never modified
    calibration  training images; the range of each layer's inputs is taken from them
    validation   images on which the method for the ranges is chosen, the first among equals

    One scale for each layer's input. Behind a ReLU nothing is negative, so the grid is asymmetric
    (codes 0..255): no code is kept for what never comes.
    """
    inputs = subject.layer_inputs(model, calibration.x)
    candidates = {
        method: subject.with_rounded_inputs(
            model, {name: _grid(values, method) for name, values in inputs.items()}
        )
        for method in METHODS
    }
    reached = {
        method: training.accuracy(candidate, validation) for method, candidate in candidates.items()
    }
    best = max(METHODS, key=lambda method: reached[method])
    return candidates[best], best


def _grid(values: subject.Array, method: str) -> Callable[[subject.Array], subject.Array]:
    qparams = affine.choose_qparams(values, bits=8, scheme="asymmetric", method=method)
    return lambda x: affine.fake_quantize(x, qparams)


def _to_half(x: subject.Array) -> subject.Array:
    return x.astype(np.float16).astype(np.float32)
