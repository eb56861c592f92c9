"""Slices: rows that hold what shares a grid, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.quantizers.slices import checked_axis, slices, unsliced


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_unsliced_inverts_slices(shape, data):
    values = np.arange(np.prod(shape)).reshape(shape)
    axis = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    rows, lie = slices(values, axis)
    assert lie == (() if axis is None else (shape[axis],))
    np.testing.assert_array_equal(unsliced(rows, values.shape, axis), values)
    for index, row in enumerate(rows):
        expected = values if axis is None else np.take(values, index, axis)
        np.testing.assert_array_equal(row, expected.ravel())


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_groups_run_along_the_last_axis_whatever_the_axis(axis):
    values = np.arange(24).reshape(2, 3, 4)
    rows, lie = slices(values, axis, 2)
    assert lie == (2, 3, 2)
    np.testing.assert_array_equal(rows, np.arange(24).reshape(12, 2))
    np.testing.assert_array_equal(unsliced(rows, values.shape, axis, 2), values)


def test_an_empty_axis_gives_no_rows():
    rows, lie = slices(np.empty((0, 3)), 0)
    assert rows.shape == (0, 0)
    assert lie == (0,)


@pytest.mark.parametrize("axis", [3, -4, 1.0, True])
def test_an_axis_that_is_not_there_is_named(axis):
    with pytest.raises(ValueError, match="axis is an axis of x, which has 3; got"):
        checked_axis((2, 2, 2), axis)


@pytest.mark.parametrize(
    ("shape", "axis", "group_size", "said"),
    [
        ((4, 6), None, 4, "of length 6; got 4: pad"),
        ((), None, 4, "of length 0; got 4"),
        ((4, 6), None, 0, "at least 1; got 0"),
        ((4, 6), None, 2.0, "at least 1; got 2.0"),
        ((4, 6), -1, 2, "leave one of the two out"),
    ],
)
def test_groups_that_do_not_fit_are_named(shape, axis, group_size, said):
    with pytest.raises(ValueError, match=said):
        slices(np.zeros(shape), axis, group_size)
