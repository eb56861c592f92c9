"""The live figure: what Python sends, what the page must print, and its arithmetic in a browser."""

import base64

import numpy as np
import pytest

from nncourse.figures.grid import FOLDER, MAX_VALUES, GridFigure, numbers
from nncourse.figures.style import COLORS, figure
from nncourse.quantizers.affine import choose_qparams, fake_quantize


@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_at_full_range_the_numbers_are_those_of_the_quantizer(bits, scheme):
    x = np.sort(np.random.default_rng(0).normal(size=1000)).astype(np.float32)
    grid = choose_qparams(x, bits=bits, scheme=scheme)
    said = numbers(x, bits=bits, reach=1.0, scheme=scheme)
    assert said["step"] == pytest.approx(float(grid.scale), rel=1e-6)
    error = np.square(x.astype(np.float64) - fake_quantize(x, grid)).mean()
    assert said["error"] == pytest.approx(error, rel=1e-4)
    assert said["clipped"] <= 0.002  # rounding the zero point may cut the last half step


def test_a_shorter_range_clips_more_and_has_a_finer_step():
    x = np.sort(np.random.default_rng(0).normal(size=1000)).astype(np.float32)
    wide, narrow = (numbers(x, bits=4, reach=reach, scheme="symmetric") for reach in (1.0, 0.3))
    assert narrow["step"] < wide["step"]
    assert narrow["clipped"] > wide["clipped"] == 0


def test_large_tensors_are_thinned_evenly_and_keep_their_shape():
    x = np.random.default_rng(0).normal(size=400_000).astype(np.float32)
    widget = GridFigure(x)
    sent = widget.values
    assert sent.size == MAX_VALUES
    assert (sent[0], sent[-1]) == (x.min(), x.max())
    assert widget.numbers()["bytes"] == 400_000 // 2 + 4
    assert (np.diff(sent) >= 0).all()
    assert sent.std() == pytest.approx(x.std(), rel=0.01)


def test_the_figure_keeps_its_values_inside_its_sliders():
    widget = GridFigure(np.linspace(-1, 1, 50), bits=3, reach=0.5)
    assert widget.numbers()["levels"] == 7
    for trait, value in (("bits", 1), ("bits", 9), ("reach", 0.0), ("scheme", "log")):
        with pytest.raises(Exception, match=trait):
            setattr(widget, trait, value)


@pytest.mark.parametrize(
    ("x", "said"), [([], "at least one"), ([np.nan], "finite"), ([0.0, 0.0], "all zero")]
)
def test_values_without_a_histogram_are_refused(x, said):
    with pytest.raises(ValueError, match=said):
        GridFigure(np.array(x))


@pytest.fixture(scope="module")
def module_page(browser):
    """A bare page with the figure's own module at hand."""
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: page.complaints.append(said.text))
    source = base64.b64encode((FOLDER / "grid.js").read_bytes()).decode()
    page.evaluate(
        f"import('data:text/javascript;base64,{source}').then(it => {{ window.it = it }})"
    )
    page.add_style_tag(content=(FOLDER / "grid.css").read_text(encoding="utf-8"))
    yield page
    page.close()


SHAPES = {
    "normal": lambda rng: rng.normal(size=3001),
    "positive": lambda rng: rng.exponential(size=500),
    "negative": lambda rng: -rng.exponential(scale=1e-6, size=500),
    "one huge": lambda rng: np.append(rng.normal(size=99), 1e30),
    "exact ties": lambda rng: np.arange(-28, 29) / 8,
    "one value": lambda rng: np.array([0.3]),
    "on the grid": lambda rng: np.array([-1.0, 0.0, 1.0]),
}


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_page_computes_what_python_computes(module_page, shape, scheme):
    x = np.sort(SHAPES[shape](np.random.default_rng(0)).astype(np.float32))
    for bits in range(2, 9):
        for reach in (0.05, 0.333, 0.5, 1.0):
            said = module_page.evaluate(
                "([x, ...rest]) => it.measure(Float32Array.from(x), ...rest)",
                [x.tolist(), x.size, bits, reach, scheme],
            )
            for name, expected in numbers(x, bits=bits, reach=reach, scheme=scheme).items():
                # A squared distance that vanishes leaves only rounding to compare.
                assert said[name] == pytest.approx(expected, rel=1e-9, abs=1e-300), (
                    name,
                    bits,
                    reach,
                )


@pytest.mark.browser
@pytest.mark.parametrize("shape", SHAPES)
def test_the_figure_draws_any_values_on_a_phone_and_complains_of_nothing(module_page, shape):
    x = np.sort(SHAPES[shape](np.random.default_rng(0)).astype(np.float32))
    drawn = module_page.evaluate(
        """async x => {
            const state = { data: new DataView(Float32Array.from(x).buffer), count: x.length,
                            label: "weights", bits: 8, reach: 1, scheme: "symmetric" };
            const model = { get: name => state[name], set() {}, save_changes() {}, on() {}, off() {} };
            const el = document.body.appendChild(document.createElement("div"));
            const leave = it.default.render({ model, el });
            await new Promise(done => setTimeout(done, 100));
            const html = el.innerHTML, wide = document.documentElement.scrollWidth;
            leave();
            el.remove();
            return [html, wide];
        }""",
        x.tolist(),
    )
    assert "nngrid-stem" in drawn[0]
    assert "NaN" not in drawn[0]
    assert "undefined" not in drawn[0]
    assert drawn[1] <= 390
    assert module_page.complaints == []


def test_static_figures_have_the_axes_asked_for_and_one_color_a_method():
    import matplotlib.pyplot as plt

    fig, axes = figure(columns=3)
    assert len(axes) == 3
    plt.close(fig)
    assert len(set(COLORS.values())) == len(COLORS)
    with pytest.raises(ValueError, match="columns"):
        figure(columns=0)
