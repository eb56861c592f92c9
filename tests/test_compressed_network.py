"""The measure of the open-ended task: bytes as they would lie in a file, and nothing malformed counted."""

import numpy as np
import pytest

from nncourse import bitstream
from nncourse.classroom.checks.compressed_network import (
    Layer,
    NotALayer,
    num_correct,
    read_layers,
)

SHAPE = (4, 7)


def layer(*, levels=None, codes=None, bias=None):
    return (
        np.linspace(-1, 1, 5, dtype=np.float16) if levels is None else levels,
        np.arange(28).reshape(SHAPE) % 5 if codes is None else codes,
        np.zeros(4, np.float32) if bias is None else bias,
    )


@pytest.mark.parametrize("num_levels", [1, 2, 3, 4, 5, 16, 17, 256, 257])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rows", [(), (4,)])
def test_the_bytes_are_those_of_packed_codes_and_stored_arrays(num_levels, dtype, rows):
    levels = np.ones((*rows, num_levels), dtype)
    codes = np.arange(28).reshape(SHAPE) % num_levels
    bias = np.zeros(4, dtype)
    bits = int(np.ceil(np.log2(num_levels)))
    packed = bitstream.pack(codes.ravel(), bits) if bits else b""
    counted = Layer(levels=levels, codes=codes, bias=bias).num_bytes
    assert counted == len(packed) + len(levels.tobytes()) + len(bias.tobytes())


def test_codes_are_looked_up_in_one_table_or_in_that_of_their_row():
    codes = np.array([[0, 1], [1, 1]])
    bias = np.zeros(2)
    one = Layer(levels=np.array([3.0, 4.0]), codes=codes, bias=bias)
    two = Layer(levels=np.array([[3.0, 4.0], [5.0, 6.0]]), codes=codes, bias=bias)
    np.testing.assert_array_equal(one.weight, [[3, 4], [4, 4]])
    np.testing.assert_array_equal(two.weight, [[3, 4], [6, 6]])


def test_a_view_that_repeats_one_row_is_counted_in_full():
    repeated = np.broadcast_to(np.ones(2, np.float16), (4, 2))
    [found] = read_layers([layer(levels=repeated, codes=np.zeros(SHAPE, int))], [SHAPE])
    assert found.num_bytes == 4 + 16 + 16


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "list of 1 layers"),
        ([], "list of 1 layers"),
        ([layer(), layer()], "list of 1 layers"),
        ([layer()[:2]], "layer 1 is"),
        ([(1, 2, 3)], "NumPy arrays"),
        ([layer(levels=np.arange(5))], "floats"),
        ([layer(levels=np.ones(5, complex))], "floats"),
        ([layer(bias=np.zeros(4, int))], "floats"),
        ([layer(levels=np.ones(0))], r"shape \(k,\) or \(4, k\)"),
        ([layer(levels=np.ones((4, 0)))], r"shape \(k,\) or \(4, k\)"),
        ([layer(levels=np.ones((7, 5)))], r"shape \(k,\) or \(4, k\)"),
        ([layer(levels=np.array(1.0))], r"shape \(k,\) or \(4, k\)"),
        ([layer(bias=np.zeros((4, 1)))], r"bias of layer 1 has the shape \(4,\)"),
        ([layer(codes=np.zeros((7, 4), int))], r"integers of shape \(4, 7\)"),
        ([layer(codes=np.zeros(SHAPE))], "integers of shape"),
        ([layer(codes=np.zeros(SHAPE, bool))], "integers of shape"),
        ([layer(codes=np.full(SHAPE, 5))], r"codes of layer 1 lie in 0 \.\. 4"),
        ([layer(codes=np.full(SHAPE, -1))], r"codes of layer 1 lie in 0 \.\. 4"),
        ([layer(codes=np.full(SHAPE, 2**64 - 1, np.uint64))], r"lie in 0 \.\. 4"),
    ],
)
def test_what_is_no_layer_is_refused_with_the_rule_it_breaks(value, reason):
    with pytest.raises(NotALayer, match=reason):
        read_layers(value, [SHAPE])


def test_a_network_that_overflows_recognizes_nothing():
    shapes = [(300, 784), (100, 300), (10, 100)]
    biases = [np.zeros(rows) for rows, _ in shapes]
    with np.errstate(all="ignore"):
        for fill in (np.nan, np.inf, np.float32(3e38)):
            weights = [np.full(shape, fill, np.float32) for shape in shapes]
            assert num_correct(weights, biases) == 0
