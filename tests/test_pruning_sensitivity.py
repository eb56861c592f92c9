"""Sensitivity to pruning: each layer is pruned alone, and the network is asked with all its tensors."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from nncourse.pruners.importance import activation_aware
from nncourse.pruners.masks import bank_balanced_mask, magnitude_mask, n_m_mask
from nncourse.pruners.sensitivity import sensitivity_scan

RNG = np.random.default_rng(0)
WEIGHTS = {
    "wide.weight": RNG.normal(size=(4, 8)).astype(np.float32),
    "a.weight": RNG.normal(size=(3, 2, 2, 2)).astype(np.float32),
}


def recorder():
    asked = []

    def evaluate(tensors):
        asked.append({name: tensor.copy() for name, tensor in tensors.items()})
        return len(asked) / 100

    return asked, evaluate


def test_each_question_holds_all_tensors_and_one_of_them_is_pruned():
    asked, evaluate = recorder()
    scan = sensitivity_scan(WEIGHTS, evaluate, densities=[0.5, 0.25])
    assert list(scan.columns) == ["layer", "density", "accuracy"]
    assert list(scan.layer) == ["wide.weight", "wide.weight", "a.weight", "a.weight"]
    assert list(scan.density) == [0.5, 0.25, 0.5, 0.25]
    whole, *pruned = asked
    np.testing.assert_equal(whole, WEIGHTS)
    assert list(scan.accuracy) == [0.02, 0.03, 0.04, 0.05]
    for (_, row), tensors in zip(scan.iterrows(), pruned, strict=True):
        for name, weight in WEIGHTS.items():
            sparsity = 1 - row.density if name == row.layer else 0.0
            expected = weight * magnitude_mask(weight, sparsity=sparsity)
            np.testing.assert_array_equal(tensors[name], expected)
            assert tensors[name].dtype == np.float32


def test_the_whole_network_is_asked_for_once_and_stands_in_the_rows_of_density_one():
    asked, evaluate = recorder()
    scan = sensitivity_scan(WEIGHTS, evaluate, densities=[1.0, 0.5])
    assert len(asked) == 3
    assert list(scan.accuracy) == [0.01, 0.02, 0.01, 0.03]


def test_measures_by_name_become_columns_and_layers_keep_their_order_in_a_pivot():
    scan = sensitivity_scan(
        WEIGHTS,
        lambda tensors: {"accuracy": 0.5, "loss": sum(t.sum() for t in tensors.values())},
        densities=[0.5, 0.0],
    )
    assert list(scan.columns) == ["layer", "density", "accuracy", "loss"]
    loss = scan.pivot(index="layer", columns="density", values="loss")
    assert list(loss.index) == list(WEIGHTS)  # not the order of the alphabet
    assert loss.loc["wide.weight", 0.0] == pytest.approx(WEIGHTS["a.weight"].sum())


def test_the_shape_of_the_mask_is_free_to_choose():
    asked, evaluate = recorder()
    choose = partial(bank_balanced_mask, bank=4)
    sensitivity_scan(WEIGHTS, evaluate, densities=[0.25], choose=choose)
    for name, tensors in zip(WEIGHTS, asked[1:], strict=True):
        assert (np.count_nonzero(tensors[name].reshape(-1, 4), axis=1) == 1).all()


def test_a_pattern_without_a_sparsity_can_be_asked_for_by_its_density():
    asked, evaluate = recorder()

    def choose(weight, *, sparsity):
        return n_m_mask(weight, n=round(4 * (1 - sparsity)), m=4)

    sensitivity_scan(WEIGHTS, evaluate, densities=[0.5, 0.25], choose=choose)
    kept = [np.count_nonzero(tensors["wide.weight"]) for tensors in asked[1:3]]
    assert kept == [16, 8]


def test_scores_rank_the_weights_of_the_layers_that_they_name():
    asked, evaluate = recorder()
    wide = WEIGHTS["wide.weight"]
    scores = activation_aware(wide, np.array([9.0, 1, 1, 1, 1, 1, 1, 9]))
    sensitivity_scan(WEIGHTS, evaluate, densities=[0.25], scores={"wide.weight": scores})
    np.testing.assert_array_equal(
        asked[1]["wide.weight"], wide * magnitude_mask(scores, sparsity=0.75)
    )
    a = WEIGHTS["a.weight"]
    np.testing.assert_array_equal(asked[2]["a.weight"], a * magnitude_mask(a, sparsity=0.75))


def test_a_layer_that_a_network_leans_on_shows_in_the_scan_of_the_network():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 3)).double()
    x = torch.randn(200, 6).double()
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(6) + 0.001 * torch.randn(6, 6))  # 6 of 36 do the work
        y = network(x).argmax(dim=1)
    weights = {name: p.detach().numpy() for name, p in network.named_parameters() if p.dim() > 1}

    def accuracy(tensors):
        state = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
        logits = torch.func.functional_call(network, state, (x,))
        return (logits.argmax(dim=1) == y).double().mean().item()

    scan = sensitivity_scan(weights, accuracy, densities=[1.0, 0.2])
    found = scan.set_index(["layer", "density"]).accuracy
    assert found["0.weight", 1.0] == found["1.weight", 1.0] == 1.0
    assert found["0.weight", 0.2] > 0.97
    assert found["1.weight", 0.2] < 0.9


def test_the_tensors_are_never_modified():
    frozen = {name: weight.copy() for name, weight in WEIGHTS.items()}
    for weight in frozen.values():
        weight.flags.writeable = False
    sensitivity_scan(frozen, lambda tensors: 1.0, densities=[0.5])
    np.testing.assert_equal(frozen, WEIGHTS)


def ask(**changes):
    return lambda: sensitivity_scan(
        **{"weights": WEIGHTS, "evaluate": lambda _: 1.0, "densities": [0.5], **changes}
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (ask(weights={}), "weights is empty"),
        (ask(densities=[]), "at least one"),
        (ask(densities=[0.5, 0.5]), "each density once"),
        (ask(densities=[50]), r"fractions to keep, in \[0, 1\]; got 50: is it in percent"),
        (ask(choose=lambda w, *, sparsity: w[0] > 0), r"'wide.weight' has \(4, 8\), got \(8,\)"),
        (ask(scores={"b": np.ones(3)}), r"scores .* got 'b' \(3,\)"),
        (ask(scores={"a.weight": np.ones(3)}), r"got 'a.weight' \(3,\)"),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()
