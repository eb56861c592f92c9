"""The rule of claim W1: does compression move all six numbers?

Written before the first run. The statistic is how many of the six numbers improve by at least a
tenth through some stage (quantization, pruning, coding) whose accuracy stays within the margin of
"no loss". The claim is judged when all three stages have rows:

- every stage moves all six numbers: it holds;
- all six are moved, yet not by every stage: it holds with conditions;
- some number is moved by none: it does not hold here.

Rows of several stages together, which Deep Compression is, count for none of the three.

The numbers come from a model without noise, so one trained network is enough.
"""

from __future__ import annotations

import pandas as pd

from nncourse.claims.arms import require_columns
from nncourse.claims.verdict import Verdict

STAGES = ("quantization", "pruning", "coding")
BEFORE = "before"
LESS_IS_BETTER = ("storage_bytes", "dram_bytes", "energy_pj", "operations", "latency_s")
SIX = ("storage_bytes", "dram_bytes", "energy_pj", "operations", "inferences_per_s", "latency_s")
MIN_GAIN = 1.1
MAX_LOSS_POINTS = 0.2


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Each number after a technique against before it, as a ratio that is above 1 when better.

    table    rows of W1: ``seed network data machine stage technique accuracy`` and the six numbers
    returns  the rows of the techniques, the six columns replaced by ratios, and a column
             ``loss_points`` (accuracy before minus after)
    """
    require_columns(
        table, ["seed", "network", "data", "stage", "technique", "accuracy", *SIX], claim="W1"
    )
    keys = ["network", "seed"]
    first = table[table["stage"] == BEFORE]
    after = table[table["stage"] != BEFORE]
    paired = after.merge(first, on=keys, suffixes=("", "_before"), validate="many_to_one")
    if len(paired) != len(after) or first.empty:
        raise ValueError(f"the table of W1 lacks a row of the stage {BEFORE!r} for a network")
    result = paired[[*keys, "stage", "technique"]].copy()
    for name in SIX:
        old, new = paired[f"{name}_before"], paired[name]
        result[name] = old / new if name in LESS_IS_BETTER else new / old
    result["loss_points"] = 100 * (paired["accuracy_before"] - paired["accuracy"])
    return result


def six_gains(table: pd.DataFrame) -> Verdict:
    """The verdict on W1: which stages move which of the six numbers.

    table  rows of W1
    """
    ratios = gains(table)
    kept = ratios[(ratios["loss_points"] <= MAX_LOSS_POINTS) & ratios["stage"].isin(STAGES)]
    best = kept.groupby(["network", "stage"])[list(SIX)].max() >= MIN_GAIN
    # A stage moves a number when it does so on every network.
    moved = best.groupby("stage").all()
    measured = [stage for stage in STAGES if stage in set(ratios["stage"])]
    statistic = int(moved.any().sum()) if len(moved) else 0
    unmoved = [name for name in SIX if not (len(moved) and moved[name].any())]
    missing = [stage for stage in STAGES if stage not in measured]
    if missing:
        ruling = "undecided"
        reason = (
            f"So far {', '.join(measured) or 'nothing'} is measured, and it moves {statistic} of "
            f"the six numbers; {', '.join(missing)} still to come."
        )
    elif unmoved:
        ruling, reason = "does not hold here", f"No stage moves {', '.join(unmoved)}."
    elif moved.to_numpy().all() and len(moved) == len(STAGES):
        ruling, reason = "holds", "Each stage moves all six numbers."
    else:
        partial = [
            stage for stage in STAGES if stage not in moved.index or not moved.loc[stage].all()
        ]
        ruling = "holds with conditions"
        reason = f"All six numbers move, but not through {', '.join(partial)} alone."
    return Verdict(
        claim="W1",
        verdict=ruling,
        measure=f"numbers of the six that improve {MIN_GAIN:g} times or more",
        statistic=float(statistic),
        margin=float(len(SIX)),
        n=table["seed"].nunique(),
        interval=None,
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(ratios),
        hardware=_hardware(ratios),
    )


def _software(ratios: pd.DataFrame) -> str:
    small = _best(ratios, "storage_bytes")
    return (
        f"The smallest file is {small['technique']}: {small['storage_bytes']:.2f} times smaller, "
        f"accuracy {-small['loss_points']:+.2f} points."
    )


def _hardware(ratios: pd.DataFrame) -> str:
    lean = _best(ratios, "energy_pj")
    return (
        f"{lean['technique']} takes {lean['energy_pj']:.2f} times less energy and answers "
        f"{lean['latency_s']:.2f} times sooner; the operations "
        + (
            "stay as they are."
            if lean["operations"] == 1
            else f"fall {lean['operations']:.2f} times."
        )
    )


def _best(ratios: pd.DataFrame, column: str) -> pd.Series:
    return ratios.sort_values(column, ascending=False, kind="stable").iloc[0]
