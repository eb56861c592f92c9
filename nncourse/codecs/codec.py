"""A codec: an array in, bytes out, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError
from nncourse.codecs.frame import INTEGERS, Buffer, Form, open_frame, seal

PARTS = ("payload", "codebook", "index", "padding", "header")
Sizes = dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Codec(ABC):
    """Lossless code of arrays of integers; the parameters are the fields.

    A codec writes and reads *bodies*; the envelope around them (:mod:`nncourse.codecs.frame`) holds
    dtype, shape and a checksum. All that decoding needs is in the stream: any instance of the class
    decodes what another one wrote. ``codec_id``, ``get_config`` and ``from_config`` follow the convention
    of numcodecs, so that a codec works inside zarr.
    """

    name: ClassVar[str]
    number: ClassVar[int]
    codec_id: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "name"):
            cls.codec_id = f"nncourse.{cls.name}"

    # --- what a codec adds ------------------------------------------------------------------------

    @abstractmethod
    def write_body(self, symbols: NDArray[Any], form: Form) -> bytes:
        """The body that holds ``symbols``: flat, contiguous, of ``form.symbol_dtype``."""

    @abstractmethod
    def read_body(self, body: Buffer, form: Form) -> NDArray[Any]:
        """The ``form.count`` symbols of ``body``; CodecError for anything that cannot have been written."""

    @abstractmethod
    def body_sizes(self, body: Buffer, form: Form) -> Mapping[str, int]:
        """Bits of ``body`` by :data:`PARTS`, those that are 0 may be left out."""

    # --- what every codec has ---------------------------------------------------------------------

    def encode(self, data: Any) -> bytes:
        """The stream that holds ``data``.

        data  integers of 8 or 16 bits, any shape, memory and byte order; or bytes, taken as uint8
        """
        form, items = Form.of(data)
        self._check(form)
        return seal(self.number, form, self.write_body(items.view(form.symbol_dtype), form))

    def decode(self, data: Any, out: Any = None) -> Any:
        """What :meth:`encode` was given: the array, dtype, byte order and shape restored, or the bytes.

        data  from :meth:`encode`
        out   an array or writable buffer of exactly the right size, to decode into; None for a new array

        Truncated, extended, damaged or foreign bytes raise :class:`~nncourse.bitstream.CodecError`.
        """
        frame = open_frame(data, self.number)
        self._check_read(frame.form)
        symbols = self.read_body(frame.body, frame.form)
        return frame.form.restored(symbols, out)

    def sizes(self, data: Any) -> Sizes:
        """Bits of a stream by what they are for; they add up to ``8 * len(data)``.

        payload   the coded symbols
        codebook  what the decoder has to know of them: code lengths, frequencies
        index     where things are: gaps, offsets of streams and restart points
        padding   bits up to the next whole byte, spare bytes
        header    the rest: envelope, parameters
        """
        frame = open_frame(data, self.number)
        self._check_read(frame.form)
        parts = self.body_sizes(frame.body, frame.form)
        result = {part: int(parts.get(part, 0)) for part in PARTS}
        result["padding"] += 8 * frame.num_spare
        result["header"] += 8 * frame.num_head
        return result

    def get_config(self) -> dict[str, Any]:
        """The parameters, and ``id``; :meth:`from_config` takes them back."""
        return {"id": self.codec_id, **asdict(self)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The codec of a configuration from :meth:`get_config`, with or without its ``id``."""
        return cls(**{key: value for key, value in config.items() if key != "id"})

    def _check(self, form: Form) -> None:
        if form.dtype.str not in INTEGERS.values():
            raise ValueError(
                f"data holds integers of 8 or 16 bits; got {form.dtype}. {_hint(form.dtype)}"
            )

    def _check_read(self, form: Form) -> None:
        try:
            self._check(form)
        except ValueError:
            raise CodecError(
                f"data: a {self.name} stream of dtype {form.dtype}; it is damaged"
            ) from None


def _hint(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "f":
        return 'get_codec("float") codes floating arrays without loss.'
    if dtype.kind == "b":
        return "A mask is coded as array.view(np.uint8)."
    return "Convert it with array.astype(np.int16), where its values fit."
