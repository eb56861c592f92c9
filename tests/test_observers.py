"""Observers against the grid of all batches in one array, and against torch's."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nncourse.quantizers.affine import choose_qparams, fake_quantize
from nncourse.quantizers.observers import (
    MinMaxObserver,
    MovingAverageObserver,
    PercentileObserver,
    SquaredErrorObserver,
)

SCHEMES = ("symmetric", "asymmetric")


def fed(observer, batches):
    for batch in batches:
        observer.update(batch)
    return observer


def batches(kind, seed=0, count=8):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=2000) * 2.0**i for i in range(count)]  # each wider than the last
    if kind == "relu":
        parts = [np.maximum(part, 0) for part in parts]
    if kind == "negative":
        parts = [-np.abs(part) - 1 for part in parts]
    if kind == "shrinking":
        parts = parts[::-1]
    if kind == "sparse":  # 1 in 5,000 is not zero: the percentile is 0
        parts = [np.where(np.arange(2000) % 5000 == 7, part, 0) for part in parts]
    return [part.astype(np.float32) for part in parts]


KINDS = ("growing", "shrinking", "relu", "negative", "sparse")


@given(
    x=arrays(np.float32, (6, 3, 4), elements=st.floats(-1e6, 1e6, width=32)),
    axis=st.sampled_from([None, 1, 2, -1]),
    scheme=st.sampled_from(SCHEMES),
    bits=st.integers(2, 16),
)
def test_min_max_over_batches_is_that_of_all_batches_at_once(x, axis, scheme, bits):
    got = fed(MinMaxObserver(axis=axis), np.split(x, 3)).qparams(bits=bits, scheme=scheme)
    expected = choose_qparams(x, bits=bits, scheme=scheme, axis=axis)
    np.testing.assert_array_equal(got.scale, expected.scale)
    np.testing.assert_array_equal(got.zero_point, expected.zero_point)
    assert (got.axis, got.qmin, got.qmax) == (expected.axis, expected.qmin, expected.qmax)


def torch_observer(name, **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated in torch; here it is only an oracle
        return getattr(torch.ao.quantization, name)(**arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_the_ends_are_those_of_torch(kind):
    parts = batches(kind)
    pairs = [
        (MinMaxObserver(), torch_observer("MinMaxObserver")),
        (
            MovingAverageObserver(momentum=0.3),
            torch_observer("MovingAverageMinMaxObserver", averaging_constant=0.3),
        ),
    ]
    for ours, theirs in pairs:
        fed(ours, parts)
        for part in parts:
            theirs(torch.from_numpy(part))
        # Torch averages in float32: one rounding (6e-8) for each of eight batches.
        np.testing.assert_allclose(ours.low, theirs.min_val.numpy(), rtol=1e-6)
        np.testing.assert_allclose(ours.high, theirs.max_val.numpy(), rtol=1e-6)


def test_the_moving_average_keeps_a_range_for_each_channel_and_lets_an_outlier_fade():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(4, 3)).astype(np.float32) for _ in range(60)]
    parts[0][0, 1] = 1000
    ours = fed(MovingAverageObserver(momentum=0.2, axis=1), parts)
    assert ours.qparams(bits=8).scale.shape == (3,)
    assert ours.high[1] < 4
    low = parts[0].min(axis=0).astype(np.float64)
    for part in parts[1:]:
        low = 0.8 * low + 0.2 * part.min(axis=0)
    np.testing.assert_allclose(ours.low, low, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("observer", [PercentileObserver, SquaredErrorObserver])
def test_growing_loses_no_count(observer, kind):
    parts = batches(kind)
    ours = fed(observer(num_bins=1024), parts)
    together = np.concatenate(parts)
    assert ours.counts.sum() + ours.num_zeros == together.size
    assert ours.bin_width <= 4 * np.abs(together).max() / 1024
    at_once = fed(observer(num_bins=1024), [together])
    np.testing.assert_array_equal(ours.counts, at_once.counts)


def test_a_huge_value_after_tiny_ones_loses_no_count():
    ours = fed(PercentileObserver(), [np.full(9, 1e-40), np.array([3e38]), np.array([-1e-45])])
    assert ours.counts.sum() == 11
    assert np.isfinite(ours.qparams(bits=8).scale)


@pytest.mark.parametrize("num_bins", [256, 2**16])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_percentile_is_within_half_a_bin_of_that_of_all_batches_at_once(scheme, kind, num_bins):
    parts = batches(kind)
    ours = fed(PercentileObserver(num_bins=num_bins), parts)
    got = ours.qparams(bits=8, scheme=scheme)
    expected = choose_qparams(np.concatenate(parts), bits=8, scheme=scheme, method="percentile")
    ends = 1 if scheme == "symmetric" else 2  # each end moves by up to half a bin
    allowed = ends * 0.5 * ours.bin_width / got.qmax
    assert abs(float(got.scale) - float(expected.scale)) <= allowed + 1e-6 * expected.scale


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_squared_error_is_within_a_bin_of_that_of_the_search_on_all_values(scheme, kind, bits):
    together = np.concatenate(batches(kind))
    ours = fed(SquaredErrorObserver(), batches(kind))

    def root_mean_square(grid):
        difference = together.astype(np.float64) - fake_quantize(together, grid)
        return np.sqrt(np.mean(difference**2))

    got = root_mean_square(ours.qparams(bits=bits, scheme=scheme))
    searched = choose_qparams(together, bits=bits, scheme=scheme, method="mse")
    full = choose_qparams(together, bits=bits, scheme=scheme)
    # Two searches may refine around different ranges that are all but equally good: 1%.
    assert got <= 1.01 * root_mean_square(searched) + ours.bin_width
    assert got <= root_mean_square(full) + ours.bin_width


@pytest.mark.parametrize("value", [0.0, 0.3, -0.7])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "observer", [MinMaxObserver, MovingAverageObserver, PercentileObserver, SquaredErrorObserver]
)
def test_a_constant_is_reproduced_exactly(observer, scheme, value):
    x = np.full(10, value, dtype=np.float32)
    grid = fed(observer(), [x, x]).qparams(bits=4, scheme=scheme)
    np.testing.assert_array_equal(fake_quantize(x, grid), x)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: MinMaxObserver().qparams(bits=8), "has seen nothing"),
        (lambda: PercentileObserver().qparams(bits=8), "has seen nothing"),
        (lambda: MinMaxObserver().update(np.arange(3)), "x is floating"),
        (lambda: MinMaxObserver().update(np.ones(0)), "at least one value"),
        (lambda: SquaredErrorObserver().update(np.array([np.nan])), "finite"),
        (lambda: MinMaxObserver(axis=1).update(np.ones(3)), "axis is an axis of x"),
        (
            lambda: fed(MinMaxObserver(axis=1), [np.ones((2, 3)), np.ones((2, 4))]),
            "as many indices along axis 1",
        ),
        (lambda: MovingAverageObserver(momentum=0.0), "momentum is the share"),
        (lambda: PercentileObserver(percentile=0.999), "percentile lies in"),
        (lambda: PercentileObserver(num_bins=7), "multiple of 4"),
        (lambda: fed(PercentileObserver(), [np.ones(2)]).qparams(bits=1), "bits"),
        (lambda: fed(MinMaxObserver(), [np.ones(2)]).qparams(bits=8, scheme="x"), "scheme"),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()
