"""The ways to compress a language model that are compared: what the file stores, and what is rounded at run time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from nncourse.experiments import block_codes, language
from nncourse.experiments.block_codes import BLOCK
from nncourse.experiments.block_file import Blocks, Pairs, Stored, on_grid
from nncourse.experiments.language import Inputs, Rounder
from nncourse.experiments.subject import Array, with_rounded_inputs
from nncourse.pruners.importance import activation_aware
from nncourse.pruners.masks import n_m_mask
from nncourse.pruners.sparse_gpt import prune_with_feedback
from nncourse.quantizers.activation_aware import search_scales
from nncourse.quantizers.affine import QParams, choose_qparams, fake_quantize
from nncourse.quantizers.error_feedback import quantize_with_feedback
from nncourse.quantizers.smoothing import smoothing_scales
from nncourse.quantizers.vectors import quantize_vectors

Tensors = Mapping[str, Array]
Calibration = Mapping[str, Inputs]
Store = Callable[[Tensors, Calibration], dict[str, Stored]]
Run = Callable[[nn.Module, Tensors, Calibration], nn.Module]
CACHE_SIDES = ("keys and values", "keys", "values")


def _as_it_is(model: nn.Module, tensors: Tensors, inputs: Calibration) -> nn.Module:
    return model


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way.

    method, bits, granularity  name it, ``bits`` being the width that the method is about
    store     tensors and calibration to what the file holds
    run       the decoded model to the one that is measured, with inputs or cache rounded
    calibrated  whether another calibration text can change the result
    """

    method: str
    bits: int
    granularity: str = "none"
    store: Store
    run: Run = field(default=_as_it_is)
    calibrated: bool = False


def plain_arms() -> list[Arm]:
    """Everything that is measured on the model as it was trained."""
    found = [Arm(method="float16", bits=16, store=lambda tensors, _: dict(tensors))]
    for bits in (8, 4, 3, 2):
        found.append(_nearest(bits, None))
        if bits < 8:
            found.append(_nearest(bits, BLOCK))
            found += [_gptq(bits, None), _gptq(bits, BLOCK), _awq(bits)]
    for method in ("nf4", "mxfp4", "nvfp4", "ternary"):
        found.append(_format(method))
    found += [_eight_bit_inputs("tensor"), _eight_bit_inputs("token"), _smooth()]
    found += [
        _cache(bits, side) for bits in (8, 4, 3, 2) for side in CACHE_SIDES[: 1 if bits > 2 else 3]
    ]
    return [*found, *_sparse_arms()]


def outlier_arms() -> list[Arm]:
    """What is measured again on the model with outliers planted."""
    formats = [_nearest(4, BLOCK), _gptq(4, BLOCK), _awq(4), _format("mxfp4"), _format("nvfp4")]
    inputs = [_eight_bit_inputs("tensor"), _eight_bit_inputs("token"), _smooth()]
    return [*formats, *inputs, *_sparse_arms()]


def matrices(tensors: Tensors) -> list[str]:
    """Names of the layers whose matrices are compressed."""
    ends = ("qkv.weight", "out.weight", "up.weight", "down.weight")
    return [name.removesuffix(".weight") for name in tensors if name.endswith(ends)]


def _each(tensors: Tensors, change: Callable[[str, Array], Stored]) -> dict[str, Stored]:
    """Every tensor as it is, but the matrices of the blocks changed, each by its layer's name."""
    stored: dict[str, Stored] = dict(tensors)
    for name in matrices(tensors):
        stored[f"{name}.weight"] = change(name, tensors[f"{name}.weight"])
    return stored


def _nearest(bits: int, block: int | None) -> Arm:
    return Arm(
        method="nearest",
        bits=bits,
        granularity=f"block of {block}" if block else "row",
        store=lambda tensors, _: _each(
            tensors, lambda name, w: block_codes.rounded(w, bits=bits, block=block)
        ),
    )


def _gptq(bits: int, block: int | None) -> Arm:
    def store(tensors: Tensors, inputs: Calibration) -> dict[str, Stored]:
        def change(name: str, weight: Array) -> Blocks:
            codes, grid = quantize_with_feedback(
                weight, inputs[name].gram, bits=bits, group_size=block
            )
            return on_grid(codes, grid)

        return _each(tensors, change)

    granularity = f"block of {block}" if block else "row"
    return Arm(method="gptq", bits=bits, granularity=granularity, store=store, calibrated=True)


def _awq(bits: int) -> Arm:
    def store(tensors: Tensors, inputs: Calibration) -> dict[str, Stored]:
        scales = {}
        for name in matrices(tensors):
            if name.endswith(tuple(language.NORMS)):
                read = inputs[name]
                scales[name] = search_scales(
                    tensors[f"{name}.weight"], read.gram, read.means, bits=bits, group_size=BLOCK
                ).scales
        moved = language.folded(tensors, scales)
        return _each(moved, lambda name, w: block_codes.rounded(w, bits=bits))

    return Arm(
        method="awq", bits=bits, granularity=f"block of {BLOCK}", store=store, calibrated=True
    )


