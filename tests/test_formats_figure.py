"""The live figure of storage forms: its arithmetic against real streams, its page against Python."""

import base64
from itertools import product

import numpy as np
import pytest

from nncourse.codecs.runlength import RunLength
from nncourse.figures.formats import (
    CHOICES,
    FOLDER,
    SPARSE,
    FormatsFigure,
    bits_of,
    entries,
    numbers,
    pays_below,
)
from nncourse.positions import Bitmap

DEFAULT = {"density": 0.1, "value_bits": 4, "index_bits": 16, "gap_bits": 4, "columns": 1024}
SETTINGS = [
    DEFAULT | change
    for change in (
        {},
        {"density": 0.005, "gap_bits": 1, "value_bits": 32},
        {"density": 1.0},
        {"density": 0.6, "value_bits": 2, "index_bits": 32},
        {"density": 0.3, "index_bits": 8, "columns": 16384, "value_bits": 8},
        {"value_bits": 2, "columns": 64, "index_bits": 8, "gap_bits": 8},
    )
]
WIDTHS = {name: value for name, value in DEFAULT.items() if name != "density"}


def codes(density, size=200_000, value_bits=4):
    rng = np.random.default_rng(0)
    kept = rng.random(size) < density
    return np.where(kept, rng.integers(1, 2**value_bits, size), 0).astype(np.uint8)


@pytest.mark.parametrize("gap_bits", [1, 3, 4, 8])
@pytest.mark.parametrize("density", [0.01, 0.1, 0.5, 1.0])
def test_run_length_is_as_large_as_the_codecs_stream(density, gap_bits):
    sizes = RunLength(gap_bits=gap_bits).sizes(
        RunLength(gap_bits=gap_bits).encode(codes(density, size=1_000_000))
    )
    widths = WIDTHS | {"gap_bits": gap_bits}
    stored = (sizes["index"] + sizes["payload"]) / 1_000_000
    assert stored == pytest.approx(bits_of("runlength", density=density, **widths), rel=0.02)


def test_a_bitmask_is_as_large_as_its_bytes():
    kept = codes(0.1).reshape(200, 1000) != 0
    bits = 8 * len(Bitmap().write(kept)) + 4 * np.count_nonzero(kept)
    assert bits / kept.size == pytest.approx(numbers(**DEFAULT)["bitmask"], rel=0.01)


def test_compressed_rows_count_an_index_for_each_weight_and_a_pointer_for_each_row():
    assert bits_of("csr", density=0.5, **WIDTHS) == 0.5 * (4 + 16) + 32 / 1024
    cut = WIDTHS | {"index_bits": 8}  # four stripes of 256 columns
    assert bits_of("csr", density=0.5, **cut) == 0.5 * (4 + 8) + 4 * 32 / 1024


def test_no_form_gets_below_the_entropy_of_the_positions_and_the_values():
    for density, value_bits, gap_bits in product((0.01, 0.1, 0.5), (2, 8), (1, 4, 8)):
        said = numbers(
            **DEFAULT | {"density": density, "value_bits": value_bits, "gap_bits": gap_bits}
        )
        assert said["least"] <= min(
            said[form] for form in SPARSE
        )  # equal: a bitmask of coin tosses


def test_a_gap_that_reaches_every_zero_needs_no_filler_and_one_bit_needs_many():
    assert entries(0.5, 8) == pytest.approx(0.5)
    assert entries(0.01, 1) == pytest.approx(0.01 / (1 - 0.99**2))
    with pytest.raises(ValueError, match="density is above 0"):
        entries(0.0, 4)


@pytest.mark.parametrize("form", SPARSE)
@pytest.mark.parametrize("value_bits", CHOICES["value_bits"])
def test_a_form_is_smaller_than_dense_on_one_side_of_its_density_only(form, value_bits):
    widths = WIDTHS | {"value_bits": value_bits}
    pays = pays_below(form, **widths)
    assert 0 < pays < 1
    assert bits_of(form, density=0.99 * pays, **widths) < value_bits
    assert bits_of(form, density=min(1.0, 1.01 * pays), **widths) > value_bits


def test_the_densities_that_a_reader_can_work_out():
    assert pays_below("bitmask", **WIDTHS) == pytest.approx(1 - 1 / 4)
    assert pays_below("csr", **WIDTHS) == pytest.approx((4 - 32 / 1024) / 20)


def test_a_form_whose_overhead_alone_is_as_large_as_dense_pays_nowhere():
    # 2-bit gaps and values: at least one entry of 2 + 1 bits for every two weights ...
    assert pays_below("runlength", **WIDTHS | {"value_bits": 2, "gap_bits": 1}) > 0
    # ... and with 64 columns cut into stripes of one column, pointers alone are larger.
    assert pays_below("csr", **WIDTHS | {"value_bits": 2, "index_bits": 0, "columns": 64}) == 0


