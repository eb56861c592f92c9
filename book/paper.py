"""The whole book as one PDF: every page printed by Chromium, then bound, numbered and linked.

Chromium prints one page of the book at a time and knows nothing of the others. Binding makes the rest: numbers that
run through the book, an outline of parts, chapters and sections, and links that lead to a place in the same file.
"""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    FloatObject,
    IndirectObject,
    NameObject,
    NullObject,
    NumberObject,
)

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MARGINS = {"top": "18mm", "bottom": "20mm", "left": "18mm", "right": "18mm"}
SCALE = 0.72  # letters of a screen are large on paper
SHEET_PIXELS = round((210 - 2 * 18) / 25.4 * 96 / SCALE)  # a line of A4 between the margins
# What folds is opened, what is too wide shrinks, and targets get names that are one page's own.
PREPARE = """
async (slug) => {
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  document.querySelectorAll(".toggle-hidden").forEach((one) => one.classList.remove("toggle-hidden"));
  document.documentElement.classList.add("bound");
  for (const box of document.querySelectorAll(".cell_output .output, .pst-scrollable-table-container, div.math")) {
    if (box.scrollWidth > box.clientWidth + 1) box.style.zoom = box.clientWidth / box.scrollWidth;
  }
  const links = [...document.querySelectorAll("a[href^='#']")].filter((link) => link.hash.length > 1);
  for (const link of links) {
    const id = decodeURIComponent(link.hash.slice(1));
    const target = document.getElementById(id);
    if (target) target.id = `${slug}--${id}`;
    link.setAttribute("href", `#${slug}--${id}`);
  }
}
"""
DRAWN = """
() => [...document.querySelectorAll(".widget-subarea")].every((one) => one.querySelector("[role=group]"))
  && [...document.querySelectorAll(".widget-subarea svg[role=img]")].every((one) => one.getAttribute("aria-label"))
"""
FRONT_STYLE = """
body { font-family: sans-serif; color: #222; }
p.title { font-size: 2.4rem; font-weight: 700; margin: 30mm 0 4mm; }
h1 { break-before: page; font-size: 1.5rem; }
p.part { font-weight: 700; margin: 1.1rem 0 0.2rem; }
p.line { display: flex; margin: 0.15rem 0; }
p.line a { flex: 1; color: inherit; text-decoration: none; border-bottom: 1px dotted #999; }
"""
NUMBER_STYLE = """
@page { size: A4; margin: 0; }
body { margin: 0; font-family: sans-serif; font-size: 9pt; color: #555; }
div { height: 297mm; position: relative; break-after: page; }
div:last-child { break-after: auto; }
span { position: absolute; bottom: 9mm; width: 100%; text-align: center; }
"""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One printed page of the book.

    part   caption of its part; empty for the first page
    file   such as ``"why/why_compress"``
    title  first heading
    data   the PDF that Chromium made
    """

    part: str
    file: str
    title: str
    data: bytes

    @property
    def pages(self) -> int:
        """Number of sheets."""
        return len(PdfReader(io.BytesIO(self.data)).pages)


def chromium() -> Path | None:
    """The system's Chromium, or Playwright's own; None where there is neither."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return Path(found)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.exists() else None


