"""The rule of claim D3: is the gain of Huffman's code small where the distribution is not concentrated?

Written before the first run. A case is one network with one kind of data. How concentrated a kind is, is told by
its *fill*: entropy over the width of a fixed length, 1 for symbols that are all as frequent. The gain is bytes
of a fixed length over bytes in Huffman's code, everything counted. Three parts:

1. The order: the fuller, the smaller the gain. Spearman's rank correlation of fill and gain over the kinds of a
   network, the weakest network of each seed; its interval over the seeds lies at or below -0.8.
2. Flat means little: in every case with a fill of at least 0.95, the interval of the gain lies below 1.05.
3. Concentrated means much: in every case with a fill of at most 0.5, the interval of the gain lies above 1.5.

- all three: the claim holds;
- the second, but not both others: it holds with conditions, which are named;
- a flat case whose gain is clearly above 1.05: it does not hold here;
- no flat or no concentrated case, a flat case whose interval crosses 1.05, a stream that did not come back, or fewer
  than five seeds: undecided.

Beside the verdict: how full a distribution may be for Huffman's code to be worth it, a tenth saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from nncourse.claims.arms import by_seed, require_columns
from nncourse.claims.intervals import MIN_SEEDS, Interval, paired_interval
from nncourse.claims.verdict import Verdict

ORDERED = -0.8
FLAT, LITTLE = 0.95, 1.05
CONCENTRATED, MUCH = 0.5, 1.5
WORTH_IT = 1.1
COLUMNS = ("fixed_bytes", "huffman_bytes", "width", "entropy", "codeword", "top", "intact")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network with one kind of data; means over the seeds.

    fill      entropy over the width of a fixed length
    gain      bytes of a fixed length over those of Huffman's code, with its interval
    width, entropy, codeword  bits of a symbol
    top       share of the symbols that the most frequent sixteenth of the codes covers
    """

    network: str
    kind: str
    fill: float
    gain: Interval
    width: float
    entropy: float
    codeword: float
    top: float

    @property
    def is_flat(self) -> bool:
        """Whether its symbols are nearly all as frequent."""
        return self.fill >= FLAT

    @property
    def is_concentrated(self) -> bool:
        """Whether its entropy is at most half of the width."""
        return self.fill <= CONCENTRATED

    def __str__(self) -> str:
        return f"{self.kind} of {self.network}"


def flat_gains_little(table: pd.DataFrame) -> Verdict:
    """The verdict on D3.

    table  rows of D3: ``seed network data kind symbols`` and the columns of ``COLUMNS``
    """
    require_columns(table, ["seed", "network", "data", "kind", *COLUMNS], claim="D3")
    found = cases(table)
    order = correlation(table)
    flat = [case for case in found if case.is_flat]
    dense = [case for case in found if case.is_concentrated]
    n = min(case.gain.n for case in found)
    large = [case for case in flat if case.gain.low > LITTLE]
    unclear = [case for case in flat if case.gain.low <= LITTLE <= case.gain.high]
    lossy = table[table["intact"] != 1]
    if len(lossy):
        ruling = "undecided"
        reason = f"{lossy['kind'].iloc[0]} of {lossy['network'].iloc[0]} did not come back."
    elif n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif not flat or not dense:
        ruling, reason = "undecided", f"No case is {'concentrated' if flat else 'flat'}."
    elif large:
        ruling = "does not hold here"
        reason = f"Flat, and the gain is large: {_gains(large)}."
    elif unclear:
        ruling, reason = "undecided", f"The gain is not clearly small for {_gains(unclear)}."
    else:
        little = [case for case in dense if case.gain.low <= MUCH]
        is_ordered = order.high <= ORDERED + 1e-9  # a correlation of -0.8 is rounded to either side
        ruling = "holds" if is_ordered and not little else "holds with conditions"
        reason = (
            f"The gain is {_range(flat)} where the entropy is within 5% of the width, and {_range(dense)} where it "
            "is at most half."
        )
        if not is_ordered:
            reason += f" The order is loose: a rank correlation of {order.mean:.2f} in the weakest network."
        if little:
            reason += f" Concentrated, and yet no clear gain: {_gains(little)}."
    largest = max(flat or found, key=lambda case: case.gain.high)
    return Verdict(
        claim="D3",
        verdict=ruling,
        measure="gain of Huffman's code over a fixed length, flat case where it is largest",
        statistic=largest.gain.mean,
        margin=LITTLE,
        n=n,
        interval=(largest.gain.low, largest.gain.high),
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(found, order),
        hardware=_hardware(found),
    )


