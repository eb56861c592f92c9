"""A network whose operations read and write 8-bit codes.

Only two places see real numbers: the images on their way in and, for who wants them, the logits on their
way out. Between them lie int8 weights, int32 sums, and one multiplier a channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nncourse.quantizers.affine import Codes, Floats, QParams, dequantize, quantize
from nncourse.quantizers.integer_layers import IntegerLayer

INPUT = "input"  # what the first operation reads
BATCH = 100  # images that run at once: their sums stay in the cache


class Operation(Protocol):
    """One step of an integer network: from the codes it reads to the codes it writes."""

    @property
    def name(self) -> str:
        """Its name in the network."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of what it reads."""

    @property
    def output_grid(self) -> QParams:
        """What its codes mean."""

    def run(self, *codes: Codes, arithmetic: str = "float") -> Codes:
        """Its codes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNetwork:
    """Operations on codes, in the order in which they run; the last one writes the result.

    input_grid  how images become codes
    operations  each reads "input" or operations before it
    """

    input_grid: QParams
    operations: tuple[Operation, ...]

    def __post_init__(self) -> None:
        if not self.operations:
            raise ValueError("operations is empty: a network has at least one")
        known = {INPUT}
        for operation in self.operations:
            missing = [name for name in operation.reads if name not in known]
            if missing or operation.name in known:
                raise ValueError(
                    f"operations read what was written before them and have names of their own; "
                    f"{operation.name!r} reads {operation.reads}, written are {', '.join(sorted(known))}"
                )
            known.add(operation.name)

    @property
    def layers(self) -> tuple[IntegerLayer, ...]:
        """The operations that have weights."""
        return tuple(op for op in self.operations if isinstance(op, IntegerLayer))

    @property
    def output_grid(self) -> QParams:
        """What the codes of the result mean."""
        return self.operations[-1].output_grid

    def run(self, images: Floats, *, arithmetic: str = "float") -> Codes:
        """The codes of the result, (n, classes) for a classifier.

        images      float32, (n, ...) as the float network read them
        arithmetic  of the requantization, "float" or "fixed"

        The result has one scale, so the largest code is the largest logit.
        """
        last = self.operations[-1].name
        starts = range(0, max(len(images), 1), BATCH)
        batches = (images[start : start + BATCH] for start in starts)
        return np.concatenate([self.trace(batch, arithmetic=arithmetic)[last] for batch in batches])

    def logits(self, images: Floats, *, arithmetic: str = "float") -> NDArray[np.float32]:
        """The real numbers behind :meth:`run`."""
        return dequantize(self.run(images, arithmetic=arithmetic), self.output_grid)

    def trace(self, images: Floats, *, arithmetic: str = "float") -> dict[str, Codes]:
        """The codes of the images, under "input", and of every operation, by name."""
        codes = {INPUT: quantize(images, self.input_grid)}
        for operation in self.operations:
            read = (codes[name] for name in operation.reads)
            codes[operation.name] = operation.run(*read, arithmetic=arithmetic)
        return codes
