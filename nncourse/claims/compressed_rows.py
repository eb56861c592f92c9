"""The rule of claim D5: CSR pays past some sparsity, is larger than run length, and is computed on as it is.

Written before the first run. Four parts:

1. It pays past some sparsity: for every width of index and value, the density at which its bytes equal
   those of the dense form lies between 1% and 99%, in every seed.
2. It compresses less: its bytes over those of run length, each with its own best widths. In a case (a
   network at a density, values of one width) the interval over the seeds of the logarithm lies above 0.
3. It is computed on as it is: every product on a stored form equals the dense product, bit for bit.
4. A matched engine gains: the cycles of a dense array over those of an engine with as many multipliers
   that works on the stored entries, likewise. A case is a network at a density and a number of multipliers.

- all four, 2 and 4 in every case: the claim holds;
- 1 and 3, and each of 2 and 4 in some case: it holds with conditions, which are named;
- otherwise it does not hold here;
- fewer than five seeds: undecided.

The time of a processor is told beside the verdict and does not decide it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nncourse.claims.arms import by_seed, require_columns, require_same_seeds
from nncourse.claims.intervals import MIN_SEEDS, Interval, paired_interval
from nncourse.claims.verdict import Verdict

LEAST_DENSITY, MOST_DENSITY = 0.01, 0.99
ROWS, RUN_LENGTH, DENSE, ENGINE = "CSR", "run length", "dense", "engine"
KEYS = ("network", "density", "value_bits", "elements")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A ratio that has to be above 1: one network at one density.

    width     bits of a value, or number of multipliers
    ratio     mean over the seeds
    interval  of its logarithm
    """

    network: str
    density: float
    width: int
    ratio: float
    interval: Interval

    @property
    def is_clear(self) -> bool:
        """Whether the ratio is clearly above 1."""
        return self.interval.low > 0


def computed_as_it_is(table: pd.DataFrame) -> Verdict:
    """The verdict on D5.

    table  rows of D5: ``seed network data density part form elements index_bits value_bits value``
    """
    columns = ["seed", "data", "part", "form", "index_bits", "value", *KEYS]
    require_columns(table, columns, claim="D5")
    pays = break_even(table)
    inside = pays["least"].min() > LEAST_DENSITY and pays["most"].max() < MOST_DENSITY
    larger, faster = size_cases(table), cycle_cases(table)
    products = _part(table, "product")
    wrong = products[products["value"] != 1.0]
    smallest = min(larger, key=lambda case: case.interval.low)
    n = min(case.interval.n for case in (*larger, *faster))
    if n < MIN_SEEDS:
        ruling, reason = "undecided", f"{n} seeds are fewer than {MIN_SEEDS}."
    elif not inside:
        ruling = "does not hold here"
        reason = (
            f"Densities at which CSR is as large as dense range from {pays['least'].min():.1%} to "
            f"{pays['most'].max():.1%}: for some width it pays everywhere or nowhere."
        )
    elif len(wrong):
        ruling = "does not hold here"
        reason = f"The product on {wrong['form'].iloc[0]} of {wrong['network'].iloc[0]} differs from the dense one."
    elif not any(case.is_clear for case in larger):
        ruling, reason = "does not hold here", "CSR is nowhere clearly larger than run length."
    elif not any(case.is_clear for case in faster):
        ruling, reason = (
            "does not hold here",
            "The engine is nowhere clearly faster than a dense array.",
        )
    elif all(case.is_clear for case in (*larger, *faster)):
        ruling, reason = "holds", _found(pays, larger, faster)
    else:
        ruling = "holds with conditions"
        reason = f"{_found(pays, larger, faster)} {_conditions(larger, faster)}"
    return Verdict(
        claim="D5",
        verdict=ruling,
        measure="bytes of CSR over those of run length, case where it is least",
        statistic=smallest.ratio,
        margin=1.0,
        n=n,
        interval=(float(np.exp(smallest.interval.low)), float(np.exp(smallest.interval.high))),
        networks=tuple(dict.fromkeys(table["network"])),
        data=", ".join(dict.fromkeys(table["data"])),
        reason=reason,
        software=_software(pays),
        hardware=_hardware(table, faster),
    )


def break_even(table: pd.DataFrame) -> pd.DataFrame:
    """The density at which CSR is as large as dense, by matrix and widths.

    table    rows of D5
    returns  columns ``network index_bits value_bits density least most``: mean, least and most over seeds
    """
    keys = ["network", "index_bits", "value_bits"]
    found = _part(table, "break-even").groupby(keys, sort=False)["value"]
    return found.agg(density="mean", least="min", most="max").reset_index()


