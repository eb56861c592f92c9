"""All claims of the article with their rules, and the table of verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from nncourse.claims import (
    casual_rounding,
    codebooks,
    compressed_rows,
    compression,
    concentration,
    decoder_place,
    equal_bytes,
    leanness,
    lock_step,
    narrow,
    native_bits,
    operations,
    precision,
    random_access,
    rankings,
    redundancy,
    regrown,
    runs,
    shapes,
    small_dense,
    special_codecs,
    widths,
)
from nncourse.claims.verdict import Verdict
from nncourse.experiments import record

Rule = Callable[[pd.DataFrame], Verdict]

CLAIMS: Mapping[str, str] = MappingProxyType(
    {
        "W1": "compression improves storage, bandwidth, energy, operations, throughput, latency",
        "Q1": "hardware and software rank the number formats in exactly opposite orders",
        "Q2": "FP16 and INT8 lose no accuracy, at 1/2 and 1/4 of the size",
        "Q3": "fewer than eight bits work in research and are hard to sell on today's hardware",
        "Q4": "uniform grids lose small values; tables save the accuracy and cost area",
        "Q5": "the first and last layers need more bits than the middle ones",
        "P1": "redundant connections can be pruned without loss of accuracy",
        "P2": "four fifths of ResNet-50's operations can go",
        "P3": "five times fewer operations run about three times faster on a parallel array",
        "P4": "pruning in the hardware's shape gives up ratio and gains time",
        "D1": "codecs made for network data beat general ones",
        "D2": "Huffman codes have no random access",
        "D3": "Huffman coding gains little where values are spread evenly",
        "D4": "run-length coding suits networks and is simple in hardware",
        "D5": "CSR pays past some sparsity and can be computed on as it is",
        "D6": "decompressing on the way into the chip saves bandwidth and energy, not storage",
        "F1": "newer architectures compress less",
        "F2": "adding connections back to a pruned network makes it more accurate",
        "F3": "future networks may need no pruning",
        "F4": "a network that survives casual INT4 rounding was too redundant",
        "F5": "training at low bits from the start beats quantizing afterwards",
        "F6": "INT4 is a suitable format for some time to come",
    }
)

# A claim enters here with its experiment, before the experiment first runs.
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "W1": compression.six_gains,
        "Q1": rankings.opposite_rankings,
        "Q2": precision.no_loss_at_half_and_quarter_size,
        "Q3": narrow.narrow_works_and_hardware_lags,
        "Q4": codebooks.tables_save_accuracy_and_cost_area,
        "Q5": widths.variable_width,
        "P1": redundancy.redundant_connections_go_without_loss,
        "P2": operations.four_fifths_of_operations_go,
        "P3": lock_step.five_times_fewer_three_times_faster,
        "P4": shapes.shape_trades_ratio_for_time,
        "D1": special_codecs.habits_are_exploited,
        "D2": random_access.everything_before,
        "D3": concentration.flat_gains_little,
        "D4": runs.runs_of_zeros,
        "D5": compressed_rows.computed_as_it_is,
        "D6": decoder_place.decoding_at_the_door,
        "F1": leanness.lean_compresses_less,
        "F2": regrown.regrown_beats,
        "F3": small_dense.small_dense_is_as_good,
        "F4": casual_rounding.survivors_were_redundant,
        "F5": native_bits.native_beats_tuned,
        "F6": equal_bytes.int4_is_suitable,
    }
)


def verdict(claim: str, *, results: Path | None = None) -> Verdict:
    """The verdict on ``claim``, from its recorded table alone.

    claim    id such as ``"Q2"``
    results  folder of the tables; ``record.results_folder()`` when None

    A claim without a rule or without a table is undecided, and the reason says which.

    >>> verdict("F6").claim
    'F6'
    """
    if claim not in CLAIMS:
        raise ValueError(f"claim is one of {', '.join(CLAIMS)}; got {claim!r}")
    if claim not in RULES:
        return _not_measured(claim, "Not yet measured: its experiment is not written.")
    if not record.is_recorded(claim, folder=results):
        return _not_measured(claim, f"Not yet measured: run nncourse experiment {claim}.")
    return judge(claim, record.results(claim, folder=results))


def judge(claim: str, table: pd.DataFrame) -> Verdict:
    """What the rule of ``claim`` says about any table of its form.

    claim  id of a claim that has a rule
    table  rows as its experiment returns them

    The same rule judges the recorded table, a rerun of a reader, and the planted tables of the
    tests.
    """
    if claim not in RULES:
        raise ValueError(f"claim {claim!r} has no rule yet; those there are: {', '.join(RULES)}")
    return RULES[claim](table)


def claims(*, results: Path | None = None) -> pd.DataFrame:
    """One row for every claim: ``id verdict statistic margin n measure``.

    results  folder of the tables
    """
    found = [verdict(claim, results=results) for claim in CLAIMS]
    return pd.DataFrame(
        {
            "id": [one.claim for one in found],
            "verdict": [one.verdict for one in found],
            "statistic": pd.Series([one.statistic for one in found], dtype=float).round(4),
            "margin": pd.Series([one.margin for one in found], dtype=float),
            "n": [one.n for one in found],
            "measure": [one.measure for one in found],
        }
    )


def _not_measured(claim: str, reason: str) -> Verdict:
    return Verdict(
        claim=claim,
        verdict="undecided",
        measure="",
        statistic=None,
        margin=None,
        n=0,
        interval=None,
        networks=(),
        data="",
        reason=reason,
    )
