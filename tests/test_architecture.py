"""The house rules that a machine can check: imports point down, small rooms, torch only where it belongs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "nncourse"

ROWS: dict[str, int] = {
    **dict.fromkeys(["units", "formats", "meaning"], 0),
    **dict.fromkeys(["bitstream", "entropy", "curvature"], 1),
    **dict.fromkeys(["quantizers", "pruners", "codecs", "accelerator", "positions"], 2),
    "zoo": 3,
    **dict.fromkeys(["container", "ledger", "pipeline", "pruned_file", "scorecard"], 4),
    **dict.fromkeys(["recipe", "weights_file"], 4),
    **dict.fromkeys(["experiments", "claims"], 5),
    **dict.fromkeys(
        [
            "figures",
            "classroom",
            "bench",
            "bench_classroom",
            "bench_codecs",
            "unchecked_huffman",
            "compress",
            "fuzz",
            "cli",
        ],
        6,
    ),
}
ROOMS_WITHOUT_TORCH = [room for room, row in ROWS.items() if row <= 2]
TORCH_MODULES = {  # layers that train, useless without torch
    "pruners/masked.py",
    "quantizers/fine_tuning.py",
    "quantizers/shared_weights.py",
}
MODULES = sorted(PACKAGE.rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "misc", "base"}


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def rooms_imported_by(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: write imports in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "nncourse" and len(parts) > 1:
                rooms.add(parts[1])
    return rooms - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    room = room_of(path)
    if room == "__init__":
        assert not rooms_imported_by(path)
        return
    assert room in ROWS, f"{room} has no row: give it one in ROWS and in the design"
    for imported in rooms_imported_by(path) - {room}:
        lower = ROWS[imported] < ROWS[room]
        beside = ROWS[imported] == ROWS[room] and ROWS[room] >= 4
        assert lower or beside, (
            f"{room} (row {ROWS[room]}) imports {imported} (row {ROWS[imported]})"
        )


def test_rooms_of_one_row_do_not_import_each_other_in_a_circle():
    arrows = {room: set() for room in ROWS}
    for path in MODULES:
        if room_of(path) in ROWS:
            arrows[room_of(path)] |= rooms_imported_by(path) - {room_of(path)}
    remaining = set(arrows)
    while remaining:
        leaves = {room for room in remaining if not arrows[room] & remaining}
        assert leaves, f"these rooms import each other in a circle: {sorted(remaining)}"
        remaining -= leaves


def test_no_module_is_a_drawer_for_odds_and_ends():
    assert not [path for path in MODULES if path.stem in FORBIDDEN_NAMES]


def test_the_lower_rooms_import_with_torch_blocked():
    rooms = [
        room
        for room in ROOMS_WITHOUT_TORCH
        if (PACKAGE / room).exists() or (PACKAGE / f"{room}.py").exists()
    ]
    assert rooms
    modules = [
        "nncourse."
        + ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
        if room_of(path) in rooms and path.relative_to(PACKAGE).as_posix() not in TORCH_MODULES
    ]
    code = "import sys, importlib\nsys.modules['torch'] = None\n" + "".join(
        f"importlib.import_module({module!r})\n" for module in modules
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_stays_small_and_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a module opens by saying what it is"
    assert len(text.splitlines()) <= 320, "a module is one noun: split it"
