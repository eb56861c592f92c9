"""A ledger takes bytes that exist and nothing that was computed."""

import numpy as np
import pytest

from nncourse.ledger import SizeLedger


def test_entries_add_up_and_the_ratio_is_before_over_after():
    ledger = SizeLedger(baseline_bytes=1000)
    ledger.add("codes", bytes(120))
    ledger.add("scales", bytes(5))
    assert ledger.total_bytes == 125
    assert ledger.ratio == 8.0
    table = ledger.table()
    assert table.loc["total", "bytes"] == 125
    assert table.loc["codes", "share (%)"] == 96.0


@pytest.mark.parametrize("computed", [120, 12.5, "120", np.zeros(4), [1, 2]])
def test_a_computed_size_is_refused(computed):
    ledger = SizeLedger(baseline_bytes=1000)
    with pytest.raises(TypeError, match="stored bytes themselves"):
        ledger.add("codes", computed)


def test_a_name_is_entered_once():
    ledger = SizeLedger(baseline_bytes=1000)
    ledger.add("codes", b"12")
    with pytest.raises(ValueError, match="already, with 2 bytes"):
        ledger.add("codes", b"1")


def test_wide_memory_counts_in_bytes():
    ledger = SizeLedger(baseline_bytes=1000)
    ledger.add("codes", memoryview(np.zeros(3, dtype=np.float64)))
    assert ledger.total_bytes == 24


def test_an_empty_ledger_has_no_ratio_and_a_baseline_is_needed():
    with pytest.raises(ValueError, match="empty"):
        _ = SizeLedger(baseline_bytes=10).ratio
    with pytest.raises(ValueError, match="above 0"):
        SizeLedger(baseline_bytes=0)
    with pytest.raises(TypeError, match="whole number"):
        SizeLedger(baseline_bytes=10.5)
