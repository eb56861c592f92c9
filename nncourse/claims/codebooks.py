"""The rule of claim Q4: do tables save what uniform grids lose, and are they dear in an array?

Written before the first run. Judged are codes of 4, 3 and 2 bits, with one scale a tensor and one an
output channel. The codebook is k-means with values of 16 bits; the uniform grid is the better of
"minmax" and "mse" at the same bits and scales, chosen in its favor.

Software's half. The *error*: on every network the codebook's signal-to-noise ratio is the higher one.
The *accuracy*, on networks with data, over at least five paired seeds: where the uniform grid clearly
loses more than its margin (0.2 points on MNIST, 0.5 on Fashion-MNIST) the codebook is clearly more
accurate, and it is clearly less accurate nowhere.

- Higher everywhere, and every accuracy that needed it is brought back within the margin: it holds;
- higher on some networks only, or some accuracy is improved without being brought back, or is not
  improved: it holds with conditions;
- higher nowhere, or some accuracy made worse, or none improved: it does not hold here.

Hardware's half. A lane with a table of its own takes at least twice the area and at least twice the
energy of a uniform lane, at 4 and at 3 bits:

- in both, at both: it holds, unless tables of 8-bit values, shared by the lanes of a row, stay below
  twice at 4 bits and lose no more accuracy than the margin against the 16-bit ones: then the price has
  a way around it, and the half holds with conditions;
- in some: it holds with conditions; in none: it does not hold here.

The claim holds when both halves do, does not hold when neither does, and holds with conditions else.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from nncourse.claims.arms import by_seed, require_columns, require_same_seeds
from nncourse.claims.intervals import (
    MIN_SEEDS,
    Interval,
    margin_points,
    non_inferiority,
    paired_interval,
)
from nncourse.claims.verdict import Verdict

JUDGED_BITS = (4, 3, 2)
PRICED_BITS = (4, 3)
GRANULARITIES = ("tensor", "channel")
GRIDS = ("minmax", "mse")
CODEBOOK, NARROW_CODEBOOK = "kmeans", "kmeans 8-bit"
NO_DATA = "none"
LANE = "lane"  # rows of this network hold prices
DEAR = 2.0
HOLDS, CONDITIONS, FAILS = "holds", "holds with conditions", "does not hold here"


def tables_save_accuracy_and_cost_area(table: pd.DataFrame) -> Verdict:
    """The verdict on Q4, from error, accuracy and the price of a lane.

    table  rows of Q4: ``seed network data method granularity bits measure value``
    """
    columns = ["seed", "network", "data", "method", "granularity", "bits", "measure", "value"]
    require_columns(table, columns, claim="Q4")
    networks = [name for name in dict.fromkeys(table["network"]) if name != LANE]
    arms = judged_arms(table)
    measured = [arm for arm in arms if arm.gain is not None]
    if not measured:
        raise ValueError("the table of Q4 has no network with an accuracy, which its verdict needs")
    n = min(arm.gain.n for arm in measured if arm.gain is not None)
    worst = min(arms, key=lambda arm: arm.gain_db.mean)
    software, why_software = _software_half(arms)
    hardware, why_hardware = _hardware_half(table)
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    else:
        halves = {software, hardware}
        ruling = halves.pop() if len(halves) == 1 else CONDITIONS
        reason = (
            f"Software's half {software}: {why_software} Hardware's half {hardware}: {why_hardware}"
        )
    return Verdict(
        claim="Q4",
        verdict=ruling,
        measure="smallest gain of the codebook over the uniform grid, in dB",
        statistic=worst.gain_db.mean,
        margin=0.0,
        n=n,
        interval=(worst.gain_db.low, worst.gain_db.high) if worst.gain_db.n > 1 else None,
        networks=tuple(networks),
        data=", ".join(name for name in dict.fromkeys(table["data"]) if name != NO_DATA),
        reason=reason,
        software=_small_values_voice(table, networks),
        hardware=_price_voice(table),
    )


@dataclass(frozen=True, kw_only=True)
class JudgedArm:
    """A codebook against the uniform grid of the same bits and scales, on one network.

    gain_db  of signal-to-noise ratio
    gain     of accuracy, in points; None on a network without data
    loss     of the codebook against the float network, in points; None without data
    status   "fixed", "helped", "not saved" where the grid clearly loses; else "worse" or "no need";
             "no data" without data
    """

    network: str
    granularity: str
    bits: int
    gain_db: Interval
    gain: Interval | None
    loss: Interval | None
    status: str

    def __str__(self) -> str:
        return f"{self.network}, {self.bits} bits, scale a {self.granularity}"


def judged_arms(table: pd.DataFrame) -> list[JudgedArm]:
    """Every judged comparison of a codebook with a uniform grid.

    table  rows of Q4
    """
    pairs = table[["network", "data"]].drop_duplicates().itertuples(index=False, name=None)
    return [
        _judged(table, network, data, granularity, bits)
        for network, data in pairs
        if network != LANE
        for granularity in GRANULARITIES
        for bits in JUDGED_BITS
    ]


def _judged(table: pd.DataFrame, network: str, data: str, granularity: str, bits: int) -> JudgedArm:
    def of(measure: str, method: str) -> pd.Series:
        arm = {"network": network, "method": method, "granularity": granularity, "bits": bits}
        return by_seed(table, "value", claim="Q4", measure=measure, **arm)

    ratio = of("sqnr_db", CODEBOOK)
    grid_ratio = max((of("sqnr_db", grid) for grid in GRIDS), key=lambda values: values.mean())
    require_same_seeds(grid_ratio, ratio, claim="Q4")
    gain_db = paired_interval(ratio, grid_ratio)
    gain = loss = None
    status = "no data"
    if data != NO_DATA:
        margin = margin_points(data)
        before = _float_accuracy(table, network)
        book = of("accuracy", CODEBOOK)
        grid = max((of("accuracy", name) for name in GRIDS), key=lambda values: values.mean())
        for arm in (book, grid):
            require_same_seeds(before, arm, claim="Q4")
        gain = paired_interval(100 * book, 100 * grid)
        loss = paired_interval(100 * before, 100 * book)
        is_needed = paired_interval(100 * before, 100 * grid).low > margin
        if gain.high < 0:
            status = "worse"
        elif not is_needed:
            status = "no need"
        elif not gain.low > 0:
            status = "not saved"
        else:
            status = "fixed" if loss.high <= margin else "helped"
    return JudgedArm(
        network=network,
        granularity=granularity,
        bits=bits,
        gain_db=gain_db,
        gain=gain,
        loss=loss,
        status=status,
    )


def _software_half(arms: list[JudgedArm]) -> tuple[str, str]:
    lower = [arm for arm in arms if arm.gain_db.mean <= 0]
    by = {name: [a for a in arms if a.status == name] for name in {arm.status for arm in arms}}
    fixed, helped = by.get("fixed", []), by.get("helped", [])
    failed, worse = by.get("not saved", []), by.get("worse", [])
    needed = len(fixed) + len(helped) + len(failed)
    why = (
        f"the error is smaller in {len(arms) - len(lower)} of {len(arms)} comparisons; of {needed} "
        f"where the uniform grid loses accuracy, {len(fixed)} are brought back within the margin, "
        f"{len(helped)} improved, {len(failed)} not."
    )
    if lower:
        why += f" The error is not smaller at {'; '.join(map(str, lower))}."
    if worse:
        why += f" Accuracy is worse at {'; '.join(map(str, worse))}."
    if len(lower) == len(arms) or worse or not (fixed or helped):
        return FAILS, why
    return (CONDITIONS if lower or helped or failed else HOLDS), why


def _hardware_half(table: pd.DataFrame) -> tuple[str, str]:
    ratios = {
        (bits, measure): _price(table, measure, CODEBOOK, "own", bits)
        / _price(table, measure, "uniform", "own", bits)
        for bits in PRICED_BITS
        for measure in ("area_um2", "energy_pj")
    }
    dear = sum(ratio >= DEAR for ratio in ratios.values())
    why = (
        f"a table in every lane takes {ratios[4, 'area_um2']:.1f} times the area and "
        f"{ratios[4, 'energy_pj']:.1f} times the energy of a uniform lane at 4 bits."
    )
    if dear == 0:
        return FAILS, why
    if dear < len(ratios):
        return CONDITIONS, why
    around = [
        _price(table, measure, NARROW_CODEBOOK, "shared", 4)
        / _price(table, measure, "uniform", "own", 4)
        for measure in ("area_um2", "energy_pj")
    ]
    if max(around) < DEAR and _narrow_values_are_enough(table):
        why += (
            f" Tables of 8-bit values, one for a row of lanes, take {around[0]:.1f} times the area and "
            f"{around[1]:.1f} times the energy."
        )
        return CONDITIONS, why
    return HOLDS, why


def _narrow_values_are_enough(table: pd.DataFrame) -> bool:
    """Whether 8-bit values lose no more than the margin against 16-bit ones, at 4 bits, anywhere."""
    for network, data in table[["network", "data"]].drop_duplicates().itertuples(index=False):
        if network == LANE or data == NO_DATA:
            continue
        for granularity in GRANULARITIES:
            arm = {"network": network, "granularity": granularity, "bits": 4, "measure": "accuracy"}
            wide = by_seed(table, "value", claim="Q4", method=CODEBOOK, **arm)
            narrow = by_seed(table, "value", claim="Q4", method=NARROW_CODEBOOK, **arm)
            require_same_seeds(wide, narrow, claim="Q4")
            loss = paired_interval(100 * wide, 100 * narrow)
            if non_inferiority(loss, margin=margin_points(data)) != HOLDS:
                return False
    return True


def _float_accuracy(table: pd.DataFrame, network: str) -> pd.Series:
    arm = {"network": network, "method": "fp32", "measure": "accuracy"}
    return by_seed(table, "value", claim="Q4", **arm)


def _price(table: pd.DataFrame, measure: str, method: str, place: str, bits: int) -> float:
    arm = {"network": LANE, "method": method, "granularity": place, "bits": bits}
    return float(by_seed(table, "value", claim="Q4", measure=measure, **arm).iloc[0])


def _small_values_voice(table: pd.DataFrame, networks: list[str]) -> str:
    def lost(method: str) -> tuple[float, float]:
        rows = table[(table["measure"] == "lost_share") & (table["method"] == method)]
        rows = rows[(rows["bits"] == 4) & (rows["granularity"] == "tensor")]
        shares = 100 * rows[rows["network"].isin(networks)].groupby("network")["value"].mean()
        return float(shares.min()), float(shares.max())

    said = [
        f"{what} {least:.0f} to {most:.0f}%"
        for what, (least, most) in (
            ("a uniform grid", lost("minmax")),
            ("k-means", lost("kmeans")),
            ("powers of two", lost("log2")),
        )
    ]
    return (
        "At 4 bits, one scale a tensor, the share of weights that come back no better than a zero, by "
        f"network: {', '.join(said)}."
    )


def _price_voice(table: pd.DataFrame) -> str:
    uniform = _price(table, "area_um2", "uniform", "own", 4)
    own, shared, narrow = (
        _price(table, "area_um2", method, place, 4) / uniform
        for method, place in (
            (CODEBOOK, "own"),
            (CODEBOOK, "shared"),
            (NARROW_CODEBOOK, "shared"),
        )
    )
    return (
        f"At 4 bits a lane with its own table takes {own:.1f} times a uniform lane's area, with a table "
        f"shared by its row {shared:.1f} times, with 8-bit values as well {narrow:.1f} times: what stays "
        "is the wider multiplier."
    )
