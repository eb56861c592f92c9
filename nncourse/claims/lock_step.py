"""The rule of claim P3: do five times fewer operations give far less than five times the speed?

Written before the first run. Real masks only. The share of a design is what it makes of the ideal:
``array_speedup * operations_left``, 1 for a speed-up that equals the ratio of the operations. For each seed
the median over networks and designs of a mechanism is taken, and the interval is that over the seeds.

1. Arrays that do nothing about zeros, or gate them, gain no time: within one hundredth.
2. Lanes in lock step make far less than all of it: the interval of their median share lies below 0.8.
3. Three times is doing well: it lies below 0.6, which is three of five.
4. Queues do not change this: the median share of lanes with queues is below 0.8.

- all four: the claim holds;
- the first two: it holds with conditions, which are named;
- the first or the second fails: it does not hold here;
- fewer than five seeds: undecided.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nncourse.claims.arms import require_columns
from nncourse.claims.intervals import MIN_SEEDS, Interval, paired_interval
from nncourse.claims.verdict import Verdict

FAR_LESS = 0.8
DOING_WELL = 0.6
IDEAL = 5.0
DESIGN = ("mechanism", "lanes", "width", "group", "queue_depth")
NO_GAIN = 0.01


def five_times_fewer_three_times_faster(table: pd.DataFrame) -> Verdict:
    """The verdict on P3.

    table  rows of P3: ``seed network data mechanism lanes width group queue_depth zeros
           operations_left array_speedup``
    """
    columns = ["seed", "network", "data", *DESIGN, "zeros", "operations_left", "array_speedup"]
    require_columns(table, columns, claim="P3")
    real = table[table["zeros"] == "mask"]
    plain = _of(real, "dense", "gating")["array_speedup"]
    idle = bool((plain - 1).abs().max() <= NO_GAIN)
    lock_step = share_interval(table, "lock step")
    queue = share_interval(table, "queue")
    far_less, well = lock_step.high < FAR_LESS, lock_step.high < DOING_WELL
    queued = queue.mean < FAR_LESS
    if lock_step.n < MIN_SEEDS:
        ruling, reason = "undecided", f"{lock_step.n} seeds are fewer than {MIN_SEEDS}."
    elif not idle:
        ruling = "does not hold here"
        reason = (
            f"An array that leaves no zero out changes its speed by them, {plain.min():.2f} to "
            f"{plain.max():.2f} times."
        )
    elif not far_less:
        ruling = "does not hold here"
        reason = (
            f"Lanes in lock step make {lock_step.mean:.0%} of the ideal (interval {lock_step.low:.0%} "
            f"to {lock_step.high:.0%}), not clearly less than {FAR_LESS:.0%}."
        )
    elif well and queued:
        ruling = "holds"
        reason = (
            f"Lanes in lock step reach {IDEAL * lock_step.mean:.2f} of five, and queues bring it to "
            f"{IDEAL * queue.mean:.2f}."
        )
    else:
        ruling = "holds with conditions"
        parts = []
        if not well:
            parts.append(
                f"lanes in lock step reach {IDEAL * lock_step.mean:.2f} of five, more than three"
            )
        if not queued:
            parts.append(f"queues bring back {IDEAL * queue.mean:.2f} of five")
        reason = f"{'; '.join(parts).capitalize()}."
    scaled = (IDEAL * lock_step.low, IDEAL * lock_step.high)
    return Verdict(
        claim="P3",
        verdict=ruling,
        measure="median speed-up of lanes in lock step at five times fewer operations",
        statistic=IDEAL * lock_step.mean,
        margin=IDEAL * FAR_LESS,
        n=lock_step.n,
        interval=scaled,
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(real, plain),
        hardware=_hardware(table),
    )


def share_interval(table: pd.DataFrame, mechanism: str) -> Interval:
    """The interval over seeds of a mechanism's median share of the ideal speed-up, real masks only.

    table      rows of P3
    mechanism  such as "lock step"
    """
    rows = _of(table[table["zeros"] == "mask"], mechanism)
    _require_paired(rows)
    share = rows["array_speedup"] * rows["operations_left"]
    medians = share.groupby(rows["seed"]).median()
    return paired_interval(medians, pd.Series(np.zeros(len(medians)), index=medians.index))


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Speed-up at five times fewer operations by mechanism, design, network and kind of zeros.

    table    rows of P3
    returns  columns ``mechanism lanes width group queue_depth zeros network speedup``, means over seeds
    """
    keys = [*DESIGN, "zeros", "network"]
    scaled = table.assign(speedup=IDEAL * table["array_speedup"] * table["operations_left"])
    return scaled.groupby(keys, sort=False)["speedup"].mean().reset_index()


def _of(rows: pd.DataFrame, *mechanisms: str) -> pd.DataFrame:
    for mechanism in mechanisms:
        if not (rows["mechanism"] == mechanism).any():
            raise ValueError(
                f"the table of P3 has no row of the mechanism {mechanism!r} with a real mask, which "
                "its verdict needs: record it again with nncourse experiment P3"
            )
    return rows[rows["mechanism"].isin(mechanisms)]


def _require_paired(rows: pd.DataFrame) -> None:
    """Nothing when every seed has each network on each design once: medians of others do not compare."""
    cases = rows.groupby(["network", *DESIGN])["seed"]
    if (cases.nunique() < cases.size()).any():
        raise ValueError("the table of P3 has two rows of one seed, network and design")
    if (cases.nunique() < rows["seed"].nunique()).any():
        raise ValueError("the arms of P3 are not paired: a seed lacks a network or a design")


def _software(real: pd.DataFrame, plain: pd.Series) -> str:
    fewer = (1 / real["operations_left"]).median()
    return (
        f"I left {fewer:.1f} times fewer operations. Cells that compute with the zeros or stand still "
        f"for them make that {plain.median():.2f} times faster."
    )


def _hardware(table: pd.DataFrame) -> str:
    parts = []
    for mechanism in dict.fromkeys(table[table["zeros"] == "mask"]["mechanism"]):
        parts.append(f"{mechanism} {IDEAL * share_interval(table, mechanism).mean:.2f}")
    return f"Median speed-up of my arrays, of five: {', '.join(parts)}."
