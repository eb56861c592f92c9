"""Integer-only inference against ONNX Runtime's QLinear operators, integer for integer, on real images.

ONNX Runtime multiplies uint8 by int8 with processor instructions that, where the processor has no
VNNI, add pairs of products in 16 bits and saturate: 255 * 127 + 255 * 127 does not fit. Three ways are
exact on every x86-64 processor, and the tests take them: weights of 7 bits (255 * 63 * 2 fits), with any
activations; 8 bits and uint8 activations with the session option `session.x64quantprecision`, under which
the runtime turns weights to uint8, for which it has an exact kernel; 8 bits and int8 activations only
where a probe shows that the processor is exact.
"""

import copy
import functools
from fractions import Fraction

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper
from torch import nn

from nncourse.quantizers.affine import QParams, choose_qparams, dequantize, quantize
from nncourse.quantizers.code_operations import (
    Flatten,
    IntegerAveragePool,
    IntegerMaxPool,
    IntegerReLU,
    IntegerSum,
)
from nncourse.quantizers.integer_inference import (
    IntegerLayer,
    IntegerNetwork,
    fixed_point,
    requantize,
    to_integers,
)
from nncourse.quantizers.integer_layers import LARGEST_SUM, integer_layer
from nncourse.quantizers.requantization import rounding_shift
from nncourse.zoo.checkpoints import DATA, load_pretrained
from nncourse.zoo.datasets import load

TYPES = {
    np.dtype(np.uint8): TensorProto.UINT8,
    np.dtype(np.int8): TensorProto.INT8,
    np.dtype(np.int32): TensorProto.INT32,
    np.dtype(np.float32): TensorProto.FLOAT,
}
COMPUTING = (IntegerLayer, IntegerSum, IntegerAveragePool)


