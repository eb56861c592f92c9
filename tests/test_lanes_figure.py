"""The live figure of waiting lanes: its arithmetic against the accelerator's, its page against Python."""

import base64
from itertools import pairwise

import numpy as np
import pytest

from nncourse.accelerator.lanes import Lanes, expected_max
from nncourse.accelerator.queues import queue_cycles_textbook
from nncourse.figures.lanes import (
    CHOICES,
    CYCLES_DRAWN,
    FOLDER,
    GROUPS_SIMULATED,
    LanesFigure,
    kept_weights,
    numbers,
    simulate,
    uniform,
)

DEFAULT = {"lanes": 16, "density": 0.2, "group": 32, "queue_depth": 1, "seed": 0}
SETTINGS = [
    DEFAULT | change
    for change in (
        {},
        {"lanes": 4, "group": 8, "density": 0.05, "seed": 3},
        {"lanes": 256, "group": 256, "density": 0.95},
        {"lanes": 64, "group": 16, "queue_depth": 2, "seed": 999},
        {"lanes": 64, "group": 16, "queue_depth": 32},
        {"lanes": 8, "group": 128, "density": 0.5, "queue_depth": 4},
        {"density": 1.0},
        {"density": 1.0, "queue_depth": 8},
    )
]


def test_the_random_numbers_are_even_and_differ_between_seeds():
    drawn = uniform(0, np.arange(100_000))
    assert ((drawn > 0) & (drawn < 1)).all()
    shares = np.histogram(drawn, bins=20, range=(0, 1))[0] / drawn.size
    assert np.abs(shares - 0.05).max() < 0.003  # four standard deviations
    other = uniform(1, np.arange(100_000))
    assert abs(np.corrcoef(drawn, other)[0, 1]) < 0.015
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.015


def test_the_finalizer_gives_the_words_that_its_author_publishes():
    # fmix32 of MurmurHash3: 0 stays 0, and 1 becomes 0x514e28b7.
    assert uniform(0, 0) == 0.5 / 2**32
    assert uniform(0, 1) == (0x514E28B7 + 0.5) / 2**32


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5, 0.95])
def test_kept_weights_have_the_mean_and_variance_of_a_binomial(density):
    work = kept_weights(lanes=256, density=density, group=32, seed=5)
    assert work.shape == (GROUPS_SIMULATED, 256)
    assert work.mean() == pytest.approx(32 * density, rel=0.02)
    assert work.var() == pytest.approx(32 * density * (1 - density), rel=0.05)


def test_a_lane_never_has_less_work_at_a_larger_density():
    work = [kept_weights(lanes=16, density=d, group=64, seed=1) for d in (0.1, 0.3, 0.9, 1.0)]
    for fewer, more in pairwise(work):
        assert (fewer <= more).all()
    assert (work[-1] == 64).all()


def test_behind_a_barrier_the_speed_up_is_that_of_the_accelerators_closed_form():
    array = Lanes(64, group=16)
    said = numbers(**DEFAULT | {"lanes": 64, "group": 16})
    assert said["speedup"] == pytest.approx(16 / array.expected_cycles(64, 16, 0.2), rel=1e-12)


def test_behind_a_barrier_the_simulated_groups_agree_with_the_closed_form():
    work = kept_weights(lanes=64, density=0.2, group=16, seed=0)
    cycles = queue_cycles_textbook(work, depth=1) / GROUPS_SIMULATED
    assert cycles == pytest.approx(expected_max(64, 16, 0.2), rel=0.03)


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_picture_is_the_accelerators_own_cycle_loop(settings):
    shown = simulate(**settings)
    work = shown["finish"] - shown["start"]
    drawn = {name: settings[name] for name in ("lanes", "density", "group", "seed")}
    np.testing.assert_array_equal(work, kept_weights(**drawn))
    for count in (1, shown["groups"], GROUPS_SIMULATED):
        cycles = queue_cycles_textbook(work[:count], depth=settings["queue_depth"])
        assert shown["finish"][:count].max() == cycles
    busy = sum(
        ((shown["start"] < cycle) & (shown["finish"] >= cycle)).sum()
        for cycle in range(1, shown["cycles"] + 1)
    )
    assert shown["waiting"] == pytest.approx(1 - busy / (settings["lanes"] * shown["cycles"]))


