"""Codebooks: the optimum of kmeans1d, worked levels, and what is promised on ties and small inputs."""

import kmeans1d
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.quantizers.codebook import NF4, Codebook, fit_codebook


def squared_error(x, book):
    return np.square(x.astype(np.float64) - book.lookup(book.assign(x))).sum()


def optimum(x, num_levels):
    centers = np.array(kmeans1d.cluster(x.astype(np.float64), num_levels).centroids)
    return squared_error(x, Codebook(np.unique(centers)))


SHAPES = {
    "normal": lambda rng: rng.normal(size=20_000),
    "Laplace": lambda rng: rng.laplace(size=20_000),
    "heavy tails": lambda rng: rng.standard_t(2, size=20_000),
    "two far clusters": lambda rng: np.concatenate(
        [rng.normal(size=19_990), rng.normal(1000, 1, size=10)]
    ),
    "pruned": lambda rng: rng.normal(size=20_000) * (rng.random(20_000) < 0.1),
    "few distinct values": lambda rng: rng.integers(0, 40, size=20_000) ** 2.0,
}


@pytest.mark.parametrize("num_levels", [2, 3, 8, 16, 64])
@pytest.mark.parametrize("shape", SHAPES)
def test_kmeans_is_within_a_thousandth_of_the_exact_optimum(shape, num_levels):
    x = SHAPES[shape](np.random.default_rng(0)).astype(np.float32)
    assert squared_error(x, fit_codebook(x, num_levels)) <= 1.001 * optimum(x, num_levels) + 1e-12


@given(
    x=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=30),
    num_levels=st.integers(1, 8),
)
def test_small_inputs_reach_the_optimum_or_a_point_that_lloyd_cannot_leave(x, num_levels):
    x = np.array(x)
    book = fit_codebook(x, num_levels)
    assert book.levels.size <= num_levels
    best = optimum(x, min(num_levels, np.unique(x).size))
    assert squared_error(x, book) <= best + 1e-6 * max(1.0, np.square(x).max())


def test_fewer_distinct_values_than_levels_give_fewer_levels_and_no_error():
    x = np.array([3.0, -1.0, 3.0, 0.5], dtype=np.float32)
    book = fit_codebook(x, 16)
    np.testing.assert_array_equal(book.levels, [-1.0, 0.5, 3.0])
    np.testing.assert_array_equal(book.lookup(book.assign(x)), x)


def test_the_nearest_level_is_assigned_and_ties_go_down():
    book = fit_codebook(np.random.default_rng(1).normal(size=1000).astype(np.float32), 8)
    x = np.random.default_rng(2).normal(size=500).astype(np.float32)
    distance = np.abs(x[:, None].astype(np.float64) - book.levels)
    np.testing.assert_array_equal(book.assign(x), distance.argmin(axis=1))
    np.testing.assert_array_equal(Codebook(np.array([0.0, 1.0])).assign(np.array([0.5])), [0])


def test_quantile_levels_hold_equal_shares():
    x = np.random.default_rng(3).laplace(size=100_000)
    levels = fit_codebook(x, 4, method="quantile").levels
    np.testing.assert_allclose(
        [(x < level).mean() for level in levels], [1 / 8, 3 / 8, 5 / 8, 7 / 8], atol=1e-3
    )


def test_log2_levels_are_zero_and_signed_powers_of_two():
    levels = fit_codebook(np.array([-0.3, 0.9]), 8, method="log2").levels
    np.testing.assert_array_equal(levels, [-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0])
    np.testing.assert_array_equal(fit_codebook(np.zeros(3), 8, method="log2").levels, [0.0])


def test_nf4_is_its_table_scaled_to_the_largest_magnitude():
    x = np.array([-2.0, 0.1, 1.0])
    np.testing.assert_array_equal(fit_codebook(x, 16, method="nf4").levels, 2 * NF4)
    assert NF4.size == 16


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: fit_codebook(np.zeros(0), 4), "x is empty"),
        (lambda: fit_codebook(np.array([np.nan]), 4), "NaN"),
        (lambda: fit_codebook(np.arange(4), 4), "astype"),
        (lambda: fit_codebook(np.ones(4), 0), "num_levels"),
        (lambda: fit_codebook(np.ones(4), 2.0), "num_levels"),
        (lambda: fit_codebook(np.ones(4), 4, method="lloyd"), "method is one of"),
        (lambda: fit_codebook(np.ones(4), 8, method="nf4"), "16 levels"),
        (lambda: fit_codebook(np.ones(4), 2, method="log2"), "3 levels"),
        (lambda: Codebook(np.array([1.0, 0.0])), "ascend"),
        (lambda: Codebook(np.zeros(0)), "one axis"),
        (lambda: Codebook(np.zeros(1)).lookup(np.array([1])), "codes lie in 0 .. 0"),
        (lambda: Codebook(np.zeros(1)).lookup(np.array([0.0])), "codes are integers"),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()
