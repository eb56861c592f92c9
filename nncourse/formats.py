"""Number formats with exact rounding: what value a float becomes when it is stored in one of them.

Three families stand behind one call, :func:`cast`: floats given by their exponent and mantissa widths,
integers (with binary and ternary), and block formats, where a few values share one scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

IEEE = "IEEE 754-2019, table 3.5"
BFLOAT = "Kalamkar et al., A Study of BFLOAT16 for Deep Learning Training, arXiv:1905.12322"
FP8 = "Micikevicius et al., FP8 Formats for Deep Learning, arXiv:2209.05433, table 1"
MX = "OCP Microscaling Formats (MX) Specification 1.0, sections 5 and 6"
NVFP4_SOURCE = "NVIDIA et al., Pretraining Large Language Models with NVFP4, arXiv:2509.25149"
SIGN = "Rastegari et al., XNOR-Net, arXiv:1603.05279: the sign of each weight"
THREE_VALUES = "Li et al., Ternary Weight Networks, arXiv:1605.04711: -1, 0, 1, stored in 2 bits"
INTEGER = "two's complement without its lowest code, so that the grid is symmetric around 0"


@dataclass(frozen=True, kw_only=True)
class FloatFormat:
    """A binary float: sign, ``exponent_bits``, ``mantissa_bits``, with subnormals.

    max           largest finite value; also says how much of the top exponent is in use
    has_infinity  whether overflow can be written as infinity (else as NaN, where has_nan)
    has_nan       whether the format can hold NaN
    """

    name: str
    exponent_bits: int
    mantissa_bits: int
    max: float
    has_infinity: bool
    has_nan: bool
    source: str

    @property
    def bits(self) -> int:
        """Stored bits of one value."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def smallest_exponent(self) -> int:
        """Exponent of the smallest normal value; subnormals share its spacing."""
        return 2 - (1 << (self.exponent_bits - 1))

    @property
    def smallest_normal(self) -> float:
        return float(np.ldexp(1.0, self.smallest_exponent))

    @cached_property
    def values(self) -> Floats | None:
        """All finite values in ascending order, 0 once; None above 16 bits."""
        if self.bits > 16:
            return None
        fractions = np.arange(2**self.mantissa_bits)
        exponents = np.arange(self.smallest_exponent, 2 ** (self.exponent_bits - 1) + 1)
        subnormal = np.ldexp(fractions.astype(float), self.smallest_exponent - self.mantissa_bits)
        normal = np.ldexp(
            (fractions + 2**self.mantissa_bits).astype(float),
            exponents[:, None] - self.mantissa_bits,
        )
        positive = np.unique(np.concatenate([subnormal, normal.ravel()]))
        positive = positive[positive <= self.max]
        return np.concatenate([-positive[:0:-1], positive])

    def nearest(self, x: Floats, rounding: Rounding, overflow: str) -> Floats:
        """``x`` (float64) on this format's values; exact, since only powers of two are multiplied."""
        if np.isnan(x).any() and not self.has_nan:
            raise ValueError(f"x holds NaN, which {self.name} cannot represent; replace it first")
        _, exponent = np.frexp(x)
        spacing = np.maximum(exponent - 1, self.smallest_exponent) - self.mantissa_bits
        rounded = np.ldexp(rounding(np.ldexp(x, -spacing)), spacing)
        too_large = np.abs(rounded) > self.max
        if overflow == "saturate" or not (self.has_infinity or self.has_nan):
            limit = self.max
        else:
            limit = np.inf if self.has_infinity else np.nan
        return np.where(too_large, np.copysign(limit, x), rounded)


@dataclass(frozen=True, kw_only=True)
class IntegerFormat:
    """Whole numbers from ``-max`` to ``max``; the caller divides by a scale beforehand."""

    name: str
    bits: int
    max: int
    source: str
    has_zero: bool = True

    @property
    def smallest_normal(self) -> float:
        """The smallest positive value; integers have no subnormals."""
        return 1.0

    @cached_property
    def values(self) -> Floats:
        """All values in ascending order."""
        grid = np.arange(-self.max, self.max + 1, dtype=np.float64)
        return grid if self.has_zero else grid[grid != 0]

    def nearest(self, x: Floats, rounding: Rounding, overflow: str) -> Floats:
        """``x`` rounded and clipped; integers have nothing but saturation for an overflow."""
        if np.isnan(x).any():
            raise ValueError(f"x holds NaN, which {self.name} cannot represent; replace it first")
        if not self.has_zero:
            return np.where(x < 0, -1.0, 1.0)
        return np.clip(rounding(np.clip(x, -self.max - 1, self.max + 1)), -self.max, self.max)


