"""Pruned networks of the experiments: equal steps, a cache that is safe, and honest shares."""

import numpy as np
import pytest
import torch

from nncourse.accelerator import EDGE, gemms
from nncourse.experiments import pruned, subject
from nncourse.experiments.pruned import CONTROL, Plan
from nncourse.scorecard import scorecard
from nncourse.zoo import datasets, networks, training
from nncourse.zoo.training import Recipe

NAME = "lenet-300-100"


@pytest.fixture
def quick(trainings_on_few_images, monkeypatch):
    """Short rounds on a few images at random, in a cache of its own; counts the trainings."""
    monkeypatch.setitem(pruned.RECIPES, NAME, Recipe(epochs=1, batch=16))
    monkeypatch.setattr(pruned, "IMAGES_PER_ROUND", 32)
    yield trainings_on_few_images
    torch.use_deterministic_algorithms(False)


def test_every_arm_trains_for_as_many_rounds_as_the_control(quick):
    for plan in (
        CONTROL,
        Plan(density=0.2),
        Plan(density=0.2, schedule="one-shot"),
        Plan(density=0.2, shape="random"),
        Plan(density=0.2, shape="uniform"),
    ):
        before = len(quick)
        pruned.pruned(NAME, plan, seed=0)
        assert len(quick) - before == pruned.ROUNDS


def test_an_arm_is_trained_once_and_comes_back_with_its_masks(quick):
    first = pruned.pruned(NAME, Plan(density=0.2), seed=0)
    again = pruned.pruned(NAME, Plan(density=0.2), seed=0)
    assert len(quick) == pruned.ROUNDS
    for name, mask in first.masks.items():
        assert np.array_equal(mask, again.masks[name])
    for one, other in zip(first.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)
    pruned.pruned(NAME, Plan(density=0.2), seed=1)
    assert len(quick) == 2 * pruned.ROUNDS + 1  # the network of seed 1 itself was not there yet


def test_a_damaged_entry_of_the_cache_is_trained_again(quick):
    pruned.pruned(NAME, Plan(density=0.2), seed=0)
    (entry,) = (datasets.cache_folder() / "pruned").glob("*.safetensors")
    entry.write_bytes(entry.read_bytes()[:1000])
    pruned.pruned(NAME, Plan(density=0.2), seed=0)
    assert len(quick) == 2 * pruned.ROUNDS


def test_the_file_holds_the_pruned_network_bit_for_bit(quick):
    result = pruned.pruned(NAME, Plan(density=0.1), seed=0)
    model = subject.network(NAME, seed=0)
    images = datasets.load("mnist", "test")
    back = pruned.decoded(model, pruned.file_of(result))
    assert np.array_equal(training.logits(back, images), training.logits(result.network, images))


def test_shares_count_what_is_left():
    result = pruned.untrained(NAME, Plan(density=0.1, shape="uniform"), seed=0)
    layers = gemms(subject.network(NAME, seed=0), networks.example_input(NAME))
    assert pruned.weights_left(result) == pytest.approx(0.1, abs=1e-4)
    assert pruned.operations_left(result, layers) == pytest.approx(0.1, abs=1e-4)


def test_operations_are_those_of_the_scorecard():
    result = pruned.untrained("resnet-8", Plan(density=0.3), seed=0)
    layers = gemms(subject.network("resnet-8", seed=0), networks.example_input("resnet-8"))
    card = scorecard(layers, EDGE, stored_bytes=10_000, bits=8, masks=pruned.layer_masks(result))
    total = sum(layer.macs for layer in layers)
    assert pruned.operations_left(result, layers) == pytest.approx(card.operations / total)
    assert pruned.operations_left(result, layers) > pruned.weights_left(result)


def test_the_untrained_arm_only_drops_weights():
    result = pruned.untrained(NAME, Plan(density=0.2), seed=0)
    before = subject.tensors(subject.network(NAME, seed=0))
    for name, value in subject.tensors(result.network).items():
        mask = result.masks.get(name, np.ones(value.shape, dtype=bool))
        assert np.array_equal(value, np.where(mask, before[name], 0))