class OnnxGraph:
    """An ONNX model of QLinear operators, one result for every operation of an integer network."""

    def __init__(self, network, *, linear="QGemm"):
        self.nodes, self.constants, self.linear = [], [], linear
        grids = {"input": network.input_grid}
        for operation in network.operations:
            name = operation.name
            relu = getattr(operation, "relu", False)
            written = f"{name} before the ReLU" if relu else name
            self.append(operation, written)
            grids[name] = operation.output_grid
            if relu or isinstance(operation, IntegerReLU):
                zero = operation.output_grid.zero_point.astype(operation.output_grid.dtype)
                read = written if relu else operation.reads[0]
                self.node("Clip", [read, self.constant(zero)], name)
        values = {
            name: helper.make_tensor_value_info(name, TYPES[grid.dtype], None)
            for name, grid in grids.items()
        }
        self.outputs = [operation.name for operation in network.operations]
        graph = helper.make_graph(
            self.nodes,
            "integers",
            [values["input"]],
            [values[name] for name in self.outputs],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        self.model = helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def append(self, operation, written):
        reads = list(operation.reads)
        if isinstance(operation, IntegerLayer):
            x = [*reads, *self.grid(operation.input_grid)]
            y = self.grid(operation.output_grid)
            zeros = np.zeros(operation.num_outputs, dtype=np.int8)
            scales = [self.constant(operation.weight_scale), self.constant(zeros)]
            bias = self.constant(operation.bias)
            if operation.weight.ndim == 4:
                inputs = [*x, self.constant(operation.weight), *scales, *y, bias]
                settings = {"strides": operation.stride, "pads": operation.padding * 2}
                self.node("QLinearConv", inputs, written, group=operation.groups, **settings)
                return
            weight = self.constant(np.ascontiguousarray(operation.weight.T))
            if self.linear == "QGemm":
                inputs = [*x, weight, *scales, bias, *y]
                self.node("QGemm", inputs, written, domain="com.microsoft")
            else:
                assert not operation.bias.any()
                self.node("QLinearMatMul", [*x, weight, *scales, *y], written)
        elif isinstance(operation, IntegerMaxPool):
            settings = {"strides": operation.stride, "pads": operation.padding * 2}
            self.node("MaxPool", reads, written, kernel_shape=operation.kernel, **settings)
        elif isinstance(operation, IntegerAveragePool):
            assert operation.kernel is None
            inputs = [*reads, *self.grid(operation.input_grid), *self.grid(operation.output_grid)]
            self.node("QLinearGlobalAveragePool", inputs, written, domain="com.microsoft")
        elif isinstance(operation, IntegerSum):
            inputs = []
            for read, grid in zip(reads, operation.input_grids, strict=True):
                inputs += [read, *self.grid(grid)]
            inputs += self.grid(operation.output_grid)
            self.node("QLinearAdd", inputs, written, domain="com.microsoft")
        elif isinstance(operation, Flatten):
            self.node("Flatten", reads, written)

    def node(self, kind, inputs, output, *, domain="", **settings):
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **settings))

    def grid(self, grid):
        return [self.constant(grid.scale), self.constant(grid.zero_point.astype(grid.dtype))]

    def constant(self, value):
        value = np.asarray(value)
        name = f"constant {len(self.constants)}"
        self.constants.append(
            helper.make_tensor(name, TYPES[value.dtype], value.shape, value.tobytes(), raw=True)
        )
        return name

    def run(self, codes, *, exact=False):
        """The codes of every operation; ``exact`` sets the session option of the head of this file."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        if exact:
            options.add_session_config_entry("session.x64quantprecision", "1")
        session = onnxruntime.InferenceSession(
            self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return dict(zip(self.outputs, session.run(self.outputs, {"input": codes}), strict=True))


@pytest.fixture(scope="module")
def processor_adds_in_32_bits():
    """Whether ONNX Runtime multiplies int8 by int8 without a 16-bit sum on this processor."""
    grid = QParams(scale=1.0, zero_point=-128, qmin=-128, qmax=127)
    coarse = QParams(scale=2.0**14, zero_point=-128, qmin=-128, qmax=127)
    layer = layer_of(np.full((16, 64), 127, dtype=np.int8), input_grid=grid, output_grid=coarse)
    network = IntegerNetwork(input_grid=grid, operations=(layer,))
    codes = np.full((16, 64), 127, dtype=np.int8)
    return bool((OnnxGraph(network).run(codes)["layer"] == layer.run(codes)).all())


def layer_of(weight, **changed):
    grid = QParams(scale=1.0, zero_point=0, qmin=0, qmax=255)
    fields = {
        "name": "layer",
        "reads": ("input",),
        "weight": weight,
        "bias": np.zeros(len(weight), dtype=np.int32),
        "weight_scale": np.ones(len(weight), dtype=np.float32),
        "input_grid": grid,
        "output_grid": grid,
    }
    return IntegerLayer(**fields | changed)


def assert_codes_of_onnx_runtime(network, images, *, exact=False, linear="QGemm"):
    """Every operation, on the codes that ONNX Runtime read, writes the codes that it wrote.

    Sums of two results may differ by one code in 1e-5 of them: ONNX Runtime's own kernels for them
    differ in the order in which they round, from processor to processor.
    """
    codes = network.trace(images)
    expected = OnnxGraph(network, linear=linear).run(codes["input"], exact=exact)
    expected["input"] = codes["input"]
    for operation in network.operations:
        got = operation.run(*(expected[name] for name in operation.reads))
        wanted = expected[operation.name]
        assert got.dtype == wanted.dtype
        distance = np.abs(got.astype(int) - wanted)
        if isinstance(operation, IntegerSum):
            assert distance.max() <= 1
            assert np.count_nonzero(distance) <= 1e-5 * distance.size
        else:
            assert not distance.any(), operation.name
    if not any(isinstance(operation, IntegerSum) for operation in network.operations):
        for name, wanted in expected.items():
            np.testing.assert_array_equal(codes[name], wanted, err_msg=name)


@functools.cache
def real_images(name, count):
    """Training images for the ranges, as an array, and test images, all with their classes."""
    return load(DATA[name], "train").x[:500], load(DATA[name], "test")[:count]


NETWORKS = [("lenet-300-100", 1000), ("lenet-5", 500), ("resnet-8", 200)]
EXACT_EVERYWHERE = [("uint8", 8, True), ("uint8", 7, False), ("int8", 7, False)]


@pytest.mark.parametrize(("name", "count"), NETWORKS)
@pytest.mark.parametrize(("activations", "weight_bits", "exact"), EXACT_EVERYWHERE)
def test_every_code_of_every_layer_is_that_of_onnx_runtime(
    name, count, activations, weight_bits, exact
):
    calibration, test = real_images(name, count)
    network = to_integers(
        load_pretrained(name), calibration, weight_bits=weight_bits, activations=activations
    )
    assert all(len(np.unique(layer.weight_scale)) > 1 for layer in network.layers)
    assert_codes_of_onnx_runtime(network, test.x, exact=exact)


@pytest.mark.parametrize(("name", "count"), NETWORKS)
def test_int8_codes_and_weights_of_8_bits_are_those_of_onnx_runtime(
    name, count, processor_adds_in_32_bits
):
    if not processor_adds_in_32_bits:
        pytest.skip("ONNX Runtime adds pairs of products in 16 bits on this processor")
    calibration, test = real_images(name, count)
    network = to_integers(load_pretrained(name), calibration, activations="int8")
    assert_codes_of_onnx_runtime(network, test.x)


@pytest.mark.parametrize("activations", ["uint8", "int8"])
def test_linear_layers_without_a_bias_are_those_of_qlinearmatmul(activations):
    calibration, test = real_images("lenet-300-100", 1000)
    model = load_pretrained("lenet-300-100")
    for layer in (model.fc1, model.fc2, model.fc3):
        layer.bias = None
    network = to_integers(model, calibration, weight_bits=7, activations=activations)
    assert_codes_of_onnx_runtime(network, test.x, linear="QLinearMatMul")


GEOMETRIES = [
    # weight, channels, stride, padding, groups
    ((6, 3, 3, 3), 3, (1, 1), (0, 0), 1),
    ((6, 3, 3, 3), 3, (2, 1), (1, 2), 1),
    ((8, 2, 3, 1), 4, (1, 2), (2, 0), 2),
    ((6, 1, 5, 5), 6, (1, 1), (2, 2), 6),
    ((6, 1, 3, 3), 3, (2, 2), (1, 1), 3),
    ((5, 7, 1, 1), 7, (1, 1), (0, 0), 1),
]


def random_layer(rng, shape, signed, zero_points, **geometry):
    qmin, qmax = (-128, 127) if signed else (0, 255)
    grids = {
        which: QParams(scale=scale, zero_point=qmin + zero_point, qmin=qmin, qmax=qmax)
        for which, scale, zero_point in zip(
            ("input_grid", "output_grid"), (0.013, 0.31), zero_points, strict=True
        )
    }
    return layer_of(
        rng.integers(-63, 64, shape).astype(np.int8),
        bias=rng.integers(-20_000, 20_000, shape[0]).astype(np.int32),
        weight_scale=rng.uniform(0.001, 0.1, shape[0]).astype(np.float32),
        **grids,
        **geometry,
    )


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("zero_points", [(0, 0), (77, 130), (255, 60)])
@pytest.mark.parametrize(("shape", "channels", "stride", "padding", "groups"), GEOMETRIES)
def test_any_convolution_is_that_of_qlinearconv(
    shape, channels, stride, padding, groups, zero_points, signed, relu
):
    rng = np.random.default_rng(0)
    layer = random_layer(
        rng, shape, signed, zero_points, stride=stride, padding=padding, groups=groups, relu=relu
    )
    network = IntegerNetwork(input_grid=layer.input_grid, operations=(layer,))
    low, high = layer.input_grid.qmin, layer.input_grid.qmax
    codes = rng.integers(low, high + 1, (5, channels, 11, 9)).astype(layer.input_grid.dtype)
    expected = OnnxGraph(network).run(codes)["layer"]
    np.testing.assert_array_equal(layer.run(codes), expected)
    assert len(np.unique(expected)) > 20


@pytest.mark.parametrize(("shape", "channels", "stride", "padding", "groups"), GEOMETRIES)
def test_sums_are_those_of_a_convolution_in_64_bits(shape, channels, stride, padding, groups):
    rng = np.random.default_rng(1)
    layer = random_layer(rng, shape, False, (77, 3), stride=stride, padding=padding, groups=groups)
    codes = rng.integers(0, 256, (4, channels, 8, 9)).astype(np.uint8)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(codes.astype(np.int64) - 77),
        torch.from_numpy(layer.weight.astype(np.int64)),
        torch.from_numpy(layer.bias.astype(np.int64)),
        stride=stride,
        padding=padding,
        groups=groups,
    )
    np.testing.assert_array_equal(layer.accumulate(codes), expected.numpy())


@pytest.mark.parametrize("length", [500, 600, 66_000])
def test_sums_at_the_end_of_the_range_are_exact(length):
    # 600 * 255 * 127 leaves the whole numbers of float32; 66,000 fills 31 bits.
    weight = np.stack([np.full(length, 127), np.full(length, -127)]).astype(np.int8)
    weight[1, ::2] = 126
    layer = layer_of(weight, bias=np.array([1, -1], dtype=np.int32))
    codes = np.full((1, length), 255, dtype=np.uint8)
    codes[0, 1] = 254
    expected = codes.astype(np.int64) @ weight.T.astype(np.int64) + [1, -1]
    np.testing.assert_array_equal(layer.accumulate(codes), expected)


def test_a_sum_that_could_leave_32_bits_is_refused():
    longest = LARGEST_SUM // (255 * 127)
    fits = layer_of(np.full((1, longest), 127, dtype=np.int8))
    assert fits.largest_sum == longest * 255 * 127
    with pytest.raises(ValueError, match=r"layer adds 66312 products .* leaves 32 bits"):
        layer_of(np.full((1, longest + 1), 127, dtype=np.int8))
    bias = np.array([LARGEST_SUM - fits.largest_sum + 1], dtype=np.int32)
    with pytest.raises(ValueError, match="leaves 32 bits"):
        layer_of(fits.weight, bias=bias)


@given(st.data())
def test_the_largest_sum_is_reached_and_never_passed(data):
    weight = data.draw(arrays(np.int8, (2, 4), elements=st.integers(-127, 127)))
    bias = data.draw(arrays(np.int32, 2, elements=st.integers(-500, 500)))
    zero_point = data.draw(st.integers(0, 255))
    grid = QParams(scale=1.0, zero_point=zero_point, qmin=0, qmax=255)
    layer = layer_of(weight, bias=bias, input_grid=grid)
    every = np.array(np.meshgrid(*[[0, 255]] * 4), dtype=np.uint8).reshape(4, -1).T
    assert np.abs(layer.accumulate(every)).max() == layer.largest_sum


@pytest.mark.parametrize(("name", "count"), [("lenet-300-100", 10_000), ("lenet-5", 2000)])
def test_fixed_point_differs_by_at_most_one_code_in_a_hundred_thousand(name, count):
    calibration, test = real_images(name, count)
    network = to_integers(load_pretrained(name), calibration)
    differing = outputs = 0
    for start in range(0, count, 500):
        images = test.x[start : start + 500]
        by_float, by_fixed = network.trace(images), network.trace(images, arithmetic="fixed")
        for layer in network.layers:  # end to end: a difference is handed on to the next layers
            distance = np.abs(by_float[layer.name].astype(int) - by_fixed[layer.name])
            assert distance.max() <= 1
            differing += np.count_nonzero(distance)
            outputs += distance.size
    assert differing <= 1e-5 * outputs


def test_fixed_point_agrees_on_sums_and_means_too():
    calibration, test = real_images("resnet-8", 300)
    network = to_integers(load_pretrained("resnet-8"), calibration)
    codes = network.trace(test.x)
    differing = outputs = 0
    for operation in network.operations:
        if isinstance(operation, COMPUTING):  # each on the same codes
            read = [codes[name] for name in operation.reads]
            fixed = operation.run(*read, arithmetic="fixed").astype(int)
            distance = np.abs(fixed - codes[operation.name])
            assert distance.max() <= 1
            differing += np.count_nonzero(distance)
            outputs += distance.size
    assert differing <= 1e-5 * outputs


def doubling_high_multiply(sums, mantissa, shift):
    """The two roundings of gemmlowp: to the high 32 bits of twice the product, then by the shift."""
    product = sums * mantissa
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.trunc((product + nudge) / 2.0**31).astype(np.int64)
    right = shift - 31
    rest = high & ((1 << right) - 1)
    threshold = ((1 << right) - 1 >> 1) + (high < 0)
    return (high >> right) + (rest > threshold)


def test_one_rounding_is_nearer_to_the_float_than_two():
    rng = np.random.default_rng(2)
    sums = rng.integers(-100_000, 100_000, 1_000_000)
    once, twice = 0, 0
    for multiplier in rng.uniform(0.0005, 0.002, 20).astype(np.float32):
        mantissa, shift = fixed_point(multiplier)
        nearest = np.rint(sums * np.float64(multiplier))  # exact: 17 bits times 24
        once += np.count_nonzero(rounding_shift(sums * mantissa, shift) != nearest)
        twice += np.count_nonzero(doubling_high_multiply(sums, mantissa, shift) != nearest)
    assert once == 0
    assert twice > 0


@given(st.floats(2.0**-30, 2.0**29, width=32))
def test_a_mantissa_and_a_shift_hold_every_float32(multiplier):
    mantissa, shift = fixed_point(np.float32(multiplier))
    assert 2**30 <= mantissa < 2**31
    assert Fraction(int(mantissa), 2 ** int(shift)) == Fraction(multiplier)


@given(st.floats(2.0**-200, 2.0**29))
def test_mantissa_and_shift_are_the_nearest_there_are(multiplier):
    mantissa, shift = (int(part) for part in fixed_point(multiplier))
    assert 0 <= mantissa < 2**31
    assert 1 <= shift <= 62
    assert abs(Fraction(mantissa, 2**shift) - Fraction(multiplier)) <= Fraction(1, 2 ** (shift + 1))
    assert mantissa >= 2**30 or shift == 62


def test_a_mantissa_that_rounds_up_to_the_next_power_of_two_carries():
    assert [int(part) for part in fixed_point(np.nextafter(1.0, 0.0))] == [2**30, 30]


@given(st.integers(-(2**62), 2**62), st.integers(1, 62))
def test_a_shift_rounds_half_to_even(value, shift):
    got = rounding_shift(np.array([value]), shift)[0]
    assert got == round(Fraction(value, 2**shift))


@given(
    arrays(np.int32, 20, elements=st.integers(-(2**31), 2**31 - 1)),
    st.floats(2.0**-31, 2.0**20, width=32),
    st.integers(-128, 127),
)
def test_fixed_point_codes_are_the_exact_product_rounded_once(sums, multiplier, zero_point):
    codes = requantize(sums, multiplier, zero_point, arithmetic="fixed", qmin=-128, qmax=127)
    exact = [round(int(value) * Fraction(multiplier)) + zero_point for value in sums]
    np.testing.assert_array_equal(codes, np.clip(np.array(exact, dtype=object), -128, 127))
    assert codes.dtype == np.int8


@pytest.mark.parametrize("arithmetic", ["float", "fixed"])
def test_ties_go_to_the_even_code(arithmetic):
    sums = np.array([-3, -1, 1, 3, 5], dtype=np.int32)
    codes = requantize(sums, 0.5, 10, arithmetic=arithmetic)
    np.testing.assert_array_equal(codes, [8, 10, 10, 12, 12])


@pytest.mark.parametrize("arithmetic", ["float", "fixed"])
def test_one_sum_alone_and_one_multiplier_a_channel_are_requantized(arithmetic):
    assert requantize(np.int32(9), np.float32(0.25), 3, arithmetic=arithmetic) == 5
    sums = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    multiplier = np.array([0.1, 1.0, 3.0], dtype=np.float32)
    together = requantize(sums, multiplier[:, None], 0, arithmetic=arithmetic)
    for channel in range(3):
        alone = requantize(sums[:, channel], multiplier[channel], 0, arithmetic=arithmetic)
        np.testing.assert_array_equal(together[:, channel], alone)


def test_int8_codes_are_the_uint8_codes_minus_128():
    calibration, test = real_images("lenet-5", 100)
    model = load_pretrained("lenet-5")
    unsigned = to_integers(model, calibration).trace(test.x)
    signed = to_integers(model, calibration, activations="int8").trace(test.x)
    for name, codes in unsigned.items():
        np.testing.assert_array_equal(codes.astype(int) - 128, signed[name], err_msg=name)


@pytest.mark.parametrize("name", ["lenet-300-100", "lenet-5", "resnet-8"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_each_layer_gives_the_codes_of_the_float_layer_between_two_grids(name, per_channel):
    # The same layer in double precision: rounded weights, dequantized inputs, then the output grid.
    calibration, test = real_images(name, 50)
    model = load_pretrained(name)
    network = to_integers(model, calibration, per_channel=per_channel)
    codes = network.trace(test.x)
    for layer in network.layers:
        scale = layer.weight_scale.astype(np.float64)
        assert per_channel or len(np.unique(scale)) == 1
        weight = layer.weight * scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
        bias = torch.from_numpy(layer.bias * scale * float(layer.input_grid.scale))
        x = codes[layer.reads[0]].astype(np.float64) - int(layer.input_grid.zero_point)
        x = torch.from_numpy(x * float(layer.input_grid.scale))
        if layer.weight.ndim == 2:
            y = nn.functional.linear(x, torch.from_numpy(weight), bias)
        else:
            geometry = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
            y = nn.functional.conv2d(x, torch.from_numpy(weight), bias, **geometry)
        y = (y.relu() if layer.relu else y).numpy()
        distance = np.abs(quantize(y, layer.output_grid).astype(int) - codes[layer.name])
        assert distance.max() <= 1
        assert np.count_nonzero(distance) <= 1e-5 * distance.size + 1  # ties, as float32 sees them


@pytest.mark.parametrize("arithmetic", ["float", "fixed"])
@pytest.mark.parametrize("name", ["lenet-300-100", "lenet-5", "resnet-8"])
def test_integers_classify_as_well_as_floats(name, arithmetic):
    calibration, test = real_images(name, 1000)
    model = load_pretrained(name)
    network = to_integers(model, calibration)
    with torch.inference_mode():
        real = model(torch.from_numpy(test.x)).numpy()
    logits = network.logits(test.x, arithmetic=arithmetic)
    right = (logits.argmax(axis=1) == test.y).mean()
    assert right >= (real.argmax(axis=1) == test.y).mean() - 0.005
    assert np.square(logits - real).mean() < 0.01 * np.square(real).mean()
    codes = network.run(test.x, arithmetic=arithmetic)
    np.testing.assert_array_equal(dequantize(codes, network.output_grid), logits)


def test_images_in_any_number_give_the_same_codes():
    calibration, test = real_images("lenet-300-100", 250)
    network = to_integers(load_pretrained("lenet-300-100"), calibration)
    one_by_one = np.concatenate([network.run(test.x[i : i + 1]) for i in range(250)])
    np.testing.assert_array_equal(network.run(test.x), one_by_one)
    assert network.run(test.x[:0]).shape == (0, 10)


def small(*modules, channels=3):
    torch.manual_seed(0)
    images = np.random.default_rng(0).normal(size=(40, channels, 8, 8)).astype(np.float32)
    return nn.Sequential(*modules), images


def assert_close_to_float(model, images, network):
    with torch.inference_mode():
        real = copy.deepcopy(model).eval()(torch.from_numpy(images)).numpy()
    step = float(network.output_grid.scale)
    got = network.logits(images)
    assert got.shape == real.shape
    assert np.sqrt(np.square(got - real).mean()) < 2 * step


def test_a_relu_behind_a_pooling_goes_into_the_layer_before_it():
    model, images = small(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten())
    network = to_integers(model, images)
    assert [type(operation) for operation in network.operations] == [
        IntegerLayer,
        IntegerMaxPool,
        Flatten,
    ]
    assert network.layers[0].relu
    assert_close_to_float(model, images, network)


def test_batch_norms_disappear_into_convolutions():
    model, images = small(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    with torch.no_grad():
        model(torch.from_numpy(images) * 3)  # running statistics that are not 0 and 1
        model[1].weight.copy_(torch.tensor([-1.0, 0.5, 2.0, 1.0]))
    network = to_integers(model, images)
    assert len(network.operations) == 1
    assert_close_to_float(model, images, network)


def test_poolings_with_padding_and_means_of_windows_are_supported():
    model, images = small(
        nn.Conv2d(3, 6, 3, padding=1, groups=3),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Dropout(0.5),
        nn.Identity(),
        nn.AvgPool2d(2),
        nn.ReLU(inplace=True),
    )
    network = to_integers(model, images)
    assert_close_to_float(model, images, network)
    assert network.operations[-1].relu


class Forked(nn.Module):
    """A result that is read twice, a layer that runs twice, functions in the place of modules."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        z = torch.relu(y) + self.conv(y)
        return torch.flatten(nn.functional.relu(z), 1)


