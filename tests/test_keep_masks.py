"""The measure of the mask tasks: it ranks as the course's own pruners do."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nncourse.classroom.checks.keep_masks import kept_by_magnitude
from nncourse.pruners.masks import magnitude_mask


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.floats(0, 1))
def test_the_measure_is_the_mask_of_the_pruners_however_many_weights_are_equal(values, sparsity):
    weight = np.array(values, np.float32)
    expected = magnitude_mask(weight, sparsity=sparsity)
    np.testing.assert_array_equal(
        kept_by_magnitude(weight, round(sparsity * weight.size)), expected
    )


def test_the_measure_keeps_the_shape():
    mask = kept_by_magnitude(np.array([[1.0, -5.0], [2.0, 0.5]]), 2)
    np.testing.assert_array_equal(mask, [[False, True], [True, False]])