@dataclass(frozen=True, kw_only=True)
class BlockFormat:
    """Consecutive values of the last axis in blocks that share a scale.

    element       format of the scaled values
    scale         format of the shared scale; None is a power of two in 8 bits (E8M0)
    tensor_scale  whether one more float32 scale serves the whole tensor

    The last block of a row may be shorter; it is treated as if zeros filled it.
    """

    name: str
    element: FloatFormat
    block: int
    scale: FloatFormat | None
    tensor_scale: bool
    source: str

    @property
    def bits(self) -> float:
        """Stored bits of one value, its share of the block's 8-bit scale included."""
        return self.element.bits + 8 / self.block

    @property
    def max(self) -> float:
        largest_scale = 2.0**127 if self.scale is None else self.scale.max
        return self.element.max * largest_scale

    @property
    def smallest_normal(self) -> float:
        smallest_scale = 2.0**-127 if self.scale is None else self.scale.smallest_normal
        return self.element.smallest_normal * smallest_scale

    @property
    def values(self) -> Floats | None:
        """The element's values, before scaling."""
        return self.element.values

    def nearest(self, x: Floats, rounding: Rounding, overflow: str) -> Floats:
        """``x`` with each block on its own scaled grid; elements beyond the grid saturate."""
        if not np.isfinite(x).all():
            raise ValueError(
                f"x holds NaN or infinity, which would spoil whole blocks of {self.name}"
            )
        if x.size == 0:
            return x.copy()
        length = x.shape[-1]
        padding = [(0, 0)] * (x.ndim - 1) + [(0, -length % self.block)]
        blocks = np.pad(x, padding).reshape(*x.shape[:-1], -1, self.block)
        scale = self._scale(np.abs(blocks).max(axis=-1, keepdims=True))
        safe = np.where(scale == 0, 1.0, scale)
        rounded = self.element.nearest(blocks / safe, rounding, "saturate") * scale
        return rounded.reshape(*x.shape[:-1], -1)[..., :length]

    def _scale(self, largest: Floats) -> Floats:
        """One scale a block, from the largest magnitude in it."""
        if self.scale is None:
            _, exponent = np.frexp(largest)
            _, element_exponent = np.frexp(self.element.max)
            powers: Floats = np.ldexp(1.0, np.clip(exponent - int(element_exponent), -127, 127))
            return powers
        whole = np.float64(np.float32(largest.max() / (self.element.max * self.scale.max)))
        if whole == 0:
            return np.zeros_like(largest)
        wanted = largest / self.element.max / whole
        return self.scale.nearest(wanted, np.rint, "saturate") * whole


Format = FloatFormat | IntegerFormat | BlockFormat
Rounding = Callable[[Floats], Floats]


def cast(
    x: Floats,
    name: str,
    *,
    rounding: str = "half_even",
    overflow: str = "saturate",
    rng: np.random.Generator | None = None,
) -> Floats:
    """The values that ``x`` becomes when stored in the format ``name``, in the float type of ``x``.

    x         floating array of any shape; never modified
    name      a key of :data:`FORMATS`
    rounding  "half_even" (ties to the even neighbor), "half_away", "toward_zero" or "stochastic"
              (up with the probability of the remainder; needs ``rng``)
    overflow  "saturate": the largest finite value; "nonfinite": infinity, or NaN in a format that has
              no infinity. Formats with neither (integers, FP6, FP4, blocks) always saturate.

    Rounding comes first, overflow second: 464 is halfway between 448 and the absent 480 of
    ``fp8_e4m3`` and rounds to 448; anything above overflows. ``intN`` takes its scale as 1;
    ``binary`` is the sign, with sign(0) = +1.

    >>> cast(np.array([0.3, 5.1, 100.0]), "fp4_e2m1")
    array([0.5, 6. , 6. ])
    >>> cast(np.array([464.0, 465.0]), "fp8_e4m3", overflow="nonfinite")
    array([448.,  nan])

    Raises ValueError for an unknown name or mode, for NaN in a format without it, and where the float
    type of ``x`` is too narrow to hold a result.
    """
    if name not in FORMATS:
        raise ValueError(f"name is one of {', '.join(FORMATS)}; got {name!r}")
    if overflow not in ("saturate", "nonfinite"):
        raise ValueError(f'overflow is "saturate" or "nonfinite"; got {overflow!r}')
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating) or x.dtype.itemsize > 8:
        raise ValueError(f"x is float16, float32 or float64; got {x.dtype}: convert it with astype")
    with np.errstate(over="ignore", under="ignore"):  # what overflows is past the largest value
        exact = FORMATS[name].nearest(x.astype(np.float64), _rounding(rounding, rng), overflow)
        result = exact.astype(x.dtype)
    product_of_scales = (
        name == "nvfp4"
    )  # wider than a float32 by design: rounded to x's type once more
    if not product_of_scales and not np.array_equal(result, exact, equal_nan=True):
        raise ValueError(
            f"x is {x.dtype}, too narrow to hold its values in {name} exactly; pass float32 or float64"
        )
    return result


