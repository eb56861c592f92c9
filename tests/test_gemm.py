"""Layers read as matrix products: shapes worked by hand, and modules that come back as they were."""

import numpy as np
import pytest
import torch
from torch import nn

from nncourse.accelerator import Gemm, gemms
from nncourse.accelerator.workloads import resnet50
from nncourse.zoo.networks import build, example_input


def shapes(found):
    return [(g.name, g.m, g.n, g.k, g.groups) for g in found]


def test_lenet_5_worked_by_hand():
    assert shapes(gemms(build("lenet-5"), example_input("lenet-5"))) == [
        ("conv1", 24 * 24, 20, 25, 1),
        ("conv2", 8 * 8, 50, 20 * 25, 1),
        ("fc1", 1, 500, 800, 1),
        ("fc2", 1, 10, 500, 1),
    ]


def test_a_batch_multiplies_m_and_words_are_counted_once():
    one, eight = (gemms(build("lenet-5"), example_input("lenet-5", batch=b)) for b in (1, 8))
    for small, large in zip(one, eight, strict=True):
        assert large == small.batched(8)
        assert large.weight_words == small.weight_words
    assert one[0].input_words == 784
    assert one[0].macs == 576 * 20 * 25


@pytest.mark.parametrize(
    ("layer", "x", "expected"),
    [
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), (2, 8, 5, 5), (50, 1, 9, 8)),
        (nn.Conv2d(6, 4, (3, 1), stride=2, groups=2), (1, 6, 9, 9), (20, 2, 9, 2)),
        (nn.Conv1d(3, 5, 4, dilation=2), (2, 3, 20), (28, 5, 12, 1)),
        (nn.Conv3d(2, 3, 2), (1, 2, 4, 4, 4), (27, 3, 16, 1)),
        (nn.ConvTranspose2d(4, 3, 2, stride=2), (1, 4, 5, 5), (25, 12, 4, 1)),
        (nn.ConvTranspose1d(4, 6, 3, groups=2), (1, 4, 5), (5, 9, 2, 2)),
        (nn.Linear(7, 3), (2, 5, 7), (10, 3, 7, 1)),
        (nn.Conv2d(3, 4, 3), (3, 8, 8), (36, 4, 27, 1)),
    ],
)
def test_every_kind_of_layer_and_its_multiplications(layer, x, expected):
    (found,) = gemms(layer, torch.zeros(x))
    assert (found.m, found.n, found.k, found.groups) == expected
    assert found.input_words == np.prod(x)
    assert found.weight_words == layer.weight.numel()


def test_torchs_own_counter_agrees_on_multiply_accumulates():
    from torch.utils.flop_counter import FlopCounterMode

    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, groups=4),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    ).eval()
    x = torch.zeros(3, 3, 12, 12)
    with FlopCounterMode(display=False) as counter:
        model(x)
    assert 2 * sum(g.macs for g in gemms(model, x)) == counter.get_total_flops()


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_is_six_kinds_of_products(batch_first):
    layer = nn.TransformerEncoderLayer(16, 4, dim_feedforward=32, batch_first=batch_first)
    found = {
        g.name: g for g in gemms(layer, torch.zeros((2, 5, 16) if batch_first else (5, 2, 16)))
    }
    assert (found["self_attn.query"].m, found["self_attn.query"].n) == (10, 16)
    scores, context = found["self_attn.scores"], found["self_attn.context"]
    assert (scores.m, scores.n, scores.k, scores.groups) == (5, 5, 4, 8)
    assert (context.m, context.n, context.k, context.groups) == (5, 4, 5, 8)
    assert not scores.has_weights
    assert found["linear1"].macs == 10 * 32 * 16
    assert scores.batched(3).groups == 24


def test_attention_counts_the_keys_that_the_layer_appends():
    layer = nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True)
    x = torch.zeros(1, 5, 8)
    found = {g.name: g for g in gemms(layer, (x, x, x))}
    _, attended = layer(x, x, x)
    assert found[".scores"].n == found[".context"].k == attended.shape[-1] == 7
    assert found[".key"].m == 5


def test_a_reused_layer_is_two_products_and_containers_are_none():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return self.fc(self.fc(x))

    found = gemms(Twice(), torch.zeros(1, 4))
    assert [g.name for g in found] == ["fc", "fc#2"]
    assert [g.weights_name for g in found] == ["fc", "fc"]
    assert found[1].batched(2).weights_name == "fc"


def test_keywords_tuples_and_the_meta_device_are_accepted():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 2)

        def forward(self, left, right):
            return self.fc(input=left + right)

    x = torch.zeros(3, 4)
    assert gemms(Named(), {"left": x, "right": x}) == gemms(Named(), (x, x))
    with torch.device("meta"):
        huge = nn.Linear(100_000, 100_000)
        assert gemms(huge, torch.zeros(1, 100_000))[0].macs == 10**10


def test_the_model_comes_back_as_it_was_even_when_its_forward_pass_fails():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.BatchNorm1d(4))
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gemms(model, torch.ones(2, 4))
    with pytest.raises(RuntimeError):
        gemms(model, torch.ones(2, 5))
    assert [module.training for module in model] == [True, False, True]
    assert not any(module._forward_hooks for module in model.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_resnet_50_has_the_published_size():
    layers = resnet50()
    assert len(layers) == 54
    assert sum(g.macs for g in layers) == pytest.approx(4.09e9, rel=0.001)
    # 25,557,032 parameters, less 2 x 26,560 of batch normalization and 1,000 biases.
    assert sum(g.weight_words for g in layers) == 25_557_032 - 2 * 26_560 - 1000


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Gemm("fc", 0, 1, 1), "m of 'fc'"),
        (lambda: Gemm("fc", 1, 1.5, 1), "n of 'fc'"),
        (lambda: Gemm("fc", 1, 1, 1, groups=-1), "groups of 'fc'"),
        (lambda: Gemm("fc", 1, 1, 1).batched(0), "batch of 'fc'"),
        (lambda: gemms("resnet", None), "torch.nn.Module"),
        (lambda: gemms(nn.ReLU(), torch.zeros(1)), "no matrix product|no linear"),
        (lambda: gemms(nn.LSTM(3, 4), torch.zeros(2, 1, 3)), "LSTM.*by hand"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
