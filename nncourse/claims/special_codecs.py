"""The rule of claim D1: does every lossless codec apply, and do special ones exploit what networks are like?

Written before the first run. A case is one network with one kind of data. Two parts:

1. Every codec applies: all data come back bit for bit, from every codec, in every case and seed.
2. Special codecs exploit its habits: the smallest special codec against the smallest general one, both
   chosen anew for every seed. The interval over the seeds of the logarithm of the ratio of their bytes,
   special over general, lies below 0.

- the first part, and the second in every case: the claim holds;
- the first part, and the second in some case: it holds with conditions, which are named;
- otherwise it does not hold here;
- fewer than five seeds: undecided.

A codec that makes data larger still applies; which ones do is told beside the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nncourse.claims.arms import require_columns
from nncourse.claims.intervals import MIN_SEEDS, Interval, paired_interval
from nncourse.claims.verdict import Verdict

GROUPS = ("bound", "general", "special")
CASE = ("network", "kind")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network with one kind of data.

    ratio     bytes of the best special codec over those of the best general one, mean over the seeds
    interval  of its logarithm
    special, general  names of the two that were best most often
    bound     bytes of the best special codec over the bound of order zero, mean
    """

    network: str
    kind: str
    ratio: float
    interval: Interval
    special: str
    general: str
    bound: float

    @property
    def is_clear(self) -> bool:
        """Whether the special codec is clearly smaller."""
        return self.interval.high < 0

    def __str__(self) -> str:
        return f"{self.kind} of {self.network}"


def habits_are_exploited(table: pd.DataFrame) -> Verdict:
    """The verdict on D1.

    table  rows of D1: ``seed network data kind codec group bytes raw_bytes intact``
    """
    columns = ["seed", "data", *CASE, "codec", "group", "bytes", "raw_bytes", "intact"]
    require_columns(table, columns, claim="D1")
    found = cases(table)
    clear = [case for case in found if case.is_clear]
    weakest = max(found, key=lambda case: case.interval.high)
    n = min(case.interval.n for case in found)
    lossy = table[~table["intact"].astype(bool)]
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif len(lossy):
        ruling = "does not hold here"
        reason = f"{lossy['codec'].iloc[0]} did not give back the {lossy['kind'].iloc[0]}."
    elif not clear:
        ruling, reason = (
            "does not hold here",
            "No special codec is clearly smaller than a general one.",
        )
    elif len(clear) == len(found):
        ruling = "holds"
        reason = (
            f"Every codec gives every bit back, and special ones are smaller: {_by_kind(found)}."
        )
    else:
        ruling = "holds with conditions"
        rest = "; ".join(f"{case} ({case.ratio:.3f})" for case in found if not case.is_clear)
        reason = (
            f"Every codec gives every bit back, and special ones are smaller, bytes over those of the best "
            f"general one: {_by_kind(clear)}; but not clearly for {rest}."
        )
    return Verdict(
        claim="D1",
        verdict=ruling,
        measure="bytes of the best special codec over the best general one, case where it is largest",
        statistic=weakest.ratio,
        margin=1.0,
        n=n,
        interval=(float(np.exp(weakest.interval.low)), float(np.exp(weakest.interval.high))),
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(found),
        hardware=_hardware(table),
    )


def cases(table: pd.DataFrame) -> list[Case]:
    """Every network with every kind of data, in the order of the table.

    table  rows of D1
    """
    missing = sorted(set(GROUPS) - set(table["group"]))
    if missing:
        raise ValueError(
            f"the table of D1 has no row of the group {missing[0]!r}: record it again with nncourse "
            "experiment D1"
        )
    return [_case(rows, *map(str, key)) for key, rows in table.groupby(list(CASE), sort=False)]


def over_bound(table: pd.DataFrame) -> pd.DataFrame:
    """Bytes of every codec over the bound of order zero, mean over networks and seeds.

    table    rows of D1
    returns  one row a codec, one column a kind
    """
    bound = table[table["group"] == "bound"].set_index(["seed", *CASE])["bytes"]
    rows = table[table["group"] != "bound"].set_index(["seed", *CASE])
    ratios = rows.assign(ratio=rows["bytes"] / bound.reindex(rows.index)).reset_index()
    return ratios.pivot_table(index=["group", "codec"], columns="kind", values="ratio", sort=False)


def _case(rows: pd.DataFrame, network: str, kind: str) -> Case:
    best = {}
    for group in GROUPS:
        some = rows[rows["group"] == group]
        places = some.groupby("seed")["bytes"].idxmin()
        best[group] = some.loc[places].set_index("seed").sort_index()
    special, general, bound = best["special"], best["general"], best["bound"]
    ratio = special["bytes"] / general["bytes"].reindex(special.index)
    return Case(
        network=network,
        kind=kind,
        ratio=float(ratio.mean()),
        interval=paired_interval(np.log(ratio), np.zeros(len(ratio))),
        special=str(special["codec"].mode().iloc[0]),
        general=str(general["codec"].mode().iloc[0]),
        bound=float((special["bytes"] / bound["bytes"].reindex(special.index)).mean()),
    )


def _by_kind(found: Sequence[Case]) -> str:
    parts = []
    for kind in dict.fromkeys(case.kind for case in found):
        ratios = [case.ratio for case in found if case.kind == kind]
        parts.append(f"{kind} {min(ratios):.2f} to {max(ratios):.2f}")
    return ", ".join(parts)


def _software(found: Sequence[Case]) -> str:
    parts = []
    for kind in dict.fromkeys(case.kind for case in found):
        some = [case for case in found if case.kind == kind]
        bounds = [case.bound for case in some]
        names = ", ".join(dict.fromkeys(case.special for case in some))
        parts.append(f"{kind} {min(bounds):.2f} to {max(bounds):.2f} ({names})")
    return f"Best special codec over the bound of single symbols: {'; '.join(parts)}."


def _hardware(table: pd.DataFrame) -> str:
    ratios = over_bound(table)
    parts = []
    for codec in ("huffman", "rans"):
        row = ratios.xs(codec, level="codec").iloc[0].dropna()
        parts.append(f"{codec} {row.min():.2f} to {row.max():.2f}")
    larger = table[(table["group"] == "general") & (table["bytes"] > table["raw_bytes"])]
    names = ", ".join(dict.fromkeys(larger["codec"])) or "none"
    return (
        f"A decoder without contexts is one table and no wait; bytes over the bound: {', '.join(parts)}. "
        f"General codecs that made some data larger: {names}."
    )
