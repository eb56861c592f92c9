"""Importance: scores that rank weights by more than their size.

Any mask function takes scores in the place of weights, as it ranks magnitudes and a score is its own. All
scores are float64, at least 0, in the shape of the weight. Sums of squares, or an average, over the
calibration inputs: scores of different numbers of inputs do not compare.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.curvature import damped, inverse_factor

Floats = NDArray[np.floating[Any]]
Scores = NDArray[np.float64]


def taylor(weight: Floats, gradient: Floats) -> Scores:
    """``|w g|``, to first order the change of the loss when the weight alone is dropped.

    weight    finite, any shape
    gradient  of the loss by the weight, shape of ``weight``; or of each of n batches, shape
              (n, *weight.shape): then the scores of the batches are averaged

    At the end of training the gradients of the batches cancel, and the score of their mean says little:
    the mean of the scores does not cancel. The source squares the product, which ranks the weights of
    one batch alike.

    >>> taylor(np.array([2.0, -1.0]), np.array([0.5, 3.0]))
    array([1., 3.])
    >>> taylor(np.array([2.0, -1.0]), np.array([[0.5, 3.0], [-0.5, 3.0]]))
    array([1., 3.])

    Source: Molchanov et al., Importance estimation for neural network pruning, CVPR 2019, section 3.
    """
    weight, gradient = _finite("weight", weight), _finite("gradient", gradient)
    batched = gradient.shape[1:] == weight.shape and len(gradient) > 0
    if not (batched or gradient.shape == weight.shape):
        raise ValueError(
            f"gradient has the shape of the weight, {weight.shape}, or (batches, *that) with at least "
            f"one batch; got {gradient.shape}"
        )
    scores = np.abs(weight * gradient)
    averaged: Scores = scores.mean(axis=0) if batched else scores
    return averaged


def activation_aware(weight: Floats, input_norms: Floats) -> Scores:
    """``|w| ||x||``: a weight counts as much as the input that it multiplies is large (Wanda).

    weight       shape (out, ...), viewed as (out, k); finite
    input_norms  L2 norm of each input over the calibration data, at least 0, shape (k,):
                 ``np.sqrt(np.diag(curvature.gram(inputs)))``; or shape (out, k) where outputs read
                 different inputs, as in a depthwise convolution

    Scores are to be compared within the row of an output, which is a bank as long as the row:

    >>> from nncourse.pruners import masks
    >>> weight = np.array([[3.0, 1.0], [30.0, 20.0]])
    >>> scores = activation_aware(weight, input_norms=np.array([1.0, 4.0]))
    >>> scores
    array([[ 3.,  4.],
           [30., 80.]])
    >>> masks.bank_balanced_mask(scores, bank=scores[0].size, sparsity=0.5)
    array([[False,  True],
           [False,  True]])

    The square of a score is what :func:`second_order` gives if inputs are uncorrelated, the diagonal
    Hessian of optimal brain damage (LeCun et al., NIPS 1989).

    Source: Sun et al., A simple and effective pruning approach for large language models, ICLR 2024,
    arXiv:2306.11695, section 3.
    """
    weight, norms = _finite("weight", weight), _finite("input_norms", input_norms)
    matrix = _matrix(weight)
    if norms.shape not in (matrix.shape[1:], matrix.shape):
        raise ValueError(
            f"input_norms has shape {matrix.shape[1:]}, one for each input, or {matrix.shape}; "
            f"got {norms.shape}"
        )
    if (norms < 0).any():
        raise ValueError(f"input_norms is at least 0; got {norms.min()}: pass norms, not sums")
    return (np.abs(matrix) * norms).reshape(weight.shape)


def second_order(weight: Floats, inputs_gram: Floats, *, damping: float = 0.01) -> Scores:
    """Squared output error that dropping the weight costs when all others of its row make up for it.

    weight       shape (out, ...), viewed as (out, k); finite
    inputs_gram  :func:`curvature.gram` of the layer's inputs, shape (k, k)
    damping      share of the mean diagonal that is added to the diagonal, at least 0

    ``w^2 / [G^-1]_jj`` for input j. The output error is a parabola whose Hessian H is ``2 G``, so this is
    ``w^2 / (2 [H^-1]_jj)``, the saliency of the optimal brain surgeon, and exact for a single weight.
    Weights on inputs that were always 0 score 0.

    >>> gram = np.array([[1.0, 0.9], [0.9, 1.0]])  # each input says most of the other
    >>> second_order(np.array([[2.0, 1.0]]), gram, damping=0.0).round(2)
    array([[0.76, 0.19]])
    >>> second_order(np.array([[2.0, 1.0]]), np.eye(2), damping=0.0)
    array([[4., 1.]])

    Source: Hassibi and Stork, Second order derivatives for network pruning: optimal brain surgeon,
    NIPS 5, 1993, equation 5.
    """
    weight = _finite("weight", weight)
    matrix = _matrix(weight)
    factor = inverse_factor(damped(inputs_gram, length=matrix.shape[1], damping=damping))
    alive = np.diag(inputs_gram) > 0
    scores: Scores = np.square(matrix) * alive / np.square(factor).sum(axis=0)
    return scores.reshape(weight.shape)


def _finite(name: str, values: Floats) -> Scores:
    values = np.asarray(values)
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"{name} is floating; got {values.dtype}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} is finite; got NaN or infinity: find where it came from")
    return values.astype(np.float64)


def _matrix(weight: Scores) -> Scores:
    if weight.ndim < 2 or weight.size == 0:
        raise ValueError(
            f"weight has shape (out, ...) and values; got {weight.shape}: scores by input need two axes"
        )
    return weight.reshape(len(weight), -1)
