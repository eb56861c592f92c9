"""A matrix in many stored forms: the bytes that claim D5 compares."""

import numpy as np
import pytest
import scipy.sparse

from nncourse.experiments.stored_forms import (
    FORMS,
    MATRICES,
    TIMED,
    break_even,
    form_bytes,
    matrix,
    rows_in_widths,
)


def codes(density=0.2, shape=(40, 600), largest=15, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.integers(1, largest + 1, shape) * (rng.random(shape) < density)).astype(np.uint8)


def test_rows_in_the_widths_of_scipy_hold_its_three_arrays():
    values = codes()
    theirs = scipy.sparse.csr_array(values)
    stored = rows_in_widths(values, index_bits=16, value_bits=8)
    expected = theirs.indptr.astype("<u4").tobytes() + theirs.indices.astype("<u2").tobytes()
    assert stored == expected + theirs.data.tobytes()


def test_a_narrow_index_cuts_the_columns_into_stripes_with_pointers_of_their_own():
    values = codes()  # 600 columns: three stripes of 256
    wide, narrow = (len(rows_in_widths(values, index_bits=bits, value_bits=8)) for bits in (16, 8))
    kept = np.count_nonzero(values)
    assert wide == 4 * 41 + 2 * kept + kept
    assert narrow == 3 * 4 * 41 + kept + kept


@pytest.mark.parametrize("index_bits", [8, 16, 32])
@pytest.mark.parametrize("value_bits", [4, 8, 16, 32])
def test_the_break_even_density_is_that_of_the_formula(index_bits, value_bits):
    shape = (50, 400)
    found = break_even(shape, index_bits=index_bits, value_bits=value_bits, seed=3)
    stripes = -(-400 // 2**index_bits)
    pointers = 32 * 51 * stripes / (50 * 400)
    expected = (value_bits - pointers) / (value_bits + index_bits)
    assert found == pytest.approx(expected, abs=2e-3)


def test_below_the_break_even_density_rows_are_smaller_and_above_it_they_are_not():
    shape, widths = (50, 400), {"index_bits": 16, "value_bits": 8}
    found = break_even(shape, **widths, seed=0)
    for density, smaller in ((0.9 * found, True), (1.1 * found, False)):
        kept = (np.arange(50 * 400) < density * 50 * 400).reshape(shape).astype(np.uint32)
        assert (len(rows_in_widths(kept, **widths)) < 50 * 400) == smaller


def test_dense_codes_take_their_bits_and_no_more():
    assert form_bytes("dense", codes(), 4) == 40 * 600 // 2


@pytest.mark.parametrize("form", MATRICES)
@pytest.mark.parametrize("value_bits", [4, 8])
def test_a_matrix_is_the_codes_and_computes_with_them(form, value_bits):
    given = codes(largest=2**value_bits - 1)
    stored = matrix(form, given, value_bits)
    np.testing.assert_array_equal(stored.toarray(), given)
    x = np.arange(600.0) - 300
    np.testing.assert_array_equal(stored @ x, given.astype(float) @ x)
    assert form_bytes(form, given, value_bits) == len(stored.tobytes())


@pytest.mark.parametrize("form", MATRICES)
def test_values_are_stored_in_as_many_bits_as_asked(form):
    given = codes(density=0.5, shape=(100, 600))
    payload = [matrix(form, given, bits).sizes()["payload"] for bits in (4, 8)]
    assert payload[1] == 2 * payload[0]


@pytest.mark.parametrize("form", TIMED)
def test_a_timed_form_has_the_product_of_its_matrix(form):
    dense = codes().astype(np.float32)
    x = np.arange(600, dtype=np.float32)
    np.testing.assert_allclose(TIMED[form](dense) @ x, dense @ x, rtol=1e-5)


def test_run_length_is_smaller_with_huffman_behind_it_and_both_beat_dense_at_one_in_five():
    given = codes(shape=(300, 784))
    size = {form: form_bytes(form, given, 4) for form in FORMS}
    assert size["run length, Huffman"] < size["run length"] < size["CSR"]
    assert max(size["Huffman"], size["run length"]) < size["dense"]
