"""What leaves the house: a folder that works anywhere, a zip, a PDF, and the files that publish them."""

import functools
import http.server
import io
import json
import re
import subprocess
import sys
import threading
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
HTML = BOOK / "_build" / "html"
LAUNCH = "https://hub.example/user-redirect/git-pull?urlpath=lab/tree/course/{notebook}"


@pytest.fixture(scope="module", autouse=True)
def scripts_beside_the_book():
    """The book's scripts and extensions are no package; they are found as when they are run."""
    folders = [str(BOOK), str(BOOK / "_ext")]
    sys.path[:0] = folders
    yield
    for folder in folders:
        sys.path.remove(folder)


@pytest.fixture
def publish():
    import publish

    return publish


@pytest.fixture
def site(tmp_path):
    """A book of three pages as the theme writes them, with the links that matter."""
    menu = '<div class="dropdown dropdown-download-buttons"><ul><li>notebook</li></ul></div>'
    pages = {
        "index.html": '<h1>A small book</h1><a href="one/first.html#there">there</a>',
        "one/first.html": '<h1>First</h1><h2 id="there">There</h2>'
        '<a href="second.html">next</a> <a href="#there">up</a> <a href="https://example.org/">out</a>',
        "one/second.html": '<h1>Second</h1><p>剪枝</p><a href="../index.html">start</a>',
    }
    folder = tmp_path / "site"
    for name, body in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(
            f'<!DOCTYPE html><html lang="en"><body>{menu}<main>{body}</main></body></html>',
            encoding="utf-8",
        )
    return folder


# --- folder and zip ---------------------------------------------------------------------------


def test_a_folder_without_flaws_has_none(publish, site):
    assert list(publish.dead_links(site)) == []
    assert list(publish.named_folders(site, ROOT)) == []


@pytest.mark.parametrize(
    "address",
    ["gone.html", "/index.html", "file:///home/somebody/index.html", "../../outside.html"],
)
def test_a_link_that_works_on_one_machine_alone_is_found(publish, site, address):
    (site.parent.parent / "outside.html").touch()
    page = site / "one" / "first.html"
    page.write_text(page.read_text("utf-8").replace("second.html", address), "utf-8")
    (flaw,) = publish.dead_links(site)
    assert flaw.startswith(f"one/first.html: {address}")


def test_a_page_that_names_the_builders_folder_is_found(publish, site):
    (site / "one" / "note.ipynb").write_text(f'{{"source": "{ROOT}/book"}}')
    (flaw,) = publish.named_folders(site, ROOT)
    assert flaw.startswith("one/note.ipynb")


def test_the_copy_has_every_page_and_nothing_of_the_builders(publish, site, tmp_path):
    (site / ".doctrees").mkdir()
    (site / ".doctrees" / "index.doctree").touch()
    (site / ".buildinfo").touch()
    target = tmp_path / "copy"
    target.mkdir()
    (target / "stale.html").touch()
    publish.copy_site(site, target)
    names = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert names == {".nojekyll", "index.html", "one/first.html", "one/second.html"}


def test_every_page_offers_the_pdf_from_where_it_lies(publish, site):
    (site / f"{publish.NAME}.pdf").touch()
    for page in site.rglob("*.html"):
        publish.offer_pdf(page, site)
        assert page.read_text("utf-8").count(f"{publish.NAME}.pdf") == 1
    assert list(publish.dead_links(site)) == []


def test_the_theme_still_has_the_menu_that_offers_it(publish, missing):
    if not (HTML / "index.html").exists():
        missing("book/_build/html", "make book")
    assert publish.MENU.search((HTML / "index.html").read_text("utf-8"))


def test_equal_books_make_equal_zips_that_unpack_into_one_folder(publish, site, tmp_path):
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    publish.write_zip(site, first)
    (site / "index.html").touch()
    publish.write_zip(site, second)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
        assert {name.split("/")[0] for name in archive.namelist()} == {publish.NAME}
        page = archive.read(f"{publish.NAME}/index.html")
    assert page == (site / "index.html").read_bytes()


# --- the built book, somewhere else -----------------------------------------------------------


