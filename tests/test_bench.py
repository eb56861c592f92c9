"""The bench prints every promised row; no test here looks at a real time."""

import nbformat
import pytest

from nncourse import bench


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(bench, "REPEATS", 1)
    monkeypatch.setattr(bench, "NUM_VALUES", 100_000)


def test_the_table_names_the_model_and_the_quantizer_with_its_peer(quick, capsys):
    assert bench.main(notebooks=False) == 0
    printed = capsys.readouterr().out
    assert "ResNet-50" in printed
    assert "of torch.fake_quantize" in printed


def test_a_ratio_is_the_median_of_ours_over_the_peer(monkeypatch):
    clock = iter([2.0, 4.0, 2.0, 1.0, 9.0, 9.0])  # ours, peer, ours, peer, ours, peer
    monkeypatch.setattr(bench, "REPEATS", 3)
    monkeypatch.setattr(bench, "_clock", lambda call: next(clock))
    assert bench.timed(int, float) == (2.0, 1.0)


def test_notebooks_are_found_and_executed(tmp_path):
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    (tmp_path / "book" / "part").mkdir(parents=True)
    nbformat.write(chapter, tmp_path / "book" / "part" / "chapter.ipynb")
    rows = list(bench.notebook_rows(tmp_path))
    assert [row.what for row in rows] == ["book/part/chapter.ipynb"]
