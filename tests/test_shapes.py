"""The shapes of the pruning experiments: exact densities, and masks that fit the file they go into."""

import numpy as np
import pytest

from nncourse import pruned_file
from nncourse.experiments import shapes
from nncourse.experiments.pruned import Plan
from nncourse.positions import Bitmap, Positions
from nncourse.pruners.masked import weights_of
from nncourse.zoo import networks

FORMS = {
    "fine-grained": Bitmap(),
    "n:m": Positions(4),
    "bank": Positions(16),
    "block": Bitmap(16, 1),
    "vector": Bitmap(1, 16),
}


@pytest.fixture(scope="module")
def weights():
    return weights_of(networks.build("resnet-8"))


@pytest.mark.parametrize("shape", shapes.TILED)
@pytest.mark.parametrize("density", [0.5, 0.25])
def test_a_shape_keeps_the_density_asked_for_and_can_be_written_in_its_own_form(
    weights, shape, density
):
    masks = shapes.chosen(shape, weights, 1 - density, seed=0)
    for name, mask in masks.items():
        assert mask.shape == weights[name].shape
        assert mask.mean() == density
    stored = pruned_file.store(weights, masks, where=FORMS[shape])
    back = pruned_file.restore(stored)
    assert all(np.array_equal(back[name] != 0, mask) for name, mask in masks.items())


def test_all_structured_shapes_prune_the_same_layers_as_the_fine_grained_one(weights):
    layers = [set(shapes.chosen(shape, weights, 0.5, seed=0)) for shape in shapes.TILED]
    assert all(names == layers[0] for names in layers)
    assert "conv1.weight" not in layers[0]  # nine inputs make no tile
    assert len(layers[0]) == 8


@pytest.mark.parametrize("shape", [*shapes.TILED, "global", "random", "uniform"])
def test_what_one_round_drops_the_next_one_drops_too(weights, shape):
    left = dict(weights)
    before = None
    for sparsity in Plan(density=0.25).sparsities():
        masks = shapes.chosen(shape, left, sparsity, seed=3)
        if before is not None:
            assert all((masks[name] <= before[name]).all() for name in masks)
        left |= {name: left[name] * mask for name, mask in masks.items()}
        before = masks


def test_the_random_shape_is_another_one_for_another_seed_and_does_not_see_magnitude(weights):
    first, second = (shapes.chosen("random", weights, 0.5, seed=seed) for seed in (0, 1))
    name = "block3.conv1.weight" if "block3.conv1.weight" in weights else max(weights)
    assert not np.array_equal(first[name], second[name])
    magnitudes = np.abs(weights[name])
    kept, dropped = magnitudes[first[name]].mean(), magnitudes[~first[name]].mean()
    assert kept == pytest.approx(dropped, rel=0.05)