def cases(table: pd.DataFrame) -> list[Case]:
    """Every network with every kind of data, in the order of the table.

    table  rows of D3
    """
    return [
        _case(rows, str(network), str(kind))
        for (network, kind), rows in table.groupby(["network", "kind"], sort=False)
    ]


def correlation(table: pd.DataFrame) -> Interval:
    """Rank correlation of fill and gain over the kinds of a network: the weakest network of each seed.

    table  rows of D3
    """
    rows = table.assign(
        fill=table["entropy"] / table["width"], gain=table["fixed_bytes"] / table["huffman_bytes"]
    )
    weakest = [
        max(_spearman(of_network) for _, of_network in of_seed.groupby("network"))
        for _, of_seed in rows.groupby("seed")
    ]
    return paired_interval(weakest, np.zeros(len(weakest)))


def worth_it(found: Sequence[Case]) -> tuple[float, float]:
    """Two fills: up to the first every case gains a tenth, from the second on none does.

    found  from :func:`cases`
    """
    enough = sorted(case.fill for case in found if case.gain.mean >= WORTH_IT)
    little = sorted(case.fill for case in found if case.gain.mean < WORTH_IT)
    always = max((fill for fill in enough if not little or fill < little[0]), default=0.0)
    never = min((fill for fill in little if not enough or fill > enough[-1]), default=1.0)
    return always, never


def _spearman(rows: pd.DataFrame) -> float:
    if len(rows) < 3:
        raise ValueError(
            "a network of the table of D3 has fewer than three kinds: record it again with nncourse "
            "experiment D3"
        )
    return float(stats.spearmanr(rows["fill"], rows["gain"]).statistic)


def _case(rows: pd.DataFrame, network: str, kind: str) -> Case:
    def arm(value: str) -> pd.Series:
        return by_seed(rows, value, claim="D3", network=network, kind=kind)

    gain = arm("fixed_bytes") / arm("huffman_bytes")
    return Case(
        network=network,
        kind=kind,
        fill=float((arm("entropy") / arm("width")).mean()),
        gain=paired_interval(gain, np.zeros(len(gain))),
        **{name: float(arm(name).mean()) for name in ("width", "entropy", "codeword", "top")},
    )


def _gains(some: Sequence[Case]) -> str:
    return "; ".join(f"{case} ({case.gain.mean:.3f})" for case in some)


def _range(some: Sequence[Case]) -> str:
    gains = [case.gain.mean for case in some]
    return f"{min(gains):.2f} to {max(gains):.2f}"


def _software(found: Sequence[Case], order: Interval) -> str:
    always, never = worth_it(found)
    return (
        f"A tenth is saved wherever the entropy is at most {always:.2f} of the width, and nowhere from {never:.2f} "
        f"on. Rank correlation of fill and gain: {order.mean:.2f} in the weakest network."
    )


def _hardware(found: Sequence[Case]) -> str:
    larger = [case for case in found if case.gain.high < 1]
    by_kind = []
    for kind in dict.fromkeys(case.kind for case in found):
        gains = [case.gain.mean for case in found if case.kind == kind]
        by_kind.append(f"{kind} {min(gains):.2f} to {max(gains):.2f}")
    text = f"Gains by kind: {'; '.join(by_kind)}."
    if larger:
        names = ", ".join(dict.fromkeys(case.kind for case in larger))
        text += f" A decoder that makes the file larger, for {names}, is not worth its area."
    return text
