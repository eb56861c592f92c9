"""Deep Compression's steps: equal training for all arms, masks and codes that hold, a cache that is safe."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nncourse.experiments import deep_compression, subject
from nncourse.experiments.deep_compression import BITS, COURSES, DENSITIES, Course
from nncourse.quantizers.fine_tuning import plain_tensors
from nncourse.quantizers.shared_weights import shared_tensors
from nncourse.zoo import datasets, training
from nncourse.zoo.training import Recipe

NAME = "lenet-300-100"


@pytest.fixture
def quick(trainings_on_few_images, monkeypatch):
    """Short phases on a few images at random, in a cache of its own; counts the trainings."""
    recipe = Recipe(epochs=1, batch=32)
    course = Course(
        rounds=2,
        pruning=recipe,
        healing=recipe,
        sharing=recipe,
        num_pruning_images=32,
        num_healing_images=64,
        num_sharing_images=48,
    )
    monkeypatch.setitem(COURSES, NAME, course)
    yield trainings_on_few_images
    torch.use_deterministic_algorithms(False)


def test_the_control_trains_for_as_many_phases_as_every_other_arm(quick):
    deep_compression.control(NAME, seed=0)
    assert len(quick) == 2 + 1 + 1
    deep_compression.compressed(NAME, 0.1, seed=0)
    assert len(quick) == 2 * (2 + 1 + 1)
    assert quick[:4] == quick[4:]  # and sees the same images in the same order


def test_a_phase_sees_as_many_images_as_its_course_says(quick, monkeypatch):
    seen = []
    counted = training.train

    def train(network, images, held_out, **options):
        seen.append(len(images))
        return counted(network, images, held_out, **options)

    monkeypatch.setattr(training, "train", train)
    deep_compression.compressed(NAME, 0.1, seed=0)
    assert seen == [32, 32, 64, 48]


def test_another_phase_of_sharing_leaves_the_pruned_network_as_it_is(quick, monkeypatch):
    deep_compression.compressed(NAME, 0.1, seed=0)
    monkeypatch.setitem(COURSES, NAME, replace(COURSES[NAME], num_sharing_images=16))
    deep_compression.compressed(NAME, 0.1, seed=0)
    assert len(quick) == 4 + 1
    monkeypatch.setitem(COURSES, NAME, replace(COURSES[NAME], num_healing_images=16))
    deep_compression.compressed(NAME, 0.1, seed=0)
    assert len(quick) == 4 + 1 + 4


def test_what_comes_back_has_the_density_and_the_widths_asked_for(quick):
    network = deep_compression.compressed(NAME, 0.05, seed=0)
    tensors = shared_tensors(network)
    assert set(tensors) == {f"{layer}.weight" for layer in BITS[NAME]}
    kept = sum(int(one.mask.sum()) for one in tensors.values())
    size = sum(one.mask.size for one in tensors.values())
    assert kept == size - round((1 - 0.05) * size)
    for layer, bits in BITS[NAME].items():
        assert tensors[f"{layer}.weight"].levels.size <= 2**bits - 1


def test_an_arm_is_trained_once_and_comes_back_the_same(quick):
    first = plain_tensors(deep_compression.compressed(NAME, 0.1, seed=0))
    again = plain_tensors(deep_compression.compressed(NAME, 0.1, seed=0))
    assert len(quick) == 4
    assert all(np.array_equal(first[name], again[name]) for name in first)
    deep_compression.compressed(NAME, 0.05, seed=0)
    assert len(quick) == 8


def test_other_widths_share_the_pruned_network_and_train_anew(quick, monkeypatch):
    deep_compression.compressed(NAME, 0.1, seed=0)
    monkeypatch.setitem(BITS, NAME, {"fc1": 2, "fc2": 2, "fc3": 2})
    deep_compression.compressed(NAME, 0.1, seed=0)
    assert len(quick) == 4 + 1


def test_a_damaged_entry_of_the_cache_is_trained_again(quick):
    deep_compression.pruned(NAME, 0.1, seed=0)
    (entry,) = (datasets.cache_folder() / "deep-compression").glob("*.safetensors")
    entry.write_bytes(entry.read_bytes()[:1000])
    deep_compression.pruned(NAME, 0.1, seed=0)
    assert len(quick) == 2 * 3


def test_every_density_has_widths_for_every_layer():
    assert DENSITIES.keys() == BITS.keys() == COURSES.keys()
    for name, bits in BITS.items():
        assert list(bits) == list(subject.gemm_layers(subject.network(name, seed=0)))


def test_the_untrained_arm_is_the_stored_network_with_zeros():
    model = subject.network(NAME, seed=0)
    cut = deep_compression.untrained(NAME, 0.08, seed=0)
    whole = model.fc1.weight.detach().numpy()
    mask = cut.masks["fc1.weight"]
    found = cut.network.fc1.weight.detach().numpy()
    assert np.array_equal(found[mask], whole[mask])
    assert not found[~mask].any()
