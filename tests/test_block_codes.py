"""Blocks against the formats' own casts, and the file against what was put into it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.experiments import block_codes, block_file
from nncourse.experiments.block_file import Blocks, Pairs
from nncourse.formats import cast
from nncourse.pruners.masks import n_m_mask
from nncourse.quantizers.affine import choose_qparams, dequantize, quantize
from nncourse.quantizers.codebook import NF4


def matrix(seed, *, rows=12, columns=64, spread=3.0):
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.normal(size=(rows, columns)) * spread / 2)
    return (rng.normal(size=(rows, columns)) * sizes * 0.05).astype(np.float32)


WAYS = {
    "int4": lambda m: block_codes.rounded(m, bits=4),
    "int3 a row": lambda m: block_codes.rounded(m, bits=3, block=None),
    "nf4": block_codes.nf4,
    "mxfp4": block_codes.mxfp4,
    "nvfp4": block_codes.nvfp4,
    "ternary": block_codes.ternary,
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["mxfp4", "nvfp4"])
def test_blocks_of_fp4_hold_what_the_format_s_cast_gives(name, seed):
    values = matrix(seed)
    expected = cast(values.astype(np.float64), name)
    np.testing.assert_allclose(WAYS[name](values).values(), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("block", [None, 32])
def test_whole_numbers_are_those_of_the_affine_quantizer_up_to_a_float16_step(bits, block):
    values = matrix(bits)
    grid = choose_qparams(values, bits=bits, axis=None if block else 0, group_size=block)
    expected = dequantize(quantize(values, grid), grid)
    found = block_codes.rounded(values, bits=bits, block=block).values()
    np.testing.assert_allclose(found, expected, rtol=2.0**-10, atol=1e-7)


def test_nf4_takes_the_nearest_of_its_sixteen_levels():
    values = matrix(1)
    blocks = values.reshape(12, 2, 32)
    peaks = np.abs(blocks).max(axis=2, keepdims=True).astype(np.float16).astype(np.float64)
    nearest = NF4[np.abs(blocks[..., None] / peaks[..., None] - NF4).argmin(axis=-1)] * peaks
    np.testing.assert_allclose(block_codes.nf4(values).values(), nearest.reshape(12, 64), rtol=1e-6)


def test_ternary_values_are_three_and_small_weights_vanish():
    values = matrix(2)
    found = block_codes.ternary(values).values()
    mean = float(np.float16(np.abs(values).mean()))
    assert set(np.unique(found)) == {np.float32(-mean), np.float32(0), np.float32(mean)}
    assert ((found == 0) == (np.abs(values / mean) <= 0.5)).all()


@pytest.mark.parametrize("name", WAYS)
def test_the_file_gives_back_the_values_of_the_blocks(name):
    blocks = WAYS[name](matrix(3))
    data = block_file.store({"w": blocks, "norm": np.arange(4.0, dtype=np.float32)})
    restored = block_file.restore(data)
    np.testing.assert_array_equal(restored["w"], blocks.values())
    np.testing.assert_array_equal(restored["norm"], np.arange(4.0))
    assert restored["norm"].dtype == np.float32


def test_bytes_of_a_block_are_those_of_its_format():
    values = np.ones((32, 64), np.float32) + matrix(4, rows=32)
    empty = len(block_file.store({"w": np.zeros(0, np.float32)}))
    sizes = {name: len(block_file.store({"w": way(values)})) - empty for name, way in WAYS.items()}
    assert sizes["mxfp4"] - sizes["int4"] == pytest.approx(32 * 2 * (1 - 2), abs=40)
    codes, scales = 32 * 64 // 2, 32 * 4 + 4
    assert 0 <= sizes["nvfp4"] - codes - scales < 200


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_pairs_keep_two_of_four_and_their_places(seed):
    values = matrix(seed, rows=3, columns=16)
    keep = n_m_mask(values, n=2, m=4)
    pairs = Pairs(matrix=values, keep=keep)
    restored = block_file.restore(block_file.store({"w": pairs}))["w"]
    np.testing.assert_array_equal(restored, pairs.values())
    np.testing.assert_array_equal(restored[~keep], 0)
    np.testing.assert_array_equal(restored[keep], values[keep].astype(np.float16))


def test_pairs_take_nine_sixteenths_of_float16():
    values = matrix(5, rows=64, columns=256)
    pairs = Pairs(matrix=values, keep=n_m_mask(values, n=2, m=4))
    dense = len(block_file.store({"w": values}))
    assert len(block_file.store({"w": pairs})) / dense == pytest.approx(9 / 16, rel=0.01)


def test_a_block_of_zeros_comes_back_as_zeros():
    values = matrix(6)
    values[:, :32] = 0
    for name, way in WAYS.items():
        assert (way(values).values()[:, :32] == 0).all(), name


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="blocks of 32"):
        block_codes.nf4(np.ones((2, 40), np.float32))
    with pytest.raises(ValueError, match="does not divide"):
        Blocks(element="int4", codes=np.zeros((2, 6), np.uint8), scale=np.ones((2, 4), np.float32))
    with pytest.raises(ValueError, match="two of every four"):
        Pairs(matrix=np.ones((1, 4), np.float32), keep=np.ones((1, 4), bool))
    with pytest.raises(ValueError, match="name levels"):
        Blocks(
            element="ternary", codes=np.full((1, 4), 3, np.uint8), scale=np.ones((1, 1), np.float32)
        )
    with pytest.raises(ValueError, match="beyond float16"):
        block_file.store({"w": np.array([1e6])})
