"""The stored file: what comes back is what the grid says, and damage is always named."""

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.bitstream import CodecError
from nncourse.pipeline import ledger, restore, store
from nncourse.quantizers.affine import QParams, choose_qparams, dequantize, quantize
from nncourse.quantizers.codebook import fit_codebook


def network(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "conv.weight": rng.normal(size=(8, 3, 5, 5)).astype(np.float32),
        "conv.bias": rng.normal(size=8).astype(np.float32),
        "fc.weight": rng.laplace(size=(10, 33)).astype(np.float32),
        "scalar": np.float32(2.5).reshape(()),
    }


@pytest.mark.parametrize("bits", [2, 3, 4, 7, 8, 12, 16])
@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_a_file_gives_back_the_grid_values_bit_for_bit(bits, scheme, axis):
    tensors = network()
    restored = restore(store(tensors, bits=bits, scheme=scheme, axis=axis))
    assert set(restored) == set(tensors)
    for name, value in tensors.items():
        expected = value
        if value.ndim > 1:
            grid = choose_qparams(value, bits=bits, scheme=scheme, axis=axis)
            expected = dequantize(quantize(value, grid), grid)
        np.testing.assert_array_equal(restored[name].view(np.int32), expected.view(np.int32))


def test_four_bit_codes_take_exactly_half_the_bytes_of_eight_bit_codes():
    tensors = {"w": np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)}
    sizes = {
        bits: ledger(store(tensors, bits=bits), baseline_bytes=1).entries["codes"]
        for bits in (4, 8)
    }
    assert sizes == {4: 1024, 8: 2048}


def test_floats_come_back_exactly_and_halves_as_halves():
    tensors = network()
    for name, value in restore(store(tensors, bits="fp32")).items():
        np.testing.assert_array_equal(value, tensors[name])
    halves = restore(store(tensors, bits="fp16"))
    np.testing.assert_array_equal(halves["fc.weight"], tensors["fc.weight"].astype(np.float16))
    np.testing.assert_array_equal(halves["conv.bias"], tensors["conv.bias"])


def test_every_layer_may_have_its_own_width():
    tensors = network()
    restored = restore(store(tensors, bits={"conv.weight": 8, "fc.weight": 3}))
    assert np.unique(restored["fc.weight"][0]).size <= 7
    assert np.unique(restored["conv.weight"][0]).size > 7
    np.testing.assert_array_equal(restored["conv.bias"], tensors["conv.bias"])


@pytest.mark.parametrize("bits", ["fp32", "fp16", 8, 3])
@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
def test_the_ledger_accounts_for_every_byte(bits, scheme):
    data = store(network(), bits=bits, scheme=scheme)
    book = ledger(data, baseline_bytes=10_000)
    assert book.total_bytes == len(data)
    assert ("zero points" in book.entries) == (isinstance(bits, int) and scheme == "asymmetric")


def test_a_float_tensor_named_like_a_part_is_counted_as_floats():
    data = store({"norm.scale": np.ones(8, dtype=np.float32)}, bits=8)
    assert set(ledger(data, baseline_bytes=1).entries) == {"header", "floats"}


def test_a_named_bias_has_one_step():
    bias = np.random.default_rng(1).normal(size=9).astype(np.float32)
    grid = choose_qparams(bias, bits=8)
    np.testing.assert_array_equal(
        restore(store({"b": bias}, bits={"b": 8}))["b"], dequantize(quantize(bias, grid), grid)
    )


def test_storing_is_deterministic():
    assert store(network(), bits=4) == store(network(), bits=4)


@given(
    position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), bits=st.sampled_from([3, 8])
)
@settings(max_examples=400, deadline=None)
def test_a_flipped_bit_is_an_error_or_other_values_never_a_crash(position, bit, bits):
    data = bytearray(store(network(), bits=bits, scheme="asymmetric"))
    data[int(position * len(data))] ^= 1 << bit
    try:
        restored = restore(bytes(data))
    except CodecError:
        return
    assert sum(value.size for value in restored.values()) <= 10 * len(data)


