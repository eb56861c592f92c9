"""The systolic array against every row that SCALE-Sim reported, and one fold drawn by hand."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.accelerator import Gemm, SystolicArray

PROBES = Path(__file__).parent / "vectors" / "scalesim_probe_rows.csv"
ROWS = list(csv.DictReader(PROBES.read_text(encoding="utf-8").splitlines()))


def array_and_gemm(row):
    array = SystolicArray(int(row["rows"]), int(row["cols"]), row["dataflow"])
    return array, Gemm(row["layer"], int(row["M"]), int(row["N"]), int(row["K"]))


def test_the_table_is_whole():
    assert len(ROWS) == 101
    assert {row["dataflow"] for row in ROWS} == {"ws", "os", "is"}


def test_cycles_equal_scalesim_in_every_row_but_the_one_stalled_by_its_memory_model():
    unequal = []
    for row in ROWS:
        array, gemm = array_and_gemm(row)
        if array.cycles(gemm) != int(row["total_cycles"]) + 1:
            unequal.append((row["config"], row["layer"], row["bandwidth_mode"]))
    assert unequal == [("p_ws_16x16_USER.cfg", "g3", "USER")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['config']}-{row['layer']}")
def test_on_chip_reads_equal_scalesim(row):
    array, gemm = array_and_gemm(row)
    inputs, weights, _ = array.sram(gemm)
    assert inputs == int(row["sram_ifmap_reads"])
    assert weights == int(row["sram_filter_reads"])


def test_output_writes_equal_scalesim_but_where_it_counts_idle_slots_of_stationary_outputs():
    for row in ROWS:
        array, gemm = array_and_gemm(row)
        outputs, reported = array.sram(gemm)[2], int(row["sram_ofmap_writes"])
        assert (outputs < reported) if array.dataflow == "os" else (outputs == reported)


def test_one_fold_worked_on_paper():
    # 2 x 3 cells hold the weights (k=2, n=3). Loading: 2 cycles. The first of 4 input rows enters the
    # corner, and its last product leaves 2 + 3 - 1 cycles later; one input row follows each cycle.
    assert SystolicArray(2, 3, "ws").cycles(Gemm("one fold", 4, 3, 2)) == 2 + (2 + 3 - 1) + (4 - 1)


sizes = st.integers(1, 300)


@given(
    m=sizes,
    n=sizes,
    k=sizes,
    rows=st.integers(1, 40),
    cols=st.integers(1, 40),
    groups=st.integers(1, 4),
)
@pytest.mark.parametrize("dataflow", ["ws", "os", "is"])
def test_no_array_does_more_than_its_cells_allow_and_groups_follow_each_other(
    dataflow, m, n, k, rows, cols, groups
):
    array, gemm = SystolicArray(rows, cols, dataflow), Gemm("any", m, n, k)
    assert 0 < array.utilization(gemm) <= 1
    grouped = Gemm("any", m, n, k, groups)
    assert array.cycles(grouped) == groups * array.cycles(gemm)
    assert array.sram(grouped) == tuple(groups * words for words in array.sram(gemm))


def test_whole_columns_of_layers_are_computed_at_once():
    array = SystolicArray(8, 32, "is")
    m, n, k = np.array([[64, 64, 64], [100, 50, 70], [1, 256, 300]]).T
    singly = [array.cycles(Gemm("g", *map(int, sizes))) for sizes in zip(m, n, k, strict=True)]
    np.testing.assert_array_equal(array.cycles_of(m, n, k), singly)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((0, 8), "rows"), ((8, 2.5), "cols"), ((8, 8, "rs"), "dataflow"), ((True, 8), "rows")],
)
def test_bad_arrays_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        SystolicArray(*arguments)