def test_a_relu_that_cannot_be_folded_stands_alone():
    images = small()[1]
    network = to_integers(Forked(), images)
    kinds = [type(operation) for operation in network.operations]
    assert kinds == [IntegerLayer, IntegerReLU, IntegerLayer, IntegerSum, Flatten]
    assert not network.layers[0].relu
    assert network.operations[3].relu
    assert_close_to_float(Forked(), images, network)
    assert_codes_of_onnx_runtime(network, images, exact=True)


def test_a_channel_without_weights_still_carries_its_bias():
    model, images = small(nn.Conv2d(3, 4, 3))
    with torch.no_grad():
        model[0].weight[1] = 0
        model[0].weight[2] *= 1e-20
        model[0].weight[3] = 0
        model[0].bias.copy_(torch.tensor([0.1, 0.7, -0.9, 0.0]))
    network = to_integers(model, images)
    assert_close_to_float(model, images, network)
    got = network.logits(images)
    for channel, value in ((1, 0.7), (2, -0.9), (3, 0.0)):
        nearest = choose_nearest(value, network.output_grid)
        np.testing.assert_array_equal(got[:, channel], nearest)


def choose_nearest(value, grid):
    return dequantize(quantize(np.array([value], dtype=np.float32), grid), grid)[0]


def test_layers_come_from_float_arrays_too():
    weight = np.array([[0.5, -0.3], [0.02, 0.01]], dtype=np.float32)
    grid = choose_qparams(np.array([0.0, 1.0]), bits=8, scheme="asymmetric")
    wide = choose_qparams(np.array([-1.0, 1.0]), bits=8, scheme="asymmetric")
    named = {"name": "fc", "reads": ("input",), "input_grid": grid, "output_grid": wide}
    layer = integer_layer(weight, np.array([0.1, 0.0]), bits=4, **named)
    np.testing.assert_array_equal(layer.weight, [[7, -4], [7, 4]])
    np.testing.assert_array_equal(layer.bias, [357, 0])  # 0.1 / (0.5 / 7 / 255)
    assert integer_layer(weight, per_channel=False, **named).weight[1].max() == 5
    assert not integer_layer(weight, **named).bias.any()


