"""The adaptive codec: below the entropy where neighbors tell something, at it where they do not."""

import numpy as np
import pytest

from nncourse.bitstream import CodecError
from nncourse.codecs import adaptive_kernels as kernels
from nncourse.codecs.adaptive import SYMBOLS_PER_BYTE, Adaptive
from nncourse.codecs.frame import Form
from nncourse.entropy import entropy
from nncourse.pruners.masks import magnitude_mask
from nncourse.quantizers.affine import choose_qparams, quantize
from nncourse.quantizers.codebook import fit_codebook


def form_of(symbols):
    return Form(dtype=symbols.dtype, shape=symbols.shape)


def pruned_indices(num, density=0.1, seed=0):
    """Independent: 0 is a dropped weight, 1 to 15 are the levels of Laplace weights."""
    rng = np.random.default_rng(seed)
    levels = np.clip(np.rint(rng.laplace(0, 2.2, num)), -7, 7) + 8
    return np.where(rng.random(num) < density, levels, 0).astype(np.uint8)


def ratio(symbols):
    """Bytes of the whole stream over the entropy of order 0."""
    return 8 * len(Adaptive().encode(symbols)) / symbols.size / entropy(symbols)


# --- size -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1_000_000,), (1000, 1000), (100, 100, 10, 10)])
def test_independent_pruned_indices_take_1_percent_above_their_entropy_at_most(shape):
    assert 0.999 < ratio(pruned_indices(1_000_000).reshape(shape)) <= 1.01


@pytest.mark.parametrize(
    ("kind", "most"),
    [("int8 Gauss", 1.005), ("int16 Gauss", 1.015), ("4-bit codes, all equally often", 1.005)],
)
def test_other_independent_symbols_take_hardly_more_than_their_entropy(kind, most):
    rng = np.random.default_rng(0)
    symbols = {
        "int8 Gauss": np.clip(np.rint(rng.normal(0, 25, 200_000)), -127, 127).astype(np.int8),
        "int16 Gauss": np.rint(rng.normal(0, 200, 200_000)).astype(np.int16),
        "4-bit codes, all equally often": rng.integers(0, 16, 200_000, dtype=np.uint8),
    }[kind]
    assert ratio(symbols) < most


def test_a_small_tensor_pays_little_for_learning():
    symbols = pruned_indices(1000, density=0.2).reshape(25, 40)
    stream = Adaptive().encode(symbols)
    assert Adaptive().sizes(stream)["payload"] < 1.08 * entropy(symbols) * symbols.size + 32


@pytest.mark.parametrize("axis", [0, 1])
def test_zeros_that_share_a_row_or_a_column_are_cheap(axis):
    """Half of the rows or columns hold nothing, and nobody says which."""
    rng = np.random.default_rng(0)
    symbols = pruned_indices(400 * 400, density=0.3).reshape(400, 400)
    dropped = rng.permutation(400)[:200]
    symbols[(dropped,) if axis == 0 else (slice(None), dropped)] = 0
    assert ratio(symbols) < 0.9


def test_magnitudes_like_those_of_their_neighbors_are_cheap():
    rng = np.random.default_rng(0)
    scales = np.repeat(np.exp(rng.normal(0, 1, 200)), 200).reshape(200, 200)
    symbols = np.clip(np.rint(rng.laplace(0, 3 * scales)), -127, 127).astype(np.int8)
    assert ratio(symbols) < 0.95


def test_real_networks_take_less_than_the_sum_of_the_entropies_of_their_tensors():
    """Pruned to a tenth, and quantized: the kept weights by a codebook of 15 levels, all by a grid of 4 bits."""
    from nncourse.zoo.checkpoints import load_pretrained

    for name in ("lenet-300-100", "lenet-5", "resnet-8"):
        num_bytes, bound = {"codebook": 0, "grid": 0}, {"codebook": 0.0, "grid": 0.0}
        for weight in load_pretrained(name).parameters():
            values = weight.detach().numpy()
            if values.ndim < 2:
                continue
            keep = magnitude_mask(values, sparsity=0.9)
            codebook = fit_codebook(values[keep], 15)
            indices = np.zeros(values.shape, np.uint8)
            indices[keep] = 1 + codebook.assign(values[keep])
            grid = choose_qparams(values, bits=4)
            forms = {"codebook": indices, "grid": quantize(values * keep, grid).astype(np.int8)}
            for kind, symbols in forms.items():
                data = Adaptive().encode(symbols)
                np.testing.assert_array_equal(Adaptive().decode(data), symbols)
                num_bytes[kind] += len(data)
                bound[kind] += entropy(symbols) * symbols.size / 8
        assert num_bytes["codebook"] < bound["codebook"], name
        assert num_bytes["grid"] < bound["grid"], name


