"""Files of coded weights: what comes back is table times scale, and every byte is counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse import pipeline
from nncourse.experiments.coded import GRANULARITIES, Scheme, restore, store
from nncourse.quantizers.codebook import NF4, fit_codebook

RNG = np.random.default_rng(0)
WEIGHT = RNG.laplace(scale=0.05, size=(24, 3, 5, 5)).astype(np.float32)


def scheme(**changes):
    return Scheme(**({"method": "kmeans", "bits": 4, "granularity": "tensor"} | changes))


def decoded(weight, **changes):
    return restore(store({"w": weight}, scheme(**changes)))["w"]


def test_a_tensor_of_few_values_comes_back_but_for_the_width_of_the_table():
    weight = RNG.choice(np.float32([-0.75, -0.1, 0.0, 0.2, 1.0]), size=(6, 7))
    for value_bits in (8, 16):
        step = 1.0 / (2 ** (value_bits - 1) - 1)
        found = decoded(weight, bits=3, value_bits=value_bits)
        assert np.abs(found - weight).max() <= step / 2 * 1.0001
        assert np.unique(found).size == 5


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("method", ["kmeans", "quantile", "log2", "nf4"])
def test_shape_type_and_number_of_levels_survive(method, granularity):
    found = decoded(WEIGHT, method=method, granularity=granularity)
    assert found.shape == WEIGHT.shape
    assert found.dtype == np.float32
    slices = {"tensor": 1, "channel": 24, "block of 64": -(-WEIGHT.size // 64)}[granularity]
    assert np.unique(found).size <= 16 * slices
    assert np.unique(found[:1]).size > 2


def test_the_error_of_kmeans_is_that_of_its_codebook():
    book = fit_codebook(WEIGHT, 16)
    exact = np.square(WEIGHT - book.lookup(book.assign(WEIGHT))).mean()
    assert np.square(WEIGHT - decoded(WEIGHT)).mean() == pytest.approx(exact, rel=1e-3)


def test_nf4_in_blocks_is_the_table_times_the_largest_of_each_block():
    flat = WEIGHT.reshape(-1)[:128].reshape(2, 64)
    largest = np.abs(flat).max(axis=1, keepdims=True)
    nearest = np.abs(flat[..., None] / largest[..., None] - NF4).argmin(axis=-1)
    found = decoded(flat, method="nf4", granularity="block of 64")
    np.testing.assert_allclose(found, NF4[nearest] * largest, atol=float(largest.max()) / 2**15)


def test_powers_of_two_stay_powers_of_two():
    found = np.unique(np.abs(decoded(WEIGHT, method="log2", bits=5)))
    exponents = np.log2(found[found > 0] / np.abs(WEIGHT).max())
    np.testing.assert_allclose(exponents, np.rint(exponents), atol=1e-6)


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("method", ["kmeans", "quantile", "log2", "nf4"])
def test_slices_of_zeros_come_back_as_zeros(method, granularity):
    weight = WEIGHT.copy()
    weight[[0, 5]] = 0
    found = decoded(weight, method=method, granularity=granularity)
    assert np.isfinite(found).all()
    if granularity == "channel":
        assert not found[[0, 5]].any()
    assert not decoded(np.zeros((4, 64), np.float32), method=method, granularity=granularity).any()


def test_the_file_holds_codes_table_scales_and_a_header_and_nothing_else():
    weight = RNG.normal(size=(32, 64)).astype(np.float32)

    def size(**changes):
        return len(store({"w": weight}, scheme(**changes)))

    four, two = (size(bits=bits, granularity="channel") for bits in (4, 2))
    assert four - two == pytest.approx(32 * 64 * 2 / 8 + 12 * 2, abs=16)  # header may pad
    wide, narrow = (size(value_bits=bits) for bits in (16, 8))
    assert wide - narrow == pytest.approx(16, abs=16)
    assert size(granularity="channel") - size() == pytest.approx(31 * 4, abs=16)
    payload = 32 * 64 * 4 // 8 + 16 * 2 + 4
    assert payload < size() < payload + 500


def test_a_codebook_of_equal_bits_costs_little_more_than_a_grid():
    tensors = {"w": RNG.normal(size=(100, 100)).astype(np.float32)}
    grid = len(pipeline.store(tensors, bits=4, axis=None))
    assert grid < len(store(tensors, scheme())) < grid + 400


def test_biases_stay_as_they_are():
    bias = RNG.normal(size=5).astype(np.float32)
    found = restore(store({"w": WEIGHT, "b": bias}, scheme()))
    np.testing.assert_array_equal(found["b"], bias)
    assert set(found) == {"w", "b"}


def test_equal_networks_give_equal_files_whatever_their_order_in_memory():
    swapped = np.asfortranarray(WEIGHT)
    assert store({"w": WEIGHT}, scheme()) == store({"w": swapped}, scheme())


@given(
    st.integers(2, 8),
    st.sampled_from(GRANULARITIES),
    st.sampled_from(["kmeans", "quantile", "log2"]),
)
def test_any_scheme_errs_less_than_the_largest_weight(bits, granularity, method):
    found = decoded(WEIGHT[:4], bits=bits, granularity=granularity, method=method)
    assert np.abs(found - WEIGHT[:4]).max() <= np.abs(WEIGHT[:4]).max()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"method": "uniform"}, "method"),
        ({"granularity": "row"}, "granularity"),
        ({"value_bits": 12}, "value_bits"),
    ],
)
def test_an_unknown_scheme_is_answered_with_the_choices(changes, named):
    with pytest.raises(ValueError, match=f"^{named} is"):
        scheme(**changes)
