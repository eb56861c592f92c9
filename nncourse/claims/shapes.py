"""The rule of claim P4: do shapes that fit the hardware give up ratio, and gain time?

Written before the first run. Every shape is taken at its smallest density without loss: non-inferior to the
dense arm, trained for as many steps, with the margins of claim Q2, there and at all larger densities
measured. A shape without one counts as dense. The time is that of the array.

1. Ratio is given up: single weights (``fine-grained``) reach a density at least as small as every other
   shape, and a smaller one than at least one of them.
2. Time is gained: the best structured shape takes clearly fewer cycles at its density than single weights
   at theirs: the interval of the logarithm of the paired ratio lies above 0. The best is the one with the
   fewest cycles, averaged over the seeds.

A case is one network on one array. The first half is the same on all arrays of a network.

- both halves in all cases: the claim holds;
- the second half in some: it holds with conditions, which are named;
- the second half in none: it does not hold here;
- fewer than five seeds: undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nncourse.claims.arms import by_seed, require_columns, require_same_seeds
from nncourse.claims.intervals import (
    MIN_SEEDS,
    Interval,
    margin_points,
    non_inferiority,
    paired_interval,
)
from nncourse.claims.verdict import Verdict

FINE = "fine-grained"
DENSE = "dense"
UNJUDGED = (DENSE, "as trained")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network on one array.

    densities  smallest without loss by shape; 1 for a shape without one
    best       the structured shape with the fewest cycles at its density
    gain       cycles of single weights over those of the best, each at its density: the mean ratio
    interval   of the logarithm of that ratio
    """

    network: str
    array: str
    densities: dict[str, float]
    best: str
    gain: float
    interval: Interval

    @property
    def gives_up_ratio(self) -> bool:
        """Whether single weights go furthest, and further than some structured shape."""
        fine = self.densities[FINE]
        others = [density for shape, density in self.densities.items() if shape != FINE]
        return fine <= min(others) and fine < max(others)

    @property
    def gains_time(self) -> bool:
        """Whether the best structured shape is clearly faster."""
        return self.interval.low > 0

    def __str__(self) -> str:
        return f"{self.network} on {self.array}"


def shape_trades_ratio_for_time(table: pd.DataFrame) -> Verdict:
    """The verdict on P4.

    table  rows of P4: ``seed network data shape density array array_cycles accuracy``
    """
    columns = ["seed", "network", "data", "shape", "density", "array", "array_cycles", "accuracy"]
    require_columns(table, columns, claim="P4")
    found = cases(table)
    gaining = [case for case in found if case.gains_time]
    n = min(case.interval.n for case in found)
    statistic = float(np.median([case.gain for case in found]))
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif not gaining:
        ruling = "does not hold here"
        reason = "No structured shape is clearly faster than single weights at equal accuracy."
    elif len(gaining) == len(found) and all(case.gives_up_ratio for case in found):
        ruling = "holds"
        reason = "Some structured shape keeps more weights, and the best takes fewer cycles, in every case."
    else:
        ruling, reason = "holds with conditions", _conditions(found, gaining)
    return Verdict(
        claim="P4",
        verdict=ruling,
        measure="median over networks and arrays of cycles, single weights over best structured shape",
        statistic=statistic,
        margin=1.0,
        n=n,
        interval=None,
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(table),
        hardware=_hardware(found),
    )


def cases(table: pd.DataFrame) -> list[Case]:
    """Every network on every array, in the order of the table.

    table  rows of P4
    """
    densities = {
        network: dict(zip(rows["shape"], rows["density"], strict=True))
        for network, rows in smallest_densities(table).groupby("network", sort=False)
    }
    pairs = table[["network", "array"]].drop_duplicates().itertuples(index=False, name=None)
    return [
        _case(
            table[(table["network"] == network) & (table["array"] == array)],
            densities.get(network, {}),
        )
        for network, array in pairs
    ]


