"""The rule of claim F4: was a network that survives casual rounding to INT4 too redundant?

Written before the first run. Casual is the arm ``casual``: after training, one step for a tensor, from its
largest weight. Its loss is taken against the same weights in float32, and "none" is non-inferiority with the
margins of claim Q2. The claim says two things.

1. Width decides: on a line (one family on one data set) the narrowest network loses clearly more than the
   widest, the interval of the paired difference lying above 0.
2. A survivor (a network without loss) has a better structure: another network on the same data, stored in
   eight or four bits in no more bytes, is non-inferior to the survivor's casual file. Which one, the mean
   accuracy on the validation split decides; the test split then judges.

- every line shows the first and every survivor has the second: the claim holds;
- some line and some survivor: it holds with conditions, which are named;
- no line, or survivors and none of them improvable: it does not hold here;
- fewer than five seeds, or no survivor at all: undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

COLUMNS = (
    "seed",
    "family",
    "width",
    "network",
    "data",
    "arm",
    "stored_bytes",
    "validation_accuracy",
    "accuracy",
)
NARROW_ARMS = ("eight bits", "by channel", "casual")


@dataclass(frozen=True, kw_only=True)
class Substitute:
    """A better structure for one survivor.

    network, arm  what takes its place; empty where nothing is as small
    loss          points lost against the survivor's casual file; None where nothing is as small
    ruling        of that loss
    saved         bytes of the survivor's file over those of the substitute
    """

    survivor: str
    data: str
    network: str = ""
    arm: str = ""
    loss: Interval | None = None
    ruling: str = "does not hold here"
    saved: float = 1.0

    def __str__(self) -> str:
        return f"{self.survivor} on {self.data}"


def survivors_were_redundant(table: pd.DataFrame) -> Verdict:
    """The verdict on F4.

    table  rows of F4, with the columns of ``COLUMNS``
    """
    require_columns(table, COLUMNS, claim="F4")
    rounded = losses(table, "casual")
    excess = width_excesses(table)
    shown = {line: one for line, one in excess.items() if one.low > 0}
    found = substitutes(table)
    better = [one for one in found if one.ruling == "holds"]
    n = int(rounded["n"].min())
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif not found:
        ruling, reason = "undecided", "No network survives casual rounding without loss."
    elif not shown:
        ruling = "does not hold here"
        reason = "On no line does the narrowest network lose clearly more than the widest."
    elif not better:
        ruling = "does not hold here"
        reason = "No survivor has another network of no more bytes that is as accurate."
    else:
        everywhere = len(shown) == len(excess) and len(better) == len(found)
        ruling = "holds" if everywhere else "holds with conditions"
        reason = _conditions(excess, found)
    return Verdict(
        claim="F4",
        verdict=ruling,
        measure="survivors of casual INT4 with a better structure of no more bytes",
        statistic=float(len(better)),
        margin=float(len(found)),
        n=n,
        interval=None,
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(rounded, excess),
        hardware=_hardware(better),
    )


def losses(table: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Mean loss against float32 in points with its interval, by network and data set.

    table    rows of F4
    arm      such as "casual"
    returns  columns ``family width network data loss low high ruling n``, in the order of the table
    """
    found = []
    places = table[["family", "width", "network", "data"]].drop_duplicates()
    for family, width, network, data in places.itertuples(index=False, name=None):
        before, after = (
            100 * by_seed(table, "accuracy", claim="F4", network=network, data=data, arm=one)
            for one in ("float", arm)
        )
        require_same_seeds(before, after, claim="F4")
        loss = paired_interval(before, after)
        ruling = non_inferiority(loss, margin=margin_points(data))
        row = (family, width, network, data, loss.mean, loss.low, loss.high, ruling, loss.n)
        found.append(row)
    columns = ["family", "width", "network", "data", "loss", "low", "high", "ruling", "n"]
    return pd.DataFrame(found, columns=columns)


