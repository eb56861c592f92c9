"""Taking in files: regular ones of bounded size, and nothing through a link."""

import os

import pytest

from nncourse.classroom.intake import read_regular
from nncourse.classroom.submission import MissingTask, Unreadable


def test_a_regular_file_is_read(tmp_path):
    (tmp_path / "a.nnc").write_bytes(b"abc")
    assert read_regular(tmp_path / "a.nnc", max_bytes=3) == b"abc"


def test_a_missing_file_names_what_is_there_instead(tmp_path):
    (tmp_path / "b.nnc").write_bytes(b"abc")
    with pytest.raises(MissingTask, match=r"no file a\.nnc; found b\.nnc"):
        read_regular(tmp_path / "a.nnc", max_bytes=3)


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe"])
def test_what_is_no_regular_file_is_refused(tmp_path, kind):
    path = tmp_path / "a.nnc"
    (tmp_path / "secret").write_bytes(b"not yours")
    match kind:
        case "link":
            path.symlink_to(tmp_path / "secret")
        case "dangling link":
            path.symlink_to(tmp_path / "nowhere")
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
    with pytest.raises(Unreadable, match="not a regular file"):
        read_regular(path, max_bytes=100)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "a.nnc").write_bytes(b"abcd")
    with pytest.raises(Unreadable, match="4 bytes, more than 3"):
        read_regular(tmp_path / "a.nnc", max_bytes=3)
