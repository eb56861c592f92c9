"""The measures of lab 07: rows, bitmaps and engine inputs by hand, steps and budgets of a chosen form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.classroom.checks.bitmap_rank import bitmap_of, hidden_elsewhere
from nncourse.classroom.checks.relative_engine import engine_inputs
from nncourse.classroom.checks.sparse_rows import drawn, rows_of
from nncourse.classroom.checks.stored_form import NotAForm, matrices, steps_of

ORDER = np.arange(32)
LARGE = 10**6


def banded():
    """32 rows of 64 columns; row i keeps its first i weights."""
    return (np.arange(64) < np.arange(32)[:, None]).astype(np.uint8)


@given(st.integers(0, 2**32), st.integers(0, 3))
def test_rows_multiply_as_scipys_do(seed, least):
    from scipy.sparse import csr_array

    rng = np.random.default_rng(seed)
    weight = drawn(rng, 5, 9, least=least)
    theirs = csr_array(weight)
    for mine, other in zip(
        rows_of(weight), (theirs.data, theirs.indices, theirs.indptr), strict=True
    ):
        np.testing.assert_array_equal(mine, other)
    assert (np.count_nonzero(weight, axis=1) >= least).all()


def test_pointers_of_an_engine_count_through_all_elements():
    weight = np.array([[1, 0], [2, 3], [0, 4]], np.float32)
    values, gaps, pointers = engine_inputs(weight, elements=2, gap_bits=4)
    # element 0 has rows 0 and 2, element 1 row 1
    assert values.tolist() == [1, 4, 2, 3]
    assert gaps.tolist() == [0, 1, 0, 0]
    assert pointers.tolist() == [[0, 1, 2], [2, 3, 4]]


def test_noise_leaves_what_a_weight_needs():
    rng = np.random.default_rng(0)
    bits, samples, _ = bitmap_of(rng.integers(0, 2, (10, 40)), 64)
    noisy, wrong = hidden_elsewhere(rng, bits, samples, 150, 64)
    np.testing.assert_array_equal(noisy[16:19], bits[16:19])
    assert wrong[2] == samples[2]
    assert not np.array_equal(noisy[:16], bits[:16])
    assert (np.delete(wrong, 2) != np.delete(samples, 2)).all()


@pytest.mark.parametrize(
    ("form", "parameter", "steps"),
    [
        ("rows", 8, 15 + 31 + 2),  # element 15 has rows 15 and 31
        ("rows", 16, 15 + 31 + 2),
        ("bitmask", 64, 15 + 31 + 2),
        ("relative", 16, 15 + 31 + 64),
        ("blocks", (32, 64), 32 * 64 + 1),
        ("blocks", (1, 64), 2 * 64 + 2),
    ],
)
def test_steps_are_those_of_the_slowest_element(form, parameter, steps):
    assert steps_of((form, parameter, ORDER), banded(), LARGE) == steps


def test_a_fair_order_takes_fewer_steps():
    fair = np.append(np.arange(16), np.arange(31, 15, -1))  # 0 with 31, 1 with 30 ...
    assert steps_of(("rows", 8, fair), banded(), LARGE) == 31 + 2


def test_a_filler_is_a_step():
    codes = np.zeros((16 * 9, 1), np.uint8)
    codes[16 * 8] = 1  # eight zeros before it in element 0
    order = np.arange(len(codes))
    assert steps_of(("relative", 3, order), codes, LARGE) == 2 + 1
    assert steps_of(("relative", 4, order), codes, LARGE) == 1 + 1


def test_a_budget_is_of_the_bytes_that_are_written():
    with pytest.raises(NotAForm, match="it takes 644 bytes, and 643 are there"):
        steps_of(("bitmask", 64, ORDER), banded(), 643)
    assert steps_of(("bitmask", 64, ORDER), banded(), 644) > 0


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (("rows", 8), "not \\(form, parameter, order\\)"),
        (("csr", 8, ORDER), "form is one of rows"),
        ((np.zeros(2), 8, ORDER), "form is one of rows"),
        (("rows", 12, ORDER), "index_bits is 8, 16 or 32"),
        (("rows", 8.0, ORDER), "a whole number"),
        (("rows", True, ORDER), "a whole number"),
        (("relative", 17, ORDER), "from 1 to 16"),
        (("bitmask", 100, ORDER), "a multiple of 64"),
        (("blocks", 4, ORDER), "is \\(rows, columns\\)"),
        (("blocks", (4, 4, 4), ORDER), "two whole numbers"),
        (("blocks", (65, 1), ORDER), "not larger than the matrix"),
        (("blocks", (0, 1), ORDER), "two whole numbers"),
        (("rows", 8, ORDER[:-1]), "a number for each row"),
        (("rows", 8, ORDER * 1.0), "each row once"),
        (("rows", 8, ORDER // 2), "each row once"),
        (("rows", 8, ORDER.tolist()), "an array"),
    ],
)
def test_a_choice_that_breaks_a_rule_is_told_which(value, rule):
    with pytest.raises(NotAForm, match=rule):
        steps_of(value, banded(), LARGE)


def test_matrices_are_of_four_kinds_and_rows_are_not_equally_long():
    kinds = list(matrices(np.random.default_rng(0)))
    shapes = [codes.shape for codes, _ in kinds]
    assert shapes == [(4096, 128), (512, 512), (512, 512), (512, 256)]
    for codes, budget_bytes in kinds:
        lengths = np.count_nonzero(codes, axis=1)
        assert lengths.max() > 2 * np.median(lengths)
        assert budget_bytes < codes.size / 2
        assert codes.max() == 15
