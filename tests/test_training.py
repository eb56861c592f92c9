"""Training and seeds: the same seed gives the same bits, validation chooses, nothing else is touched."""

import itertools
import random

import numpy as np
import pytest
import torch
from torch import nn

from nncourse.zoo import networks, seeding, training
from nncourse.zoo.datasets import Images
from nncourse.zoo.training import Recipe, accuracy, logits, shifted, train


@pytest.fixture(autouse=True)
def _settings_come_back():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def stripes(num, seed):
    """Images with a bright row; its position, 0..9, is the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, size=num)
    x = rng.random((num, 1, 28, 28), dtype=np.float32) * np.float32(0.3)
    x[np.arange(num), 0, 2 * y + 4] += np.float32(0.6)
    return Images(x, y)


@pytest.mark.parametrize("name", ["lenet-300-100", "lenet-5"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(name):
    recipe = Recipe(epochs=1, batch=32, shift_pixels=1)

    def run(seed):
        seeding.reproducible(seed)
        result = train(
            networks.build(name), stripes(96, 0), stripes(20, 1), recipe=recipe, seed=seed
        )
        state = result.network.state_dict()
        return b"".join(value.numpy().tobytes() for value in state.values()), result.history

    assert run(3) == run(3)
    assert run(3)[0] != run(4)[0]


def test_training_learns_and_leaves_its_inputs_alone():
    seeding.reproducible(0)
    network = networks.build("lenet-300-100")
    before = [value.detach().clone() for value in network.parameters()]
    images, held_out = stripes(600, 0), stripes(200, 1)
    x_before = images.x.copy()
    result = train(network, images, held_out, recipe=Recipe(epochs=4, batch=50), seed=0)
    assert accuracy(result.network, held_out) > 0.9
    assert result.history[-1].loss < result.history[0].loss
    assert not result.network.training
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    np.testing.assert_array_equal(images.x, x_before)


def test_the_epoch_is_the_one_that_validation_prefers_ties_to_the_later(monkeypatch):
    scores = iter([0.2, 0.9, 0.9, 0.1])
    states = []

    def scripted(network, images):
        states.append({key: value.clone() for key, value in network.state_dict().items()})
        return next(scores)

    monkeypatch.setattr(training, "accuracy", scripted)
    recipe = Recipe(epochs=4, batch=16)
    result = train(nn_for_stripes(), stripes(32, 0), stripes(8, 1), recipe=recipe, seed=0)
    assert result.best_epoch == 2
    assert result.validation_accuracy == 0.9
    assert torch.equal(result.network.state_dict()["1.weight"], states[2]["1.weight"])
    assert not torch.equal(states[2]["1.weight"], states[3]["1.weight"])


def nn_for_stripes():
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))


def test_the_rate_warms_up_then_falls_to_almost_zero():
    recipe = Recipe(epochs=1, learning_rate=0.1, warmup_fraction=0.1)
    rates = [recipe.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == rates[9] == rates[10] == pytest.approx(0.1)
    assert rates[55] == pytest.approx(0.05)  # half of the cosine
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))
    assert 0 < rates[-1] < 1e-3 * 0.1
    assert Recipe(epochs=1, warmup_fraction=0.0, learning_rate=0.1).rate(0, 1) == 0.1


def test_a_shift_moves_whole_images_and_brings_in_zeros():
    x = torch.zeros(200, 2, 5, 5)
    x[:, 0, 2, 2], x[:, 1, 2, 2] = 1.0, 2.0
    moved = shifted(x, 2, rng=np.random.default_rng(0))
    assert torch.equal(moved.sum(dim=(2, 3)), x.sum(dim=(2, 3)))
    assert torch.equal(moved[:, 1], 2 * moved[:, 0])
    landed = moved[:, 0].sum(dim=0)
    assert int((landed > 0).sum()) == 25  # 200 images reach all 5 x 5 places
    assert torch.equal(x[:, 0, 2, 2], torch.ones(200))
    assert shifted(x, 0, rng=np.random.default_rng(0)) is x


def test_shifts_may_reach_past_the_image():
    edge = shifted(torch.ones(50, 1, 3, 3), 3, rng=np.random.default_rng(0))
    assert set(edge.unique().tolist()) == {0.0, 1.0}


def test_accuracy_counts_what_was_right_and_ties_go_to_the_lower_class():
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 3, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[0.0], [1.0], [1.0]]))
    x = np.array([0.0, 1.0, 1.0, 1.0], np.float32).reshape(4, 1, 1, 1)
    images = Images(x, np.array([0, 1, 1, 2]))
    assert accuracy(network, images) == 0.75
    assert accuracy(network, images, batch=3) == 0.75
    assert logits(network, images, batch=1).tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 1], [0, 1, 1]]


def test_measuring_keeps_the_mode_of_the_network():
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(28 * 28, 10))
    images = stripes(30, 0)
    network.train()
    assert accuracy(network, images) == accuracy(network, images)
    assert network.training
    network.eval()
    logits(network, images)
    assert not network.training


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("warmup_fraction", 1.0),
        ("weight_decay", -0.1),
        ("shift_pixels", -1),
    ],
)
def test_a_recipe_refuses_a_bad_value_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        Recipe(**{"epochs": 1, field: value})


def test_empty_splits_and_batches_are_refused():
    images, nothing = stripes(4, 0), stripes(0, 0)
    with pytest.raises(ValueError, match="train_images is empty"):
        train(nn_for_stripes(), nothing, images, recipe=Recipe(epochs=1), seed=0)
    with pytest.raises(ValueError, match="images is empty"):
        accuracy(nn_for_stripes(), nothing)
    with pytest.raises(ValueError, match="batch is at least 1"):
        logits(nn_for_stripes(), images, batch=0)


def test_one_call_seeds_every_generator():
    def draws(seed):
        rng = seeding.reproducible(seed)
        legacy = float(np.random.rand())  # noqa: NPY002  what other libraries use
        return rng.random(), legacy, random.random(), float(torch.rand(()))

    assert draws(7) == draws(7)
    assert all(a != b for a, b in zip(draws(7), draws(8), strict=True))
    assert torch.are_deterministic_algorithms_enabled()


def test_threads_come_from_the_argument_else_the_environment_else_one(monkeypatch):
    monkeypatch.delenv("NNCOURSE_THREADS", raising=False)
    seeding.reproducible(0)
    assert torch.get_num_threads() == 1
    monkeypatch.setenv("NNCOURSE_THREADS", "2")
    seeding.reproducible(0)
    assert torch.get_num_threads() == 2
    seeding.reproducible(0, threads=1)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("text", ["0", "-1", "two", "", "1.5"])
def test_a_bad_number_of_threads_is_refused_by_name(text, monkeypatch):
    monkeypatch.setenv("NNCOURSE_THREADS", text)
    with pytest.raises(ValueError, match="NNCOURSE_THREADS"):
        seeding.reproducible(0)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", True])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed is a whole number"):
        seeding.reproducible(seed)
    with pytest.raises(ValueError, match="threads is a whole number"):
        seeding.reproducible(0, threads=0)
