"""Entropy: the bits that no lossless code of single symbols gets below, however clever.

The figures are of order zero: they count how often each symbol occurs and forget where. A code that
looks at neighbors (:mod:`nncourse.codecs.adaptive`) may get below them on data whose symbols depend on
each other.

Source: C. E. Shannon, A mathematical theory of communication, 1948, section 6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def counts_of(symbols: ArrayLike) -> NDArray[np.int64]:
    """How often each distinct symbol occurs, smallest symbol first.

    symbols  integers, or bit patterns of floats (two NaNs of different bits are two symbols); any shape

    >>> counts_of([7, 7, 3])
    array([1, 2])
    """
    flat: NDArray[Any] = np.asarray(symbols).ravel()
    if np.issubdtype(flat.dtype, np.floating):
        flat = flat.view(np.dtype(f"u{flat.dtype.itemsize}"))
    return np.unique(flat, return_counts=True)[1].astype(np.int64)


def entropy_of_counts(counts: ArrayLike) -> float:
    """Bits a symbol, when symbol i occurs ``counts[i]`` times.

    counts  at least 0, any shape; 0 for no symbols at all

    >>> entropy_of_counts([2, 1, 1])
    1.5
    """
    counts = np.asarray(counts, dtype=np.float64).ravel()
    if counts.size and counts.min() < 0:
        raise ValueError(f"counts are at least 0; got {counts.min():g}")
    used = counts[counts > 0]
    if used.size < 2:
        return 0.0
    shares = used / used.sum()
    return float(-(shares * np.log2(shares)).sum())


def entropy(symbols: ArrayLike) -> float:
    """Bits a symbol of ``symbols``: integers or floats, any shape.

    >>> entropy([0, 0, 1, 2])
    1.5
    """
    return entropy_of_counts(counts_of(symbols))


def binary_entropy(probability: float) -> float:
    """Bits that one yes or no takes whose yes has ``probability``.

    >>> binary_entropy(0.5)
    1.0
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"probability is in [0, 1]; got {probability}")
    return entropy_of_counts([probability, 1 - probability])
