"""Codecs: arrays to bytes and back without loss, and sparse matrices that compute as they are stored."""

from nncourse.bitstream import CodecError
from nncourse.codecs.codec import Codec
from nncourse.codecs.registry import CODECS, codec_of, get_codec

__all__ = ["CODECS", "Codec", "CodecError", "codec_of", "get_codec"]
