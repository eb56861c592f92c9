"""Number formats against what others wrote: ml_dtypes, NumPy and torch, value by value."""

import ml_dtypes
import numpy as np
import pytest
import torch

from nncourse.formats import FORMATS, cast

ORACLES = {
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "fp8_e4m3": ml_dtypes.float8_e4m3fn,
    "fp8_e5m2": ml_dtypes.float8_e5m2,
    "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp6_e3m2": ml_dtypes.float6_e3m2fn,
    "fp4_e2m1": ml_dtypes.float4_e2m1fn,
}
NARROW_FLOATS = sorted(ORACLES)
ALWAYS_SATURATE = ("fp6_e2m3", "fp6_e3m2", "fp4_e2m1")


def oracle(x, name):
    with np.errstate(over="ignore", invalid="ignore"):
        return x.astype(ORACLES[name]).astype(np.float32)


def assert_same_floats(got, expected):
    """Equal values, NaN where NaN, and the same sign on zeros."""
    np.testing.assert_array_equal(got, expected)
    real = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[real]), np.signbit(expected[real]))


@pytest.mark.parametrize("name", NARROW_FLOATS)
def test_the_list_of_values_is_the_one_that_the_codes_of_the_oracle_decode_to(name):
    codes = np.arange(2 ** FORMATS[name].bits, dtype=np.uint32)
    storage = np.uint16 if FORMATS[name].bits > 8 else np.uint8
    with np.errstate(invalid="ignore"):
        decoded = codes.astype(storage).view(ORACLES[name]).astype(np.float64)
    np.testing.assert_array_equal(FORMATS[name].values, np.unique(decoded[np.isfinite(decoded)]))
    assert FORMATS[name].max == decoded[np.isfinite(decoded)].max()
    assert FORMATS[name].smallest_normal == float(ml_dtypes.finfo(ORACLES[name]).smallest_normal)


@pytest.mark.parametrize("name", NARROW_FLOATS)
def test_every_value_every_midpoint_and_its_neighbors_round_as_the_oracle_rounds(name):
    values = FORMATS[name].values.astype(np.float32)
    middle = ((values[:-1].astype(np.float64) + values[1:]) / 2).astype(np.float32)
    x = np.concatenate(
        [
            values,
            middle,
            np.nextafter(middle, np.float32(np.inf)),
            np.nextafter(middle, np.float32(-np.inf)),
        ]
    )
    x = np.append(x, np.float32(-0.0))
    assert_same_floats(cast(x, name), oracle(x, name))


@pytest.mark.parametrize("name", NARROW_FLOATS)
def test_ten_million_random_bit_patterns_round_as_the_oracle_rounds(name):
    rng = np.random.default_rng(0)
    for _ in range(10):
        x = rng.integers(0, 2**32, size=1_000_000, dtype=np.uint32).view(np.float32)
        x = x[np.isfinite(x)]
        expected = oracle(x, name)
        assert_same_floats(cast(x, name, overflow="nonfinite"), expected)


def test_random_patterns_hold_enough_ordinary_values_to_matter():
    x = np.random.default_rng(1).normal(size=1_000_000).astype(np.float32) * 20
    for name in NARROW_FLOATS:
        assert_same_floats(cast(x, name, overflow="nonfinite"), oracle(x, name))


@pytest.mark.parametrize(
    ("name", "dtype"), [("bf16", torch.bfloat16), ("fp8_e5m2", torch.float8_e5m2)]
)
def test_torch_agrees_including_overflow_to_infinity(name, dtype):
    x = np.random.default_rng(2).normal(size=200_000).astype(np.float32) * 30_000
    expected = torch.from_numpy(x).to(dtype).to(torch.float32).numpy()
    np.testing.assert_array_equal(cast(x, name, overflow="nonfinite"), expected)


def test_torch_saturates_e4m3_as_our_default_does():
    x = np.random.default_rng(2).normal(size=200_000).astype(np.float32) * 300
    expected = torch.from_numpy(x).to(torch.float8_e4m3fn).to(torch.float32).numpy()
    np.testing.assert_array_equal(cast(x, "fp8_e4m3"), expected)


def test_double_precision_rounds_once_not_twice():
    # Through float32 this value would fall on the tie between 1 and 1 + 2**-10 and round to even.
    x = np.array([1 + 2.0**-11 + 2.0**-40])
    assert cast(x, "fp16")[0] == 1 + 2.0**-10
    doubles = np.random.default_rng(3).normal(size=100_000)
    np.testing.assert_array_equal(cast(doubles, "fp32"), doubles.astype(np.float32))
    np.testing.assert_array_equal(cast(doubles, "fp16"), doubles.astype(np.float16))


