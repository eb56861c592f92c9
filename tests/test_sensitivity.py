"""Sensitivity: each layer is changed alone, and what is kept between runs changes no result."""

import numpy as np
import pytest
import torch
from torch import nn

from nncourse.quantizers.affine import choose_qparams, fake_quantize
from nncourse.quantizers.allocation import allocate
from nncourse.quantizers.sensitivity import Evaluator, per_channel, sensitivity_scan

WEIGHTS = {"wide": np.array([[0.3, -1.0]]), "a": np.array([[1.0, 2.0], [0.2, 0.1]])}


def residual_block():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(6, 6)

        def forward(self, x):
            return x + torch.relu(self.inner(x))

    return Residual()


def chain():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(12, 6),
        nn.ReLU(inplace=True),
        residual_block(),
        nn.Dropout(),
        nn.Linear(6, 4),
    )


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.chain = chain()
        self.side = nn.Linear(16, 4)

    def forward(self, x):
        return self.chain(x) + self.side(x.flatten(1))


def data(num=50):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(num, 1, 4, 4)).astype(np.float32)
    return x, rng.integers(0, 4, num)


@pytest.mark.parametrize("build", [chain, Branching])
def test_a_scan_is_the_same_to_the_last_bit_with_and_without_the_cache(build):
    x, y = data()
    network = build()
    scans = []
    for cache in (True, False):
        evaluate = Evaluator(network, x, y, batch=16, cache=cache)
        scans.append(sensitivity_scan(evaluate.weights, widths=[2, 4, 8], evaluate=evaluate))
    assert len(scans[0]) == 3 * len(evaluate.weights)
    assert scans[0].equals(scans[1])


def test_every_row_is_what_the_network_with_that_one_layer_rounded_gives():
    x, y = data()
    network = chain()
    evaluate = Evaluator(network, x, y)
    scan = sensitivity_scan(evaluate.weights, widths=[2, 3], evaluate=evaluate)
    assert list(scan.layer.cat.categories) == ["0", "3", "5.inner", "7"]
    for row in scan.itertuples():
        changed = chain().eval()
        with torch.no_grad():
            weight = changed.get_submodule(row.layer).weight
            grid = choose_qparams(weight.numpy(), bits=row.bits, axis=0)
            weight.copy_(torch.from_numpy(fake_quantize(weight.numpy(), grid)))
            logits = changed(torch.from_numpy(x))
            loss = float(nn.functional.cross_entropy(logits, torch.from_numpy(y)))
        assert row.accuracy == float((logits.argmax(1).numpy() == y).mean())
        assert row.loss == pytest.approx(loss, rel=1e-6)
    plain = evaluate({})
    np.testing.assert_allclose(scan.loss - scan.loss_change, plain["loss"], rtol=1e-12)
    np.testing.assert_allclose(scan.accuracy - scan.accuracy_change, plain["accuracy"], rtol=1e-12)


@pytest.mark.parametrize("cache", [True, False])
def test_layers_in_any_order_and_several_at_once_leave_no_trace(cache):
    x, y = data()
    evaluate = Evaluator(chain(), x, y, cache=cache)
    weights = evaluate.weights
    plain = evaluate({})
    alone = evaluate({"7": 0 * weights["7"]})
    for layers in (["7"], ["0"], ["3", "7"], ["7", "3"], ["5.inner"], ["7"]):
        fresh = Evaluator(chain(), x, y, cache=False)
        changed = {layer: 0 * weights[layer] for layer in layers}
        assert evaluate(changed) == fresh(changed)
    assert evaluate({"7": 0 * weights["7"]}) == alone != plain
    assert evaluate({}) == plain
    for layer, weight in evaluate.weights.items():
        np.testing.assert_array_equal(weight, weights[layer])


def test_with_the_cache_what_lies_before_the_changed_layer_runs_once():
    x, y = data()
    network = chain()
    runs = []
    for position, stage in enumerate(network):
        stage.register_forward_hook(lambda *_, position=position: runs.append(position))
    evaluate = Evaluator(network, x, y)
    last = evaluate.weights["7"]
    evaluate({"7": last})
    assert runs == [0, 1, 2, 3, 4, 5, 6, 7]
    runs.clear()
    evaluate({"7": last})
    assert runs == [7]


def test_a_layer_used_twice_is_changed_in_both_places():
    x, y = data()
    twice = nn.Linear(4, 4)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), twice, nn.ReLU(), twice)
    evaluate = Evaluator(network, x, y)
    zero = {"2": np.zeros((4, 4), dtype=np.float32)}
    with torch.no_grad():
        bias = twice.bias.expand(len(x), -1)
        expected = float(nn.functional.cross_entropy(bias, torch.from_numpy(y)))
    assert evaluate(zero)["loss"] == pytest.approx(expected, rel=1e-6)
    assert evaluate(zero)["loss"] == pytest.approx(expected, rel=1e-6)


def test_the_network_is_not_modified_and_keeps_its_mode():
    x, y = data()
    network = chain().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    evaluate = Evaluator(network, x, y)
    sensitivity_scan(evaluate.weights, widths=[2], evaluate=evaluate)
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_any_callable_and_any_quantizer_will_do_and_the_order_of_the_layers_is_kept():
    asked = []

    def evaluate(changed):
        asked.append(sorted(changed))
        return {"perplexity": float(sum(weight.sum() for weight in changed.values()))}

    def to_bits(weight, bits):
        return np.full_like(weight, bits)

    scan = sensitivity_scan(WEIGHTS, widths=[8, 4], evaluate=evaluate, quantizer=to_bits)
    assert asked == [[], ["wide"], ["wide"], ["a"], ["a"]]
    assert list(scan.columns) == ["layer", "bits", "perplexity", "perplexity_change"]
    assert scan.perplexity.tolist() == [16, 8, 32, 16]
    wide = scan.pivot(index="layer", columns="bits", values="perplexity_change")
    assert list(wide.index) == ["wide", "a"]  # not the order of the alphabet
    chosen = allocate(wide.to_numpy(), [[4, 8], [4, 8]], budget=12)
    assert chosen.loss == 24


def test_the_usual_quantizer_gives_each_output_channel_its_own_grid():
    rounded = per_channel(WEIGHTS["a"].astype(np.float32), 2)
    np.testing.assert_allclose(rounded, [[0, 2.0], [0.2, 0]])  # 1 of 2 and 0.1 of 0.2 are ties


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sensitivity_scan({}, widths=[2], evaluate=dict), "weights is empty"),
        (lambda: sensitivity_scan(WEIGHTS, widths=[], evaluate=dict), "widths"),
        (lambda: sensitivity_scan(WEIGHTS, widths=[4, 4], evaluate=dict), "each width once"),
        (
            lambda: sensitivity_scan(
                WEIGHTS, widths=[4], evaluate=dict, quantizer=lambda w, b: w[0]
            ),
            r"wide of \(1, 2\) became \(2,\)",
        ),
        (lambda: Evaluator(chain(), *data(0)), "at least one"),
        (lambda: Evaluator(chain(), data()[0], data(3)[1]), "got 50, 3"),
        (lambda: Evaluator(chain(), *data(), batch=0), "batch is at least 1"),
        (
            lambda: Evaluator(chain(), *data())({"1": np.zeros(1)}),
            "the layers are 0, 3, 5.inner, 7",
        ),
        (
            lambda: Evaluator(chain(), *data())({"7": np.zeros((4, 5))}),
            r"shape \(4, 6\); got \(4, 5\)",
        ),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()
