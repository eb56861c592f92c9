"""Members of the families in the experiments: equal steps, shared beginnings, and rows with their own keys."""

import numpy as np
import pandas as pd
import pytest
import torch

from nncourse.experiments import experiment, members, subject, tuned
from nncourse.experiments.members import Member
from nncourse.quantizers import fine_tuning
from nncourse.zoo import training

NARROW = Member(family="perceptron", width=4, data="mnist")


@pytest.fixture
def quick(trainings_on_few_images):
    """Trainings on a few images at random, in a cache of their own; counts them."""
    members._images.cache_clear()
    yield trainings_on_few_images
    members._images.cache_clear()
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def steps(quick, monkeypatch):
    """Epochs of each training."""
    found = []
    counted = training.train

    def noted(*arguments, **options):
        found.append(options["recipe"].epochs)
        return counted(*arguments, **options)

    monkeypatch.setattr(training, "train", noted)
    return found


def test_native_training_takes_as_many_steps_as_tuning_does_in_all(steps):
    members.tuned(NARROW, bits=4, seed=0)
    later = sum(steps)
    steps.clear()
    members.native(NARROW, bits=4, seed=0)
    members.native(NARROW, bits=None, seed=0)
    assert steps == [later, later]


def test_every_arm_of_two_phases_takes_as_many_steps(steps):
    totals = set()
    for number, sparsities in enumerate([(0.0, 0.0), (0.5, 0.5), (0.5, 0.0), (0.8, 0.0)]):
        steps.clear()
        members.phases(NARROW, sparsities, seed=number)
        totals.add(sum(steps))
    assert totals == {members.FIRST_EPOCHS + 2 * members.PHASE_EPOCHS}


def test_arms_share_what_they_have_in_common_and_nothing_is_trained_twice(quick):
    members.phases(NARROW, (0.5, 0.0), seed=0)
    assert len(quick) == 3
    members.phases(NARROW, (0.5, 0.5), seed=0)
    assert len(quick) == 4
    members.phases(NARROW, (0.5,), seed=0)
    members.phases(NARROW, (0.5, 0.0), seed=0)
    assert len(quick) == 4
    members.phases(NARROW, (0.5,), seed=1)
    assert len(quick) == 6


def test_arms_are_paired_by_the_order_of_the_images(quick):
    members.phases(NARROW, (0.5, 0.0), seed=3)
    pruned = list(quick)
    members.phases(NARROW, (0.0, 0.0), seed=3)
    assert quick[len(pruned) :] == pruned[1:]
    assert len(set(pruned)) == len(pruned)


def test_a_pruned_phase_holds_its_zeros_and_a_whole_one_brings_connections_back(quick):
    def zeros(result):
        weights = [w for w in result.network.parameters() if w.dim() > 1]
        return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)

    sparse = members.phases(NARROW, (0.5,), seed=0)
    assert zeros(sparse) == pytest.approx(0.5, abs=1e-3)
    assert sum(mask.sum() for mask in sparse.masks.values()) / sum(
        mask.size for mask in sparse.masks.values()
    ) == pytest.approx(0.5, abs=1e-3)
    regrown = members.phases(NARROW, (0.5, 0.0), seed=0)
    assert zeros(regrown) < 0.1
    assert all(mask.all() for mask in regrown.masks.values())


def test_a_native_network_starts_from_the_first_weights_of_its_seed(quick):
    first = members.NUM_IMAGES  # the constant is not touched by tests
    assert first == {"train": 12_800, "validation": 1_000}
    one, other = NARROW.first(0), NARROW.first(0)
    for left, right in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("bits", [None, 1, 2, 4])
def test_the_file_holds_the_native_network_bit_for_bit(quick, bits):
    network = members.native(NARROW, bits=bits, seed=0)
    decoded = subject.decoded(NARROW.first(0), tuned.stored(network))
    plain = fine_tuning.plain_tensors(network)
    for name, value in subject.tensors(decoded).items():
        assert np.array_equal(value, plain[name])
    if bits is not None:
        assert np.unique(plain["fc1.weight"]).size <= 2**bits


@pytest.mark.parametrize("claim", ["F1", "F2", "F3", "F4", "F5", "F6"])
def test_rows_have_keys_of_their_own_and_a_smoke_run_returns_some_of_them(quick, claim):
    one = experiment.find(claim)
    rows = pd.DataFrame(list(one.measure(0, False)))
    assert not rows.duplicated(list(one.keys)).any()
    assert set(rows["seed"]) == {0}
    assert set(rows["network"]) == set(one.networks)
    smoke = pd.DataFrame(list(one.measure(0, True)))
    assert len(smoke) < len(rows)
    assert experiment.differences(one, smoke, rows).empty
