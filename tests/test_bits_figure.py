"""The live figure of the bits of a number: its decoding against other software, its page against Python."""

import base64
import math
import re

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.figures.bits import FOLDER, SHOWN, BitsFigure, encode, numbers
from nncourse.formats import FORMATS, cast

FLOATS = {
    "fp32": np.float32,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "fp8_e4m3": ml_dtypes.float8_e4m3fn,
    "fp8_e5m2": ml_dtypes.float8_e5m2,
    "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp6_e3m2": ml_dtypes.float6_e3m2fn,
    "fp4_e2m1": ml_dtypes.float4_e2m1fn,
}
NARROW = [name for name in SHOWN if FORMATS[name].bits <= 8]


def some_codes(name):
    """All codes of a narrow format; of a wide one those at every edge, and a thousand others."""
    bits = FORMATS[name].bits
    if bits <= 8:
        return list(range(2**bits))
    edges = [1 << place for place in range(bits)] + [(1 << place) - 1 for place in range(bits + 1)]
    top = getattr(FORMATS[name], "exponent_bits", 0)
    infinity = ((1 << top) - 1) << (bits - 1 - top)
    near = [infinity + shift for shift in (-1, 0, 1)]
    negative = [code + 2 ** (bits - 1) for code in (*edges, *near) if code < 2 ** (bits - 1)]
    drawn = np.random.default_rng(0).integers(2**bits, size=1000).tolist()
    return sorted({*edges, *near, *negative, *drawn})


def same(found, expected):
    return found == expected or (math.isnan(found) and math.isnan(expected))


@pytest.mark.parametrize("name", FLOATS)
def test_bits_decode_to_the_values_that_other_software_gives_them(name):
    unsigned = {32: np.uint32, 16: np.uint16}.get(FORMATS[name].bits, np.uint8)
    for code in some_codes(name):
        with np.errstate(invalid="ignore"):
            expected = float(np.array([code], unsigned).view(FLOATS[name])[0])
        found = numbers(code, name)["value"]
        assert same(found, expected), code
        assert math.copysign(1, found) == math.copysign(1, expected) or math.isnan(found)


@pytest.mark.parametrize("name", NARROW)
def test_neighbors_step_and_codes_agree_with_the_list_of_values(name):
    values = FORMATS[name].values.tolist()
    for place, value in enumerate(values):
        said = numbers(encode(value, name), name)
        assert said["value"] == value
        assert said["below"] == (values[place - 1] if place else _beyond(name, -math.inf))
        assert said["above"] == (
            values[place + 1] if place + 1 < len(values) else _beyond(name, math.inf)
        )
        outward = said["above"] if value >= 0 else said["below"]
        if outward is not None and math.isfinite(outward):
            assert said["step"] == abs(outward - value)


def _beyond(name, limit):
    return limit if getattr(FORMATS[name], "has_infinity", False) else None


def test_neighbors_in_single_precision_are_those_of_nextafter():
    for code in some_codes("fp32"):
        value = np.array([code], np.uint32).view(np.float32)[0]
        said = numbers(code, "fp32")
        if not np.isfinite(value):
            assert said["below"] is said["above"] is said["step"] is None
            continue
        size = float(np.abs(value))
        with np.errstate(over="ignore", under="ignore"):
            assert said["below"] == float(np.nextafter(value, np.float32(-np.inf)))
            assert said["above"] == float(np.nextafter(value, np.float32(np.inf)))
            assert said["step"] == float(np.spacing(np.abs(value))) or size == FORMATS["fp32"].max
        assert said["significand"] * 2.0 ** said["exponent"] == size


@given(number=st.floats(-1e300, 1e300), name=st.sampled_from(SHOWN))
def test_a_number_becomes_the_value_that_the_formats_cast_it_to(number, name):
    code = encode(number, name)
    assert numbers(code, name)["value"] == float(cast(np.array([number]), name)[0])


def test_the_lowest_integer_is_decoded_and_stays_outside_the_grid():
    said = numbers(0b1000, "int4")
    assert (said["value"], said["below"], said["above"]) == (-8.0, None, -7.0)
    assert encode(-8.0, "int4") == 0b1001


