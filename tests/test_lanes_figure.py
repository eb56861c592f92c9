"""The live figure of waiting lanes: its numbers against the model, its page against Python."""

import base64

import numpy as np
import pytest
import traitlets

from nncourse.accelerator.lanes import Lanes
from nncourse.figures.lanes import DEPTHS, FOLDER, GROUPS, LANES, LanesFigure, numbers, work

SETTINGS = [
    (16, 0.2, 32, 1, 1),
    (1, 0.5, 8, 1, 7),
    (256, 0.05, 256, 1, 3),
    (64, 0.2, 16, 2, 1),
    (64, 0.2, 16, 8, 99),
    (12, 1.0, 4, 1, 5),
    (8, 0.9, 256, 4, 2**31 - 1),
]


def test_the_opening_picture_is_five_times_fewer_and_three_times_faster():
    said = LanesFigure().numbers()
    assert said["ideal"] == 5
    assert round(said["speedup"], 2) == 3.02
    assert said["share"] == pytest.approx(said["speedup"] / 5)
    assert 0 < said["waiting"] < 1


def test_drawn_counts_are_binomial():
    counts = work(64, 400, 32, 0.2, 1)
    assert counts.mean() == pytest.approx(6.4, rel=0.01)
    assert counts.var() == pytest.approx(32 * 0.2 * 0.8, rel=0.03)
    assert (work(4, 3, 16, 1.0, 1) == 16).all()


@pytest.mark.parametrize("depth", [2, 8])
def test_queues_do_as_the_model_says_of_masks(depth):
    said = numbers(lanes=64, density=0.2, group=16, queue_depth=depth, seed=1)
    mask = np.random.default_rng(0).random((64, 16 * 2000)) < 0.2
    array = Lanes(64, group=16, queue_depth=depth)
    assert said["speedup"] == pytest.approx(mask.shape[1] / array.sparse_cycles(mask), rel=0.03)


def test_one_lane_waits_for_nobody():
    said = numbers(lanes=1, density=0.25, group=16, queue_depth=1, seed=1)
    assert said["waiting"] == 0
    assert said["speedup"] == pytest.approx(4)


def test_settings_outside_the_sliders_are_refused():
    for wrong in ({"lanes": 3}, {"group": 7}, {"queue_depth": 3}, {"density": 0.0}):
        with pytest.raises(traitlets.TraitError):
            LanesFigure(**wrong)


@pytest.fixture(scope="module")
def module_page(browser):
    """A bare page as wide as a phone with the figure's own module at hand."""
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    source = base64.b64encode((FOLDER / "lanes.js").read_bytes()).decode()
    page.evaluate(
        f"import('data:text/javascript;base64,{source}').then(it => {{ window.it = it }})"
    )
    page.add_style_tag(content=(FOLDER / "lanes.css").read_text(encoding="utf-8"))
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_the_page_computes_what_python_does(module_page, setting):
    lanes, density, group, depth, seed = setting
    found = module_page.evaluate("s => it.measure(...s)", list(setting))
    expected = numbers(lanes=lanes, density=density, group=group, queue_depth=depth, seed=seed)
    for name, number in expected.items():
        assert found[name] == pytest.approx(number, rel=1e-9), name
    drawn = module_page.evaluate("s => Array.from(it.work(...s))", [lanes, 5, group, density, seed])
    assert drawn == work(lanes, 5, group, density, seed).ravel().tolist()


@pytest.mark.browser
def test_the_keyboard_moves_every_slider_and_the_picture_follows(module_page):
    page, figure = module_page, LanesFigure()
    page.evaluate(
        """choices => {
            document.body.replaceChildren();
            const state = { lanes: 16, density: 0.2, group: 32, queue_depth: 1, seed: 1, cycle: 0, choices };
            const heard = {};
            const model = { get: name => state[name],
                            set(name, value) { state[name] = value; heard[`change:${name}`]?.() },
                            save_changes() {}, on(name, call) { heard[name] = call }, off() {} };
            it.default.render({ model, el: document.body.appendChild(document.createElement("div")) });
        }""",
        figure.choices,
    )

    def shown(name):
        return page.locator(f"[data-number={name}]").inner_text()

    page.wait_for_function("document.querySelectorAll('.nnlanes-even').length > 5")
    assert shown("speedup") == "3.02×"
    page.locator("[data-control=lanes]").press("ArrowRight")
    figure.lanes = LANES[LANES.index(16) + 1]
    assert shown("speedup") == f"{figure.numbers()['speedup']:.2f}×"
    page.locator("[data-control=group]").press("ArrowLeft")
    figure.group = GROUPS[GROUPS.index(32) - 1]
    assert shown("speedup") == f"{figure.numbers()['speedup']:.2f}×"
    page.locator("[data-control=queue_depth]").press("ArrowRight")
    figure.queue_depth = DEPTHS[1]
    assert shown("share") == f"{100 * figure.numbers()['share']:.1f}%"
    assert page.locator(".nnlanes-barrier").count() == 0
    page.locator("[data-control=density]").press("ArrowRight")
    figure.density = 0.21
    assert shown("ideal") == f"{1 / 0.21:.2f}×"
    assert shown("waiting") == f"{100 * figure.numbers()['waiting']:.1f}%"
    before = page.locator(".nnlanes-even").count()
    page.locator("[data-control=cycle]").press("Home")
    assert page.locator(".nnlanes-even").count() <= before
    assert (
        page.locator("[role=img]")
        .get_attribute("aria-label")
        .startswith("Time line of the first 12")
    )
    page.locator("[data-control=play]").press("Enter")
    page.wait_for_function("document.querySelector('[data-control=play]').textContent === 'Play'")
    page.locator("[data-control=again]").press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.complaints == []