# --- symbols of all kinds -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        np.array([-128, 127, -1, 0, 1], np.int8),
        np.array([-32768, 32767, -1, 0, 1], np.int16),
        np.array([65535, 0, 1, 32768], np.uint16),
        np.array([[255]], np.uint8),
        np.array([1, -1] * 50, np.int16),
        np.full((3, 4, 5), -128, np.int8),
        np.random.default_rng(0).integers(-32768, 32768, (7, 5, 3)).astype(np.int16),
        np.random.default_rng(0).integers(0, 2, (40, 40)).astype(np.uint16) * 65535,
        np.arange(5000, dtype=np.uint16),
    ],
    ids=lambda values: f"{values.dtype}-{values.size}",
)
def test_extremes_of_every_dtype_come_back(values):
    codec = Adaptive()
    np.testing.assert_array_equal(codec.decode(codec.encode(values)), values)


def test_symbols_that_contradict_all_that_was_learned_find_room():
    """Zeros until the coder is sure, then the most expensive answers: more than twice the array's size."""
    symbols = np.zeros(60_000, np.uint8)
    symbols[40_000::400] = 255
    codec = Adaptive()
    np.testing.assert_array_equal(codec.decode(codec.encode(symbols)), symbols)


def test_columns_beyond_those_with_a_model_of_their_own_share_one():
    symbols = pruned_indices(3 * 10_000).reshape(3, 10_000)
    codec = Adaptive()
    np.testing.assert_array_equal(codec.decode(codec.encode(symbols)), symbols)


def test_a_row_of_zeros_never_needs_more_symbols_of_a_byte_than_a_reader_allows():
    for count in (1, 1000, SYMBOLS_PER_BYTE, 3_000_000):
        symbols = np.zeros(count, np.int16)
        body = Adaptive().write_body(symbols, form_of(symbols))
        assert count <= SYMBOLS_PER_BYTE * len(body)
        np.testing.assert_array_equal(Adaptive().read_body(body, form_of(symbols)), symbols)


# --- tables ---------------------------------------------------------------------------------------------


def test_stretch_and_squash_are_the_logarithm_of_odds_and_its_inverse():
    stretch, squash, reciprocals = kernels.tables()
    p = np.arange(1, 4096) / 4096
    exact = np.clip(256 * np.log(p / (1 - p)), -2047, 2047)
    assert np.abs(stretch[1:] - exact).max() <= 0.5 + 1e-9
    x = np.arange(-2047, 2048) / 256
    exact = np.clip(65536 / (1 + np.exp(-x)), 24, 65512)
    assert np.abs(squash - exact).max() <= 0.5 + 1e-9
    assert reciprocals[:3].tolist() == [32768, 21845, 16384]


# --- damage ---------------------------------------------------------------------------------------------


def test_a_body_that_ends_early_or_goes_on_is_found_without_a_checksum():
    symbols = pruned_indices(3000)
    body = Adaptive().write_body(symbols, form_of(symbols))
    for damaged in (body[:1], body[: len(body) // 2], body + bytes(5), body + b"12345"):
        with pytest.raises(CodecError):
            Adaptive().read_body(damaged, form_of(symbols))


def test_a_value_beyond_its_dtype_is_found():
    wide = np.array([300, 2, 1], np.int16)
    body = Adaptive().write_body(wide, form_of(wide))
    with pytest.raises(CodecError):
        Adaptive().read_body(body, Form(dtype=np.dtype(np.int8), shape=(3,)))


def test_magnitudes_of_more_bits_than_the_dtype_has_are_found():
    with pytest.raises(CodecError, match="magnitudes of 9 bits in int8"):
        Adaptive().read_body(b"\x09\x80\x01", Form(dtype=np.dtype(np.int8), shape=(3,)))


def test_more_symbols_than_the_bytes_can_hold_are_found_before_they_are_made():
    with pytest.raises(CodecError, match="2 bytes do not hold"):
        Adaptive().read_body(b"\x00\x80\x01", Form(dtype=np.dtype(np.int8), shape=(10**12,)))
