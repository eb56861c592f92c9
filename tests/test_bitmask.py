"""Bitmask: the bits, the samples, and entries found by their rank."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.codecs import Bitmask


def drawn(shape, density, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < density, rng.integers(1, 100, shape), 0).astype(np.uint8)


def parts(matrix, **changed):
    given_parts = {
        "shape": matrix.shape,
        "stored": matrix.stored,
        "words": matrix.words,
        "ranks": matrix.ranks,
        "rank_every": matrix.rank_every,
    }
    return Bitmask(**{**given_parts, **changed})


def test_bit_p_of_the_row_of_words_is_weight_p():
    dense = drawn((13, 17), 0.4)
    bits = np.unpackbits(Bitmask.from_dense(dense).words.view(np.uint8), bitorder="little")
    np.testing.assert_array_equal(bits[: dense.size].astype(bool), dense.ravel() != 0)
    assert not bits[dense.size :].any()


@pytest.mark.parametrize("rank_every", [64, 128, 512, 4096])
def test_a_sample_counts_the_bits_before_its_stretch(rank_every):
    dense = drawn((70, 65), 0.3)
    matrix = Bitmask.from_dense(dense, rank_every=rank_every)
    starts = range(0, dense.size, rank_every)
    expected = [np.count_nonzero(dense.ravel()[:start]) for start in starts]
    np.testing.assert_array_equal(matrix.ranks, expected)


@given(st.integers(0, 2**32), st.sampled_from([64, 192, 512]))
def test_a_sample_and_the_bits_behind_it_find_every_entry(seed, rank_every):
    dense = drawn((21, 64), 0.5, seed)
    matrix = Bitmask.from_dense(dense, rank_every=rank_every)
    places = np.random.default_rng(seed).integers(0, dense.size, 30)
    for row, column in zip(*np.unravel_index(places, dense.shape), strict=True):
        assert matrix[row, column] == dense[row, column]


def test_samples_cost_a_sixteenth_of_a_bit_a_weight_where_they_have_32_bits():
    dense = np.zeros((4096, 64), np.uint8)
    dense[:2048] = 1  # 131072 set bits need more than 16
    matrix = Bitmask.from_dense(dense)
    assert matrix.ranks.dtype == np.uint32
    assert matrix.sizes()["index"] == dense.size + dense.size // 16


def test_every_row_may_begin_inside_a_word():
    for columns in (1, 3, 63, 64, 65, 130):
        dense = drawn((9, columns), 0.7)
        x = np.arange(1, columns + 1)
        np.testing.assert_array_equal(Bitmask.from_dense(dense) @ x, dense.astype(int) @ x)


def test_empty_rows_before_between_and_behind_stay_zero():
    dense = np.zeros((300, 5), np.int8)
    dense[100, 2] = dense[103, 4] = 7
    product = Bitmask.from_dense(dense) @ np.ones(5, np.int64)
    assert np.flatnonzero(product).tolist() == [100, 103]
    assert product.sum() == 14


@pytest.mark.parametrize("rank_every", [0, 63, 100, -64, 64.0, True])
def test_a_sample_stands_at_a_word(rank_every):
    with pytest.raises(ValueError, match="rank_every is a multiple of 64"):
        Bitmask.from_dense(np.eye(3, dtype=np.float32), rank_every=rank_every)


def test_parts_that_do_not_fit_are_named():
    matrix = Bitmask.from_dense(drawn((9, 9), 0.5))
    assert parts(matrix).nnz == matrix.nnz
    for changed, reason in (
        ({"shape": (9, 30)}, "words are uint64"),
        ({"shape": (8, 9)}, "bits behind the last weight are 0"),
        ({"words": matrix.words.view(np.int64)}, "words are uint64"),
        ({"words": matrix.words & np.uint64(~1 & 2**64 - 1) | np.uint64(0)}, "ranks|data"),
        ({"ranks": matrix.ranks + np.uint8(1)}, "ranks count"),
        ({"ranks": matrix.ranks.astype(np.uint16)}, "ranks count"),
        ({"rank_every": 64}, "ranks count"),
    ):
        if "words" in changed and np.array_equal(changed["words"], matrix.words):
            continue
        with pytest.raises(ValueError, match=reason):
            parts(matrix, **changed)
