"""Widths as a caller says them, in bits or by the name of a format, checked against a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nncourse.accelerator.cells import FIXED
from nncourse.accelerator.energy import DATAPATH_BITS
from nncourse.accelerator.machine import Accelerator
from nncourse.formats import FORMATS, BlockFormat, IntegerFormat

Width = int | str


@dataclass(frozen=True, kw_only=True)
class Operand:
    """How wide a number is.

    stored_bits   where it is kept, its share of a block's scale included
    operand_bits  where it is multiplied
    """

    stored_bits: float
    operand_bits: int


def operand(
    bits: Width | Mapping[str, Width],
    name: str,
    accelerator: Accelerator,
    *,
    argument: str = "bits",
    what: str = "weights",
) -> Operand:
    """The width of the numbers of the layer ``name``, which fit the datapath of ``accelerator``.

    bits            whole bits or a name of ``formats.FORMATS``, one for all or by layer
    argument, what  how an error names them

    Raises ValueError for an unknown format, for a layer that ``bits`` says nothing about, and for
    numbers that are wider than the datapath, or floats where it computes in integers.

    >>> from nncourse.accelerator import EDGE
    >>> operand({"fc": 4}, "fc", EDGE)
    Operand(stored_bits=4.0, operand_bits=4)
    """
    if isinstance(bits, Mapping):
        if name not in bits:
            raise ValueError(
                f"{argument} says nothing about the layer {name!r}; it names {', '.join(bits)}"
            )
        bits = bits[name]
    datapath = accelerator.datapath
    if isinstance(bits, str):
        if bits not in FORMATS:
            raise ValueError(
                f"{argument} is whole bits or one of {', '.join(FORMATS)}; got {bits!r}"
            )
        stored = FORMATS[bits]
        width, is_float = float(stored.bits), not isinstance(stored, IntegerFormat)
        needed = stored.element.bits if isinstance(stored, BlockFormat) else stored.bits
    else:
        if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not 1 <= bits <= 64:
            raise ValueError(f"{argument} of {name!r} is a whole number from 1 to 64; got {bits!r}")
        width, needed, is_float = float(bits), int(bits), False
    if needed > DATAPATH_BITS[datapath] or (is_float and datapath.startswith("int")):
        described = f"{width:g}-bit" if isinstance(bits, int | np.integer) else bits
        if accelerator.cell == FIXED:
            remedy = "use accelerator.with_datapath(...)"
        else:
            remedy = f"a {accelerator.cell.name} cell takes integers of up to 8 bits"
        raise ValueError(
            f"{argument}: the {described} {what} of {name!r} do not fit the datapath {datapath} of "
            f"{accelerator.name!r}; {remedy}"
        )
    return Operand(stored_bits=width, operand_bits=needed)
