"""A number asked for in words: what a stream takes together with the notes that open it."""

from __future__ import annotations

import math

import numpy as np

from nncourse.classroom.question import Numbers, Question

NOTE_BITS = 32


def drawn(rng: np.random.Generator) -> Numbers:
    """Symbols, average bits of one, and the distance between two notes."""
    return {
        "symbols": 1000.0 * int(rng.integers(150, 900)),
        "average": int(rng.integers(110, 290)) / 100,
        "every": float(rng.integers(40, 120)),
    }


def noted_bytes(symbols: float, average: float, every: float) -> float:
    """Bytes of the stream and of a note at every ``every``-th symbol, the first one too.

    >>> noted_bytes(1000, 2.0, 100)
    290.0
    """
    return symbols * average / 8 + math.ceil(symbols / every) * NOTE_BITS / 8


stream_with_notes = Question(
    name="stream_with_notes",
    points=1,
    text=(
        "A layer has {symbols:,.0f} symbols, which take {average:.2f} bits each on average. A note "
        "of 32 bits stands at every {every:.0f}th symbol, the first one included. How many bytes "
        "are the stream and its notes together?"
    ),
    draw=drawn,
    answer=noted_bytes,
    unit="bytes",
    units={"byte": 1.0, "B": 1.0, "kB": 1e3, "KiB": 1024.0, "bits": 0.125, "bit": 0.125},
    rtol=0.005,
)
