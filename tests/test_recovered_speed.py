"""The measures of the mask that recovers speed: each keeps its count and its time, and one beats the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.accelerator.lanes import Lanes
from nncourse.classroom.checks.recovered_speed import (
    capped_mask,
    group_mask,
    recovering_mask,
    uneven_caps_mask,
)
from nncourse.classroom.judge import judge

REFERENCES = (group_mask, capped_mask, uneven_caps_mask)


@st.composite
def matrices(draw):
    lanes = draw(st.integers(1, 6))
    group = 4 * draw(st.integers(5, 8))
    shape = (lanes * draw(st.integers(1, 3)), group * draw(st.integers(1, 4)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    uneven = np.exp(rng.normal(size=(shape[0], 1)) + rng.normal(size=shape[1]))
    weight = (rng.normal(size=shape) * uneven).astype(np.float32)
    return weight, lanes, group


@settings(deadline=None)
@given(matrices())
def test_every_reference_keeps_a_fifth_and_is_four_times_as_fast(case):
    weight, lanes, group = case
    array = Lanes(lanes, group=group)
    for reference in REFERENCES:
        mask = reference(weight, lanes, group)
        assert mask.sum() == round(0.2 * weight.size)
        assert 4 * array.sparse_cycles(mask) <= array.cycles_of(1, *weight.shape)


@settings(deadline=None)
@given(matrices())
def test_one_cap_for_all_groups_keeps_no_less_than_the_same_share_of_each(case):
    weight, lanes, group = case
    squares = weight.astype(float) ** 2
    kept = [squares[mask(weight, lanes, group)].sum() for mask in (group_mask, capped_mask)]
    assert kept[1] >= kept[0] * (1 - 1e-12)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("reference", "fraction"), list(zip(REFERENCES, (0.5, 0.75, 1.0), strict=True))
)
def test_each_reference_earns_its_level_and_not_the_next(reference, fraction, seed):
    found = judge("recovering_mask", recovering_mask.check, reference, seed=seed)
    assert found.fraction == fraction


def test_a_mask_that_is_one_weight_short_earns_nothing():
    def student(weight, lanes, group):
        mask = uneven_caps_mask(weight, lanes, group)
        mask[tuple(np.argwhere(mask)[0])] = False
        return mask

    found = judge("recovering_mask", recovering_mask.check, student, seed=0)
    assert found.fraction == 0
    assert "instead of 3277" in found.first_failure.got
