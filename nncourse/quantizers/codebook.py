"""Codebooks: a handful of levels placed where the data are, and a short code for each value.

A uniform grid spaces its levels evenly; a codebook may put them anywhere. What it gains in error it
pays for with a table that every multiplier has to look up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.quantizers.kmeans import kmeans_levels

Floats = NDArray[np.floating[Any]]
Codes = NDArray[np.integer[Any]]

METHODS = ("kmeans", "quantile", "log2", "nf4")
NF4 = np.array(
    [
        *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
        *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
        *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
        *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
    ]
)
"""Levels of NormalFloat-4 for values in [-1, 1]. Source: Dettmers et al., QLoRA, arXiv:2305.14314, appendix E."""


@dataclass(frozen=True, eq=False)
class Codebook:
    """Levels in ascending order and the way to and from them.

    levels  float32 or float64, shape (k,), k >= 1, strictly ascending and finite

    >>> book = Codebook(np.array([-1.0, 0.0, 2.0]))
    >>> book.assign(np.array([-0.5, 1.1, 9.0]))  # -0.5 is a tie: the lower level wins
    array([0, 2, 2], dtype=uint8)
    >>> book.lookup(np.array([0, 2, 2]))
    array([-1.,  2.,  2.])
    """

    levels: Floats

    def __post_init__(self) -> None:
        levels = np.asarray(self.levels)
        if levels.ndim != 1 or levels.size == 0 or not np.isfinite(levels).all():
            raise ValueError(f"levels are one axis of finite values; got shape {levels.shape}")
        if (np.diff(levels) <= 0).any():
            raise ValueError(
                "levels ascend strictly; sort them and drop repetitions with numpy.unique"
            )

    @cached_property
    def boundaries(self) -> Floats:
        """Midpoints between neighboring levels, float64, shape (k - 1,)."""
        wide = self.levels.astype(np.float64)
        return wide[:-1] + (wide[1:] - wide[:-1]) / 2

    def assign(self, x: Floats) -> Codes:
        """Index of the nearest level of each value, ties to the lower level.

        x        floating, any shape, finite
        returns  uint8, or uint16 for more than 256 levels; the shape of ``x``
        """
        x = _finite(x)
        small = np.uint8 if self.levels.size <= 256 else np.uint16
        return np.searchsorted(self.boundaries, x, side="left").astype(small)

    def lookup(self, codes: Codes) -> Floats:
        """The level behind each code; codes outside 0 .. k-1 raise ValueError."""
        codes = np.asarray(codes)
        if not np.issubdtype(codes.dtype, np.integer):
            raise ValueError(f"codes are integers; got {codes.dtype}")
        if codes.size and not 0 <= codes.min() <= codes.max() < self.levels.size:
            raise ValueError(
                f"codes lie in 0 .. {self.levels.size - 1}; got {codes.min()} .. {codes.max()}"
            )
        return self.levels[codes]


def fit_codebook(x: Floats, num_levels: int, *, method: str = "kmeans") -> Codebook:
    """The codebook of at most ``num_levels`` levels that ``method`` chooses for ``x``.

    x           floating, any shape, finite, not empty; float16 is fitted as float32
    num_levels  1 .. 65536; with fewer distinct values (or coinciding levels) there are fewer levels
    method      "kmeans"    least mean squared error, see :func:`nncourse.quantizers.kmeans.kmeans_levels`
                "quantile"  the medians of ``num_levels`` equally filled intervals
                "log2"      0 and both signs of consecutive powers of two, the largest being the power
                            nearest to max|x|; an even ``num_levels`` leaves one code unused
                "nf4"       the 16 levels of NormalFloat-4, scaled by max|x|

    >>> fit_codebook(np.array([0.0, 0.1, 4.0, 4.2]), 2).levels
    array([0.05, 4.1 ])

    Source: Lloyd, Least squares quantization in PCM, 1982; Zhou et al., INQ, arXiv:1702.03044, equation 2
    (the largest power of two).
    """
    x = _finite(x)
    if x.size == 0:
        raise ValueError("x is empty; a codebook needs at least one value")
    if (
        isinstance(num_levels, bool)
        or not isinstance(num_levels, int | np.integer)
        or not 1 <= num_levels <= 65536
    ):
        raise ValueError(f"num_levels is a whole number from 1 to 65536; got {num_levels!r}")
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}; got {method!r}")
    if method == "nf4" and num_levels != NF4.size:
        raise ValueError(
            f'method "nf4" has 16 levels; got num_levels={num_levels}: pass 16 or another method'
        )
    if method == "log2" and num_levels < 3:
        raise ValueError(
            f'method "log2" needs 3 levels or more (zero and two signs); got {num_levels}'
        )
    dtype = np.float64 if x.dtype == np.float64 else np.float32
    values: Floats = x.astype(dtype, copy=False)
    if method == "kmeans":
        levels: Floats = kmeans_levels(values, int(num_levels))
    elif method == "quantile":
        middles = (np.arange(num_levels) + 0.5) / num_levels
        levels = np.quantile(values.astype(np.float64), middles, method="linear")
    elif method == "log2":
        levels = _powers_of_two(_largest(values), (num_levels - 1) // 2)
    else:
        levels = NF4 * _largest(values)
    return Codebook(np.unique(levels.astype(dtype)))


def _finite(x: Floats) -> Floats:
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"x is floating; got {x.dtype}: convert it with astype(numpy.float32)")
    if not np.isfinite(x).all():
        raise ValueError("x holds NaN or infinity, which is near no level; find where it came from")
    return x


def _largest(values: Floats) -> float:
    return max(-float(values.min()), float(values.max()))


def _powers_of_two(largest: float, num_exponents: int) -> Floats:
    if largest == 0:
        return np.zeros(1)
    top = np.floor(np.log2(4 * largest / 3))
    powers = np.ldexp(1.0, (top - np.arange(num_exponents)).astype(int))
    return np.concatenate([-powers, [0.0], powers])
