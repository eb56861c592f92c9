"""The live figure of a Huffman tree: its arithmetic against the codec's, its page against Python."""

import base64
from itertools import pairwise

import numpy as np
import pytest

from nncourse.codecs.prefix_code import huffman_lengths, package_merge
from nncourse.figures.prefix_tree import (
    FOLDER,
    MOST,
    PRESETS,
    SYMBOLS,
    PrefixTreeFigure,
    code_table,
    joins_of,
    numbers,
)

RANDOM = [
    np.random.default_rng(seed).integers(1, most + 1, 6).tolist()
    for seed in range(20)
    for most in (3, 9, MOST)
]
ROWS = [*map(list, PRESETS.values()), [1] * 6, [MOST] * 6, *RANDOM]


@pytest.mark.parametrize("counts", ROWS)
def test_the_path_to_a_leaf_is_as_long_as_the_codecs_codeword(counts):
    table = code_table(counts)
    assert [row["length"] for row in table] == huffman_lengths(counts).tolist()
    for row in table:
        assert len(row["path"]) == len(row["word"]) == row["length"]
    for name in ("path", "word"):
        words = sorted(row[name] for row in table)
        assert not any(b.startswith(a) for a, b in pairwise(words))


@pytest.mark.parametrize("counts", ROWS)
def test_no_code_of_whole_bits_is_shorter_and_it_is_within_a_bit_of_the_entropy(counts):
    said = numbers(counts)
    best = package_merge(counts, 8).astype(int) @ counts / sum(counts)
    assert said["mean"] == pytest.approx(best)
    assert 0 <= said["above"] + 1e-12 < 1
    assert said["kraft"] == 1


def test_each_join_takes_the_two_rarest_trees_that_are_left():
    for counts in ROWS:
        sums, waiting = list(counts), set(range(6))
        for rarest, second in joins_of(counts):
            assert {rarest, second} <= waiting
            waiting -= {rarest, second}
            assert sums[rarest] <= sums[second]
            assert all(sums[second] <= sums[other] for other in waiting)
            waiting.add(len(sums))
            sums.append(sums[rarest] + sums[second])
        assert sums[-1] == sum(counts)


def test_halves_meet_the_entropy_and_a_pruned_layer_stops_at_one_bit():
    assert numbers(PRESETS["halves"])["above"] == pytest.approx(0, abs=1e-12)
    pruned = numbers(PRESETS["a pruned layer"])
    assert pruned["mean"] > 1 > pruned["entropy"]
    assert numbers(PRESETS["Fibonacci"])["longest"] == 5


def test_the_figure_refuses_what_its_sliders_cannot_show():
    figure = PrefixTreeFigure()
    assert figure.numbers() == numbers(PRESETS["a short text"])
    for name, value in (
        *(("counts", [1] * 5), ("counts", [0, *[1] * 5]), ("counts", [MOST + 1, *[1] * 5])),
        *(("joins", 6), ("joins", -1)),
    ):
        with pytest.raises(Exception, match=name):
            setattr(figure, name, value)


@pytest.fixture(scope="module")
def module_page(browser):
    """A bare page as wide as a phone with the figure's own module at hand."""
    page = browser.new_page(viewport={"width": 390, "height": 1400})
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: page.complaints.append(said.text))
    source = base64.b64encode((FOLDER / "prefix_tree.js").read_bytes()).decode()
    page.evaluate(
        f"import('data:text/javascript;base64,{source}').then(it => {{ window.it = it }})"
    )
    page.add_style_tag(content=PrefixTreeFigure._css)
    yield page
    page.close()


@pytest.mark.browser
def test_the_page_computes_what_python_computes(module_page):
    said = module_page.evaluate(
        "rows => rows.map(row => [it.joinsOf(row), it.codeTable(row), it.measure(row)])", ROWS
    )
    for counts, (joins, table, shown) in zip(ROWS, said, strict=True):
        assert [tuple(join) for join in joins] == joins_of(counts)
        assert table == code_table(counts)
        assert shown == pytest.approx(numbers(counts), abs=1e-12)


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
        {"counts": figure.counts, "joins": figure.joins, "presets": figure.presets},
    )
    page.wait_for_selector(".nntree [data-node]")


