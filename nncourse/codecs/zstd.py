"""Zstandard, the general-purpose codec that the others are measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import zstandard
from numpy.typing import NDArray

from nncourse.bitstream import CodecError
from nncourse.codecs.codec import Codec
from nncourse.codecs.frame import Buffer, Form


@dataclass(frozen=True, kw_only=True)
class Zstd(Codec):
    """One Zstandard frame over the bytes of the symbols, least significant byte first.

    level  of effort, 1..22; 1 is fast, 3 is Zstandard's own default

    Matches of strings and the entropy code of what remains are both in the payload: the frame does not
    tell its tables apart.

    >>> codec = Zstd(level=1)
    >>> codec.decode(codec.encode(b"nnnnnnnnnnn"))
    b'nnnnnnnnnnn'
    """

    name: ClassVar[str] = "zstd"
    number: ClassVar[int] = 6

    level: int = 3

    def __post_init__(self) -> None:
        if isinstance(self.level, bool) or not 1 <= self.level <= zstandard.MAX_COMPRESSION_LEVEL:
            raise ValueError(
                f"level is from 1 to {zstandard.MAX_COMPRESSION_LEVEL}; got {self.level!r}"
            )

    def write_body(self, symbols: NDArray[Any], form: Form) -> bytes:
        """The body that holds ``symbols``."""
        raw = symbols.astype(symbols.dtype.newbyteorder("<"), copy=False)
        compressor = zstandard.ZstdCompressor(level=self.level, write_content_size=True)
        return compressor.compress(raw.tobytes())

    def read_body(self, body: Buffer, form: Form) -> NDArray[Any]:
        """The symbols of ``body``."""
        num_bytes = form.count * form.dtype.itemsize
        try:
            if zstandard.frame_content_size(body) != num_bytes:
                raise CodecError(f"data: its frame is not one of {num_bytes} bytes; it is damaged")
            raw = zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise CodecError(f"data: {error}; it is truncated, extended or damaged") from None
        little = np.frombuffer(raw, dtype=form.symbol_dtype.newbyteorder("<"))
        # A copy: what comes out of a decoder can be written to.
        return little.astype(form.symbol_dtype)

    def body_sizes(self, body: Buffer, form: Form) -> dict[str, int]:
        """Bits of ``body`` by what they are for."""
        try:
            header_bytes = zstandard.frame_header_size(body)
        except zstandard.ZstdError as error:
            raise CodecError(f"data: {error}; it is truncated, extended or damaged") from None
        return {"header": 8 * header_bytes, "payload": 8 * (len(body) - header_bytes)}
