"""The affine quantizer against torch and ONNX Runtime, a million values at a time, ties included."""

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from onnx import TensorProto, helper

from nncourse.quantizers.affine import (
    QParams,
    choose_qparams,
    dequantize,
    fake_quantize,
    from_unsigned,
    pack,
    quantize,
    to_unsigned,
    unpack,
)

MILLION = 1_000_000
METHODS = ("minmax", "percentile", "mse")


def awkward(rng, scale, size=MILLION):
    """Normal values, exact ties, their neighbors, grid points, zeros and values far outside."""
    steps = rng.integers(-140, 140, size // 4).astype(np.float32)
    ties = (steps + np.float32(0.5)) * np.float32(scale)
    parts = [
        rng.normal(size=size // 2).astype(np.float32) * np.float32(50 * scale),
        ties,
        np.nextafter(ties, np.float32(np.inf)),
        np.nextafter(ties, np.float32(-np.inf)),
        steps * np.float32(scale),
        np.array([0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30], dtype=np.float32),
    ]
    return np.concatenate(parts)


def qparams(scale, zero_point, qmin, qmax, axis=None):
    scale, zero_point = np.asarray(scale, np.float32), np.asarray(zero_point, np.int32)
    return QParams(scale=scale, zero_point=zero_point, qmin=qmin, qmax=qmax, axis=axis)


def assert_same_bits(got, expected):
    np.testing.assert_array_equal(got.view(np.int32), expected.view(np.int32))


SCALES = [0.1, 1 / 3, 1.0, 7.0, 0.0078125, 1e-20, 3e20]
GRIDS = [
    (0, -127, 127),
    (0, -7, 7),
    (0, 0, 255),
    (131, 0, 255),
    (3, 0, 15),
    (0, -32767, 32767),
    (9, 0, 65535),
]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("zero_point", "qmin", "qmax"), GRIDS)
def test_fake_quantize_has_the_bits_of_torch(scale, zero_point, qmin, qmax):
    # Beyond 2**63 steps torch's own integers overflow: there is nothing to compare with.
    x = awkward(np.random.default_rng(0), scale, size=MILLION // 4)
    x = x[np.abs(x.astype(np.float64)) < 2.0**62 * float(np.float32(scale))]
    expected = torch.fake_quantize_per_tensor_affine(
        torch.from_numpy(x), float(np.float32(scale)), zero_point, qmin, qmax
    ).numpy()
    assert_same_bits(fake_quantize(x, qparams(scale, zero_point, qmin, qmax)), expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_fake_quantize_per_axis_has_the_bits_of_torch(axis):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(100, 100, 100)).astype(np.float32)
    scale = rng.uniform(0.001, 0.1, 100).astype(np.float32)
    zero_point = rng.integers(0, 256, 100).astype(np.int32)
    expected = torch.fake_quantize_per_channel_affine(
        torch.from_numpy(x), torch.from_numpy(scale), torch.from_numpy(zero_point), axis, 0, 255
    ).numpy()
    assert_same_bits(fake_quantize(x, qparams(scale, zero_point, 0, 255, axis=axis)), expected)


def onnx_quantize(x, scale, zero_point, tensor_type, axis=0):
    """ONNX Runtime's QuantizeLinear; narrow integers come back through a cast to 32 bits."""
    wide = TensorProto.INT32
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], axis=axis),
            helper.make_node("Cast", ["q"], ["wide"], to=wide),
        ],
        "quantize",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * x.ndim)],
        [helper.make_tensor_value_info("wide", wide, [None] * x.ndim)],
        [
            helper.make_tensor("scale", TensorProto.FLOAT, np.shape(scale), np.ravel(scale)),
            helper.make_tensor("zero", tensor_type, np.shape(zero_point), np.ravel(zero_point)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


ONNX_TYPES = [
    (TensorProto.INT8, 0, -128, 127),
    (TensorProto.UINT8, 0, 0, 255),
    (TensorProto.UINT8, 77, 0, 255),
    (TensorProto.INT16, 0, -32768, 32767),
    (TensorProto.UINT16, 1000, 0, 65535),
    (TensorProto.INT4, 0, -8, 7),
    (TensorProto.UINT4, 6, 0, 15),
]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("tensor_type", "zero_point", "qmin", "qmax"), ONNX_TYPES)
def test_quantize_has_the_integers_of_onnx_runtime(scale, tensor_type, zero_point, qmin, qmax):
    x = awkward(np.random.default_rng(2), scale, size=MILLION // 4)
    expected = onnx_quantize(x, np.float32(scale), zero_point, tensor_type)
    np.testing.assert_array_equal(quantize(x, qparams(scale, zero_point, qmin, qmax)), expected)


def test_quantize_per_axis_has_the_integers_of_onnx_runtime():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 400, 50)).astype(np.float32)
    grids = choose_qparams(x, bits=8, scheme="asymmetric", axis=1)
    expected = onnx_quantize(x, grids.scale, grids.zero_point, TensorProto.UINT8, axis=1)
    np.testing.assert_array_equal(quantize(x, grids), expected)


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 12, 16])
def test_our_own_symmetric_grids_agree_with_onnx_runtime_on_every_kind_of_range(bits):
    rng = np.random.default_rng(bits)
    for x in (
        rng.normal(size=200_000),
        np.abs(rng.normal(size=200_000)),
        -np.abs(rng.normal(size=200_000)),
        np.full(10, 0.3),
        np.zeros(10),
    ):
        x = x.astype(np.float32)
        grid = choose_qparams(x, bits=bits)
        expected = onnx_quantize(x, grid.scale, 0, TensorProto.INT16)
        np.testing.assert_array_equal(quantize(x, grid), expected)


