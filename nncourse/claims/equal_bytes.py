"""The rule of claim F6: is INT4 a rather suitable format, that is, on the frontier at equal bytes?

Written before the first run. A line is one architecture on one data set, in several widths and several bits a
weight. Between the networks of one width of the weights the quality is interpolated along the logarithm of
the bytes, seed by seed. Over the range of bytes that all widths of the weights reach there are nine budgets,
evenly spaced in the logarithm. At a budget 4 bits are on the frontier when they are non-inferior to the
best other width: the upper end of the 95% paired interval of the shortfall is at most the margin, 0.2 points
of accuracy on MNIST, 0.5 on Fashion-MNIST, 0.02 nats a character of text. On a line INT4 is suitable when it is
on the frontier at more than half of the budgets.

- on every line, a convolutional network and a transformer among them: the claim holds;
- on some line: it holds with conditions, which are named;
- on none, and on each one it is clearly off the frontier (the lower end above the margin) at more than half of
  the budgets: it does not hold here;
- otherwise, or with no line of five seeds: undecided. A line with fewer is reported and not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nncourse.accelerator.energy import price
from nncourse.claims.arms import require_columns
from nncourse.claims.intervals import MARGIN_POINTS, MIN_SEEDS, Interval, paired_interval
from nncourse.claims.verdict import Verdict

JUDGED_BITS = 4
NUM_BUDGETS = 9
MARGIN_NATS = 0.02
WANTED = ("convolutional", "transformer")
COLUMNS = (
    "seed",
    "architecture",
    "network",
    "data",
    "bits",
    "measure",
    "stored_bytes",
    "value",
)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """One number of bytes on one line.

    best_other  width of the weights, not 4 bits, with the best mean quality
    shortfall   of 4 bits against it: points of accuracy, or nats
    margin      the largest shortfall that counts as none
    """

    stored_bytes: float
    best_other: int
    shortfall: Interval
    margin: float

    @property
    def is_met(self) -> bool:
        """Whether 4 bits are on the frontier."""
        return self.shortfall.high <= self.margin


@dataclass(frozen=True, kw_only=True)
class Line:
    """One architecture on one data set, at every budget."""

    architecture: str
    data: str
    n: int
    budgets: tuple[Budget, ...]

    @property
    def share_missed(self) -> float:
        """Share of the budgets at which 4 bits are clearly off the frontier."""
        missed = [budget.shortfall.low > budget.margin for budget in self.budgets]
        return sum(missed) / len(missed)

    @property
    def share(self) -> float:
        """Share of the budgets at which 4 bits are on the frontier."""
        return sum(budget.is_met for budget in self.budgets) / len(self.budgets)

    def __str__(self) -> str:
        return f"{self.architecture} on {self.data}"


def int4_is_suitable(table: pd.DataFrame) -> Verdict:
    """The verdict on F6.

    table  rows of F6, with the columns of ``COLUMNS``; ``value`` is a fraction right where ``measure``
           is "accuracy", and nats a character where it is "loss"
    """
    require_columns(table, COLUMNS, claim="F6")
    found = lines(table)
    counted = [line for line in found if line.n >= MIN_SEEDS]
    suitable = [line for line in counted if line.share > 0.5]
    lacking = [one for one in WANTED if one not in {line.architecture for line in counted}]
    reason = _told(found, lacking)
    if not counted:
        ruling, reason = "undecided", f"No line has {MIN_SEEDS} seeds."
    elif len(suitable) == len(counted) and not lacking:
        ruling = "holds"
    elif suitable:
        ruling = "holds with conditions"
    else:
        is_off = all(line.share_missed > 0.5 for line in counted)
        ruling = "does not hold here" if is_off else "undecided"
    return Verdict(
        claim="F6",
        verdict=ruling,
        measure="lines on which INT4 is on the frontier at more than half of the budgets",
        statistic=float(len(suitable)),
        margin=float(len(found)),
        n=max(line.n for line in found),
        interval=None,
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(found),
        hardware=_hardware(),
    )


def lines(table: pd.DataFrame) -> list[Line]:
    """Every line with its budgets, in the order of the table.

    table  rows of F6
    """
    return [_line(rows) for _, rows in table.groupby(["architecture", "data"], sort=False)]


def qualities(rows: pd.DataFrame, budgets: NDArray[np.float64]) -> dict[int, pd.DataFrame]:
    """Quality of one line by width of the weights: seeds by budgets, more is better.

    rows     of one line of F6
    budgets  bytes, ascending; outside the measured range the quality is that of its end
    returns  points of accuracy, or nats below zero
    """
    found = {}
    for bits, chosen in rows.groupby("bits"):
        value = chosen.pivot(index="seed", columns="network", values="value")
        if value.isna().to_numpy().any():
            raise ValueError(
                f"the arms of F6 are not paired: a seed lacks a network at {bits} bits"
            )
        size = chosen.groupby("network")["stored_bytes"].mean().sort_values()
        scale = 100.0 if (chosen["measure"] == "accuracy").all() else -1.0
        ordered = scale * value[size.index].to_numpy()
        at = np.log(budgets)
        by_seed = [np.interp(at, np.log(size.to_numpy()), one) for one in ordered]
        found[int(str(bits))] = pd.DataFrame(by_seed, index=value.index, columns=budgets)
    return found


def common_budgets(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Nine numbers of bytes that all widths of the weights of one line reach, evenly spaced in the log.

    rows  of one line of F6
    """
    sizes = rows.groupby(["bits", "network"])["stored_bytes"].mean().groupby("bits")
    low, high = sizes.min().max(), sizes.max().min()
    if not low < high:
        raise ValueError(
            f"the widths of F6 share no range of bytes ({low:.0f} to {high:.0f}): "
            "measure more networks of this architecture"
        )
    return np.geomspace(low, high, NUM_BUDGETS)


