"""Floating arrays without loss: the exponents are coded, the digits that look like noise are not.

Trained weights differ in sign and mantissa from one to the next, but their exponents crowd into a few
values. So the bits of each number are turned around by one place, the sign going last, and cut into
bytes: the first holds the exponent alone (float32, bfloat16). Each of the planes of bytes is coded as a
row of symbols where that makes it smaller.

Source: the split of sign, exponent and mantissa follows M. Hershcovitch et al., ZipNN: lossless
compression for AI models, 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError
from nncourse.codecs.adaptive import Adaptive
from nncourse.codecs.codec import PARTS, Codec
from nncourse.codecs.fixed import Fixed
from nncourse.codecs.frame import FLOATS, Buffer, Form, Reader, varint
from nncourse.codecs.huffman import Huffman
from nncourse.codecs.rans import Rans
from nncourse.codecs.zstd import Zstd

INNER: dict[str, type[Codec]] = {
    codec.name: codec for codec in (Huffman, Rans, Adaptive, Zstd, Fixed)
}


@dataclass(frozen=True, kw_only=True)
class Float(Codec):
    """Planes of bytes of float16, float32 and float64, or of the bit patterns of bfloat16.

    inner  codec of a plane: huffman, rans, adaptive, zstd or fixed

    NumPy has no bfloat16; its numbers are given as uint16 bit patterns and come back as such. Bits are
    kept: signed zeros and the payload of a NaN too. Body: for each plane, highest bits first, the number
    of the inner codec (0: bytes as they are), the length (varint) and the plane's body.

    >>> weights = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    >>> codec = Float()
    >>> bool(np.array_equal(codec.decode(codec.encode(weights)), weights))
    True
    >>> len(codec.encode(weights)) < 0.85 * weights.nbytes
    True
    """

    name: ClassVar[str] = "float"
    number: ClassVar[int] = 7

    inner: str = "huffman"

    def __post_init__(self) -> None:
        if self.inner not in INNER:
            raise ValueError(f"inner is one of {', '.join(INNER)}; got {self.inner!r}")

    def write_body(self, symbols: NDArray[Any], form: Form) -> bytes:
        """The body that holds ``symbols``, the bit patterns of the numbers."""
        codec = INNER[self.inner]()
        plane_form = Form(dtype=np.dtype(np.uint8), shape=symbols.shape)
        stretches: list[Buffer] = []
        for plane in _planes(symbols):
            coded = codec.write_body(plane, plane_form)
            is_smaller = len(coded) < plane.size
            stretch = coded if is_smaller else plane.tobytes()
            stretches += [bytes([codec.number if is_smaller else 0]), varint(len(stretch)), stretch]
        return b"".join(stretches)

    def read_body(self, body: Buffer, form: Form) -> NDArray[Any]:
        """The bit patterns of the numbers in ``body``."""
        planes = []
        for codec, stretch, plane_form in _stretches(body, form):
            if codec:
                planes.append(codec.read_body(stretch, plane_form))
            else:
                planes.append(np.frombuffer(stretch, dtype=np.uint8))
        return _joined(planes, form.symbol_dtype)

    def body_sizes(self, body: Buffer, form: Form) -> dict[str, int]:
        """Bits of ``body`` by what they are for."""
        sizes = dict.fromkeys(PARTS, 0)
        for codec, stretch, plane_form in _stretches(body, form):
            parts = (
                codec.body_sizes(stretch, plane_form) if codec else {"payload": 8 * len(stretch)}
            )
            for part, bits in parts.items():
                sizes[part] += bits
        sizes["header"] += 8 * len(body) - sum(sizes.values())
        return sizes

    def _check(self, form: Form) -> None:
        if form.dtype.str not in FLOATS.values() and form.dtype.str not in ("<u2", ">u2"):
            raise ValueError(
                "data is float16, float32 or float64, or bfloat16 as uint16 bit patterns; "
                f"got {form.dtype}. The other codecs take integers; bfloat16 arrays need .view(np.uint16)"
            )


def _planes(symbols: NDArray[Any]) -> list[NDArray[np.uint8]]:
    """Bytes of the bit patterns turned left by one place, highest first."""
    width = 8 * symbols.itemsize
    one, last = symbols.dtype.type(1), symbols.dtype.type(width - 1)
    turned = (symbols << one) | (symbols >> last)
    rows = turned.astype(turned.dtype.newbyteorder(">")).view(np.uint8)
    return [np.ascontiguousarray(plane) for plane in rows.reshape(-1, symbols.itemsize).T]


def _joined(planes: list[NDArray[np.uint8]], dtype: np.dtype[Any]) -> NDArray[Any]:
    rows = np.stack(planes, axis=1)
    turned = rows.reshape(-1).view(dtype.newbyteorder(">")).astype(dtype)
    one, last = dtype.type(1), dtype.type(8 * dtype.itemsize - 1)
    return np.asarray((turned >> one) | (turned << last))


def _stretches(body: Buffer, form: Form) -> list[tuple[Codec | None, Buffer, Form]]:
    """Codec (None for plain bytes) and bytes of each plane."""
    reader = Reader(body)
    plane_form = Form(dtype=np.dtype(np.uint8), shape=(form.count,))
    by_number = {codec.number: codec for codec in INNER.values()}
    stretches: list[tuple[Codec | None, Buffer, Form]] = []
    for _ in range(form.dtype.itemsize):
        number = reader.byte()
        stretch = reader.take(reader.varint())
        if (number == 0 and len(stretch) != form.count) or (number and number not in by_number):
            raise CodecError("data: a plane of its bytes is damaged")
        stretches.append((by_number[number]() if number else None, stretch, plane_form))
    reader.finish()
    return stretches
