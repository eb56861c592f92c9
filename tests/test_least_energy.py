"""The measure of the open-ended task: what is stored costs, what is malformed earns nothing."""

import numpy as np
import pytest

from nncourse.classroom.checks.least_energy import (
    FLOOR,
    MOST_ENERGY,
    Network,
    accuracy_of,
    energy_share,
    thrifty_masks,
)
from nncourse.classroom.judge import judge

SHAPES = [(300, 784), (100, 300), (10, 100)]


def test_energy_follows_the_number_of_kept_weights_and_hardly_their_places():
    rng = np.random.default_rng(0)

    def masks(density):
        return [rng.random(shape) < density for shape in SHAPES]

    tenth, fifth, whole = (energy_share(masks(density)) for density in (0.1, 0.2, 1.0))
    assert tenth < fifth < 1 < whole  # positions cost more than they save where all is kept
    rows = [np.arange(np.prod(shape)).reshape(shape) % 5 == 0 for shape in SHAPES]
    assert energy_share(rows) == pytest.approx(fifth, rel=0.1)


def test_the_accuracy_is_that_of_the_masked_network():
    network = Network(
        weights=[np.eye(2, dtype=np.float32)] * 3,
        biases=[np.zeros(2, np.float32)] * 3,
        images=np.zeros((0, 2), np.float32),
        classes=np.zeros(0, np.int64),
        test_images=np.array([[2, 1], [1, 2], [3, 0]], np.float32),
        test_classes=np.array([0, 1, 0]),
    )
    keep = [np.eye(2, dtype=bool)] * 3
    assert accuracy_of(network, keep) == 1
    assert accuracy_of(network, [np.zeros((2, 2), bool), *keep[1:]]) == pytest.approx(2 / 3)


def test_another_order_of_pixels_and_neurons_is_the_same_network():
    rng = np.random.default_rng(1)
    shapes = [(6, 5), (4, 6), (3, 4)]
    network = Network(
        weights=[rng.normal(size=shape).astype(np.float32) for shape in shapes],
        biases=[rng.normal(size=shape[0]).astype(np.float32) for shape in shapes],
        images=np.zeros((0, 5), np.float32),
        classes=np.zeros(0, np.int64),
        test_images=rng.normal(size=(200, 5)).astype(np.float32),
        test_classes=rng.integers(3, size=200),
    )
    shuffled = network.shuffled(rng)
    whole = [np.ones(shape, bool) for shape in shapes]
    assert accuracy_of(shuffled, whole) == accuracy_of(network, whole)
    assert not np.array_equal(shuffled.weights[0], network.weights[0])


@pytest.mark.parametrize(
    "masks",
    [
        None,
        [],
        [np.ones(shape) for shape in SHAPES],
        [np.ones(shape, bool) for shape in SHAPES[:2]],
        [np.ones(shape[::-1], bool) for shape in SHAPES],
        [np.ones(shape, bool).tolist() for shape in SHAPES[2:]] * 3,
    ],
    ids=["none", "empty", "numbers", "two layers", "transposed", "lists"],
)
def test_what_is_no_list_of_masks_is_refused_in_words(masks):
    found = judge("thrifty_masks", thrifty_masks.check, lambda *inputs: masks, seed=0)
    assert found.fraction == 0
    assert "no list of boolean arrays" in found.first_failure.got


def test_little_energy_without_the_floor_earns_nothing_and_the_floor_without_savings_neither():
    def all_or_none(keep):
        return lambda weights, *rest: [np.full(weight.shape, keep) for weight in weights]

    for keep in (False, True):
        found = judge("thrifty_masks", thrifty_masks.check, all_or_none(keep), seed=0)
        assert found.fraction == 0
    assert FLOOR < 0.9883
    assert sorted(MOST_ENERGY, reverse=True) == list(MOST_ENERGY)