def width_excesses(table: pd.DataFrame) -> dict[tuple[str, str], Interval]:
    """Points that the narrowest network of a line loses more than the widest, by family and data.

    table  rows of F4
    """
    found = {}
    for line, rows in table.groupby(["family", "data"], sort=False):
        widths = rows["width"].unique()
        if len(widths) < 2:
            raise ValueError(f"the line {line} of F4 has one width; the rule compares two")
        lost = []
        for width in (widths.min(), widths.max()):
            before, after = (
                100 * by_seed(rows, "accuracy", claim="F4", width=width, arm=arm)
                for arm in ("float", "casual")
            )
            require_same_seeds(before, after, claim="F4")
            lost.append(before - after)
        require_same_seeds(*lost, claim="F4")
        found[str(line[0]), str(line[1])] = paired_interval(*lost)
    return found


def substitutes(table: pd.DataFrame) -> list[Substitute]:
    """The best other structure for each network that loses nothing, in the order of the table.

    table  rows of F4
    """
    rounded = losses(table, "casual")
    names = rounded[rounded["ruling"] == "holds"][["network", "data"]]
    return [_substitute(table, *name) for name in names.itertuples(index=False, name=None)]


def _substitute(table: pd.DataFrame, survivor: str, data: str) -> Substitute:
    rows = table[table["data"] == data]
    casual = by_seed(rows, "accuracy", claim="F4", network=survivor, arm="casual")
    size = by_seed(rows, "stored_bytes", claim="F4", network=survivor, arm="casual").mean()
    others = rows[(rows["network"] != survivor) & rows["arm"].isin(NARROW_ARMS)]
    means = others.groupby(["network", "arm"], as_index=False)[
        ["stored_bytes", "validation_accuracy"]
    ].mean()
    small = means[means["stored_bytes"] <= size]
    if small.empty:
        return Substitute(survivor=survivor, data=data)
    best = small.sort_values("validation_accuracy", ascending=False).to_dict("records")[0]
    network, arm = str(best["network"]), str(best["arm"])
    chosen = by_seed(rows, "accuracy", claim="F4", network=network, arm=arm)
    require_same_seeds(casual, chosen, claim="F4")
    loss = paired_interval(100 * casual, 100 * chosen)
    return Substitute(
        survivor=survivor,
        data=data,
        network=network,
        arm=arm,
        loss=loss,
        ruling=non_inferiority(loss, margin=margin_points(data)),
        saved=float(size / best["stored_bytes"]),
    )


def _conditions(excess: dict[tuple[str, str], Interval], found: Sequence[Substitute]) -> str:
    lines = "; ".join(
        f"{family} on {data} {one.mean:+.2f} ({'clear' if one.low > 0 else 'not clear'})"
        for (family, data), one in excess.items()
    )
    parts = [f"Points that the narrowest loses more than the widest: {lines}."]
    named = "; ".join(
        f"{one} by {one.network}, {one.arm} ({one.loss.mean:+.2f} points lost)"
        for one in found
        if one.ruling == "holds" and one.loss is not None
    )
    parts.append(f"Survivors that a smaller file replaces: {named}.")
    if kept := [str(one) for one in found if one.ruling != "holds"]:
        parts.append(f"Survivors without one: {'; '.join(kept)}.")
    return " ".join(parts)


def _software(rounded: pd.DataFrame, excess: dict[tuple[str, str], Interval]) -> str:
    parts = []
    for family, data in excess:
        line = rounded[(rounded["family"] == family) & (rounded["data"] == data)]
        told = ", ".join(f"{row.width} {row.loss:.2f}" for row in line.itertuples())
        parts.append(f"{family} on {data} by width {told}")
    return f"Points lost in casual rounding: {'; '.join(parts)}."


def _hardware(better: Sequence[Substitute]) -> str:
    if not better:
        return "I would rather have a smaller network than a rounded large one, and got none."
    saved = [one.saved for one in better]
    return (
        "A better structure asks for "
        f"{min(saved):.1f} to {max(saved):.1f} times fewer bytes than the survivor in INT4, "
        "and needs no new format."
    )
