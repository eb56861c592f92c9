"""All verdicts side by side: what the essay says, what the two voices read, and the chapter that measured it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from nncourse.claims.register import CLAIMS, verdict
from nncourse.claims.verdict import Verdict
from nncourse.experiments import record

HEADS = ("the essay says", "the two voices read", "the verdict, and what it rests on")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a claim comes from and where it is measured.

    said     what the essay says, in this book's words
    chapter  file of the chapter below the book's folder, such as ``"why/why_compress"``
    """

    said: str
    chapter: str


PLACES: Mapping[str, Place] = MappingProxyType(
    {
        "W1": Place(
            said="A smaller network gains six things at once: storage, bandwidth, energy of access "
            "and of arithmetic, operations, throughput, latency.",
            chapter="why/why_compress",
        ),
        "Q1": Place(
            said="Whoever builds the chip puts fixed point before floating point and single before "
            "double precision; whoever owns the accuracy puts them the other way round.",
            chapter="quantization/formats_and_their_price",
        ),
        "Q2": Place(
            said="With a suitable grid and some fine-tuning, going from FP32 to FP16 or INT8 is feasible "
            "in the main: same accuracy, half or a quarter of the size.",
            chapter="quantization/fine_tuning",
        ),
        "Q3": Place(
            said="Below eight bits it may well work, as papers show, but it is hard to bring into a "
            "product: chips lag behind the algorithms.",
            chapter="quantization/fine_tuning",
        ),
        "Q4": Place(
            said="A uniform grid is easy to compute with and coarse for small values; uneven levels keep "
            "them, at the price of look-up tables in a very parallel array.",
            chapter="quantization/codebooks",
        ),
        "Q5": Place(
            said="The layers at both ends want more bits than those between, so variable width is best "
            "on paper, and unwelcome both in silicon and in the training.",
            chapter="quantization/variable_width",
        ),
        "P1": Place(
            said="Connections that a network does not need can be cut without losing accuracy.",
            chapter="pruning/redundant_connections",
        ),
        "P2": Place(
            said="Four fifths of the operations of ResNet-50 can be cut with ease.",
            chapter="pruning/redundant_connections",
        ),
        "P3": Place(
            said="On an accelerator a fifth of the operations is far from five times as fast; three times "
            "is good already, since parallel lanes still carry some of what was cut.",
            chapter="pruning/missing_speed",
        ),
        "P4": Place(
            said="Pruning in shapes that suit the array cuts less and saves time for certain, which is why "
            "it is what people use.",
            chapter="pruning/hardware_shape",
        ),
        "D1": Place(
            said="Any lossless code can be used; the habits of network data make special ones worthwhile.",
            chapter="coding/entropy_bound",
        ),
        "D2": Place(
            said="A Huffman symbol is found only by decoding those before it, so a memory cannot be read "
            "at any place one likes.",
            chapter="coding/huffman",
        ),
        "D3": Place(
            said="Where values are spread out evenly, Huffman coding saves little.",
            chapter="coding/huffman",
        ),
        "D4": Place(
            said="Run lengths suit networks, whose values are often zero, compress them well and are easy "
            "in hardware; finding one element is as hard as before.",
            chapter="coding/run_length",
        ),
        "D5": Place(
            said="CSR pays from some sparsity on, compresses less than run lengths, and a matching engine "
            "multiplies with it as it is stored.",
            chapter="coding/sparse_formats",
        ),
        "D6": Place(
            said="A compiler cannot address compressed data, so chips decompress at their door: nothing is "
            "won inside, bandwidth and energy outside.",
            chapter="coding/where_to_decompress",
        ),
        "F1": Place(
            said="The newer an architecture, the less it can be compressed; one may exist that is small, "
            "dense and has nothing to cut.",
            chapter="future/still_pruning",
        ),
        "F2": Place(
            said="Giving a pruned network some connections back makes it more accurate.",
            chapter="future/still_pruning",
        ),
        "F3": Place(
            said="So networks to come may do without pruning.",
            chapter="future/still_pruning",
        ),
        "F4": Place(
            said="A network that loses nothing when it is rounded to INT4 without any care was too large; "
            "its structure is what to work on.",
            chapter="future/enough_bits",
        ),
        "F5": Place(
            said="A network made for few bits from its first step very probably does better than one that "
            "was converted.",
            chapter="future/enough_bits",
        ),
        "F6": Place(
            said="For some years INT4 may be the format that suits; to a chip, fixed point and fewer bits "
            "are always better.",
            chapter="future/enough_bits",
        ),
    }
)
"""Every claim in the order of the essay."""


def scoreboard(claims: Iterable[str] = CLAIMS, *, results: Path | None = None) -> str:
    """A Markdown table with one row for each of ``claims``, from their recorded tables alone.

    claims   ids, such as ``["Q1", "Q2"]``; all of them by default
    results  folder of the tables; ``record.results_folder()`` when None

    The columns are ``HEADS``. A chapter is linked from beside the table's page, one folder below
    the book's; one that is not there is named without a link.
    """
    book = (record.results_folder() if results is None else results).parent
    rows = [_row(verdict(claim, results=results), book) for claim in claims]
    return "\n".join([_line(HEADS), _line(["---"] * len(HEADS)), *map(_line, rows)])


def provenance_rows(*, results: Path | None = None) -> list[dict[str, object]]:
    """How each recorded table came about: ``id command seeds minutes processor table``.

    results  folder of the tables

    ``table`` is the beginning of the table's SHA-256; claims without a table have no row.
    """
    notes = {
        claim: record.provenance(claim, folder=results)
        for claim in CLAIMS
        if record.is_recorded(claim, folder=results)
    }
    return [
        {
            "id": claim,
            "command": note["command"],
            "seeds": len(note["seeds"]),
            "minutes": round(note["seconds"] / 60, 1),
            "processor": f"{note['cpu']}, {note['cores']} cores",
            "table": note["table_sha256"][:12],
        }
        for claim, note in notes.items()
    ]


def _row(found: Verdict, book: Path) -> list[str]:
    place = PLACES[found.claim]
    is_there = (book / f"{place.chapter}.ipynb").is_file()
    link = f"[](../{place.chapter}.ipynb)" if is_there else "chapter not written"
    voices = [("SW", found.software), ("HW", found.hardware)]
    return [
        f"**{found.claim}** {place.said}<br>{link}",
        "<br>".join(f"**{name}** {_cell(text)}" for name, text in voices if text) or "–",
        f"**{found.verdict}** {_cell(found.reason)}<br>*Rests on:* {_cell(found.rests_on)}",
    ]


def _cell(text: str) -> str:
    # Neither a cell's border nor emphasis is meant by these.
    for mark in "\\|*_`[]<>$":
        text = text.replace(mark, f"\\{mark}")
    return text


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
