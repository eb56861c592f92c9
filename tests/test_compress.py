"""The commands on a checkpoint: a file appears, its table adds up, and the network comes back from it."""

import re

import numpy as np
import pytest
import torch

from nncourse import cli, compress
from nncourse.container import open_container
from nncourse.recipe import parse_recipe
from nncourse.weights_file import read_weights
from nncourse.zoo import published
from nncourse.zoo.published_layers import published_layers

PRUNED = 'default = {bits = 4, method = "kmeans", sparsity = 0.9, levels = "fp16"}'


@pytest.fixture(scope="module")
def pruned_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("nnc") / "x.nnc"
    compress.compress("lenet-300-100", parse_recipe(PRUNED), path)
    return path


def test_the_table_accounts_for_every_byte(pruned_file):
    table = compress.account(open_container(pruned_file))
    size = pruned_file.stat().st_size
    assert table.loc["file", "bytes"] == size
    assert table["bytes"].drop("file").sum() == size
    parts = table[["payload", "codebook", "index", "padding", "header"]].sum(axis=1)
    np.testing.assert_allclose(parts.drop("file"), table["bytes"].drop("file"), atol=2)
    assert table.loc["file", "before"] == 4 * 266_610
    assert table.loc["fc1.weight", "stored as"] == "15 levels, pruned (symbols)"


def test_a_lossless_file_gives_every_bit_back(tmp_path):
    out, back = tmp_path / "x.nnc", tmp_path / "y.safetensors"
    compress.compress("lenet-5", parse_recipe('default.store = "lossless"'), out)
    compress.decompress(out, back)
    before, after = read_weights("lenet-5"), read_weights(back)
    assert set(before) == set(after)
    for name, tensor in before.items():
        assert tensor.values.tobytes() == after[name].values.tobytes()
    assert out.stat().st_size < 0.95 * back.stat().st_size


def test_decompressed_weights_are_those_of_the_file(pruned_file, tmp_path):
    back = tmp_path / "y.safetensors"
    compress.decompress(pruned_file, back)
    for name, values in open_container(pruned_file).tensors().items():
        np.testing.assert_array_equal(read_weights(back)[name].values, values)


def test_six_numbers_of_a_network_that_is_known(pruned_file):
    name, table = compress.six_numbers(open_container(pruned_file), compress.ACCELERATORS["edge"])
    assert name == "lenet-300-100"
    assert table.loc["storage_bytes", "after"] == pruned_file.stat().st_size
    assert table.loc["operations", "gain"] == pytest.approx(10, rel=1e-3)


def test_a_network_is_not_known_by_half_of_its_tensors(tmp_path):
    path, out = tmp_path / "x.pt", tmp_path / "x.nnc"
    torch.save({"fc1.weight": torch.zeros(300, 784)}, path)
    compress.compress(path, parse_recipe(""), out)
    assert compress.six_numbers(open_container(out), compress.ACCELERATORS["edge"]) is None
    with pytest.raises(ValueError, match="--original MODEL"):
        compress.evaluate(out)


def test_evaluation_reads_the_test_images(pruned_file):
    found = compress.evaluate(pruned_file)
    assert found.loc["as trained", "accuracy"] > 0.98
    assert 0.3 < found.loc["as stored", "accuracy"] < found.loc["as trained", "accuracy"]


def test_errors_against_an_original_are_relative(pruned_file):
    errors = compress.evaluate(pruned_file, "lenet-300-100")["error"]
    before = read_weights("lenet-300-100")["fc1.weight"].values
    after = open_container(pruned_file).tensor("fc1.weight")
    expected = np.linalg.norm(after - before) / np.linalg.norm(before)
    assert errors["fc1.weight"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="is in one of them only"):
        compress.evaluate(pruned_file, "lenet-5")


RECIPES = {
    "minilm-l6": 'default = {bits = 4, scale = 64, codec = "huffman"}\n'
    '[[tensor]]\nmatch = "embeddings.*.weight"\nbits = 8\nscale = "channel"',
    "efficientnet-lite0": 'default = {bits = 8, codec = "huffman"}',
}


