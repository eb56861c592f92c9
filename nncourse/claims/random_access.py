"""The rule of claim D2: must Huffman's code be decoded from the beginning, and is random access a pain?

Written before the first run. A case is one network with one kind of weights. Two parts:

1. Everything before is decoded: a read of one weight decodes at least 40% of its layer's codewords, by bits,
   on average over all weights (from the beginning up to a weight drawn at random it would be half). The
   interval over the seeds lies at or above 40%.
2. No index helps: there is no spacing of restart points that is both near and cheap. *Near*: the dearest read
   touches at most 512 bits of codewords, as many as one burst of 64 bytes brings from memory whatever is asked
   for. *Cheap*: the index takes back at most a tenth of the bytes that Huffman's code saves against a fixed
   length, by the interval over the seeds.

- both parts in every case: the claim holds;
- the first in every case, and an index that helps in some: it holds with conditions, which are named;
- the first not in every case: it does not hold here;
- a read that gives a wrong weight: undecided, as the measurement is at fault; fewer than five seeds: undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nncourse.claims.arms import by_seed, require_columns, require_same_seeds
from nncourse.claims.intervals import MIN_SEEDS, Interval, paired_interval
from nncourse.claims.verdict import Verdict

MOST_OF_IT = 0.4
BURST_BITS = 512
CHEAP = 0.1
FIXED, BARE, BITMAP, RESTART = "fixed", "Huffman", "bitmap and rank", "restart "
CASE = ("network", "kind")


@dataclass(frozen=True, kw_only=True)
class Index:
    """Restart points of one spacing in one case.

    spacing    codewords between two of them
    price      bytes that the index adds over those that Huffman's code saves, mean over the seeds
    interval   of the price
    most_bits  of the dearest read of any seed
    codewords  decoded one after another for a read, mean
    bits       touched by a read, mean
    share      bytes that the index adds over those of the stream without it, mean
    """

    spacing: int
    price: float
    interval: Interval
    most_bits: float
    codewords: float
    bits: float
    share: float

    @property
    def helps(self) -> bool:
        """Whether it is near and cheap."""
        return self.most_bits <= BURST_BITS and self.interval.high <= CHEAP


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network with one kind of weights.

    bare       share of its layer's codewords that a read decodes without an index, with its interval
    codewords  as many of them, mean
    gain       bytes of a fixed length over those of Huffman's code, mean
    fixed_bits of a code of fixed length
    indices    by spacing, closest first
    """

    network: str
    kind: str
    bare: Interval
    codewords: float
    gain: float
    fixed_bits: float
    indices: tuple[Index, ...]

    @property
    def best(self) -> Index | None:
        """The cheapest index that helps, if one does."""
        helping = [index for index in self.indices if index.helps]
        return min(helping, key=lambda index: index.price, default=None)

    @property
    def widest_near(self) -> Index:
        """The widest spacing that is near, or the closest if none is."""
        near = [index for index in self.indices if index.most_bits <= BURST_BITS]
        return max(near, key=lambda index: index.spacing, default=self.indices[0])

    def __str__(self) -> str:
        return f"{self.kind} of {self.network}"


def everything_before(table: pd.DataFrame) -> Verdict:
    """The verdict on D2.

    table  rows of D2: ``seed network data kind form bytes index_bits codewords bits most_bits share intact``
    """
    columns = [
        "seed",
        "data",
        *CASE,
        "form",
        "bytes",
        "codewords",
        "bits",
        "most_bits",
        "share",
        "intact",
    ]
    require_columns(table, columns, claim="D2")
    found = cases(table)
    weakest = min(found, key=lambda case: case.bare.low)
    helped = [case for case in found if case.best]
    n = min(case.bare.n for case in found)
    wrong = table[table["intact"] != 1]
    if len(wrong):
        ruling = "undecided"
        reason = f"A read of {wrong['kind'].iloc[0]} in the form {wrong['form'].iloc[0]} was wrong."
    elif n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif weakest.bare.low < MOST_OF_IT:
        ruling = "does not hold here"
        reason = f"Of {weakest} a read decodes only {weakest.bare.mean:.0%}."
    elif not helped:
        ruling, reason = "holds", f"{_walk(found)} {_not_helped(found)}"
    else:
        ruling = "holds with conditions"
        reason = f"{_walk(found)} An index helps for {_helped(helped)}."
        if rest := [case for case in found if not case.best]:
            reason += f" {_not_helped(rest)}"
    return Verdict(
        claim="D2",
        verdict=ruling,
        measure="share of a layer's codewords that one read decodes without an index, smallest case",
        statistic=weakest.bare.mean,
        margin=MOST_OF_IT,
        n=n,
        interval=(weakest.bare.low, weakest.bare.high),
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(found),
        hardware=_hardware(table, found),
    )


