"""What every stored form of a matrix promises: bits, products, entries, sizes, and refusal of damage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse import fuzz
from nncourse.codecs import CSC, CSR, Bitmask, BlockSparse, CodecError, RelativeCSC, get_codec
from nncourse.codecs.frame import open_frame, varint
from nncourse.codecs.matrix import unsigned

FORMS = {
    "CSR": CSR,
    "CSC": CSC,
    "Bitmask": Bitmask,
    "RelativeCSC": RelativeCSC,
    "BlockSparse": BlockSparse,
}
PARAMETERS = {
    "CSR": [{}, {"index_bits": 32}],
    "CSC": [{}, {"index_bits": 16}],
    "Bitmask": [{}, {"rank_every": 64}],
    "RelativeCSC": [{}, {"elements": 3, "index_bits": 2}, {"elements": 64, "index_bits": 16}],
    "BlockSparse": [{}, {"block": (2, 3)}, {"block": (1, 8)}],
}
CASES = [(form, options) for form, several in PARAMETERS.items() for options in several]
IDS = [f"{form} {options}" for form, options in CASES]
DTYPES = ["f4", "f8", "f2", "i1", "u1", "i2", "u2"]
every_case = pytest.mark.parametrize(("form", "options"), CASES, ids=IDS)
every_form = pytest.mark.parametrize("form", FORMS)


def drawn(rng, shape, density=0.3, dtype="f4"):
    """A matrix of which about ``density`` is not zero."""
    weights = rng.integers(-90, 90, shape)
    if np.dtype(dtype).kind == "u":
        weights = abs(weights)
    return np.where(rng.random(shape) < density, weights, 0).astype(dtype)


def same_bits(got, expected):
    return (
        got.dtype == expected.dtype
        and got.shape == expected.shape
        and got.tobytes() == np.ascontiguousarray(expected).tobytes()
    )


@st.composite
def any_matrices(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(st.tuples(st.integers(0, 20), st.integers(0, 20)))
    density = draw(st.sampled_from([0.0, 0.02, 0.2, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    words = rng.integers(0, 256, (*shape, dtype.itemsize), np.uint8)
    words[rng.random(shape) >= density] = 0
    return words.view(dtype).reshape(shape)


@every_case
@given(dense=any_matrices())
@settings(max_examples=40)
def test_any_bits_come_back_and_sizes_add_up(form, options, dense):
    matrix = FORMS[form].from_dense(dense, **options)
    assert same_bits(matrix.toarray(), dense)
    data = matrix.tobytes()
    assert same_bits(FORMS[form].frombytes(data).toarray(), dense)
    assert FORMS[form].frombytes(data).tobytes() == data
    sizes = matrix.sizes()
    assert set(sizes) == {"payload", "codebook", "index", "padding", "header"}
    assert min(sizes.values()) >= 0
    assert sum(sizes.values()) == 8 * len(data) == 8 * matrix.nbytes
    assert (matrix.shape, matrix.dtype) == (dense.shape, dense.dtype)
    assert matrix.nnz == np.count_nonzero(dense)


@every_case
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_product_with_a_vector_is_the_dense_one(form, options, dtype):
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (7, 130), (70, 65), (33, 9)):
        dense = drawn(rng, shape, dtype=dtype)
        x = rng.integers(-5, 6, shape[1])  # whole numbers, so that no order of summing rounds
        expected = dense.astype(np.int64) @ x
        matrix = FORMS[form].from_dense(dense, **options)
        for kind in ("f4", "f8", "i8", "i1"):
            got = matrix @ x.astype(kind)
            np.testing.assert_array_equal(got, expected)
            floats = "f" in (np.dtype(kind).kind, np.dtype(dtype).kind)
            wide = "f8" in (kind, dtype) or kind == "i8"
            assert got.dtype == (np.dtype("f8" if wide else "f4") if floats else np.int64)


@every_case
def test_several_vectors_give_several_products(form, options):
    rng = np.random.default_rng(1)
    for dtype in DTYPES:
        dense = drawn(rng, (20, 33), dtype=dtype)
        x = rng.integers(-5, 6, (33, 4)).astype(np.float32)
        matrix = FORMS[form].from_dense(dense, **options)
        np.testing.assert_array_equal(matrix @ x, dense.astype(np.float64) @ x)
        np.testing.assert_array_equal((matrix @ x)[:, 1], matrix @ x[:, 1])
        assert (matrix @ x[:, :0]).shape == (20, 0)


@every_case
def test_the_product_agrees_with_scipy_on_real_numbers(form, options):
    from scipy.sparse import csr_array

    rng = np.random.default_rng(2)
    for density in (0.02, 0.5):
        dense = rng.normal(size=(60, 200)) * (rng.random((60, 200)) < density)
        x = rng.normal(size=200)
        matrix = FORMS[form].from_dense(dense, **options)
        np.testing.assert_allclose(matrix @ x, csr_array(dense) @ x, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(matrix.tocsr().toarray(), dense)


@every_case
def test_a_codebook_gives_the_same_bits_entries_and_products(form, options):
    rng = np.random.default_rng(3)
    for num_levels in (1, 15, 300):
        levels = rng.permutation(np.arange(1, num_levels + 1)).astype(np.float32) / 8
        codes = rng.integers(0, num_levels, (30, 41))
        dense = np.where(rng.random(codes.shape) < 0.4, levels[codes], 0).astype(np.float32)
        matrix = FORMS[form].from_dense(dense, codebook=levels, **options)
        assert same_bits(matrix.toarray(), dense)
        assert same_bits(FORMS[form].frombytes(matrix.tobytes()).toarray(), dense)
        x = rng.integers(-5, 6, 41).astype(np.float32)
        np.testing.assert_array_equal(matrix @ x, dense @ x)
        assert matrix.data.dtype == (np.uint8 if num_levels < 256 else np.uint16)
        sizes = matrix.sizes()
        assert sizes["codebook"] == 32 * num_levels
        assert sum(sizes.values()) == 8 * len(matrix.tobytes())
        if form in ("CSR", "CSC", "Bitmask"):
            assert sizes["payload"] == matrix.nnz * num_levels.bit_length()
        np.testing.assert_array_equal(
            [matrix[i, j] for i in range(30) for j in range(41)], dense.ravel()
        )


@every_form
def test_codes_and_their_levels_may_be_given_instead_of_weights(form):
    levels = np.array([-1, 0, 0.5, 2], np.float32)
    codes = np.array([[1, 1, 0, 3], [2, 1, 1, 1]], np.uint8)
    matrix = FORMS[form].from_dense(codes, codebook=levels)
    assert same_bits(matrix.toarray(), levels[codes])
    assert matrix.nnz == 3
    with pytest.raises(ValueError, match=r"codes lie in 0 .. 3, the levels"):
        FORMS[form].from_dense(codes + 1, codebook=levels)


@every_form
def test_a_codebook_has_to_hold_every_weight(form):
    dense = np.array([[0, 1.5], [0, 0.25]], np.float32)
    with pytest.raises(ValueError, match=r"codebook holds every value.*0\.25"):
        FORMS[form].from_dense(dense, codebook=np.array([1.5, 3], np.float32))
    with pytest.raises(ValueError, match="codebook is of float32"):
        FORMS[form].from_dense(dense, codebook=np.array([1.5, 0.25]))


@every_case
def test_every_entry_is_found_and_every_other_one_is_zero(form, options):
    rng = np.random.default_rng(4)
    for shape, density in (((9, 70), 0.3), ((70, 9), 0.05), ((40, 40), 1.0), ((3, 5), 0.0)):
        for dtype in ("f4", "i1"):
            dense = drawn(rng, shape, density, dtype)
            matrix = FORMS[form].from_dense(dense, **options)
            rows, columns = shape
            for i in range(-rows, rows):
                for j in (*range(columns), -1, -columns):
                    got = matrix[i, j]
                    assert got == dense[i, j]
                    assert got.dtype == dense.dtype


@every_form
def test_places_outside_and_other_kinds_of_places_are_refused(form):
    matrix = FORMS[form].from_dense(np.eye(3, 4, dtype=np.float32))
    for place in ((3, 0), (0, 4), (-4, 0), (0, -5)):
        with pytest.raises(IndexError, match="out of bounds"):
            matrix[place]
    for place in (0, (0,), (0, 1, 2), (0, slice(2)), (0.0, 1), "ab"):
        with pytest.raises(TypeError, match="two whole numbers"):
            matrix[place]
    with pytest.raises(IndexError):
        FORMS[form].from_dense(np.zeros((0, 4), np.float32))[0, 0]


@every_form
def test_minus_zero_and_the_bits_of_a_nan_are_kept(form):
    dense = np.zeros((3, 4), np.float32)
    dense[1, 2] = -0.0
    dense.view(np.uint32)[2, 0] = 0xFFC12345
    matrix = FORMS[form].from_dense(dense)
    assert matrix.nnz == 1  # -0.0 is stored, and it is no number but zero
    assert same_bits(matrix.toarray(), dense)
    assert np.signbit(matrix[1, 2])
    assert int(matrix[2, 0].view(np.uint32)) == 0xFFC12345


@every_form
def test_memory_order_stride_and_byte_order_do_not_matter(form):
    dense = drawn(np.random.default_rng(5), (12, 18))
    for other in (np.asfortranarray(dense), np.repeat(dense, 2, 1)[:, ::2], dense[::-1][::-1]):
        assert FORMS[form].from_dense(other).tobytes() == FORMS[form].from_dense(dense).tobytes()
    swapped = dense.astype(">f4")
    matrix = FORMS[form].from_dense(swapped)
    assert matrix.toarray().dtype == matrix.dtype == np.dtype(">f4")
    assert matrix.toarray().tobytes() == swapped.tobytes()
    read = FORMS[form].frombytes(matrix.tobytes())
    assert read.toarray().tobytes() == swapped.tobytes()
    np.testing.assert_array_equal(read @ np.ones(18, np.float32), dense.sum(axis=1))
    assert read[0, 0] == dense[0, 0]


@every_form
def test_the_input_stays_as_it_was_and_the_parts_cannot_be_written(form):
    dense = drawn(np.random.default_rng(6), (8, 8))
    before = dense.copy()
    matrix = FORMS[form].from_dense(dense)
    x = np.ones(8, np.float32)
    matrix @ x
    np.testing.assert_array_equal(dense, before)
    np.testing.assert_array_equal(x, 1)
    dense[:] = 7
    assert same_bits(matrix.toarray(), before)
    with pytest.raises(ValueError, match="read-only"):
        matrix.data[0] = 1


@every_form
def test_a_row_of_a_million_zeros_is_a_stream_that_can_be_read(form):
    dense = np.zeros((1000, 1000), np.uint8)
    dense[999, 999] = 1
    matrix = FORMS[form].from_dense(dense)
    assert same_bits(FORMS[form].frombytes(matrix.tobytes()).toarray(), dense)


@every_form
def test_what_is_no_matrix_is_refused(form):
    make = FORMS[form].from_dense
    for dense, reason in (
        (np.zeros(4, np.float32), "two axes"),
        (np.zeros((2, 2), np.int32), "16 bits; got int32"),
        (np.zeros((2, 2), complex), "got complex128"),
        (np.zeros((0, 70_000), np.float32), "shape is two lengths"),
    ):
        with pytest.raises(ValueError, match=reason):
            make(dense)
    matrix = make(np.eye(3, 4, dtype=np.float32))
    for x in (np.ones(3), np.ones((4, 1, 1)), np.float32(1), np.ones(4, complex), ["a"] * 4):
        with pytest.raises(ValueError, match="x is numbers"):
            matrix @ x
    with pytest.raises(TypeError):
        np.ones(3) @ matrix


@every_form
def test_a_report_names_the_form_and_its_bytes(form):
    matrix = FORMS[form].from_dense(np.eye(3, 4, dtype=np.float32))
    assert repr(matrix) == f"<{form} 3 x 4, float32, 3 not zero, {matrix.nbytes} bytes>"


@every_form
def test_another_kind_of_stream_is_refused(form):
    dense = np.eye(5, dtype=np.float32)
    for other, make in FORMS.items():
        if other != form:
            with pytest.raises(CodecError, match="codec number"):
                FORMS[form].frombytes(make.from_dense(dense).tobytes())
    with pytest.raises(CodecError):
        FORMS[form].frombytes(get_codec("fixed").encode(b"abc"))
    with pytest.raises(CodecError):
        FORMS[form].frombytes(b"")


@every_form
def test_a_shape_that_the_bytes_do_not_hold_is_refused(form):
    data = FORMS[form].from_dense(np.zeros((0, 5), np.float32)).tobytes()
    asked = data[:6] + varint(0) + varint(2**40) + data[8:]
    with pytest.raises(CodecError):
        FORMS[form].frombytes(fuzz.repaired_frame(asked))


def fuzz_target(form):
    rng = np.random.default_rng(0)
    levels = np.arange(1, 16, dtype=np.float32)
    originals = []
    for options in PARAMETERS[form]:
        make = FORMS[form].from_dense
        originals += [
            make(drawn(rng, (6, 20), 0.3), **options).tobytes(),
            make(drawn(rng, (40, 5), 0.1, "i1"), **options).tobytes(),
            make(np.zeros((4, 0), np.float16), **options).tobytes(),
            make(np.zeros((3, 300), ">i2"), **options).tobytes(),
            make(
                np.where(rng.random((7, 9)) < 0.4, 3, 0).astype(np.float32),
                codebook=levels,
                **options,
            ).tobytes(),
        ]

    def read(data):
        matrix = FORMS[form].frombytes(data)
        declared = open_frame(data).form
        assert (matrix.shape, matrix.dtype) == (declared.shape, declared.dtype)
        rows, columns = matrix.shape
        if max(rows * columns, rows, columns) > 50_000:
            return
        with np.errstate(all="ignore"):
            product = matrix @ np.ones(columns, np.float32)
        assert product.shape == (rows,)
        if rows * columns:
            assert matrix[rows // 2, columns // 2].dtype == matrix.dtype.newbyteorder("=")

    def dense(data):
        matrix = FORMS[form].frombytes(data)
        if matrix.shape[0] * matrix.shape[1] <= 50_000:
            assert np.array_equal(
                FORMS[form].frombytes(matrix.tobytes()).toarray().view(np.uint8),
                matrix.toarray().view(np.uint8),
            )

    def sizes(data):
        parts = FORMS[form].frombytes(data).sizes()
        assert min(parts.values()) >= 0

    return fuzz.Target(
        name=form,
        originals=tuple(dict.fromkeys(originals)),
        read=read,
        aside=(dense, sizes),
        repair=fuzz.repaired_frame,
    )


@every_form
def test_a_hundred_thousand_damaged_streams_are_refused_or_keep_their_form(form):
    tally = fuzz.fuzz(fuzz_target(form), streams=100_000)
    assert tally.refused + tally.decoded == 100_000
    assert tally.refused >= 50_000  # all that kept their old checksum
    assert tally.decoded > 0


def test_an_index_takes_the_fewest_bits_or_the_ones_asked_for():
    assert [unsigned(n).itemsize for n in (0, 255, 256, 65_535, 65_536)] == [1, 1, 2, 2, 4]
    assert unsigned(3, 16) == np.uint16
    with pytest.raises(ValueError, match="indices up to 256 need more than 8 bits"):
        unsigned(256, 8)
    with pytest.raises(ValueError, match="index_bits is 8, 16 or 32"):
        unsigned(3, 4)
