"""The decoder: what it may look at, what its cache gives back, and its layers as products."""

import numpy as np
import pytest
import torch

from nncourse.accelerator import gemms
from nncourse.zoo.transformer import Cache, Decoder, Form, products, rotated

FORM = Form(vocabulary=17, width=32, depth=2, heads=2, context=24)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Decoder(FORM).eval()


@pytest.fixture
def tokens():
    return torch.randint(0, 17, (2, 20), generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_reading_token_by_token_with_a_cache_gives_the_logits_of_reading_at_once(model, tokens):
    cache = Cache()
    parts = [model(tokens[:, :7], cache)]
    parts += [model(tokens[:, place : place + 1], cache) for place in range(7, 15)]
    parts += [model(tokens[:, 15:], cache)]
    assert cache.length == 20
    torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_a_token_changes_nothing_before_it_and_something_at_it(model, tokens):
    other = tokens.clone()
    other[:, 10] = (other[:, 10] + 1) % 17
    change = (model(other) - model(tokens)).abs().amax(dim=(0, 2))
    assert (change[:10] == 0).all()
    assert (change[10:] > 0).all()


@torch.inference_mode()
def test_attention_is_that_of_the_formula(model, tokens):
    attention = model.blocks[0].attention
    x = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(2))
    q, k, v = (part.view(6, 2, 16).transpose(0, 1) for part in attention.qkv(x)[0].chunk(3, dim=-1))
    q, k = rotated(q[None], 0)[0], rotated(k[None], 0)[0]
    scores = (q @ k.transpose(1, 2) / 4).masked_fill(torch.ones(6, 6).triu(1).bool(), -torch.inf)
    expected = attention.out((scores.softmax(dim=-1) @ v).transpose(0, 1).reshape(1, 6, 32))
    torch.testing.assert_close(attention(x), expected, rtol=1e-4, atol=1e-6)


def test_products_of_rotated_vectors_depend_on_distances_alone():
    q, k = torch.randn(2, 1, 1, 1, 16, generator=torch.Generator().manual_seed(3))
    near = [(rotated(q, place) * rotated(k, place + 3)).sum() for place in (0, 5, 90)]
    torch.testing.assert_close(near[0], near[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(near[0], near[2], rtol=1e-3, atol=1e-4)
    assert rotated(q, 7).norm() == pytest.approx(float(q.norm()), rel=1e-5)


@pytest.mark.parametrize("width", [16, 32, 96])
def test_the_number_of_parameters_is_the_form_s(width):
    form = Form(vocabulary=17, width=width, depth=3, heads=2)
    assert sum(value.numel() for value in Decoder(form).parameters()) == form.num_parameters


def test_products_with_weights_are_those_that_hooks_see(model):
    seen = {one.name: (one.m, one.n, one.k) for one in gemms(model, torch.zeros(1, 9).long())}
    listed = {one.name: (one.m, one.n, one.k) for one in products(FORM, new=9) if one.has_weights}
    assert seen == listed
    matrices = [
        value
        for name, value in model.named_parameters()
        if name.endswith("weight") and value.ndim == 2
    ]
    words = sum(one.weight_words for one in products(FORM, new=1) if one.has_weights)
    assert words == sum(value.numel() for value in matrices) - model.token.weight.numel()


def test_a_step_multiplies_with_all_keys_of_the_past():
    by_name = {one.name: one for one in products(FORM, new=1, past=9)}
    assert by_name["blocks.1.attention.scores"].macs == 10 * 32
    assert by_name["blocks.1.attention.mixture"].macs == 10 * 32


def test_what_does_not_fit_is_named(model):
    with pytest.raises(ValueError, match="begin a new cache"):
        model(torch.zeros(1, 25).long())
    with pytest.raises(ValueError, match="heads share"):
        Form(vocabulary=4, width=20, heads=4)
    with pytest.raises(ValueError, match="depth"):
        Form(vocabulary=4, depth=0)


def test_equal_seeds_give_equal_first_weights():
    first, second = (torch.manual_seed(5) and Decoder(FORM).head.weight for _ in range(2))
    np.testing.assert_array_equal(first.detach(), second.detach())
