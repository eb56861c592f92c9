"""What D3 measures, on layers whose numbers can be told on paper."""

import numpy as np
import pytest

from nncourse.codecs.floats import Float
from nncourse.experiments.d3 import EXPONENT, HIGH, LOW, MIDDLE, float_planes, measures, top_count


def test_the_planes_of_a_float_put_together_are_the_float():
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    planes = float_planes(values)
    turned = sum(
        planes[kind].astype(np.uint32) << np.uint32(8 * place)
        for place, kind in enumerate((LOW, MIDDLE, HIGH, EXPONENT))
    )
    bits = turned >> np.uint32(1) | turned << np.uint32(31)
    np.testing.assert_array_equal(bits.astype(np.uint32).view(np.float32), values)


def test_exponent_and_sign_of_a_number_on_paper():
    planes = float_planes(np.array([-1.5, 1.0]))
    assert planes[EXPONENT].tolist() == [127, 127]
    assert planes[HIGH].tolist() == [128, 0]  # the first binary place of 1.1
    assert planes[LOW].tolist() == [1, 0]


def test_the_planes_are_coded_as_small_as_in_the_codec_of_floats():
    values = np.random.default_rng(0).normal(size=20_000).astype(np.float32)
    planes = float_planes(values)
    # The codec leaves a plane as it is where a code would make it larger.
    parts = [min(measures([plane])["huffman_bytes"], plane.size) for plane in planes.values()]
    assert sum(parts) == pytest.approx(len(Float().encode(values)), abs=100)


def test_even_symbols_gain_nothing_and_pay_for_the_table():
    noise = np.random.default_rng(0).integers(0, 256, 50_000).astype(np.uint8)
    found = measures([noise])
    assert found["entropy"] / found["width"] > 0.99
    assert found["fixed_bytes"] / found["huffman_bytes"] < 1
    assert found["top"] == pytest.approx(1 / 16, rel=0.2)
    assert found["intact"]


def test_halves_quarters_and_eighths_gain_what_the_entropy_says():
    symbols = np.repeat(np.array([0, 1, 2, 3], np.uint8), [40_000, 20_000, 10_000, 10_000])
    found = measures([np.random.default_rng(0).permutation(symbols)])
    assert (found["width"], found["entropy"], found["codeword"]) == (2, 1.75, 1.75)
    assert found["fixed_bytes"] / found["huffman_bytes"] == pytest.approx(2 / 1.75, rel=0.002)


def test_layers_are_streams_of_their_own_and_add_up():
    one = np.arange(16, dtype=np.uint8).repeat(100)
    other = np.zeros(300, np.uint8)
    alone, both = measures([one]), measures([one, other])
    assert both["symbols"] == 1900
    assert both["entropy"] == pytest.approx(4 * 1600 / 1900)
    assert both["fixed_bytes"] > alone["fixed_bytes"]


def test_the_most_frequent_sixteenth_of_the_codes():
    assert (
        top_count(np.array([1, 1, 2, 3], np.uint8), 8) == 4
    )  # sixteen of 256 codes hold all three
    assert top_count(np.array([1, 1, 2, 3], np.uint8), 4) == 2
    assert top_count(np.zeros(5, np.uint8), 0) == 5
