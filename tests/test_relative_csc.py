"""Relative CSC: the column of EIE, its fillers, the work of its elements, and what an engine model counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.accelerator.engine import stored_entries
from nncourse.codecs import RelativeCSC
from nncourse.codecs.relative_index import split


def drawn(shape, density, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < density, rng.integers(1, 100, shape), 0).astype(np.uint8)


def parts(matrix, **changed):
    given_parts = {
        "shape": matrix.shape,
        "stored": matrix.stored,
        "gaps": matrix.gaps,
        "indptr": matrix.indptr,
        "index_bits": matrix.index_bits,
    }
    return RelativeCSC(**{**given_parts, **changed})


def test_the_column_of_the_eie_paper():
    column = np.array([0, 0, 1, 2, *[0] * 18, 3], np.float32).reshape(-1, 1)
    matrix = RelativeCSC.from_dense(column)
    assert matrix.data.tolist() == [1, 2, 0, 3]
    assert matrix.gaps.tolist() == [2, 0, 15, 2]
    assert matrix.indptr.tolist() == [[0, 4]]
    assert (matrix.nnz, matrix.fillers) == (3, 1)


def test_the_first_figure_of_the_layout_rows_are_dealt_to_elements_in_turn():
    dense = np.arange(1, 13, dtype=np.uint8).reshape(6, 2)
    matrix = RelativeCSC.from_dense(dense, elements=4)
    # element 0 has rows 0 and 4, element 1 rows 1 and 5, elements 2 and 3 a row each
    assert matrix.data.tolist() == [1, 9, 2, 10, 3, 11, 4, 12, 5, 6, 7, 8]
    assert matrix.indptr.tolist() == [[0, 2, 4], [0, 2, 4], [0, 1, 2], [0, 1, 2]]
    assert not matrix.gaps.any()


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 70))
def test_an_element_stores_its_part_of_a_column_as_the_relative_index_does(seed, bits, elements):
    dense = drawn((60, 4), 0.1, seed)
    matrix = RelativeCSC.from_dense(dense, elements=elements, index_bits=bits)
    pieces = [
        split(dense[element::elements, column], bits)
        for element in range(elements)
        for column in range(4)
    ]
    np.testing.assert_array_equal(matrix.data, np.concatenate([values for values, _ in pieces]))
    np.testing.assert_array_equal(matrix.gaps, np.concatenate([gaps for _, gaps in pieces]))


@pytest.mark.parametrize(("elements", "bits"), [(1, 4), (7, 1), (64, 4), (200, 3)])
def test_the_work_of_each_element_is_what_the_engine_counts(elements, bits):
    dense = drawn((150, 40), 0.06)
    matrix = RelativeCSC.from_dense(dense, elements=elements, index_bits=bits)
    np.testing.assert_array_equal(
        matrix.work(), stored_entries(dense != 0, elements=elements, index_bits=bits)
    )
    assert matrix.work().sum() == matrix.nnz + matrix.fillers


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8])
def test_entries_a_weight_are_what_chance_makes_of_them(bits):
    density = 0.1
    dense = drawn((200_000, 1), density)
    matrix = RelativeCSC.from_dense(dense, index_bits=bits)
    entries = (matrix.nnz + matrix.fillers) / matrix.nnz
    assert entries == pytest.approx(1 / (1 - (1 - density) ** 2**bits), rel=0.01)


def test_zeros_behind_the_last_entry_of_a_column_cost_nothing():
    dense = np.zeros((5000, 3), np.uint8)
    dense[0] = 9
    matrix = RelativeCSC.from_dense(dense)
    assert (matrix.data.size, matrix.fillers) == (3, 0)


@pytest.mark.parametrize("zeros", [14, 15, 16, 17, 31, 32, 33, 47, 48])
def test_an_entry_moves_on_by_its_gap_and_one(zeros):
    dense = np.zeros((zeros + 1, 1), np.uint8)
    dense[zeros] = 9
    matrix = RelativeCSC.from_dense(dense)
    assert matrix.fillers == zeros // 16
    assert matrix[zeros, 0] == 9
    assert (matrix @ [2]).tolist() == [0] * zeros + [18]


def test_the_form_of_the_paper_takes_a_byte_an_entry_and_16_bits_a_pointer():
    rng = np.random.default_rng(0)
    levels = np.linspace(-1, 1, 15, dtype=np.float32) + np.float32(0.01)
    kept = rng.random((4096, 256)) < 0.1
    dense = np.where(kept, levels[rng.integers(0, 15, kept.shape)], 0).astype(np.float32)
    matrix = RelativeCSC.from_dense(dense, codebook=levels, elements=64)
    sizes = matrix.sizes()
    entries = matrix.data.size
    assert sizes["payload"] == 4 * entries
    assert sizes["index"] == 4 * entries + 16 * 64 * 256
    assert sizes["codebook"] == 15 * 32  # level 0 is the zero of the fillers, and known


def test_a_column_whose_input_is_zero_is_not_touched():
    dense = np.array([[np.inf, 1], [np.nan, 2]], np.float32)
    np.testing.assert_array_equal(RelativeCSC.from_dense(dense) @ [0, 3], [3, 6])


def test_a_filler_is_not_an_entry():
    dense = np.zeros((40, 1), np.float32)
    dense[39] = 1.0
    matrix = RelativeCSC.from_dense(dense)
    assert matrix.data.size == 3
    assert matrix.nnz == matrix.tocsr().nnz == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"elements": 0}, "elements is a whole number"),
        ({"elements": 1.5}, "elements is a whole number"),
        ({"elements": True}, "elements is a whole number"),
        ({"index_bits": 0}, "whole number from 1 to 16"),
        ({"index_bits": 17}, "whole number from 1 to 16"),
    ],
)
def test_parameters_outside_of_their_range_are_named(options, reason):
    with pytest.raises(ValueError, match=reason):
        RelativeCSC.from_dense(np.eye(3, dtype=np.float32), **options)


def test_parts_that_do_not_fit_are_named():
    matrix = RelativeCSC.from_dense(drawn((20, 6), 0.4), elements=2)
    assert parts(matrix).nnz == matrix.nnz
    pointers = matrix.indptr.copy()
    pointers[0, -1] -= 1
    back = matrix.indptr.copy()
    back[0, 1] = back[0, 2] + 1
    wide = matrix.gaps.copy()
    wide[0] = 16
    for changed, reason in (
        ({"shape": (19, 6)}, "stay within the 19 rows|$"),
        ({"shape": (2, 6)}, "stay within the 2 rows"),
        ({"shape": (20, 5)}, "6 pointers an element"),
        ({"gaps": matrix.gaps[:-1]}, "gaps are uint16, one for each"),
        ({"gaps": matrix.gaps.astype(np.int64)}, "gaps are uint16"),
        ({"gaps": wide}, "gaps of 4 bits lie below 16"),
        ({"indptr": matrix.indptr[0]}, "of two axes"),
        ({"indptr": pointers}, "shares out"),
        ({"indptr": back}, "never goes back"),
    ):
        if changed == {"shape": (19, 6)} and not np.any(matrix.toarray()[19]):
            continue
        with pytest.raises(ValueError, match=reason):
            parts(matrix, **changed)
