"""The book's own Sphinx extensions: repairs of the theme's pages, and verdicts inside a page."""

import io
import shutil
import sys
from pathlib import Path

import pytest
from sphinx.application import Sphinx

from nncourse.experiments import record

BOOK = Path(__file__).resolve().parents[1] / "book"


@pytest.fixture(scope="module", autouse=True)
def extensions_beside_the_book():
    """The extensions are no package; Sphinx finds them as it does when the book is built."""
    sys.path.insert(0, str(BOOK / "_ext"))
    yield
    sys.path.remove(str(BOOK / "_ext"))


@pytest.mark.parametrize(
    ("theme", "mended"),
    [
        (
            '<button class="btn search-button-field x" title="Search" aria-label="Search" data-a="b">Search',
            '<button class="btn search-button-field x" title="Search" data-a="b">Search',
        ),
        (
            '<i class="theme-switch fa-sun" data-mode="light" title="Light"></i>',
            '<i class="theme-switch fa-sun" data-mode="light" aria-hidden="true"></i>',
        ),
        ('<summary aria-label="Toggle hidden content">Show', "<summary>Show"),
        (
            '<div class="citation" id="id1" role="doc-biblioentry">',
            '<div class="citation" id="id1" role="listitem">',
        ),
        (
            '<div id="pst-primary-sidebar" class="a">',
            '<div id="pst-primary-sidebar" role="complementary" aria-label="The book" class="a">',
        ),
        (
            '<button class="sidebar-toggle x" title="Toggle primary sidebar">',
            '<button class="sidebar-toggle x" title="Toggle primary sidebar" aria-label="Toggle primary sidebar">',
        ),
        ("<tr><th></th><th>bits</th></tr>", "<tr><td></td><th>bits</th></tr>"),
        (
            '<div class="sidebar-primary-item">\n<div id="ethical-ad-placement" class="flat"></div></div>',
            "",
        ),
        (
            "<p>title and aria-label in plain text</p>",
            "<p>title and aria-label in plain text</p>",
        ),
    ],
)
def test_a_repair_mends_what_the_theme_writes_and_touches_nothing_else(theme, mended):
    from accessible import repaired

    assert repaired(theme) == mended


@pytest.fixture
def build(tmp_path):
    """``build()``: the text of a page that names verdicts, and what Sphinx had to say."""
    book = tmp_path / "book"
    (book / "results").mkdir(parents=True)
    for ending in (".csv", ".json"):
        shutil.copy(BOOK / "results" / f"P3{ending}", book / "results")

    def built(page):
        if page is not None:
            (book / "index.md").write_text(page)
        said = io.StringIO()
        app = Sphinx(
            book,
            None,
            tmp_path / "out",
            tmp_path / "doctrees",
            "text",
            confoverrides={"extensions": ["myst_parser", "verdict_role"]},
            status=None,
            warning=said,
        )
        app.build()
        return (tmp_path / "out" / "index.txt").read_text(), said.getvalue()

    return built


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_page_says_the_verdict_of_the_recorded_table(build, tmp_path):
    text, said = build("# A page\n\nP3 {verdict}`P3`, F1 {verdict}`F1`.\n")
    assert "P3 *holds*, F1 *undecided*." in text
    assert "WARNING" not in said

    results = tmp_path / "book" / "results"
    table = record.results("P3", folder=results)
    record.write(
        "P3",
        table[table.seed > 0].to_dict("records"),
        command="",
        sources={},
        sources_sha256="",
        seeds=[1, 2, 3, 4],
        seconds=0.0,
        folder=results,
    )
    text, _ = build(None)
    assert "P3 *undecided*" in text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_claim_that_does_not_exist_is_an_error_of_the_build(build):
    _, said = build("# A page\n\n{verdict}`X9`\n")
    assert "claim is one of" in said
