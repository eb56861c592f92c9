"""The decoder: where compressed weights become plain ones, and how fast."""

from __future__ import annotations

from dataclasses import dataclass

PLACES = ("dma", "pe")


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A unit that turns stored weights into those that the cells compute with.

    bytes_per_cycle  decoded bytes of all its copies together
    pj_per_byte      of each decoded byte
    where            "dma": between DRAM and chip, so that on-chip memory holds decoded weights and its
                     traffic is as before; every fetch is decoded once.
                     "pe": at the cells, so that on-chip memory holds stored weights, which are read in
                     their stored size and decoded at every read
    """

    bytes_per_cycle: float
    pj_per_byte: float = 0.0
    where: str = "dma"

    def __post_init__(self) -> None:
        if not self.bytes_per_cycle > 0:
            raise ValueError(f"bytes_per_cycle is above 0; got {self.bytes_per_cycle}")
        if not self.pj_per_byte >= 0:
            raise ValueError(f"pj_per_byte is at least 0; got {self.pj_per_byte}")
        if self.where not in PLACES:
            raise ValueError(f'where is "dma" or "pe"; got {self.where!r}')
