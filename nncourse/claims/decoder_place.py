"""The rule of claim D6: does decoding at the door of the chip save outside and gain nothing inside?

Written before the first run. A case is one network with one recipe on one machine. At the door (``dma``)
against weights that are never compressed (``plain``):

1. Inside gains nothing: as many bytes of weights are held on chip, in every case and seed.
2. Outside bandwidth drops: the interval over the seeds of the logarithm of the ratio of DRAM bytes lies
   above 0.
3. Energy drops, the decoder's included, likewise.
4. Decoding earlier (``dram``) saves neither bandwidth nor energy: both are as in ``plain``, which is why
   the decoder stands at the door.

- all four in all cases: the claim holds;
- the first and the fourth in all cases, the second and the third in some: it holds with conditions, which
  are named;
- otherwise it does not hold here;
- fewer than five seeds: undecided.

What a compiler has to know of addresses is told beside the verdict and does not decide it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nncourse.claims.arms import by_seed, require_columns, require_same_seeds
from nncourse.claims.intervals import MIN_SEEDS, Interval, paired_interval
from nncourse.claims.verdict import Verdict

CASE = ("network", "recipe", "machine")
NOWHERE = "none"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network with one recipe on one machine; ratios are those of ``plain`` over ``dma``.

    traffic, energy  mean ratio of the bytes over the channel and of the energy
    traffic_log, energy_log  interval over the seeds of the logarithm of that ratio
    held_alike       as many bytes are held on chip as without compression
    early_alike      decoding into DRAM moves and spends what no compression does
    held             mean ratio of the bytes held on chip, ``plain`` over ``pe``
    door_rate, cell_rate  decoded bytes a cycle that are needed at the door and at the cells, means
    tables           bytes of the tables of all decoders at the cells, mean
    waiting          cycles with one decoder at the door over those with enough of them, mean
    """

    network: str
    recipe: str
    machine: str
    traffic: float
    energy: float
    traffic_log: Interval
    energy_log: Interval
    held_alike: bool
    early_alike: bool
    held: float
    door_rate: float
    cell_rate: float
    tables: float
    waiting: float

    @property
    def saves_outside(self) -> bool:
        """Whether bandwidth and energy clearly drop."""
        return self.traffic_log.low > 0 and self.energy_log.low > 0

    def __str__(self) -> str:
        return f"{self.network}, {self.recipe}, on {self.machine}"


def decoding_at_the_door(table: pd.DataFrame) -> Verdict:
    """The verdict on D6.

    table  rows of D6: ``seed network data recipe machine place tile measure value``
    """
    columns = ["seed", "data", *CASE, "place", "tile", "measure", "value"]
    require_columns(table, columns, claim="D6")
    found = cases(table)
    n = min(case.traffic_log.n for case in found)
    saving = [case for case in found if case.saves_outside]
    inside = [case for case in found if not case.held_alike]
    early = [case for case in found if not case.early_alike]
    least = min(found, key=lambda case: case.traffic_log.low)
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif inside:
        ruling = "does not hold here"
        reason = f"Decoding at the door changes what is held on chip: {_names(inside)}."
    elif early:
        ruling = "does not hold here"
        reason = f"Decoding into DRAM saves bandwidth or energy, too: {_names(early)}."
    elif not saving:
        ruling = "does not hold here"
        reason = "Decoding at the door saves bandwidth and energy in no case."
    elif len(saving) == len(found):
        ruling = "holds"
        reason = (
            f"Decoded at the door, on-chip memory holds as much, the channel moves "
            f"{_drops([case.traffic for case in found])} fewer bytes, and an inference takes "
            f"{_drops([case.energy for case in found])} less energy."
        )
    else:
        ruling = "holds with conditions"
        rest = [case for case in found if not case.saves_outside]
        reason = f"Bandwidth and energy do not both drop clearly: {_names(rest)}."
    return Verdict(
        claim="D6",
        verdict=ruling,
        measure="percent of the DRAM bytes saved by decoding at the door, case where it is least",
        statistic=_percent(float(np.log(least.traffic))),
        margin=0.0,
        n=n,
        interval=(_percent(least.traffic_log.low), _percent(least.traffic_log.high)),
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(table),
        hardware=_hardware(found),
    )


def cases(table: pd.DataFrame) -> list[Case]:
    """Every network with every recipe on every machine, in the order of the table.

    table  rows of D6
    """
    placed = table[table["machine"] != NOWHERE]
    if placed.empty:
        raise ValueError(
            "the table of D6 has no row of a machine: record it again with nncourse experiment D6"
        )
    return [_case(rows, *map(str, key)) for key, rows in placed.groupby(list(CASE), sort=False)]


