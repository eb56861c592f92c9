"""Turn the built book into a publication: one static folder, a zip of it, and the whole book as a PDF.

Run it with the project's Python after ``book/build.py``: ``python book/publish.py``. The folder needs no server
and no base address: it works below any address and from the file system.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
HTML = BOOK / "_build" / "html"
PUBLICATION = BOOK / "_build" / "publication"
NAME = "nncourse-book"
LEFT_OUT = (".buildinfo", ".buildinfo.bak", ".doctrees", "reports", "objects.inv.bak")
TEXTS = {".html", ".js", ".css", ".json", ".ipynb", ".md", ".txt"}
# The theme's menu for taking a page away; the book joins it.
MENU = re.compile(r'(<div class="dropdown dropdown-download-buttons">.*?)(</ul>)', re.DOTALL)
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say: equal books make equal files


def main() -> int:
    """Publish; the exit status."""
    start = time.monotonic()
    if not (HTML / "_static" / "vendor" / "widgets").is_dir():
        return _fail(
            "the built book is missing or asks other hosts; run make book, with npm installed"
        )
    site = PUBLICATION / "site"
    copy_site(HTML, site)
    flaws = [*dead_links(site), *named_folders(site, ROOT)]
    if flaws:
        return _fail("\n".join(["the pages are not fit to leave this machine:", *flaws]))
    # Here, so that tests of the folder need no browser.
    from paper import chromium, print_book

    executable = chromium()
    if executable is None:
        write_zip(site, PUBLICATION / f"{NAME}.zip")
        return _fail("folder and zip are written, but the PDF needs Chromium; run make tools")
    pages = print_book(site, BOOK / "_toc.yml", site / f"{NAME}.pdf", executable=executable)
    for page in site.rglob("*.html"):
        offer_pdf(page, site)
    write_zip(site, PUBLICATION / f"{NAME}.zip")
    print(f"publish: {pages} pages in the PDF, all ready after {time.monotonic() - start:.0f} s")
    for path in (site, site / f"{NAME}.pdf", PUBLICATION / f"{NAME}.zip"):
        print(f"  {path.relative_to(ROOT)}  {_bytes(path) / 1e6:.1f} MB")
    return 0


def copy_site(html: Path, site: Path) -> None:
    """Copy what readers need of the built ``html`` to ``site``, which is emptied first."""
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(html, site, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (site / ".nojekyll").touch()  # GitHub Pages drops folders that begin with _ without it


def dead_links(site: Path) -> Iterator[str]:
    """Where a page points to nothing: a file that is not there, or an address outside every base.

    site  folder of the publication
    """
    for page in sorted(site.rglob("*.html")):
        if "_static" in page.relative_to(site).parts:
            continue  # examples that packages brought along
        links = Links()
        links.feed(page.read_text(encoding="utf-8"))
        for address in links.addresses:
            parts = urlsplit(address)
            if parts.scheme == "file" or parts.path.startswith("/"):
                if not parts.netloc:
                    yield f"{page.relative_to(site)}: {address} works on one machine alone"
            elif not parts.scheme and parts.path:
                target = (page.parent / unquote(parts.path)).resolve()
                if not (target.is_file() and target.is_relative_to(site.resolve())):
                    yield f"{page.relative_to(site)}: {address} leads nowhere"


def named_folders(site: Path, root: Path) -> Iterator[str]:
    """Texts in ``site`` that name the folder ``root`` of the machine that built them."""
    for path in sorted(site.rglob("*")):
        if path.suffix in TEXTS and str(root).encode() in path.read_bytes():
            yield f"{path.relative_to(site)}: names the folder {root}"


class Links(HTMLParser):
    """Collects ``addresses``: what the elements of a page refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the references of one element."""
        self.addresses += [value for name, value in attrs if name in {"href", "src"} and value]


def offer_pdf(page: Path, site: Path) -> None:
    """Add the PDF of the whole book to the menu of downloads on one ``page`` of ``site``."""
    up = "../" * (len(page.relative_to(site).parts) - 1)
    item = (
        f'<li><a href="{up}{NAME}.pdf" class="btn btn-sm dropdown-item">'
        '<span class="btn__icon-container"><i class="fas fa-book"></i></span>'
        '<span class="btn__text-container">the whole book (.pdf)</span></a></li>'
    )
    html = page.read_text(encoding="utf-8")
    page.write_text(MENU.sub(rf"\1{item}\2", html, count=1), encoding="utf-8")


def write_zip(site: Path, target: Path) -> None:
    """Write ``site`` as a zip that unpacks into one folder; equal sites give equal files."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(site.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(f"{NAME}/{path.relative_to(site).as_posix()}", ZIP_DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(file.stat().st_size for file in files)


def _fail(message: str) -> int:
    print(f"publish: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
