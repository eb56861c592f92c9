"""Recorded tables: written whole, read back exactly, and never trusted when torn or edited."""

import json

import pandas as pd
import pytest

from nncourse.experiments import record
from nncourse.experiments.record import StaleRecordError

ROWS = [
    {"seed": 0, "arm": "fp32", "accuracy": 0.9871, "sqnr_db": float("inf")},
    {"seed": 0, "arm": "none", "accuracy": 1 / 3, "sqnr_db": 0.1 + 0.2},
]


def write(folder, rows=ROWS, claim="Q2"):
    return record.write(
        claim,
        rows,
        command="nncourse experiment Q2",
        sources={"nncourse.a": "12"},
        sources_sha256="34",
        seeds=[0],
        seconds=1.25,
        folder=folder,
    )


def test_a_table_is_read_back_value_for_value(tmp_path):
    write(tmp_path)
    pd.testing.assert_frame_equal(
        record.results("Q2", folder=tmp_path), pd.DataFrame(ROWS), check_exact=True
    )


def test_truth_values_are_read_back_as_truth_values(tmp_path):
    rows = [{"seed": seed, "intact": seed < 2, "ever": False} for seed in range(3)]
    write(tmp_path, rows=rows)
    pd.testing.assert_frame_equal(
        record.results("Q2", folder=tmp_path), pd.DataFrame(rows), check_exact=True
    )


def test_the_note_says_how_the_table_was_made(tmp_path):
    write(tmp_path)
    note = record.provenance("Q2", folder=tmp_path)
    assert note["command"] == "nncourse experiment Q2"
    assert note["seeds"] == [0]
    assert note["sources_sha256"] == "34"
    assert {"packages", "cpu", "cores", "os", "python", "seconds"} <= note.keys()


def test_the_note_names_no_person_host_or_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("USER", "a-very-rare-user")
    monkeypatch.setattr("platform.node", lambda: "a-very-rare-host")
    path = write(tmp_path)
    text = path.with_suffix(".json").read_text()
    for private in ("a-very-rare-user", "a-very-rare-host", str(tmp_path)):
        assert private not in text


def test_a_table_edited_by_hand_is_refused(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text().replace("0.9871", "0.9971"))
    with pytest.raises(StaleRecordError, match=r"Q2\.csv.*run nncourse experiment Q2"):
        record.results("Q2", folder=tmp_path)


def test_a_table_checked_out_with_other_line_ends_is_the_same_table(tmp_path):
    path = write(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(record.results("Q2", folder=tmp_path)) == len(ROWS)


def test_a_missing_table_is_an_error_with_the_command_to_run(tmp_path):
    with pytest.raises(ValueError, match="run nncourse experiment Q2"):
        record.results("Q2", folder=tmp_path)


def test_a_table_without_its_note_counts_as_not_recorded(tmp_path):
    write(tmp_path).with_suffix(".json").unlink()
    assert not record.is_recorded("Q2", folder=tmp_path)


def test_fresh_sources_pass_and_changed_ones_are_named(tmp_path):
    write(tmp_path)
    record.check_digests("Q2", {"nncourse.a": "12"}, folder=tmp_path)
    with pytest.raises(StaleRecordError, match=r"nncourse\.a, nncourse\.b changed"):
        record.check_digests("Q2", {"nncourse.a": "13", "nncourse.b": "1"}, folder=tmp_path)


def test_the_results_folder_is_found_from_a_chapter_and_from_the_root(tmp_path):
    results = tmp_path / "book" / "results"
    chapter = tmp_path / "book" / "part0"
    results.mkdir(parents=True)
    chapter.mkdir()
    for start in (tmp_path, chapter, results):
        assert record.results_folder(start) == results.resolve()


def test_without_a_results_folder_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "PACKAGE", tmp_path / "nncourse")
    with pytest.raises(ValueError, match=r"results=\.\.\."):
        record.results_folder(tmp_path)


def test_a_failed_write_leaves_the_old_table(tmp_path, monkeypatch):
    path = write(tmp_path)
    old = path.read_text()

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path, rows=ROWS[:1])
    assert path.read_text() == old
    assert sorted(file.name for file in tmp_path.iterdir()) == ["Q2.csv", "Q2.json"]


def test_the_note_is_plain_json(tmp_path):
    note = json.loads(write(tmp_path).with_suffix(".json").read_text())
    assert note["claim"] == "Q2"
