"""Lab 07, "Compute without decompressing": its six tasks, under the names that the notebook uses."""

from __future__ import annotations

from nncourse.classroom.checks.bitmap_rank import weight_at
from nncourse.classroom.checks.relative_engine import engine_product, relative_index
from nncourse.classroom.checks.sparse_rows import compress_rows, rows_product
from nncourse.classroom.checks.stored_form import choose_form
from nncourse.classroom.lab import Lab

__all__ = [
    "LAB",
    "choose_form",
    "compress_rows",
    "engine_product",
    "relative_index",
    "rows_product",
    "weight_at",
]

LAB = Lab(
    name="07_compute_without_decompressing",
    tasks=(
        compress_rows,
        rows_product,
        relative_index,
        engine_product,
        weight_at,
        choose_form,
    ),
)
