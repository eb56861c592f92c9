"""Lanes that share a stream of items, and how far the fast ones may run ahead of the slowest.

Every item (a group of inputs, or one input of EIE) brings each lane an amount of work. A lane that is
done early may start on the next items as long as its queue holds them; an item enters the queues only
when every lane has finished the one that lies ``depth`` before it.

Source: Han et al., EIE, ISCA 2016, arXiv:1602.01528, section IV (activation queue and load balance).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Work = NDArray[np.integer[Any]]


def queue_cycles(work: Work, *, depth: int, least: int = 0) -> int:
    """Cycles until the slowest lane has finished the last item.

    work   whole numbers of cycles, at least 0, shape (items, lanes)
    depth  items that a queue holds, the one in work included: with 1 all lanes wait for each other
           after every item, and the time is the sum of the largest work of each
    least  cycles that an item takes in every lane, were there no work: 1 where a lane has to look at an
           item to see that it brings none, as in EIE

    The place of an item is free again when the lane has finished it.

    >>> work = np.array([[3, 1], [0, 2], [1, 1]])
    >>> queue_cycles(work, depth=1), queue_cycles(work, depth=2)
    (6, 4)
    """
    work = np.asarray(work)
    if work.ndim != 2 or work.dtype.kind not in "iu":
        raise ValueError(
            f"work is whole numbers of shape (items, lanes); got {work.dtype} {work.shape}"
        )
    for name, value, low in (("depth", depth, 1), ("least", least, 0)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < low:
            raise ValueError(f"{name} is a whole number of at least {low}; got {value!r}")
    if work.size == 0:
        return 0
    if work.min() < 0:
        raise ValueError(f"work is at least 0; got {work.min()}")
    return int(_queue_cycles(np.ascontiguousarray(work, dtype=np.int64), int(depth), int(least)))


def queue_cycles_textbook(work: Work, *, depth: int, least: int = 0) -> int:
    """:func:`queue_cycles` item by item in plain Python; the form to read, and what the tests trust."""
    finished = [0] * len(work[0]) if len(work) else [0]
    all_done: list[int] = []  # when the slowest lane finished each item
    for number, item in enumerate(work):
        entered = all_done[number - depth] if number >= depth else 0
        for lane, cycles in enumerate(item):
            finished[lane] = max(finished[lane], entered) + max(int(cycles), least)
        all_done.append(max(finished))
    return max(finished)


@njit(cache=True)
def _queue_cycles(work: NDArray[np.int64], depth: int, least: int) -> int:
    items, lanes = work.shape
    finished = np.zeros(lanes, dtype=np.int64)
    all_done = np.zeros(min(depth, items), dtype=np.int64)  # of the last ``depth`` items, in a ring
    slowest = 0
    for number in range(items):
        place = number % len(all_done)
        entered = all_done[place]
        for lane in range(lanes):
            start = max(finished[lane], entered)
            finished[lane] = start + max(work[number, lane], least)
            slowest = max(slowest, finished[lane])
        all_done[place] = slowest
    return slowest
