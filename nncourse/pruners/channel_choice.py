"""Which channels stay: a number for each group, and the highest scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Keep = NDArray[np.bool_]
Scores = NDArray[np.float64]


def keep_channels(
    scores: Mapping[str, ArrayLike],
    *,
    sparsity: float,
    scope: Literal["uniform", "global"] = "uniform",
    multiple_of: int = 1,
    least: int = 1,
) -> dict[str, Keep]:
    """Which channels stay, by group name: boolean, shape (size,), True = kept.

    scores       of each group, shape (size,), higher matters more
    sparsity     fraction of the channels to drop, in [0, 1)
    scope        "uniform": ``round(sparsity * size)`` of each group; "global": the lowest scores of all
                 groups, ``round(sparsity * all)`` of them
    multiple_of  how many channels the hardware works on at once: each group keeps the nearest number
                 of channels that is a multiple of it, or its whole size; ties keep more
    least        channels that a group keeps whatever the sparsity

    The counts are exact unless ``multiple_of`` or ``least`` says otherwise. Ties keep the earlier
    channel, and the earlier group.

    >>> keep_channels({"a": [1.0, 2.0, 3.0, 4.0]}, sparsity=0.5)
    {'a': array([False, False,  True,  True])}
    """
    checked = _checked_scores(scores)
    if not 0.0 <= sparsity < 1.0:
        hint = f" Did you mean {sparsity / 100:g}?" if 1.0 < sparsity < 100.0 else ""
        raise ValueError(f"sparsity is a fraction in [0, 1), got {sparsity}.{hint}")
    if scope not in ("uniform", "global"):
        raise ValueError(f"scope is 'uniform' or 'global', got {scope!r}.")
    for name, value in (("multiple_of", multiple_of), ("least", least)):
        if value < 1 or value != int(value):
            raise ValueError(f"{name} is a whole number of at least 1, got {value}.")
    ranks = {name: np.argsort(-value, kind="stable") for name, value in checked.items()}
    if scope == "uniform":
        counts = {name: len(rank) - round(sparsity * len(rank)) for name, rank in ranks.items()}
    else:
        counts = _global_counts(checked, ranks, sparsity, least)
    keep = {}
    for name, rank in ranks.items():
        sizes = {*range(multiple_of, len(rank), multiple_of), len(rank)}
        allowed = [size for size in sizes if size >= min(least, len(rank))]
        count = min(allowed, key=lambda size: (abs(size - counts[name]), -size))
        keep[name] = np.zeros(len(rank), dtype=bool)
        keep[name][rank[:count]] = True
    return keep


def _global_counts(
    scores: Mapping[str, Scores],
    ranks: Mapping[str, NDArray[np.intp]],
    sparsity: float,
    least: int,
) -> dict[str, int]:
    """Channels of each group among the highest of all, ``least`` of each group before any other."""
    order = []
    for place, (name, rank) in enumerate(ranks.items()):
        for position, channel in enumerate(rank):
            order.append((position >= least, -scores[name][channel], place, position, name))
    num_kept = len(order) - round(sparsity * len(order))
    counts = {name: min(least, len(rank)) for name, rank in ranks.items()}
    for spare, *_, name in sorted(order)[: max(num_kept, sum(counts.values()))]:
        counts[name] += spare
    return counts


def _checked_scores(scores: Mapping[str, ArrayLike]) -> dict[str, Scores]:
    checked = {name: np.asarray(value, dtype=np.float64) for name, value in scores.items()}
    if not checked:
        raise ValueError("scores is empty; give the scores of the groups by name")
    for name, value in checked.items():
        if value.ndim != 1 or not value.size or not np.isfinite(value).all():
            raise ValueError(
                f"scores of group {name!r} are finite numbers of shape (size,), got shape {value.shape}"
            )
    return checked
