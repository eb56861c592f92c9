"""The README's commands exist and are the ones that run in continuous integration; its example runs."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from nncourse import cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def commands(program: str) -> list[str]:
    """Command lines of ``program`` in shell blocks and inline code, without their comments."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)).splitlines()
    inline = re.findall(r"`([^`\n]+)`", README)
    return [
        line.split("#")[0].strip() for line in blocks + inline if line.startswith(f"{program} ")
    ]


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE))
    named = {line.split()[1] for line in commands("make")}
    assert {"book", "test", "lab"} <= named
    assert named <= targets


@pytest.mark.parametrize("line", commands("nncourse"))
def test_every_nncourse_command_of_the_readme_parses(line):
    cli._parser().parse_args(shlex.split(line)[1:])


def test_continuous_integration_runs_the_readme_test_command():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    body = [
        line for line in script if line and not line.startswith(("#", "set ", "cd ", "export "))
    ]
    assert body == ["make test"]


def test_the_example_of_the_readme_prints_what_it_says():
    results = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert results.attempted >= 4
    assert results.failed == 0


def test_the_readme_names_every_top_level_folder():
    for folder in ("book/", "labs/", "solutions/", "nncourse/", "tests/"):
        assert folder in README


def test_bad_input_to_the_command_is_a_sentence_not_a_traceback(capsys):
    assert cli.main(["accelerator", "compare-scalesim", "no-such-file.csv"]) == 2
    said = capsys.readouterr().err
    assert "no-such-file.csv" in said
    assert "Traceback" not in said
