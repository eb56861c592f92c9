"""The rule of claim Q5: do the ends need more bits, does a variable width win, does hardware dislike it?

Written before the first run. Three parts, each judged on every network, over at least five seeds.

Position. The first two and the last two layers are the ends, the others the middle. Each layer alone is
narrowed to 3 and to 2 bits; the statistic is the chance that a layer drawn from the ends loses more than
one drawn from the middle, the mean over the two widths. The ends need more bits when the whole 95%
interval over the seeds is above one half, and do not when it lies at or below it.

Paper. At 3 and at 4 bits: the allocated network against the fixed one in no more bytes. It wins when the
interval of the gain of accuracy is above 0 at either width and below 0 at neither.

Hardware. At 4 bits: the allocated network on arrays of two-width and of fusible cells against the fixed
one of the same bytes. Hardware dislikes it when it takes more array cycles on both, in the mean.

- all three parts on every network: the claim holds;
- no network whose ends need more bits, and none whose allocation wins: it does not hold here;
- something else: it holds with conditions, which are named; undecided with fewer than five seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nncourse.claims.arms import by_seed, require_columns, require_same_seeds
from nncourse.claims.intervals import MIN_SEEDS, Interval, paired_interval
from nncourse.claims.verdict import Verdict

NUM_ENDS = 2
NARROW_BITS = (3, 2)
PAPER_BITS = (3, 4)
HARDWARE_BITS = 4
VARIABLE_CELLS = ("two widths", "fusible")
EVEN_CHANCE = 0.5
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class JudgedNetwork:
    """What the three parts say about one network.

    chance  that an end layer loses more than a middle one, with its interval over the seeds
    gain    of accuracy in points, allocated over fixed in no more bytes, by bits
    cycles  allocated over fixed, by kind of cell, mean over the seeds
    """

    name: str
    chance: Interval
    gain: dict[int, Interval]
    cycles: dict[str, float]

    @property
    def ends_need_more(self) -> str:
        """``yes``, ``no`` or ``not settled``."""
        if self.chance.low > EVEN_CHANCE:
            return "yes"
        return "no" if self.chance.high <= EVEN_CHANCE else "not settled"

    @property
    def allocation_wins(self) -> bool:
        """Whether the allocated network is better at one width and worse at none."""
        gains = self.gain.values()
        return any(gain.low > 0 for gain in gains) and not any(gain.high < 0 for gain in gains)

    @property
    def hardware_dislikes(self) -> bool:
        """Whether it takes more cycles on every array that has several widths."""
        return all(self.cycles[kind] > 1 for kind in VARIABLE_CELLS)


def variable_width(table: pd.DataFrame) -> Verdict:
    """The verdict on Q5.

    table  rows of Q5: ``seed network data arm layer bits measure value``
    """
    columns = ["seed", "network", "data", "arm", "layer", "bits", "measure", "value"]
    require_columns(table, columns, claim="Q5")
    judged = judged_networks(table)
    n = min(network.chance.n for network in judged)
    worst = min(judged, key=lambda network: network.chance.low)
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif all(
        network.ends_need_more == "yes" and network.allocation_wins and network.hardware_dislikes
        for network in judged
    ):
        ruling = "holds"
        reason = (
            "The ends lose most, an allocation beats a fixed width in the same bytes, and costs "
            "cycles on every array that has several widths."
        )
    elif not any(network.ends_need_more == "yes" or network.allocation_wins for network in judged):
        ruling = "does not hold here"
        reason = (
            f"On no network do the ends need more bits or does an allocation win. {_each(judged)}"
        )
    else:
        ruling, reason = "holds with conditions", _each(judged)
    return Verdict(
        claim="Q5",
        verdict=ruling,
        measure="chance that an end layer loses more than a middle one, network where it is least",
        statistic=worst.chance.mean,
        margin=EVEN_CHANCE,
        n=n,
        interval=(worst.chance.low, worst.chance.high),
        networks=tuple(network.name for network in judged),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(judged),
        hardware=_hardware(judged),
    )


def judged_networks(table: pd.DataFrame) -> list[JudgedNetwork]:
    """The three parts on every network.

    table  rows of Q5
    """
    return [
        JudgedNetwork(
            name=str(name),
            chance=_chance(rows),
            gain={bits: _gain(rows, bits) for bits in PAPER_BITS},
            cycles={kind: _cycles(rows, kind) for kind in VARIABLE_CELLS},
        )
        for name, rows in table.groupby("network", sort=False)
    ]


def _chance(rows: pd.DataFrame) -> Interval:
    alone = rows[(rows["arm"] == "one layer") & (rows["measure"] == "loss_change")]
    alone = alone[alone["bits"].isin(NARROW_BITS)]
    if alone.empty:
        raise ValueError("the table of Q5 has no row of the arm one layer: record it again")
    layers = list(dict.fromkeys(alone["layer"]))
    if len(layers) <= 2 * NUM_ENDS:
        raise ValueError(f"the table of Q5 has {len(layers)} layers: no middle is left to compare")
    middle = layers[NUM_ENDS:-NUM_ENDS]
    chances = []
    for _, of_seed in alone.groupby("seed"):
        each = []
        for _, of_width in of_seed.groupby("bits"):
            lost = of_width.set_index("layer")["value"]
            inner = lost[middle].to_numpy()
            outer = lost.drop(middle).to_numpy()[:, None]
            each.append(float(np.mean((outer > inner) + 0.5 * (outer == inner))))
        chances.append(np.mean(each))
    return paired_interval(chances, np.zeros(len(chances)))


def _gain(rows: pd.DataFrame, bits: int) -> Interval:
    reached, size = (
        {
            arm: by_seed(rows, "value", claim="Q5", arm=arm, layer=ALL, bits=bits, measure=measure)
            for arm in ("fixed", "allocated")
        }
        for measure in ("accuracy", "stored_bytes")
    )
    require_same_seeds(size["fixed"], size["allocated"], claim="Q5")
    if (size["allocated"] > size["fixed"]).any():
        raise ValueError(f"the table of Q5 allocates more bytes than {bits} fixed bits take")
    require_same_seeds(reached["fixed"], reached["allocated"], claim="Q5")
    return paired_interval(100 * reached["allocated"], 100 * reached["fixed"])


def _cycles(rows: pd.DataFrame, kind: str) -> float:
    taken = {
        arm: by_seed(
            rows,
            "value",
            claim="Q5",
            arm=arm,
            layer=ALL,
            bits=HARDWARE_BITS,
            measure=f"{kind} cycles",
        )
        for arm in ("fixed", "allocated")
    }
    require_same_seeds(taken["fixed"], taken["allocated"], claim="Q5")
    return float((taken["allocated"] / taken["fixed"]).mean())


def _each(judged: list[JudgedNetwork]) -> str:
    parts = []
    for network in judged:
        ends = {
            "yes": "the ends need more bits",
            "no": "the ends do not need more bits",
            "not settled": "whether the ends need more bits is not settled",
        }[network.ends_need_more]
        wins = "wins" if network.allocation_wins else "does not clearly win"
        dislikes = "more" if network.hardware_dislikes else "no more"
        parts.append(
            f"{network.name}: {ends} (chance {network.chance.mean:.2f}), an allocation {wins}, "
            f"and takes {dislikes} cycles."
        )
    return " ".join(parts)


def _software(judged: list[JudgedNetwork]) -> str:
    each = "; ".join(
        f"{network.name} "
        + ", ".join(f"{gain.mean:+.2f} at {bits} bits" for bits, gain in network.gain.items())
        for network in judged
    )
    return f"Points that the allocation gains over a fixed width in the same bytes: {each}."


def _hardware(judged: list[JudgedNetwork]) -> str:
    each = "; ".join(
        f"{network.name} "
        + ", ".join(f"{ratio:.2f} with {kind}" for kind, ratio in network.cycles.items())
        for network in judged
    )
    return (
        f"Cycles of the allocated network over those of the fixed {HARDWARE_BITS} bits: {each}. "
        "My widths go in steps, and 5 bits cost me 8."
    )