def test_the_picture_shows_whole_groups_that_fit_and_never_fewer_than_three():
    short = simulate(**DEFAULT)
    assert short["cycles"] <= CYCLES_DRAWN < short["finish"][: short["groups"] + 1].max()
    assert simulate(**DEFAULT | {"density": 1.0, "group": 256})["groups"] == 3


def test_a_deeper_queue_never_makes_the_lanes_slower():
    speeds = [
        numbers(**DEFAULT | {"lanes": 64, "group": 16, "queue_depth": depth})["speedup"]
        for depth in CHOICES["queue_depth"][1:]
    ]
    assert speeds == sorted(speeds)
    assert numbers(**DEFAULT | {"lanes": 64, "group": 16})["speedup"] < speeds[0] < speeds[-1] < 5


def test_the_figure_refuses_what_its_sliders_cannot_show():
    figure = LanesFigure()
    assert figure.numbers() == numbers(**DEFAULT)
    for name, value in (
        *(("lanes", 7), ("group", 0), ("queue_depth", 3)),
        *(("density", 0.0), ("density", 1.1), ("seed", 1000), ("cycle", -1)),
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
    source = base64.b64encode((FOLDER / "lanes.js").read_bytes()).decode()
    page.evaluate(
        f"import('data:text/javascript;base64,{source}').then(it => {{ window.it = it }})"
    )
    page.add_style_tag(content=LanesFigure._css)
    yield page
    page.close()


@pytest.mark.browser
def test_the_page_draws_the_same_random_numbers(module_page):
    places = [0, 1, 2, 1000, 65_535]
    for seed in (0, 1, 999):
        said = module_page.evaluate(
            "([seed, places]) => places.map(place => it.uniform(seed, place))", [seed, places]
        )
        assert said == uniform(seed, places).tolist()


@pytest.mark.browser
def test_the_page_computes_the_closed_form_as_the_accelerator_does(module_page):
    grid = [
        (lanes, group, density)
        for lanes in CHOICES["lanes"]
        for group in CHOICES["group"]
        for density in (0.05, 0.2, 0.5, 0.99, 1.0)
    ]
    said = module_page.evaluate("grid => grid.map(one => it.expectedMax(...one))", grid)
    assert said == pytest.approx([expected_max(*one) for one in grid], rel=1e-9)


@pytest.mark.browser
@pytest.mark.parametrize("settings", SETTINGS)
def test_the_page_computes_what_python_computes(module_page, settings):
    said = module_page.evaluate("settings => it.measure(settings)", settings)
    expected = numbers(**settings)
    assert said.keys() == expected.keys()
    for name, number in expected.items():
        assert said[name] == pytest.approx(number, rel=1e-9, abs=1e-12), name
    shown = module_page.evaluate("settings => it.picture(settings)", settings)
    expected = simulate(**settings)
    assert (shown["groups"], shown["cycles"]) == (expected["groups"], expected["cycles"])
    np.testing.assert_array_equal(shown["start"], expected["start"])
    np.testing.assert_array_equal(shown["finish"], expected["finish"])


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
        figure.settings | {"cycle": None, "choices": figure.choices},
    )
    page.wait_for_selector(".nnlanes rect")


def assert_shown(page, figure):
    """What the page prints is what Python says of the same settings."""
    expected = figure.numbers()
    for box in page.locator(".nnlanes [data-number]").all():
        text, name = box.inner_text(), box.get_attribute("data-number")
        digits = float(text.rstrip("×%"))
        rounded = 0.051 if text.endswith("%") else 0.0051
        wanted = 100 * expected[name] if text.endswith("%") else expected[name]
        assert digits == pytest.approx(wanted, abs=rounded), name


