"""Recipes: what TOML says is what happens to a tensor, and a slip is told with section and key."""

import numpy as np
import pytest

from nncourse.container import Plain, Quantized
from nncourse.quantizers.affine import QParams, choose_qparams, dequantize, quantize
from nncourse.quantizers.codebook import Codebook
from nncourse.recipe import RecipeError, Rule, follow, parse_recipe, read_recipe

WEIGHT = np.random.default_rng(0).normal(0, 0.1, (16, 32)).astype(np.float32)
TENSOR = Plain(values=WEIGHT)
BIAS = Plain(values=np.linspace(-1, 1, 16, dtype=np.float32))


def test_without_a_word_weights_take_eight_bits_and_all_else_is_whole():
    recipe = parse_recipe("")
    assert recipe.rule_for("fc.weight", TENSOR) == Rule()
    assert recipe.rule_for("fc.bias", BIAS).store == "lossless"
    assert recipe.rule_for("steps", Plain(values=np.arange(4).reshape(2, 2))).store == "lossless"


def test_later_sections_win_and_keep_what_they_do_not_name():
    recipe = parse_recipe(
        """
        default.sparsity = 0.5
        [[tensor]]
        match = "fc*"
        bits = 4
        method = "kmeans"
        [[tensor]]
        match = ["*2.weight", "*.bias"]
        bits = 3
        """
    )
    first, second = (recipe.rule_for(f"fc{i}.weight", TENSOR) for i in (1, 2))
    assert (first.bits, first.method, first.sparsity) == (4, "kmeans", 0.5)
    assert (second.bits, second.method, second.sparsity) == (3, "kmeans", 0.5)
    assert recipe.rule_for("conv.weight", TENSOR).bits == 8
    bias = recipe.rule_for("fc1.bias", BIAS)
    assert (bias.store, bias.bits) == ("codes", 3)


def test_patterns_that_fit_nothing_are_listed():
    recipe = parse_recipe('[[tensor]]\nmatch = ["fc*", "cnov*"]\nbits = 4')
    assert recipe.unused(["fc1.weight", "conv1.weight"]) == ["cnov*"]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_an_affine_rule_is_the_quantizer(bits):
    stored = follow(Rule(bits=bits), TENSOR)
    grid = choose_qparams(WEIGHT, bits=bits, axis=0)
    np.testing.assert_array_equal(stored.decoded(), dequantize(quantize(WEIGHT, grid), grid))


def test_scales_are_for_channels_groups_or_the_tensor():
    scales = {"channel": (16,), "tensor": (), 8: (16, 4)}
    for scale, shape in scales.items():
        grid = follow(Rule(scale=scale), TENSOR).grid
        assert isinstance(grid, QParams)
        assert grid.scale.shape == shape


def test_a_codebook_keeps_a_symbol_for_dropped_weights():
    whole = follow(Rule(bits=3, method="kmeans"), TENSOR)
    pruned = follow(Rule(bits=3, method="kmeans", sparsity=0.5), TENSOR)
    assert isinstance(whole.grid, Codebook)
    assert whole.grid.levels.size == 8
    assert pruned.grid.levels.size == 7
    assert np.count_nonzero(pruned.mask) == WEIGHT.size // 2


def test_levels_may_be_halves():
    levels = follow(Rule(bits=4, method="kmeans", levels="fp16"), TENSOR).grid.levels
    np.testing.assert_array_equal(levels, levels.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize(
    ("shape", "sparsity", "kept"),
    [("free", 0.75, 128), ("2:4", 0.0, 256), ("bank 8", 0.5, 256), ("block 4x4", 0.5, 256)],
)
def test_shapes_of_what_is_dropped(shape, sparsity, kept):
    stored = follow(Rule(shape=shape, sparsity=sparsity), TENSOR)
    assert isinstance(stored, Quantized)
    assert np.count_nonzero(stored.mask) == kept
    if shape == "2:4":
        assert (stored.mask.reshape(-1, 4).sum(axis=1) == 2).all()


def test_kernels_are_pruned_as_matrices():
    kernels = Plain(values=WEIGHT.reshape(16, 2, 4, 4))
    stored = follow(Rule(shape="2:4"), kernels)
    assert stored.mask.shape == (16, 2, 4, 4)
    assert (stored.mask.reshape(-1, 4).sum(axis=1) == 2).all()


def test_half_precision_and_whole_values():
    np.testing.assert_array_equal(follow(Rule(store="lossless"), BIAS).decoded(), BIAS.values)
    halves = follow(Rule(store="fp16"), BIAS)
    assert halves.values.dtype == np.float16


@pytest.mark.parametrize(
    ("tensor", "rule", "reason"),
    [
        (
            Plain(values=np.array([[1e6]], np.float32)),
            Rule(store="fp16"),
            "no room for its largest",
        ),
        (Plain(values=np.array([[np.nan]], np.float32)), Rule(), "not finite"),
        (Plain(values=np.array([[1]])), Rule(), 'store is "lossless" for int64'),
        (TENSOR, Rule(scale=5), "5"),
        (TENSOR, Rule(shape="block 5x5", sparsity=0.5), "5"),
    ],
)
def test_a_rule_that_does_not_fit_is_told_why(tensor, rule, reason):
    with pytest.raises(ValueError, match=reason):
        follow(rule, tensor)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("default.bit = 4", r"\[default\]: no key is called bit; keys are store, bits"),
        ("default.bits = 17", r"\[default\]: bits is a whole number from 2 to 16; got 17"),
        ("default.bits = 1", "from 2 to 16; got 1"),
        ("default.bits = '4'", "bits is a whole number .* got '4'"),
        ("default.bits = true", "got True"),
        ("default.method = 'k-means'", "method is one of affine, affine-asymmetric, kmeans"),
        ("default.method = 'nf4'", "bits is 4 where method is nf4; got 8"),
        ("default.sparsity = 90", r"fraction in \[0, 1\); got 90. Did you mean 0.9\?"),
        ("default.shape = '4:2'", 'shape is "free", "2:4", "bank 16" or "block 4x4"; got \'4:2\''),
        ("default.scale = 'row'", "got 'row'"),
        ("default.codec = 'float'", "codec is one of fixed, huffman"),
        ("default.positions = 'csr'", "positions is one of symbols, relative, bitmap"),
        ("defaults.bits = 4", r"sections are \[default\] and \[\[tensor\]\]; got \[defaults\]"),
        ("tensor.bits = 4", "two brackets"),
        ("[[tensor]]\nbits = 4", r"\[\[tensor\]\] number 1: match is a pattern"),
        ("[[tensor]]\nmatch = 'a'\nbits = 99", r"\[\[tensor\]\] number 1: bits is"),
        ("default = 4", r"\[default\] is a section of keys; got 4"),
    ],
)
def test_a_slip_is_told_with_its_place(text, reason):
    with pytest.raises(RecipeError, match=reason):
        parse_recipe(text)


def test_a_file_is_named_in_its_error(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text("bits = = 4")
    with pytest.raises(RecipeError, match=r"r\.toml is no TOML"):
        read_recipe(path)
    path.write_text("default.bits = 99")
    with pytest.raises(RecipeError, match=r"r\.toml: \[default\]: bits"):
        read_recipe(path)