@pytest.mark.parametrize("name", RECIPES)
def test_published_networks_are_compressed_as_shipped(name, tmp_path):
    if not published.is_installed(name):
        pytest.skip(published.published(name).command)
    out = tmp_path / "x.nnc"
    table = compress.compress(name, parse_recipe(RECIPES[name]), out)
    assert table.loc["file", "times fewer"] > 4
    errors = compress.evaluate(out, name)["error"]
    assert errors.max() < 0.2
    found, six = compress.six_numbers(open_container(out), compress.ACCELERATORS["server"])
    assert found == name
    assert (six["gain"].drop("operations") > 1).all()


def test_layers_of_the_published_networks_have_the_operations_of_their_papers():
    shapes = {
        name: {key: tensor.shape for key, tensor in read_weights(name).items()}
        for name in RECIPES
        if published.is_installed(name)
    }
    if "efficientnet-lite0" in shapes:
        layers = published_layers("efficientnet-lite0", shapes["efficientnet-lite0"])
        # EfficientNet-B0 has 0.39 billion, of which its gates, left out here, are a few millions
        assert sum(layer.macs for layer in layers) == pytest.approx(0.39e9, rel=0.02)
        assert layers[-2].m == 7 * 7
    if "minilm-l6" in shapes:
        layers = published_layers("minilm-l6", shapes["minilm-l6"])
        linear = sum(layer.macs for layer in layers if layer.has_weights)
        assert linear == 128 * 6 * (4 * 384**2 + 2 * 384 * 1536)
        attention = sum(layer.macs for layer in layers if not layer.has_weights)
        assert attention == 6 * 2 * 128 * 128 * 384
    with pytest.raises(ValueError, match="name is efficientnet-lite0 or minilm-l6"):
        published_layers("bert", {})


def test_the_commands_end_to_end(tmp_path, capsys):
    recipe, out, back = (tmp_path / name for name in ("r.toml", "x.nnc", "y.safetensors"))
    recipe.write_text(PRUNED)
    assert cli.main(["compress", "lenet-5", "--recipe", str(recipe), "--out", str(out)]) == 0
    assert "15 levels, pruned (symbols)" in capsys.readouterr().out
    assert cli.main(["inspect", str(out), "--accelerator", "edge"]) == 0
    assert "lenet-5 on the accelerator edge" in capsys.readouterr().out
    assert cli.main(["inspect", str(out), "--streams"]) == 0
    assert "adaptive" in capsys.readouterr().out
    assert cli.main(["decompress", str(out), "--out", str(back)]) == 0
    assert cli.main(["evaluate", str(back), "--original", "lenet-5"]) == 0
    assert "conv1.weight" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            ["inspect", "{file}", "--accelerator", "tpu"],
            "--accelerator is edge or server; got 'tpu'",
        ),
        (["inspect", "{damaged}"], "truncated|damaged"),
        (
            ["compress", "lenet-5", "--recipe", "{typo}", "--out", "{out}"],
            "match 'cnov\\*' fits none",
        ),
        (
            ["compress", "lenet-9", "--recipe", "{typo}", "--out", "{out}"],
            "no network known by name",
        ),
        (["compress", "lenet-5", "--recipe", "{misfit}", "--out", "{out}"], "conv1.weight, shape"),
    ],
)
def test_bad_input_ends_with_one_sentence_and_leaves_no_file(
    words, reason, pruned_file, tmp_path, capsys
):
    places = {name: tmp_path / name for name in ("typo", "misfit", "damaged", "out")}
    places["typo"].write_text('[[tensor]]\nmatch = "cnov*"\nbits = 4')
    places["misfit"].write_text("default.scale = 7")
    places["damaged"].write_bytes(pruned_file.read_bytes()[:-1])
    words = [word.format(file=pruned_file, **places) for word in words]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1 or "compress:" in error.splitlines()[-1]
    assert re.search(reason, error)
    assert not places["out"].exists()