def print_book(site: Path, contents: Path, target: Path, *, executable: Path) -> int:
    """Write the PDF of the book in ``site`` to ``target``; the number of its pages.

    site        folder of HTML pages
    contents    table of contents, ``_toc.yml``
    executable  the browser
    """
    settings = yaml.safe_load((contents.parent / "_config.yml").read_text(encoding="utf-8"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        chapters = [print_chapter(browser, site, part, file) for part, file in entries(contents)]
        front = print_front(browser, site, settings, chapters)
        numbers = print_numbers(browser, front.pages + sum(one.pages for one in chapters))
        browser.close()
    writer = bind([front, *chapters], numbers, site)
    writer.add_metadata({"/Title": settings["title"], "/Author": settings["author"]})
    writer.write(target)
    return len(writer.pages)


def entries(contents: Path) -> list[tuple[str, str]]:
    """Caption of the part and file of every page, in reading order."""
    table = yaml.safe_load(contents.read_text(encoding="utf-8"))
    pages = [
        (part["caption"], entry["file"]) for part in table["parts"] for entry in part["chapters"]
    ]
    return [("", table["root"]), *pages]


# --- printing ---------------------------------------------------------------------------------


def print_chapter(browser: Browser, site: Path, part: str, file: str) -> Chapter:
    """Print one page of the book as it looks in the light."""
    page = browser.new_page(
        color_scheme="light", viewport={"width": SHEET_PIXELS, "height": round(1.45 * SHEET_PIXELS)}
    )
    page.goto((site / f"{file}.html").as_uri())
    page.wait_for_load_state("networkidle")
    page.wait_for_function(DRAWN)
    page.emulate_media(media="print")
    page.evaluate(PREPARE, file.replace("/", "-"))
    title = page.locator("main h1").first.evaluate("(heading) => heading.firstChild.textContent")
    chapter = Chapter(part=part, file=file, title=title.strip(), data=_pdf(page, scale=SCALE))
    page.close()
    return chapter


def print_front(
    browser: Browser, site: Path, settings: dict[str, Any], chapters: list[Chapter]
) -> Chapter:
    """Title page and contents, printed twice: the second time it knows how long it is itself."""
    length = 1
    while True:
        page = browser.new_page()
        page.set_content(_front(site, settings, chapters, first=length + 1))
        front = Chapter(part="", file="", title="Contents", data=_pdf(page))
        page.close()
        if front.pages == length:
            return front
        length = front.pages


def print_numbers(browser: Browser, count: int) -> bytes:
    """A PDF of ``count`` sheets with nothing on them but their numbers."""
    page = browser.new_page()
    sheets = "".join(f"<div><span>{number}</span></div>" for number in range(1, count + 1))
    page.set_content(f"<style>{NUMBER_STYLE}</style>{sheets}")
    data = page.pdf(prefer_css_page_size=True)
    page.close()
    return data


def _pdf(page: Page, *, scale: float = 1.0) -> bytes:
    # Chromium writes an outline into documents with tags alone.
    return page.pdf(
        format="A4", margin=MARGINS, print_background=True, scale=scale, outline=True, tagged=True
    )


def _front(site: Path, settings: dict[str, Any], chapters: list[Chapter], *, first: int) -> str:
    lines, part = [], ""
    for chapter in chapters:
        if chapter.part != part:
            part = chapter.part
            lines.append(f'<p class="part">{escape(part)}</p>')
        address = (site / f"{chapter.file}.html").as_uri()
        lines.append(
            f'<p class="line"><a href="{address}">{escape(chapter.title)}</a><span>{first}</span></p>'
        )
        first += chapter.pages
    return (
        f'<html lang="en"><style>{FRONT_STYLE}</style><p class="title">{escape(settings["title"])}</p>'
        f"<p>{escape(settings['author'])}, {escape(settings['copyright'])}</p>"
        f"<h1>Contents</h1>{''.join(lines)}</html>"
    )


# --- binding ----------------------------------------------------------------------------------


def bind(chapters: list[Chapter], numbers: bytes, site: Path) -> PdfWriter:
    """All ``chapters`` in one document: numbered, with an outline, linked within itself."""
    writer, part, shelf = PdfWriter(), "", None
    places: dict[str, tuple[int, float | None]] = {}  # address below the site: page, height
    for chapter in chapters:
        reader, start = PdfReader(io.BytesIO(chapter.data)), len(writer.pages)
        places[chapter.file] = (start, None)
        for name, place in reader.named_destinations.items():
            number = reader.get_destination_page_number(place)
            if number is not None and number >= 0:
                places[name.lstrip("/")] = (start + number, place.top)
        writer.append(reader, import_outline=False)
        if chapter.part != part:
            part, shelf = (
                chapter.part,
                writer.add_outline_item(title=chapter.part, page_number=start),
            )
        own = writer.add_outline_item(title=chapter.title, page_number=start, parent=shelf)
        _add_sections(writer, reader, reader.outline, own, start)
    for sheet, number in zip(writer.pages, PdfReader(io.BytesIO(numbers)).pages, strict=True):
        sheet.merge_page(number)
        sheet.compress_content_streams()  # merging unpacks them
    _link_within(writer, places, site)
    writer.compress_identical_objects(remove_duplicates=True, remove_unreferenced=True)
    return writer


def _add_sections(
    writer: PdfWriter, reader: PdfReader, outline: list[Any], parent: IndirectObject, start: int
) -> None:
    # Chromium's outline begins with the title, which stands there already: its sections hang below.
    for item in outline:
        if isinstance(item, list):
            for section in item:
                if not isinstance(section, list):
                    page = start + (reader.get_destination_page_number(section) or 0)
                    writer.add_outline_item(
                        title=str(section.title), page_number=page, parent=parent
                    )


def _link_within(
    writer: PdfWriter, places: dict[str, tuple[int, float | None]], site: Path
) -> None:
    """Turn links to pages of ``site`` into links to their place in the document; the rest is left."""
    base = site.as_uri() + "/"
    for sheet in writer.pages:
        for reference in sheet.get("/Annots") or ():
            link = reference.get_object()
            place = _place(link, base, places)
            if place is not None:
                number, top = place
                height = NullObject() if top is None else FloatObject(top)
                link.pop("/Dest", None)
                link[NameObject("/A")] = DictionaryObject(
                    {
                        NameObject("/S"): NameObject("/GoTo"),
                        NameObject("/D"): ArrayObject(
                            [
                                writer.pages[number].indirect_reference,
                                NameObject("/XYZ"),
                                NumberObject(0),
                                height,
                                NumberObject(0),
                            ]
                        ),
                    }
                )


def _place(
    link: DictionaryObject, base: str, places: dict[str, tuple[int, float | None]]
) -> tuple[int, float | None] | None:
    if isinstance(link.get("/Dest"), str):
        return places.get(link["/Dest"].lstrip("/"))
    address = str((link.get("/A") or {}).get("/URI", ""))
    if not address.startswith(base):
        return None
    page, _, anchor = address.removeprefix(base).partition("#")
    file = page.removesuffix(".html")
    return places.get(f"{file.replace('/', '-')}--{anchor}", places.get(file))