def test_bits_set_by_hand_have_no_error_of_storing():
    figure = BitsFigure(0.1, format="fp8_e4m3")
    assert figure.numbers()["error"] == float(cast(np.array([0.1]), "fp8_e4m3")[0]) - 0.1
    figure.code = 0b0_1111_111
    assert math.isnan(figure.numbers()["value"])
    assert figure.numbers()["error"] is None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: BitsFigure(math.nan), "finite"),
        (lambda: encode(math.inf, "fp16"), "finite"),
        (lambda: encode(1.0, "mxfp4"), "format is one of fp32"),
        (lambda: numbers(16, "fp4_e2m1"), "code is 4 bits"),
        (lambda: numbers(-1, "fp4_e2m1"), "code is 4 bits"),
    ],
)
def test_what_has_no_bits_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@pytest.fixture(scope="module")
def module_page(browser):
    """A bare page as wide as a phone with the figure's own module at hand."""
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: page.complaints.append(said.text))
    source = base64.b64encode((FOLDER / "bits.js").read_bytes()).decode()
    page.evaluate(
        f"import('data:text/javascript;base64,{source}').then(it => {{ window.it = it }})"
    )
    page.add_style_tag(content=(FOLDER / "bits.css").read_text(encoding="utf-8"))
    yield page
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("name", SHOWN)
def test_the_page_decodes_every_code_as_python_does(module_page, name):
    codes = some_codes(name)
    # A page's answer is written down in JSON, which knows no NaN: its numbers come as text.
    said = module_page.evaluate(
        """([codes, format]) => codes.map(code => Object.entries(it.measure(code, format)).map(
               ([name, number]) => [name, number === null ? null : String(number)]))""",
        [codes, BitsFigure().formats[name]],
    )
    for code, entries in zip(codes, said, strict=True):
        found = {key: None if text is None else float(text) for key, text in entries}
        expected = numbers(code, name)
        assert found.keys() == expected.keys()
        for key, number in expected.items():
            if number is None or found[key] is None:
                assert found[key] is number, (code, key)
            else:
                assert same(found[key], number), (code, key)


@pytest.mark.browser
@pytest.mark.parametrize("name", SHOWN)
def test_the_page_rounds_every_number_as_python_does(module_page, name):
    rng = np.random.default_rng(0)
    drawn = (rng.choice([-1, 1], 2000) * 2.0 ** rng.uniform(-160, 140, 2000)).tolist()
    exact = [numbers(code, name)["value"] for code in some_codes(name)]
    exact = [value for value in exact if math.isfinite(value)]
    ties = [(one + two) / 2 for one, two in zip(sorted(exact), sorted(exact)[1:], strict=False)]
    asked = [*drawn, *exact, *ties, 1e308, -1e308, 5e-324, 0.0, -0.0]
    found = module_page.evaluate(
        "([asked, format]) => asked.map(text => it.encode(Number(text), format))",
        [[repr(number) for number in asked], BitsFigure().formats[name]],
    )
    assert found == [encode(number, name) for number in asked]


def shown(page):
    """The numbers that the figure prints, by name; None where it prints none."""
    found = {}
    for box in page.locator(".nnbits-readout [data-number]").all():
        text = box.inner_text().replace("\N{MINUS SIGN}", "-").replace("\N{INFINITY}", "inf")
        digits = re.fullmatch(r"(-?[\d.]+|-?inf|NaN|none)(?: × 10\s*(-?\d+))?(%?)", text)
        assert digits, text
        name, (mantissa, power, percent) = box.get_attribute("data-number"), digits.groups()
        number = None if mantissa == "none" else float(f"{mantissa}e{power}" if power else mantissa)
        found[name] = number / 100 if percent else number
    return found


def assert_shown(page, figure):
    expected = figure.numbers()
    for name, number in shown(page).items():
        if expected[name] is None or number is None:
            assert number is expected[name], name
        elif name in ("error", "relative_step"):
            rounded = {"error": 1e-5, "relative_step": 6e-3}[name]
            assert number == pytest.approx(expected[name], rel=rounded), name
        else:
            assert same(number, expected[name]), name


@pytest.mark.browser
@pytest.mark.parametrize("name", SHOWN)
def test_flipping_each_bit_and_back_shows_what_python_says(module_page, name):
    page, figure = module_page, BitsFigure(-0.7, format=name)
    page.evaluate(
        """formats => {
            document.body.replaceChildren();
            const state = { number: -0.7, format: "fp32", code: null, formats };
            const model = { get: name => state[name], set(name, value) { state[name] = value },
                            save_changes() {}, on() {}, off() {} };
            it.default.render({ model, el: document.body.appendChild(document.createElement("div")) });
        }""",
        figure.formats,
    )
    page.locator("[data-control=format]").select_option(name)
    assert_shown(page, figure)
    start, bits = encode(-0.7, name), FORMATS[name].bits
    page.locator(f"[data-bit='{bits - 1}']").focus()
    for place in reversed(range(bits)):
        for code in (start ^ (1 << place), start):
            page.keyboard.press("Space")
            figure.code = code
            assert_shown(page, figure)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.keyboard.press("ArrowRight")
    page.locator("[data-control=number]").fill("1e9")
    figure.code, figure.number = None, 1e9
    assert_shown(page, figure)
    page.locator("[data-control=number]").fill("1e")
    assert page.locator("[aria-invalid=true]").count() == 1
    assert_shown(page, figure)
    html = page.locator(".nnbits").inner_html()
    assert "undefined" not in html
    assert page.complaints == []
