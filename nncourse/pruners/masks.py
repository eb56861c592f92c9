"""Keep-masks: boolean arrays that say which weights stay, in the shapes that hardware can use.

Every mask has the shape of its weight and is True where the weight is kept. Ties are decided toward
the earlier weight in C order, so that counts are exact even on a constant tensor. Tensors of more than
two axes (convolutions) are viewed as matrices (out, in * kernel height * kernel width).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Weight = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


def magnitude_mask(weight: Weight, *, sparsity: float) -> Mask:
    """Mask that drops the ``round(sparsity * weight.size)`` weights of least magnitude.

    weight    floating, any shape; never modified
    sparsity  fraction to drop, 0 <= sparsity <= 1 (0.9 keeps one in ten)

    >>> magnitude_mask(np.array([[3.0, -1.0], [0.5, -2.0]]), sparsity=0.5)
    array([[ True, False],
           [False,  True]])
    """
    weight = _checked(weight)
    num_kept = weight.size - _num_dropped(weight.size, sparsity)
    return _keep_largest(np.abs(weight).reshape(1, -1), num_kept).reshape(weight.shape)


def n_m_mask(weight: Weight, *, n: int, m: int, axis: int = -1) -> Mask:
    """Mask that keeps the ``n`` largest magnitudes of every ``m`` consecutive weights along ``axis``.

    weight  floating, one axis or more; its length along ``axis`` is a multiple of ``m``
    axis    axis of the matrix view: -1 (or 1) runs along the inputs of an output, 0 across outputs

    2:4 is the pattern of sparse tensor cores. Source: Mishra et al., arXiv:2104.08378, section 3.

    >>> n_m_mask(np.array([[1.0, -4.0, 3.0, 2.0]]), n=2, m=4)
    array([[False,  True,  True, False]])
    """
    weight = _checked(weight)
    if not 0 < n <= m:
        raise ValueError(f"n of every m weights are kept, 0 < n <= m; got n={n}, m={m}")
    matrix = _as_matrix(weight)
    if not -matrix.ndim <= axis < matrix.ndim:
        raise ValueError(f"axis is an axis of the matrix view {matrix.shape}; got {axis}")
    along = np.moveaxis(np.abs(matrix), axis, -1)
    _require_multiple("m", m, along.shape[-1])
    keep = _keep_largest(along.reshape(-1, m), n).reshape(along.shape)
    return np.ascontiguousarray(np.moveaxis(keep, -1, axis)).reshape(weight.shape)


def block_mask(weight: Weight, *, block: tuple[int, int], sparsity: float) -> Mask:
    """Mask that drops whole blocks, the ``round(sparsity * blocks)`` of least L2 norm.

    weight    floating, two axes or more
    block     (rows, columns) of a block; both divide the matrix view
    sparsity  fraction of blocks to drop, 0 <= sparsity <= 1

    >>> block_mask(np.array([[1.0, 1.0, 5.0, 0.0]]), block=(1, 2), sparsity=0.5)
    array([[False, False,  True,  True]])
    """
    weight = _checked(weight)
    matrix = _as_matrix(weight)
    if matrix.ndim != 2:
        raise ValueError(f"weight has two axes or more; got shape {weight.shape}")
    rows, columns = block
    _require_multiple("block[0]", rows, matrix.shape[0])
    _require_multiple("block[1]", columns, matrix.shape[1])
    grid = matrix.astype(np.float64).reshape(matrix.shape[0] // rows, rows, -1, columns)
    energy = np.square(grid).sum(axis=(1, 3))
    num_kept = energy.size - _num_dropped(energy.size, sparsity)
    keep = _keep_largest(energy.reshape(1, -1), num_kept).reshape(energy.shape)
    return np.repeat(np.repeat(keep, rows, axis=0), columns, axis=1).reshape(weight.shape)


def bank_balanced_mask(weight: Weight, *, bank: int, sparsity: float) -> Mask:
    """Mask under which every bank of ``bank`` consecutive weights of a row keeps the same number.

    weight    floating; the last axis of its matrix view is a multiple of ``bank``
    sparsity  each bank drops its ``round(sparsity * bank)`` smallest magnitudes

    Source: Cao et al., Efficient and Effective Sparse LSTM on FPGA with Bank-Balanced Sparsity, FPGA 2019.

    >>> bank_balanced_mask(np.array([[9.0, 8.0, 1.0, 2.0]]), bank=2, sparsity=0.5)
    array([[ True, False, False,  True]])
    """
    weight = _checked(weight)
    matrix = _as_matrix(weight)
    _require_multiple("bank", bank, matrix.shape[-1])
    num_kept = bank - _num_dropped(bank, sparsity)
    return _keep_largest(np.abs(matrix).reshape(-1, bank), num_kept).reshape(weight.shape)


def _checked(weight: Weight) -> Weight:
    weight = np.asarray(weight)
    if np.issubdtype(weight.dtype, np.integer):
        weight = weight.astype(
            np.float64
        )  # the magnitude of the lowest integer has no integer of its own
    if not np.issubdtype(weight.dtype, np.floating):
        raise ValueError(f"weight is real numbers; got {weight.dtype}")
    if weight.ndim == 0 or weight.size == 0:
        raise ValueError(f"weight has at least one element and one axis; got shape {weight.shape}")
    if np.isnan(weight).any():
        raise ValueError("weight holds NaN, whose magnitude has no rank; find where it came from")
    return weight


def _num_dropped(size: int, sparsity: float) -> int:
    if not 0.0 <= sparsity <= 1.0:
        hint = f" Did you mean {sparsity / 100:g}?" if 1.0 < sparsity <= 100.0 else ""
        raise ValueError(f"sparsity is a fraction in [0, 1], got {sparsity}.{hint}")
    return round(sparsity * size)


def _require_multiple(name: str, part: int, whole: int) -> None:
    if part < 1 or whole % part:
        raise ValueError(f"{name} divides the length {whole} it is laid along; got {part}")


def _as_matrix(weight: Weight) -> Weight:
    return weight.reshape(weight.shape[0], -1) if weight.ndim > 2 else weight


def _keep_largest(scores: Weight, num_kept: int) -> Mask:
    """Mask of the ``num_kept`` largest scores of each row, earlier ones first on ties."""
    largest_first = np.argsort(-scores, axis=-1, kind="stable")
    keep = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(keep, largest_first[:, :num_kept], True, axis=-1)
    return keep