@settings(deadline=None)  # the first example may compile the kernel
@given(
    x=arrays(
        np.float32, array_shapes(max_dims=3, max_side=6), elements=st.floats(-1e6, 1e6, width=32)
    ),
    bits=st.integers(2, 16),
    scheme=st.sampled_from(["symmetric", "asymmetric"]),
    method=st.sampled_from(METHODS),
    data=st.data(),
)
def test_inside_the_range_the_error_is_at_most_half_a_step(x, bits, scheme, method, data):
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    grid = choose_qparams(x, bits=bits, scheme=scheme, axis=axis, method=method)
    codes = quantize(x, grid)
    assert codes.shape == x.shape
    assert codes.min() >= grid.qmin
    assert codes.max() <= grid.qmax
    nearest = dequantize(codes, grid)
    np.testing.assert_array_equal(quantize(nearest, grid), codes)  # grid points are fixed points
    if method == "minmax":
        shape = [1] * x.ndim
        if axis is not None:
            shape[axis] = -1
        step = grid.scale.reshape(shape).astype(np.float64)
        # Asymmetric: rounding the zero point shifts the ends of the range by up to half a step more.
        allowed = (0.5 if scheme == "symmetric" else 1.0) * step * (1 + 1e-5)
        assert (np.abs(x.astype(np.float64) - nearest) <= allowed).all()


