"""The journal: what is in it survives, what a killed run left half-written does no harm."""

import json
import os
import stat

import pytest

from nncourse.classroom.journal import Journal, noted
from nncourse.classroom.rows import Row


def row(student="ada", task="f", mark=1.0):
    return Row(
        student=student,
        lab="lab",
        task=task,
        status="graded" if mark is not None else "timeout",
        mark=mark,
        max_mark=2,
        message="a, «b»",
        score=3.5,
        public_case="for 1: expected 2, got 3",
    )


def test_what_was_added_is_known_to_the_next_run(tmp_path):
    with Journal(tmp_path / "j") as journal:
        assert journal.seed is None
        journal.begin(7)
        journal.add([("key-1", row()), ("key-2", row(task="g", mark=None))])
    with Journal(tmp_path / "j") as journal:
        assert journal.seed == 7
        assert journal.known("key-1") == row()
        assert journal.known("key-2") == row(task="g", mark=None)
        assert journal.known("key-3") is None


def test_the_latest_row_of_a_part_is_the_one_that_counts(tmp_path):
    with Journal(tmp_path / "j") as journal:
        journal.add([("before", row(mark=0.0))])
        journal.add([("after", row(mark=2.0))])
    with Journal(tmp_path / "j") as journal:
        assert journal.latest["ada", "lab", "f"].mark == 2.0
        assert journal.known("before").mark == 0.0


def test_a_journal_cut_anywhere_keeps_every_whole_line(tmp_path):
    path = tmp_path / "j"
    with Journal(path) as journal:
        journal.begin(7)
        journal.add([("one", row("ada"))])
        journal.add([("two", row("bob"))])
    content = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == 10]
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        with Journal(path) as journal:
            whole = sum(end <= cut for end in ends)
            assert (journal.seed is not None) == (whole >= 1)
            assert (journal.known("one") is not None) == (whole >= 2)
            assert journal.known("two") is None
            journal.add([("three", row("cem"))])
        with Journal(path) as journal:
            assert journal.known("three") == row("cem")


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "j"
    with Journal(path) as journal:
        journal.begin(7)
        journal.add([("one", row())])
    path.write_bytes(path.read_bytes().replace(b'"results"', b'"resul"') + b'{"results": []}\n')
    with pytest.raises(ValueError, match="line 2, is no entry"), Journal(path):
        pass


def test_two_runs_do_not_write_at_the_same_time(tmp_path):
    with (
        Journal(tmp_path / "j"),
        pytest.raises(ValueError, match="another run is writing"),
        Journal(tmp_path / "j"),
    ):
        pass
    with Journal(tmp_path / "j"):
        pass


def test_only_the_owner_reads_the_secret_seed(tmp_path):
    with Journal(tmp_path / "j") as journal:
        journal.begin(7)
    assert stat.S_IMODE(os.stat(tmp_path / "j").st_mode) == 0o600


def test_a_line_is_on_disk_when_add_returns(tmp_path):
    with Journal(tmp_path / "j") as journal:
        journal.add([("one", row())])
        [line] = (tmp_path / "j").read_text().splitlines()
        assert json.loads(line)["results"][0]["student"] == "ada"


def test_a_table_without_a_journal_has_nothing_noted_beside_it(tmp_path):
    assert noted(tmp_path / "grades.csv", None) == ({}, None)
    with pytest.raises(ValueError, match="is not there"):
        noted(tmp_path / "grades.csv", tmp_path / "other.journal")
