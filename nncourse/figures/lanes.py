"""Lanes that skip zeros and wait for each other: a picture cycle by cycle, and the speed-up that is left.

Everything is computed in the page, by ``lanes.js``: the figure works in a published book without a
kernel. :func:`numbers` and :func:`simulate` are the same computation in Python, with the accelerator's own
closed form and cycle loop, and a test holds the two against each other.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr

from nncourse.accelerator.lanes import expected_max
from nncourse.accelerator.queues import queue_cycles

CHOICES = MappingProxyType(
    {
        "lanes": (4, 8, 16, 32, 64, 128, 256),
        "group": (8, 16, 32, 64, 128, 256),
        "queue_depth": (1, 2, 4, 8, 16, 32),
    }
)
GROUPS_SIMULATED = 256  # of one stream, where there is no closed form
MIN_GROUPS_DRAWN = 3
CYCLES_DRAWN = 60  # as many groups are drawn as end by then
FOLDER = Path(__file__).parent


class LanesFigure(anywidget.AnyWidget):
    """The live figure.

    lanes        side by side, each with one output; one of ``CHOICES``
    density      share of the weights that are kept, .05 .. 1, each by chance
    group        weights of a lane after which the lanes wait for each other; one of ``CHOICES``
    queue_depth  groups that a lane may hold: 1 is a barrier after each; one of ``CHOICES``
    seed         of the zeros, 0 .. 999

    ``cycle`` is how far the picture is drawn; None draws all of it.
    """

    _esm = FOLDER / "lanes.js"
    _css = "\n".join((FOLDER / name).read_text("utf-8") for name in ("frame.css", "lanes.css"))
    lanes = traitlets.Enum(list(CHOICES["lanes"])).tag(sync=True)
    density = traitlets.Float(min=0.05, max=1.0).tag(sync=True)
    group = traitlets.Enum(list(CHOICES["group"])).tag(sync=True)
    queue_depth = traitlets.Enum(list(CHOICES["queue_depth"])).tag(sync=True)
    seed = traitlets.Int(min=0, max=999).tag(sync=True)
    cycle = traitlets.Int(None, allow_none=True, min=0).tag(sync=True)
    choices = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(
        self,
        *,
        lanes: int = 16,
        density: float = 0.2,
        group: int = 32,
        queue_depth: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(
            lanes=lanes, density=density, group=group, queue_depth=queue_depth, seed=seed
        )
        self.set_trait("choices", {name: list(values) for name, values in CHOICES.items()})

    @property
    def settings(self) -> dict[str, Any]:
        """Those of :func:`numbers` and :func:`simulate`."""
        names = ("lanes", "density", "group", "queue_depth", "seed")
        return {name: getattr(self, name) for name in names}

    def numbers(self) -> dict[str, float]:
        """What the figure prints, computed in Python for its present settings."""
        return numbers(**self.settings)


def numbers(
    *, lanes: int, density: float, group: int, queue_depth: int, seed: int
) -> dict[str, float]:
    """Speed-up, ideal, share of it, kept weights and cycles of a group, and the waiting in the picture.

    lanes, density, group, queue_depth, seed  as in :class:`LanesFigure`
    returns  speedup over lanes that skip nothing; ideal, 1 / density; share, the one over the other;
             work, the kept weights that a lane has in a group, on average; cycles that a group takes;
             waiting, the share of lane cycles lost in the picture

    Behind a barrier these are expectations in closed form; with a queue, the mean of
    ``GROUPS_SIMULATED`` groups. The waiting is that of the groups in the picture in both cases.

    >>> said = numbers(lanes=16, density=0.2, group=32, queue_depth=1, seed=0)
    >>> round(said["speedup"], 2), said["ideal"]
    (3.02, 5.0)
    """
    if queue_depth == 1:
        cycles = expected_max(lanes, group, density)
    else:
        work = kept_weights(lanes=lanes, density=density, group=group, seed=seed)
        cycles = queue_cycles(work, depth=queue_depth) / GROUPS_SIMULATED
    shown = simulate(lanes=lanes, density=density, group=group, queue_depth=queue_depth, seed=seed)
    return {
        "speedup": group / cycles,
        "ideal": 1 / density,
        "share": density * group / cycles,
        "work": density * group,
        "cycles": cycles,
        "waiting": shown["waiting"],
    }


def simulate(
    *, lanes: int, density: float, group: int, queue_depth: int, seed: int
) -> dict[str, Any]:
    """The picture: how many groups it shows, its length in cycles, and the share of it spent waiting.

    lanes, density, group, queue_depth, seed  as in :class:`LanesFigure`
    returns  groups; cycles; waiting, a fraction; start and finish of the work of each lane in each
             simulated group, shape (groups, lanes)
    """
    work = kept_weights(lanes=lanes, density=density, group=group, seed=seed)
    start, finish = np.zeros_like(work), np.zeros_like(work)
    done = np.zeros(len(work), dtype=np.int64)  # when the slowest lane is
    free = np.zeros(lanes, dtype=np.int64)
    for item, each in enumerate(work):
        entered = done[item - queue_depth] if item >= queue_depth else 0
        start[item] = np.maximum(free, entered)
        finish[item] = free = start[item] + each
        done[item] = free.max()
    groups = max(MIN_GROUPS_DRAWN, int((done <= CYCLES_DRAWN).sum()))
    cycles = max(int(done[groups - 1]), 1)
    worked = np.minimum(finish, cycles) - np.minimum(start, cycles)
    return {
        "groups": groups,
        "cycles": cycles,
        "waiting": 1 - float(worked.sum()) / (lanes * cycles),
        "start": start,
        "finish": finish,
    }


def kept_weights(*, lanes: int, density: float, group: int, seed: int) -> NDArray[np.int64]:
    """Kept weights of each lane in each group, shape (GROUPS_SIMULATED, lanes), binomial.

    lanes, density, group, seed  as in :class:`LanesFigure`

    The same random numbers serve every density, so that a lane never has less work at a larger one.

    >>> kept_weights(lanes=4, density=0.2, group=32, seed=0)[0]
    array([0, 5, 4, 6])
    """
    below = bdtr(np.arange(group, dtype=np.float64), group, density) if density < 1 else 0.0
    below = np.append(np.broadcast_to(below, group), 1.0)
    places = np.arange(GROUPS_SIMULATED * lanes).reshape(GROUPS_SIMULATED, lanes)
    return np.searchsorted(below, uniform(seed, places), side="left").astype(np.int64)


def uniform(seed: int, places: ArrayLike) -> NDArray[np.float64]:
    """A number in (0, 1) for each place of the stream of ``seed``, 32 bits each.

    places  whole numbers, at least 0, any shape

    Source: the 32-bit finalizer of MurmurHash3 (Appleby, public domain), applied to a counter.
    """
    start = _mixed(np.array(seed, dtype=np.uint64))
    words = (start + np.asarray(places, dtype=np.uint64)) & np.uint64(0xFFFFFFFF)
    return (_mixed(words).astype(np.float64) + 0.5) / 2.0**32


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    low = np.uint64(0xFFFFFFFF)
    words = (words ^ (words >> np.uint64(16))) * np.uint64(0x85EBCA6B) & low
    words = (words ^ (words >> np.uint64(13))) * np.uint64(0xC2B2AE35) & low
    return words ^ (words >> np.uint64(16))