def cases(table: pd.DataFrame) -> list[Case]:
    """Every network with every kind of weights, in the order of the table.

    table  rows of D2
    """
    return [
        _case(rows, str(network), str(kind))
        for (network, kind), rows in table.groupby(list(CASE), sort=False)
    ]


def _case(rows: pd.DataFrame, network: str, kind: str) -> Case:
    def arm(form: str, value: str) -> pd.Series:
        return by_seed(rows, value, claim="D2", form=form)

    fixed, bare = arm(FIXED, "bytes"), arm(BARE, "bytes")
    require_same_seeds(fixed, bare, claim="D2")
    saved = fixed - bare
    nothing = np.zeros(len(saved))
    indices = []
    for form in [name for name in dict.fromkeys(rows["form"]) if name.startswith(RESTART)]:
        extra = arm(form, "bytes") - bare
        require_same_seeds(extra.dropna(), bare, claim="D2")
        # Where nothing was saved, no index is cheap.
        price = (extra / saved.where(saved > 0)).fillna(1.0).clip(upper=1.0)
        indices.append(
            Index(
                spacing=int(form.removeprefix(RESTART)),
                price=float(price.mean()),
                interval=paired_interval(price, nothing),
                most_bits=float(arm(form, "most_bits").max()),
                codewords=float(arm(form, "codewords").mean()),
                bits=float(arm(form, "bits").mean()),
                share=float((extra / bare).mean()),
            )
        )
    if not indices:
        raise ValueError(
            "the table of D2 has no row of a form with restart points: record it again with nncourse "
            "experiment D2"
        )
    return Case(
        network=network,
        kind=kind,
        bare=paired_interval(arm(BARE, "share"), nothing),
        codewords=float(arm(BARE, "codewords").mean()),
        gain=float((fixed / bare).mean()),
        fixed_bits=float(arm(FIXED, "bits").mean()),
        indices=tuple(sorted(indices, key=lambda index: index.spacing)),
    )


def _walk(found: Sequence[Case]) -> str:
    shares = [case.bare.mean for case in found]
    low, high = (f"{share:.0%}" for share in (min(shares), max(shares)))
    span = low if low == high else f"{low} to {high}"
    return f"Without an index a read decodes {span} of its layer."


def _helped(some: Sequence[Case]) -> str:
    parts = []
    for case in some:
        if index := case.best:
            parts.append(f"{case} (every {index.spacing}, {index.price:.1%} of what was saved)")
    return "; ".join(parts)


def _not_helped(some: Sequence[Case]) -> str:
    parts = [
        f"{case} (every {case.widest_near.spacing}, {case.widest_near.price:.0%})" for case in some
    ]
    return f"No index is both near and cheap for {'; '.join(parts)}."


def _software(found: Sequence[Case]) -> str:
    parts = []
    for spacing in dict.fromkeys(index.spacing for case in found for index in case.indices):
        shares = [i.share for case in found for i in case.indices if i.spacing == spacing]
        parts.append(f"every {spacing} {min(shares):.1%} to {max(shares):.1%}")
    return f"What restart points add to the file: {', '.join(parts)}."


def _hardware(table: pd.DataFrame, found: Sequence[Case]) -> str:
    walks = [case.codewords for case in found]
    steps = [case.widest_near.codewords for case in found]
    text = (
        f"A fixed length is read with one look. Huffman decodes {min(walks):,.0f} to {max(walks):,.0f} codewords "
        f"one after another; with restart points that keep every read within a burst, {min(steps):.0f} to "
        f"{max(steps):.0f}."
    )
    rows = table[table["form"] == BITMAP]
    if len(rows):
        bare = table[table["form"] == BARE].set_index(["seed", *CASE])["bytes"]
        ratio = rows.set_index(["seed", *CASE])["bytes"] / bare
        low, high = ratio.dropna().min(), ratio.dropna().max()
        text += (
            f" A bitmap with ranks finds a pruned weight in at most {rows['most_bits'].max():.0f} bits, at "
            f"{low:.2f} to {high:.2f} times the bytes of Huffman's code."
        )
    return text
