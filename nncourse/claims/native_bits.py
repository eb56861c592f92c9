"""The rule of claim F5: does training at low bits from the start beat quantizing afterwards?

Written before the first run. ``native`` is trained on its grid from the first weights on, ``tuned`` in float32
and then on the grid, for as many steps in all. A case is one network, one data set and one width. Native wins a
case when the interval of the paired gain over ``tuned`` lies above 0, and loses it when it lies below.

- native wins more than half of the cases and loses none: the claim holds;
- it wins at least two: it holds with conditions, which are named;
- it wins fewer (one case alone occurs by chance): it does not hold here;
- fewer than five seeds: undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from nncourse.claims.arms import by_seed, require_columns, require_same_seeds
from nncourse.claims.intervals import MIN_SEEDS, Interval, paired_interval
from nncourse.claims.verdict import Verdict

COLUMNS = ("seed", "network", "data", "arm", "bits", "stored_bytes", "accuracy")
FEW = 2


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network at one width.

    gain        of native over tuned, in points
    below       points that native lies below float32 after as many steps
    tuned_below likewise of tuned
    """

    network: str
    data: str
    bits: int
    gain: Interval
    below: Interval
    tuned_below: Interval

    def __str__(self) -> str:
        return f"{self.network} on {self.data} at {self.bits} bit{'s' * (self.bits != 1)}"


def native_beats_tuned(table: pd.DataFrame) -> Verdict:
    """The verdict on F5.

    table  rows of F5: ``seed network data arm bits stored_bytes accuracy``
    """
    require_columns(table, COLUMNS, claim="F5")
    found = cases(table)
    won = [case for case in found if case.gain.low > 0]
    lost = [case for case in found if case.gain.high < 0]
    n = min(case.gain.n for case in found)
    reason = _counted(found, won, lost)
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif 2 * len(won) > len(found) and not lost:
        ruling = "holds"
    elif len(won) >= FEW:
        ruling = "holds with conditions"
    else:
        ruling = "does not hold here"
    return Verdict(
        claim="F5",
        verdict=ruling,
        measure="cases that native training wins against quantizing and fine-tuning",
        statistic=float(len(won)),
        margin=len(found) / 2,
        n=n,
        interval=None,
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(found),
        hardware=_hardware(table),
    )


def cases(table: pd.DataFrame) -> list[Case]:
    """Every case, in the order of the table.

    table  rows of F5
    """
    native = table[table["arm"] == "native"]
    if native.empty:
        raise ValueError(
            "the table of F5 has no row of the arm arm=native, which its verdict needs: "
            "record it again with nncourse experiment F5"
        )
    places = native[["network", "data", "bits"]].drop_duplicates()
    return [_case(table, *place) for place in places.itertuples(index=False, name=None)]


def _case(table: pd.DataFrame, network: str, data: str, bits: int) -> Case:
    def points(arm: str, width: int | None) -> pd.Series:
        rows = table if width is None else table[table["bits"] == width]
        return 100 * by_seed(rows, "accuracy", claim="F5", network=network, data=data, arm=arm)

    native, later, whole = points("native", bits), points("tuned", bits), points("float", None)
    for other in (later, whole):
        require_same_seeds(native, other, claim="F5")
    return Case(
        network=network,
        data=data,
        bits=bits,
        gain=paired_interval(native, later),
        below=paired_interval(whole, native),
        tuned_below=paired_interval(whole, later),
    )


def _counted(found: Sequence[Case], won: Sequence[Case], lost: Sequence[Case]) -> str:
    def named(chosen: Sequence[Case]) -> str:
        told = "; ".join(f"{case} ({case.gain.mean:+.2f} points)" for case in chosen)
        return f": {told}." if chosen else "."

    rest = len(found) - len(won) - len(lost)
    return (
        f"Of {len(found)} cases native training wins {len(won)}{named(won)} "
        f"It loses {len(lost)}{named(lost)} {rest} are not settled."
    )


def _software(found: Sequence[Case]) -> str:
    parts = [
        f"{case} {case.below.mean:.2f} native, {case.tuned_below.mean:.2f} tuned" for case in found
    ]
    return f"Points below float32 after as many steps: {'; '.join(parts)}."


def _hardware(table: pd.DataFrame) -> str:
    sizes = table.groupby(["arm", "bits"])["stored_bytes"].sum()
    ratios = sizes.xs("float").iloc[0] / sizes.xs("native")
    told = ", ".join(f"{bits} bits {ratio:.1f}" for bits, ratio in ratios.items())
    return (
        "How the weights were found does not show in the file: it is as large either way, and smaller "
        f"than float32 by {told}."
    )
