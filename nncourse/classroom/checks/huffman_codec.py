"""Lab 06, "Write a Huffman codec": its seven tasks and a number, under the names that the notebook uses."""

from __future__ import annotations

from nncourse.classroom.checks.code_lengths import code_lengths, limited_lengths
from nncourse.classroom.checks.codeword_streams import canonical_codes, decode, encode
from nncourse.classroom.checks.noted_stream import stream_with_notes
from nncourse.classroom.checks.restart_points import read_range
from nncourse.classroom.checks.token_dictionary import make_dictionary
from nncourse.classroom.lab import Lab

__all__ = [
    "LAB",
    "canonical_codes",
    "code_lengths",
    "decode",
    "encode",
    "limited_lengths",
    "make_dictionary",
    "read_range",
    "stream_with_notes",
]

LAB = Lab(
    name="06_write_a_huffman_codec",
    tasks=(
        code_lengths,
        canonical_codes,
        encode,
        decode,
        limited_lengths,
        read_range,
        make_dictionary,
    ),
    questions=(stream_with_notes,),
)
