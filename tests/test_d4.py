"""What D4 measures, on layers whose numbers can be told on paper."""

import numpy as np
import pytest

from nncourse.experiments.d4 import (
    bound_bits,
    measures,
    stored_bytes,
    touched_bits,
    touched_entries,
)


def drawn(density, size=60_000, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.where(rng.random(size) < density, rng.integers(1, 16, size), 0)
    return codes.astype(np.uint8).reshape(100, -1)


def test_the_bound_of_a_layer_on_paper():
    layer = np.array([[0, 1, 0, 2]], np.uint8)
    # one bit of where for each of four, and one bit of which for two
    assert bound_bits(layer) == 6


def test_independent_zeros_take_as_many_entries_as_chance_asks_for():
    found = measures([drawn(0.1), drawn(0.05, seed=1)])
    assert found["entries"] == pytest.approx(found["entries by chance"], rel=0.02)
    assert found["zeros"] == pytest.approx(0.925, abs=0.005)


@pytest.mark.parametrize("density", [0.02, 0.1, 0.3])
def test_no_form_of_independent_zeros_is_smaller_than_the_bound(density):
    layer = drawn(density)
    for form, size in stored_bytes(layer).items():
        assert 8 * size > bound_bits(layer), form


def test_zeros_in_stripes_are_smaller_than_independent_ones():
    layer = np.zeros((100, 600), np.uint8)
    layer[:, :60] = np.random.default_rng(0).integers(1, 16, (100, 60))
    assert 8 * stored_bytes(layer)["run length + Huffman"] < bound_bits(layer)


def test_half_of_a_stream_is_read_to_reach_a_symbol():
    layer = drawn(0.1)
    assert touched_entries(layer) == pytest.approx(0.5, abs=0.02)
    assert touched_bits(layer) == pytest.approx(0.5, abs=0.02)


def test_entries_read_up_to_each_symbol_on_paper():
    # entries: (1, value), (0, value); symbols 0 and 1 need the first, 2 the second, 3 all
    layer = np.array([[0, 5, 7, 0]], np.uint8)
    assert touched_entries(layer) == pytest.approx((1 + 1 + 2 + 2) / 4 / 2)


def test_a_layer_without_a_weight_is_no_reason_to_fail():
    found = measures([np.zeros((10, 10), np.uint8), drawn(0.1)])
    assert found["touched by run length"] > 0