@pytest.fixture(scope="module")
def far_away(missing, tmp_path_factory):
    """Address of the built book, below a base that it was not told."""
    if not (HTML / "search.html").exists():
        missing("book/_build/html", "make book")

    class Below(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path):
            return super().translate_path(path.removeprefix("/some/deep/base"))

        def log_message(self, *arguments):
            pass

    handler = functools.partial(Below, directory=str(HTML))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/some/deep/base/"
        server.shutdown()
        thread.join()


@pytest.mark.browser
@pytest.mark.parametrize("from_disk", [False, True], ids=["below a base", "from the file system"])
@pytest.mark.parametrize("word", ["Huffman", "剪枝"])
def test_the_search_finds_pages_and_asks_no_other_host(browser, far_away, from_disk, word):
    base = f"{HTML.as_uri()}/" if from_disk else far_away
    context = browser.new_context()
    page, asked, errors = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{base}search.html?q={word}")
    first = page.locator("#search-results ul.search li a").first
    first.wait_for(timeout=60_000)
    page.wait_for_load_state("networkidle")
    first.click()
    page.wait_for_load_state("networkidle")
    assert word.lower() in page.locator("main").inner_text().lower()
    assert page.url.startswith(base)
    assert [url for url in asked if not url.startswith((base, "data:", "blob:"))] == []
    assert errors == []
    context.close()


# --- the PDF ----------------------------------------------------------------------------------


@pytest.mark.browser
def test_the_pdf_is_numbered_linked_and_has_an_outline(browser, site, tmp_path):
    import paper
    from pypdf import PdfReader

    contents = site.parent / "_toc.yml"
    contents.write_text(
        "root: index\nparts:\n- caption: Part I\n  chapters: [{file: one/first}, {file: one/second}]\n"
    )
    settings = {"title": "A small book", "author": "nobody", "copyright": "2026"}
    chapters = [
        paper.print_chapter(browser, site, part, file) for part, file in paper.entries(contents)
    ]
    assert [one.title for one in chapters] == ["A small book", "First", "Second"]
    front = paper.print_front(browser, site, settings, chapters)
    count = front.pages + len(chapters)
    target = tmp_path / "book.pdf"
    bound = paper.bind([front, *chapters], paper.print_numbers(browser, count), site)
    bound.write(target)

    book = PdfReader(io.BytesIO(target.read_bytes()))
    texts = [page.extract_text() for page in book.pages]
    assert len(texts) == count == 5
    for number, text in enumerate(texts, start=1):
        assert text.strip().endswith(str(number)) or text.strip().startswith(str(number))
    # The contents name the page on which the second chapter stands.
    assert re.search(r"Second\s+5", texts[1])

    titles = [item.title for item in book.outline if not isinstance(item, list)]
    assert titles == ["Contents", "A small book", "Part I"]
    (chapters_of_part,) = (item for item in book.outline if isinstance(item, list))
    assert [i.title for i in chapters_of_part if not isinstance(i, list)] == ["First", "Second"]
    sections = next(item for item in chapters_of_part if isinstance(item, list))
    assert [item.title for item in sections] == ["There"]

    actions = [link.get_object()["/A"] for page in book.pages for link in page.get("/Annots") or ()]
    outside = [action["/URI"] for action in actions if "/URI" in action]
    assert outside == ["https://example.org/"]
    inside = [
        book.get_page_number(action["/D"][0].get_object()) for action in actions if "/D" in action
    ]
    # Three of the contents, one of the first page, two of the next, one of the last.
    assert sorted(inside) == [2, 2, 3, 3, 3, 4, 4]


# --- links to places that run notebooks -------------------------------------------------------


def offered(pagename, suffix, launch_url):
    import notebook_links

    download = {"type": "link", "text": suffix, "label": "download-source-button"}
    buttons = [{"type": "group", "label": "download-buttons", "buttons": [download]}]
    notebook_links.add_links(
        SimpleNamespace(config=SimpleNamespace(launch_url=launch_url)),
        pagename,
        "page.html",
        {"page_source_suffix": suffix, "header_buttons": buttons},
        None,
    )
    return buttons


