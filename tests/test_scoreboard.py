"""All verdicts side by side: one row a claim, from recorded tables alone."""

import json
from pathlib import Path

import pytest

from nncourse.claims import CLAIMS, verdict
from nncourse.claims.scoreboard import HEADS, PLACES, provenance_rows, scoreboard
from nncourse.experiments import record

BOOK = Path(__file__).resolve().parents[1] / "book"
RESULTS = BOOK / "results"


def cells(row):
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def test_every_claim_has_a_place_in_the_order_of_the_essay():
    assert list(PLACES) == list(CLAIMS)
    assert all(place.said.endswith(".") for place in PLACES.values())


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_chapter_of_a_claim_shows_its_verdict(claim):
    chapter = BOOK / f"{PLACES[claim].chapter}.ipynb"
    if not chapter.exists():
        assert not record.is_recorded(claim, folder=RESULTS), "measured, and no chapter says so"
        return
    source = "".join(
        "".join(cell["source"]) for cell in json.loads(chapter.read_text("utf-8"))["cells"]
    )
    assert f'"{claim}"' in source


def test_the_page_that_follows_the_essay_names_every_claim_its_chapter_and_its_verdict():
    page = (BOOK / "future" / "article.md").read_text("utf-8")
    for claim, place in PLACES.items():
        (row,) = (line for line in page.splitlines() if f"{{verdict}}`{claim}`" in line)
        assert f"| {claim} |" in row
        if (BOOK / f"{place.chapter}.ipynb").exists():
            path = place.chapter.removeprefix("future/")
            path = path if path != place.chapter else f"../{place.chapter}"
            assert f"{{doc}}`{path}`" in row, "the chapter is written: link it"


def test_a_row_says_what_the_verdict_says():
    head, _, *rows = scoreboard(results=RESULTS).splitlines()
    assert cells(head) == list(HEADS)
    assert len(rows) == len(CLAIMS)
    for claim, row in zip(CLAIMS, rows, strict=True):
        found = verdict(claim, results=RESULTS)
        said, voices, judged = cells(row)
        assert said.startswith(f"**{claim}** {PLACES[claim].said}")
        assert judged.startswith(f"**{found.verdict}**")
        assert ("**SW**" in voices) == bool(found.software)
        assert ("**HW**" in voices) == bool(found.hardware)
        if found.statistic is not None:
            assert f"{found.statistic:.3g}" in judged
            assert str(found.networks[0]) in judged


def test_without_a_table_a_claim_is_undecided_and_has_no_provenance(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    _, _, row = scoreboard(["P3"], results=results).splitlines()
    assert "**undecided**" in row
    assert "nothing recorded yet" in row
    assert "chapter not written" in row
    assert provenance_rows(results=results) == []


def test_another_table_gives_another_row(tmp_path):
    measured = record.results("P3", folder=RESULTS)
    faster = measured.assign(
        array_speedup=measured.array_speedup.where(
            measured.mechanism != "lock step", 1 / measured.operations_left
        )
    )
    record.write(
        "P3",
        faster.to_dict("records"),
        command="nncourse experiment P3",
        sources={},
        sources_sha256="",
        seeds=[0, 1, 2, 3, 4],
        seconds=90.0,
        folder=tmp_path,
    )
    (recorded,) = scoreboard(["P3"], results=RESULTS).splitlines()[2:]
    (planted,) = scoreboard(["P3"], results=tmp_path).splitlines()[2:]
    assert "**holds**" in recorded
    assert "**does not hold here**" in planted
    (note,) = provenance_rows(results=tmp_path)
    assert note["id"] == "P3"
    assert note["minutes"] == 1.5
    assert note["seeds"] == 5


def test_a_text_with_bars_and_stars_stays_in_its_cell():
    for row in scoreboard(results=RESULTS).splitlines():
        assert len(cells(row)) == len(HEADS), row
