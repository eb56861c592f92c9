"""Reading submissions: what an answer needs is found, and nothing else comes along."""

import json
import os

import pytest

from nncourse.classroom import submission
from nncourse.classroom.submission import MissingTask, Unreadable, find_answer, read_notebook


def write(path, *cells, **fields):
    content = {
        "cells": [
            cell if isinstance(cell, dict) else {"cell_type": "code", "source": cell}
            for cell in cells
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
        **fields,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def answer(tmp_path):
    def of(*cells, function="f"):
        return find_answer(read_notebook(write(tmp_path / "lab.ipynb", *cells)), function)

    return of


def lines(found):
    return found.source.splitlines()


def test_a_function_brings_what_it_needs_in_the_notebooks_order(answer):
    found = answer(
        "import math\nimport os",
        "FACTOR = 2\nUNUSED = 3",
        "def g(x):\n    return FACTOR * x",
        "def f(x):\n    return math.floor(g(x))",
    )
    assert lines(found) == [
        "import math",
        "FACTOR = 2",
        "def g(x):",
        "    return FACTOR * x",
        "def f(x):",
        "    return math.floor(g(x))",
    ]


def test_a_local_name_does_not_bring_a_global_of_the_same_name(answer):
    found = answer("x = train_for_hours()", "def f(x):\n    y = x\n    return y")
    assert "train" not in found.source


def test_loops_and_bare_expressions_never_come_along(answer):
    found = answer("for i in range(9):\n    k = i", "print(1)", "k = 1", "def f():\n    return k")
    assert lines(found) == ["k = 1", "def f():", "    return k"]


def test_the_last_definition_counts_and_the_note_says_so(answer):
    found = answer("def f():\n    return 1", "def f():\n    return 2")
    assert "return 2" in found.source
    assert "return 1" not in found.source
    assert found.note == "f is defined 2 times, the last one counts"


def test_a_definition_that_wraps_the_earlier_one_brings_it_along(answer):
    found = answer(
        "def f(x):\n    return x", "def twice(g):\n    return lambda x: 2 * g(x)", "f = twice(f)"
    )
    namespace = {}
    exec(found.source, namespace)
    assert namespace["f"](4) == 8


def test_a_helper_defined_after_its_use_is_found(answer):
    found = answer("def f():\n    return g()", "def g():\n    return 7")
    namespace = {}
    exec(found.source, namespace)
    assert namespace["f"]() == 7


def test_a_decorated_function_and_a_class_keep_their_decorators(answer):
    found = answer(
        "import functools\nfrom dataclasses import dataclass",
        "@dataclass\nclass Pair:\n    a: int = 1",
        "@functools.cache\ndef f():\n    return Pair().a",
    )
    namespace = {"__name__": "answer"}
    exec(found.source, namespace)
    assert namespace["f"]() == 1


@pytest.mark.parametrize(
    "cell", ["f = lambda x: x", "f: object = abs", "from numpy import sum as f"]
)
def test_any_binding_of_the_name_is_an_answer(answer, cell):
    assert answer(cell).source.strip() == cell


def test_a_star_import_comes_along_where_a_name_is_bound_nowhere_else(answer):
    assert answer("from numpy import *", "def f(x):\n    return rint(x)").source.startswith("from")


def test_magics_and_shell_lines_do_not_lose_a_cell(answer):
    assert "return 3" in answer("%matplotlib inline\n!ls\ndef f():\n    return 3").source
    assert "return 4" in answer("%%time\ndef f():\n    return 4").source


def test_a_cell_with_a_syntax_error_loses_only_itself(answer):
    found = answer("def g(:", "def f():\n    return 1")
    assert "return 1" in found.source
    assert found.note.startswith("cell 1 cannot be parsed (line 1")


def test_a_function_in_a_broken_cell_is_missing_and_the_cell_is_named(answer):
    with pytest.raises(MissingTask, match=r"no cell defines f.*cell 1 cannot be parsed"):
        answer("def f(:\n    pass")


@pytest.mark.parametrize(
    "cell",
    [
        "x = " + "(" * 500,
        "x = " + "-" * 20_000 + "1",
        "x = " + "+".join(["1"] * 20_000),
        "x = '\ud800'",
        "x = 1\0",
        "def f(): pass\n" * 20_000,
    ],
)
def test_a_hostile_cell_is_left_out(answer, cell):
    found = answer(cell, "def f():\n    return 1")
    assert found.source == "def f():\n    return 1\n"


@pytest.mark.parametrize(
    "cell",
    [
        {},
        {"cell_type": "code"},
        {"cell_type": "code", "source": 7},
        {"cell_type": "code", "source": [1]},
        {"cell_type": ["code"]},
    ],
)
def test_a_cell_of_the_wrong_shape_is_left_out(answer, cell):
    assert answer(cell, "def f():\n    return 1").source == "def f():\n    return 1\n"


def test_a_cell_without_end_is_left_out_and_named(answer):
    found = answer("x = 1\n" * 20_000, "def f():\n    return 1")
    assert found.note == "cell 1 holds more than 50000 characters"


def test_statements_on_one_line_and_lines_ended_in_other_ways_are_told_apart(answer):
    found = answer("a = 'ä'; b = 'ö'\r\nc = 3\rd = [4,\r5]", "def f():\n    return b, c, d")
    namespace = {}
    exec(found.source, namespace)
    assert namespace["f"]() == ("ö", 3, [4, 5])
    assert "ä" not in found.source


def test_a_few_lines_for_the_shell_are_understood_and_a_thousand_are_not_tried(answer):
    few = answer("x = !ls\n" * 20 + "def f():\n    return 5")
    assert "return 5" in few.source
    many = answer("x = !ls\n" * 1000, "def f():\n    return 1")
    assert many.note.startswith("cell 1 cannot be parsed")


TOO_MUCH = {
    "more code than a lab could ask for": ["# code\n" * 7_000] * 7,
    "more statements than a lab could ask for": ["a=1\n" * 2_000] * 3,
    "more cells than a lab could ask for": ["x = 1"] * 2_001,
}


@pytest.mark.parametrize("cells", TOO_MUCH.values(), ids=TOO_MUCH)
def test_more_than_a_lab_could_ask_for_is_unreadable(tmp_path, cells):
    with pytest.raises(Unreadable, match="with your answers and nothing else"):
        read_notebook(write(tmp_path / "lab.ipynb", *cells))


def test_json_that_becomes_a_million_objects_is_not_decoded(tmp_path):
    path = tmp_path / "lab.ipynb"
    path.write_bytes(b'{"cells": [' + b"[]," * 1_000_000 + b"[]]}")
    with pytest.raises(Unreadable, match="clear its outputs"):
        read_notebook(path)


def test_lines_in_a_list_and_in_one_string_are_the_same(answer):
    as_list = {"cell_type": "code", "source": ["def f():\n", "    return 1"]}
    assert answer(as_list).source == answer("def f():\n    return 1").source


def test_metadata_is_not_asked(answer):
    cell = {
        "cell_type": "code",
        "source": "def f():\n    return 1",
        "metadata": {"nbgrader": {"grade_id": "g", "solution": False, "points": 1e9}},
    }
    assert "return 1" in answer(cell).source


def test_every_import_of_an_answer_is_known(answer):
    found = answer(
        "import numpy as np",
        "def f():\n    from nncourse.bitstream import pack\n    return np, pack",
    )
    assert found.imports == {"numpy", "nncourse.bitstream"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b"[" * 200_000, "not JSON"),
        (b"[]", "not a notebook of format 4"),
        (b'{"cells": {}}', "not a notebook of format 4"),
        (b'{"worksheets": [{"cells": []}], "nbformat": 3}', "not a notebook of format 4"),
        (b'{"cells": [' + b"1" * 5_000 + b"]}", "not JSON"),
    ],
)
def test_a_file_that_is_no_notebook_is_unreadable_with_a_reason(tmp_path, content, reason):
    path = tmp_path / "lab.ipynb"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=reason):
        read_notebook(path)


def test_a_link_a_pipe_and_a_folder_are_not_read(tmp_path):
    (tmp_path / "link.ipynb").symlink_to(write(tmp_path / "lab.ipynb", "f = 1"))
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    for name in ("link", "pipe", "folder"):
        with pytest.raises(Unreadable, match="not a regular file"):
            read_notebook(tmp_path / f"{name}.ipynb")


def test_a_giant_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(submission, "MAX_FILE_BYTES", 1000)
    with pytest.raises(Unreadable, match="clear the outputs"):
        read_notebook(write(tmp_path / "lab.ipynb", "x" * 2000))


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    path = write(tmp_path / "lab.ipynb", "f = 1")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_notebook(path).faults == ()
