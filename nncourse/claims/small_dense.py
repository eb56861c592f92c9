"""The rule of claim F3: is a small dense network as good as a large pruned one, so that pruning is not needed?

Written before the first run. A case is one pruned network on one budget, its bytes or its cycles. Against it
stands the dense network on the same data that needs no more of the budget and has the best mean accuracy on
the validation split; it may be of another architecture, since a future network may. On the test split the
dense one is as good when it is non-inferior to the pruned one with the margins of claim Q2.

- in every case: the claim holds;
- in some: it holds with conditions, which are named;
- in none, and it loses clearly in all: it does not hold here;
- otherwise, or with fewer than five seeds: undecided.

The article draws this claim from F1 and F2; their verdicts stand beside this one, and do not enter it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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

BUDGETS = {"stored_bytes": "bytes", "cycles": "cycles"}
COLUMNS = (
    "seed",
    "family",
    "network",
    "data",
    "kind",
    "density",
    *BUDGETS,
    "validation_accuracy",
    "accuracy",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One pruned network on one budget.

    budget  "bytes" or "cycles"
    dense   the dense network that stands against it; empty where none is as small
    loss    of the dense network against the pruned one, in points; None where none is as small
    ruling  of that loss
    spared  the pruned network's budget over what the dense one needs of it
    """

    network: str
    data: str
    density: float
    budget: str
    dense: str = ""
    loss: Interval | None = None
    ruling: str = "does not hold here"
    spared: float = 1.0

    def __str__(self) -> str:
        return f"{self.network} at {self.density:.0%} on {self.data}"


def small_dense_is_as_good(table: pd.DataFrame) -> Verdict:
    """The verdict on F3.

    table  rows of F3, with the columns of ``COLUMNS``
    """
    require_columns(table, COLUMNS, claim="F3")
    found = cases(table)
    passed = [case for case in found if case.ruling == "holds"]
    n = min((case.loss.n for case in found if case.loss), default=0)
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif len(passed) == len(found):
        ruling = "holds"
        reason = "At equal bytes and at equal cycles a dense network is as good in every case."
    elif passed:
        ruling, reason = "holds with conditions", _counted(found)
    elif all(case.ruling == "does not hold here" for case in found):
        ruling = "does not hold here"
        reason = "At equal bytes and at equal cycles the dense network loses in every case."
    else:
        ruling, reason = "undecided", _counted(found)
    return Verdict(
        claim="F3",
        verdict=ruling,
        measure="pairs of pruned network and budget that a dense network matches",
        statistic=float(len(passed)),
        margin=float(len(found)),
        n=n,
        interval=None,
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(found),
        hardware=_hardware(passed),
    )


def cases(table: pd.DataFrame, *, own_family: bool = False) -> list[Case]:
    """Every pruned network on every budget, in the order of the table.

    table       rows of F3
    own_family  whether the dense network has to be of the pruned one's architecture
    """
    rows = table[table["kind"] == "pruned"]
    if rows.empty:
        raise ValueError(
            "the table of F3 has no row of the kind kind=pruned, which its verdict needs: "
            "record it again with nncourse experiment F3"
        )
    places = rows[["network", "family", "data", "density"]].drop_duplicates()
    return [
        _case(table, network, data, density, column, family if own_family else None)
        for column in BUDGETS
        for network, family, data, density in places.itertuples(index=False, name=None)
    ]


def _case(
    table: pd.DataFrame, network: str, data: str, density: float, column: str, family: str | None
) -> Case:
    place = {"network": network, "data": data, "kind": "pruned", "density": density}
    large = by_seed(table, "accuracy", claim="F3", **place)
    budget = by_seed(table, column, claim="F3", **place).mean()
    dense = table[(table["kind"] == "dense") & (table["data"] == data)]
    if family is not None:
        dense = dense[dense["family"] == family]
    means = dense.groupby("network", as_index=False)[[column, "validation_accuracy"]].mean()
    small = means[means[column] <= budget]
    case = Case(network=network, data=data, density=density, budget=BUDGETS[column])
    if small.empty:
        return case
    best = small.sort_values("validation_accuracy", ascending=False).to_dict("records")[0]
    chosen = by_seed(dense, "accuracy", claim="F3", network=best["network"])
    require_same_seeds(large, chosen, claim="F3")
    loss = paired_interval(100 * large, 100 * chosen)
    return replace(
        case,
        dense=str(best["network"]),
        loss=loss,
        ruling=non_inferiority(loss, margin=margin_points(data)),
        spared=float(budget / best[column]),
    )


def _counted(found: Sequence[Case]) -> str:
    parts = []
    for budget in BUDGETS.values():
        those = [case for case in found if case.budget == budget]
        passed = [case for case in those if case.ruling == "holds"]
        told = "; ".join(f"{case} by {case.dense}" for case in passed)
        parts.append(
            f"At equal {budget} a dense network is as good in {len(passed)} of {len(those)} cases"
            + (f": {told}." if passed else ".")
        )
    lost = [case for case in found if case.ruling == "does not hold here"]
    if lost:
        told = "; ".join(
            f"{case} ({case.budget}, "
            + (f"{case.loss.mean:+.2f} points)" if case.loss else "nothing dense is as small)")
            for case in lost
        )
        parts.append(f"It loses: {told}.")
    return " ".join(parts)


def _software(found: Sequence[Case]) -> str:
    parts = []
    for budget in BUDGETS.values():
        means = [case.loss.mean for case in found if case.budget == budget and case.loss]
        if means:
            parts.append(
                f"at equal {budget} {sum(means) / len(means):+.2f} on average "
                f"({min(means):+.2f} to {max(means):+.2f})"
            )
    return f"Points that the dense network loses against the pruned one: {'; '.join(parts)}."


def _hardware(passed: Sequence[Case]) -> str:
    if not passed:
        return "No dense network took the place of a pruned one."
    spared = [case.spared for case in passed]
    return (
        f"Where the dense network is as good it needs {min(spared):.1f} to {max(spared):.1f} times less "
        "of the budget, no positions, and no array that skips."
    )
