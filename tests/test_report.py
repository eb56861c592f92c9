"""Reports: what a layer waits for, and how busy the array is meanwhile."""

import numpy as np
import pytest

from nncourse.accelerator import Report


def report(**changes):
    zeros = np.zeros(3)
    columns = {
        "names": ("a", "b", "c"),
        "macs": np.array([800, 800, 800]),
        "effective_macs": np.array([800, 400, 200]),
        "compute_cycles": np.array([200, 100, 50]),
        "dram_cycles": np.array([50.0, 160.5, 50.0]),
        "decode_cycles": np.array([0.0, 0.0, 400.0]),
        "dram_bytes": zeros + 4,
        "mac_pj": zeros + 1,
        "sram_pj": zeros + 20,
        "dram_pj": zeros + 300,
        "decode_pj": zeros + 4000,
        "products": np.ones(3),
        "cells": 4,
    }
    return Report(**(columns | changes))


def test_a_layer_takes_as_long_as_what_it_waits_for():
    assert report().cycles.tolist() == [200, 160.5, 400]
    assert report().table()["bound"].tolist() == ["array", "DRAM", "decoder"]


def test_a_tie_is_the_arrays():
    tied = report(dram_cycles=np.array([200.0] * 3), decode_cycles=np.array([200.0] * 3))
    assert tied.table()["bound"].tolist() == ["array", "DRAM", "DRAM"]


def test_energy_is_the_sum_of_four_parts():
    assert report().energy_pj.tolist() == [4321] * 3


def test_utilization_counts_products_that_switch_and_not_the_zeros():
    assert report().utilization == pytest.approx([1.0, 400 / 642, 200 / 1600])
    halved = report(products=np.full(3, 2.0))
    assert halved.utilization == pytest.approx(report().utilization / 2)


def test_a_layer_of_which_nothing_is_left_takes_no_time_and_uses_nothing():
    nothing = np.array([0, 100, 50])
    gone = report(
        effective_macs=nothing,
        compute_cycles=nothing,
        dram_cycles=nothing * 1.0,
        decode_cycles=nothing * 0.0,
    )
    assert gone.cycles[0] == 0
    assert gone.utilization[0] == 0


def test_the_table_rounds_expected_cycles_up():
    shown = report(compute_cycles=np.array([10.2, 10.0, 9.99])).table()["compute_cycles"]
    assert shown.tolist() == [11, 10, 10]