def test_every_truncation_is_refused():
    data = store(network(), bits=4)
    for length in [*range(0, 64), *range(64, len(data), 17), len(data) - 1]:
        with pytest.raises(CodecError):
            restore(data[:length])
    with pytest.raises(CodecError):
        restore(data + b"\0")


def test_another_kind_of_file_is_refused():
    with pytest.raises(CodecError, match="another kind of file"):
        restore(b"PK\x03\x04 a zip file")
    with pytest.raises(CodecError, match="written by store"):
        restore(safetensors.numpy.save({"w": np.zeros(3, dtype=np.float32)}))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"bits": "fp8"}, "fp32"),
        ({"bits": {"fc.wait": 4}}, r"fc\.wait"),
        ({"bits": 1}, r"fc\.weight|conv\.weight"),
        ({"bits": 4, "axis": 9}, "axis"),
    ],
)
def test_bad_arguments_name_the_tensor(arguments, said):
    with pytest.raises(ValueError, match=said):
        store(network(), **arguments)


def test_values_beyond_a_half_and_integers_are_refused():
    with pytest.raises(ValueError, match="beyond fp16"):
        store({"w": np.full((2, 2), 1e6, dtype=np.float32)}, bits="fp16")
    with pytest.raises(ValueError, match="floating"):
        store({"w": np.ones((2, 2), dtype=int)}, bits=8)


def test_a_name_that_hides_another_tensor_is_refused():
    tensors = {"w": np.ones((2, 3), dtype=np.float32), "w.codes": np.ones(3, dtype=np.float32)}
    with pytest.raises(ValueError, match="rename it"):
        store(tensors, bits=8)
    with pytest.raises(ValueError, match="header"):
        store({"__metadata__": np.ones((2, 3), dtype=np.float32)}, bits="fp32")


def test_a_grid_that_is_there_already_is_kept_as_it_is():
    weight = np.random.default_rng(0).normal(size=(8, 16)).astype(np.float32)
    grid = QParams(scale=np.float32(0.3), zero_point=np.int32(0), qmin=-3, qmax=3)
    data = store({"w": weight, "b": weight[0]}, bits={"w": grid})
    assert np.array_equal(restore(data)["w"], dequantize(quantize(weight, grid), grid))
    assert np.array_equal(restore(data)["b"], weight[0])
    assert ledger(data, baseline_bytes=1).entries["codes"] == 8 * 16 * 3 // 8


@pytest.mark.parametrize("num_levels", [1, 2, 3, 16, 300])
def test_a_codebook_comes_back_as_lookup_of_assign_and_its_levels_are_counted(num_levels):
    weight = np.random.default_rng(1).normal(size=(40, 50)).astype(np.float32)
    book = fit_codebook(weight, num_levels)
    data = store({"w": weight}, bits={"w": book})
    levels = book.levels.astype(np.float32)
    assert np.array_equal(restore(data)["w"], levels[book.assign(weight)])
    parts = ledger(data, baseline_bytes=1).entries
    bits = max(1, int(np.ceil(np.log2(num_levels))))
    assert parts["codes"] == np.ceil(weight.size * bits / 8)
    assert parts["codebooks"] == 4 * num_levels


def test_a_grid_with_groups_has_no_place_in_the_file():
    weight = np.ones((4, 8), np.float32)
    grid = choose_qparams(weight, bits=4, group_size=4)
    with pytest.raises(ValueError, match="a grid with groups has no place"):
        store({"w": weight}, bits={"w": grid})


def test_a_tensor_with_the_name_of_a_codebooks_part_is_refused():
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    with pytest.raises(ValueError, match="has the name of a part of 'w'"):
        store({"w": weight, "w.levels": weight}, bits={"w": fit_codebook(weight, 2)})