@settings(deadline=None)  # the first example may compile the kernel
@given(arrays(np.float32, 40, elements=st.floats(-1000, 1000, width=32)), st.integers(2, 8))
def test_codes_rise_with_the_values(x, bits):
    x = np.sort(x)
    for scheme in ("symmetric", "asymmetric"):
        codes = quantize(x, choose_qparams(x, bits=bits, scheme=scheme)).astype(int)
        assert (np.diff(codes) >= 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("value", [0.3, -0.3, 1e-30, -7e30, 3.4e38, 0.0])
def test_a_constant_is_reproduced_exactly(value, scheme, method):
    x = np.full((3, 8), value, dtype=np.float32)
    for arguments in ({}, {"axis": 0}, {"group_size": 4}):
        grid = choose_qparams(x, bits=4, scheme=scheme, method=method, **arguments)
        assert_same_bits(dequantize(quantize(x, grid), grid), x)
        assert_same_bits(fake_quantize(x, grid), x)
    if value == 0:
        assert (grid.scale == 1).all()


def test_the_step_is_the_largest_magnitude_over_qmax():
    x = np.array([-0.7, 0.1, 0.35], dtype=np.float32)
    assert choose_qparams(x, bits=4).scale == np.float32(0.7) / np.float32(7)


@pytest.mark.parametrize("low_high", [(2.0, 5.0), (-5.0, -2.0), (-1.0, 3.0)])
def test_an_asymmetric_range_always_holds_an_exact_zero(low_high):
    x = np.append(np.linspace(*low_high, 100), 0).astype(np.float32)
    grid = choose_qparams(x[:-1], bits=4, scheme="asymmetric")
    assert fake_quantize(x, grid)[-1] == 0
    assert 0 <= grid.zero_point <= 15


def test_one_bit_asymmetric_has_two_values():
    x = np.array([0.0, 0.4, 0.6, 1.0], dtype=np.float32)
    grid = choose_qparams(x, bits=1, scheme="asymmetric")
    np.testing.assert_array_equal(fake_quantize(x, grid), [0, 0, 1, 1])


def test_groups_have_their_own_grid_and_equal_separate_calls():
    x = np.random.default_rng(4).normal(size=(3, 4, 12)).astype(np.float32)
    grid = choose_qparams(x, bits=4, group_size=6)
    assert grid.scale.shape == (3, 4, 2)
    for i in range(3):
        for j in range(4):
            for g in range(2):
                part = x[i, j, 6 * g : 6 * g + 6]
                alone = choose_qparams(part, bits=4)
                assert alone.scale == grid.scale[i, j, g]
                assert_same_bits(
                    fake_quantize(x, grid)[i, j, 6 * g : 6 * g + 6], fake_quantize(part, alone)
                )
    assert_same_bits(
        fake_quantize(x, choose_qparams(x, bits=4, group_size=6, axis=0)), fake_quantize(x, grid)
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_an_axis_keeps_its_own_scale_and_equals_separate_calls(axis):
    x = np.random.default_rng(5).normal(size=(4, 5, 6)).astype(np.float32)
    grid = choose_qparams(x, bits=5, axis=axis, scheme="asymmetric")
    together = np.moveaxis(fake_quantize(x, grid), axis, 0)
    for part, got in zip(np.moveaxis(x, axis, 0), together, strict=True):
        assert_same_bits(
            np.ascontiguousarray(got),
            fake_quantize(part, choose_qparams(part, bits=5, scheme="asymmetric")),
        )


def test_tiny_and_huge_values_keep_finite_steps():
    for x in ([1e-40, -1e-42], [3.4e38, -3.4e38], [1e-45, 0.0]):
        for scheme in ("symmetric", "asymmetric"):
            for bits in (2, 8):
                grid = choose_qparams(np.array(x, dtype=np.float32), bits=bits, scheme=scheme)
                assert np.isfinite(fake_quantize(np.array(x, dtype=np.float32), grid)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_other_float_types_are_taken_at_their_float32_value(dtype):
    x = np.random.default_rng(8).normal(size=100).astype(dtype)
    if dtype is ml_dtypes.bfloat16:
        with pytest.raises(ValueError, match="astype"):
            choose_qparams(x, bits=8)
        return
    single = x.astype(np.float32)
    grid = choose_qparams(x, bits=8)
    assert grid.scale == choose_qparams(single, bits=8).scale
    np.testing.assert_array_equal(quantize(x, grid), quantize(single, grid))


@pytest.mark.parametrize("bits", [2, 4, 8, 11, 16])
@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
def test_codes_fit_their_bits_and_survive_packing(bits, scheme):
    x = np.random.default_rng(9).normal(size=1001).astype(np.float32)
    grid = choose_qparams(x, bits=bits, scheme=scheme)
    assert grid.bits == bits
    codes = quantize(x, grid)
    assert codes.dtype == grid.dtype
    data = pack(to_unsigned(codes, grid), bits)
    assert len(data) == -(-1001 * bits // 8)
    np.testing.assert_array_equal(from_unsigned(unpack(data, bits, 1001), grid), codes)


def test_plain_numbers_make_a_grid_too():
    grid = QParams(scale=0.1, zero_point=3, qmin=0, qmax=15)
    assert grid.scale.dtype == np.float32
    assert grid.zero_point.dtype == np.int32
    assert (grid.scale.shape, grid.bits, grid.dtype) == ((), 4, np.uint8)


def test_the_input_is_never_modified():
    x = np.random.default_rng(10).normal(size=(4, 8)).astype(np.float32)
    x.flags.writeable = False
    for axis in (None, 0, 1):
        grid = choose_qparams(x, bits=4, axis=axis, method="mse")
        fake_quantize(x, grid)
        dequantize(quantize(x, grid), grid)


X = np.ones((4, 6), dtype=np.float32)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: choose_qparams(X, bits=1), "bits is a whole number from 2 to 16"),
        (lambda: choose_qparams(X, bits=17), "bits"),
        (lambda: choose_qparams(X, bits=0, scheme="asymmetric"), "from 1 to 16"),
        (lambda: choose_qparams(X, bits=4.0), "bits"),
        (lambda: choose_qparams(X, bits=4, scheme="affine"), "scheme is one of"),
        (lambda: choose_qparams(X, bits=4, method="kl"), "method is one of"),
        (lambda: choose_qparams(X[:0], bits=4), "x is empty"),
        (lambda: choose_qparams(X, bits=4, axis=2), "axis is an axis of x"),
        (lambda: choose_qparams(X, bits=4, axis=-3), "axis is an axis of x"),
        (
            lambda: choose_qparams(X, bits=4, group_size=4),
            "group_size divides the last axis, of length 6",
        ),
        (lambda: choose_qparams(X, bits=4, group_size=0), "group_size"),
        (lambda: choose_qparams(X, bits=4, group_size=3, axis=1), "leave one of the two out"),
        (lambda: choose_qparams(X * np.nan, bits=4), "NaN or infinity"),
        (lambda: choose_qparams(X * -np.inf, bits=4), "NaN or infinity"),
        (lambda: choose_qparams(np.array([1e300]), bits=4), "beyond float32"),
        (lambda: choose_qparams(np.arange(4), bits=4), "astype"),
        (lambda: quantize(X * np.nan, choose_qparams(X, bits=4)), "NaN or infinity"),
        (lambda: fake_quantize(X * np.inf, choose_qparams(X, bits=4)), "NaN or infinity"),
        (lambda: quantize(X[:3], choose_qparams(X, bits=4, axis=0)), "of this shape"),
        (lambda: dequantize(X, choose_qparams(X, bits=4)), "codes are integers"),
        (lambda: dequantize(np.array([8]), choose_qparams(X, bits=4)), r"codes lie in -7 \.\. 7"),
        (lambda: dequantize(np.array([8]), choose_qparams(X, bits=4, axis=0)), "codes lie in"),
        (lambda: to_unsigned(np.array([-8]), choose_qparams(X, bits=4)), r"codes lie in -7 \.\. 7"),
        (
            lambda: from_unsigned(np.array([15]), choose_qparams(X, bits=4)),
            r"codes lie in 0 \.\. 14",
        ),
        (lambda: quantize(X[:0], choose_qparams(X, bits=4, axis=0)), "of this shape"),
        (lambda: qparams(0.0, 0, -7, 7), "scale lies in"),
        (lambda: qparams(np.nan, 0, -7, 7), "scale lies in"),
        (lambda: qparams(np.inf, 0, -7, 7), "scale lies in"),
        (lambda: qparams(1e-40, 0, -7, 7), "scale lies in"),
        (lambda: QParams(scale=1, zero_point=0, qmin=-7, qmax=7), "scale is floating"),
        (
            lambda: QParams(scale=1.0, zero_point=0.5, qmin=-7, qmax=7),
            "zero_point is a whole number",
        ),
        (lambda: qparams(1.0, 0, -40000, 7), "16 bits"),
        (lambda: qparams(1.0, 9, -7, 7), "zero_point is a code"),
        (lambda: qparams([1.0, 1.0], 0, -7, 7), "share a shape"),
        (lambda: qparams(1.0, 0, 7, 7), "qmin is below qmax"),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()
