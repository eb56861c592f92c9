"""The experiment of claim Q1: what it rounds, and what it asks the price of."""

import numpy as np
import pytest

from nncourse.accelerator.energy import PRICES
from nncourse.claims.rankings import ALL_FORMATS
from nncourse.experiments.q1 import FORMATS, SCALED_BITS, rounded, signal_to_noise_db
from nncourse.formats import FORMATS as KNOWN
from nncourse.formats import cast


def values(scale=1.0):
    return scale * np.random.default_rng(0).normal(size=4000)


def test_every_format_that_the_rule_asks_for_is_measured_and_priced():
    assert set(ALL_FORMATS) <= set(FORMATS) <= set(PRICES)
    assert len(set(FORMATS)) == len(FORMATS)


@pytest.mark.parametrize("name", [name for name in FORMATS if KNOWN[name].bits <= SCALED_BITS])
def test_a_narrow_format_does_not_care_for_the_unit_of_its_values(name):
    usual, tiny = (
        signal_to_noise_db(values(unit), rounded(values(unit), name)) for unit in (1, 1e-6)
    )
    assert tiny == pytest.approx(usual, abs=0.01)
    largest = np.abs(values()).max()
    assert np.abs(rounded(values(), name)).max() == pytest.approx(largest, rel=1e-6)


@pytest.mark.parametrize("name", ["fp32", "fp16", "bf16"])
def test_a_wide_float_is_stored_as_it_is(name):
    np.testing.assert_array_equal(rounded(values(), name), cast(values(), name))


@pytest.mark.parametrize("name", FORMATS)
def test_zeros_stay_zeros_and_the_input_is_not_touched(name):
    given = values()
    rounded(given, name)
    np.testing.assert_array_equal(given, values())
    assert not rounded(np.zeros(5), name).any()


def test_without_an_error_the_ratio_is_infinite():
    assert signal_to_noise_db(values(), values()) == np.inf
