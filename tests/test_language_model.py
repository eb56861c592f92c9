"""Training, storing and reading the character model."""

import json

import numpy as np
import pytest
import torch

from nncourse import cli
from nncourse.zoo import characters, language_model, seeding
from nncourse.zoo.language_model import Recipe, load_pretrained, loss, provenance, train
from nncourse.zoo.transformer import Form

SMALL = Form(vocabulary=80, width=16, depth=1, heads=2, context=16)
QUICK = Recipe(steps=20, batch=4)


@pytest.fixture(autouse=True)
def _settings_come_back():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def text():
    return characters.encode("Words, words, words. To be, or not to be. " * 20)


@pytest.fixture
def quick(text, monkeypatch):
    monkeypatch.setattr(characters, "load", lambda split, **_: text)
    monkeypatch.setattr(language_model, "FORM", SMALL)
    monkeypatch.setattr(language_model, "Recipe", lambda: QUICK)
    monkeypatch.setattr(language_model, "CHECK_WINDOWS", 4)


def test_training_lowers_the_loss_and_repeats_bit_by_bit(text):
    held = characters.windows(text, count=8, length=16)
    first, second = (train(SMALL, text, held, recipe=QUICK, seed=3) for _ in range(2))
    assert list(first.history) == list(range(2, 21, 2))
    assert first.history[20] < first.history[2]
    assert first.history == second.history
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_loss_of_a_model_that_knows_nothing_is_the_logarithm_of_the_alphabet():
    def uniform(tokens):
        return torch.zeros(*tokens.shape, 80)

    model = torch.nn.Module()
    model.forward = uniform
    windows = np.arange(60).reshape(4, 15)
    assert loss(model, windows, batch=3) == pytest.approx(np.log(80), rel=1e-6)


def test_the_loss_does_not_depend_on_the_batch(text):
    torch.manual_seed(0)
    model = language_model.Decoder(SMALL)
    windows = characters.windows(text, count=7, length=16)
    assert loss(model, windows, batch=2) == pytest.approx(loss(model, windows, batch=7), rel=1e-6)
    assert model.training


def test_what_is_stored_is_read_back_with_its_hash(quick, tmp_path, monkeypatch):
    path = language_model.train_and_store(seed=1, folder=tmp_path)
    record = provenance(tmp_path)
    model = load_pretrained(tmp_path)
    windows = characters.windows(characters.load("validation"), count=4, length=16)
    assert loss(model, windows) == record["validation_loss"]
    assert all(torch.equal(p, p.half().float()) for p in model.parameters())
    assert record["command"] == "nncourse train char-transformer --seed 1"
    assert (
        path.read_bytes()
        == language_model.train_and_store(seed=1, folder=tmp_path / "b").read_bytes()
    )
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="damaged"):
        load_pretrained(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="missing"):
        load_pretrained(tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(ValueError, match="nncourse train char-transformer"):
        load_pretrained(tmp_path)


def test_the_command_trains_and_stores_it(quick, tmp_path, capsys):
    assert cli.main(["train", "char-transformer", "--folder", str(tmp_path), "--seed", "2"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "char-transformer.safetensors")
    assert provenance(tmp_path)["seed"] == 2


def test_the_stored_model_reaches_its_recorded_loss():
    record = provenance()
    model = load_pretrained()
    seeding.reproducible(0)
    held = characters.windows(characters.load("validation"), count=128, length=128)
    assert loss(model, held) == pytest.approx(record["validation_loss"], abs=1e-3)
    assert record["test_loss"] < 1.8
    assert record["num_parameters"] == sum(p.numel() for p in model.parameters())
    assert not {"host", "user", "path"} & set(json.dumps(record).replace('"', " ").split())


def test_a_bad_recipe_and_bad_windows_are_named():
    with pytest.raises(ValueError, match="steps"):
        Recipe(steps=0)
    with pytest.raises(ValueError, match="rows, length"):
        loss(torch.nn.Identity(), np.zeros(4, np.int64))
