"""What an operation costs: picojoules and square micrometers in a 45 nm process, by number format.

Absolute values of respected tables differ several-fold; ratios within one table are what to trust.

Source: M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, figure 1.1.9,
for every price marked "table"; the areas are usually credited to the same talk. Where that table has no
entry a power law through two of its entries fills the gap, marked "law", or runs past their end,
marked "extrapolated".

Two conventions matter when formats are compared. Integers add in a 32-bit accumulator, whatever the width
of the product; floats add at their own width, which flatters the narrow ones: a unit that collects them
in fp32 pays the adder of fp32. And the law of the floats is one in the significand alone: formats that
differ in the exponent only cost the same. Block formats, binary and ternary have no price here: what they
spend on scales and counters, no entry of the table is near.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt
from types import MappingProxyType

from nncourse.formats import FORMATS, FloatFormat

# Horowitz 2014, 45 nm, 0.9 V: picojoules, then square micrometers.
INT8_MULTIPLY_PJ, INT32_MULTIPLY_PJ = 0.2, 3.1
INT8_MULTIPLY_UM2, INT32_MULTIPLY_UM2 = 282.0, 3495.0
INT32_ADD_PJ, INT32_ADD_UM2 = 0.1, 137.0
FP16_MULTIPLY_PJ, FP32_MULTIPLY_PJ = 1.1, 3.7
FP16_MULTIPLY_UM2, FP32_MULTIPLY_UM2 = 1640.0, 7700.0
FP16_ADD_PJ, FP32_ADD_PJ = 0.4, 0.9
FP16_ADD_UM2, FP32_ADD_UM2 = 1360.0, 4184.0
CACHE_8_KB_PJ_PER_64_BITS = (
    10.0  # the table's 32 KB (20 pJ) and 1 MB (100 pJ) lie within 13% of the law
)
DRAM_PJ_PER_32_BITS = 640.0

DRAM_PJ_PER_BYTE = DRAM_PJ_PER_32_BITS / 4


@dataclass(frozen=True, kw_only=True)
class OperationPrice:
    """One multiplication and one addition in a number format, 45 nm.

    mark    "table", "law" or "extrapolated" (see the module)
    """

    format: str
    multiply_pj: float
    add_pj: float
    multiply_um2: float
    add_um2: float
    mark: str
    source: str

    @property
    def mac_pj(self) -> float:
        """Energy of one multiply-accumulate."""
        return self.multiply_pj + self.add_pj

    @property
    def mac_um2(self) -> float:
        """Area of a multiplier and the adder behind it."""
        return self.multiply_um2 + self.add_um2


def price(format: str) -> OperationPrice:
    """The price of ``format``; ValueError with the list of formats for an unknown one.

    >>> price("int8").mac_pj < price("fp32").mac_pj / 10
    True
    """
    if format not in PRICES:
        raise ValueError(f"format is one of {', '.join(PRICES)}; got {format!r}")
    return PRICES[format]


def sram_pj_per_byte(capacity_bytes: float) -> float:
    """Energy of reading or writing one byte of an on-chip memory of ``capacity_bytes``.

    ``10 * sqrt(KB / 8)`` pJ for 64 bits: wires grow with the square root of the area.

    >>> sram_pj_per_byte(8 * 1024)
    1.25
    """
    if not capacity_bytes > 0:
        raise ValueError(f"capacity_bytes is above 0; got {capacity_bytes}")
    return CACHE_8_KB_PJ_PER_64_BITS * sqrt(capacity_bytes / 1024 / 8) / 8


def _law(at: float, first: tuple[float, float], second: tuple[float, float]) -> float:
    """The power law through two (size, price) points."""
    exponent = log(second[1] / first[1]) / log(second[0] / first[0])
    price: float = first[1] * (at / first[0]) ** exponent
    return price


def _integer(bits: int) -> OperationPrice:
    # The adder has the width of the accumulator, 32 bits whatever the width of the products.
    return OperationPrice(
        format=f"int{bits}",
        multiply_pj=_law(bits, (8, INT8_MULTIPLY_PJ), (32, INT32_MULTIPLY_PJ)),
        add_pj=INT32_ADD_PJ,
        multiply_um2=_law(bits, (8, INT8_MULTIPLY_UM2), (32, INT32_MULTIPLY_UM2)),
        add_um2=INT32_ADD_UM2,
        mark="table" if bits in (8, 32) else "law" if bits > 8 else "extrapolated",
        source="Horowitz 2014; multipliers by the power law through 8 and 32 bits, 32-bit accumulator",
    )


def _float(format: str) -> OperationPrice:
    significand_bits = (
        _stored(format).mantissa_bits + 1
    )  # with the hidden bit: 11 in fp16, 24 in fp32
    return OperationPrice(
        format=format,
        multiply_pj=_law(significand_bits, (11, FP16_MULTIPLY_PJ), (24, FP32_MULTIPLY_PJ)),
        add_pj=_law(significand_bits, (11, FP16_ADD_PJ), (24, FP32_ADD_PJ)),
        multiply_um2=_law(significand_bits, (11, FP16_MULTIPLY_UM2), (24, FP32_MULTIPLY_UM2)),
        add_um2=_law(significand_bits, (11, FP16_ADD_UM2), (24, FP32_ADD_UM2)),
        mark="table" if significand_bits in (11, 24) else "extrapolated",
        source="Horowitz 2014; power laws in the significand through fp16 and fp32",
    )


def _stored(format: str) -> FloatFormat:
    found = FORMATS[format]
    assert isinstance(found, FloatFormat)
    return found


PRICES: Mapping[str, OperationPrice] = MappingProxyType(
    {name: _float(name) for name, format in FORMATS.items() if isinstance(format, FloatFormat)}
    | {f"int{bits}": _integer(bits) for bits in (32, *range(16, 1, -1))}
)
"""Prices by format name: floats, then integers, each from wide to narrow."""

DATAPATH_BITS: Mapping[str, int] = MappingProxyType(
    {name: int(name[3:]) if name.startswith("int") else _stored(name).bits for name in PRICES}
)
"""Bits of one value on a datapath of that format."""
