"""CSR: the arrays of scipy, widths of an index, parts that do not fit."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from nncourse.codecs import CSC, CSR

DENSE = np.array([[0, 2, 0, 0], [0, 0, 0, 0], [1, 0, 3, -4]], np.float32)


def parts(**changed):
    matrix = CSR.from_dense(DENSE)
    given = {
        "shape": (3, 4),
        "stored": matrix.stored,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
    }
    return CSR(**{**given, **changed})


def test_the_arrays_are_those_of_scipy():
    rng = np.random.default_rng(0)
    kept = rng.random((50, 300)) < 0.2
    dense = np.where(kept, rng.normal(size=(50, 300)), 0).astype(np.float32)
    ours, theirs = CSR.from_dense(dense), csr_array(dense)
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    np.testing.assert_array_equal(ours.indptr, theirs.indptr)
    np.testing.assert_array_equal(ours.data, theirs.data)
    converted = ours.tocsr()
    converted.check_format(full_check=True)
    assert converted.nnz == ours.nnz
    converted.data[:] = 0  # a copy of its own
    np.testing.assert_array_equal(ours.toarray(), dense)


def test_float16_reaches_scipy_as_float32():
    matrix = CSR.from_dense(DENSE.astype(np.float16))
    assert matrix.tocsr().dtype == np.float32


@pytest.mark.parametrize(("columns", "bits"), [(256, 8), (257, 16), (65_536, 16), (65_537, 32)])
def test_an_index_is_as_wide_as_the_columns_ask_for(columns, bits):
    dense = np.zeros((2, columns), np.int8)
    dense[:, -1] = 5
    matrix = CSR.from_dense(dense)
    assert 8 * matrix.indices.dtype.itemsize == bits
    assert matrix.sizes()["index"] == 2 * bits + 2 * 8  # two indices, two pointers of a byte
    assert matrix[1, columns - 1] == 5
    x = np.arange(columns)
    np.testing.assert_array_equal(matrix @ x, [5 * (columns - 1)] * 2)


def test_a_wider_index_may_be_asked_for_and_a_narrower_one_is_refused():
    assert CSR.from_dense(DENSE, index_bits=32).indices.dtype == np.uint32
    with pytest.raises(ValueError, match="need more than 8 bits"):
        CSR.from_dense(np.ones((1, 300), np.int8), index_bits=8)


@pytest.mark.parametrize("entries", range(12))
def test_rows_of_any_length_are_summed(entries):
    dense = np.zeros((3, 12), np.float32)
    dense[1, :entries] = np.arange(1, entries + 1)
    np.testing.assert_array_equal(
        CSR.from_dense(dense) @ np.ones(12, np.float32), [0, entries * (entries + 1) / 2, 0]
    )


def test_the_transpose_is_the_same_arrays_in_columns():
    matrix = CSR.from_dense(DENSE)
    assert isinstance(matrix.T, CSC)
    assert isinstance(matrix.T.T, CSR)
    np.testing.assert_array_equal(matrix.T.toarray(), DENSE.T)
    assert matrix.T.indices is matrix.indices


def test_the_order_of_its_sums_is_the_order_of_no_single_sum_but_close_to_it():
    rng = np.random.default_rng(1)
    dense = rng.normal(size=(1, 10_000)).astype(np.float32)
    x = rng.normal(size=10_000).astype(np.float32)
    exact = float(dense[0].astype(np.float64) @ x.astype(np.float64))
    assert abs(float((CSR.from_dense(dense) @ x)[0]) - exact) < 1e-2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"shape": (3, 3)}, "indices lie below 3"),
        ({"shape": (2, 4)}, "in 2 steps"),
        ({"shape": (-3, 4)}, "shape is two lengths"),
        ({"indptr": np.array([0, 1, 1, 5], np.uint32)}, "from 0 to 4"),
        ({"indptr": np.array([1, 1, 1, 4], np.uint32)}, "from 0 to 4"),
        ({"indptr": np.array([0, 3, 1, 4], np.uint32)}, "never goes back"),
        ({"indptr": np.array([0, 1, 1, 4], np.int64)}, "unsigned integers"),
        ({"indptr": np.array([0, 1, 1, 4], np.uint8)}, "indptr is uint32"),
        ({"indices": np.array([1, 0, 2, 2], np.uint8)}, "ascend"),
        ({"indices": np.array([1, 2, 0, 3], np.uint8)}, "ascend"),
        ({"indices": np.array([1, 0, 2], np.uint8)}, "from 0 to 3"),
        ({"indices": np.array([[1, 0, 2, 3]], np.uint8)}, "in a row"),
        ({"indices": [1, 0, 2, 3]}, "unsigned integers"),
    ],
)
def test_parts_that_do_not_fit_are_named(changed, reason):
    assert parts().shape == (3, 4)
    with pytest.raises(ValueError, match=reason):
        parts(**changed)


def test_a_stored_zero_is_refused():
    stored = type(parts().stored)(data=np.zeros(4, np.float32), dtype=np.dtype("f4"))
    with pytest.raises(ValueError, match="not zero"):
        parts(stored=stored)


def test_what_was_given_as_a_part_can_change_without_harm():
    indices = CSR.from_dense(DENSE).indices.copy()
    matrix = parts(indices=indices)
    indices[:] = 200
    np.testing.assert_array_equal(matrix.toarray(), DENSE)
