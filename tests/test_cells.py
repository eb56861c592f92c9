"""Cells: products a cycle at every pair of widths, and from which width on they pay for their area."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.accelerator import (
    ACTIVATION_SERIAL,
    FIXED,
    FUSIBLE,
    FUSIBLE_IN_GRID,
    TWO_WIDTH,
    TWO_WIDTH_IN_GRID,
    WEIGHT_SERIAL,
    Cell,
    SystolicArray,
)
from nncourse.accelerator.synthesis import SYNTHESIS

PRICED = [FIXED, TWO_WIDTH, TWO_WIDTH_IN_GRID, FUSIBLE, FUSIBLE_IN_GRID]
SERIAL = [ACTIVATION_SERIAL, WEIGHT_SERIAL]
EVERY = [*PRICED, *SERIAL]
WIDTHS = np.arange(1, 9)


def products(cell, activation_bits, weight_bits):
    return cell.products(activation_bits=activation_bits, weight_bits=weight_bits)


def test_products_of_equal_widths_step_where_the_hardware_does():
    assert products(FIXED, WIDTHS, WIDTHS).tolist() == [1] * 8
    assert products(TWO_WIDTH, WIDTHS, WIDTHS).tolist() == [4] * 4 + [1] * 4
    assert products(FUSIBLE, WIDTHS, WIDTHS).tolist() == [16, 16, 4, 4, 1, 1, 1, 1]


@pytest.mark.parametrize(("a", "w", "expected"), [(8, 2, 4), (2, 8, 4), (4, 8, 2), (3, 2, 8)])
def test_a_fusible_cell_gains_by_either_operand(a, w, expected):
    assert products(FUSIBLE, a, w) == expected


def test_a_serial_cell_gains_by_its_serial_operand_only_and_by_every_bit():
    np.testing.assert_allclose(products(ACTIVATION_SERIAL, WIDTHS, 1), 8 / WIDTHS)
    np.testing.assert_allclose(products(WEIGHT_SERIAL, 1, WIDTHS), 8 / WIDTHS)


@pytest.mark.parametrize("cell", EVERY)
def test_every_cell_starts_one_product_of_8_by_8_bits(cell):
    assert products(cell, 8, 8) == 1


@pytest.mark.parametrize(
    ("cell", "bits"),
    [(FIXED, 8.0), (TWO_WIDTH, 6.47), (FUSIBLE, 5.04), (TWO_WIDTH_IN_GRID, 5.88)],
)
def test_break_even_is_where_the_products_pay_for_the_area(cell, bits):
    assert cell.break_even_bits == pytest.approx(bits, abs=0.005)
    assert (8 / cell.break_even_bits) ** 2 / cell.area_ratio == pytest.approx(1)


@pytest.mark.parametrize(
    ("cell", "gains"), [(FUSIBLE, (0.40, 1.59, 6.35)), (FUSIBLE_IN_GRID, (0.29, 1.18, 4.71))]
)
def test_a_fusible_cell_loses_at_8_bits_and_gains_from_4_bits_down(cell, gains):
    found = cell.gain_per_area(activation_bits=[8, 4, 2], weight_bits=[8, 4, 2])
    assert found == pytest.approx(gains, abs=0.005)
    five = cell.gain_per_area(activation_bits=5, weight_bits=5)
    assert five == found[0]  # five bits are computed as eight


def test_narrow_weights_alone_pay_later_than_narrow_weights_and_activations():
    alone = FUSIBLE.gain_per_area(activation_bits=8, weight_bits=[4, 2])
    assert alone[0] < 1 < alone[1]


def test_energy_of_a_multiply_accumulate_is_that_of_a_cycle_shared_by_its_products():
    energy = FUSIBLE.mac_pj(activation_bits=[8, 4, 2], weight_bits=[8, 4, 2])
    assert energy[0] == pytest.approx(SYNTHESIS["8 to 2"].cell_pj)
    assert (energy * [1, 4, 16]).tolist() == pytest.approx([energy[0]] * 3)
    assert FIXED.mac_pj(activation_bits=2, weight_bits=2) == SYNTHESIS["fixed 8"].cell_pj


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(PRICED))
def test_an_array_of_equal_area_fits_and_fills_most_of_it(rows, cols, cell):
    array = SystolicArray(rows, cols, "os")
    if array.cells < cell.area_ratio:
        with pytest.raises(ValueError, match="no room"):
            cell.array_in_area_of(array)
        return
    fitted = cell.array_in_area_of(array)
    assert fitted.dataflow == "os"
    budget = array.cells / cell.area_ratio
    assert budget - fitted.rows - 1 < fitted.cells <= budget


@pytest.mark.parametrize("cell", SERIAL)
def test_what_has_no_price_says_so(cell):
    for priced in (
        lambda: cell.break_even_bits,
        lambda: cell.mac_pj(activation_bits=8, weight_bits=8),
        lambda: cell.gain_per_area(activation_bits=8, weight_bits=8),
        lambda: cell.array_in_area_of(SystolicArray(16, 16)),
    ):
        with pytest.raises(ValueError, match="no price"):
            priced()
    assert cell.mark == "not priced"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: products(FUSIBLE, 9, 8), "activation_bits of a fusible cell"),
        (lambda: products(FUSIBLE, 8, 0), "weight_bits of a fusible cell"),
        (lambda: products(FUSIBLE, 8, 2.5), "whole numbers"),
        (lambda: Cell(name="c", weight_widths=(4, 2, 8), source="s"), "ascend to 8"),
        (lambda: Cell(name="c", weight_widths=(2, 4), source="s"), "ascend to 8"),
        (lambda: Cell(name="c", weight_widths=(3, 8), source="s"), "divide 8"),
        (lambda: Cell(name="c", weight_widths=(0, 8), source="s"), "at least 1"),
        (lambda: Cell(name="c", area_ratio=0.0, source="s"), "area_ratio is above 0"),
        (lambda: Cell(name="c", mark="guess", source="s"), "mark is one of"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
