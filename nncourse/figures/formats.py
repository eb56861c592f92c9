"""Density against the size of what is stored: dense, bitmask, compressed rows, run length, and the bound.

Everything is computed in the page, by ``formats.js``: the figure works in a published book without a
kernel. :func:`numbers` is the same computation in Python, and a test holds the two against each other and
against streams of the codecs.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import anywidget
import traitlets

from nncourse.entropy import binary_entropy

CHOICES = MappingProxyType(
    {
        "density": (
            *(0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25),
            *(0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
        ),
        "value_bits": (2, 4, 8, 16, 32),
        "index_bits": (8, 16, 32),
        "gap_bits": (1, 2, 3, 4, 5, 6, 7, 8),
        "columns": (64, 256, 1024, 4096, 16384),
    }
)
SPARSE = ("bitmask", "csr", "runlength")
POINTER_BITS = 32
FOLDER = Path(__file__).parent


class FormatsFigure(anywidget.AnyWidget):
    """The live figure; every setting is one of ``CHOICES``.

    density     share of the weights that are kept, each by chance
    value_bits  of a weight, kept or in the dense form
    index_bits  of a column index of compressed rows
    gap_bits    of the zeros before an entry, in run length
    columns     of the matrix
    """

    _esm = FOLDER / "formats.js"
    _css = "\n".join((FOLDER / name).read_text("utf-8") for name in ("frame.css", "formats.css"))
    density = traitlets.Enum(list(CHOICES["density"])).tag(sync=True)
    value_bits = traitlets.Enum(list(CHOICES["value_bits"])).tag(sync=True)
    index_bits = traitlets.Enum(list(CHOICES["index_bits"])).tag(sync=True)
    gap_bits = traitlets.Enum(list(CHOICES["gap_bits"])).tag(sync=True)
    columns = traitlets.Enum(list(CHOICES["columns"])).tag(sync=True)
    choices = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(
        self,
        *,
        density: float = 0.1,
        value_bits: int = 4,
        index_bits: int = 16,
        gap_bits: int = 4,
        columns: int = 1024,
    ) -> None:
        super().__init__(
            density=density,
            value_bits=value_bits,
            index_bits=index_bits,
            gap_bits=gap_bits,
            columns=columns,
        )
        self.set_trait("choices", {name: list(values) for name, values in CHOICES.items()})

    @property
    def settings(self) -> dict[str, Any]:
        """Those of :func:`numbers`."""
        return {name: getattr(self, name) for name in CHOICES}

    def numbers(self) -> dict[str, float]:
        """What the figure prints, computed in Python for its present settings."""
        return numbers(**self.settings)


def numbers(
    *, density: float, value_bits: int, index_bits: int, gap_bits: int, columns: int
) -> dict[str, float]:
    """Bits a weight of each form, and the density below which each sparse form is smaller than dense.

    density, value_bits, index_bits, gap_bits, columns  as in :class:`FormatsFigure`
    returns  dense, bitmask, csr, runlength, least; pays_bitmask, pays_csr, pays_runlength

    The matrix has many rows and its zeros fall by chance. Where a column index is too narrow for the
    columns, compressed rows are cut into stripes, each with row pointers of its own. A density of 0 says
    that a form is smaller nowhere.

    >>> said = numbers(density=0.1, value_bits=4, index_bits=16, gap_bits=4, columns=1024)
    >>> round(said["csr"], 3), round(said["runlength"], 3), round(said["pays_csr"], 3)
    (2.031, 0.982, 0.198)
    """
    widths = {"value_bits": value_bits, "index_bits": index_bits}
    widths |= {"gap_bits": gap_bits, "columns": columns}
    sizes = {form: bits_of(form, density=density, **widths) for form in ("dense", *SPARSE, "least")}
    return sizes | {f"pays_{form}": pays_below(form, **widths) for form in SPARSE}


def bits_of(
    form: str, *, density: float, value_bits: int, index_bits: int, gap_bits: int, columns: int
) -> float:
    """Bits a weight of one form.

    form  "dense"; "bitmask", a bit for each weight; "csr", an index for each kept weight and a pointer for
          each row; "runlength", a gap for each kept weight and for each filler; "least", the entropy of
          the positions with the kept values as they are
    """
    if form == "dense":
        return float(value_bits)
    if form == "bitmask":
        return 1 + density * value_bits
    if form == "csr":
        stripes = -(-columns // (1 << index_bits))
        return density * (value_bits + index_bits) + POINTER_BITS * stripes / columns
    if form == "runlength":
        return (value_bits + gap_bits) * entries(density, gap_bits)
    if form == "least":
        return binary_entropy(density) + density * value_bits
    raise ValueError(f"form is dense, {', '.join(SPARSE)} or least; got {form!r}")


def entries(density: float, gap_bits: int) -> float:
    """Entries that run length stores for each weight of a long row, fillers among them.

    A filler is needed where ``2**gap_bits`` zeros follow each other: with zeros by chance,
    ``1 / (1 - (1 - d)**2**gap_bits)`` entries for each kept weight.
    """
    if not 0 < density <= 1:
        raise ValueError(f"density is above 0 and at most 1; got {density}")
    reach = 1 << gap_bits
    return density / (1.0 - (1.0 - density) ** reach)


def pays_below(
    form: str, *, value_bits: int, index_bits: int, gap_bits: int, columns: int
) -> float:
    """The density below which a sparse form takes fewer bits than the dense one; 0 if it never does.

    Every form grows with the density, so that there is one such density.
    """

    def saves(density: float) -> bool:
        size = bits_of(
            form,
            density=density,
            value_bits=value_bits,
            index_bits=index_bits,
            gap_bits=gap_bits,
            columns=columns,
        )
        return size < value_bits

    low, high = 0.0, 1.0  # at a density of 1, no sparse form saves
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if saves(middle) else (low, middle)
    return low if low > 1e-9 else 0.0
