"""Block sparse rows: scipy's arrays, blocks that stand out, and the zeros inside of them."""

import numpy as np
import pytest
from scipy.sparse import bsr_array

from nncourse.codecs import CSR, BlockSparse


def drawn(shape, block, density=0.3, seed=0):
    """Whole blocks, kept or dropped."""
    rng = np.random.default_rng(seed)
    kept = rng.random((shape[0] // block[0], shape[1] // block[1])) < density
    return (np.kron(kept, np.ones(block)) * rng.integers(1, 50, shape)).astype(np.float32)


def parts(matrix, **changed):
    given_parts = {
        "shape": matrix.shape,
        "stored": matrix.stored,
        "block": matrix.block,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
    }
    return BlockSparse(**{**given_parts, **changed})


@pytest.mark.parametrize("block", [(4, 4), (2, 8), (1, 1), (8, 3)])
def test_the_arrays_are_those_of_scipy(block):
    dense = drawn((48, 48), block)
    ours, theirs = BlockSparse.from_dense(dense, block=block), bsr_array(dense, blocksize=block)
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    np.testing.assert_array_equal(ours.indptr, theirs.indptr)
    np.testing.assert_array_equal(ours.data, theirs.data.ravel())
    np.testing.assert_array_equal(ours.tobsr().toarray(), dense)
    x = np.arange(48, dtype=np.float32)
    np.testing.assert_array_equal(ours @ x, theirs @ x)


def test_one_index_serves_a_block():
    dense = drawn((64, 64), (4, 4))
    blocks = BlockSparse.from_dense(dense)
    assert blocks.indices.size == np.count_nonzero(dense) // 16
    assert blocks.sizes()["index"] < CSR.from_dense(dense).sizes()["index"] / 10
    assert blocks.sizes()["payload"] == 32 * np.count_nonzero(dense)


def test_blocks_at_the_edge_stand_out_and_what_stands_out_is_padding():
    dense = np.ones((5, 7), np.float32)
    matrix = BlockSparse.from_dense(dense, block=(4, 4))
    np.testing.assert_array_equal(matrix.toarray(), dense)
    np.testing.assert_array_equal(matrix @ np.ones(7, np.float32), [7] * 5)
    sizes = matrix.sizes()
    assert (sizes["payload"], sizes["padding"]) == (32 * 35, 32 * (64 - 35))
    assert sum(sizes.values()) == 8 * matrix.nbytes


def test_a_block_larger_than_the_matrix_holds_all_of_it():
    dense = np.eye(2, 3, dtype=np.int16)
    matrix = BlockSparse.from_dense(dense, block=(16, 16))
    np.testing.assert_array_equal(matrix.toarray(), dense)
    assert (matrix @ [1, 2, 3]).tolist() == [1, 2]


def test_a_zero_inside_a_block_is_stored_and_does_not_count():
    dense = np.zeros((4, 4), np.float32)
    dense[1, 2] = 3
    matrix = BlockSparse.from_dense(dense)
    assert (matrix.data.size, matrix.nnz) == (16, 1)
    assert matrix[0, 0] == 0


def test_codes_of_a_codebook_fill_the_blocks():
    dense = np.zeros((5, 5), np.float32)
    dense[0, 0], dense[4, 4] = 0.5, 0.25
    matrix = BlockSparse.from_dense(dense, codebook=np.array([0.25, 0.5], np.float32))
    sizes = matrix.sizes()
    assert (sizes["payload"], sizes["padding"] % 8) == (2 * (16 + 1), 0 + (2 * 15) % 8)
    np.testing.assert_array_equal(matrix.toarray(), dense)


@pytest.mark.parametrize("block", [(0, 4), (4,), (4, 4, 4), (2.0, 2), (70_000, 1), (-1, 2)])
def test_a_block_is_two_lengths(block):
    with pytest.raises(ValueError, match="block is two whole numbers"):
        BlockSparse.from_dense(np.eye(3, dtype=np.float32), block=block)


def test_parts_that_do_not_fit_are_named():
    matrix = BlockSparse.from_dense(drawn((12, 12), (4, 4), density=0.9))
    assert parts(matrix).nnz == matrix.nnz
    for changed, reason in (
        ({"shape": (16, 12)}, "in 4 steps"),
        ({"shape": (12, 8)}, "indices lie below 2"),
        ({"shape": (11, 12)}, "stands out"),
        ({"block": (4, 3)}, "indices|data holds 4 x 3"),
        ({"indptr": matrix.indptr[::-1].copy()}, "indptr"),
    ):
        with pytest.raises(ValueError, match=reason):
            parts(matrix, **changed)