def size_cases(table: pd.DataFrame) -> list[Case]:
    """Bytes of CSR over those of run length, by network, density and width of a value.

    table  rows of D5
    """
    return _cases(_part(table, "bytes"), "value_bits", above=ROWS, below=RUN_LENGTH)


def cycle_cases(table: pd.DataFrame) -> list[Case]:
    """Cycles of a dense array over those of the engine, by network, density and multipliers.

    table  rows of D5
    """
    return _cases(_part(table, "cycles"), "elements", above=DENSE, below=ENGINE)


def time_crossings(table: pd.DataFrame) -> dict[str, float]:
    """The density below which the product on each form took less time than the dense one, by form.

    table    rows of D5
    returns  from the medians over the seeds, linear between the logarithms of two densities; 0 where the
             dense product is faster at every density, the largest density where it never is
    """
    medians = _part(table, "time").groupby(["form", "density"])["value"].median()
    found = {}
    for form in dict.fromkeys(medians.index.get_level_values("form")):
        ratios = medians[form].sort_index()
        densities, logs = np.log(ratios.index.to_numpy(float)), np.log(ratios.to_numpy())
        slower = np.flatnonzero(logs >= 0)
        if not slower.size or not slower[0]:
            found[str(form)] = 0.0 if slower.size else float(np.exp(densities[-1]))
            continue
        last = slower[0]
        at = np.interp(0.0, logs[last - 1 : last + 1], densities[last - 1 : last + 1])
        found[str(form)] = float(np.exp(at))
    return found


def _cases(rows: pd.DataFrame, width: str, *, above: str, below: str) -> list[Case]:
    found = []
    for case in rows[["network", "density", width]].drop_duplicates().to_dict("records"):
        first, second = (
            by_seed(rows, "value", claim="D5", form=form, **{str(k): v for k, v in case.items()})
            for form in (above, below)
        )
        require_same_seeds(first, second, claim="D5")
        ratio = first / second
        found.append(
            Case(
                network=case["network"],
                density=case["density"],
                width=int(case[width]),
                ratio=float(ratio.mean()),
                interval=paired_interval(np.log(ratio), np.zeros(len(ratio))),
            )
        )
    return found


def _part(table: pd.DataFrame, part: str) -> pd.DataFrame:
    rows = table[table["part"] == part]
    if rows.empty:
        raise ValueError(
            f"the table of D5 has no row of the part {part!r}, which its verdict needs: "
            "record it again with nncourse experiment D5"
        )
    return rows


def _found(pays: pd.DataFrame, larger: Sequence[Case], faster: Sequence[Case]) -> str:
    return (
        f"CSR pays below densities of {pays['least'].min():.0%} to {pays['most'].max():.0%}, by width; it "
        f"is {_span(larger)} times as large as run length; every product is exact, and an engine on stored "
        f"entries takes {_span(faster)} times fewer cycles than as many dense multipliers."
    )


def _conditions(larger: Sequence[Case], faster: Sequence[Case]) -> str:
    parts = []
    if rest := [case for case in larger if not case.is_clear]:
        each = ", ".join(f"{_name(case)}, {case.width} bits ({case.ratio:.2f})" for case in rest)
        parts.append(f"CSR is not clearly larger than run length for {each}")
    if rest := [case for case in faster if not case.is_clear]:
        each = ", ".join(f"{_name(case)} on {case.width} ({case.ratio:.2f}x)" for case in rest)
        parts.append(f"the engine is not clearly faster for {each}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _name(case: Case) -> str:
    return f"{case.network} at {case.density:.0%}"


def _span(found: Sequence[Case]) -> str:
    ratios = [case.ratio for case in found]
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def _by_elements(faster: Sequence[Case]) -> str:
    parts = []
    for elements in sorted({case.width for case in faster}):
        some = [case for case in faster if case.width == elements]
        parts.append(f"with {elements} it takes {_span(some)} times fewer cycles")
    return ", ".join(parts)


def _software(pays: pd.DataFrame) -> str:
    first = pays[pays["network"] == pays["network"].iloc[0]]
    each = ", ".join(
        f"{row.index_bits} and {row.value_bits} bits {row.density:.0%}"
        for row in first.itertuples()
    )
    return f"Density below which CSR is smaller than dense, by width of index and value: {each}."


def _hardware(table: pd.DataFrame, faster: Sequence[Case]) -> str:
    times = ", ".join(f"{form} {at:.0%}" for form, at in time_crossings(table).items())
    return (
        f"My engine needs many rows for each of its elements: {_by_elements(faster)}. On the processor of "
        f"the record the product takes less time than the dense one below these densities: {times}."
    )
