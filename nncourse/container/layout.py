"""Layout: how the codes of a tensor, and the positions of those that were kept, become streams."""

from __future__ import annotations

from dataclasses import dataclass, field

from nncourse.codecs import Codec, get_codec

POSITIONS = ("symbols", "relative", "bitmap")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What is said of a tensor in which stream, and by which codec.

    codec        of the codes
    positions    of the kept codes among the dropped ones, where there is a mask: "symbols", one stream in
                 which 0 stands for a dropped code and every other code is one higher; "relative", gaps
                 beside the kept codes (:mod:`nncourse.codecs.relative_index`); "bitmap", a bit for each code
    gap_bits     width of a gap, 1..16
    index_codec  of gaps and bitmaps; None for the codec of the codes
    """

    codec: Codec = field(default_factory=lambda: get_codec("adaptive"))
    positions: str = "symbols"
    gap_bits: int = 5
    index_codec: Codec | None = None

    def __post_init__(self) -> None:
        if self.positions not in POSITIONS:
            raise ValueError(f"positions is one of {', '.join(POSITIONS)}; got {self.positions!r}")
        if isinstance(self.gap_bits, bool) or not 1 <= self.gap_bits <= 16:
            raise ValueError(f"gap_bits is a whole number from 1 to 16; got {self.gap_bits!r}")
        for codec in (self.codec, self.index_codec):
            if codec is not None and not isinstance(codec, Codec):
                raise ValueError(
                    f'codec is one of get_codec, such as get_codec("huffman"); got {codec!r}'
                )
            if codec is not None and codec.name == "float":
                raise ValueError(
                    "codec codes whole numbers here; float is for tensors stored as they are"
                )

    @property
    def codec_of_index(self) -> Codec:
        """The codec of gaps and bitmaps."""
        return self.index_codec or self.codec
