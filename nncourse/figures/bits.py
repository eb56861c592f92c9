"""The bits of one number in a format that the reader chooses: flip a bit, see what it is worth.

Everything is computed in the page, by ``bits.js``, from the widths that :data:`nncourse.formats.FORMATS`
gives: the figure works in a published book without a kernel. :func:`numbers` is the same computation in
Python, and a test holds the two against each other.
"""

from __future__ import annotations

from math import copysign, frexp, inf, isfinite, ldexp, nan
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from nncourse.formats import FORMATS, FloatFormat, IntegerFormat, cast

SHOWN = (
    *("fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2"),
    *("fp6_e2m3", "fp6_e3m2", "fp4_e2m1", "int8", "int4"),
)
FOLDER = Path(__file__).parent


class BitsFigure(anywidget.AnyWidget):
    """The live figure.

    number  finite: what is to be stored, rounded to the nearest value of the format
    format  one of ``SHOWN``; integers count in steps of 1

    ``code`` holds the bits that the reader set by hand, most significant first; None where they are
    those nearest to ``number``.
    """

    _esm = FOLDER / "bits.js"
    _css = FOLDER / "bits.css"
    number = traitlets.Float().tag(sync=True)
    format = traitlets.Enum(list(SHOWN)).tag(sync=True)
    code = traitlets.Int(None, allow_none=True).tag(sync=True)
    formats = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(self, number: float = 0.1, *, format: str = "fp32") -> None:
        if not isfinite(number):
            raise ValueError(f"number is finite; got {number}: flip bits to reach what is not")
        super().__init__(number=float(number), format=format)
        self.set_trait("formats", {name: _widths(name) for name in SHOWN})

    def numbers(self) -> dict[str, float | None]:
        """What the figure prints, computed in Python for its present settings.

        Those of :func:`numbers`, and the error of storing ``number``; None once a bit was set by hand.
        """
        if self.code is not None:
            return numbers(self.code, self.format) | {"error": None}
        said = numbers(encode(self.number, self.format), self.format)
        assert said["value"] is not None
        return said | {"error": said["value"] - self.number}


def encode(number: float, name: str) -> int:
    """The bits of the value nearest to ``number``, as an integer.

    number  finite; ties go to the even neighbor, what lies beyond the largest value becomes it
    name    one of ``SHOWN``

    >>> f"{encode(0.1, 'fp16'):016b}", encode(-1.0, "int8")
    ('0010111001100110', 255)
    """
    if not isfinite(number):
        raise ValueError(f"number is finite; got {number}")
    value = float(cast(np.array([number]), name)[0])
    format = _shown(name)
    if isinstance(format, IntegerFormat):
        return int(value) % (1 << format.bits)
    sign = int(copysign(1.0, value) < 0) << (format.bits - 1)
    exponent = max(frexp(value or format.smallest_normal)[1] - 1, format.smallest_exponent)
    units = int(ldexp(abs(value), format.mantissa_bits - exponent))
    # The hidden 1 of a normal value carries into the exponent field; a subnormal has none to carry.
    return sign + ((exponent - format.smallest_exponent) << format.mantissa_bits) + units


def numbers(code: int, name: str) -> dict[str, float | None]:
    """Value, fields, step and neighbors of the bits ``code``; None where there is no such thing.

    code     0 .. 2^bits - 1
    name     one of ``SHOWN``
    returns  value (possibly NaN or infinite); exponent and significand, with value = (-1)^sign x
             significand x 2^exponent; step to the neighbors that share the exponent; relative_step,
             its share of the value; below and above, the next values in either direction

    >>> said = numbers(0b0_01111_0000000000, "fp16")
    >>> said["value"], said["step"], said["above"], said["below"]
    (1.0, 0.0009765625, 1.0009765625, 0.99951171875)
    """
    format = _shown(name)
    if not 0 <= code < 1 << format.bits:
        raise ValueError(
            f"code is {format.bits} bits for {name}, 0 .. 2^{format.bits} - 1; got {code}"
        )
    if isinstance(format, IntegerFormat):
        return _of_integer(format, code)
    return _of_float(format, code)


def _of_integer(format: IntegerFormat, code: int) -> dict[str, float | None]:
    whole = code - (code >> (format.bits - 1) << format.bits)
    return {
        "value": float(whole),
        "exponent": None,
        "significand": None,
        "step": 1.0,
        "relative_step": 1 / abs(whole) if whole else None,
        "below": whole - 1.0 if whole > -format.max else None,
        "above": whole + 1.0 if whole < format.max else None,
    }


def _of_float(format: FloatFormat, code: int) -> dict[str, float | None]:
    magnitude = code % (1 << (format.bits - 1))
    negative = code != magnitude
    size = _magnitude(format, magnitude)
    said: dict[str, float | None] = {"value": -size if negative else size}
    if not isfinite(size):
        names = ("exponent", "significand", "step", "relative_step", "below", "above")
        return said | dict.fromkeys(names)
    exponent = _exponent(format, magnitude)
    step = ldexp(1.0, exponent - format.mantissa_bits)
    rank = -magnitude if negative else magnitude
    return said | {
        "exponent": float(exponent),
        "significand": size / ldexp(1.0, exponent),
        "step": step,
        "relative_step": step / size if size else None,
        "below": _ranked(format, rank - 1),
        "above": _ranked(format, rank + 1),
    }


def _exponent(format: FloatFormat, magnitude: int) -> int:
    """The exponent of bits without their sign; subnormals share that of the smallest normal."""
    return max((magnitude >> format.mantissa_bits) - 1, 0) + format.smallest_exponent


def _magnitude(format: FloatFormat, magnitude: int) -> float:
    """The value of bits without their sign."""
    field = magnitude >> format.mantissa_bits
    fraction = magnitude % (1 << format.mantissa_bits)
    if format.has_infinity and field == (1 << format.exponent_bits) - 1:
        return nan if fraction else inf
    units = fraction + (bool(field) << format.mantissa_bits)
    value = ldexp(float(units), _exponent(format, magnitude) - format.mantissa_bits)
    return value if value <= format.max else nan


def _ranked(format: FloatFormat, rank: int) -> float | None:
    """The value ``rank`` places above zero; None beyond the end of the format."""
    size = _magnitude(format, abs(rank))
    return None if size != size else copysign(size, rank) if rank else 0.0


def _shown(name: str) -> FloatFormat | IntegerFormat:
    format = FORMATS.get(name)
    if name not in SHOWN or not isinstance(format, FloatFormat | IntegerFormat):
        raise ValueError(f"format is one of {', '.join(SHOWN)}; got {name!r}")
    return format


def _widths(name: str) -> dict[str, Any]:
    """What the page needs to know about a format."""
    format = _shown(name)
    if isinstance(format, IntegerFormat):
        return {"bits": format.bits, "max": format.max}
    return {
        "bits": format.bits,
        "max": format.max,
        "exponent": format.exponent_bits,
        "mantissa": format.mantissa_bits,
        "infinity": format.has_infinity,
        "nan": format.has_nan,
    }
