"""The look of static figures: one color a method through the whole book, on a white card in both themes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS: Mapping[str, str] = MappingProxyType(
    {
        "fp32": "#4c566a",
        "fp16": "#0072b2",
        "int8": "#d55e00",
        "int4": "#009e73",
        "int2": "#cc79a7",
        "rule": "#8a8f98",
    }
)
"""Colors by method; told apart by readers with any kind of color vision.

Source: Okabe and Ito, Color Universal Design, 2008 (all but the two grays).
"""


def figure(*, columns: int = 1, height_inches: float = 2.9) -> tuple[Figure, list[Axes]]:
    """A figure with ``columns`` axes side by side, in the book's style.

    columns        number of axes, 1 or more
    height_inches  of the whole figure; the width is that of the text

    >>> fig, (left, right) = figure(columns=2)
    >>> len(fig.axes)
    2
    """
    import matplotlib.pyplot as plt

    if columns < 1:
        raise ValueError(f"columns is at least 1; got {columns}")
    width_inches = 5.2 if columns == 1 else 7.6
    fig, axes = plt.subplots(
        1,
        columns,
        figsize=(width_inches, height_inches),
        squeeze=False,
        layout="constrained",
        dpi=110,
    )
    for one in axes[0]:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(color="#e5e7eb", linewidth=0.8)
        one.set_axisbelow(True)
    return fig, list(axes[0])
