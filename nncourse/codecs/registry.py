"""Codecs by their names."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from nncourse.bitstream import CodecError
from nncourse.codecs.adaptive import Adaptive
from nncourse.codecs.codec import Codec
from nncourse.codecs.fixed import Fixed
from nncourse.codecs.floats import Float
from nncourse.codecs.frame import open_frame
from nncourse.codecs.huffman import Huffman
from nncourse.codecs.rans import Rans
from nncourse.codecs.runlength import RunLength
from nncourse.codecs.zstd import Zstd

CODECS: dict[str, type[Codec]] = {
    codec.name: codec for codec in (Fixed, Huffman, Rans, Adaptive, RunLength, Zstd, Float)
}


def get_codec(name: str, **params: Any) -> Codec:
    """The codec called ``name``.

    name    fixed, huffman, rans, adaptive, runlength, zstd, or float for floating arrays
    params  of the codec's class, such as ``max_len`` and ``restart`` of Huffman

    >>> import numpy as np
    >>> codec = get_codec("huffman", max_len=12)
    >>> data = codec.encode(np.array([0, 0, 0, 2, 1], dtype=np.uint8))
    >>> codec.decode(data)
    array([0, 0, 0, 2, 1], dtype=uint8)
    """
    if name not in CODECS:
        raise ValueError(f"name is one of {', '.join(CODECS)}; got {name!r}")
    try:
        return CODECS[name](**params)
    except TypeError:
        known = ", ".join(field.name for field in fields(CODECS[name])) or "none"
        raise ValueError(f"{name} has these parameters: {known}; got {', '.join(params)}") from None


def codec_of(data: bytes) -> Codec:
    """A codec that decodes ``data``, told by the number in its envelope."""
    number = open_frame(data).number
    for codec in CODECS.values():
        if codec.number == number:
            return codec()
    raise CodecError(f"data: no codec has the number {number}; it is damaged")
