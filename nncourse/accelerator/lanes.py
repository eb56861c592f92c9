"""Lanes side by side, each with one output, which skip zeros and wait for each other.

The inputs stream past all lanes in groups. A lane does only the multiplications whose weights are kept;
when a group is done, it waits for the slowest, or runs ahead as far as its queue allows. The time of a
group is the largest of many random numbers, and that is what is lost.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from nncourse.accelerator.chances import expected_largest, kept_vectors, spans, touched
from nncourse.accelerator.gemm import Gemm
from nncourse.accelerator.queues import queue_cycles
from nncourse.accelerator.systolic import ceil_divide

Count = TypeVar("Count", int, NDArray[np.int64])
Mask = NDArray[np.bool_]


@lru_cache(maxsize=65536)
def expected_max(lanes: int, group: int, density: float) -> float:
    """Expected largest of ``lanes`` binomial counts, each of ``group`` trials.

    density  chance of each trial, in [0, 1]: that a weight is kept

    ``sum over k < group of 1 - F(k)^lanes``, F the binomial distribution function. The cycles of one group
    under a barrier, if zeros fall independently.

    >>> round(32 / expected_max(16, 32, 0.2), 2)  # a fifth of the work, and three times the speed
    3.02
    """
    for name, value in (("lanes", lanes), ("group", group)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
            raise ValueError(f"{name} is a whole number of at least 1; got {value!r}")
    if not 0.0 <= density <= 1.0:
        raise ValueError(f"density is a fraction in [0, 1]; got {density}")
    if density == 1.0:  # the distribution function of a sure thing, without rounding
        return float(group)
    below = bdtr(np.arange(group, dtype=np.float64), group, density)
    return float(np.sum(1.0 - below**lanes))


@dataclass(frozen=True)
class Lanes:
    """An array of lanes; outputs are dealt to them in order, a tile of ``lanes`` at a time.

    lanes        outputs computed side by side
    width        adjacent inputs that a lane multiplies in one cycle, a vector; skipped when all its weights
                 are zeros
    group        vectors of inputs after which the lanes wait for each other
    queue_depth  groups that a lane may hold: 1 is a barrier after each, see ``queues.queue_cycles``

    An input place (a pixel) is done after the other, each with the same weights.

    >>> Lanes(16, group=32).cycles(Gemm("fc", 1, 32, 64))
    128
    """

    lanes: int
    _: KW_ONLY
    width: int = 1
    group: int = 32
    queue_depth: int = 1

    def __post_init__(self) -> None:
        for name in ("lanes", "width", "group", "queue_depth"):
            value = getattr(self, name)
            if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
                raise ValueError(f"{name} is a whole number of at least 1; got {value!r}")

    @property
    def cells(self) -> int:
        """Multiply-accumulates that the array can start in one cycle."""
        return self.lanes * self.width

    def cycles(self, gemm: Gemm) -> int:
        """Cycles for one dense layer, its groups one after another."""
        return self.cycles_of(gemm.m, gemm.n, gemm.k) * gemm.groups

    def cycles_of(self, m: Count, n: Count, k: Count) -> Count:
        """Cycles of one dense product; integers or arrays of them."""
        return m * ceil_divide(n, self.lanes) * ceil_divide(k, self.width)

    def sram_of(self, m: Count, n: Count, k: Count) -> tuple[Count, Count, Count]:
        """Input reads, weight reads and output writes of one dense product, in words.

        An input is read once for a tile of outputs and handed to all lanes; a weight is read again for
        every place; the sum stays in its lane until it is complete.
        """
        return m * k * ceil_divide(n, self.lanes), m * n * k, m * n

    def work(self, mask: Mask) -> NDArray[np.int64]:
        """Vectors that each lane multiplies in each group: shape (tiles * groups, lanes).

        mask  boolean, shape (outputs, inputs), True = kept
        """
        mask = np.asarray(mask)
        if mask.ndim != 2 or mask.dtype != bool or not mask.size:
            raise ValueError(
                f"mask is boolean of shape (outputs, inputs); got {mask.dtype} {mask.shape}"
            )
        outputs, inputs = mask.shape
        tiles = -(-outputs // self.lanes)
        vectors = -(-inputs // self.width)
        groups = -(-vectors // self.group)
        padded = np.zeros((tiles * self.lanes, groups * self.group * self.width), dtype=bool)
        padded[:outputs, :inputs] = mask
        kept = padded.reshape(tiles, self.lanes, groups, self.group, self.width).any(axis=4)
        counts: NDArray[np.int64] = kept.sum(axis=3).transpose(0, 2, 1)
        return counts.reshape(tiles * groups, self.lanes)

    def sparse_cycles(self, mask: Mask) -> int:
        """Cycles for one input place when only vectors with a kept weight are multiplied.

        mask  as for :meth:`work`
        """
        return queue_cycles(self.work(mask), depth=self.queue_depth)

    def expected_cycles(
        self, outputs: int, inputs: int, density: float, *, block: tuple[int, int] = (1, 1)
    ) -> float:
        """Expected :meth:`sparse_cycles` where zeros fall by chance.

        density  chance that a weight is kept, or a block of weights
        block    (outputs, inputs) that are kept or dropped as one: lanes of one block wait for nobody in
                 it, and vectors of one block come or go together

        In closed form for a barrier; a queue has none, and raises ValueError.
        """
        if self.queue_depth > 1:
            raise ValueError(
                f"queue_depth {self.queue_depth} has no closed form; give a mask, or a barrier (1)"
            )
        if not 0.0 <= density <= 1.0:
            raise ValueError(f"density is a fraction in [0, 1]; got {density}")
        rows, columns = block
        apart: Counter[int] = Counter()  # block rows among the lanes of a tile
        for (offset, size), times in spans(outputs, self.lanes, rows).items():
            apart[touched(offset, size, rows)] += times
        between = spans(inputs, self.group * self.width, columns)
        return sum(
            tiles * barriers * self._expected_slowest(lanes, *piece, columns, density)
            for lanes, tiles in apart.items()
            for piece, barriers in between.items()
        )

    def _expected_slowest(
        self, lanes: int, offset: int, inputs: int, columns: int, density: float
    ) -> float:
        """Expected vectors of the slowest lane between two barriers."""
        if columns == 1 and inputs % self.width == 0:
            chance = 1.0 - (1.0 - density) ** self.width
            return expected_max(lanes, inputs // self.width, chance)
        chances = kept_vectors(offset, inputs, width=self.width, block=columns, density=density)
        return expected_largest(chances, lanes)
