"""K-means on a line: the exact optimum, whether values are sorted or counted, and when counting is refused."""

import kmeans1d
import numpy as np
import pytest

from nncourse.quantizers import kmeans
from nncourse.quantizers.kmeans import kmeans_levels

NUM = 20_000
SHAPES = {
    "normal": lambda rng: rng.normal(size=NUM),
    "uniform": lambda rng: rng.random(NUM),
    "Student t, 2 degrees": lambda rng: rng.standard_t(2, size=NUM),
    "Cauchy": lambda rng: rng.standard_cauchy(size=NUM),
    "lognormal": lambda rng: np.exp(rng.normal(0, 2, NUM)),
    "one outlier above": lambda rng: np.append(rng.normal(size=NUM - 1), 1e6),
    "one outlier below": lambda rng: np.append(-1e6, rng.normal(size=NUM - 1)),
    "outliers on both sides": lambda rng: np.append(rng.normal(size=NUM - 40), [-1e4, 1e5] * 20),
    "two clusters": lambda rng: rng.normal(size=NUM) + 1000 * (rng.random(NUM) < 0.5),
    "far from zero": lambda rng: 1000 + rng.normal(size=NUM),
    "pruned": lambda rng: rng.normal(size=NUM) * (rng.random(NUM) < 0.1),
    "whole numbers": lambda rng: rng.integers(0, 3000, NUM) ** 2.0,
    "tiny": lambda rng: 1e-30 * rng.normal(size=NUM),
}


def squared_error(x, levels):
    x = x.reshape(-1).astype(np.float64)
    nearest = np.searchsorted(levels[:-1] + np.diff(levels) / 2, x)
    return np.square(x - levels[nearest]).sum()


def optimum(x, num_levels):
    scale = np.abs(x).max()  # kmeans1d squares differences, which underflow for tiny values
    centers = kmeans1d.cluster(x.astype(np.float64) / scale, num_levels).centroids
    return squared_error(x, np.unique(centers) * scale)


@pytest.fixture
def count_from_the_first(monkeypatch):
    monkeypatch.setattr(kmeans, "COUNTED_FROM", 0)


@pytest.mark.parametrize("num_levels", [2, 5, 16, 64])
@pytest.mark.parametrize("shape", SHAPES)
def test_levels_are_within_a_thousandth_of_the_optimum(shape, num_levels, monkeypatch):
    x = SHAPES[shape](np.random.default_rng(0)).astype(np.float32)
    by_sorting = kmeans_levels(x, num_levels)
    monkeypatch.setattr(kmeans, "COUNTED_FROM", 0)
    by_counting = kmeans_levels(x, num_levels)
    least = optimum(x, num_levels)
    assert squared_error(x, by_sorting) <= 1.001 * least
    assert squared_error(x, by_counting) <= 1.001 * least


@pytest.mark.parametrize("shape", ["Student t, 2 degrees", "one outlier above"])
def test_at_full_size_many_heavy_tailed_values_are_counted_and_within_a_thousandth(
    shape, monkeypatch
):
    monkeypatch.setitem(globals(), "NUM", 300_000)
    x = SHAPES[shape](np.random.default_rng(1)).astype(np.float32)
    monkeypatch.setattr(kmeans.np, "unique", only_for_few(np.unique))
    levels = kmeans_levels(x, 16)
    assert squared_error(x, levels) <= 1.001 * optimum(x, 16)


def only_for_few(unique):
    def checked(values, **options):
        assert np.size(values) < 30_000, "all values were sorted"
        return unique(values, **options)

    return checked


def sorts_all(x, num_levels, monkeypatch):
    """Whether the values were sorted although counting was tried first."""
    sizes = []
    unique = np.unique

    def noted(values, **options):
        sizes.append(np.size(values))
        return unique(values, **options)

    with monkeypatch.context() as patched:
        patched.setattr(kmeans.np, "unique", noted)
        kmeans_levels(x, num_levels)
    return max(sizes) == x.size


@pytest.mark.parametrize(
    ("why", "x", "num_levels"),
    [
        ("one value", np.full(NUM, 3.0), 16),
        ("few values", np.arange(NUM) % 40.0, 16),
        ("two far clusters", np.arange(NUM) / NUM + 1e7 * (np.arange(NUM) % 2), 16),
        ("nearly all outside the sampled bulk", np.append(np.zeros(NUM - 9), np.arange(9.0)), 2),
        ("as many levels as bins", np.random.default_rng(0).normal(size=NUM), 700),
        ("bins too wide for the gaps", np.random.default_rng(0).standard_cauchy(NUM), 512),
    ],
)
def test_values_that_fine_bins_would_blur_are_sorted(
    why, x, num_levels, monkeypatch, count_from_the_first
):
    assert sorts_all(x, num_levels, monkeypatch), why


def test_values_with_a_bulk_are_counted(monkeypatch, count_from_the_first):
    assert not sorts_all(np.random.default_rng(0).normal(size=NUM), 16, monkeypatch)


@pytest.mark.parametrize("count_from", [0, 10**9])
@pytest.mark.parametrize("num_levels", [3, 16, 100])
def test_each_level_is_the_mean_of_the_values_nearest_to_it(count_from, num_levels, monkeypatch):
    monkeypatch.setattr(kmeans, "COUNTED_FROM", count_from)
    x = np.random.default_rng(0).laplace(size=NUM)
    levels = kmeans_levels(x, num_levels)
    nearest = np.abs(x[:, None] - levels).argmin(axis=1)
    means = np.bincount(nearest, weights=x) / np.bincount(nearest)
    np.testing.assert_allclose(means, levels, atol=1e-2 * np.diff(levels).min())


@pytest.mark.parametrize("count_from", [0, 10**9])
def test_no_more_values_than_levels_are_the_levels(count_from, monkeypatch):
    monkeypatch.setattr(kmeans, "COUNTED_FROM", count_from)
    x = np.repeat([5.0, -1.0, 0.25], 9000)
    np.testing.assert_array_equal(kmeans_levels(x, 3), [-1.0, 0.25, 5.0])
    np.testing.assert_array_equal(kmeans_levels(x, 65536), [-1.0, 0.25, 5.0])


def test_neither_order_nor_shape_nor_strides_matter(count_from_the_first):
    x = np.random.default_rng(0).normal(size=(100, 200)).astype(np.float32)
    levels = kmeans_levels(x, 16)
    np.testing.assert_array_equal(kmeans_levels(x.reshape(-1), 16), levels)
    np.testing.assert_array_equal(kmeans_levels(np.repeat(x, 2, axis=1)[:, ::2], 16), levels)
    np.testing.assert_allclose(kmeans_levels(np.sort(x, axis=None), 16), levels, atol=2e-3)
