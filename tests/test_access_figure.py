"""The live figure of random access: its bytes against files of the codec, its page against Python."""

import base64

import numpy as np
import pytest

from nncourse.codecs.fixed import Fixed
from nncourse.codecs.huffman import Huffman
from nncourse.experiments.d2 import walk
from nncourse.figures.access import (
    FOLDER,
    MAX_SYMBOLS,
    NO_INDEX,
    SPACINGS,
    AccessFigure,
    codeword_lengths,
    index_bytes,
)


def pruned(size=20_000, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(size) < 0.2, rng.integers(1, 16, size), 0).astype(np.uint8)


def int8(size=30_000, seed=1):
    return np.rint(np.random.default_rng(seed).normal(0, 25, size)).clip(-127, 127).astype(np.int8)


STREAMS = {"pruned, 4 bits": pruned(), "8 bits": int8(), "short": pruned(300)}
SETTINGS = [
    {"stream": stream, "spacing": spacing, "item": item}
    for stream, spacing, item in (
        *((0, NO_INDEX, 10_000), (0, 64, 0), (0, 4, 19_999), (0, 8192, 9000)),
        *((1, NO_INDEX, 29_999), (1, 32, 12_345), (1, 1024, 1023), (2, 512, 299), (2, 16, 65_000)),
    )
]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", STREAMS)
def test_the_bytes_are_those_of_a_file_of_the_codec(name, spacing):
    figure = AccessFigure(STREAMS, stream=list(STREAMS).index(name), spacing=spacing)
    codec = Huffman(restart=spacing) if spacing else Huffman(streams=1)
    data = codec.encode(STREAMS[name])
    said = figure.numbers()
    assert said["bytes"] == len(data)
    assert said["of_fixed"] == len(data) / len(Fixed().encode(STREAMS[name]))
    # Sizes count the bits of the entries, and their last bytes are made up with padding.
    assert said["index"] * len(data) * 8 == pytest.approx(codec.sizes(data)["index"], abs=64)


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_read_takes_what_the_codec_touches(settings):
    figure = AccessFigure(STREAMS, **settings)
    symbols = list(STREAMS.values())[settings["stream"]]
    spacing = settings["spacing"]
    codec = Huffman(restart=spacing) if spacing else Huffman(streams=1)
    item = min(settings["item"], symbols.size - 1)
    said = figure.numbers()
    assert said["touched"] == codec.reader(codec.encode(symbols)).bits_touched(item)
    assert said["begin"] + said["words"] == item + 1
    expected = walk(symbols, min(spacing, symbols.size) or symbols.size)
    assert said["codewords"] == pytest.approx(expected["codewords"])
    assert said["bits"] == pytest.approx(expected["bits"])
    assert said["most"] == expected["most_bits"]


def test_an_index_on_paper():
    assert index_bytes([0]) == 2  # two widths and nothing else
    # 16 distances of 8 bits at most, and one whole offset of 8
    assert index_bytes(np.arange(18) * 10) == 2 + 16 + 1
    wide = np.arange(33) * 5000  # wholes of 18 bits, distances of 17: 16 of them, then the rest
    assert index_bytes(wide) == 2 + (4 + 1) + (60 + 4)


def test_the_figure_refuses_what_it_cannot_show():
    figure = AccessFigure(STREAMS)
    for name, value in (("stream", 3), ("stream", -1), ("spacing", 5), ("item", -1)):
        with pytest.raises(Exception, match=name):
            setattr(figure, name, value)
    for streams, said in (
        ({}, "at least one stream"),
        ({"wide": np.zeros(10, np.uint16)}, "'wide' has 10 of uint16"),
        ({"long": np.zeros(MAX_SYMBOLS + 1, np.uint8)}, "Take a smaller layer"),
        ({"zeros": np.zeros(10, np.uint8)}, "one symbol only"),
    ):
        with pytest.raises(ValueError, match=said):
            AccessFigure(streams)


def test_an_alphabet_beyond_the_longest_word_has_the_lengths_of_the_codec():
    symbols = np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8)
    codec = Huffman()
    assert codeword_lengths(symbols).sum() == codec.sizes(codec.encode(symbols))["payload"]


