"""Comparing a table: new rows, sparse rows, wrong rows and files that are no such table."""

from pathlib import Path

import pytest

from nncourse.accelerator.scalesim import compare, main

PROBES = Path(__file__).parent / "vectors" / "scalesim_probe_rows.csv"
HEADER = "layer,dataflow,rows,cols,bandwidth_mode,M,N,K,sparsity,total_cycles,stall_cycles\n"


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "rows.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_probe_rows_are_exact_but_for_the_stall(capsys):
    assert main(PROBES) == 0
    printed = capsys.readouterr().out
    assert "rows   101" in printed
    assert "exact  100" in printed
    assert "g3: table 33198, model 14287 cycles (stalled in USER mode)" in printed


def test_one_wrong_cycle_is_found_and_fails(table, capsys):
    assert main(table(HEADER + "g0,ws,16,16,CALC,64,64,64,,1760,0\n")) == 1
    assert "UNEXPLAINED" in capsys.readouterr().out


def test_a_wrong_read_count_is_found_too(table):
    path = table(
        "dataflow,rows,cols,M,N,K,total_cycles,sram_ifmap_reads\nws,16,16,64,64,64,1759,16383\n"
    )
    assert not compare(path)[0].exact


def test_n_of_m_sparsity_shortens_the_sums(table):
    path = table(
        HEADER + "dense,ws,16,16,CALC,64,64,64,4:4,1759,0\nhalf,ws,16,16,CALC,64,64,64,2:4,879,0\n"
    )
    assert [row.exact for row in compare(path)] == [True, True]


def test_only_the_cycles_of_sparse_rows_are_compared(table):
    header = HEADER.replace("stall_cycles", "sram_ifmap_reads")
    rows = "half,ws,16,16,CALC,64,64,64,2:4,879,1\nwrong,ws,16,16,CALC,64,64,64,2:4,880,1\n"
    assert [row.exact for row in compare(table(header + rows))] == [True, False]


@pytest.mark.parametrize(
    ("mode", "stalls", "status"),
    [("USER", 1, 0), ("user", "1.0", 0), ("USER", 0, 1), ("CALC", 1, 1)],
)
def test_only_stalls_of_user_mode_explain_a_difference(table, mode, stalls, status):
    assert main(table(HEADER + f"g0,ws,16,16,{mode},64,64,64,,1800,{stalls}\n")) == status


def test_names_in_other_case_and_with_spaces_are_understood(table):
    path = table("Dataflow, Rows ,COLS, m, n, k, Total_Cycles\nOS,16,16,64,64,64,1503\n")
    assert compare(path)[0].exact


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lacks the columns"),
        ("a,b\n1,2\n", "lacks the columns dataflow"),
        (HEADER, "no rows"),
        (HEADER + "g0,ws,16,x,CALC,64,64,64,,1,0\n", "row 2: cols is a whole number; got 'x'"),
        (HEADER + "g0,ws,16,16,CALC,64,64,64,half,1,0\n", "sparsity is n:m"),
        (HEADER + "g0,rs,16,16,CALC,64,64,64,,1,0\n", "dataflow"),
        (HEADER + "g0,ws,16\n", "got ''"),
        (HEADER + "g0,ws,16,inf,CALC,64,64,64,,1,0\n", "row 2: cols is a whole number; got 'inf'"),
        (HEADER + "g0,ws,16,nan,CALC,64,64,64,,1,0\n", "row 2: cols is a whole number; got 'nan'"),
        (HEADER + "g0,ws,16,0,CALC,64,64,64,,1,0\n", "row 2: cols is a whole number of at least 1"),
        (HEADER + "g0,ws,16,16,USER,64,64,64,,1,some\n", "row 2: stall_cycles .* got 'some'"),
        (HEADER + '"' + 200_000 * "x", "not a CSV file of text"),
    ],
)
def test_a_file_that_is_no_such_table_is_named(table, text, said):
    with pytest.raises(ValueError, match=said):
        compare(table(text))