def test_the_model_is_left_as_it_was():
    model, images = small(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    model.train()
    before = copy.deepcopy(model.state_dict())
    images.flags.writeable = False
    to_integers(model, images)
    assert model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Doubled(nn.Module):
    def forward(self, x):
        return torch.add(x, x, alpha=2)


class TwoResults(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        y = self.conv(x)
        return y, torch.relu(y)


CONV = nn.Conv2d(3, 4, 3)


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        ([CONV, nn.Sigmoid()], "layer 1 is Sigmoid, which has no integer form here"),
        ([nn.Conv2d(3, 4, 3, dilation=2)], "Conv2d with {'dilation'"),
        ([nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")], "'padding_mode': 'reflect'"),
        ([nn.Conv2d(3, 4, 3, padding="same")], "'padding': 'same'"),
        ([CONV, nn.MaxPool2d(2, ceil_mode=True)], "'ceil_mode': True"),
        ([CONV, nn.AvgPool2d(2, padding=1)], "AvgPool2d with {'padding': 1}"),
        ([CONV, nn.AdaptiveAvgPool2d(2)], "'output_size': 2"),
        ([nn.BatchNorm2d(3)], "layer 0 is a norm"),
        ([CONV, nn.ReLU(), nn.BatchNorm2d(4)], "layer 2 is a norm"),
        ([Branching()], "model cannot be traced"),
        ([Doubled()], "layer .*add.* is the function add with"),
        ([CONV, nn.Flatten(2)], "'start_dim': 2"),
    ],
)
def test_what_has_no_integer_form_is_named(modules, said):
    model, images = small(*modules)
    with pytest.raises(ValueError, match=said):
        to_integers(model, images)


def test_one_result_is_asked_for():
    with pytest.raises(ValueError, match="model returns one result"):
        to_integers(TwoResults(), small()[1])


GRID = QParams(scale=1.0, zero_point=0, qmin=0, qmax=255)
WEIGHT = np.ones((2, 3), dtype=np.int8)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: fixed_point(0.0), "multiplier lies above 0"),
        (lambda: fixed_point(-0.5), "multiplier lies above 0"),
        (lambda: fixed_point(np.nan), "multiplier lies above 0"),
        (lambda: fixed_point(2.0**30), "below 2"),
        (lambda: fixed_point(1), "write 1.0"),
        (lambda: rounding_shift(np.array([1]), 63), "shift lies in"),
        (lambda: rounding_shift(np.array([1]), 0), "shift lies in"),
        (lambda: requantize(np.array([1.5]), 0.5, 0), "accumulator holds integers"),
        (lambda: requantize(np.array([2**31]), 0.5, 0), "accumulator fits 32 bits"),
        (lambda: requantize(np.array([1]), 0.5, 256), "zero_point is a code"),
        (lambda: requantize(np.array([1]), 0.5, 0, arithmetic="double"), "arithmetic is one of"),
        (lambda: layer_of(WEIGHT.astype(np.int16)), "weight of layer is int8"),
        (lambda: layer_of(WEIGHT, bias=np.zeros(2)), "bias of layer is int32"),
        (lambda: layer_of(WEIGHT[0]), "2 or 4 axes"),
        (lambda: layer_of(WEIGHT, bias=np.zeros(3, dtype=np.int32)), "one value an output"),
        (lambda: layer_of(WEIGHT, groups=3), "groups of layer divides"),
        (lambda: layer_of(WEIGHT, stride=(0, 1)), "stride of layer"),
        (
            lambda: layer_of(WEIGHT, output_grid=choose_qparams(np.ones(3), bits=9)),
            "codes of 8 bits",
        ),
        (lambda: layer_of(WEIGHT).run(np.zeros((2, 4), dtype=np.uint8)), r"reads \(n, 3\) codes"),
        (
            lambda: layer_of(WEIGHT.reshape(2, 3, 1, 1)).run(np.zeros((2, 3), dtype=np.uint8)),
            r"reads \(n, 3, height, width\)",
        ),
        (
            lambda: layer_of(np.ones((1, 1, 3, 3), np.int8)).run(np.zeros((1, 1, 2, 2), np.uint8)),
            "at least as large",
        ),
        (lambda: IntegerNetwork(input_grid=GRID, operations=()), "operations is empty"),
        (
            lambda: IntegerNetwork(input_grid=GRID, operations=(layer_of(WEIGHT, reads=("fc",)),)),
            "read what was written before",
        ),
        (
            lambda: IntegerNetwork(input_grid=GRID, operations=(layer_of(WEIGHT),) * 2),
            "names of their own",
        ),
        (lambda: to_integers(*small(CONV), activations="int4"), "activations is one of"),
        (lambda: to_integers(*small(CONV), weight_bits=9), "weight_bits is a whole number"),
        (lambda: to_integers(*small(CONV), activation_method="kl"), "method is one of"),
        (
            lambda: to_integers(*small(CONV)).run(np.zeros((1, 3, 8, 8)), arithmetic="x"),
            "is one of",
        ),
    ],
)
def test_mistakes_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