def assert_shown(page, figure):
    """What the page prints is what Python says of the same frequencies."""
    expected = figure.numbers()
    shown = page.locator(".nntree [data-number]").all()
    assert {box.get_attribute("data-number") for box in shown} == set(expected)
    for box in shown:
        number = float(box.inner_text().split()[0])
        assert number == pytest.approx(expected[box.get_attribute("data-number")], abs=0.00051)
    for row in code_table(figure.counts):
        cells = page.locator(f".nntree [data-symbol={row['symbol']}]")
        for name in ("count", "length", "path", "word"):
            assert cells.locator(f"[data-cell={name}]").inner_text() == str(row[name])


@pytest.mark.browser
@pytest.mark.parametrize("counts", [*map(list, PRESETS.values()), [1, 64, 1, 64, 1, 64]])
def test_the_figure_fits_a_phone_and_its_text_says_what_is_drawn(module_page, counts):
    figure = PrefixTreeFigure(counts)
    draw(module_page, figure)
    assert_shown(module_page, figure)
    title = module_page.locator("[data-part=tree]").get_attribute("aria-label")
    for row in code_table(counts):
        assert f"{row['symbol']} occurs {row['count']} times, depth {row['length']}" in title
    assert module_page.locator("[data-node]").count() == 11
    parts = module_page.locator("[data-part=tree] [data-node], [data-part=tree] text").all()
    boxes = [part.bounding_box() for part in parts]
    frame = module_page.locator("[data-part=tree]").bounding_box()
    for box in boxes:
        assert frame["x"] <= box["x"]
        assert box["x"] + box["width"] <= frame["x"] + frame["width"]
        assert box["y"] + box["height"] <= frame["y"] + frame["height"]
    html = module_page.locator(".nntree").inner_html()
    assert "NaN" not in html
    assert "undefined" not in html
    assert module_page.evaluate("document.documentElement.scrollWidth") <= 390
    assert module_page.complaints == []


@pytest.mark.browser
def test_frequencies_move_with_the_keyboard_and_the_code_follows(module_page):
    page, figure = module_page, PrefixTreeFigure()
    draw(page, figure)
    counts = list(figure.counts)
    for place, key, change in ((0, "ArrowRight", 1), (3, "ArrowLeft", -1), (5, "ArrowRight", 1)):
        page.locator(f"[data-control={SYMBOLS[place]}]").press(key)
        counts[place] += change
        figure.counts = list(counts)
        assert_shown(page, figure)
    assert page.evaluate("state.counts") == counts
    assert page.locator("[data-control=preset]").input_value() == ""
    page.locator("[data-control=preset]").select_option("Fibonacci")
    figure.counts = list(PRESETS["Fibonacci"])
    assert_shown(page, figure)
    assert page.complaints == []


@pytest.mark.browser
def test_joins_are_made_one_by_one_and_told_in_words(module_page):
    page, figure = module_page, PrefixTreeFigure()
    draw(page, figure)
    page.locator("[data-control=joins]").press("Home")
    assert page.locator("[data-node]").count() == 6
    assert "The two rarest: f (2) and e (3)" in page.locator("[data-part=now]").inner_text()
    step, sums = page.locator("[data-control=step]"), list(figure.counts)
    for at, (rarest, second) in enumerate(joins_of(figure.counts), 1):
        sums.append(sums[rarest] + sums[second])
        step.press("Enter")
        assert page.evaluate("state.joins") == at
        assert page.locator("[data-node]").count() == 6 + at
        assert f"become {sums[-1]}." in page.locator("[data-part=now]").inner_text()
    assert step.inner_text() == "Start over"
    step.click()
    assert page.evaluate("state.joins") == 0
    assert page.complaints == []