@pytest.mark.parametrize("bits", range(2, 17))
def test_integers_are_symmetric_and_saturate(bits):
    name, largest = f"int{bits}", 2 ** (bits - 1) - 1
    x = np.array([-np.inf, -1e30, -largest - 0.6, -0.5, 0.5, 1.0, 1.5, 1e30])
    expected = np.clip(np.rint(x), -largest, largest)
    np.testing.assert_array_equal(cast(x, name), expected)
    assert FORMATS[name].values.size == 2 * largest + 1


def test_binary_has_no_zero_and_ternary_has():
    x = np.array([-2.0, -0.4, -0.0, 0.0, 0.4, 0.6])
    np.testing.assert_array_equal(cast(x, "binary"), [-1, -1, 1, 1, 1, 1])
    np.testing.assert_array_equal(cast(x, "ternary"), [-1, 0, 0, 0, 0, 1])


def test_mx_blocks_take_the_power_of_two_below_their_largest_value():
    # Largest 5: exponent 2, as E2M1's own largest (6), so the scale is 1. Largest 8: the scale is 2.
    x = np.concatenate([np.full(31, 0.3), [5.0], np.full(31, 0.3), [8.0]])
    got = cast(x, "mxfp4")
    np.testing.assert_array_equal(
        got, np.concatenate([np.full(31, 0.5), [4.0], np.full(31, 0.0), [8.0]])
    )


def test_mx_elements_beyond_the_grid_saturate_as_the_specification_says():
    x = np.zeros(32)
    x[0] = 7.9  # scale 1, largest element 6
    assert cast(x, "mxfp4")[0] == 6.0


@pytest.mark.parametrize("name", ["mxfp8", "mxfp4", "nvfp4"])
def test_block_formats_take_ragged_rows_zeros_and_empty_arrays(name):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(3, 50)).astype(np.float32)
    filled = np.zeros((3, 64), dtype=np.float32)
    filled[:, :50] = x
    np.testing.assert_array_equal(cast(x, name), cast(filled, name)[:, :50])
    assert not cast(np.zeros((2, 32)), name).any()
    assert cast(np.zeros((0,)), name).shape == (0,)


def test_nvfp4_keeps_the_largest_value_and_beats_mxfp4_on_normal_values():
    x = np.random.default_rng(5).normal(size=(64, 256)).astype(np.float32)
    error = {
        name: np.square(x - cast(x.astype(np.float64), name)).mean() for name in ("nvfp4", "mxfp4")
    }
    assert error["nvfp4"] < error["mxfp4"]
    largest = np.abs(x).max()
    assert np.abs(cast(x.astype(np.float64), "nvfp4")).max() == pytest.approx(largest, rel=1e-6)


def test_rounding_modes_differ_on_ties_and_stochastic_is_unbiased():
    x = np.array([-2.5, -0.5, 0.5, 1.5, 2.5])
    np.testing.assert_array_equal(cast(x, "int8"), [-2, 0, 0, 2, 2])
    np.testing.assert_array_equal(cast(x, "int8", rounding="half_away"), [-3, -1, 1, 2, 3])
    np.testing.assert_array_equal(cast(x, "int8", rounding="toward_zero"), [-2, 0, 0, 1, 2])
    quarter = np.full(100_000, 0.25)
    mean = cast(quarter, "int8", rounding="stochastic", rng=np.random.default_rng(6)).mean()
    assert abs(mean - 0.25) < 0.01  # seven standard errors


def test_bad_input_names_the_argument_and_the_fix():
    with pytest.raises(ValueError, match="name is one of"):
        cast(np.zeros(1), "fp7")
    with pytest.raises(ValueError, match="rounding is"):
        cast(np.zeros(1), "fp16", rounding="up")
    with pytest.raises(ValueError, match="needs rng"):
        cast(np.zeros(1), "fp16", rounding="stochastic")
    with pytest.raises(ValueError, match="overflow is"):
        cast(np.zeros(1), "fp16", overflow="wrap")
    with pytest.raises(ValueError, match="astype"):
        cast(np.zeros(1, dtype=np.int64), "fp16")
    for name in (*ALWAYS_SATURATE, "int8", "mxfp8"):
        with pytest.raises(ValueError, match="NaN"):
            cast(np.array([np.nan]), name)
    with pytest.raises(ValueError, match="too narrow"):
        cast(np.array([65500.0], dtype=np.float16), "bf16")


def test_the_input_is_left_alone():
    x = np.linspace(-3, 3, 64)
    before = x.copy()
    for name in FORMATS:
        cast(x, name)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", ["fp32", "fp16", "bf16", "fp8_e4m3", "int8"])
def test_the_largest_double_saturates_without_a_warning(name):
    largest = np.finfo(np.float64).max
    assert cast(np.array([largest, -largest]), name).tolist() == [
        FORMATS[name].max,
        -FORMATS[name].max,
    ]
