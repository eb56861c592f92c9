"""The rule of claim D4: does run-length coding suit networks, and is random access as hard as with Huffman?

Written before the first run. Four parts; a case is one network at one density of its pruned weights.

1. The reason given: parameters hold many zeros by themselves. At least 5% of the weights as trained are
   zero, in every network and seed.
2. It compresses: bytes of run length over those of a fixed length for every symbol. In a case the interval over
   the seeds of the logarithm lies below 0.
3. It compresses well: in a case the interval of its bytes, entropy-coded gaps or not, whichever is smaller,
   over the bound of independent zeros lies below 1.25.
4. Random access is as hard: to reach a symbol, at least 40% of the entries are read on average, as of the bits
   of a Huffman stream.

- all four, 2 and 3 in every case: the claim holds;
- 4, and 2 in at least one case: it holds with conditions, which are named;
- otherwise it does not hold here;
- fewer than five seeds: undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nncourse.claims.arms import by_seed, require_columns
from nncourse.claims.intervals import MIN_SEEDS, Interval, paired_interval
from nncourse.claims.verdict import Verdict

MANY_ZEROS = 0.05
WELL = 1.25
AS_HARD = 0.4
TRAINED, PRUNED, ACTIVATIONS = "weights as trained", "pruned weights", "activations"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network at one density of its weights.

    ratio     bytes of run length over those of a fixed length, mean over the seeds
    interval  of its logarithm
    bound     bytes of the smaller run-length form over the bound, mean
    bound_interval  of that ratio
    entropy_coded   whether gaps and values in Huffman's code were smaller, mean over the seeds
    entries, by_chance  entries for each weight that is left, and as many if zeros were independent
    """

    network: str
    density: float
    ratio: float
    interval: Interval
    bound: float
    bound_interval: Interval
    entropy_coded: bool
    entries: float
    by_chance: float

    @property
    def is_smaller(self) -> bool:
        """Whether run length is clearly smaller than a fixed length."""
        return self.interval.high < 0

    @property
    def is_close(self) -> bool:
        """Whether the better form is clearly close to the bound."""
        return self.bound_interval.high < WELL

    def __str__(self) -> str:
        return f"{self.network} at {self.density:.0%}"


def runs_of_zeros(table: pd.DataFrame) -> Verdict:
    """The verdict on D4.

    table  rows of D4: ``seed network data source density measure value``
    """
    columns = ["seed", "network", "data", "source", "density", "measure", "value"]
    require_columns(table, columns, claim="D4")
    found = cases(table)
    trained, active = zeros(table, TRAINED), zeros(table, ACTIVATIONS)
    touched = _values(table, PRUNED, "touched by run length")
    smaller = [case for case in found if case.is_smaller]
    close = [case for case in found if case.is_close]
    weakest = max(found, key=lambda case: case.interval.high)
    n = min(case.interval.n for case in found)
    is_reason = trained.min() >= MANY_ZEROS
    is_hard = touched.min() >= AS_HARD
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif not is_hard:
        ruling = "does not hold here"
        reason = f"Random access is easier: {touched.min():.0%} of the entries are read."
    elif not smaller:
        ruling = "does not hold here"
        reason = "Run length is nowhere clearly smaller than a fixed length."
    elif is_reason and len(smaller) == len(found) == len(close):
        ruling = "holds"
        reason = _gain(smaller, close)
    else:
        ruling = "holds with conditions"
        reason = f"{_gain(smaller, close)} {_conditions(found, trained, active, is_reason)}"
    return Verdict(
        claim="D4",
        verdict=ruling,
        measure="bytes of run length over those of a fixed length, case where it is largest",
        statistic=weakest.ratio,
        margin=1.0,
        n=n,
        interval=(float(np.exp(weakest.interval.low)), float(np.exp(weakest.interval.high))),
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(found, trained, active),
        hardware=_hardware(table),
    )


def cases(table: pd.DataFrame) -> list[Case]:
    """Every network at every density of its pruned weights, in the order of the table.

    table  rows of D4
    """
    rows = table[table["source"] == PRUNED]
    if rows.empty:
        raise ValueError(
            "the table of D4 has no row of pruned weights: record it again with nncourse experiment D4"
        )
    return [
        _case(some, str(network), float(str(density)))
        for (network, density), some in rows.groupby(["network", "density"], sort=False)
    ]


