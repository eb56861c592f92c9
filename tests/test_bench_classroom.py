"""The bench of the classroom: what it hands in is of all kinds, and what it compares can differ."""

import json
from collections import Counter
from pathlib import Path

from nncourse import bench_classroom
from nncourse.classroom.labs import LABS
from nncourse.classroom.release import STUB
from nncourse.classroom.rows import Row, write_rows

ROOT = Path(__file__).resolve().parents[1]
LAB = LABS["01_quantize_a_layer"]


def test_submissions_are_of_all_kinds_and_the_same_every_time(tmp_path):
    kinds = bench_classroom.hand_in(tmp_path / "one", ROOT, LAB, 50)
    assert Counter(kinds.values()) == {"solved": 20, "half solved": 10, "wrong": 10, "hostile": 10}
    bench_classroom.hand_in(tmp_path / "two", ROOT, LAB, 50)
    solution = json.loads((ROOT / "solutions" / f"{LAB.name}.ipynb").read_text(encoding="utf-8"))
    different = set()
    for student, kind in kinds.items():
        one, two = (tmp_path / name / student / f"{LAB.name}.ipynb" for name in ("one", "two"))
        if one.is_symlink() or one.is_dir():
            assert kind == "hostile"
            continue
        assert one.read_bytes() == two.read_bytes()
        if kind == "solved":
            assert json.loads(one.read_text(encoding="utf-8")) == solution
        elif kind == "half solved":
            assert STUB in json.loads(json.dumps(one.read_text(encoding="utf-8"))).replace(
                '\\"', '"'
            )
        else:
            different.add(one.read_bytes())
    assert len(different) >= 15


def test_two_tables_are_the_same_in_any_order_and_no_other(tmp_path):
    rows = [
        Row(student=s, lab="l", task="t", status="graded", mark=1.0, max_mark=2, message=m)
        for s, m in (("ada", "one"), ("bob", "two"))
    ]
    write_rows(rows, tmp_path / "a.csv")
    write_rows(reversed(rows), tmp_path / "b.csv")
    write_rows(rows[:1], tmp_path / "c.csv")
    assert bench_classroom.results(tmp_path / "a.csv") == bench_classroom.results(
        tmp_path / "b.csv"
    )
    assert bench_classroom.results(tmp_path / "a.csv") != bench_classroom.results(
        tmp_path / "c.csv"
    )
