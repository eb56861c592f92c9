"""Lab 01, "Quantize a layer": its seven tasks, under the names that the notebook uses."""

from __future__ import annotations

from nncourse.classroom.checks.clipping import best_scale
from nncourse.classroom.checks.packing import pack, unpack
from nncourse.classroom.checks.uniform_grid import (
    asymmetric_grid,
    quantize,
    quantize_rows,
    symmetric_scale,
)
from nncourse.classroom.lab import Lab

__all__ = [
    "LAB",
    "asymmetric_grid",
    "best_scale",
    "pack",
    "quantize",
    "quantize_rows",
    "symmetric_scale",
    "unpack",
]

LAB = Lab(
    name="01_quantize_a_layer",
    tasks=(
        symmetric_scale,
        quantize,
        asymmetric_grid,
        quantize_rows,
        pack,
        unpack,
        best_scale,
    ),
)
