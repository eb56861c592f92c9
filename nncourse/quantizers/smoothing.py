"""Smoothing (SmoothQuant): what is hard to round in the inputs is handed over to the weights.

Dividing input j of a layer by ``s_j`` and multiplying column j of its weight by it changes nothing. Where
a layer reads a layer normalization, the division costs nothing either: it goes into the normalization's
own factor and shift.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]


def smoothing_scales(
    input_peaks: Floats, weight_peaks: Floats, *, strength: float = 0.5
) -> Doubles:
    """What each input is divided by, float64, shape (k,): ``peak_x ** strength / peak_w ** (1 - strength)``.

    input_peaks   largest |x| of each input over the calibration data, shape (k,)
    weight_peaks  largest |w| of each column that reads it, shape (k,)
    strength      1: all the difficulty goes to the weights, 0: none; a half makes both peaks equal

    An input or a column that is always 0 keeps its scale: 1.

    >>> scales = smoothing_scales(np.array([64.0, 1.0]), np.array([1.0, 1.0]))
    >>> scales, np.array([64.0, 1.0]) / scales  # the peaks that are left to the inputs
    (array([8., 1.]), array([8., 1.]))

    Source: Xiao et al., SmoothQuant, ICML 2023, arXiv:2211.10438, equation 4.
    """
    inputs, weights = (np.asarray(x, dtype=np.float64) for x in (input_peaks, weight_peaks))
    if inputs.ndim != 1 or inputs.shape != weights.shape:
        raise ValueError(
            f"input_peaks and weight_peaks have one number for each input; got {inputs.shape} and "
            f"{weights.shape}"
        )
    if not all(np.isfinite(x).all() and (x >= 0).all() for x in (inputs, weights)):
        raise ValueError("peaks are finite and at least 0: take the maximum of magnitudes")
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"strength is in [0, 1]; got {strength}: 0.5 is usual")
    is_used = (inputs > 0) & (weights > 0)
    x, w = np.where(is_used, inputs, 1.0), np.where(is_used, weights, 1.0)
    scales: Doubles = x**strength / w ** (1 - strength)
    return scales


def fold(
    factor: Floats, shift: Floats, weight: Floats, scales: Floats
) -> tuple[Floats, Floats, Floats]:
    """Normalization and weight that compute the same with inputs divided by ``scales``.

    factor, shift  of the layer normalization that the weight reads, shape (k,)
    weight         shape (out, k): its columns are multiplied
    scales         above 0, shape (k,)
    returns        factor / scales, shift / scales, weight * scales, in the types given

    With scales that are powers of two nothing is rounded, and the network computes the same bits.

    >>> fold(np.ones(2), np.zeros(2), np.array([[3.0, 5.0]]), np.array([2.0, 0.5]))
    (array([0.5, 2. ]), array([0., 0.]), array([[6. , 2.5]]))
    """
    scales = np.asarray(scales, dtype=np.float64)
    if weight.ndim != 2 or not factor.shape == shift.shape == scales.shape == weight.shape[1:]:
        raise ValueError(
            f"factor, shift and scales have one number for each column of the weight {weight.shape}; "
            f"got {factor.shape}, {shift.shape}, {scales.shape}"
        )
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise ValueError("scales are finite and above 0, as both sides share them")
    return (
        (factor / scales).astype(factor.dtype),
        (shift / scales).astype(shift.dtype),
        (weight * scales).astype(weight.dtype),
    )
