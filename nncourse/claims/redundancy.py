"""The rule of claim P1: are there redundant connections, and does it matter which ones go?

Written before the first run. A loss is taken against the control, all weights after the same number of
steps, and "none" is non-inferiority with the margins of claim Q2. The smallest density without loss is the
smallest at which the loss of ``iterative`` is none, there and at all larger densities measured.

1. Each network has such a density of at most one half.
2. At that density the same number of connections, drawn by lot, loses clearly more: the interval of the
   paired difference between ``random`` and ``iterative`` lies above 0.

- both, on every network: the claim holds;
- the first on some network: it holds with conditions, which are named;
- the first on none, and every loss at the largest density measured is clear: it does not hold here;
- otherwise, or with fewer than five seeds: undecided.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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

LARGEST_DENSITY = 0.5


@dataclass(frozen=True, kw_only=True)
class Redundancy:
    """How far one network can be pruned.

    density        the smallest without loss; None where there is none
    loss           of accuracy there, in points; at the largest density measured where there is none
    ruling         of that loss
    random_excess  points that connections drawn by lot lose more at that density
    one_shot       points lost there when all connections go at once; None where that was not measured
    """

    network: str
    density: float | None
    loss: Interval
    ruling: str
    random_excess: Interval
    one_shot: Interval | None


def redundant_connections_go_without_loss(table: pd.DataFrame) -> Verdict:
    """The verdict on P1.

    table  rows of P1: ``seed network data arm density stored_bytes accuracy``, with the arms
           ``control``, ``iterative`` and ``random``; ``one-shot`` is reported where it is
    """
    columns = ["seed", "network", "data", "arm", "density", "stored_bytes", "accuracy"]
    require_columns(table, columns, claim="P1")
    found = redundancies(table)
    spare = [one for one in found if one.density is not None and one.density <= LARGEST_DENSITY]
    chosen = [one for one in spare if one.random_excess.low > 0]
    n = min(one.loss.n for one in found)
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif len(chosen) == len(found):
        ruling = "holds"
        reason = "Every network loses nothing at half of its weights or fewer, if they are chosen."
    elif spare:
        ruling, reason = "holds with conditions", _conditions(found, spare, chosen)
    elif all(one.ruling == "does not hold here" for one in found):
        ruling, reason = (
            "does not hold here",
            "Every network loses at the largest density measured.",
        )
    else:
        ruling, reason = (
            "undecided",
            "No network is shown to lose nothing, and some interval is wide.",
        )
    return Verdict(
        claim="P1",
        verdict=ruling,
        measure="networks without loss at half of their weights or fewer",
        statistic=float(len(spare)),
        margin=float(len(found)),
        n=n,
        interval=None,
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(spare),
        hardware=_hardware(table, spare),
    )


def redundancies(table: pd.DataFrame) -> list[Redundancy]:
    """How far each network can be pruned, in the order of the table.

    table  rows of P1
    """
    return [_redundancy(rows) for _, rows in table.groupby("network", sort=False)]


def losses(table: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Mean loss against the control in points with its interval, by network and density.

    table    rows of P1
    arm      such as "iterative"
    returns  columns ``network density loss low high ruling n``, in the order of the table

    An arm that no network has raises ``ValueError``, and so does a missing control. A density that was
    not measured with the arm has no row.
    """
    found = []
    for (network, data), rows in table.groupby(["network", "data"], sort=False):
        control = by_seed(rows, "accuracy", claim="P1", network=network, arm="control")
        for density in rows[rows["arm"] == arm]["density"].unique():
            after = by_seed(rows, "accuracy", claim="P1", arm=arm, density=density)
            require_same_seeds(control, after, claim="P1")
            loss = paired_interval(100 * control, 100 * after)
            found.append(
                {
                    "network": network,
                    "density": float(density),
                    "loss": loss.mean,
                    "low": loss.low,
                    "high": loss.high,
                    "ruling": non_inferiority(loss, margin=margin_points(str(data))),
                    "n": loss.n,
                }
            )
    if not found:
        raise ValueError(
            f"the table of P1 has no row of the arm arm={arm} for "
            f"{', '.join(dict.fromkeys(table['network']))}: "
            "record it again with nncourse experiment P1"
        )
    return pd.DataFrame(found)


def _redundancy(rows: pd.DataFrame) -> Redundancy:
    measured = losses(rows, "iterative").sort_values("density", ascending=False)
    passing = measured[(measured["ruling"] == "holds").cummin()]
    judged = (measured.iloc[:1] if passing.empty else passing.iloc[-1:]).to_dict("records")[0]
    network, density = judged["network"], judged["density"]
    by_lot, by_size = (
        by_seed(rows, "accuracy", claim="P1", network=network, arm=arm, density=density)
        for arm in ("random", "iterative")
    )
    require_same_seeds(by_lot, by_size, claim="P1")
    return Redundancy(
        network=network,
        density=None if passing.empty else density,
        loss=_interval(judged),
        ruling=judged["ruling"],
        random_excess=paired_interval(100 * by_size, 100 * by_lot),
        one_shot=_one_shot(rows, density),
    )


def _one_shot(rows: pd.DataFrame, density: float) -> Interval | None:
    """The loss of one-shot at a density; the rule does without it, so a table may too."""
    there = rows[(rows["arm"] == "control") | (rows["density"] == density)]
    if not (there["arm"] == "one-shot").any():
        return None
    return _interval(losses(there, "one-shot").to_dict("records")[0])


def _interval(row: Mapping[Hashable, Any]) -> Interval:
    return Interval(row["loss"], row["low"], row["high"], row["n"])


def _conditions(
    found: Sequence[Redundancy], spare: Sequence[Redundancy], chosen: Sequence[Redundancy]
) -> str:
    parts = ["No loss: " + "; ".join(f"{one.network} at {one.density:.0%}" for one in spare) + "."]
    short = [one for one in found if one not in spare]
    if short:
        parts.append(
            "Not shown at any density of at most one half: "
            + "; ".join(f"{one.network} ({one.loss.mean:+.2f} points)" for one in short)
            + "."
        )
    by_lot = [one for one in spare if one not in chosen]
    if by_lot:
        names = ", ".join(one.network for one in by_lot)
        parts.append(f"Drawing lots does as well there: {names}.")
    return " ".join(parts)


def _software(spare: Sequence[Redundancy]) -> str:
    parts = []
    for one in spare:
        at_once = "" if one.one_shot is None else f", at once {one.one_shot.mean:.2f}"
        parts.append(
            f"{one.network} {1 / (one.density or 1):.1f} times fewer weights (loss in rounds "
            f"{one.loss.mean:.2f} points{at_once}, by lot {one.loss.mean + one.random_excess.mean:.2f})"
        )
    return "Without loss: " + ("; ".join(parts) or "none") + "."


def _hardware(table: pd.DataFrame, spare: Sequence[Redundancy]) -> str:
    parts = []
    for one in spare:
        rows = table[table["network"] == one.network]
        whole = by_seed(rows, "stored_bytes", claim="P1", arm="control").mean()
        kept = by_seed(
            rows, "stored_bytes", claim="P1", arm="iterative", density=one.density
        ).mean()
        parts.append(f"{one.network} {whole / kept:.2f}")
    return (
        "The file, with a bit for each weight that says whether it stays, is smaller by: "
        + (", ".join(parts) or "nothing")
        + ". My array computes with the zeros all the same."
    )