@pytest.mark.browser
@pytest.mark.parametrize("settings", SETTINGS)
def test_the_figure_fits_a_phone_and_its_text_says_what_is_drawn(module_page, settings):
    figure = LanesFigure(**settings)
    draw(module_page, figure)
    assert_shown(module_page, figure)
    shown = simulate(**settings)
    said = module_page.locator("[data-part=picture]").get_attribute("aria-label")
    assert f"the first {shown['groups']} groups take {shown['cycles']} cycles" in said
    assert f"{100 * shown['waiting']:.1f}% of the time" in said
    chart = module_page.locator("[data-part=chart]").get_attribute("aria-label")
    assert f"{figure.numbers()['speedup']:.2f} times faster" in chart
    html = module_page.locator(".nnlanes").inner_html()
    assert "NaN" not in html
    assert "undefined" not in html
    assert module_page.evaluate("document.documentElement.scrollWidth") <= 390
    assert module_page.complaints == []


@pytest.mark.browser
def test_the_sliders_move_with_the_keyboard_and_the_numbers_follow(module_page):
    page, figure = module_page, LanesFigure()
    draw(page, figure)
    for name, key, value in (
        ("lanes", "ArrowRight", 32),
        ("group", "ArrowLeft", 16),
        ("queue_depth", "End", 32),
        ("density", "ArrowRight", 0.21),
    ):
        page.locator(f"[data-control={name}]").focus()
        page.keyboard.press(key)
        setattr(figure, name, value)
        assert_shown(page, figure)
    page.locator("[data-control=again]").click()
    figure.seed = 1
    assert_shown(page, figure)
    assert page.evaluate("state.seed") == 1
    assert page.complaints == []


@pytest.mark.browser
def test_cycles_are_stepped_with_the_keyboard_and_counted_in_words(module_page):
    page, figure = module_page, LanesFigure(lanes=8)
    draw(page, figure)
    shown = simulate(**figure.settings)
    page.locator("[data-control=cycle]").focus()
    page.keyboard.press("Home")
    assert page.locator(".nnlanes rect").count() == 0
    for cycle in range(1, shown["cycles"] + 1):
        page.keyboard.press("ArrowRight")
        busy = int(((shown["start"] < cycle) & (shown["finish"] >= cycle)).sum())
        expected = (
            f"Cycle {cycle} of {shown['cycles']}: {busy} of 8 lanes multiply, {8 - busy} wait"
        )
        assert page.locator("[data-part=now]").inner_text() == expected
    assert page.complaints == []


@pytest.mark.browser
def test_play_runs_from_the_start_and_stops_at_the_end(module_page):
    page, figure = module_page, LanesFigure(lanes=4, group=8, density=0.2)
    draw(page, figure)
    length = simulate(**figure.settings)["cycles"]
    play = page.locator("[data-control=play]")
    play.click()
    assert play.inner_text() == "Pause"
    page.wait_for_function("state.cycle >= 2")
    play.click()
    assert play.inner_text() == "Play"
    stopped = page.evaluate("state.cycle")
    page.wait_for_timeout(300)
    assert page.evaluate("state.cycle") == stopped
    page.evaluate("length => { state.cycle = length - 1 }", length)
    play.click()
    page.wait_for_function("length => state.cycle === length", arg=length)
    page.wait_for_function("document.querySelector('[data-control=play]').textContent === 'Play'")


@pytest.mark.browser
def test_where_less_motion_is_asked_for_a_press_is_one_step(module_page):
    page = module_page
    page.emulate_media(reduced_motion="reduce")
    draw(page, LanesFigure())
    play = page.locator("[data-control=play]")
    assert play.inner_text() == "Step"
    play.click()
    assert page.evaluate("state.cycle") == 1
    page.wait_for_timeout(300)
    assert page.evaluate("state.cycle") == 1
    page.emulate_media(reduced_motion="no-preference")