def _format(method: str) -> Arm:
    change: Callable[[Array], Blocks] = getattr(block_codes, method)
    granularity = {"nvfp4": "block of 16", "ternary": "tensor"}.get(method, f"block of {BLOCK}")
    return Arm(
        method=method,
        bits=2 if method == "ternary" else 4,
        granularity=granularity,
        store=lambda tensors, _: _each(tensors, lambda name, w: change(w)),
    )


def _eight_bit_inputs(granularity: str) -> Arm:
    def run(model: nn.Module, tensors: Tensors, inputs: Calibration) -> nn.Module:
        peaks = {name: read.peaks for name, read in inputs.items()}
        return with_rounded_inputs(model, _rounders(peaks, granularity))

    return Arm(
        method="8-bit inputs",
        bits=8,
        granularity=granularity,
        store=_nearest(8, None).store,
        run=run,
        calibrated=granularity == "tensor",
    )


def _smooth() -> Arm:
    def scales(tensors: Tensors, inputs: Calibration) -> dict[str, Array]:
        return {
            name: smoothing_scales(
                inputs[name].peaks, np.abs(tensors[f"{name}.weight"]).max(axis=0)
            )
            for name in matrices(tensors)
            if name.endswith(tuple(language.NORMS))
        }

    def store(tensors: Tensors, inputs: Calibration) -> dict[str, Stored]:
        moved = language.folded(tensors, scales(tensors, inputs))
        return _each(moved, lambda name, w: block_codes.rounded(w, bits=8, block=None))

    def run(model: nn.Module, tensors: Tensors, inputs: Calibration) -> nn.Module:
        divided = scales(tensors, inputs)
        peaks = {name: read.peaks / divided.get(name, 1.0) for name, read in inputs.items()}
        return with_rounded_inputs(model, _rounders(peaks, "tensor"))

    return Arm(
        method="smoothquant", bits=8, granularity="tensor", store=store, run=run, calibrated=True
    )


def _rounders(peaks: Mapping[str, Array], granularity: str) -> dict[str, Rounder]:
    """Roundings to 8 bits by layer: with the step that calibration found, or with each token's own."""
    if granularity == "token":
        return dict.fromkeys(peaks, _by_token)
    return {name: _fixed(float(peak.max())) for name, peak in peaks.items()}


def _by_token(x: Array) -> Array:
    return fake_quantize(x, choose_qparams(x, bits=8, group_size=x.shape[-1]))


def _fixed(peak: float) -> Rounder:
    step, zero = np.array(peak / 127, np.float32), np.array(0, np.int32)
    grid = QParams(scale=step, zero_point=zero, qmin=-127, qmax=127)
    return lambda x: fake_quantize(x, grid)


def _cache(bits: int, side: str) -> Arm:
    def rounder(x: Array) -> Array:
        return quantize_vectors(x, bits=bits).values()

    def run(model: nn.Module, tensors: Tensors, inputs: Calibration) -> nn.Module:
        return language.with_rounded_cache(
            model,
            keys=rounder if "keys" in side else None,
            values=rounder if "values" in side else None,
        )

    return Arm(
        method="cache", bits=bits, granularity=side, store=lambda tensors, _: dict(tensors), run=run
    )


def _sparse_arms() -> list[Arm]:
    def by_magnitude(name: str, weight: Array, inputs: Calibration) -> Pairs:
        return Pairs(matrix=weight, keep=n_m_mask(weight, n=2, m=4))

    def wanda(name: str, weight: Array, inputs: Calibration) -> Pairs:
        scores = activation_aware(weight, np.sqrt(np.diag(inputs[name].gram)))
        return Pairs(matrix=weight, keep=n_m_mask(scores, n=2, m=4))

    def sparse_gpt(name: str, weight: Array, inputs: Calibration) -> Pairs:
        moved, keep = prune_with_feedback(weight, inputs[name].gram, n=2, m=4)
        return Pairs(matrix=np.asarray(moved, dtype=np.float32), keep=keep)

    def arm(method: str, change: Callable[[str, Array, Calibration], Pairs]) -> Arm:
        return Arm(
            method=method,
            bits=16,
            granularity="2:4",
            store=lambda tensors, inputs: _each(tensors, lambda name, w: change(name, w, inputs)),
            calibrated=change is not by_magnitude,
        )

    return [arm("magnitude", by_magnitude), arm("wanda", wanda), arm("sparsegpt", sparse_gpt)]
