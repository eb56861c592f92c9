"""Damaged streams in great numbers: each has to be refused, or give an array of the form it declares.

Half of the streams keep their old checksum, which has to find the damage. The other half carry a checksum that
fits, as an attacker would write it, so that the damage reaches the decoder behind. What never may
happen: another error than CodecError, a wrong array under an old checksum, a crash, a hang, memory that the
bytes do not justify.
"""

from nncourse.fuzz.damage import mutated, repaired_frame
from nncourse.fuzz.streams import main, targets
from nncourse.fuzz.target import FuzzFailure, Tally, Target, damaged_streams, fuzz

__all__ = [
    "FuzzFailure",
    "Tally",
    "Target",
    "damaged_streams",
    "fuzz",
    "main",
    "mutated",
    "repaired_frame",
    "targets",
]
