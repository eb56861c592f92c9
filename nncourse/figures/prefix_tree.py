"""A Huffman tree that the reader grows: six frequencies, one join after another, and the code they give.

Everything is computed in the page, by ``prefix_tree.js``: the figure works in a published book without a
kernel. :func:`numbers` and :func:`code_table` are the same computation in Python, with the codec's own
functions, and a test holds the two against each other.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anywidget
import traitlets

from nncourse.codecs.prefix_code import canonical_codes, huffman_lengths, kraft_sum, mean_length
from nncourse.entropy import entropy_of_counts

SYMBOLS = "abcdef"
MOST = 64  # of a frequency
PRESETS = MappingProxyType(
    {
        "a short text": (11, 7, 5, 4, 3, 2),
        "all alike": (8, 8, 8, 8, 8, 8),
        "halves": (32, 16, 8, 4, 2, 2),
        "Fibonacci": (8, 5, 3, 2, 1, 1),
        "a pruned layer": (60, 3, 2, 2, 1, 1),
    }
)
FOLDER = Path(__file__).parent

Join = tuple[int, int]


class PrefixTreeFigure(anywidget.AnyWidget):
    """The live figure.

    counts  how often each of the six symbols occurs, 1 .. 64 each
    joins   how many joins are drawn, 0 .. 5; None draws all
    """

    _esm = FOLDER / "prefix_tree.js"
    _css = "\n".join(
        (FOLDER / name).read_text("utf-8") for name in ("frame.css", "prefix_tree.css")
    )
    counts = traitlets.List(
        traitlets.Int(min=1, max=MOST), minlen=len(SYMBOLS), maxlen=len(SYMBOLS)
    ).tag(sync=True)
    joins = traitlets.Int(None, allow_none=True, min=0, max=len(SYMBOLS) - 1).tag(sync=True)
    presets = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(
        self, counts: Sequence[int] = PRESETS["a short text"], *, joins: int | None = None
    ) -> None:
        super().__init__(counts=[int(count) for count in counts], joins=joins)
        self.set_trait("presets", {name: list(values) for name, values in PRESETS.items()})

    def numbers(self) -> dict[str, float]:
        """What the figure prints, computed in Python for its present frequencies."""
        return numbers(self.counts)


def numbers(counts: Sequence[int]) -> dict[str, float]:
    """Mean length of a codeword, entropy, what is above it, fixed length, longest codeword and Kraft sum.

    counts  how often each symbol occurs, at least two symbols, each at least 1

    >>> said = numbers([2, 1, 1])
    >>> said["mean"], said["entropy"], said["fixed"], said["kraft"]
    (1.5, 1.5, 2.0, 1.0)
    """
    lengths = huffman_lengths(counts)
    mean, bound = mean_length(lengths, counts), entropy_of_counts(counts)
    return {
        "mean": mean,
        "entropy": bound,
        "above": mean - bound,
        "fixed": float((len(counts) - 1).bit_length()),
        "longest": float(lengths.max()),
        "kraft": kraft_sum(lengths),
    }


def joins_of(counts: Sequence[int]) -> list[Join]:
    """The two nodes of each join, the rarer first; leaves are numbered by symbol, joins on from there.

    Of nodes that are as rare the one that was there first is taken.

    >>> joins_of([5, 1, 1, 2])
    [(1, 2), (3, 4), (5, 0)]
    """
    waiting = [(int(count), node) for node, count in enumerate(counts)]
    heapq.heapify(waiting)
    found: list[Join] = []
    while len(waiting) > 1:
        rarest, second = heapq.heappop(waiting), heapq.heappop(waiting)
        heapq.heappush(waiting, (rarest[0] + second[0], len(counts) + len(found)))
        found.append((rarest[1], second[1]))
    return found


def code_table(counts: Sequence[int]) -> list[dict[str, Any]]:
    """One row a symbol: ``symbol``, ``count``, ``length``, the ``path`` to it in the tree, the ``word``.

    The path has a 0 for each step to the more frequent side; the word is the canonical one of the same length.

    >>> [(row["path"], row["word"]) for row in code_table([5, 1, 1, 2])]
    [('0', '0'), ('101', '110'), ('100', '111'), ('11', '10')]
    """
    joins = joins_of(counts)
    paths = {len(counts) + len(joins) - 1: ""}
    for join in reversed(range(len(joins))):
        rarest, second = joins[join]
        path = paths.pop(len(counts) + join)
        paths |= {second: path + "0", rarest: path + "1"}
    lengths = huffman_lengths(counts)
    words = canonical_codes(lengths)
    return [
        {
            "symbol": SYMBOLS[symbol],
            "count": int(counts[symbol]),
            "length": int(lengths[symbol]),
            "path": paths[symbol],
            "word": f"{words[symbol]:0{lengths[symbol]}b}",
        }
        for symbol in range(len(counts))
    ]
