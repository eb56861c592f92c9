"""Checkpoints: what is stored is what its record says, damage is named, a cached network is trained once."""

import hashlib
import json
import re

import pytest
import torch

from nncourse.zoo import checkpoints, datasets, networks, training
from nncourse.zoo.checkpoints import load_pretrained, provenance, train_and_store, trained
from nncourse.zoo.training import Recipe

TARGETS = {"lenet-300-100": 0.983, "lenet-5": 0.990, "resnet-8": 0.915, "mobilenet-10": 0.89}


@pytest.fixture(autouse=True)
def _settings_come_back():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def quick(trainings_on_few_images, monkeypatch):
    """One short epoch on a few images at random, in a cache of its own; counts the trainings."""
    monkeypatch.setitem(checkpoints.RECIPES, "lenet-300-100", Recipe(epochs=1, batch=16))
    return trainings_on_few_images


def values(network):
    return torch.cat([value.flatten() for value in network.state_dict().values()])


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_stored_network_reaches_its_target_on_the_whole_test_set(name):
    network = load_pretrained(name)
    record = provenance(name)
    reached = training.accuracy(network, datasets.load(checkpoints.DATA[name], "test"))
    assert reached >= TARGETS[name]
    # Another machine may sum in another order: at most a few of 10,000 images change sides.
    assert record["test_accuracy"] == pytest.approx(reached, abs=5e-4)
    assert not network.training
    assert {value.dtype for value in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", sorted(checkpoints.RECIPES))
def test_the_record_says_how_it_was_made_and_nothing_about_the_machine(name):
    record = provenance(name)
    assert record["command"] == f"nncourse train {name} --seed {record['seed']}"
    assert Recipe(**record["recipe"]) == checkpoints.RECIPES[name]
    assert record["data_sha256"] == dict(datasets.DATA_SETS[checkpoints.DATA[name]].sha256)
    assert record["num_parameters"] == networks.num_parameters(networks.build(name))
    assert record["validation_accuracy"] == max(
        epoch["validation_accuracy"] for epoch in record["history"]
    )
    assert {"python", "numpy", "torch", "safetensors", "nncourse"} <= set(record["versions"])
    assert not re.search(r'"[^"]*(/home|/root|/tmp|\\\\|@)[^"]*"', json.dumps(record))
    assert not {"host", "user", "path", "folder"} & set(record)


def test_loading_draws_nothing_from_the_global_generator():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_pretrained("lenet-300-100")
    assert torch.equal(torch.rand(3), expected)


def test_the_same_seed_stores_the_same_bytes(quick, tmp_path):
    first = train_and_store("lenet-300-100", seed=1, folder=tmp_path / "first")
    again = train_and_store("lenet-300-100", seed=1, folder=tmp_path / "again")
    other = train_and_store("lenet-300-100", seed=2, folder=tmp_path / "other")
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    record = json.loads(first.with_suffix(".json").read_text())
    assert record["sha256"] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == [
        "lenet-300-100.json",
        "lenet-300-100.safetensors",
    ]


def test_damaged_missing_and_unreadable_checkpoints_are_named_with_the_command(
    quick, tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoints, "STORED", tmp_path)
    with pytest.raises(ValueError, match=r"lenet-300-100.json .*nncourse train lenet-300-100"):
        load_pretrained("lenet-300-100")
    path = train_and_store("lenet-300-100")
    assert path.parent == tmp_path
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[-1] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(ValueError, match=r"lenet-300-100.safetensors .* are damaged"):
        load_pretrained("lenet-300-100")
    path.unlink()
    with pytest.raises(ValueError, match="are missing"):
        load_pretrained("lenet-300-100")
    path.write_bytes(good)
    load_pretrained("lenet-300-100")
    for text in ("{", "[]", "{}"):
        path.with_suffix(".json").write_text(text)
        with pytest.raises(ValueError, match="nncourse train lenet-300-100"):
            provenance("lenet-300-100")


def test_a_cached_network_is_trained_once_per_seed(quick):
    first = trained("lenet-300-100", seed=3)
    drawn = torch.rand(2)
    again = trained("lenet-300-100", seed=3)
    assert torch.equal(torch.rand(2), drawn)
    assert quick == [3]
    assert torch.equal(values(first), values(again))
    assert not first.training
    assert not torch.equal(values(first), values(trained("lenet-300-100", seed=4)))
    assert quick == [3, 4]


def test_a_damaged_cache_entry_is_trained_again(quick):
    first = trained("lenet-300-100", seed=0)
    (entry,) = (datasets.cache_folder() / "trained").glob("*.safetensors")
    entry.write_bytes(entry.read_bytes()[:-1])
    assert torch.equal(values(trained("lenet-300-100", seed=0)), values(first))
    assert quick == [0, 0]


def test_the_cache_key_follows_recipe_data_and_code(quick, monkeypatch):
    recipe = checkpoints.RECIPES["lenet-300-100"]
    keys = {checkpoints._key("lenet-300-100", recipe)}
    assert checkpoints._key("lenet-300-100", recipe) in keys
    keys.add(checkpoints._key("lenet-300-100", Recipe(epochs=2, batch=16)))
    keys.add(checkpoints._key("lenet-5", recipe))
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "SPLIT_SEED", 1)
        keys.add(checkpoints._key("lenet-300-100", recipe))
    assert len(keys) == 4


@pytest.mark.parametrize("call", [load_pretrained, provenance, train_and_store])
def test_an_unknown_network_lists_the_choices(call):
    with pytest.raises(ValueError, match=r"lenet-300-100, lenet-5.*, got '../x'"):
        call("../x")


def test_a_bad_seed_is_refused_before_anything_is_written(quick, tmp_path):
    with pytest.raises(ValueError, match="seed is a whole number"):
        trained("lenet-300-100", seed=-1)
    assert not (tmp_path / "cache").exists()
    assert quick == []
