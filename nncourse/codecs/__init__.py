"""Codecs: arrays to bytes and back without loss, and sparse matrices that compute as they are stored."""

from nncourse.bitstream import CodecError
from nncourse.codecs.bitmask import Bitmask
from nncourse.codecs.block_sparse import BlockSparse
from nncourse.codecs.codec import Codec
from nncourse.codecs.csc import CSC
from nncourse.codecs.csr import CSR
from nncourse.codecs.registry import CODECS, codec_of, get_codec
from nncourse.codecs.relative_csc import RelativeCSC

__all__ = [
    "CODECS",
    "CSC",
    "CSR",
    "Bitmask",
    "BlockSparse",
    "Codec",
    "CodecError",
    "RelativeCSC",
    "codec_of",
    "get_codec",
]
