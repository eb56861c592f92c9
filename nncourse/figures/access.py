"""Reading one weight of a Huffman stream: what it takes, and what an index of restart points costs.

Everything is computed in the page, by ``access.js``, from the codeword lengths of real streams: the figure works
in a published book without a kernel. :func:`numbers` is the same computation in Python; a test holds the two
against each other, and the bytes against files of the codec.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from nncourse.codecs.fixed import Fixed
from nncourse.codecs.frame import varint
from nncourse.codecs.huffman import GROUP, Huffman
from nncourse.codecs.prefix_code import package_merge

NO_INDEX = 0
SPACINGS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, NO_INDEX)
MAX_SYMBOLS = 65_536  # of a stream: a byte each travels in the page
BURST_BITS = 512
FOLDER = Path(__file__).parent


class AccessFigure(anywidget.AnyWidget):
    """The live figure.

    streams  symbols of 8 bits by name, at least two different ones and at most 65,536 each
    stream   which of them, counted from 0
    spacing  codewords between two restart points, one of ``SPACINGS``; 0 for no index
    item     the symbol that is read, counted from 0; beyond the last one, the last one
    """

    _esm = FOLDER / "access.js"
    _css = "\n".join((FOLDER / name).read_text("utf-8") for name in ("frame.css", "access.css"))
    data = traitlets.Bytes().tag(sync=True)  # bits of each codeword, stream after stream
    streams = traitlets.List(traitlets.Dict()).tag(sync=True)  # name, count, fixed and other bytes
    stream = traitlets.Int(0, min=0).tag(sync=True)
    spacing = traitlets.Enum(list(SPACINGS)).tag(sync=True)
    item = traitlets.Int(min=0).tag(sync=True)
    spacings = traitlets.List(traitlets.Int(), read_only=True).tag(sync=True)

    def __init__(
        self,
        streams: Mapping[str, ArrayLike],
        *,
        stream: int = 0,
        spacing: int = NO_INDEX,
        item: int = 10_000,
    ) -> None:
        if not streams:
            raise ValueError("streams has a name and symbols for at least one stream; got none")
        rows = {name: np.asarray(symbols) for name, symbols in streams.items()}
        for name, symbols in rows.items():
            if symbols.dtype.itemsize != 1 or not 2 <= symbols.size <= MAX_SYMBOLS:
                raise ValueError(
                    f"streams hold 2 to {MAX_SYMBOLS} symbols of 8 bits; {name!r} has {symbols.size} of "
                    f"{symbols.dtype}. Take a smaller layer, or a stretch of it."
                )
            if np.ptp(symbols.view(np.uint8)) == 0:
                raise ValueError(f"stream {name!r} has one symbol only, and no codewords to count")
        super().__init__(
            data=b"".join(codeword_lengths(symbols).tobytes() for symbols in rows.values()),
            streams=[
                {
                    "name": name,
                    "count": int(symbols.size),
                    "fixed_bytes": len(Fixed().encode(symbols)),
                    "other_bytes": _other_bytes(symbols),
                }
                for name, symbols in rows.items()
            ],
            stream=stream,
            spacing=spacing,
            item=item,
        )
        self.set_trait("spacings", list(SPACINGS))

    @traitlets.validate("stream")
    def _checked_stream(self, proposal: Any) -> int:
        number = int(proposal["value"])
        if number >= len(self.streams):
            raise traitlets.TraitError(f"stream is below {len(self.streams)}; got {number}")
        return number

    @property
    def lengths(self) -> NDArray[np.uint8]:
        """Bits of each codeword of the present stream."""
        first = sum(each["count"] for each in self.streams[: self.stream])
        count = self.streams[self.stream]["count"]
        return np.frombuffer(self.data, np.uint8)[first : first + count]

    def numbers(self) -> dict[str, float]:
        """What the figure prints, computed in Python for its present settings."""
        about = self.streams[self.stream]
        return numbers(
            self.lengths,
            spacing=self.spacing,
            item=self.item,
            fixed_bytes=about["fixed_bytes"],
            other_bytes=about["other_bytes"],
        )


def numbers(
    lengths: ArrayLike, *, spacing: int, item: int, fixed_bytes: int, other_bytes: int
) -> dict[str, float]:
    """Bytes of the file, and what a read of one symbol takes.

    lengths      bits of each codeword, in the order of the stream
    spacing      codewords between two restart points; 0 for no index
    item         the symbol that is read
    fixed_bytes  of a file of fixed length
    other_bytes  of the file that no spacing changes: envelope and table of code lengths
    returns      bytes of the file; index, the share of them that is the index; of_fixed, bytes over those of the
                 fixed length; codewords and bits that a read decodes, mean over all symbols; most, the bits of the
                 dearest read; begin, the symbol at which decoding for ``item`` begins; words and touched, the codewords
                 and the bits that are decoded for it

    >>> said = numbers([1, 2, 1, 2], spacing=2, item=3, fixed_bytes=20, other_bytes=18)
    >>> said["begin"], said["words"], said["touched"], said["most"]
    (2.0, 2.0, 3.0, 3.0)
    """
    ends = np.cumsum(np.asarray(lengths, dtype=np.int64))
    count, num_bits = ends.size, int(ends[-1])
    step = min(spacing, count) or count
    begins = np.append(0, ends)[:-1:step]
    places = np.arange(count)
    touched = ends - begins[places // step]
    item = min(item, count - 1)
    index = index_bytes(begins)
    size = other_bytes + len(varint(step)) + len(varint(num_bits)) + index + -(-num_bits // 8)
    return {
        "bytes": float(size),
        "index": index / size,
        "of_fixed": size / fixed_bytes,
        "codewords": float((places % step + 1).mean()),
        "bits": float(touched.mean()),
        "most": float(touched.max()),
        "begin": float(item // step * step),
        "words": float(item % step + 1),
        "touched": float(touched[item]),
    }


def index_bytes(begins: ArrayLike) -> int:
    """Bytes of the codec's index: every 16th begin whole but the first, the others as distances from there.

    begins  bit at which each segment begins, at least one

    >>> index_bytes([0]), index_bytes([0, 3, 6])
    (2, 3)
    """
    begins = np.asarray(begins, dtype=np.int64)
    wholes = begins[::GROUP]
    distances = begins - np.repeat(wholes, GROUP)[: begins.size]
    inner = distances[np.arange(begins.size) % GROUP > 0]
    return sum(1 + _packed_bytes(values) for values in (wholes[1:], inner))


def codeword_lengths(symbols: ArrayLike) -> NDArray[np.uint8]:
    """Bits of the codeword of each of ``symbols``, 8 bits each, in a stream of the codec."""
    flat = np.ascontiguousarray(symbols).ravel().view(np.uint8)
    counts = np.bincount(flat, minlength=256)
    longest = max(Huffman().max_len, (int(np.count_nonzero(counts)) - 1).bit_length())
    return package_merge(counts, longest)[flat]


def _packed_bytes(values: NDArray[np.int64]) -> int:
    """Numbers in as many bits as the largest needs, 16 of these bits at a time."""
    width = int(values.max(initial=0)).bit_length()
    return sum(-(-values.size * min(16, width - shift) // 8) for shift in range(0, width, 16))


def _other_bytes(symbols: NDArray[Any]) -> int:
    codec = Huffman(streams=1)
    sizes = codec.sizes(codec.encode(symbols))
    varints = len(varint(symbols.size)) + len(varint(sizes["payload"]))
    return (sizes["header"] + sizes["codebook"]) // 8 - varints
