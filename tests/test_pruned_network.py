"""The measure of the open-ended task: weights are counted, and nothing malformed is."""

import numpy as np
import pytest

from nncourse.classroom.checks.pruned_network import NotALayer, num_right, read_layers

SHAPES = [(3, 4), (2, 3)]


def layers(*, into=None, out=None, into_bias=None):
    return (
        [np.eye(3, 4) if into is None else into, np.eye(2, 3) if out is None else out],
        [np.zeros(3) if into_bias is None else into_bias, np.zeros(2)],
    )


def test_weights_that_are_not_0_are_counted_in_both_layers_together():
    assert [part.dtype for part in read_layers(layers(), SHAPES, 5)[0]] == [np.float32] * 2
    with pytest.raises(NotALayer, match="5 weights are not 0, and 4 may be"):
        read_layers(layers(), SHAPES, 4)


def test_minus_0_and_what_float32_cannot_hold_are_counted_as_0():
    tiny = np.where(np.eye(3, 4) > 0, 1e-300, -0.0)
    weights, _ = read_layers(layers(into=tiny), SHAPES, 2)
    assert not weights[0].any()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, r"not \(weights, biases\)"),
        (layers()[0], "its weights are no list of 2 arrays"),
        ((*layers(), 1), r"not \(weights, biases\)"),
        ((layers()[0], layers()[1][:1]), "its biases are no list of 2 arrays"),
        ((layers()[0][:1], layers()[1]), "its weights are no list of 2 arrays"),
        (layers(into=np.zeros((4, 3))), r"weights of layer 1 are no float array of shape \(3, 4\)"),
        (layers(out=np.zeros((2, 3), int)), "weights of layer 2 are no float array"),
        (layers(out=np.zeros((2, 3), bool)), "weights of layer 2 are no float array"),
        (layers(into=np.full((3, 4), np.nan)), "weights of layer 1 are not finite"),
        (layers(into=np.full((3, 4), 1e300)), "weights of layer 1 are not finite"),
        (
            layers(into_bias=np.zeros((3, 1))),
            r"biases of layer 1 are no float array of shape \(3,\)",
        ),
        (layers(into_bias=np.full(3, np.inf)), "biases of layer 1 are not finite"),
        (layers(into_bias=[0.0, 0.0, 0.0]), "biases of layer 1 are no float array"),
    ],
)
def test_what_is_no_layer_is_refused_with_the_rule_it_breaks(value, reason):
    with np.errstate(all="ignore"), pytest.raises(NotALayer, match=reason):
        read_layers(value, SHAPES, 5)


def test_a_network_that_overflows_reads_nothing():
    weights, biases = read_layers(layers(into=np.full((3, 4), 3e38)), SHAPES, 99)
    features = np.full((5, 4), 9, np.float32)
    with np.errstate(all="ignore"):
        assert num_right(weights, biases, features, np.zeros(5, int)) == 0


def test_the_largest_score_behind_the_relu_decides():
    weights, biases = read_layers(layers(), SHAPES, 5)
    features = np.array([[2, 1, 0, 0], [-1, 1, 0, 0], [-1, -1, 0, 0]], np.float32)
    assert num_right(weights, biases, features, np.array([0, 1, 0])) == 3
