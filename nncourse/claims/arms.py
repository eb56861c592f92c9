"""The arms of a recorded table: finding them, and saying clearly when one is missing."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def require_columns(table: pd.DataFrame, columns: Sequence[str], *, claim: str) -> None:
    """Nothing when ``table`` has rows and all ``columns``, else a ``ValueError`` naming those missing.

    table    recorded rows
    columns  names that the rule of ``claim`` reads
    claim    id, for the message
    """
    missing = [name for name in columns if name not in table.columns]
    if missing or table.empty:
        what = f"the column {missing[0]!r}" if missing else "any row"
        raise ValueError(
            f"the table of {claim} lacks {what}: record it again with nncourse experiment {claim}"
        )


def by_seed(table: pd.DataFrame, value: str, *, claim: str, **arm: object) -> pd.Series:
    """Column ``value`` of one arm, indexed by seed.

    table  recorded rows with a column ``seed``
    value  column to return
    claim  id, for the message
    arm    column=value pairs that pick the rows of the arm

    A missing arm, or one with two rows for a seed, raises ``ValueError`` with the arm's name.
    """
    chosen = table
    for column, wanted in arm.items():
        chosen = chosen[chosen[column] == wanted]
    name = ", ".join(f"{column}={wanted}" for column, wanted in arm.items())
    if chosen.empty:
        raise ValueError(
            f"the table of {claim} has no row of the arm {name}, which its verdict needs: "
            f"record it again with nncourse experiment {claim}"
        )
    if chosen["seed"].duplicated().any():
        raise ValueError(f"the table of {claim} has two rows of one seed in the arm {name}")
    return chosen.set_index("seed")[value].sort_index()


def require_same_seeds(first: pd.Series, second: pd.Series, *, claim: str) -> None:
    """Nothing when two arms were measured on the same seeds, else a ``ValueError``.

    first, second  from ``by_seed``
    claim          id, for the message
    """
    if not first.index.equals(second.index):
        raise ValueError(
            f"the arms of {claim} are not paired: seeds {list(first.index)} "
            f"against {list(second.index)}"
        )
