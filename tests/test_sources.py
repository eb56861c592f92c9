"""The hash over an experiment's code: blind to sentences, awake to rules."""

from pathlib import Path

import pytest

from nncourse.experiments import sources


@pytest.fixture
def package(tmp_path: Path) -> Path:
    files = {
        "__init__.py": '__version__ = "1"\n',
        "count.py": "from house.rule import weigh\n\n\ndef count():\n    return weigh(2)\n",
        "rule.py": "from house import scale\n\n\ndef weigh(x):\n    return x * scale.UNIT\n",
        "scale.py": "UNIT = 3\n",
        "lazy.py": "def late():\n    import house.scale\n    return house.scale.UNIT\n",
        "other.py": "import numpy\n",
    }
    folder = tmp_path / "house"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "weights.bin").write_bytes(b"\x00\x01")
    return folder


def test_sources_are_followed_through_all_imports_and_no_further(package):
    found = sources.sources("house.count", package=package)
    assert list(found) == ["house.count", "house.rule", "house.scale"]


def test_an_import_inside_a_function_is_a_source_too(package):
    assert "house.scale" in sources.sources("house.lazy", package=package)


def test_the_hash_changes_with_a_rule_in_a_module_imported_by_an_imported_module(package):
    before = sources.combined(sources.digests("house.count", package=package))
    (package / "scale.py").write_text("UNIT = 4\n")
    assert sources.combined(sources.digests("house.count", package=package)) != before


@pytest.mark.parametrize(
    "text",
    [
        '"""A module."""\n\nUNIT = 3  # grams\n',
        "UNIT  =  (3)\n",
    ],
)
def test_the_hash_stays_when_only_words_or_spaces_change(package, text):
    before = sources.digests("house.count", package=package)
    (package / "scale.py").write_text(text)
    assert sources.digests("house.count", package=package) == before


def test_a_new_version_number_of_the_package_makes_nothing_stale(package):
    (package / "lazy.py").write_text("from house import rule, __version__\n")
    before = sources.digests("house.lazy", package=package)
    (package / "__init__.py").write_text('__version__ = "2"\n')
    assert sources.digests("house.lazy", package=package) == before


def test_a_data_file_counts_byte_for_byte(package):
    before = sources.digests("house.count", inputs=["weights.bin"], package=package)
    (package / "weights.bin").write_bytes(b"\x00\x02")
    after = sources.digests("house.count", inputs=["weights.bin"], package=package)
    assert {name for name in before if before[name] != after[name]} == {"weights.bin"}


def test_a_missing_module_or_data_file_is_named(package):
    with pytest.raises(ValueError, match=r"house\.absent"):
        sources.sources("house.absent", package=package)
    with pytest.raises(ValueError, match=r"gone\.bin"):
        sources.digests("house.count", inputs=["gone.bin"], package=package)
