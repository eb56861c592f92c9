"""The engine EIE: a matrix of few weights times a vector of few inputs, without decompressing either.

Rows are dealt to processing elements in turn, row i to element i modulo their number. Inputs that are not
zero are broadcast one after another; each element looks up its own kept weights of that column. They
are stored with the number of zeros since the last one, in few bits, so a long run takes a stored zero.
A queue before each element lets fast ones run ahead.

Source: Han et al., EIE: Efficient inference engine on compressed deep neural network, ISCA 2016,
arXiv:1602.01528, sections III and IV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nncourse.accelerator.queues import queue_cycles

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]


def stored_entries(mask: Mask, *, elements: int, index_bits: int = 4) -> Counts:
    """Entries that each processing element stores of each column, shape (columns, elements).

    mask        boolean, shape (outputs, inputs) as torch keeps weights, True = kept
    elements    of the engine, at least 1
    index_bits  of the count of zeros before an entry; a run of ``2**index_bits`` zeros within the rows of
                one element takes one more entry, a zero

    Each column starts its count anew, and zeros after its last kept weight cost nothing.

    >>> column = np.zeros((23, 1), dtype=bool)
    >>> column[[2, 3, 22], 0] = True  # the paper's example: 18 zeros between the last two
    >>> stored_entries(column, elements=1)
    array([[4]])
    """
    mask = _checked(mask)
    for name, value in (("elements", elements), ("index_bits", index_bits)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
            raise ValueError(f"{name} is a whole number of at least 1; got {value!r}")
    columns = np.arange(mask.shape[1])
    return _stored_entries(mask, columns, int(elements), 2 ** int(index_bits))


def stored_entries_textbook(mask: Mask, *, elements: int, index_bits: int = 4) -> Counts:
    """:func:`stored_entries` weight by weight in plain Python; what the tests trust."""
    outputs, inputs = mask.shape
    entries = np.zeros((inputs, elements), dtype=np.int64)
    for column in range(inputs):
        for element in range(elements):
            zeros = 0
            for kept in mask[element:outputs:elements, column]:
                if kept:
                    entries[column, element] += 1 + zeros // 2**index_bits
                    zeros = 0
                else:
                    zeros += 1
    return entries


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A number of processing elements with a queue each; the paper's by default.

    index_bits  of the count of zeros before an entry
    clock_hz    one entry a cycle and element
    """

    elements: int = 64
    queue_depth: int = 8
    index_bits: int = 4
    clock_hz: float = 800e6

    def __post_init__(self) -> None:
        for name in ("elements", "queue_depth", "index_bits"):
            value = getattr(self, name)
            if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
                raise ValueError(f"{name} is a whole number of at least 1; got {value!r}")
        if not self.clock_hz > 0:
            raise ValueError(f"clock_hz is above 0; got {self.clock_hz}")

    def cycles(self, mask: Mask, *, active: Mask | None = None) -> int:
        """Cycles for one vector.

        mask    boolean, shape (outputs, inputs), True = kept
        active  boolean, shape (inputs,), True where the input is not zero; all of them when None

        An element takes a cycle to see that a column holds nothing for it; the place in its queue is
        free when it has finished the column.
        """
        return queue_cycles(self._broadcast(mask, active), depth=self.queue_depth, least=1)

    def load_balance(self, mask: Mask, *, active: Mask | None = None) -> float:
        """Share of all elements' cycles in which an entry is worked on.

        mask, active  as for :meth:`cycles`
        """
        entries = self._broadcast(mask, active)
        cycles = queue_cycles(entries, depth=self.queue_depth, least=1)
        return float(entries.sum() / (self.elements * cycles)) if cycles else 1.0

    def real_work(self, mask: Mask) -> float:
        """Share of the stored entries that are kept weights, the others being stored zeros."""
        entries = stored_entries(mask, elements=self.elements, index_bits=self.index_bits)
        return float(np.count_nonzero(mask) / max(1, entries.sum()))

    def theoretical_cycles(
        self, *, inputs: int, outputs: int, weight_density: float, activation_density: float
    ) -> float:
        """Expected entries of one element, which is the time if all had equally many.

        weight_density, activation_density  shares that are not zero, each value by chance

        With R rows an element and density d, a column holds ``d R`` kept weights, and a stored zero ends
        a run of ``2**b j`` zeros with chance ``d (1 - d)**(2**b j)`` in ``R - 2**b j`` places.
        """
        for name, value in (
            ("weight_density", weight_density),
            ("activation_density", activation_density),
        ):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is a fraction in [0, 1]; got {value}")
        rows = outputs / self.elements
        reach = 2**self.index_bits
        runs = reach * np.arange(1, int(rows // reach) + 1)
        stored_zeros = float(np.sum((1.0 - weight_density) ** runs * (rows - runs)))
        return inputs * activation_density * weight_density * (rows + stored_zeros)

    def _broadcast(self, mask: Mask, active: Mask | None) -> Counts:
        """Entries of the columns that are handed out, in order; the others are not looked at."""
        mask = _checked(mask)
        active = np.ones(mask.shape[1], dtype=bool) if active is None else np.asarray(active)
        if active.dtype != bool or active.shape != mask.shape[1:]:
            raise ValueError(
                f"active is boolean of shape {mask.shape[1:]}, one for each input; "
                f"got {active.dtype} {active.shape}"
            )
        reach = 2 ** int(self.index_bits)
        return _stored_entries(mask, np.flatnonzero(active), int(self.elements), reach)


def _checked(mask: Mask) -> Mask:
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype != bool:
        raise ValueError(
            f"mask is boolean of shape (outputs, inputs); got {mask.dtype} {mask.shape}"
        )
    return np.ascontiguousarray(mask)


@njit(cache=True)
def _stored_entries(mask: Mask, columns: Counts, elements: int, reach: int) -> Counts:
    outputs, num = mask.shape[0], len(columns)
    entries = np.zeros((elements, num), dtype=np.int64)
    last = np.empty(num, dtype=np.int64)  # the last kept row of this element, by column
    for element in range(elements):
        last[:] = -1
        for number, output in enumerate(range(element, outputs, elements)):
            for place in range(num):
                if mask[output, columns[place]]:
                    entries[element, place] += 1 + (number - last[place] - 1) // reach
                    last[place] = number
    return entries.T.copy()
