"""Paired differences with their interval, and what "no loss" means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95
MIN_SEEDS = 5
MARGIN_POINTS = {"mnist": 0.2, "fashion-mnist": 0.5}


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` paired seeds with its 95% confidence interval."""

    mean: float
    low: float
    high: float
    n: int


def paired_interval(before: ArrayLike, after: ArrayLike) -> Interval:
    """Mean of ``before - after`` with its two-sided 95% interval of Student's t.

    before  one value for each seed, shape (n,)
    after   the same seeds in the same order, shape (n,)

    One pair says nothing about the spread: its interval is infinite. Equal differences give an
    interval of width zero; with accuracies that means every seed lost the same number of images.

    >>> loss = paired_interval([98.0, 98.2, 98.1], [97.9, 98.2, 98.0])
    >>> print(f"{loss.mean:.3f} in {loss.low:.3f} .. {loss.high:.3f}")
    0.067 in -0.077 .. 0.210

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    first, second = np.asarray(before, float), np.asarray(after, float)
    if first.shape != second.shape or first.ndim != 1 or first.size == 0:
        raise ValueError(
            "before and after are two lists of equal length, one value a seed; "
            f"got shapes {first.shape} and {second.shape}"
        )
    difference = first - second
    if not np.isfinite(difference).all():
        raise ValueError("before and after have to be finite numbers, got NaN or infinity")
    n, mean = difference.size, float(difference.mean())
    if n == 1:
        return Interval(mean, -np.inf, np.inf, 1)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * difference.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def non_inferiority(loss: Interval, *, margin: float) -> str:
    """``holds``, ``undecided`` or ``does not hold here`` for the claim "no loss".

    loss    of accuracy, in points
    margin  the largest loss that counts as none, in points, fixed before the measurement

    The loss is none when even the upper end of its interval is at most the margin. An interval
    that crosses the margin is too wide to tell, and so are fewer than five seeds.

    >>> non_inferiority(Interval(0.05, -0.05, 0.15, 5), margin=0.2)
    'holds'
    >>> non_inferiority(Interval(0.05, -0.25, 0.35, 5), margin=0.2)
    'undecided'
    """
    if loss.n < MIN_SEEDS:
        return "undecided"
    if loss.high <= margin:
        return "holds"
    return "does not hold here" if loss.low > margin else "undecided"


def margin_points(data: str) -> float:
    """The largest loss of accuracy on ``data`` that counts as none, in points, named beforehand.

    >>> margin_points("mnist")
    0.2
    """
    if data not in MARGIN_POINTS:
        raise ValueError(f"no margin was named for the data set {data!r} before measuring it")
    return MARGIN_POINTS[data]
