"""The book: notebooks as they are stored, the build's own functions, and the pages in a real browser."""

import functools
import http.server
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml

from nncourse.experiments.weight_codes import codes_of
from nncourse.figures.access import AccessFigure
from nncourse.figures.bits import BitsFigure
from nncourse.figures.formats import FormatsFigure
from nncourse.figures.grid import numbers
from nncourse.figures.lanes import LanesFigure
from nncourse.figures.prefix_tree import PRESETS, PrefixTreeFigure, code_table
from nncourse.pruners.masks import magnitude_mask
from nncourse.zoo.checkpoints import load_pretrained

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
HTML = BOOK / "_build" / "html"
CHAPTERS = sorted(path for path in BOOK.rglob("*.ipynb") if "_build" not in path.parts)
NOTEBOOKS = [
    *CHAPTERS,
    *sorted((ROOT / "labs").glob("*.ipynb")),
    *sorted((ROOT / "solutions").glob("*.ipynb")),
]


def load_build():
    spec = importlib.util.spec_from_file_location("book_build", BOOK / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load_build()


def relative(path):
    return str(path.relative_to(ROOT))


# --- the sources ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=relative)
def test_notebooks_are_stored_valid_without_outputs_and_with_ids_of_their_own(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("path", CHAPTERS, ids=relative)
def test_every_chapter_asks_first_predicts_and_ends_with_exercises(path):
    texts = [
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
    ]
    assert texts[0].startswith("# ")
    assert "**The question.**" in texts[0]
    assert sum(text.count("**Before") for text in texts) >= 3
    assert any(text.startswith("## What is settled") for text in texts)
    assert texts[-1].startswith("## Exercises")


@pytest.mark.parametrize("path", CHAPTERS, ids=relative)
def test_every_figure_of_a_chapter_has_alternative_text(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and re.search(r"\bfigure\(", cell.source):
            assert len(cell.metadata["mystnb"]["image"]["alt"]) > 40, cell.source


@pytest.mark.parametrize("path", CHAPTERS, ids=relative)
def test_every_figure_of_a_chapter_is_on_its_page(path, missing):
    page = HTML / path.relative_to(BOOK).with_suffix(".html")
    if not page.exists():
        missing(relative(page), "make book")
    html = page.read_text(encoding="utf-8")
    for cell in nbformat.read(path, as_version=4).cells:
        if "image" in cell.metadata.get("mystnb", {}):
            assert f'alt="{cell.metadata["mystnb"]["image"]["alt"]}"' in html


def test_every_page_is_in_the_table_of_contents_and_every_citation_in_the_references():
    contents = (BOOK / "_toc.yml").read_text(encoding="utf-8")
    references = (BOOK / "references.bib").read_text(encoding="utf-8")
    for path in CHAPTERS:
        assert str(path.relative_to(BOOK).with_suffix("")) in contents
        for keys in re.findall(r"\{cite\}`([^`]+)`", path.read_text(encoding="utf-8")):
            for key in keys.split(","):
                assert f"{{{key}," in references


# --- the build --------------------------------------------------------------------------------


def test_chapters_run_again_when_the_package_changed_and_only_then(tmp_path):
    package, cache = tmp_path / "package", tmp_path / "build" / ".jupyter_cache"
    package.mkdir()
    (package / "module.py").write_text("x = 1")
    build.drop_stale_cache(build.source_digest([package]), tmp_path / "build")
    cache.mkdir(parents=True)
    assert not build.drop_stale_cache(build.source_digest([package]), tmp_path / "build")
    assert cache.exists()
    (package / "module.py").write_text("x = 2")
    assert build.drop_stale_cache(build.source_digest([package]), tmp_path / "build")
    assert not cache.exists()


def test_without_npm_the_book_is_built_with_the_engines_own_addresses(tmp_path):
    assert not build.copy_web_files(tmp_path / "no_node_modules", tmp_path / "vendor")
    online = yaml.safe_load(
        build.online_config(BOOK / "_config.yml", tmp_path / "config.yml").read_text()
    )
    assert not set(build.ONLINE_KEYS) & set(online["sphinx"]["config"])
    assert online["sphinx"]["config"]["nb_execution_raise_on_error"] is True


def test_without_npm_the_engine_takes_that_configuration(tmp_path):
    book = tmp_path / "book"
    ignored = shutil.ignore_patterns("_build", "vendor", "*.ipynb", "results")
    shutil.copytree(BOOK, book, ignore=ignored)
    (book / "index.md").write_text("# A page\n\n{doc}`notation`: $x$\n", encoding="utf-8")
    (book / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nchapters:\n- file: notation\n", encoding="utf-8"
    )
    config = build.online_config(book / "_config.yml", tmp_path / "elsewhere" / "_config.yml")
    engine = Path(sys.executable).parent / "jupyter-book"
    ran = subprocess.run(
        [engine, "build", book, "--config", config, "-W", "--keep-going"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    page = (book / "_build" / "html" / "index.html").read_text(encoding="utf-8")
    assert re.search(r'<script[^>]* src="https://[^"]*mathjax', page)
    assert "unpkg.com" not in page  # the script that the book's own extension keeps out


def test_the_lock_file_pins_by_hash_and_names_no_host():
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert all("integrity" in entry and "resolved" not in entry for entry in packages.values())


# --- the pages in a browser -------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(missing):
    """Address of the built book, served on this machine."""
    for needed, how in (
        (HTML / "index.html", "make book"),
        (BOOK / "_assets" / "vendor" / "widgets", "make book, with npm"),
    ):
        if not needed.exists():
            missing(str(needed.relative_to(ROOT)), how)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Quiet, directory=str(HTML))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class Visit:
    """A page together with everything it did wrong."""

    def __init__(self, browser, address, *, width=1280, dark=False):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        self.page = self.context.new_page()
        self.outside, self.errors = [], []
        own = "/".join(address.split("/")[:3])  # scheme and host
        self.page.route("**/*", lambda route: self._judge(route, own))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console", lambda said: self.errors.append(said.text) if said.type == "error" else None
        )
        self.page.goto(address)
        self.page.wait_for_load_state("networkidle")

    def _judge(self, route, own):
        url = route.request.url
        if url.startswith((own, "data:", "blob:", "file:")):
            route.continue_()
        else:
            self.outside.append(url)
            route.abort()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.context.close()


def pages():
    """Every page in the table of contents, and the two that the engine adds."""
    contents = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    files = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    return [f"{name}.html" for name in [contents["root"], *files, "search", "genindex"]]


GRIDS = "quantization/uniform_grids.html"
FORMATS = "quantization/formats_and_their_price.html"
SPEED = "pruning/missing_speed.html"
HUFFMAN = "coding/huffman.html"
SPARSE = "coding/sparse_formats.html"


@pytest.mark.browser
@pytest.mark.parametrize("page", pages())
def test_a_page_asks_no_other_host_has_no_script_error_and_fits_a_phone(browser, site, page):
    for width, dark in ((1280, False), (390, False), (390, True)):
        with Visit(browser, site + page, width=width, dark=dark) as visit:
            assert visit.outside == []
            assert visit.errors == []
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
            theme = visit.page.evaluate("document.documentElement.dataset.theme")
            assert theme == ("dark" if dark else "light")
            if visit.page.locator(".math").count():
                visit.page.wait_for_selector("mjx-container")


@pytest.mark.browser
def test_a_wide_page_shows_one_search(browser, site):
    with Visit(browser, site + "index.html") as visit:
        shown = visit.page.locator(".search-button-field, .search-button, input[type=search]")
        assert sum(shown.nth(i).is_visible() for i in range(shown.count())) == 1


def read_numbers(page):
    """The figure's printed numbers, as floats."""
    said = {
        box.get_attribute("data-number"): box.inner_text()
        for box in page.locator(".nngrid [data-number]").all()
    }
    plain = {}
    for name, text in said.items():
        digits, *power = text.replace("\N{MINUS SIGN}", "-").replace(",", "").split("× 10")
        plain[name] = float(re.match(r"[\d.-]+", digits)[0]) * 10.0 ** int(*power)
    plain["clipped"] /= 100
    return plain


def assert_as_in_python(page, **settings):
    weights = load_pretrained("lenet-5").conv2.weight.detach().numpy()
    expected = numbers(np.sort(weights, axis=None), **settings)
    said = read_numbers(page)
    assert said["step"] == pytest.approx(expected["step"], rel=1e-3)
    assert said["error"] == pytest.approx(expected["error"], rel=1e-4)
    assert said["sqnr_db"] == pytest.approx(expected["sqnr_db"], abs=0.006)
    assert said["levels"] == expected["levels"]
    assert said["bytes"] == expected["bytes"]
    assert said["clipped"] == pytest.approx(expected["clipped"], abs=6e-5)


@pytest.mark.browser
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from the file system"])
def test_the_live_figure_moves_without_a_kernel_and_agrees_with_python(browser, site, from_disk):
    address = (HTML / GRIDS).as_uri() if from_disk else site + GRIDS
    with Visit(browser, address) as visit:
        page = visit.page
        figure = page.locator(".nngrid")
        figure.wait_for(timeout=20_000)
        assert_as_in_python(page, bits=4, reach=1.0, scheme="symmetric")
        before = read_numbers(page)

        bits = figure.locator("[data-control=bits]")
        bits.focus()
        page.keyboard.press("ArrowRight")
        assert read_numbers(page)["error"] < before["error"]
        assert_as_in_python(page, bits=5, reach=1.0, scheme="symmetric")

        reach = figure.locator("[data-control=reach]")
        reach.scroll_into_view_if_needed()
        box = reach.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        share = float(reach.input_value()) / 100
        assert 0.4 < share < 0.65
        assert_as_in_python(page, bits=5, reach=share, scheme="symmetric")

        figure.locator("[data-control=scheme]").select_option("asymmetric")
        assert_as_in_python(page, bits=5, reach=share, scheme="asymmetric")

        assert "levels in use" in figure.get_by_role("img").first.get_attribute("aria-label")
        assert visit.outside == []
        assert visit.errors == []


def assert_lanes_as_in_python(page, figure):
    for name, expected in figure.numbers().items():
        text = page.locator(f".nnlanes [data-number={name}]").inner_text()
        said, percent = float(text.rstrip("×%")), text.endswith("%")
        assert said == pytest.approx(100 * expected if percent else expected, abs=0.051), name


@pytest.mark.browser
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from the file system"])
def test_the_lanes_wait_without_a_kernel_and_agree_with_python(browser, site, from_disk):
    address = (HTML / SPEED).as_uri() if from_disk else site + SPEED
    with Visit(browser, address, width=390) as visit:
        page, figure = visit.page, LanesFigure(lanes=16, density=0.2, group=32)
        page.locator(".nnlanes").wait_for(timeout=20_000)
        assert_lanes_as_in_python(page, figure)
        for name, key, value in (
            ("lanes", "ArrowRight", 32),
            ("group", "ArrowRight", 64),
            ("queue_depth", "ArrowRight", 2),
        ):
            page.locator(f".nnlanes [data-control={name}]").press(key)
            setattr(figure, name, value)
            assert_lanes_as_in_python(page, figure)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.outside == []
        assert visit.errors == []


def assert_bits_as_in_python(page, figure):
    """What the figure of bits prints is what Python says of the same bits."""
    for name, expected in figure.numbers().items():
        box = page.locator(f".nnbits-readout [data-number={name}]")
        if not box.count():
            continue  # exponent and significand stand in the formula
        text = box.inner_text().replace("\N{MINUS SIGN}", "-").replace("\N{INFINITY}", "inf")
        if expected is None:
            assert text == "none", name
            continue
        percent = text.endswith("%")
        digits, *power = text.removesuffix("%").split("× 10")
        said = float(f"{digits.strip()}e{power[0].strip()}" if power else digits)
        rounded = {"error": 1e-5, "relative_step": 6e-3}.get(name, 0.0)
        wanted = 100 * expected if percent else expected
        assert said == pytest.approx(wanted, rel=rounded, abs=0, nan_ok=True), name


@pytest.mark.browser
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from the file system"])
def test_the_bits_flip_without_a_kernel_and_agree_with_python(browser, site, from_disk):
    address = (HTML / FORMATS).as_uri() if from_disk else site + FORMATS
    with Visit(browser, address, width=390) as visit:
        page, figure = visit.page, BitsFigure(0.1, format="fp32")
        drawn = page.locator(".nnbits")
        drawn.wait_for(timeout=20_000)
        assert_bits_as_in_python(page, figure)

        drawn.get_by_role("switch", name="bit 30,").click()
        figure.code = 0x3DCCCCCD ^ (1 << 30)  # one tenth, and its highest bit of the exponent
        assert_bits_as_in_python(page, figure)
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Space")  # the sign
        figure.code ^= 1 << 31
        assert_bits_as_in_python(page, figure)

        drawn.locator("[data-control=format]").select_option("fp8_e4m3")
        figure.number, figure.format, figure.code = -3.4e37, "fp8_e4m3", None
        number = drawn.locator("[data-control=number]")
        number.fill("-3.4e37")
        assert_bits_as_in_python(page, figure)
        number.fill("0.3")
        figure.number = 0.3
        assert_bits_as_in_python(page, figure)
        for place in range(7):  # all ones but the sign: not a number
            switch = drawn.locator(f"[data-bit='{place}']")
            if switch.get_attribute("aria-checked") == "false":
                switch.focus()
                page.keyboard.press("Enter")
        figure.code = 0b0_1111_111
        assert_bits_as_in_python(page, figure)
        assert "Not a number" in drawn.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.outside == []
        assert visit.errors == []


def assert_tree_as_in_python(page, figure):
    for name, expected in figure.numbers().items():
        said = float(page.locator(f".nntree [data-number={name}]").inner_text().split()[0])
        assert said == pytest.approx(expected, abs=0.00051), name
    for row in code_table(figure.counts):
        word = page.locator(f".nntree [data-symbol={row['symbol']}] [data-cell=word]")
        assert word.inner_text() == row["word"]


@pytest.mark.browser
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from the file system"])
def test_the_tree_grows_without_a_kernel_and_agrees_with_python(browser, site, from_disk):
    address = (HTML / HUFFMAN).as_uri() if from_disk else site + HUFFMAN
    with Visit(browser, address, width=390) as visit:
        page, figure = visit.page, PrefixTreeFigure()
        page.locator(".nntree").wait_for(timeout=20_000)
        assert_tree_as_in_python(page, figure)
        page.locator(".nntree [data-control=a]").press("ArrowRight")
        figure.counts = [figure.counts[0] + 1, *figure.counts[1:]]
        assert_tree_as_in_python(page, figure)
        page.locator(".nntree [data-control=preset]").select_option("a pruned layer")
        figure.counts = list(PRESETS["a pruned layer"])
        assert_tree_as_in_python(page, figure)
        page.locator(".nntree [data-control=joins]").press("Home")
        page.locator(".nntree [data-control=step]").press("Enter")
        assert "Join 1 of 5" in page.locator(".nntree [data-part=now]").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.outside == []
        assert visit.errors == []


def assert_access_as_in_python(page, figure):
    expected = figure.numbers()
    for box in page.locator(".nnaccess [data-number]").all():
        text, name = box.inner_text(), box.get_attribute("data-number")
        percent = text.endswith("%")
        said = float(text.rstrip("%").split()[0].replace(",", ""))
        assert said == pytest.approx((100 if percent else 1) * expected[name], abs=0.051), name
    now = page.locator(".nnaccess [data-part=now]").inner_text()
    assert f"{expected['touched']:,.0f} bits" in now


@pytest.mark.browser
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from the file system"])
def test_reads_are_counted_without_a_kernel_and_agree_with_python(browser, site, from_disk):
    address = (HTML / HUFFMAN).as_uri() if from_disk else site + HUFFMAN
    weights = load_pretrained("lenet-5").conv2.weight.detach().numpy()
    weights = weights.reshape(len(weights), -1)
    pruned = codes_of(weights * magnitude_mask(weights, sparsity=0.8), "pruned")
    figure = AccessFigure({"pruned": pruned, "8 bits": codes_of(weights, "int8")})
    with Visit(browser, address, width=390) as visit:
        page = visit.page
        page.locator(".nnaccess").wait_for(timeout=20_000)
        assert_access_as_in_python(page, figure)
        page.locator(".nnaccess [data-control=spacing]").press("Home")
        figure.spacing = 4
        assert_access_as_in_python(page, figure)
        page.locator(".nnaccess [data-control=item]").press("ArrowLeft")
        figure.item -= 1
        page.locator(".nnaccess [data-control=stream]").select_option("1")
        figure.stream = 1
        assert_access_as_in_python(page, figure)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.outside == []
        assert visit.errors == []


def assert_formats_as_in_python(page, figure):
    expected = figure.numbers()
    for box in page.locator(".nnformats [data-number]").all():
        text, name = box.inner_text(), box.get_attribute("data-number")
        percent = text.endswith("%")
        wanted = 100 * expected[name] if percent else expected[name]
        within = 0.051 if percent else 0.00051
        assert float(text.rstrip("%")) == pytest.approx(wanted, abs=within), name


@pytest.mark.browser
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from the file system"])
def test_the_formats_cross_without_a_kernel_and_agree_with_python(browser, site, from_disk):
    address = (HTML / SPARSE).as_uri() if from_disk else site + SPARSE
    with Visit(browser, address, width=390) as visit:
        page, figure = visit.page, FormatsFigure()
        page.locator(".nnformats path[data-form]").first.wait_for(timeout=20_000)
        assert page.locator(".nnformats [data-number]").count() == 6
        assert_formats_as_in_python(page, figure)
        for name, key, value in (
            ("density", "ArrowRight", 0.12),
            ("gap_bits", "End", 8),
            ("columns", "ArrowRight", 4096),
        ):
            page.locator(f".nnformats [data-control={name}]").press(key)
            setattr(figure, name, value)
            assert_formats_as_in_python(page, figure)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.outside == []
        assert visit.errors == []