@pytest.fixture(scope="module")
def module_page(browser):
    """A bare page as wide as a phone with the figure's own module at hand."""
    page = browser.new_page(viewport={"width": 390, "height": 1400})
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: page.complaints.append(said.text))
    source = base64.b64encode((FOLDER / "access.js").read_bytes()).decode()
    page.evaluate(
        f"import('data:text/javascript;base64,{source}').then(it => {{ window.it = it }})"
    )
    page.add_style_tag(content=AccessFigure._css)
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("settings", SETTINGS)
def test_the_page_computes_what_python_computes(module_page, settings):
    figure = AccessFigure(STREAMS, **settings)
    about = figure.streams[figure.stream]
    said = module_page.evaluate(
        "([lengths, settings]) => it.measure(lengths, settings)",
        [figure.lengths.tolist(), about | {"spacing": figure.spacing, "item": figure.item}],
    )
    assert said == pytest.approx(figure.numbers(), rel=1e-12)


@pytest.mark.browser
def test_the_page_counts_the_bytes_of_an_index_as_python_does(module_page):
    rng = np.random.default_rng(0)
    for count, most in ((1, 1), (16, 9), (17, 100), (40, 70_000), (1000, 200)):
        begins = np.append(0, np.cumsum(rng.integers(1, most + 1, count - 1))).tolist()
        assert module_page.evaluate("begins => it.indexBytes(begins)", begins) == index_bytes(
            begins
        )


def draw(page, figure):
    """The figure in an empty page, with a model that keeps its state."""
    page.evaluate(
        """([data, state]) => {
            document.body.replaceChildren();
            window.state = { ...state, data: new DataView(Uint8Array.from(atob(data), c => c.charCodeAt(0)).buffer) };
            const model = { get: name => window.state[name], set(name, value) { window.state[name] = value },
                            save_changes() {}, on() {}, off() {} };
            const el = document.body.appendChild(document.createElement("div"));
            window.leave = it.default.render({ model, el });
        }""",
        [
            base64.b64encode(figure.data).decode(),
            {
                name: getattr(figure, name)
                for name in ("streams", "stream", "spacing", "item", "spacings")
            },
        ],
    )
    page.wait_for_selector(".nnaccess rect")


def assert_shown(page, figure):
    """What the page prints is what Python says of the same settings."""
    expected = figure.numbers()
    shown = page.locator(".nnaccess [data-number]").all()
    assert len(shown) == 6
    for box in shown:
        text, name = box.inner_text(), box.get_attribute("data-number")
        percent = text.endswith("%")
        number = float(text.rstrip("%").split()[0].replace(",", ""))
        assert number == pytest.approx((100 if percent else 1) * expected[name], abs=0.051), name
    now = page.locator("[data-part=now]").inner_text()
    assert f"from weight {expected['begin']:,.0f} on, {expected['touched']:,.0f} bits" in now
    words = expected["words"]
    assert ("at once" if words == 1 else f"needs {words:,.0f} codewords") in now


@pytest.mark.browser
@pytest.mark.parametrize("settings", SETTINGS)
def test_the_figure_fits_a_phone_and_its_text_says_what_is_drawn(module_page, settings):
    figure = AccessFigure(STREAMS, **settings)
    draw(module_page, figure)
    assert_shown(module_page, figure)
    said = figure.numbers()
    strip = module_page.locator("[data-part=strip]").get_attribute("aria-label")
    assert f"{said['touched']:,.0f} of them" in strip
    figure.spacing = NO_INDEX
    chart = module_page.locator("[data-part=chart]").get_attribute("aria-label")
    assert f"and {figure.numbers()['bits']:,.0f} bits." in chart
    html = module_page.locator(".nnaccess").inner_html()
    assert "NaN" not in html
    assert "undefined" not in html
    assert module_page.evaluate("document.documentElement.scrollWidth") <= 390
    assert module_page.complaints == []


@pytest.mark.browser
def test_the_sliders_move_with_the_keyboard_and_the_numbers_follow(module_page):
    page, figure = module_page, AccessFigure(STREAMS, item=10_000)
    draw(page, figure)
    for name, key, trait, value in (
        ("spacing", "Home", "spacing", 4),
        ("spacing", "ArrowRight", "spacing", 8),
        ("item", "ArrowRight", "item", 10_001),
        ("item", "End", "item", 19_999),
    ):
        page.locator(f"[data-control={name}]").press(key)
        setattr(figure, trait, value)
        assert_shown(page, figure)
    page.locator("[data-control=stream]").select_option("1")
    figure.stream = 1
    assert_shown(page, figure)
    assert page.evaluate("[state.stream, state.spacing, state.item]") == [1, 8, 19_999]
    assert page.locator("[data-control=spacing]").get_attribute("aria-valuetext") == "8 weights"
    assert page.complaints == []
