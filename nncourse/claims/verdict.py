"""A verdict: what the measurement says about one claim, and how far it reaches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any

VERDICTS = ("holds", "holds with conditions", "does not hold here", "undecided")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict on one claim, with all that it rests on.

    claim      id such as ``"Q2"``
    verdict    one of ``VERDICTS``
    measure    what the statistic is, with its unit
    statistic  the number that was compared with the margin; None before any measurement
    margin     the bound named before the measurement; None before any rule
    n          number of paired seeds
    interval   95% interval of the statistic's quantity; None where nothing varies
    networks   that were measured
    data       that they were measured on
    reason     why the verdict is this one, in a sentence or two with its numbers
    software   what the algorithm engineer (SW) reads in the numbers
    hardware   what the chip designer (HW) reads in them

    In a notebook it shows itself as a card; as text it is ``str(verdict)``.
    """

    claim: str
    verdict: str
    measure: str
    statistic: float | None
    margin: float | None
    n: int
    interval: tuple[float, float] | None
    networks: tuple[str, ...]
    data: str
    reason: str
    software: str = ""
    hardware: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict is one of {', '.join(VERDICTS)}; got {self.verdict!r}")
        if self.statistic is not None and math.isnan(self.statistic):
            raise ValueError("statistic is a number or None, got NaN: an arm has no data")

    @property
    def rests_on(self) -> str:
        """Statistic, margin, interval, seeds, networks and data in one line."""
        if self.statistic is None:
            return "nothing recorded yet"
        parts = [f"{self.measure}: {self.statistic:.3g} (margin {self.margin:.3g})"]
        if self.interval is not None:
            parts.append(f"95% interval {self.interval[0]:.3g} to {self.interval[1]:.3g}")
        parts.append(f"n = {self.n} seed{'s' * (self.n != 1)}")
        parts.append(f"{', '.join(self.networks)} on {self.data}")
        return "; ".join(parts)

    def __str__(self) -> str:
        voices = [f"{name}: {text}" for name, text in self._voices()]
        return "\n".join(
            [f"{self.claim}: {self.verdict}", self.reason, *voices, f"({self.rests_on})"]
        )

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        # The colors are those of the surrounding text, so the card is readable in light and dark.
        voices = "".join(
            f"<dt><strong>{name}</strong></dt><dd>{escape(text)}</dd>"
            for name, text in self._voices()
        )
        return (
            f'<section class="verdict" aria-label="Verdict on claim {escape(self.claim)}" '
            'style="border-left: 0.3em solid currentColor; padding: 0.2em 1em; margin: 1em 0">'
            f"<p><strong>{escape(self.claim)}: {escape(self.verdict)}</strong><br>"
            f"{escape(self.reason)}</p>"
            + (f"<dl>{voices}</dl>" if voices else "")
            + f"<p><small>{escape(self.rests_on)}</small></p></section>"
        )

    def _voices(self) -> list[tuple[str, str]]:
        pairs = [("SW", self.software), ("HW", self.hardware)]
        return [(name, text) for name, text in pairs if text]
