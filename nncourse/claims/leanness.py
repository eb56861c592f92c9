"""The rule of claim F1: does a new, lean network compress less than an old, fat one?

Written before the first run. First of all the two have to be of the same accuracy before anything is
compressed: the interval of the paired difference lies within half a point. A loss is then taken against
the network's own control, all weights in float32 after the same number of steps, and "none" is
non-inferiority with the margins of claim Q2.

1. Pruning: at the smallest density at which the fat network loses nothing (there and at all larger ones
   measured), the lean one loses clearly more: the interval of the paired difference lies above 0.
2. Bits: likewise at the fewest bits, fine-tuned, at which the fat one loses nothing.
3. The article's guess that a network exists which cannot be pruned: at the largest density measured the lean
   one has a clear loss.

- all three: the claim holds;
- the first or the second: it holds with conditions, which are named;
- neither: it does not hold here;
- accuracies that differ or are not shown to be the same, a fat network that loses at every density and
  width, or fewer than five seeds: undecided.
"""

from __future__ import annotations

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

SAME_POINTS = 0.5
COLUMNS = (
    "seed",
    "role",
    "network",
    "data",
    "arm",
    "density",
    "bits",
    "stored_bytes",
    "accuracy",
)
SETTINGS = {"pruned": "density", "tuned": "bits"}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Fat against lean in one technique.

    arm      "pruned" or "tuned"
    setting  the smallest density, or the fewest bits, at which the fat network loses nothing; None
             where it loses everywhere
    fat, lean  points that each loses there
    excess   of lean over fat, in points
    """

    arm: str
    setting: float | None = None
    fat: Interval | None = None
    lean: Interval | None = None
    excess: Interval | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the lean network loses clearly more."""
        return self.excess is not None and self.excess.low > 0

    def __str__(self) -> str:
        if self.setting is None or self.fat is None or self.lean is None:
            return f"{self.arm}: the fat network loses at every setting measured"
        name = f"{self.setting:.0%}" if self.arm == "pruned" else f"{self.setting:.0f} bits"
        return f"{self.arm} to {name} the lean network loses {self.lean.mean:.2f} points, the fat one {self.fat.mean:.2f}"


def lean_compresses_less(table: pd.DataFrame) -> Verdict:
    """The verdict on F1.

    table  rows of F1, with the columns of ``COLUMNS``
    """
    require_columns(table, COLUMNS, claim="F1")
    apart = difference_before(table)
    found = [comparison(table, arm) for arm in SETTINGS]
    largest = losses(table, "pruned").query("role == 'lean'").nlargest(1, "density")
    first = largest.to_dict("records")[0]
    unprunable = first["ruling"] == "does not hold here"
    shown = [one for one in found if one.is_shown]
    told = "; ".join(str(one) for one in found)
    reason = f"{told[0].upper()}{told[1:]}. " + (
        f"At a density of {first['density']:.0%} the lean one loses {first['loss']:.2f} points "
        f"({first['low']:.2f} to {first['high']:.2f})."
    )
    if apart.n < MIN_SEEDS:
        ruling, reason = "undecided", f"{apart.n} seeds are fewer than {MIN_SEEDS}."
    elif max(-apart.low, apart.high) > SAME_POINTS:
        ruling = "undecided"
        reason = (
            f"The two are not shown to be of the same accuracy: {apart.mean:+.2f} points apart, "
            f"{apart.low:+.2f} to {apart.high:+.2f}."
        )
    elif all(one.setting is None for one in found):
        ruling = "undecided"
    elif len(shown) == len(found) and unprunable:
        ruling = "holds"
    else:
        ruling = "holds with conditions" if shown else "does not hold here"
    return Verdict(
        claim="F1",
        verdict=ruling,
        measure="techniques in which the lean network loses clearly more",
        statistic=float(len(shown)),
        margin=float(len(found)),
        n=apart.n,
        interval=None,
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(table, apart),
        hardware=_hardware(table),
    )


