"""The book for every reader: axe-core finds nothing on any page, and live figures obey a keyboard."""

import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
HTML = BOOK / "_build" / "html"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
WIDGET = "application/vnd.jupyter.widget-view+json"
FIGURE = ".widget-subarea .lm-Widget > [role=group]"
FIGURES_DRAWN = f"""() => {{
  const figures = document.querySelectorAll("{FIGURE}");
  const pictures = [...document.querySelectorAll(".widget-subarea svg[role=img]")];
  return figures.length === document.querySelectorAll("script[type='{WIDGET}']").length
    && pictures.every((one) => one.getAttribute("aria-label"));
}}"""
# The theme lets a keyboard reach what scrolls, a moment after the window changed.
REACHABLE = """() => [...document.querySelectorAll("pre, .cell_output > .output, .pst-scrollable-table-container")]
  .every((one) => one.tabIndex === 0
    || (one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight))"""
PATIENCE = 60_000  # milliseconds, for a busy machine
# Colors fade when the theme changes; what counts is where they end.
END_OF_FADING = "() => document.getAnimations().forEach((one) => one.finish())"
SAID = """(figure) => [figure, ...figure.querySelectorAll("*")]
  .map((one) => [one.getAttribute("aria-label"), one.getAttribute("aria-valuetext")]).join()
  + figure.innerText"""


def pages():
    """Every page in the table of contents, and the two that the engine adds."""
    contents = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    files = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    return [f"{name}.html" for name in [contents["root"], *files, "search", "genindex"]]


@pytest.fixture(scope="module")
def axe(missing):
    """The script of axe-core."""
    if not AXE.exists():
        missing(str(AXE.relative_to(ROOT)), "make book, with npm")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture
def screen(browser):
    """A page of a browser that keeps still and is given time."""
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def open_page(screen, name, missing):
    if not (HTML / name).exists():
        missing(f"book/_build/html/{name}", "make book")
    screen.set_viewport_size({"width": 1280, "height": 900})
    screen.emulate_media(color_scheme="light")
    screen.goto((HTML / name).as_uri())
    screen.wait_for_load_state("networkidle")
    screen.wait_for_function(FIGURES_DRAWN)


def violations(screen, **rules):
    """What axe-core holds against the open page, a line for each element."""
    found = screen.evaluate(
        f"axe.run({json.dumps({'resultTypes': ['violations'], 'preload': False, **rules})})"
    )
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.browser
@pytest.mark.parametrize("name", pages())
def test_a_page_has_no_violation_in_the_light_in_the_dark_and_on_a_phone(
    screen, axe, name, missing
):
    open_page(screen, name, missing)
    screen.evaluate(axe)
    assert violations(screen) == []

    screen.emulate_media(color_scheme="dark")
    screen.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    screen.evaluate(END_OF_FADING)
    assert violations(screen, runOnly=["color-contrast"]) == []

    screen.set_viewport_size({"width": 390, "height": 844})
    screen.wait_for_function(REACHABLE)
    assert violations(screen, rules={"color-contrast": {"enabled": False}}) == []
    assert screen.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.browser
def test_axe_is_awake(screen, axe):
    screen.set_content(
        "<html><body><img src='data:,'><p style='color: #eee'>pale</p></body></html>"
    )
    screen.evaluate(axe)
    found = " ".join(violations(screen))
    assert "image-alt" in found
    assert "color-contrast" in found


def pages_with_figures():
    """Pages whose built form holds a live figure."""
    return [
        name
        for name in pages()
        if (HTML / name).exists() and WIDGET in (HTML / name).read_text(encoding="utf-8")
    ]


@pytest.mark.browser
@pytest.mark.parametrize("name", pages_with_figures())
def test_a_live_figure_obeys_the_keyboard_and_says_what_it_shows(screen, name, missing):
    open_page(screen, name, missing)
    for figure in screen.locator(FIGURE).all():
        figure.scroll_into_view_if_needed()
        assert figure.get_attribute("aria-label")
        for picture in figure.locator("svg[role=img], canvas").all():
            assert len(picture.get_attribute("aria-label")) > 20
        controls = figure.locator("input, select, button, [role=switch]").all()
        assert any(one.evaluate("(control) => control.tabIndex") >= 0 for one in controls)
        before = figure.evaluate(SAID)
        for slider in figure.locator("input[type=range]").all():
            low, high, now = (
                float(slider.evaluate(f"(one) => one.{word}")) for word in ("min", "max", "value")
            )
            slider.press("ArrowRight" if now < high else "ArrowLeft")
            assert low < high
            assert figure.evaluate(SAID) != before, slider.evaluate("(one) => one.outerHTML")
            before = figure.evaluate(SAID)
