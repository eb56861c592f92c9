"""Slices: the stretches of an array that share one grid, laid out as the rows of a matrix.

The whole array is one slice; or each index of an axis has its own; or each group of consecutive values of
the last axis. Quantizers then work row by row and never think about axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def slices(
    values: NDArray[Any], axis: int | None = None, group_size: int | None = None
) -> tuple[NDArray[Any], tuple[int, ...]]:
    """``values`` with one slice a row, and the shape in which the slices lie.

    values      any shape
    axis        the axis whose indices are slices, None for none
    group_size  values to a group of the last axis, which it divides; None for no groups. Groups never
                cross a row, so any other ``axis`` beside them changes nothing
    returns     shape (slices, values of a slice), a view where possible; and () for one slice, (k,) for
                an axis of length k, ``values.shape[:-1] + (groups,)`` for groups

    >>> slices(np.arange(6).reshape(2, 3), axis=1)
    (array([[0, 3],
           [1, 4],
           [2, 5]]), (3,))
    """
    axis = checked_axis(values.shape, axis)
    if group_size is not None:
        groups = _num_groups(values.shape, axis, group_size)
        return values.reshape(-1, group_size), (*values.shape[:-1], groups)
    if axis is None:
        return values.reshape(1, -1), ()
    length = values.shape[axis]
    per_slice = values.size // length if length else 0
    rows = np.ascontiguousarray(np.moveaxis(values, axis, 0)).reshape(length, per_slice)
    return rows, (length,)


def unsliced(
    rows: NDArray[Any],
    shape: tuple[int, ...],
    axis: int | None = None,
    group_size: int | None = None,
) -> NDArray[Any]:
    """Inverse of :func:`slices` for an array of ``shape``; contiguous.

    >>> rows, _ = slices(np.arange(6).reshape(2, 3), axis=1)
    >>> unsliced(rows, (2, 3), axis=1)
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    axis = checked_axis(shape, axis)
    if axis is None or group_size is not None:
        return rows.reshape(shape)
    moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
    return np.ascontiguousarray(np.moveaxis(rows.reshape(moved), 0, axis))


def checked_axis(shape: tuple[int, ...], axis: int | None) -> int | None:
    """``axis`` counted from the front, or None; ValueError where an array of ``shape`` lacks it.

    >>> checked_axis((4, 5, 6), -1)
    2
    """
    if axis is None:
        return None
    if (
        isinstance(axis, bool)
        or not isinstance(axis, int | np.integer)
        or not -len(shape) <= axis < len(shape)
    ):
        raise ValueError(f"axis is an axis of x, which has {len(shape)}; got {axis!r}")
    return int(axis) % len(shape)


def _num_groups(shape: tuple[int, ...], axis: int | None, group_size: int) -> int:
    if (
        isinstance(group_size, bool)
        or not isinstance(group_size, int | np.integer)
        or group_size < 1
    ):
        raise ValueError(f"group_size is a whole number of at least 1; got {group_size!r}")
    length = shape[-1] if shape else 0
    if not shape or length % group_size:
        raise ValueError(
            f"group_size divides the last axis, of length {length}; got {group_size}: "
            "pad the array or choose a divisor"
        )
    if axis == len(shape) - 1:
        raise ValueError(
            "axis is the last axis, along which the groups run; leave one of the two out"
        )
    return length // int(group_size)
