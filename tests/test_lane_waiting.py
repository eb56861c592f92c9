"""The measures of the waiting tasks: readings that differ in one rule only are told apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.accelerator.lanes import Lanes
from nncourse.accelerator.queues import queue_cycles_textbook
from nncourse.classroom.checks import lane_waiting as check
from nncourse.classroom.judge import judge

SEEDS = range(20)


def missed(task, student, seed):
    found = judge(task.name, task.check, student, seed=seed)
    return {name for name, held in found.properties if not held}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_textbook_queue_is_a_right_answer(seed):
    def student(work, depth):
        return queue_cycles_textbook(work, depth=depth)

    assert not missed(check.queue_cycles, student, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_queue_of_another_depth_is_told_apart_and_earns_a_part(seed):
    def deeper(work, depth):
        return queue_cycles_textbook(work, depth=depth + 1)

    def barriers(work, depth):
        return queue_cycles_textbook(work, depth=1)

    def endless(work, depth):
        return queue_cycles_textbook(work, depth=len(work))

    core = "lets a lane begin an item while others still work at the one before it"
    too_deep = missed(check.queue_cycles, deeper, seed)
    assert core not in too_deep
    assert len(too_deep) >= 2
    for student in (barriers, endless):
        assert core in missed(check.queue_cycles, student, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_way_to_deal_outputs_but_tile_after_tile_is_missed(seed):
    def in_blocks(mask, lanes, group):
        tiles = -(-len(mask) // lanes)
        padded = np.zeros((tiles * lanes, mask.shape[1]), dtype=bool)
        padded[: len(mask)] = mask
        dealt = padded.reshape(lanes, tiles, -1).transpose(1, 0, 2).reshape(padded.shape)
        return Lanes(lanes, group=group).work(dealt)

    expected = "gives output number i to lane i % lanes, as one tile follows the other"
    assert expected in missed(check.lane_work, in_blocks, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_integers_of_any_width_are_counts_and_floats_are_not(seed):
    def counted(dtype):
        return lambda mask, lanes, group: Lanes(lanes, group=group).work(mask).astype(dtype)

    assert not missed(check.lane_work, counted(np.int32), seed)
    assert not missed(check.lane_work, counted(np.uint64), seed)
    assert len(missed(check.lane_work, counted(np.float64), seed)) == 7


@given(st.integers(0, 2**32))
def test_lock_step_is_told_from_the_busiest_lane_and_from_the_mean(seed):
    def busiest(work, places):
        return int(work.sum(axis=0).max()) * places

    def mean(work, places):
        return int(np.ceil(work.mean(axis=1)).sum()) * places

    for student in (busiest, mean):
        assert "waits for the slowest lane after every item" in missed(
            check.barrier_cycles, student, seed
        )
