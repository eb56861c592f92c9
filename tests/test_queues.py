"""Queues: how far fast lanes may run ahead of the slowest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nncourse.accelerator.queues import queue_cycles, queue_cycles_textbook

WORK = arrays.arrays(
    np.int64,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.integers(0, 9),
)


@given(WORK, st.integers(1, 14), st.integers(0, 2))
def test_the_fast_form_is_the_textbook_form(work, depth, least):
    expected = queue_cycles_textbook(work, depth=depth, least=least)
    assert queue_cycles(work, depth=depth, least=least) == expected


@given(WORK)
def test_a_depth_of_one_is_a_barrier_after_every_item(work):
    assert queue_cycles(work, depth=1) == work.max(axis=1).sum()


@given(WORK)
def test_a_deep_queue_leaves_only_the_lane_with_the_most_work(work):
    assert queue_cycles(work, depth=len(work)) == work.sum(axis=0).max()


@given(WORK, st.integers(1, 10), st.integers(0, 2))
def test_a_deeper_queue_is_never_slower(work, depth, least):
    shallow, deep = (queue_cycles(work, depth=d, least=least) for d in (depth, depth + 1))
    assert deep <= shallow


@given(WORK, st.integers(1, 10))
def test_time_lies_between_the_two_bounds(work, depth):
    cycles = queue_cycles(work, depth=depth)
    assert work.sum(axis=0).max() <= cycles <= work.max(axis=1).sum()


@given(WORK, st.integers(1, 12))
def test_the_loop_is_that_of_a_broadcast_which_stalls_on_a_full_queue(work, depth):
    # The same machine told from the side of the broadcast: one item a cycle at most, stalled while the
    # item ``depth`` before is unfinished in any lane; a lane takes a cycle even for nothing.
    finished, done, broadcast = np.zeros(work.shape[1]), [], -1
    for number, item in enumerate(work):
        broadcast += 1
        if number >= depth:
            broadcast = max(broadcast, done[number - depth])
        finished = np.maximum(finished, broadcast) + np.maximum(item, 1)
        done.append(finished.max())
    assert queue_cycles(work, depth=depth, least=1) == finished.max()


def test_nothing_to_do_takes_no_time():
    assert queue_cycles(np.zeros((0, 4), dtype=int), depth=3) == 0
    assert queue_cycles(np.zeros((5, 4), dtype=int), depth=3) == 0
    assert queue_cycles(np.zeros((5, 4), dtype=int), depth=1, least=1) == 5


@pytest.mark.parametrize(
    ("work", "options", "message"),
    [
        (np.ones(3, dtype=int), {"depth": 1}, "shape"),
        (np.ones((3, 2)), {"depth": 1}, "whole numbers"),
        (-np.ones((3, 2), dtype=int), {"depth": 1}, "at least 0; got -1"),
        (np.ones((3, 2), dtype=int), {"depth": 0}, "depth is a whole number of at least 1; got 0"),
        (np.ones((3, 2), dtype=int), {"depth": 1.5}, "got 1.5"),
        (np.ones((3, 2), dtype=int), {"depth": 1, "least": -1}, "least"),
    ],
)
def test_bad_arguments_are_named(work, options, message):
    with pytest.raises(ValueError, match=message):
        queue_cycles(work, **options)
