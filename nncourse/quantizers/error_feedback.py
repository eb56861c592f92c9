"""Error feedback: each rounding error is handed on to the weights that are not rounded yet (GPTQ).

A layer computes ``W x``. After one column of ``W`` is rounded, the best answer of the columns still free
is a least-squares problem, whose matrix is the Gram matrix of the inputs. Its Cholesky factor holds the
solutions for all columns at once, so no system is solved while rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from nncourse.quantizers.affine import QParams, choose_qparams, quantize
from nncourse.quantizers.slices import checked_axis

ORDERS = ("natural", "activation")

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]


def gram(inputs: Floats | Iterable[Floats]) -> Doubles:
    """Sum of ``x x^T`` over all input vectors, float64, shape (k, k).

    inputs  one array of shape (..., k), or an iterable of such batches, taken one at a time

    >>> gram(np.array([[1.0, 2.0], [0.0, 1.0]]))
    array([[1., 2.],
           [2., 5.]])
    """
    total: Doubles | None = None
    for batch in [inputs] if isinstance(inputs, np.ndarray) else inputs:
        if batch.ndim < 2 or not np.issubdtype(batch.dtype, np.floating):
            raise ValueError(
                f"inputs are floating arrays of shape (..., k); got {batch.dtype} {batch.shape}"
            )
        rows = batch.reshape(-1, batch.shape[-1]).astype(np.float64)
        if not np.isfinite(rows).all():
            raise ValueError("inputs are finite; got NaN or infinity: find where it came from")
        if total is not None and rows.shape[1] != len(total):
            raise ValueError(
                f"inputs of all batches are equally long; got {len(total)}, then {rows.shape[1]}"
            )
        product = rows.T @ rows
        total = product if total is None else total + product
    if total is None:
        raise ValueError("inputs hold no batch: an iterator can be read only once")
    return total


def patches(
    images: Floats, *, kernel: tuple[int, int], stride: int = 1, padding: int = 0
) -> Floats:
    """The inputs of a convolution as vectors, shape (n * rows * columns, in * kernel area).

    images   shape (n, in, height, width)
    kernel   height and width; padding is with zeros on all four sides

    In the order of a weight of shape (out, in, kh, kw) viewed as (out, in * kh * kw).

    >>> patches(np.arange(6.0).reshape(1, 1, 2, 3), kernel=(2, 2))
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.]])
    """
    if images.ndim != 4:
        raise ValueError(f"images have shape (n, in, height, width); got {images.shape}")
    padded = np.pad(images, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    if min(kernel) < 1 or stride < 1 or any(np.less(padded.shape[2:], kernel)):
        raise ValueError(
            f"kernel fits into the padded image {padded.shape[2:]}, and stride is at least 1; "
            f"got {kernel}, {stride}"
        )
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]  # (n, in, rows, columns, kh, kw)
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, images.shape[1] * kernel[0] * kernel[1])


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
    inputs_gram     :func:`gram` of the layer's inputs, shape (k, k)
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
    hessian = _damped(inputs_gram, matrix.shape[1], damping)
    columns = np.arange(len(hessian))
    if order == "activation":
        columns = np.argsort(-np.diag(hessian), kind="stable")
    factor = _factor(hessian[np.ix_(columns, columns)])

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


def _damped(inputs_gram: Floats, length: int, damping: float) -> Doubles:
    hessian: Doubles = np.array(inputs_gram, dtype=np.float64)
    if hessian.shape != (length, length):
        raise ValueError(
            f"inputs_gram has shape ({length}, {length}), one row for each input of the weight; "
            f"got {hessian.shape}: is it the gram of this layer's inputs?"
        )
    if not np.isfinite(hessian).all() or not np.allclose(hessian, hessian.T, rtol=1e-6):
        raise ValueError("inputs_gram is finite and symmetric; build it with gram(inputs)")
    if not 0 <= damping < np.inf:
        raise ValueError(f"damping is at least 0; got {damping}: 0.01 is usual")
    diagonal = np.diag(hessian)
    if (diagonal < 0).any():
        raise ValueError(
            f"inputs_gram has sums of squares on its diagonal; got {diagonal.min()}: "
            "build it with gram(inputs)"
        )
    alive = diagonal > 0
    mean = float(diagonal[alive].mean()) if alive.any() else 1.0
    # A dead input has zeros in its row and column: any positive diagonal leaves it alone.
    added = np.where(alive, damping * mean, mean)
    hessian[np.diag_indices(length)] += added
    return hessian


def _factor(hessian: Doubles) -> Doubles:
    """The upper triangular U with ``U^T U`` the inverse of ``hessian``.

    ``hessian = R R^T`` with R upper triangular is an ordinary Cholesky factorization read backwards, and
    U is the inverse of R: the Hessian itself is never inverted.
    """
    try:
        reverse = np.linalg.cholesky(hessian[::-1, ::-1])[::-1, ::-1]
    except np.linalg.LinAlgError:
        raise ValueError(
            "inputs_gram plus damping is positive definite; got a singular one: raise damping "
            "(0.01 is usual) or take more inputs"
        ) from None
    factor: Doubles = solve_triangular(reverse, np.eye(len(hessian)), lower=False)
    return factor