def test_a_chapter_offers_its_notebook_and_without_an_address_nothing_else():
    (group,) = offered("why/why_compress", ".ipynb", "")
    assert group["buttons"][0]["text"] == "notebook (.ipynb)"


def test_with_an_address_a_chapter_opens_there_and_a_plain_page_does_not():
    launch, _ = offered("why/why_compress", ".ipynb", LAUNCH)
    assert launch["url"] == LAUNCH.format(notebook="book/why/why_compress.ipynb")
    assert launch["text"] == "Open in JupyterHub"
    assert len(offered("notation", ".md", LAUNCH)) == 1


def test_the_environment_overrides_the_address_and_a_wrong_one_is_refused(monkeypatch):
    import notebook_links
    from sphinx.errors import ConfigError

    config = SimpleNamespace(launch_url="")
    notebook_links.read_environment(None, config)
    assert config.launch_url == ""
    monkeypatch.setenv("NNCOURSE_LAUNCH_URL", LAUNCH)
    notebook_links.read_environment(None, config)
    assert config.launch_url == LAUNCH
    monkeypatch.setenv("NNCOURSE_LAUNCH_URL", "https://hub.example/")
    with pytest.raises(ConfigError, match="contains"):
        notebook_links.read_environment(None, config)


def test_as_stored_the_book_names_no_place_to_run_it():
    config = yaml.safe_load((BOOK / "_config.yml").read_text("utf-8"))
    assert config["sphinx"]["config"]["launch_url"] == ""


# --- files that publish -----------------------------------------------------------------------

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(workflow):
    jobs = yaml.safe_load(workflow.read_text("utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def commands():
    """Every command line that a workflow, Binder or a development container runs."""
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    lines = [step["run"] for workflow in WORKFLOWS for step in steps(workflow) if "run" in step]
    return [*lines, container["postCreateCommand"]]


def test_every_make_target_that_is_called_exists():
    targets = re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    called = [name for line in commands() for name in re.findall(r"\bmake (\S+)", line)]
    documented = re.findall(
        r"^make (\w+)", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE
    )
    assert {"publish", "setup"} <= {*called}
    assert {*called, *documented} <= {*targets}


def test_every_script_that_is_called_exists_and_can_run():
    for line in commands():
        for script in re.findall(r"^\.\S+", line, re.MULTILINE):
            assert (ROOT / script).stat().st_mode & 0o111, script
    assert (ROOT / ".binder" / "postBuild").stat().st_mode & 0o111
    subprocess.run(["bash", "-n", ROOT / ".binder" / "postBuild"], check=True)


def test_what_the_workflow_uploads_is_what_publishing_writes(publish):
    (pages,) = (one for one in WORKFLOWS if one.name == "pages.yml")
    uploads = [step["with"]["path"] for step in steps(pages) if "path" in step.get("with", {})]
    made = publish.PUBLICATION.relative_to(ROOT)
    assert uploads == [str(made / f"{publish.NAME}.zip"), str(made / "site")]


def test_the_workflow_gives_the_book_an_address_that_it_accepts():
    import notebook_links

    (pages,) = (one for one in WORKFLOWS if one.name == "pages.yml")
    address = yaml.safe_load(pages.read_text("utf-8"))["env"]["NNCOURSE_LAUNCH_URL"]
    assert notebook_links.PLACE in address
    assert notebook_links.place_name(address) == "Binder"


def test_binder_fetches_the_data_that_the_makefile_fetches():
    fetches = [
        re.search(r"nncourse data fetch (.+)", (ROOT / name).read_text("utf-8"))[1]
        for name in ("Makefile", ".binder/postBuild")
    ]
    assert fetches[0] == fetches[1]


def test_the_citation_and_the_licenses_agree_with_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    config = yaml.safe_load((BOOK / "_config.yml").read_text("utf-8"))
    assert str(citation["version"]) == project["version"]
    assert citation["license"] == project["license"] == "BSD-3-Clause"
    assert citation["title"] == config["title"]
    assert citation["authors"] == project["authors"]
    assert config["author"].lower() == project["authors"][0]["name"].lower()
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("BSD 3-Clause License")
    assert "creativecommons.org/licenses/by/4.0/legalcode" in (ROOT / "LICENSE-TEXT.md").read_text()
