"""Lab 03, "Codebooks and bit budgets": its seven tasks, under the names that the notebook uses."""

from __future__ import annotations

from nncourse.classroom.checks.byte_budget import allocate
from nncourse.classroom.checks.codebook_price import break_even, stored_bits, table_price
from nncourse.classroom.checks.codebook_tables import assign, kmeans
from nncourse.classroom.checks.compressed_network import compress
from nncourse.classroom.lab import Lab

__all__ = [
    "LAB",
    "allocate",
    "assign",
    "break_even",
    "compress",
    "kmeans",
    "stored_bits",
    "table_price",
]

LAB = Lab(
    name="03_codebooks_and_bit_budgets",
    tasks=(
        assign,
        kmeans,
        stored_bits,
        break_even,
        table_price,
        allocate,
        compress,
    ),
    seconds=60.0,  # a network takes the published answer a few seconds on one core
)
