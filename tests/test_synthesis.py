"""The synthesis table: what narrower cells, parting and neighbors do to area and energy."""

import pytest

from nncourse.accelerator.energy import price
from nncourse.accelerator.synthesis import GRID_SYNTHESIS, SYNTHESIS


def test_energy_of_a_cycle_is_dynamic_power_over_the_clock():
    energies = [SYNTHESIS[f"fixed {bits}"].cell_pj for bits in (2, 4, 8, 16)]
    assert energies == pytest.approx([0.057, 0.120, 0.298, 0.947], abs=5e-4)


def test_the_synthesized_8_bit_cell_and_the_table_of_operations_agree():
    assert SYNTHESIS["fixed 8"].cell_pj == pytest.approx(price("int8").mac_pj, rel=0.01)


@pytest.mark.parametrize("table", [SYNTHESIS, GRID_SYNTHESIS])
@pytest.mark.parametrize("bits", [4, 8, 16])
def test_a_cell_that_parts_costs_more_than_a_fixed_one_of_its_width(table, bits):
    fixed, parting = table[f"fixed {bits}"], table[f"{bits} to 2"]
    assert parting.cell_um2 > 1.5 * fixed.cell_um2
    assert parting.cell_pj > 1.3 * fixed.cell_pj


def test_neighbors_save_fixed_cells_a_quarter_of_their_area_and_fusible_ones_nothing():
    fixed = GRID_SYNTHESIS["fixed 8"].cell_um2 / SYNTHESIS["fixed 8"].cell_um2
    fusible = GRID_SYNTHESIS["8 to 2"].cell_um2 / SYNTHESIS["8 to 2"].cell_um2
    assert fixed == pytest.approx(0.743, abs=1e-3)
    assert fusible == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("table", "spread"), [(SYNTHESIS, 0.06), (GRID_SYNTHESIS, 0.07)])
def test_each_parting_costs_much_the_same(table, spread):
    ratios = [
        (table[f"{bits} to 2"].cell_um2 / table[f"fixed {bits}"].cell_um2) ** (1 / partings)
        for bits, partings in ((4, 1), (8, 2), (16, 3))
    ]
    assert max(ratios) / min(ratios) < 1 + spread
