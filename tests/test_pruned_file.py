"""The file of a pruned network: what comes back, what it weighs, and what happens to damaged ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.bitstream import CodecError
from nncourse.positions import Bitmap, Positions
from nncourse.pruned_file import bytes_by_tensor, ledger, restore, store
from nncourse.pruners import masks
from nncourse.quantizers.affine import choose_qparams, dequantize, quantize


def weights(shape=(32, 16, 3, 3), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


SHAPES = {
    "fine-grained": (lambda w: masks.magnitude_mask(w, sparsity=0.8), Bitmap()),
    "n:m": (lambda w: masks.n_m_mask(w, n=1, m=4), Positions(4)),
    "bank": (lambda w: masks.bank_balanced_mask(w, bank=16, sparsity=0.75), Positions(16)),
    "block": (lambda w: masks.block_mask(w, block=(16, 1), sparsity=0.75), Bitmap(16, 1)),
    "vector": (lambda w: masks.block_mask(w, block=(1, 16), sparsity=0.75), Bitmap(1, 16)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_kept_weights_come_back_bit_for_bit_and_the_others_as_zeros(shape):
    choose, where = SHAPES[shape]
    weight, bias = weights(), weights((32,))
    mask = choose(weight)
    back = restore(store({"w": weight, "b": bias}, {"w": mask}, where=where))
    assert np.array_equal(back["w"], np.where(mask, weight, np.float32(0)))
    assert np.array_equal(back["b"], bias)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_quantized_weights_are_those_of_the_affine_quantizer(shape, bits):
    choose, where = SHAPES[shape]
    weight = weights()
    mask = choose(weight)
    masked = np.where(mask, weight, np.float32(0))
    grid = choose_qparams(masked, bits=bits, axis=0)
    back = restore(store({"w": weight}, {"w": mask}, bits=bits, where=where))["w"]
    assert np.array_equal(back, dequantize(quantize(masked, grid), grid))
    assert not back[~mask].any()


def test_the_parts_weigh_what_the_shape_says():
    weight = weights((64, 128))
    for name, where, position_bits in (
        ("fine-grained", Bitmap(), 64 * 128),
        ("n:m", Positions(4), 64 * 128 // 4 * 2),
        ("bank", Positions(16), 64 * 128 // 4 * 4),
        ("block", Bitmap(16, 1), 64 * 128 // 16),
    ):
        mask = SHAPES[name][0](weight)
        data = store({"w": weight}, {"w": mask}, bits=4, where=where)
        table = ledger(data, baseline_bytes=weight.nbytes).table()["bytes"]
        assert table["positions"] * 8 == position_bits
        assert table["kept weights"] == -(-int(mask.sum()) * 4 // 8)
        assert table["scales"] == 64 * 4
        assert sum(table[row] for row in table.index if row != "total") == len(data)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.sampled_from([None, 2, 8]))
@settings(max_examples=30, deadline=None)
def test_any_mask_comes_back(seed, sparsity, bits):
    weight = weights((5, 7), seed)
    mask = masks.magnitude_mask(weight, sparsity=sparsity)
    back = restore(store({"w": weight}, {"w": mask}, bits=bits))["w"]
    assert back.shape == weight.shape
    assert not back[~mask].any()
    assert bits is not None or np.array_equal(back[mask], weight[mask])


def test_a_mask_that_does_not_fit_its_form_is_refused_with_the_reason():
    weight = weights((4, 16))
    mask = np.zeros((4, 16), dtype=bool)
    mask[0, 0] = True
    with pytest.raises(ValueError, match="keeps 0 to 1 of 4 inputs"):
        store({"w": weight}, {"w": mask}, where=Positions(4))
    with pytest.raises(ValueError, match="part of a block of 4 x 1"):
        store({"w": weight}, {"w": mask}, where=Bitmap(4, 1))
    with pytest.raises(ValueError, match="divide the matrix"):
        store({"w": weight}, {"w": mask}, where=Bitmap(3, 1))
    with pytest.raises(ValueError, match="same shape"):
        store({"w": weight}, {"w": mask[:2]})
    with pytest.raises(ValueError, match="no such name"):
        store({"w": weight}, {"v": mask})
    with pytest.raises(ValueError, match="rename it"):
        store({"w": weight, "w.kept": weight}, {"w": mask})
    with pytest.raises(ValueError, match="finite"):
        store({"w": np.full((4, 16), np.nan)}, {"w": ~mask})


@pytest.mark.parametrize("shape", SHAPES)
def test_damaged_files_raise_or_give_arrays_of_the_right_shape(shape):
    choose, where = SHAPES[shape]
    weight = weights((32, 64))
    data = store({"w": weight}, {"w": choose(weight)}, bits=4, where=where)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(1000):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), size=rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        cut = bytes(damaged[: rng.integers(len(data) // 2, len(data) + 1)])
        try:
            back = restore(cut)
        except CodecError:
            refused += 1
        else:
            assert all(np.isfinite(value).all() or name != "w" for name, value in back.items())
    assert refused > 500


@pytest.mark.parametrize("foreign", [b"", b"{}", b"\x00" * 100, b"\xff" * 9])
def test_foreign_bytes_are_refused(foreign):
    with pytest.raises(CodecError):
        restore(foreign)


def test_every_byte_belongs_to_a_tensor_or_to_the_header():
    weight = weights((32, 64))
    mask = masks.magnitude_mask(weight, sparsity=0.5)
    data = store({"fc.weight": weight, "fc.bias": weight[0]}, {"fc.weight": mask}, bits=4)
    sizes = bytes_by_tensor(data)
    assert sizes["fc.bias"] == 64 * 4
    assert sizes["fc.weight"] == 32 * 64 // 2 * 4 // 8 + 32 * 4 + 32 * 64 // 8
    assert sum(sizes.values()) == len(data)


def test_whole_tensors_are_stored_in_the_same_width_and_biases_are_not():
    weight, whole = weights((32, 64)), weights((10, 32), seed=1)
    mask = masks.magnitude_mask(weight, sparsity=0.5)
    tensors = {"a.weight": weight, "b.weight": whole, "b.bias": whole[:, 0]}
    data = store(tensors, {"a.weight": mask}, bits=4)
    sizes = bytes_by_tensor(data)
    assert sizes["b.weight"] == 10 * 32 // 2 + 10 * 4  # codes and scales, no positions
    assert sizes["b.bias"] == 10 * 4
    grid = choose_qparams(whole, bits=4, axis=0)
    back = restore(data)
    assert np.array_equal(back["b.weight"], dequantize(quantize(whole, grid), grid))
    assert np.array_equal(back["b.bias"], whole[:, 0])
