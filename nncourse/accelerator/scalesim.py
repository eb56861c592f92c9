"""The systolic model against a table of SCALE-Sim results, row by row.

Compared are the total cycles and the three SRAM counts. Not compared: the output writes of
output-stationary rows, where the tool counts idle slots; the SRAM counts of sparse rows, where only
the cycles are known to follow the shortened sums; and the DRAM columns, where it counts the im2col
stream, not distinct words. In its USER bandwidth mode the tool adds stalls of its own memory
model; such rows are listed but expected to differ.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from nncourse.accelerator.gemm import Gemm
from nncourse.accelerator.systolic import SystolicArray, ceil_divide

NEEDED = ("dataflow", "rows", "cols", "m", "n", "k", "total_cycles")
SRAM = ("sram_ifmap_reads", "sram_filter_reads", "sram_ofmap_writes")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One row of the table beside the model.

    deviation  largest relative difference of its compared counts; 0 means exact
    stalled    whether the tool added stalls in USER mode, which the model leaves out
    """

    label: str
    expected_cycles: int
    cycles: int
    deviation: float
    stalled: bool

    @property
    def exact(self) -> bool:
        """Whether every compared count is equal."""
        return self.deviation == 0


def compare(path: Path) -> list[Comparison]:
    """Every row of the CSV file at ``path`` beside the model.

    path  columns dataflow, rows, cols, M, N, K, total_cycles; where present also layer, sparsity ("n:m"
          of the weights along k), bandwidth_mode, stall_cycles and the three sram_ columns. The case
          and spaces of the names do not matter.

    Raises ValueError that names the row and column of what cannot be read.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        try:
            names = {name: name.strip().lower() for name in reader.fieldnames or ()}
            rows = [
                {names[key]: (value or "").strip() for key, value in row.items() if key in names}
                for row in reader
            ]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path.name} is not a CSV file of text: {error}") from None
        missing = [name for name in NEEDED if name not in names.values()]
        if missing:
            raise ValueError(f"{path.name} lacks the columns {', '.join(missing)}")
    if not rows:
        raise ValueError(f"{path.name} holds no rows")
    return [
        _compared(row, f"{path.name}, row {number}") for number, row in enumerate(rows, start=2)
    ]


def main(path: Path) -> int:
    """Print the comparison; 0 when all rows but stalled USER ones are exact, else 1."""
    rows = compare(path)
    inexact = [row for row in rows if not row.exact]
    unexplained = [row for row in inexact if not row.stalled]
    worst = max(row.deviation for row in rows)
    print(f"rows   {len(rows)}")
    print(f"exact  {len(rows) - len(inexact)}")
    print(f"worst  {100 * worst:.2f}%")
    for row in inexact:
        why = "stalled in USER mode" if row.stalled else "UNEXPLAINED"
        print(f"  {row.label}: table {row.expected_cycles}, model {row.cycles} cycles ({why})")
    return 1 if unexplained else 0


def _compared(row: dict[str, str], where: str) -> Comparison:
    numbers = {name: _whole(row, name, where) for name in NEEDED if name != "dataflow"}
    sparsity = row.get("sparsity", "")
    try:
        array = SystolicArray(numbers["rows"], numbers["cols"], row["dataflow"].lower())
        kept = _kept(numbers["k"], sparsity)
        gemm = Gemm(row.get("layer") or "layer", numbers["m"], numbers["n"], kept)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    # The tool reports the index of the last cycle.
    pairs = [(array.cycles(gemm) - 1, numbers["total_cycles"])]
    counted = () if sparsity else SRAM[:2] if array.dataflow == "os" else SRAM
    for name, count in zip(counted, array.sram(gemm), strict=False):
        if row.get(name):
            pairs.append((count, _whole(row, name, where)))
    deviation = max(abs(model - table) / max(abs(table), 1) for model, table in pairs)
    stalls = _whole(row, "stall_cycles", where) if row.get("stall_cycles") else 0
    return Comparison(
        label=" ".join(filter(None, (row.get("config"), gemm.name))),
        expected_cycles=pairs[0][1],
        cycles=pairs[0][0],
        deviation=deviation,
        stalled=row.get("bandwidth_mode", "").upper() == "USER" and stalls > 0,
    )


def _kept(k: int, sparsity: str) -> int:
    """Length of the sums under N:M sparsity of the weights."""
    if not sparsity:
        return k
    found = re.fullmatch(r"(\d+)\s*:\s*(\d+)", sparsity)
    if not found or not 0 < int(found[1]) <= int(found[2]):
        raise ValueError(f"sparsity is n:m with 0 < n <= m, as 2:4; got {sparsity!r}")
    return ceil_divide(k * int(found[1]), int(found[2]))


def _whole(row: dict[str, str], name: str, where: str) -> int:
    try:
        value = float(row[name])
    except ValueError:
        value = -1.0
    if value < 0 or not value.is_integer():  # infinity and NaN are no integers either
        raise ValueError(f"{where}: {name} is a whole number; got {row[name]!r}")
    return int(value)