def smallest_densities(table: pd.DataFrame) -> pd.DataFrame:
    """The smallest density without loss of each shape, by network; 1 where there is none.

    table    rows of P4
    returns  columns ``network shape density``
    """
    found = []
    for (network, shape), rows in losses(table).groupby(["network", "shape"], sort=False):
        density = 1.0
        for row in rows.sort_values("density", ascending=False).to_dict("records"):
            if row["ruling"] != "holds":
                break
            density = float(row["density"])
        found.append({"network": network, "shape": shape, "density": density})
    return pd.DataFrame(found)


def losses(table: pd.DataFrame) -> pd.DataFrame:
    """Mean loss against the dense arm in points with its interval, by network, shape and density.

    table    rows of P4
    returns  columns ``network shape density loss low high ruling``
    """
    first = table.drop_duplicates(["seed", "network", "shape", "density"])
    judged = first[~first["shape"].isin(UNJUDGED)]
    found = []
    for (network, data, shape, density), rows in judged.groupby(
        ["network", "data", "shape", "density"], sort=False
    ):
        dense = by_seed(first, "accuracy", claim="P4", network=network, shape=DENSE)
        after = by_seed(rows, "accuracy", claim="P4", shape=shape)
        require_same_seeds(dense, after, claim="P4")
        loss = paired_interval(100 * dense, 100 * after)
        found.append(
            {
                "network": network,
                "shape": shape,
                "density": density,
                "loss": loss.mean,
                "low": loss.low,
                "high": loss.high,
                "ruling": non_inferiority(loss, margin=margin_points(str(data))),
            }
        )
    if not found:
        raise ValueError(
            "the table of P4 has no row of a pruned shape: record it again with nncourse experiment P4"
        )
    return pd.DataFrame(found)


def _case(rows: pd.DataFrame, densities: dict[str, float]) -> Case:
    if FINE not in densities or len(densities) < 2:
        raise ValueError(
            f"the table of P4 has no row of the shape {FINE!r} or of any other pruned shape for "
            f"{rows['network'].iloc[0]}, and its verdict needs both: "
            "record it again with nncourse experiment P4"
        )
    cycles = {shape: _cycles(rows, shape, density) for shape, density in densities.items()}
    structured = {shape: each for shape, each in cycles.items() if shape != FINE}
    best = min(structured, key=lambda shape: structured[shape].mean())
    require_same_seeds(cycles[FINE], structured[best], claim="P4")
    ratio = cycles[FINE] / structured[best]
    return Case(
        network=rows["network"].iloc[0],
        array=rows["array"].iloc[0],
        densities=densities,
        best=best,
        gain=float(ratio.mean()),
        interval=paired_interval(np.log(ratio), np.zeros(len(ratio))),
    )


def _cycles(rows: pd.DataFrame, shape: str, density: float) -> pd.Series:
    if density == 1.0:
        return by_seed(rows, "array_cycles", claim="P4", shape=DENSE)
    return by_seed(rows, "array_cycles", claim="P4", shape=shape, density=density)


def _conditions(found: Sequence[Case], gaining: Sequence[Case]) -> str:
    parts = ["Faster: " + "; ".join(f"{case}, {case.best} ({case.gain:.2f}x)" for case in gaining)]
    if rest := [str(case) for case in found if case not in gaining]:
        parts.append("not faster: " + "; ".join(rest))
    networks = dict.fromkeys(case.network for case in found if not case.gives_up_ratio)
    if networks:
        parts.append(f"no ratio is given up on {', '.join(networks)}")
    return "; ".join(parts) + "."


def _software(table: pd.DataFrame) -> str:
    parts = []
    for network, rows in smallest_densities(table).groupby("network", sort=False):
        each = ", ".join(f"{row.shape} {row.density:.0%}" for row in rows.itertuples())
        parts.append(f"{network}: {each}")
    return (
        f"Share of the weights of pruned layers that has to stay for no loss, {'; '.join(parts)}."
    )


def _hardware(found: Sequence[Case]) -> str:
    each = "; ".join(f"{case} {case.gain:.2f} ({case.best})" for case in found)
    return f"Cycles of single weights over those of the best structured shape: {each}."
