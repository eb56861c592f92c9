"""Fine-tuned networks: the file gives back the very network that was tuned, and the cache is safe."""

import numpy as np
import pytest
import torch

from nncourse.experiments import subject, tuned
from nncourse.quantizers import fine_tuning
from nncourse.zoo import datasets, training
from nncourse.zoo.training import Recipe

NAME = "lenet-300-100"


@pytest.fixture
def quick(trainings_on_few_images, monkeypatch):
    """One short epoch on a few images at random, in a cache of its own; counts the trainings."""
    monkeypatch.setitem(tuned.RECIPES, NAME, Recipe(epochs=1, batch=16))
    yield trainings_on_few_images
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("weight_bits", [None, 1, 2, 8])
@pytest.mark.parametrize("input_bits", [None, 1, 4])
def test_the_file_holds_the_tuned_network_bit_for_bit(quick, weight_bits, input_bits):
    network = tuned.fine_tuned(NAME, seed=0, weight_bits=weight_bits, input_bits=input_bits)
    plain = subject.network(NAME, seed=0)
    decoded = tuned.decoded(plain, tuned.stored(network))
    images = datasets.load("mnist", "test")
    difference = np.abs(training.logits(decoded, images) - training.logits(network, images))
    # Inputs are multiplied by the reciprocal of the step in one and divided by it in the other.
    assert difference.max() <= (0 if input_bits is None else 1e-3)
    assert not torch.equal(network.state_dict()["fc1.bias"], plain.state_dict()["fc1.bias"])


def test_a_network_is_tuned_once_and_again_for_other_settings(quick, monkeypatch):
    first = tuned.fine_tuned(NAME, seed=0, weight_bits=2)
    again = tuned.fine_tuned(NAME, seed=0, weight_bits=2)
    assert len(quick) == 1
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    tuned.fine_tuned(NAME, seed=0, weight_bits=3)
    tuned.fine_tuned(NAME, seed=0, weight_bits=2, method="straight through")
    assert len(quick) == 3
    monkeypatch.setitem(tuned.RECIPES, NAME, Recipe(epochs=1, batch=32))
    tuned.fine_tuned(NAME, seed=0, weight_bits=2)
    assert len(quick) == 4


@pytest.mark.parametrize("damage", [b"", b"not a file", None])
def test_a_damaged_entry_of_the_cache_is_tuned_again(quick, damage):
    first = tuned.fine_tuned(NAME, seed=0, weight_bits=2)
    (entry,) = (datasets.cache_folder() / "tuned").glob("*.safetensors")
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    again = tuned.fine_tuned(NAME, seed=0, weight_bits=2)
    assert len(quick) == 2
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_image_keeps_eight_bits_and_other_inputs_get_the_width_asked_for(quick):
    grids = fine_tuning.input_grids(
        tuned.prepared(NAME, subject.network(NAME, seed=0), weight_bits=2, input_bits=2)
    )
    assert {name: grid.qmax for name, grid in grids.items()} == {"fc1": 255, "fc2": 3, "fc3": 3}


def test_a_file_of_another_network_is_refused(quick):
    file = tuned.stored(tuned.fine_tuned(NAME, seed=0, weight_bits=4))
    with pytest.raises(ValueError, match="tensors and model differ"):
        tuned.decoded(subject.network("lenet-5", seed=0), file)
