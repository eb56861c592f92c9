"""Lanes that wait for each other: how fast an array of them is, and a picture of who waits for whom.

Everything is computed in the page, by ``lanes.js``: the figure works in a published book without a
kernel. :func:`numbers` is the same computation in Python, down to the generator of random numbers, and a
test holds the two against each other.
"""

from __future__ import annotations

from pathlib import Path

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray
from scipy.special import bdtr

from nncourse.accelerator.lanes import expected_max
from nncourse.accelerator.queues import queue_cycles

LANES = (1, 2, 4, 8, 12, 16, 32, 64, 128, 256)
GROUPS = (4, 8, 16, 32, 64, 128, 256)
DEPTHS = (1, 2, 4, 8)
DRAWN_LANES, DRAWN_GROUPS = 12, 5  # of the picture
SIMULATED_GROUPS = 400  # for queues, which have no closed form
FOLDER = Path(__file__).parent


class LanesFigure(anywidget.AnyWidget):
    """The live figure.

    lanes        one of ``LANES``
    density      share of the weights kept, 0.02 .. 1
    group        inputs after which lanes wait, one of ``GROUPS``
    queue_depth  groups that a lane may hold, one of ``DEPTHS``; 1 is a barrier
    seed         of the zeros that are drawn
    cycle        up to which the picture is drawn; 0 where all of it is
    """

    _esm = FOLDER / "lanes.js"
    _css = FOLDER / "lanes.css"
    lanes = traitlets.Enum(list(LANES)).tag(sync=True)
    density = traitlets.Float(min=0.02, max=1.0).tag(sync=True)
    group = traitlets.Enum(list(GROUPS)).tag(sync=True)
    queue_depth = traitlets.Enum(list(DEPTHS)).tag(sync=True)
    seed = traitlets.Int(min=0, max=2**31 - 1).tag(sync=True)
    cycle = traitlets.Int(min=0).tag(sync=True)
    choices = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(
        self,
        *,
        lanes: int = 16,
        density: float = 0.2,
        group: int = 32,
        queue_depth: int = 1,
        seed: int = 1,
    ) -> None:
        super().__init__(
            lanes=lanes, density=density, group=group, queue_depth=queue_depth, seed=seed, cycle=0
        )
        known = {"lanes": list(LANES), "group": list(GROUPS), "queue_depth": list(DEPTHS)}
        self.set_trait("choices", known)

    def numbers(self) -> dict[str, float]:
        """What the figure prints, computed in Python for its present settings."""
        return numbers(
            lanes=self.lanes,
            density=self.density,
            group=self.group,
            queue_depth=self.queue_depth,
            seed=self.seed,
        )


def numbers(
    *, lanes: int, density: float, group: int, queue_depth: int, seed: int
) -> dict[str, float]:
    """Speed-up over lanes that do not skip, the ideal, the share of it that is reached, and the time waited.

    lanes, density, group, queue_depth, seed  of :class:`LanesFigure`
    returns  ideal is ``1 / density``; speedup the closed form for a barrier, and for a queue that of
             ``SIMULATED_GROUPS`` drawn groups; share their ratio; waiting the share of all lanes' cycles
             in which a lane of the picture stands still

    >>> said = numbers(lanes=16, density=0.2, group=32, queue_depth=1, seed=1)
    >>> round(said["speedup"], 2), said["ideal"]
    (3.02, 5.0)
    """
    if queue_depth == 1:
        cycles = expected_max(lanes, group, density)
    else:
        drawn = work(lanes, SIMULATED_GROUPS, group, density, seed)
        cycles = queue_cycles(drawn, depth=queue_depth) / SIMULATED_GROUPS
    shown = work(min(lanes, DRAWN_LANES), DRAWN_GROUPS, group, density, seed)
    time = queue_cycles(shown, depth=queue_depth)
    speedup = group / cycles if cycles else float("inf")
    return {
        "ideal": 1 / density,
        "speedup": speedup,
        "share": speedup * density,
        "waiting": 1 - float(shown.sum()) / (time * shown.shape[1]) if time else 0.0,
    }


def work(lanes: int, groups: int, group: int, density: float, seed: int) -> NDArray[np.int64]:
    """Kept weights of each group in each lane, drawn as the page draws them: shape (groups, lanes).

    A binomial count is the place of a uniform number among the values of its distribution function.
    """
    below = bdtr(np.arange(group, dtype=np.float64), group, density)
    uniform = np.array(list(_uniform(seed, groups * lanes)))
    counts: NDArray[np.int64] = np.searchsorted(below, uniform, side="left").astype(np.int64)
    if density == 1.0:
        counts[:] = group
    return counts.reshape(groups, lanes)


def _uniform(seed: int, count: int) -> list[float]:
    """Numbers in (0, 1) by mulberry32, a generator that a page can repeat bit for bit.

    Source: T. Ettinger, public domain, after the finalizer of MurmurHash3.
    """
    found, state = [], seed
    for _ in range(count):
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        mixed = ((state ^ (state >> 15)) * (1 | state)) & 0xFFFFFFFF
        mixed = (
            mixed + (((mixed ^ (mixed >> 7)) * (61 | mixed)) & 0xFFFFFFFF)
        ) & 0xFFFFFFFF ^ mixed
        found.append((((mixed ^ (mixed >> 14)) & 0xFFFFFFFF) + 0.5) / 2**32)
    return found
