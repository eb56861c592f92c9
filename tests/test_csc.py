"""CSC: the arrays of scipy, and inputs of zero that skip their column."""

import numpy as np
from scipy.sparse import csc_array

from nncourse.codecs import CSC


def test_the_arrays_are_those_of_scipy():
    rng = np.random.default_rng(0)
    kept = rng.random((300, 50)) < 0.2
    dense = np.where(kept, rng.normal(size=(300, 50)), 0).astype(np.float32)
    ours, theirs = CSC.from_dense(dense), csc_array(dense)
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    np.testing.assert_array_equal(ours.indptr, theirs.indptr)
    np.testing.assert_array_equal(ours.data, theirs.data)
    converted = ours.tocsc()
    converted.check_format(full_check=True)
    np.testing.assert_array_equal(converted.toarray(), dense)


def test_an_index_is_as_wide_as_the_rows_ask_for():
    assert CSC.from_dense(np.ones((256, 2), np.int8)).indices.dtype == np.uint8
    assert CSC.from_dense(np.ones((257, 2), np.int8)).indices.dtype == np.uint16


def test_a_column_whose_input_is_zero_is_not_touched():
    dense = np.array([[np.inf, 1], [np.nan, 2]], np.float32)
    np.testing.assert_array_equal(CSC.from_dense(dense) @ [0, 3], [3, 6])
    with np.errstate(invalid="ignore"):
        assert np.isnan(dense @ np.array([0, 3], np.float32)).all()
