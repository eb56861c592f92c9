"""The validation command: what it compares, and that it fails when the model is wrong."""

import numpy as np
import pytest

from nncourse import cli
from nncourse.accelerator import eie_tables, validation


@pytest.fixture(scope="module")
def table():
    return validation.table()


def test_every_check_is_within_its_tolerance(table):
    assert table["ok"].all(), table[~table["ok"]].to_string()


def test_every_layer_of_the_paper_is_there_with_its_error(table):
    layers = set(eie_tables.layers()["layer"])
    for kind in ("theoretical", "actual"):
        rows = table[table["group"].str.contains(kind)]
        assert set(rows["what"]) == {*layers, "1 + mean error"}
        each = rows[rows["what"] != "1 + mean error"]
        assert each["error"].abs().mean() == pytest.approx(rows["error"].iloc[-1])
        assert np.allclose(each["error"], each["model"] / each["reference"] - 1)


def test_a_wrong_engine_is_found(monkeypatch, capsys):
    monkeypatch.setattr(eie_tables, "CHIP_WATT", 0.7)
    assert validation.main() == 1
    printed = capsys.readouterr().out
    assert "-16.3%" in printed
    assert "55 of 56" in printed


def test_the_command_prints_every_group(capsys, table):
    assert cli.main(["accelerator", "validate"]) == 0
    printed = capsys.readouterr().out
    for group in table["group"].unique():
        assert group in printed


def test_the_command_names_what_it_needs(capsys):
    assert cli.main(["accelerator", "compare-scalesim"]) == 2
    assert "needs FILE.csv" in capsys.readouterr().err
    assert cli.main(["accelerator", "validate", "rows.csv"]) == 2
    assert "reads no file" in capsys.readouterr().err


def test_the_published_means_follow_from_the_published_times():
    found = eie_tables.dense_over_sparse()
    means = np.exp(np.log(found["speedup"]).groupby([found["processor"], found["batch"]]).mean())
    expected = {
        ("cpu", 1): 2.97,
        ("cpu", 64): 0.28,
        ("gpu", 1): 3.28,
        ("gpu", 64): 0.27,
        ("mobile", 1): 4.56,
        ("mobile", 64): 0.84,
    }
    assert means.round(2).to_dict() == expected
    one = found[(found["processor"] == "cpu") & (found["batch"] == 1)]
    assert np.exp(np.log(one["weights_removed"]).mean()) == pytest.approx(10.2, abs=0.05)


def test_a_layer_is_drawn_at_the_densities_of_the_paper():
    mask, active = validation.published_layer("VGG-8")
    assert mask.shape == (1000, 4096)
    assert mask.mean() == pytest.approx(0.23, rel=0.01)
    assert active.mean() == pytest.approx(0.411, rel=0.05)
    with pytest.raises(ValueError, match=r"one of Alex-6, .*; got 'VGG-9'"):
        validation.published_layer("VGG-9")
