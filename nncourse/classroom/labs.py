"""The labs of the course, by the name of their notebook."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nncourse.classroom.checks import (
    codebooks_and_bit_budgets,
    compute_without_decompressing,
    fine_tune_below_eight_bits,
    huffman_codec,
    prune_network,
    quantize_layer,
    where_speed_goes,
)
from nncourse.classroom.lab import Lab

LABS: Mapping[str, Lab] = MappingProxyType(
    {
        lab.name: lab
        for lab in (
            quantize_layer.LAB,
            fine_tune_below_eight_bits.LAB,
            codebooks_and_bit_budgets.LAB,
            prune_network.LAB,
            where_speed_goes.LAB,
            huffman_codec.LAB,
            compute_without_decompressing.LAB,
        )
    }
)


def lab_of(notebook: str) -> Lab:
    """The lab whose notebook is called ``notebook``, without .ipynb."""
    if notebook not in LABS:
        raise ValueError(
            f"notebook must be called like a lab of the course ({', '.join(LABS)}), got "
            f"{notebook!r}. Rename the file."
        )
    return LABS[notebook]
