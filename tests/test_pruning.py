"""Pruning in rounds: masks that hold, steps that are equal, and images drawn anew."""

import numpy as np
import pytest
import torch
from torch import nn

from nncourse.pruners import schedules, scope
from nncourse.zoo.datasets import Images
from nncourse.zoo.pruning import prune
from nncourse.zoo.training import Recipe

RECIPE = Recipe(epochs=1, batch=16, learning_rate=1e-2, weight_decay=0.1)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, size=96)
    x = rng.random((96, 1, 4, 4)) / 2 + y[:, None, None, None] / 6
    return Images(x.astype(np.float32), y)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))


def by_magnitude(weights, sparsity):
    return scope.global_masks(weights, sparsity=sparsity)


def run(network, images, schedule, choose=by_magnitude, **changes):
    settings = {"recipe": RECIPE, "seed": 0, "images_per_round": 32} | changes
    return prune(network, images, images[:16], schedule=schedule, choose=choose, **settings)


def test_the_network_ends_at_the_last_sparsity_with_its_dropped_weights_at_zero(network, images):
    result = run(network, images, schedules.cubic(0.75, rounds=3))
    weights = {name: v.numpy() for name, v in result.network.state_dict().items() if v.dim() > 1}
    dropped = sum(int((~mask).sum()) for mask in result.masks.values())
    assert dropped == round(0.75 * (16 * 8 + 8 * 3))
    for name, mask in result.masks.items():
        assert not weights[name][~mask].any()
        assert weights[name][mask].all()


def test_what_is_dropped_once_stays_dropped_when_the_ranking_is_by_magnitude(network, images):
    seen = []

    def spy(weights, sparsity):
        seen.append({name: value == 0 for name, value in weights.items()})
        return by_magnitude(weights, sparsity)

    result = run(network, images, schedules.iterative(0.9, rounds=4), choose=spy)
    for earlier, later in zip(
        seen[1:], [*seen[2:], {n: ~m for n, m in result.masks.items()}], strict=True
    ):
        assert all((earlier[name] <= later[name]).all() for name in earlier)


def test_a_round_of_sparsity_zero_trains_the_whole_network(network, images):
    result = run(network, images, schedules.dense_sparse_dense(0.5, rounds=2))
    assert not result.masks
    weights = torch.cat([v.ravel() for v in result.network.parameters() if v.dim() > 1])
    assert (weights == 0).float().mean() < 0.4  # half were zeros after the first round


def test_equal_seeds_give_equal_bits_and_other_seeds_other_images(network, images):
    first, again = (run(network, images, (0.5, 0.5)).network.state_dict() for _ in range(2))
    other = run(network, images, (0.5, 0.5), seed=1).network.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_network_handed_over_is_not_modified(network, images):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    run(network, images, (0.5,))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_bad_arguments_are_named(network, images):
    with pytest.raises(ValueError, match="schedule is empty"):
        run(network, images, ())
    with pytest.raises(ValueError, match="from 1 to 96, the images there are; got 97"):
        run(network, images, (0.5,), images_per_round=97)
