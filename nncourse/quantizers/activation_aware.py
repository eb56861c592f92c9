"""Activation-aware scaling (AWQ): inputs that are large get weights that are rounded more finely.

A layer computes ``W x``. Multiplying column j of ``W`` by ``s_j`` and dividing input j by it changes
nothing, but a column that was made larger loses less, in proportion, to the common step of its group.
The scales come from the inputs alone, by one exponent that is searched for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.quantizers.affine import choose_qparams, dequantize, quantize

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

STEPS = 20  # exponents tried between 0 and 1


@dataclass(frozen=True, kw_only=True)
class Search:
    """What the search for scales found.

    scales    factor of each input's column, above 0, float64, shape (k,)
    exponent  of the mean magnitudes; 0 gives scales of 1, plain rounding
    errors    output error of every exponent tried, in order, the first being that of plain rounding
    """

    scales: Doubles
    exponent: float
    errors: Doubles


def output_error(difference: Floats, inputs_gram: Floats) -> float:
    """Squared error of a layer's outputs over all inputs, when its weights are off by ``difference``.

    difference   shape (out, k)
    inputs_gram  :func:`curvature.gram` of the inputs, shape (k, k)

    >>> output_error(np.array([[1.0, -1.0]]), np.ones((2, 2)))  # both inputs always equal: they cancel
    0.0
    """
    difference = np.asarray(difference, dtype=np.float64)
    return float(np.sum((difference @ inputs_gram) * difference))


def scaled_rounding(
    weight: Floats, scales: Floats, *, bits: int, group_size: int | None = None
) -> Doubles:
    """``weight`` after rounding its scaled columns: ``round(W diag(s)) diag(1 / s)``, float64.

    weight      shape (out, k)
    scales      shape (k,), above 0
    group_size  of weights of a row that share a step; None for the whole row

    >>> weight = np.array([[1.0, 0.2]])  # steps of 1
    >>> scaled_rounding(weight, np.array([1.0, 1.0]), bits=2)
    array([[1., 0.]])
    >>> scaled_rounding(weight, np.array([1.0, 4.0]), bits=2)
    array([[1.  , 0.25]])
    """
    moved = np.asarray(weight, dtype=np.float64) * scales
    axis = 0 if group_size is None else None
    grid = choose_qparams(moved, bits=bits, axis=axis, group_size=group_size)
    rounded: Doubles = dequantize(quantize(moved, grid), grid).astype(np.float64) / scales
    return rounded


def search_scales(
    weight: Floats,
    inputs_gram: Floats,
    mean_magnitudes: Floats,
    *,
    bits: int,
    group_size: int | None = None,
    steps: int = STEPS,
) -> Search:
    """The scales of least output error among ``mean_magnitudes ** exponent``, exponents from 0 to 1.

    weight           shape (out, k), finite
    inputs_gram      :func:`curvature.gram` of the calibration inputs, shape (k, k)
    mean_magnitudes  mean |x| of each input over them, at least 0, shape (k,)
    bits, group_size of the symmetric grid
    steps            exponents 0, 1 / steps, 2 / steps, ... below 1 are tried

    Exponent 0 is plain rounding, so the error found is never above its error on the calibration inputs.
    Scales are divided by the root of their largest times their smallest; an input that was always 0
    counts as the smallest that was not.

    >>> rng = np.random.default_rng(0)
    >>> inputs = rng.normal(size=(200, 8)) * np.array([50, 1, 1, 1, 1, 1, 1, 1])
    >>> weight = rng.normal(size=(4, 8))
    >>> found = search_scales(weight, inputs.T @ inputs, np.abs(inputs).mean(axis=0), bits=4)
    >>> bool(found.scales.argmax() == 0), bool(found.errors.min() < found.errors[0] / 2)
    (True, True)

    Source: Lin et al., AWQ, MLSys 2024, arXiv:2306.00978, section 3.2, equations 4 and 5.
    """
    weight = np.asarray(weight, dtype=np.float64)
    means = np.asarray(mean_magnitudes, dtype=np.float64)
    if weight.ndim != 2 or means.shape != weight.shape[1:]:
        raise ValueError(
            f"mean_magnitudes has one number for each column of a weight (out, k); got {means.shape} "
            f"for {weight.shape}"
        )
    if not np.isfinite(means).all() or (means < 0).any():
        raise ValueError("mean_magnitudes are finite and at least 0: pass the mean of |x|")
    if steps < 1:
        raise ValueError(f"steps is at least 1; got {steps}: 20 is usual")
    is_alive = means > 0
    means = np.where(is_alive, means, means[is_alive].min() if is_alive.any() else 1.0)
    exponents = np.arange(steps) / steps
    tried = []
    for exponent in exponents:
        scales = means**exponent
        tried.append(scales / np.sqrt(scales.max() * scales.min()))
    errors = np.array(
        [
            output_error(
                weight - scaled_rounding(weight, scales, bits=bits, group_size=group_size),
                inputs_gram,
            )
            for scales in tried
        ]
    )
    best = int(errors.argmin())
    return Search(scales=tried[best], exponent=float(exponents[best]), errors=errors)
