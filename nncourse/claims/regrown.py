"""The rule of claim F2: is a network whose connections came back more accurate, and than what?

Written before the first run. The article does not say what the regrown network is better than, so there
are three references, each paired by seed:

- ``pruned``: the network that stayed pruned, after as many steps;
- ``original``: the network before pruning, which has had fewer steps;
- ``control``: the whole network after as many steps, never pruned.

A case is one network, one data set and one sparsity. The regrown network beats a reference when the interval
of the paired gain lies above 0.

- it beats the control, and the other two, in every case: the claim holds;
- it beats some reference in more than half of the cases: it holds with conditions, which are named;
- it beats none in so many: it does not hold here (single cases among fifteen occur by chance);
- fewer than five seeds: undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from nncourse.claims.arms import by_seed, require_columns, require_same_seeds
from nncourse.claims.intervals import MIN_SEEDS, Interval, paired_interval
from nncourse.claims.verdict import Verdict

REFERENCES = ("pruned", "original", "control")
COLUMNS = ("seed", "network", "data", "arm", "sparsity", "stored_bytes", "accuracy")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network on one data set, regrown from one sparsity.

    gains  of accuracy in points, by reference
    """

    network: str
    data: str
    sparsity: float
    gains: dict[str, Interval]

    @property
    def beaten(self) -> tuple[str, ...]:
        """References with a gain whose interval lies above 0."""
        return tuple(name for name, gain in self.gains.items() if gain.low > 0)

    def __str__(self) -> str:
        return f"{self.network} on {self.data} from {self.sparsity:.0%}"


def regrown_beats(table: pd.DataFrame) -> Verdict:
    """The verdict on F2.

    table  rows of F2: ``seed network data arm sparsity stored_bytes accuracy``
    """
    require_columns(table, COLUMNS, claim="F2")
    found = cases(table)
    n = min(gain.n for case in found for gain in case.gains.values())
    over_control = [case for case in found if "control" in case.beaten]
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif all(len(case.beaten) == len(REFERENCES) for case in found):
        ruling = "holds"
        reason = "The regrown network beats all three references in every case."
    else:
        often = [
            name for name in REFERENCES if 2 * sum(name in c.beaten for c in found) > len(found)
        ]
        ruling = "holds with conditions" if often else "does not hold here"
        reason = _counted(found)
    control = [case.gains["control"] for case in found]
    largest = max(control, key=lambda gain: gain.mean)
    return Verdict(
        claim="F2",
        verdict=ruling,
        measure="cases in which regrown connections beat the control of equal steps",
        statistic=float(len(over_control)),
        margin=float(len(found)),
        n=n,
        interval=None,
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(found, largest),
        hardware=_hardware(table),
    )


def cases(table: pd.DataFrame) -> list[Case]:
    """Every case with its gains, in the order of the table.

    table  rows of F2
    """
    regrown = table[table["arm"] == "regrown"]
    if regrown.empty:
        raise ValueError(
            "the table of F2 has no row of the arm arm=regrown, which its verdict needs: "
            "record it again with nncourse experiment F2"
        )
    places = regrown[["network", "data", "sparsity"]].drop_duplicates()
    return [_case(table, *place) for place in places.itertuples(index=False, name=None)]


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each case and reference: ``network data sparsity reference gain low high``.

    table  rows of F2
    """
    rows = [
        {
            "network": case.network,
            "data": case.data,
            "sparsity": case.sparsity,
            "reference": reference,
            "gain": gain.mean,
            "low": gain.low,
            "high": gain.high,
        }
        for case in cases(table)
        for reference, gain in case.gains.items()
    ]
    return pd.DataFrame(rows)


def _case(table: pd.DataFrame, network: str, data: str, sparsity: float) -> Case:
    def accuracy(arm: str, share: float) -> pd.Series:
        place = {"network": network, "data": data, "arm": arm, "sparsity": share}
        return 100 * by_seed(table, "accuracy", claim="F2", **place)

    regrown = accuracy("regrown", sparsity)
    found = {}
    for reference in REFERENCES:
        before = accuracy(reference, sparsity if reference == "pruned" else 0.0)
        require_same_seeds(before, regrown, claim="F2")
        found[reference] = paired_interval(regrown, before)
    return Case(network=network, data=data, sparsity=sparsity, gains=found)


def _counted(found: Sequence[Case]) -> str:
    parts = []
    for reference in REFERENCES:
        beaten = [case for case in found if reference in case.beaten]
        named = "; ".join(f"{case} ({case.gains[reference].mean:+.2f} points)" for case in beaten)
        parts.append(
            f"Better than {_TOLD[reference]} in {len(beaten)} of {len(found)} cases"
            + (f": {named}." if beaten else ".")
        )
    return " ".join(parts)


_TOLD = {
    "pruned": "the network that stayed pruned",
    "original": "the original, which had fewer steps",
    "control": "the whole network after equal steps",
}


def _software(found: Sequence[Case], largest: Interval) -> str:
    mean = {name: sum(c.gains[name].mean for c in found) / len(found) for name in REFERENCES}
    return (
        f"Points gained on average: {mean['pruned']:+.2f} over the pruned network, "
        f"{mean['original']:+.2f} over the original, {mean['control']:+.2f} over the control. "
        f"The largest gain over the control is {largest.mean:+.2f} "
        f"({largest.low:+.2f} to {largest.high:+.2f})."
    )


def _hardware(table: pd.DataFrame) -> str:
    sizes = table.groupby(["network", "data", "arm", "sparsity"])["stored_bytes"].mean()
    whole = sizes.xs("regrown", level="arm")
    ratio = (whole / sizes.xs("pruned", level="arm")).dropna()
    return (
        "What comes back is a dense network: its file is "
        f"{ratio.min():.1f} to {ratio.max():.1f} times that of the pruned one, "
        "and I compute with every connection again."
    )
