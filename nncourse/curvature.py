"""Curvature: how the output error of a layer bends over its weights, which is all second-order methods ask.

A layer computes ``W x``. Moving one row of ``W`` by ``d`` changes its output over all inputs by
``d G d^T``, squared and summed, where ``G`` is the Gram matrix of the inputs: the same for every row, and
half the Hessian. What to do with the free weights once some are fixed is a least-squares problem in ``G``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]


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


def damped(inputs_gram: Floats, *, length: int, damping: float) -> Doubles:
    """``inputs_gram`` with a share of its mean diagonal added to the diagonal, float64.

    inputs_gram  :func:`gram` of the layer's inputs, shape (length, length)
    length       inputs of the layer: the columns of its weight viewed as (out, length)
    damping      the share, at least 0; 0.01 is usual

    Damping stands for a little noise on every input, and keeps the matrix invertible where inputs repeat
    each other. An input that was always 0 has zeros in its row and column, and gets the mean itself: any
    positive number leaves it alone. The mean is that of the other inputs.

    >>> damped(np.array([[4.0, 2.0], [2.0, 2.0]]), length=2, damping=0.5)
    array([[5.5, 2. ],
           [2. , 3.5]])

    Source: Frantar et al., GPTQ, ICLR 2023, arXiv:2210.17323, section 3.3, step 3.
    """
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
    added = np.where(alive, damping * mean, mean)
    hessian[np.diag_indices(length)] += added
    return hessian


def inverse_factor(hessian: Doubles) -> Doubles:
    """The upper triangular U with ``U^T U`` the inverse of ``hessian``, float64.

    hessian  symmetric and positive definite, shape (k, k), such as :func:`damped` gives

    Row j of U answers for a layer whose columns up to j are fixed: after an error ``e`` in column j, the
    best correction of the later columns is ``-e U[j, later] / U[j, j]``, and it leaves an output error of
    ``e^2 / U[j, j]^2``.

    ``hessian = R R^T`` with R upper triangular is an ordinary Cholesky factorization read backwards, and
    U is the inverse of R: the Hessian itself is never inverted.

    >>> inverse_factor(np.array([[4.0, 2.0], [2.0, 2.0]]))
    array([[ 0.70710678, -0.70710678],
           [ 0.        ,  0.70710678]])
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
