"""Error feedback: each rounding error is handed on to the weights that are not rounded yet (GPTQ).

A layer computes ``W x``. After one column of ``W`` is rounded, the best answer of the columns still free
is a least-squares problem, whose matrix is the Gram matrix of the inputs. Its Cholesky factor holds the
solutions for all columns at once, so no system is solved while rounding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.curvature import damped, inverse_factor
from nncourse.quantizers.affine import QParams, choose_qparams, quantize
from nncourse.quantizers.slices import checked_axis

ORDERS = ("natural", "activation")

Floats = NDArray[np.floating[Any]]
Codes = NDArray[np.integer[Any]]


def quantize_with_feedback(
    weight: Floats,
    inputs_gram: Floats,
    *,
    bits: int,
    scheme: str = "symmetric",
    axis: int | None = 0,
    group_size: int | None = None,
    method: str = "minmax",
    damping: float = 0.01,
    order: str = "natural",
) -> tuple[Codes, QParams]:
    """Codes of ``weight`` and their grids, chosen for a small error of the layer's output.

    weight          shape (out, ...), viewed as (out, k); finite
    inputs_gram     :func:`curvature.gram` of the layer's inputs, shape (k, k)
    bits, scheme, method  as in :func:`affine.choose_qparams`
    axis            0: one grid for each output; None: one for all. Chosen before the first rounding
    group_size      one grid for so many consecutive weights of a row instead, chosen when the first of
                    them is reached, so from weights that carry the errors so far; the weight must be
                    two-dimensional (view a convolution as (out, in * kh * kw))
    damping         share of the mean diagonal that is added to the diagonal, at least 0
    order           "natural": columns from left to right; "activation": those with the largest inputs
                    first. Groups stay groups of neighboring columns in both
    returns         codes of the shape of ``weight`` and grids for ``affine.dequantize``

    Where inputs are uncorrelated there is nothing to hand on, and the codes are those of rounding to
    nearest. Columns whose inputs were always 0 are rounded to nearest too: zero on the calibration data
    need not be zero later.

    >>> weight = np.array([[1.0, 0.4]])  # steps of 1; both inputs always equal
    >>> codes, grids = quantize_with_feedback(weight, np.ones((2, 2)), bits=2)
    >>> codes  # the sum 1.4 becomes 1
    array([[1, 0]], dtype=int8)
    >>> quantize_with_feedback(np.array([[0.4, 1.0, 0.4]]), np.ones((3, 3)), bits=2)[0]
    array([[0, 1, 1]], dtype=int8)

    Source: Frantar et al., GPTQ, ICLR 2023, arXiv:2210.17323, section 3.3, algorithm 1.
    """
    weight = np.asarray(weight)
    if weight.ndim < 2:
        raise ValueError(f"weight has shape (out, ...); got {weight.shape}: add an axis")
    axis = checked_axis(weight.shape, axis)
    if axis not in (None, 0):
        raise ValueError(f"axis is 0 or None, as errors move along the rows; got {axis}")
    if group_size is not None and weight.ndim != 2:
        raise ValueError(
            f"group_size needs a weight of two axes; got {weight.shape}: view it as (out, k)"
        )
    if order not in ORDERS:
        raise ValueError(f"order is one of {', '.join(ORDERS)}; got {order!r}")
    matrix = weight.reshape(len(weight), -1)
    hessian = damped(inputs_gram, length=matrix.shape[1], damping=damping)
    columns = np.arange(len(hessian))
    if order == "activation":
        columns = np.argsort(-np.diag(hessian), kind="stable")
    factor = inverse_factor(hessian[np.ix_(columns, columns)])

    # Checks bits, scheme, method, group size and the values; groups get their real grids on the way.
    qparams = choose_qparams(
        matrix, bits=bits, scheme=scheme, axis=axis, group_size=group_size, method=method
    )
    shape = (len(matrix), 1 if group_size is None else qparams.scale.shape[1])
    scale = np.broadcast_to(qparams.scale.reshape(-1, shape[1]), shape).copy()
    zero_point = np.broadcast_to(qparams.zero_point.reshape(-1, shape[1]), shape).copy()
    reached = np.full(shape[1], group_size is None)

    width = matrix.shape[1] if group_size is None else group_size
    codes = np.empty(matrix.shape, dtype=qparams.dtype)
    free = matrix.astype(np.float64)
    for step, column in enumerate(columns):
        group = column // width
        if not reached[group]:
            members = slice(group * width, (group + 1) * width)
            chosen = choose_qparams(
                free[:, members], bits=bits, scheme=scheme, axis=0, method=method
            )
            scale[:, group], zero_point[:, group] = chosen.scale, chosen.zero_point
            reached[group] = True
        grids = replace(
            qparams, scale=scale[:, group], zero_point=zero_point[:, group], axis=0, group_size=None
        )
        codes[:, column] = quantize(free[:, column, None], grids)[:, 0]
        steps = codes[:, column].astype(np.float64) - zero_point[:, group]
        error = (free[:, column] - steps * scale[:, group]) / factor[step, step]
        later = columns[step + 1 :]
        free[:, later] -= np.outer(error, factor[step, step + 1 :])
    if group_size is not None:
        qparams = replace(qparams, scale=scale, zero_point=zero_point)
    return codes.reshape(weight.shape), qparams
