"""Where every byte of a stored network went."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


@dataclass
class SizeLedger:
    """Named stretches of stored bytes, against the size of what they replace.

    It grows by :meth:`add`, which takes bytes and nothing else: a computed size forgets headers,
    padding and tables; the length of bytes that exist cannot.

    >>> ledger = SizeLedger(baseline_bytes=100)
    >>> ledger.add("codes", bytes(20))
    >>> ledger.add("scales", bytes(5))
    >>> ledger.total_bytes, ledger.ratio
    (25, 4.0)
    """

    baseline_bytes: int
    entries: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.baseline_bytes, bool) or not isinstance(self.baseline_bytes, int):
            raise TypeError(f"baseline_bytes is a whole number; got {self.baseline_bytes!r}")
        if self.baseline_bytes <= 0:
            raise ValueError(f"baseline_bytes is above 0; got {self.baseline_bytes}")

    def add(self, name: str, data: bytes) -> None:
        """Enter ``data`` under a new ``name``; TypeError for anything but bytes."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(
                f"{name}: enter the stored bytes themselves, not {type(data).__name__}; "
                "a number of bytes can forget a part"
            )
        if name in self.entries:
            raise ValueError(f"{name} is in the ledger already, with {self.entries[name]} bytes")
        self.entries[name] = memoryview(data).nbytes

    @property
    def total_bytes(self) -> int:
        """Bytes of all entries."""
        return sum(self.entries.values())

    @property
    def ratio(self) -> float:
        """Baseline over total: 4.0 means a quarter of the bytes."""
        if self.total_bytes == 0:
            raise ValueError("the ledger is empty: add the stored bytes first")
        return self.baseline_bytes / self.total_bytes

    def table(self) -> pd.DataFrame:
        """One row an entry and one for the total: bytes, and their share of the total in percent."""
        names = [*self.entries, "total"]
        sizes = [*self.entries.values(), self.total_bytes]
        total = max(self.total_bytes, 1)
        return pd.DataFrame(
            {"bytes": sizes, "share (%)": [round(100 * size / total, 2) for size in sizes]},
            index=pd.Index(names, name="part"),
        )