def test_an_unknown_form_is_named():
    with pytest.raises(ValueError, match="form is dense, bitmask, csr, runlength or least"):
        bits_of("coo", **DEFAULT)


def test_the_figure_refuses_what_its_sliders_cannot_show():
    figure = FormatsFigure()
    assert figure.numbers() == numbers(**DEFAULT)
    for name, value in (
        *(("density", 0.0), ("density", 0.11), ("value_bits", 3)),
        *(("index_bits", 12), ("gap_bits", 0), ("columns", 100)),
    ):
        with pytest.raises(Exception, match=name):
            setattr(figure, name, value)


@pytest.fixture(scope="module")
def module_page(browser):
    """A bare page as wide as a phone with the figure's own module at hand."""
    page = browser.new_page(viewport={"width": 390, "height": 1200})
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: page.complaints.append(said.text))
    source = base64.b64encode((FOLDER / "formats.js").read_bytes()).decode()
    page.evaluate(
        f"import('data:text/javascript;base64,{source}').then(it => {{ window.it = it }})"
    )
    page.add_style_tag(content=FormatsFigure._css)
    yield page
    page.close()


@pytest.mark.browser
def test_the_page_computes_what_python_computes(module_page):
    grid = [
        dict(zip(DEFAULT, values, strict=True))
        for values in product((0.005, 0.1, 0.5, 1.0), *list(CHOICES.values())[1:])
    ]
    said = module_page.evaluate("grid => grid.map(it.measure)", grid)
    for settings, page in zip(grid, said, strict=True):
        assert page == pytest.approx(numbers(**settings), rel=1e-9, abs=1e-9), settings


def draw(page, figure):
    """The figure in an empty page, with a model that keeps its state."""
    page.evaluate(
        """state => {
            document.body.replaceChildren();
            window.state = state;
            const model = { get: name => state[name], set(name, value) { state[name] = value },
                            save_changes() {}, on() {}, off() {} };
            const el = document.body.appendChild(document.createElement("div"));
            window.leave = it.default.render({ model, el });
        }""",
        figure.settings | {"choices": figure.choices},
    )
    page.wait_for_selector(".nnformats path[data-form]")


def assert_shown(page, figure):
    """What the page prints is what Python says of the same settings."""
    expected = figure.numbers()
    shown = page.locator(".nnformats [data-number]").all()
    assert {box.get_attribute("data-number") for box in shown} == {
        *SPARSE,
        *(f"pays_{form}" for form in SPARSE),
    }
    for box in shown:
        text, name = box.inner_text(), box.get_attribute("data-number")
        percent = text.endswith("%")
        wanted = 100 * expected[name] if percent else expected[name]
        assert float(text.rstrip("%")) == pytest.approx(wanted, abs=0.051 if percent else 0.00051)


@pytest.mark.browser
@pytest.mark.parametrize("settings", SETTINGS)
def test_the_figure_fits_a_phone_and_its_text_says_what_is_drawn(module_page, settings):
    figure = FormatsFigure(**settings)
    draw(module_page, figure)
    assert_shown(module_page, figure)
    said = figure.numbers()
    title = module_page.locator("[data-part=chart]").get_attribute("aria-label")
    assert f"values of {settings['value_bits']} bits" in title
    assert f"compressed rows below {100 * said['pays_csr']:.1f}%" in title
    names = {"bitmask": "bitmask", "csr": "compressed rows", "runlength": "run length"}
    names["dense"] = "dense"
    smallest = min(names, key=said.get)
    now = module_page.locator("[data-part=now]").inner_text()
    assert f"the smallest form is {names[smallest]}, " in now
    assert f"{said[smallest]:.3f} bits a weight" in now
    drawn = module_page.locator("[data-cross]").count()
    assert drawn == sum(said[f"pays_{form}"] >= CHOICES["density"][0] for form in SPARSE)
    html = module_page.locator(".nnformats").inner_html()
    assert "NaN" not in html
    assert "undefined" not in html
    assert module_page.evaluate("document.documentElement.scrollWidth") <= 390
    assert module_page.complaints == []


@pytest.mark.browser
def test_the_sliders_move_with_the_keyboard_and_the_numbers_follow(module_page):
    page, figure = module_page, FormatsFigure()
    draw(page, figure)
    for name, key, value in (
        ("density", "ArrowRight", 0.12),
        ("value_bits", "Home", 2),
        ("index_bits", "ArrowLeft", 8),
        ("gap_bits", "End", 8),
        ("columns", "ArrowRight", 4096),
    ):
        page.locator(f"[data-control={name}]").focus()
        page.keyboard.press(key)
        setattr(figure, name, value)
        assert_shown(page, figure)
    said = page.locator("[data-control=index_bits]").get_attribute("aria-valuetext")
    assert said == "8 bits, 16 stripes"
    assert page.evaluate("state.columns") == 4096
    assert page.complaints == []
