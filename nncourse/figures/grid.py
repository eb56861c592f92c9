"""A grid on a histogram that the reader moves: bits, range and scheme against the error they make.

Everything is computed in the page, by ``grid.js``, on the values themselves: the figure works in a
published book without a kernel. :func:`numbers` is the same computation in Python, and a test holds
the two against each other.
"""

from __future__ import annotations

from pathlib import Path

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from nncourse.quantizers.affine import QParams, fake_quantize
from nncourse.quantizers.ranges import grid

MAX_VALUES = 65_536  # more are thinned evenly in sorted order, ends included; the page stays small
SMALLEST = 1e-30  # below this the step of a fine grid would leave float32
FOLDER = Path(__file__).parent


class GridFigure(anywidget.AnyWidget):
    """The live figure.

    values  floating, any shape, finite, not all zero: the weights whose histogram is drawn
    bits    2 .. 8
    reach   share of the full range that the grid covers, 0.05 .. 1
    scheme  "symmetric" or "asymmetric"
    label   what the values are, for the key of the figure and for screen readers
    """

    _esm = FOLDER / "grid.js"
    _css = FOLDER / "grid.css"
    data = traitlets.Bytes().tag(sync=True)  # float32, ascending, little endian
    count = traitlets.Int().tag(sync=True)  # of all values, also where ``data`` was thinned
    bits = traitlets.Int(min=2, max=8).tag(sync=True)
    reach = traitlets.Float(min=0.05, max=1.0).tag(sync=True)
    scheme = traitlets.Enum(["symmetric", "asymmetric"]).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        values: ArrayLike,
        *,
        bits: int = 4,
        reach: float = 1.0,
        scheme: str = "symmetric",
        label: str = "weights",
    ) -> None:
        ordered = np.sort(np.asarray(values, dtype=np.float32), axis=None)
        if ordered.size == 0 or not np.isfinite(ordered[[0, -1]]).all():
            raise ValueError("values are finite and at least one; got none, or NaN or infinity")
        if max(-ordered[0], ordered[-1]) < SMALLEST:
            raise ValueError("values are all zero (or below 1e-30): no grid can be laid on them")
        kept = np.linspace(0, ordered.size - 1, min(ordered.size, MAX_VALUES)).round()
        super().__init__(
            data=ordered[kept.astype(np.int64)].astype("<f4").tobytes(),
            count=ordered.size,
            bits=bits,
            reach=reach,
            scheme=scheme,
            label=label,
        )

    @property
    def values(self) -> NDArray[np.float32]:
        """The values that the page computes with, ascending."""
        return np.frombuffer(self.data, dtype="<f4")

    def numbers(self) -> dict[str, float]:
        """What the figure prints, computed in Python for its present settings."""
        return numbers(
            self.values, count=self.count, bits=self.bits, reach=self.reach, scheme=self.scheme
        )


def numbers(
    x: NDArray[np.float32], *, bits: int, reach: float, scheme: str, count: int | None = None
) -> dict[str, float]:
    """Step, levels in use, share clipped, mean squared error, signal-to-noise ratio and bytes.

    x       float32, one axis
    bits    width of a code
    reach   share of the full range that the grid covers
    scheme  "symmetric" or "asymmetric"
    count   of the values to store, where ``x`` is a thinned picture of them; ``x.size`` otherwise
    returns error and step in the unit of ``x`` (squared for the error), clipped as a fraction, sqnr_db in
            decibels (infinite where the grid meets every value), bytes of the packed codes with a float32
            scale and, asymmetric, a 16-bit zero point

    A value counts as clipped when it lies more than half a step beyond the last mark.

    >>> said = numbers(np.array([-1.0, 0.2, 0.7], np.float32), bits=2, reach=0.5, scheme="symmetric")
    >>> said["step"], said["levels"], round(said["clipped"], 3), said["bytes"]
    (0.5, 3.0, 0.333, 5.0)
    """
    qmin, qmax = (
        (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if scheme == "symmetric" else (0, 2**bits - 1)
    )
    low, high = reach * min(float(x.min()), 0.0), reach * max(float(x.max()), 0.0)
    if scheme == "symmetric":
        high = max(-low, high)
    (scale,), (zero_point,) = grid(np.array([low]), np.array([high]), qmin, qmax)
    qparams = QParams(scale=scale, zero_point=zero_point, qmin=qmin, qmax=qmax)
    nearest = fake_quantize(x, qparams)
    wide = x.astype(np.float64)
    error = float(np.square(wide - nearest).mean())
    lowest, highest = (float((code - zero_point) * float(scale)) for code in (qmin, qmax))
    half = float(scale) / 2
    clipped = float(((wide < lowest - half) | (wide > highest + half)).mean())
    power = float(np.square(wide).mean())
    stored = x.size if count is None else count
    return {
        "step": float(scale),
        "levels": float(np.unique(nearest).size),
        "clipped": clipped,
        "error": error,
        "sqnr_db": 10 * float(np.log10(power / error)) if error else float("inf"),
        "bytes": float(-(-stored * bits // 8) + (4 if scheme == "symmetric" else 6)),
    }
