"""The bench prints every promised row; no test here looks at a real time."""

import nbformat

from nncourse import bench

PROMISED = [
    "ResNet-50",
    "that skip",
    "EIE's VGG-6",
    "of torch.fake_quantize",
    "codebook of 16 levels, 0.01 M values",
    "codebook of 16 levels, 0.1 M values",
    "of sklearn KMeans",
    "54 layers x 7 widths",
    "of greedy",
    "sensitivity scan of LeNet-5, 20 points",
    "of one evaluation",
]


def test_the_table_names_what_was_promised_and_what_it_is_compared_with(monkeypatch, capsys):
    monkeypatch.setattr(bench, "REPEATS", 1)
    monkeypatch.setattr(bench, "NUM_VALUES", 100_000)
    monkeypatch.setattr(bench, "NUM_IMAGES", 20)
    assert bench.main(notebooks=False) == 0
    printed = capsys.readouterr().out
    assert not [what for what in PROMISED if what not in printed]


def test_without_scikit_learn_the_codebook_is_timed_alone(monkeypatch):
    monkeypatch.setattr(bench, "NUM_VALUES", 10_000)
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    assert [row.ratio for row in bench.codebook_rows()] == [None, None]


def test_a_ratio_is_the_median_of_ours_over_the_peer(monkeypatch):
    clock = iter([2.0, 4.0, 2.0, 1.0, 9.0, 9.0])  # ours, peer, ours, peer, ours, peer
    monkeypatch.setattr(bench, "REPEATS", 3)
    monkeypatch.setattr(bench, "_clock", lambda call: next(clock))
    assert bench.timed(int, float) == (2.0, 1.0)


def test_a_peer_that_is_timed_once_is_not_called_beforehand():
    calls = []
    bench.timed(lambda: calls.append("ours"), lambda: calls.append("peer"), repeats=1)
    assert calls == ["ours", "ours", "peer"]


def test_notebooks_are_found_and_executed(tmp_path):
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    (tmp_path / "book" / "part").mkdir(parents=True)
    nbformat.write(chapter, tmp_path / "book" / "part" / "chapter.ipynb")
    rows = list(bench.notebook_rows(tmp_path))
    assert [row.what for row in rows] == ["book/part/chapter.ipynb"]
