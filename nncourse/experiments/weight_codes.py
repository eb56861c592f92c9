"""Weights as the whole numbers that a codec sees: one byte each, 0 for a weight that is gone.

Two recipes stand for what quantization and pruning leave behind: ``int8``, every weight in eight bits, and
``pruned``, one weight in five in four bits, as in Deep Compression's shared weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator import Gemm
from nncourse.experiments import pruned, subject
from nncourse.experiments.pruned import Plan
from nncourse.pruners.masked import weights_of
from nncourse.pruners.masks import magnitude_mask
from nncourse.quantizers.affine import choose_qparams, quantize
from nncourse.quantizers.codebook import fit_codebook

Codes = NDArray[np.uint8]

RECIPES = ("int8", "pruned")
PLAN = Plan(density=0.2, shape="uniform")
SHARED_LEVELS = 15  # and zero: four bits
FITTED_WEIGHTS = 50_000  # of a layer, by which its levels are chosen


def network_codes(name: str, recipe: str, *, seed: int) -> dict[str, Codes]:
    """The codes of each layer of a network of the zoo, as matrices (outputs, inputs), by layer name.

    name    of the network
    recipe  one of ``RECIPES``; ``pruned`` takes the retrained network
    seed    of its training
    """
    if recipe == "pruned":
        result = pruned.pruned(name, PLAN, seed=seed)
        weights = weights_of(result.network)
    else:
        weights = weights_of(subject.network(name, seed=seed))
    return {
        key.removesuffix(".weight"): codes_of(value.reshape(len(value), -1), recipe)
        for key, value in weights.items()
    }


def drawn_codes(layers: Sequence[Gemm], recipe: str, *, seed: int) -> dict[str, Codes]:
    """Codes for layers of which only the shapes are at hand: weights drawn from a Laplace distribution.

    layers  of any network
    recipe  one of ``RECIPES``; ``pruned`` keeps the largest fifth
    seed    of the weights
    """
    rng = np.random.default_rng(seed)
    found = {}
    for layer in layers:
        weight = rng.laplace(size=(layer.n * layer.groups, layer.k)).astype(np.float32)
        if recipe == "pruned":
            weight *= magnitude_mask(weight, sparsity=1 - PLAN.density)
        found[layer.weights_name] = codes_of(weight, recipe)
    return found


def codes_of(weight: NDArray[Any], recipe: str) -> Codes:
    """The codes of one matrix.

    weight  floating, shape (outputs, inputs), gone weights zeros
    recipe  ``int8``: a symmetric grid with a step for each output, codes taken as unsigned bytes;
            ``pruned``: :func:`shared_codes`
    """
    if recipe == "int8":
        return quantize(weight, choose_qparams(weight, bits=8, axis=0)).view(np.uint8)
    if recipe == "pruned":
        return shared_codes(weight)
    raise ValueError(f"recipe is one of {', '.join(RECIPES)}; got {recipe!r}")


def shared_codes(weight: NDArray[Any], *, levels: int = SHARED_LEVELS) -> Codes:
    """0 for a weight that is gone, 1 .. ``levels`` for the level that a kept one shares.

    weight  floating, any shape, gone weights zeros
    levels  chosen by k-means on the kept weights, at most 255

    Source: Han et al., Deep Compression, arXiv:1510.00149, section 3.
    """
    if not 1 <= levels <= 255:
        raise ValueError(f"levels are 1 to 255, as codes of one byte; got {levels}")
    kept = weight != 0
    codes = np.zeros(weight.shape, dtype=np.uint8)
    if kept.any():
        values = weight[kept]
        book = fit_codebook(values[:: -(-values.size // FITTED_WEIGHTS)], levels)
        codes[kept] = book.assign(values) + 1
    return codes