def _rounding(name: str, rng: np.random.Generator | None) -> Rounding:
    if name == "half_even":
        return np.rint
    if name == "half_away":
        return lambda x: np.copysign(np.floor(np.abs(x)) + (np.abs(x) % 1 >= 0.5), x)
    if name == "toward_zero":
        return np.trunc
    if name == "stochastic":
        if rng is None:
            raise ValueError(
                'rounding="stochastic" needs rng, for example numpy.random.default_rng(0)'
            )
        return lambda x: np.floor(x) + (rng.random(x.shape) < x - np.floor(x))
    raise ValueError(f"rounding is half_even, half_away, toward_zero or stochastic; got {name!r}")


_FLOAT_ROWS = (  # name, exponent bits, mantissa bits, largest, what lies beyond it, source
    ("fp64", 11, 52, float(np.finfo(np.float64).max), "inf nan", IEEE),
    ("fp32", 8, 23, float(np.finfo(np.float32).max), "inf nan", IEEE),
    ("fp16", 5, 10, 65504.0, "inf nan", IEEE),
    ("bf16", 8, 7, float(np.ldexp(2 - 2.0**-7, 127)), "inf nan", BFLOAT),
    ("fp8_e4m3", 4, 3, 448.0, "nan", FP8),
    ("fp8_e5m2", 5, 2, 57344.0, "inf nan", FP8),
    ("fp6_e2m3", 2, 3, 7.5, "", MX),
    ("fp6_e3m2", 3, 2, 28.0, "", MX),
    ("fp4_e2m1", 2, 1, 6.0, "", MX),
)
_BLOCK_ROWS = (  # name, element, block, scale, source
    ("mxfp8", "fp8_e4m3", 32, None, MX),
    ("mxfp4", "fp4_e2m1", 32, None, MX),
    ("nvfp4", "fp4_e2m1", 16, "fp8_e4m3", NVFP4_SOURCE),
)


def _formats() -> dict[str, Format]:
    floats = {
        name: FloatFormat(
            name=name,
            exponent_bits=exponent_bits,
            mantissa_bits=mantissa_bits,
            max=largest,
            has_infinity="inf" in beyond,
            has_nan="nan" in beyond,
            source=source,
        )
        for name, exponent_bits, mantissa_bits, largest, beyond, source in _FLOAT_ROWS
    }
    integers = {
        f"int{bits}": IntegerFormat(
            name=f"int{bits}", bits=bits, max=2 ** (bits - 1) - 1, source=INTEGER
        )
        for bits in range(2, 17)
    }
    binary = IntegerFormat(name="binary", bits=1, max=1, has_zero=False, source=SIGN)
    ternary = IntegerFormat(name="ternary", bits=2, max=1, source=THREE_VALUES)
    blocks = {
        name: BlockFormat(
            name=name,
            element=floats[element],
            block=block,
            scale=floats[scale] if scale else None,
            tensor_scale=scale is not None,
            source=source,
        )
        for name, element, block, scale, source in _BLOCK_ROWS
    }
    return {**floats, **integers, "binary": binary, "ternary": ternary, **blocks}


FORMATS: Mapping[str, Format] = MappingProxyType(_formats())
"""Every format of the course by name."""