def tiles(table: pd.DataFrame) -> pd.DataFrame:
    """What tiles of compressed weights are to whoever has to know their addresses, means over seeds.

    table    rows of D6
    returns  columns ``network recipe tile packed slots table variation``: shares of the decoded bytes that
             are left when tiles lie one behind the other, when each has a slot of the size of the
             largest, and one behind the other with a table of addresses; and the variation of the tiles
             of a layer
    """
    rows = table[table["machine"] == NOWHERE]
    if rows.empty:
        raise ValueError(
            "the table of D6 has no row of tiles: record it again with nncourse experiment D6"
        )
    keys = ["network", "recipe", "tile"]
    wide = rows.pivot_table(index=keys, columns="measure", values="value", sort=False)
    packed = wide["packed_bytes"]
    return pd.DataFrame(
        {
            "packed": packed / wide["decoded_bytes"],
            "slots": wide["slots_bytes"] / wide["decoded_bytes"],
            "table": (packed + wide["table_bytes"]) / wide["decoded_bytes"],
            "variation": wide["variation"],
        }
    ).reset_index()


def _case(rows: pd.DataFrame, network: str, recipe: str, machine: str) -> Case:
    def arm(place: str, measure: str) -> pd.Series:
        return by_seed(rows, "value", claim="D6", place=place, measure=measure)

    def ratio(measure: str, place: str) -> pd.Series:
        plain, other = arm("plain", measure), arm(place, measure)
        require_same_seeds(plain, other, claim="D6")
        return plain / other

    traffic, energy = ratio("dram_bytes", "dma"), ratio("energy_pj", "dma")
    none = np.zeros(len(traffic))
    early = [ratio(measure, "dram") for measure in ("dram_bytes", "energy_pj")]
    return Case(
        network=network,
        recipe=recipe,
        machine=machine,
        traffic=float(traffic.mean()),
        energy=float(energy.mean()),
        traffic_log=paired_interval(np.log(traffic), none),
        energy_log=paired_interval(np.log(energy), none),
        held_alike=bool((ratio("chip_held_bytes", "dma") == 1).all()),
        early_alike=all(bool((each == 1).all()) for each in early),
        held=float(ratio("chip_held_bytes", "pe").mean()),
        door_rate=float(arm("dma", "decoder_bytes_per_cycle").mean()),
        cell_rate=float(arm("pe", "decoder_bytes_per_cycle").mean()),
        tables=float(arm("pe", "table_bytes").mean()),
        waiting=float((arm("dma", "one_decoder_cycles") / arm("dma", "cycles")).mean()),
    )


def _span(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def _percent(log_ratio: float) -> float:
    """What is saved, in percent, where the logarithm of before over after is this."""
    return float(-100 * np.expm1(-log_ratio))


def _drops(ratios: Sequence[float]) -> str:
    drops = [_percent(float(np.log(ratio))) for ratio in ratios]
    return f"{min(drops):.1f}% to {max(drops):.1f}%"


def _names(found: Sequence[Case]) -> str:
    return "; ".join(str(case) for case in found)


def _software(table: pd.DataFrame) -> str:
    seen = tiles(table)
    smallest = seen["tile"].min()
    medians = seen[seen["tile"] == smallest].groupby("recipe", sort=False)
    parts = [
        f"{recipe} {row['packed']:.0%}, {row['slots']:.0%} in slots as large as the largest tile of a layer, "
        f"{row['table']:.0%} with a table of addresses"
        for recipe, row in medians[["packed", "slots", "table"]].median().iterrows()
    ]
    return (
        f"My compiler computes addresses. Left of the bytes in tiles of {smallest} weights, medians: "
        f"{'; '.join(parts)}."
    )


def _hardware(found: Sequence[Case]) -> str:
    doors, cells = [case.door_rate for case in found], [case.cell_rate for case in found]
    return (
        f"At my door a decoder has to give {_span(doors)} bytes a cycle, and a single one of a byte a cycle "
        f"takes up to {max(case.waiting for case in found):.1f} times as long; at the cells it takes "
        f"{_span(cells)}. There on-chip memory holds {_span([case.held for case in found])} times more "
        f"weights, and up to {max(case.tables for case in found) / 1024:.0f} KB of decoding tables."
    )
