"""The measures of the planning tasks: the floor holds all the way down, and the cubic is that of the pruners."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.classroom.checks.pruning_plan import cubic_schedule, densities_down_to
from nncourse.classroom.judge import judge
from nncourse.pruners import schedules


@given(st.data())
def test_every_density_from_1_down_to_the_one_found_keeps_the_floor_and_the_next_does_not(data):
    count = data.draw(st.integers(1, 6))
    row = np.array(data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)), float)
    densities = np.array(data.draw(st.permutations([2.0**-i for i in range(count)])))
    floor = data.draw(st.integers(0, 4))
    [found] = densities_down_to(row[None], densities, floor)
    borne = row[densities >= found] >= floor
    assert borne.all() or (found == 1 and row[densities == 1] < floor)
    below = densities[densities < found]
    if borne.all() and below.size:
        assert row[densities == below.max()] < floor


def test_the_schedule_of_the_pruners_is_a_right_answer():
    def student(initial, final, rounds):
        return list(schedules.cubic(final, rounds=rounds, initial=initial))

    assert judge("cubic_schedule", cubic_schedule.check, student, seed=3).fraction == 1.0


@pytest.mark.parametrize("make", [schedules.iterative, schedules.one_shot])
def test_other_schedules_earn_nothing(make):
    def student(initial, final, rounds):
        return list(make(final, rounds=rounds))

    assert judge("cubic_schedule", cubic_schedule.check, student, seed=3).fraction == 0.0
