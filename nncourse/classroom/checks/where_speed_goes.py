"""Lab 05, "Where did my speed go": its seven tasks, under the names that the notebook uses."""

from __future__ import annotations

from nncourse.classroom.checks.lane_waiting import barrier_cycles, lane_work, queue_cycles
from nncourse.classroom.checks.least_energy import thrifty_masks
from nncourse.classroom.checks.lost_speed import counterfactuals, expected_slowest
from nncourse.classroom.checks.recovered_speed import recovering_mask
from nncourse.classroom.lab import Lab

__all__ = [
    "LAB",
    "barrier_cycles",
    "counterfactuals",
    "expected_slowest",
    "lane_work",
    "queue_cycles",
    "recovering_mask",
    "thrifty_masks",
]

LAB = Lab(
    name="05_where_did_my_speed_go",
    tasks=(
        lane_work,
        barrier_cycles,
        expected_slowest,
        queue_cycles,
        counterfactuals,
        recovering_mask,
        thrifty_masks,
    ),
    seconds=60.0,  # the published search takes a second; others may look longer for a small mask
)