def difference_before(table: pd.DataFrame) -> Interval:
    """Points that the fat network is better than the lean one before anything is compressed.

    table  rows of F1
    """
    fat, lean = (
        by_seed(table, "accuracy", claim="F1", role=role, arm="before") for role in ("fat", "lean")
    )
    require_same_seeds(fat, lean, claim="F1")
    return paired_interval(100 * fat, 100 * lean)


def losses(table: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Mean loss against the control in points with its interval, by network and setting.

    table    rows of F1
    arm      "pruned", "tuned" or "rounded"
    returns  columns ``role network density bits loss low high ruling``, in the order of the table
    """
    found = []
    rows = table[table["arm"] == arm]
    places = rows[["role", "network", "data", "density", "bits"]].drop_duplicates()
    for role, network, data, density, bits in places.itertuples(index=False, name=None):
        loss = paired_interval(*_accuracies(table, role, arm, density, bits))
        ruling = non_inferiority(loss, margin=margin_points(data))
        found.append((role, network, density, bits, loss.mean, loss.low, loss.high, ruling))
    if not found:
        raise ValueError(
            f"the table of F1 has no row of the arm arm={arm}, which its verdict needs: "
            "record it again with nncourse experiment F1"
        )
    columns = ["role", "network", "density", "bits", "loss", "low", "high", "ruling"]
    return pd.DataFrame(found, columns=columns)


def comparison(table: pd.DataFrame, arm: str) -> Comparison:
    """Fat against lean where the fat network is compressed the most without loss.

    table  rows of F1
    arm    "pruned" or "tuned"
    """
    setting = SETTINGS[arm]
    fat = losses(table, arm).query("role == 'fat'").sort_values(setting, ascending=False)
    passing = fat[(fat["ruling"] == "holds").cummin()]
    if passing.empty:
        return Comparison(arm=arm)
    chosen = passing.to_dict("records")[-1]
    before, after = {}, {}
    for role in ("fat", "lean"):
        before[role], after[role] = _accuracies(table, role, arm, chosen["density"], chosen["bits"])
    require_same_seeds(before["fat"], before["lean"], claim="F1")
    return Comparison(
        arm=arm,
        setting=float(chosen[setting]),
        fat=paired_interval(before["fat"], after["fat"]),
        lean=paired_interval(before["lean"], after["lean"]),
        excess=paired_interval(before["lean"] - after["lean"], before["fat"] - after["fat"]),
    )


def _accuracies(
    table: pd.DataFrame, role: str, arm: str, density: float, bits: int
) -> tuple[pd.Series, pd.Series]:
    """Points of the control and of one arm, by seed."""
    place = {"role": role, "arm": arm, "density": density, "bits": bits}
    control = 100 * by_seed(table, "accuracy", claim="F1", role=role, arm="control")
    after = 100 * by_seed(table, "accuracy", claim="F1", **place)
    require_same_seeds(control, after, claim="F1")
    return control, after


def _software(table: pd.DataFrame, apart: Interval) -> str:
    reached = {
        role: 100 * by_seed(table, "accuracy", claim="F1", role=role, arm="before").mean()
        for role in ("fat", "lean")
    }
    return (
        f"The same accuracy before: {reached['fat']:.2f}% fat, {reached['lean']:.2f}% lean "
        f"(apart {apart.low:+.2f} to {apart.high:+.2f} points)."
    )


def _hardware(table: pd.DataFrame) -> str:
    fat, lean = (
        by_seed(table, "stored_bytes", claim="F1", role=role, arm="before").mean()
        for role in ("fat", "lean")
    )
    smallest = table[(table["role"] == "fat") & (table["arm"] == "pruned")]["stored_bytes"].min()
    return (
        f"The lean network in float32 takes {fat / lean:.0f} times fewer bytes than the fat one; pruning "
        f"the fat one as far as you measured saves {fat / smallest:.1f} times."
    )
