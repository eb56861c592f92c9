"""The rule of claim Q2: do FP16 and INT8 keep the accuracy, at 1/2 and 1/4 of the size?

Written before the first run. "No loss" is non-inferiority: the upper end of the 95% interval of the
paired loss, over at least five seeds, is at most 0.2 points (MNIST) or 0.5 points (Fashion-MNIST).
Judged are FP16 and INT8 (weights per channel, activations per tensor), each on every network. The
size is counted on the stored bytes, header and scales included, and may exceed 1/2 or 1/4 by 2% of
itself. Where plain rounding loses clearly, the fine-tuned arm decides; until that arm is measured the
claim is undecided. Every arm has to pass, so judging several needs no correction.
"""

from __future__ import annotations

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

SIZE_TARGETS = {"fp16": 1 / 2, "int8": 1 / 4}
SIZE_SLACK = 0.02


def no_loss_at_half_and_quarter_size(table: pd.DataFrame) -> Verdict:
    """The verdict on Q2: accuracy and stored bytes of FP16 and INT8 against FP32.

    table  rows of Q2: ``seed network data arm stored_bytes accuracy``
    """
    columns = ["seed", "network", "data", "arm", "stored_bytes", "accuracy"]
    require_columns(table, columns, claim="Q2")
    arms = judged_arms(table)
    unsettled = [arm for arm in arms if arm.ruling == "undecided"]
    failed = [arm for arm in arms if arm.ruling == "does not hold here"]
    large = [arm for arm in arms if arm.size > SIZE_TARGETS[arm.name] * (1 + SIZE_SLACK)]
    # The arm nearest to its margin, or furthest above it, stands for all.
    worst = max(arms, key=lambda arm: arm.loss.high - arm.margin)
    if unsettled:
        ruling = "undecided"
        reason = "Not settled: " + "; ".join(arm.why for arm in unsettled) + "."
    elif len(failed) == len(arms):
        ruling, reason = "does not hold here", "Every arm loses more than its margin."
    elif failed or large:
        ruling = "holds with conditions"
        exceptions = [f"{arm} loses {arm.loss.mean:.2f} points" for arm in failed]
        exceptions += [f"{arm} takes {arm.size:.4f} of the bytes" for arm in large]
        reason = "Except: " + "; ".join(exceptions) + "."
    else:
        ruling = "holds"
        means = "rounding after training was enough"
        if any(arm.is_tuned for arm in arms):
            means = "some of them only after fine-tuning"
        reason = (
            f"No arm loses more than its margin, {means}; the largest upper end of a loss is "
            f"{worst.loss.high:.2f} points ({worst}, margin {worst.margin:g})."
        )
    return Verdict(
        claim="Q2",
        verdict=ruling,
        measure="upper end of the loss of accuracy, in points",
        statistic=worst.loss.high,
        margin=worst.margin,
        n=min(arm.loss.n for arm in arms),
        interval=(worst.loss.low, worst.loss.high),
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_loss_voice(arms),
        hardware=_size_voice(arms),
    )


@dataclass(frozen=True, kw_only=True)
class JudgedArm:
    """One number format on one network, against FP32.

    network   name
    name      ``fp16`` or ``int8``
    loss      of accuracy, in points
    margin    the largest loss that counts as none, in points
    size      stored bytes as a fraction of the FP32 file, of the seed where it is largest
    ruling    what ``non_inferiority`` says, or ``undecided`` when fine-tuning is yet to be tried
    is_tuned  whether the fine-tuned arm was the one judged
    why       the ruling's reason, in a few words
    """

    network: str
    name: str
    loss: Interval
    margin: float
    size: float
    ruling: str
    is_tuned: bool
    why: str

    def __str__(self) -> str:
        return f"{self.network} {self.name}"


def judged_arms(table: pd.DataFrame) -> list[JudgedArm]:
    """Every judged format on every network.

    table  rows of Q2
    """
    pairs = table[["network", "data"]].drop_duplicates().itertuples(index=False, name=None)
    return [_judged(table, network, data, arm) for network, data in pairs for arm in SIZE_TARGETS]


def _judged(table: pd.DataFrame, network: str, data: str, arm: str) -> JudgedArm:
    margin = margin_points(data)
    rows = table[(table["network"] == network) & (table["data"] == data)]
    tuned = f"{arm} fine-tuned"
    is_tuned = False
    loss, size = _against_fp32(rows, arm)
    ruling = non_inferiority(loss, margin=margin)
    if ruling == "does not hold here" and (rows["arm"] == tuned).any():
        is_tuned = True
        loss, size = _against_fp32(rows, tuned)
        ruling = non_inferiority(loss, margin=margin)
    why = f"{network} {tuned if is_tuned else arm}: {loss.low:.2f} to {loss.high:.2f} points"
    if loss.n < MIN_SEEDS:
        why = f"{network} {arm}: {loss.n} seeds are fewer than {MIN_SEEDS}"
    elif ruling == "does not hold here" and not is_tuned:
        ruling = "undecided"
        why = f"{network} {arm} loses {loss.mean:.2f} points before fine-tuning"
    return JudgedArm(
        network=network,
        name=arm,
        loss=loss,
        margin=margin,
        size=size,
        ruling=ruling,
        is_tuned=is_tuned,
        why=why,
    )


def _against_fp32(rows: pd.DataFrame, arm: str) -> tuple[Interval, float]:
    before = by_seed(rows, "accuracy", claim="Q2", arm="fp32")
    after = by_seed(rows, "accuracy", claim="Q2", arm=arm)
    require_same_seeds(before, after, claim="Q2")
    bytes_before = by_seed(rows, "stored_bytes", claim="Q2", arm="fp32")
    bytes_after = by_seed(rows, "stored_bytes", claim="Q2", arm=arm)
    return paired_interval(100 * before, 100 * after), float((bytes_after / bytes_before).max())


def _loss_voice(arms: list[JudgedArm]) -> str:
    losses = ", ".join(
        f"{name.upper()} {max(arm.loss.mean for arm in arms if arm.name == name):+.3f} points"
        for name in SIZE_TARGETS
    )
    return f"Mean loss of accuracy, on the network where it is largest: {losses}."


def _size_voice(arms: list[JudgedArm]) -> str:
    sizes = ", ".join(
        f"{name.upper()} {max(arm.size for arm in arms if arm.name == name):.4f}"
        for name in SIZE_TARGETS
    )
    return f"Stored bytes as a fraction of FP32, header and scales counted: {sizes}."
