"""The measure of the counterfactuals: each rung gives back something, and is what the machine would do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.accelerator.lanes import Lanes
from nncourse.accelerator.queues import queue_cycles
from nncourse.classroom.checks.lost_speed import counterfactuals, expected_slowest, speed_ladder
from nncourse.classroom.judge import judge


@st.composite
def cases(draw):
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 30)))
    array = Lanes(
        draw(st.integers(1, 5)), width=draw(st.integers(1, 4)), group=draw(st.integers(1, 5))
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = rng.random(shape) < draw(st.floats(0.05, 1))
    mask[0, 0] = True
    return mask, array


@given(cases())
def test_no_rung_is_slower_than_the_one_before_it(case):
    speeds = speed_ladder(*case)
    assert np.all(np.diff(speeds) >= -1e-12)


@given(cases())
def test_the_first_two_rungs_are_queues_of_one_item_and_of_all(case):
    mask, array = case
    work = array.work(mask)
    dense = array.cycles_of(1, *mask.shape)
    cycles = [queue_cycles(work, depth=depth) for depth in (1, len(work))]
    np.testing.assert_allclose(speed_ladder(mask, array)[:2], dense / np.array(cycles))


@given(cases())
def test_nothing_is_lost_where_everything_is_kept_and_fits(case):
    _, array = case
    whole = np.ones((array.lanes * 2, array.width * array.group * 3), dtype=bool)
    np.testing.assert_allclose(speed_ladder(whole, array), 1)


@pytest.mark.parametrize("seed", range(20))
def test_each_rung_left_out_is_missed(seed):
    for rung in range(4):

        def student(mask, lanes, width, group, rung=rung):
            speeds = speed_ladder(mask, Lanes(lanes, width=width, group=group))
            speeds[rung] *= 1 + 1e-5
            return list(speeds)

        found = judge("counterfactuals", counterfactuals.check, student, seed=seed)
        assert found.fraction < 1
        assert (found.fraction == 0) == (rung == 0)


@pytest.mark.parametrize("seed", range(5))
def test_a_simulation_is_not_exact_enough_for_a_closed_form(seed):
    def student(lanes, group, density):
        draws = np.random.default_rng(1).binomial(group, density, (400, lanes))
        return float(draws.max(axis=1).mean())

    assert judge("expected_slowest", expected_slowest.check, student, seed=seed).fraction == 0
