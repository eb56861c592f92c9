"""Is Deep Compression's target met in whole files? Its own claim, with the rule of "no loss" of the others.

Written before the first run. The paper reports 40 times smaller for LeNet-300-100 and 39 times for LeNet-5,
without loss. A factor is the bytes of the dense file over the bytes of the compressed one, both with all that
is needed to read them back. A point is a density and a form of file, its factor the smallest of the seeds.

Of the points that reach the target the one that keeps the most weights, in the plainest form, is judged: sizes
choose it, no accuracy does. Its loss is taken against the control, all weights after the same number of steps.

- every network has such a point, and its loss is none: the target is met, "holds";
- some network: it holds with conditions, which are named;
- every network has no such point, or one that clearly loses: it does not hold here;
- otherwise, or with fewer than five seeds: undecided.

How small a file gets without loss is reported beside it, and judges nothing: accuracy chooses that point.
"""

from __future__ import annotations

from collections.abc import Sequence
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

CLAIM = "DC"
TARGETS = {"lenet-300-100": 40.0, "lenet-5": 39.0}
"""Factors of Han et al., Deep compression, ICLR 2016, table 1."""

FORMS = ("pruned", "shared", "huffman", "adaptive")
COLUMNS = ["seed", "network", "data", "arm", "density", "form", "stored_bytes", "accuracy"]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One network at one density in one form of file.

    factor  bytes of the dense file over bytes of this one, the smallest of the seeds
    loss    of accuracy against the control, in points
    ruling  of that loss
    """

    network: str
    density: float
    form: str
    factor: float
    loss: Interval
    ruling: str

    @property
    def is_on_target(self) -> bool:
        """Whether the file is as small as the paper's, for every seed."""
        return self.factor >= TARGETS[self.network]

    def __str__(self) -> str:
        return (
            f"{self.network} {self.factor:.1f} times smaller ({self.form}, {self.density:.1%} of the weights, "
            f"loss {self.loss.mean:.2f} points, at most {self.loss.high:.2f})"
        )


def target_is_met(table: pd.DataFrame) -> Verdict:
    """Whether files as small as the paper's lose nothing.

    table  rows of DC
    """
    require_columns(table, COLUMNS, claim=CLAIM)
    found = points(table)
    networks = tuple(dict.fromkeys(one.network for one in found))
    chosen = [judged(found, network) for network in networks]
    met = [one for one in chosen if one is not None and one.ruling == "holds"]
    lost = [one is None or one.ruling == "does not hold here" for one in chosen]
    weakest = min(
        _largest(found, network).factor / TARGETS[network]
        if one is None
        else one.factor / TARGETS[network]
        for network, one in zip(networks, chosen, strict=True)
    )
    n = min(one.loss.n for one in found)
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif len(met) == len(networks):
        ruling, reason = "holds", f"Without loss: {_named(met)}."
    elif met:
        ruling = "holds with conditions"
        reason = f"Without loss: {_named(met)}. Not so: {_rest(networks, chosen)}."
    elif all(lost):
        ruling, reason = "does not hold here", f"Not without loss: {_rest(networks, chosen)}."
    else:
        ruling, reason = "undecided", f"Some interval is too wide: {_rest(networks, chosen)}."
    return Verdict(
        claim=CLAIM,
        verdict=ruling,
        measure="factor over the paper's factor, network where it is smallest",
        statistic=weakest,
        margin=1.0,
        n=n,
        interval=None,
        networks=networks,
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(found, networks),
        hardware=_hardware(table),
    )


def points(table: pd.DataFrame) -> list[Point]:
    """Every density and form of the compressed networks, most weights and plainest form first.

    table  rows of DC
    """
    require_columns(table, COLUMNS, claim=CLAIM)
    return [
        point
        for (network, data), rows in table.groupby(["network", "data"], sort=False)
        for point in _of_network(rows, str(network), margin_points(str(data)))
    ]


def judged(found: Sequence[Point], network: str) -> Point | None:
    """The point that size alone chooses: on target, of the most weights, in the plainest form."""
    return next((one for one in found if one.network == network and one.is_on_target), None)


def smallest_without_loss(found: Sequence[Point], network: str) -> Point | None:
    """The point of the largest factor whose loss is none; accuracy had a part in choosing it."""
    passing = [one for one in found if one.network == network and one.ruling == "holds"]
    return max(passing, key=lambda one: one.factor, default=None)


def _of_network(rows: pd.DataFrame, network: str, margin: float) -> list[Point]:
    if network not in TARGETS:
        raise ValueError(f"the paper has a target for {', '.join(TARGETS)}; got {network!r}")
    control = by_seed(rows, "accuracy", claim=CLAIM, arm="control")
    dense = by_seed(rows, "stored_bytes", claim=CLAIM, arm="control")
    compressed = rows[rows["arm"] == "compressed"]
    densities = sorted(compressed["density"].unique(), reverse=True)
    found = []
    for density, form in ((density, form) for density in densities for form in FORMS):
        arm = {"arm": "compressed", "density": density, "form": form}
        after = by_seed(rows, "accuracy", claim=CLAIM, **arm)
        require_same_seeds(control, after, claim=CLAIM)
        loss = paired_interval(100 * control, 100 * after)
        size = by_seed(rows, "stored_bytes", claim=CLAIM, **arm)
        found.append(
            Point(
                network=network,
                density=float(density),
                form=form,
                factor=float((dense / size).min()),
                loss=loss,
                ruling=non_inferiority(loss, margin=margin),
            )
        )
    if not found:
        raise ValueError(f"the table of {CLAIM} has no compressed row of {network}")
    return found


def _largest(found: Sequence[Point], network: str) -> Point:
    return max((one for one in found if one.network == network), key=lambda one: one.factor)


def _named(chosen: Sequence[Point]) -> str:
    return "; ".join(str(one) for one in chosen)


def _rest(networks: Sequence[str], chosen: Sequence[Point | None]) -> str:
    return "; ".join(
        f"{network} has no file {TARGETS[network]:.0f} times smaller" if one is None else str(one)
        for network, one in zip(networks, chosen, strict=True)
        if one is None or one.ruling != "holds"
    )


def _software(found: Sequence[Point], networks: Sequence[str]) -> str:
    best = [smallest_without_loss(found, network) for network in networks]
    parts = [
        f"no file of {network} is without loss" if one is None else str(one)
        for network, one in zip(networks, best, strict=True)
    ]
    return f"Pushed as far as the loss is none: {'; '.join(parts)}."


def _hardware(table: pd.DataFrame) -> str:
    coded = table[(table["arm"] == "compressed") & (table["form"] == "huffman")]
    share = coded["positions_bytes"] / coded["stored_bytes"]
    return (
        f"In the Huffman-coded files {share.min():.0%} to {share.max():.0%} of the bytes say where the weights "
        "are: I read them before I read a weight."
    )
