"""Clipping ranges: the search against brute force, the percentile on data that could fool it."""

import numpy as np
import pytest

from nncourse.quantizers.affine import QParams, choose_qparams, fake_quantize
from nncourse.quantizers.ranges import clipping_range, grid

DRAWS = ["normal", "laplace", "exponential", "uniform"]


def squared_error(row, step, zero_point, qmin, qmax):
    qparams = QParams(scale=np.float32(step), zero_point=zero_point, qmin=qmin, qmax=qmax)
    return np.square(row.astype(np.float64) - fake_quantize(row, qparams)).sum()


def searched_error(x, bits, scheme, method):
    qparams = choose_qparams(x, bits=bits, scheme=scheme, axis=0, method=method)
    return np.square(x.astype(np.float64) - fake_quantize(x, qparams)).sum(axis=1)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("draw", DRAWS)
def test_the_symmetric_search_meets_brute_force_within_one_percent(draw, bits):
    x = getattr(np.random.default_rng(6), draw)(size=(4, 500)).astype(np.float32)
    qmax = 2 ** (bits - 1) - 1
    for row, reached in zip(x, searched_error(x, bits, "symmetric", "mse"), strict=True):
        steps = np.linspace(0.01, 1, 1000) * np.abs(row).max() / qmax
        best = min(squared_error(row, step, 0, -qmax, qmax) for step in steps)
        assert reached <= 1.01 * best


@pytest.mark.parametrize("bits", [2, 3])
@pytest.mark.parametrize("draw", DRAWS)
def test_the_asymmetric_search_meets_brute_force_within_one_percent(draw, bits):
    x = getattr(np.random.default_rng(6), draw)(size=(2, 500)).astype(np.float32)
    qmax = 2**bits - 1
    for row, reached in zip(x, searched_error(x, bits, "asymmetric", "mse"), strict=True):
        steps = np.linspace(0.02, 2, 300) * (max(row.max(), 0) - min(row.min(), 0)) / qmax
        best = min(
            squared_error(row, step, zero_point, 0, qmax)
            for step in steps
            for zero_point in range(qmax + 1)
        )
        assert reached <= 1.01 * best


@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("draw", DRAWS)
def test_the_searched_range_is_never_worse_than_minmax(draw, bits, scheme):
    x = getattr(np.random.default_rng(7), draw)(size=(6, 300)).astype(np.float32)
    x[0, 0] = 1e4  # an outlier that is worth clipping only now and then
    assert (
        searched_error(x, bits, scheme, "mse") <= searched_error(x, bits, scheme, "minmax")
    ).all()


def test_a_percentile_clips_an_outlier_but_never_everything():
    x = np.random.default_rng(7).normal(size=10_000).astype(np.float32)
    x[0] = 1000
    assert choose_qparams(x, bits=8, method="percentile").scale * 127 < 10
    nearly_empty = np.zeros(10_000, dtype=np.float32)
    nearly_empty[0] = 5
    for scheme in ("symmetric", "asymmetric"):
        kept = choose_qparams(nearly_empty, bits=8, scheme=scheme, method="percentile")
        assert fake_quantize(nearly_empty, kept)[0] == pytest.approx(5)


def test_the_percentile_is_of_magnitudes_or_of_both_ends():
    x = np.arange(-1000, 3001, dtype=np.float32)[None]
    low, high = clipping_range(x, -7, 7, "percentile")
    assert high == pytest.approx(np.percentile(np.abs(x), 99.9))
    assert low == -high
    low, high = clipping_range(x, 0, 15, "percentile")
    assert (low, high) == (pytest.approx(-996), pytest.approx(2996))


def test_a_grid_worked_by_hand():
    # -1 .. 2 in 3 steps: one step is 1, and 0 is code 1.
    step, zero_point = grid(np.array([-1.0]), np.array([2.0]), 0, 3)
    assert (step[0], zero_point[0]) == (1.0, 1)


@pytest.mark.parametrize("bits", [1, 2, 8, 16])
def test_no_grid_value_leaves_float32(bits):
    largest = float(np.finfo(np.float32).max)
    for low, high in (
        (-largest, largest),
        (0.0, largest),
        (-largest, 0.0),
        (-0.6 * largest, largest),
    ):
        step, zero_point = grid(np.array([low]), np.array([high]), 0, 2**bits - 1)
        ends = (np.array([0, 2**bits - 1], dtype=np.float32) - zero_point[0]) * step[0]
        assert np.isfinite(ends).all()
