"""The rule of claim Q3: do fewer than eight bits work, and does hardware made for eight lag behind?

Written before the first run. The claim has two halves.

Software: on every network, fine-tuned with weights and inputs of 4, 2 and 1 bits (the article's INT4, INT2
and BOOL), is the loss none? The loss is taken against the control, float32 after the same number of
fine-tuning steps, and "none" is non-inferiority with the margins of claim Q2.

Hardware: of the time that halving the bits could save (half of it), what share does an array of 8-bit
cells save when weights of 4 bits take the place of those of 8? The share is ``t8 / t4 - 1``, since the
ideal ratio is 2. Hardware lags when the median over the networks is at most one half.

- every width loses nothing on every network, and hardware lags: the claim holds;
- some do, or all do and hardware does not lag: it holds with conditions, which are named;
- no width loses nothing on any network: it does not hold here;
- fewer than five seeds, or nothing but undecided widths: undecided.
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

JUDGED_BITS = (4, 2, 1)
FULL_BITS = 8
LAG_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class JudgedWidth:
    """One width on one network, fine-tuned, against the control.

    loss    of accuracy, in points
    margin  the largest loss that counts as none, in points
    ruling  what ``non_inferiority`` says
    """

    network: str
    bits: int
    loss: Interval
    margin: float
    ruling: str

    def __str__(self) -> str:
        return f"{self.network} at {self.bits} bit{'s' * (self.bits != 1)}"


def narrow_works_and_hardware_lags(table: pd.DataFrame) -> Verdict:
    """The verdict on Q3.

    table  rows of Q3: ``seed network data arm weight_bits latency_s accuracy``
    """
    columns = ["seed", "network", "data", "arm", "weight_bits", "latency_s", "accuracy"]
    require_columns(table, columns, claim="Q3")
    widths = judged_widths(table)
    passed = [width for width in widths if width.ruling == "holds"]
    failed = [width for width in widths if width.ruling == "does not hold here"]
    shares = saved_shares(table)
    share = float(shares.median())
    lags = share <= LAG_SHARE
    n = min(width.loss.n for width in widths)
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif len(passed) == len(widths) and lags:
        ruling = "holds"
        reason = "No width loses more than its margin, and the 8-bit array gains little from them."
    elif passed:
        ruling, reason = "holds with conditions", _conditions(widths, share)
    elif failed:
        ruling = "does not hold here"
        reason = f"No width below {FULL_BITS} bits is shown to lose nothing on any network."
    else:
        ruling, reason = "undecided", "Every interval crosses its margin."
    return Verdict(
        claim="Q3",
        verdict=ruling,
        measure="pairs of network and width (4, 2, 1 bits, fine-tuned) without loss of accuracy",
        statistic=float(len(passed)),
        margin=float(len(widths)),
        n=n,
        interval=None,
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(table, widths),
        hardware=_hardware(shares),
    )


def judged_widths(table: pd.DataFrame) -> list[JudgedWidth]:
    """Every judged width on every network, fine-tuned with inputs of the same width.

    table  rows of Q3
    """
    pairs = table[["network", "data"]].drop_duplicates().itertuples(index=False, name=None)
    return [_judged(table, network, data, bits) for network, data in pairs for bits in JUDGED_BITS]


def saved_shares(table: pd.DataFrame) -> pd.Series:
    """Share of the time an ideal 4-bit array would save that the 8-bit array does save, by network.

    table  rows of Q3
    """
    shares = {}
    for network, rows in table.groupby("network", sort=False):
        wide, narrow = (
            by_seed(rows, "latency_s", claim="Q3", arm="tuned with inputs", weight_bits=bits)
            for bits in (FULL_BITS, 4)
        )
        require_same_seeds(wide, narrow, claim="Q3")
        shares[network] = float((wide / narrow - 1).mean())
    return pd.Series(shares)


def losses(table: pd.DataFrame, arm: str, *, reference: str) -> pd.DataFrame:
    """Mean loss of accuracy in points with its interval, by network and width of the weights.

    table      rows of Q3
    arm        whose loss it is
    reference  arm of float32 that it is compared with
    returns    columns ``network weight_bits loss low high``
    """
    found = []
    for network, rows in table.groupby("network", sort=False):
        before = by_seed(rows, "accuracy", claim="Q3", arm=reference)
        for bits in rows[rows["arm"] == arm]["weight_bits"].unique():
            after = by_seed(rows, "accuracy", claim="Q3", arm=arm, weight_bits=bits)
            require_same_seeds(before, after, claim="Q3")
            loss = paired_interval(100 * before, 100 * after)
            found.append((network, bits, loss.mean, loss.low, loss.high))
    return pd.DataFrame(found, columns=["network", "weight_bits", "loss", "low", "high"])


def _judged(table: pd.DataFrame, network: str, data: str, bits: int) -> JudgedWidth:
    rows = table[(table["network"] == network) & (table["data"] == data)]
    before = by_seed(rows, "accuracy", claim="Q3", arm="control")
    after = by_seed(rows, "accuracy", claim="Q3", arm="tuned with inputs", weight_bits=bits)
    require_same_seeds(before, after, claim="Q3")
    loss = paired_interval(100 * before, 100 * after)
    margin = margin_points(data)
    return JudgedWidth(
        network=network,
        bits=bits,
        loss=loss,
        margin=margin,
        ruling=non_inferiority(loss, margin=margin),
    )


def _conditions(widths: Sequence[JudgedWidth], share: float) -> str:
    def named(ruling: str) -> str:
        chosen = [width for width in widths if width.ruling == ruling]
        return "; ".join(f"{width} ({width.loss.mean:+.2f} points)" for width in chosen)

    parts = [f"No loss: {named('holds')}."]
    if failing := named("does not hold here"):
        parts.append(f"A loss: {failing}.")
    if unsettled := named("undecided"):
        parts.append(f"Not settled: {unsettled}.")
    if share > LAG_SHARE:
        parts.append(f"The 8-bit array takes {share:.0%} of what 4 bits could save.")
    return " ".join(parts)


def _software(table: pd.DataFrame, widths: Sequence[JudgedWidth]) -> str:
    rounded = losses(table, "rounded with inputs", reference="before")
    parts = []
    for bits in JUDGED_BITS:
        tuned = max(width.loss.mean for width in widths if width.bits == bits)
        plain = rounded[rounded["weight_bits"] == bits]["loss"].max()
        parts.append(f"{bits} bit{'s' * (bits != 1)} {plain:.2f} rounded, {tuned:.2f} tuned")
    return f"Points lost on the network where it is most: {'; '.join(parts)}."


def _hardware(shares: pd.Series) -> str:
    each = ", ".join(f"{network} {1 + share:.2f}" for network, share in shares.items())
    return (
        f"On my 8-bit array weights of 4 bits in place of 8 make a network faster by: {each}. "
        "The array itself takes as many cycles as before; what is saved is waiting for weights."
    )
