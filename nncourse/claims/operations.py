"""The rule of claim P2: can four fifths of the operations go?

Written before the first run. The claim names ResNet-50, which is not trained here, so the best that this
experiment can say is that it holds with conditions. A loss is taken against the control, as for P1; the arm
judged is ``uniform`` with at most 20.5% of the operations left.

- no loss on the residual network and on every other deep one (those of Fashion-MNIST): it holds with
  conditions, "on smaller networks";
- no loss on the residual network alone: likewise, with the others named;
- a clear loss on the residual network: it does not hold here;
- otherwise, or with fewer than five seeds: undecided.
"""

from __future__ import annotations

import pandas as pd

from nncourse.claims.arms import by_seed, require_columns, require_same_seeds
from nncourse.claims.intervals import (
    MIN_SEEDS,
    margin_points,
    non_inferiority,
    paired_interval,
)
from nncourse.claims.verdict import Verdict

RESIDUAL = "resnet-8"
DEEP_DATA = "fashion-mnist"
MOST_OPERATIONS = 0.205


def four_fifths_of_operations_go(table: pd.DataFrame) -> Verdict:
    """The verdict on P2.

    table  rows of P2: ``seed network data arm density operations_left operations accuracy``
    """
    columns = ["seed", "network", "data", "arm", "density", "operations_left", "accuracy"]
    require_columns(table, columns, claim="P2")
    judged = losses_by_operations(table)
    fifth = judged[(judged["arm"] == "uniform") & (judged["operations_left"] <= MOST_OPERATIONS)]
    fifth = fifth.sort_values("operations_left").drop_duplicates("network", keep="last")
    rulings = fifth.set_index("network")["ruling"]
    if RESIDUAL not in rulings.index:
        raise ValueError(
            f"the table of P2 has no row of the arm arm=uniform of {RESIDUAL} with at most "
            f"{MOST_OPERATIONS:.1%} of its operations, which its verdict needs: "
            "record it again with nncourse experiment P2"
        )
    deep = fifth[fifth["data"] == DEEP_DATA]
    failing = deep[deep["ruling"] != "holds"]
    n = int(fifth["n"].min())
    residual = next(row for row in fifth.to_dict("records") if row["network"] == RESIDUAL)
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif rulings[RESIDUAL] == "does not hold here":
        ruling = "does not hold here"
        reason = (
            f"{RESIDUAL} loses {residual['loss']:.2f} points with a fifth of its operations. "
            "ResNet-50 itself, a far larger network, is not trained here."
        )
    elif rulings[RESIDUAL] == "holds":
        ruling = "holds with conditions"
        others = "; ".join(
            f"{row.network} ({row.loss:+.2f} points)" for row in failing.itertuples()
        )
        reason = "Shown on smaller networks: ResNet-50 itself is not trained here."
        if others:
            reason += f" Not shown on: {others}."
    else:
        ruling, reason = "undecided", f"The interval of {RESIDUAL} crosses its margin."
    return Verdict(
        claim="P2",
        verdict=ruling,
        measure=f"points that {RESIDUAL} loses with a fifth of its operations",
        statistic=float(residual["loss"]),
        margin=margin_points(DEEP_DATA),
        n=n,
        interval=(float(residual["low"]), float(residual["high"])),
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(fifth),
        hardware=_hardware(judged),
    )


def losses_by_operations(table: pd.DataFrame) -> pd.DataFrame:
    """Mean loss against the control in points, with what is left of the operations.

    table    rows of P2
    returns  columns ``network data arm density operations_left loss low high ruling n``, one row for
             each network, arm and density of the arms ``uniform`` and ``global``

    Neither arm in the table, or no control of a network, raises ``ValueError``.
    """
    found = []
    arms = table[table["arm"].isin(["uniform", "global"])]
    for (network, data, arm, density), rows in arms.groupby(
        ["network", "data", "arm", "density"], sort=False
    ):
        control = by_seed(table, "accuracy", claim="P2", network=network, arm="control")
        after = by_seed(rows, "accuracy", claim="P2", arm=arm)
        require_same_seeds(control, after, claim="P2")
        loss = paired_interval(100 * control, 100 * after)
        found.append(
            {
                "network": network,
                "data": data,
                "arm": arm,
                "density": density,
                "operations_left": float(rows["operations_left"].mean()),
                "loss": loss.mean,
                "low": loss.low,
                "high": loss.high,
                "ruling": non_inferiority(loss, margin=margin_points(str(data))),
                "n": loss.n,
            }
        )
    if not found:
        raise ValueError(
            "the table of P2 has no row of the arms arm=uniform and arm=global: "
            "record it again with nncourse experiment P2"
        )
    return pd.DataFrame(found)


def _software(fifth: pd.DataFrame) -> str:
    each = ", ".join(f"{row.network} {row.loss:+.2f}" for row in fifth.itertuples())
    return f"Points lost with a fifth of the operations: {each}."


def _hardware(judged: pd.DataFrame) -> str:
    parts = []
    for network, rows in judged.groupby("network", sort=False):
        passing = rows[rows["ruling"] == "holds"]["operations_left"]
        parts.append(f"{network} {passing.min():.0%}" if len(passing) else f"{network} all")
    return f"Fewest operations without loss: {', '.join(parts)}. Fewer operations are not less time yet."