def _line(rows: pd.DataFrame) -> Line:
    architecture, data = str(rows["architecture"].iloc[0]), str(rows["data"].iloc[0])
    if rows.duplicated(["seed", "network", "bits"]).any():
        raise ValueError(f"the table of F6 has two rows of one seed on {architecture}")
    if not (rows["bits"] == JUDGED_BITS).any() or rows["bits"].nunique() < 2:
        raise ValueError(
            f"the table of F6 lacks bits={JUDGED_BITS}, or a width to compare, on {architecture}: "
            "record it again with nncourse experiment F6"
        )
    margin = _margin(rows)
    budgets = common_budgets(rows)
    quality = qualities(rows, budgets)
    judged = quality.pop(JUDGED_BITS)
    found = []
    for budget in budgets:
        means = {bits: other[budget].mean() for bits, other in quality.items()}
        best = max(means, key=lambda bits: means[bits])
        if not quality[best].index.equals(judged.index):
            raise ValueError(f"the arms of F6 are not paired on {architecture}")
        shortfall = paired_interval(quality[best][budget], judged[budget])
        one = Budget(
            stored_bytes=float(budget), best_other=best, shortfall=shortfall, margin=margin
        )
        found.append(one)
    return Line(architecture=architecture, data=data, n=len(judged), budgets=tuple(found))


def _margin(rows: pd.DataFrame) -> float:
    if (rows["measure"] == "loss").all():
        return MARGIN_NATS
    data = str(rows["data"].iloc[0])
    if data not in MARGIN_POINTS:
        raise ValueError(f"no margin was named for the data set {data!r} before measuring it")
    return MARGIN_POINTS[data]


def _told(found: Sequence[Line], lacking: Sequence[str]) -> str:
    parts = [
        f"{line}: on the frontier at {sum(b.is_met for b in line.budgets)} of {len(line.budgets)} budgets"
        + (f" ({line.n} seeds, not counted)" if line.n < MIN_SEEDS else "")
        for line in found
    ]
    text = "INT4 on " + "; ".join(parts) + "."
    if lacking:
        text += f" Not measured with {MIN_SEEDS} seeds: {', '.join(lacking)}."
    return text


def _software(found: Sequence[Line]) -> str:
    parts = []
    for line in found:
        worst = max(line.budgets, key=lambda budget: budget.shortfall.mean)
        best = min(line.budgets, key=lambda budget: budget.shortfall.mean)
        parts.append(
            f"{line} from {best.shortfall.mean:+.2f} (against {best.best_other} bits, "
            f"{best.stored_bytes:.0f} bytes) to {worst.shortfall.mean:+.2f} "
            f"(against {worst.best_other} bits, {worst.stored_bytes:.0f} bytes)"
        )
    return f"What INT4 falls short of the best other width: {'; '.join(parts)}."


def _hardware() -> str:
    eight, four, half = price("int8"), price("int4"), price("fp16")
    return (
        f"A multiply-accumulate in INT4 takes {eight.mac_pj / four.mac_pj:.1f} times less energy than in INT8 "
        f"and {half.mac_pj / four.mac_pj:.0f} times less than in FP16 ({four.mark}); "
        "fewer bits are cheaper still."
    )
