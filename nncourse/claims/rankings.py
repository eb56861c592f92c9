"""The rule of claim Q1: do price and accuracy rank the number formats in opposite orders?

Written before the first run. For each network, for weights and for activations, and for the two
prices of a multiply-accumulate (energy, area): Spearman's rank correlation of price and
signal-to-noise ratio over the formats. A correlation of 1 means that the order by cheapness is
exactly the order by accuracy read backwards. The statistic is the lowest of these correlations in a
seed, averaged over at least five seeds:

- at 1, with all formats of ``ALL_FORMATS`` measured, the claim holds;
- at 1 with some missing, or with its interval at or above 0.8, it holds with conditions: the missing
  formats and the exceptions are named;
- with its whole interval below 0.8 it does not hold here.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from scipy import stats

from nncourse.claims.arms import require_columns
from nncourse.claims.intervals import MIN_SEEDS, paired_interval
from nncourse.claims.verdict import Verdict

PRICES = ("mac_energy_pj", "mac_area_um2")
NEEDED_FORMATS = ("fp32", "fp16", "int8")
ALL_FORMATS = (*NEEDED_FORMATS, "fp64", "bf16", "fp8_e4m3", "fp8_e5m2", "int16", "int4")
REVERSED = 1.0
MOSTLY_REVERSED = 0.8


def opposite_rankings(table: pd.DataFrame) -> Verdict:
    """The verdict on Q1: whether the dearer format is always the more accurate one.

    table  rows of Q1: ``seed network data tensors layer format sqnr_db`` and the prices
    """
    require_columns(
        table, ["seed", "network", "data", "tensors", "format", "sqnr_db", *PRICES], claim="Q1"
    )
    for name in NEEDED_FORMATS:
        by_format = table[table["format"] == name]
        if by_format.empty:
            raise ValueError(f"the table of Q1 has no row of the arm format={name}")
    # One ratio for each network, kind of tensor and format: the median over the layers.
    keys = ["seed", "network", "tensors", "format"]
    medians = table.groupby(keys)[["sqnr_db", *PRICES]].median().reset_index()
    lowest = [_lowest_correlation(rows) for _, rows in medians.groupby("seed")]
    spread = paired_interval(lowest, np.zeros(len(lowest)))
    statistic = spread.mean
    measured = list(dict.fromkeys(table["format"]))
    missing = [name for name in ALL_FORMATS if name not in measured]
    exceptions = _not_reversed(medians)
    is_reversed = np.isclose(statistic, REVERSED)
    if spread.n < MIN_SEEDS:
        ruling, reason = "undecided", f"{spread.n} seeds are fewer than {MIN_SEEDS}."
    elif is_reversed and not missing:
        ruling, reason = "holds", "Every dearer format is the more accurate one."
    elif is_reversed:
        ruling = "holds with conditions"
        reason = f"Exactly opposite for {', '.join(measured)}; {', '.join(missing)} still to come."
    elif spread.low >= MOSTLY_REVERSED:
        ruling = "holds with conditions"
        reason = f"Opposite but for {exceptions}."
        if missing:
            reason += f" Measured are {', '.join(measured)}; {', '.join(missing)} still to come."
    elif spread.high < MOSTLY_REVERSED:
        ruling, reason = "does not hold here", f"The rankings agree too often: {exceptions}."
    else:
        ruling, reason = "undecided", f"The interval crosses {MOSTLY_REVERSED:g}."
    return Verdict(
        claim="Q1",
        verdict=ruling,
        measure="lowest rank correlation of price and accuracy",
        statistic=statistic,
        margin=REVERSED,
        n=spread.n,
        interval=(spread.low, spread.high),
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_accuracy_voice(medians),
        hardware=_price_voice(medians),
    )


def _lowest_correlation(medians: pd.DataFrame) -> float:
    return min(
        float(stats.spearmanr(rows[price].rank(), rows["sqnr_db"].rank()).statistic)
        for _, rows in medians.groupby(["network", "tensors"])
        for price in PRICES
    )


def _not_reversed(medians: pd.DataFrame) -> str:
    """Pairs of formats whose dearer one is no more accurate, in any network, tensor kind or seed."""
    found: dict[tuple[str, str], list[str]] = {}
    for tensors, of_kind in medians.groupby("tensors"):
        for _, rows in of_kind.groupby(["network", "seed"]):
            sqnr = dict(zip(rows["format"], rows["sqnr_db"], strict=True))
            for price in PRICES:
                cost = dict(zip(rows["format"], rows[price], strict=True))
                for dear, cheap in itertools.permutations(cost, 2):
                    if cost[dear] > cost[cheap] and sqnr[dear] <= sqnr[cheap]:
                        kinds = found.setdefault((dear, cheap), [])
                        kinds += [str(tensors)] * (str(tensors) not in kinds)
    every_kind = medians["tensors"].nunique()
    by_dear: dict[str, list[str]] = {}
    for (dear, cheap), kinds in sorted(found.items()):
        where = "" if len(kinds) == every_kind else f" (on {' and '.join(kinds)})"
        by_dear.setdefault(dear, []).append(cheap + where)
    return "; ".join(
        f"{dear}, dearer and no more accurate than {', '.join(others)}"
        for dear, others in by_dear.items()
    )


def _accuracy_voice(medians: pd.DataFrame) -> str:
    middle = medians.groupby("format")["sqnr_db"].median()
    return (
        f"INT8 keeps {middle['int8']:.0f} dB between signal and error, "
        f"FP16 {middle['fp16']:.0f} dB: I would take the float."
    )


def _price_voice(medians: pd.DataFrame) -> str:
    price = medians.groupby("format")[list(PRICES)].median()
    ratio = price.loc["fp32"] / price.loc["int8"]
    return (
        f"An FP32 multiply-accumulate costs {ratio['mac_energy_pj']:.1f} times the energy and "
        f"{ratio['mac_area_um2']:.1f} times the area of an INT8 one: I would take the integer."
    )