def zeros(table: pd.DataFrame, source: str) -> pd.Series:
    """Share of zeros by network, mean over the seeds.

    source  "weights as trained" or "activations"
    """
    rows = table[(table["source"] == source) & (table["measure"] == "zeros")]
    if rows.empty:
        raise ValueError(
            f"the table of D4 has no row of {source}: record it again with nncourse experiment D4"
        )
    return rows.groupby("network", sort=False)["value"].mean()


def _case(rows: pd.DataFrame, network: str, density: float) -> Case:
    def arm(measure: str) -> pd.Series:
        return by_seed(rows, "value", claim="D4", measure=measure)

    runs, coded = arm("run length bits"), arm("run length + Huffman bits")
    ratio = runs / arm("fixed bits")
    bound = np.minimum(runs, coded) / arm("bound bits")
    nothing = np.zeros(len(ratio))
    return Case(
        network=network,
        density=density,
        ratio=float(ratio.mean()),
        interval=paired_interval(np.log(ratio), nothing),
        bound=float(bound.mean()),
        bound_interval=paired_interval(bound, nothing),
        entropy_coded=bool((coded < runs).mean() > 0.5),
        entries=float(arm("entries").mean()),
        by_chance=float(arm("entries by chance").mean()),
    )


def _values(table: pd.DataFrame, source: str, measure: str) -> pd.Series:
    rows = table[(table["source"] == source) & (table["measure"] == measure)]
    if rows.empty:
        raise ValueError(
            f"the table of D4 has no row {measure!r}: record it again with nncourse experiment D4"
        )
    return rows["value"]


def _gain(smaller: Sequence[Case], close: Sequence[Case]) -> str:
    ratios = [case.ratio for case in smaller]
    text = (
        f"Run length takes {min(ratios):.2f} to {max(ratios):.2f} of the bytes of a fixed length in "
        f"{len(smaller)} cases"
    )
    if close:
        bounds = [case.bound for case in close]
        text += (
            f"; its better form takes {min(bounds):.2f} to {max(bounds):.2f} times the bound of independent "
            f"zeros in {len(close)}"
        )
    return f"{text}."


def _conditions(
    found: Sequence[Case], trained: pd.Series, active: pd.Series, is_reason: bool
) -> str:
    parts = []
    if not is_reason:
        parts.append(
            f"the zeros are not where the article sees them: of the weights as trained {trained.max():.2%} are "
            f"zero at most, of what layers read {active.min():.0%} to {active.max():.0%}"
        )
    if rest := [case for case in found if not case.is_smaller]:
        each = ", ".join(f"{case} ({case.ratio:.2f})" for case in rest)
        parts.append(f"it is not clearly smaller for {each}")
    if rest := [case for case in found if not case.is_close]:
        each = ", ".join(f"{case} ({case.bound:.2f})" for case in rest)
        parts.append(f"it is not within {WELL:g} times the bound for {each}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _software(found: Sequence[Case], trained: pd.Series, active: pd.Series) -> str:
    coded = sum(case.entropy_coded for case in found)
    more = [case.entries / case.by_chance for case in found]
    return (
        f"Zeros come by pruning, {trained.max():.2%} of the weights have them before, and in activations "
        f"({active.min():.0%} to {active.max():.0%}). Huffman's code of gaps and values is smaller in {coded} of "
        f"{len(found)} cases. Entries over those of independent zeros: {min(more):.2f} to {max(more):.2f}."
    )


def _hardware(table: pd.DataFrame) -> str:
    runs = _values(table, PRUNED, "touched by run length")
    bits = _values(table, PRUNED, "touched by Huffman")
    entries = _values(table, PRUNED, "entries a symbol")
    return (
        f"An adder and a comparison for each entry, no table. To reach one symbol I read {runs.min():.0%} to "
        f"{runs.max():.0%} of the entries, {bits.min():.0%} to {bits.max():.0%} of the bits of a Huffman stream: "
        f"as hard, though there are only {entries.min():.2f} to {entries.max():.2f} entries a symbol."
    )
