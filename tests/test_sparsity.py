"""The ladder: what each rung makes of zeros, against counting by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.accelerator import (
    EDGE,
    NM,
    Blocks,
    Channels,
    DenseHardware,
    Gating,
    Gemm,
    Lanes,
    Skipping,
    SystolicArray,
)
from nncourse.accelerator.energy import sram_pj_per_byte
from nncourse.accelerator.sparsity import stored_entries
from nncourse.accelerator.workloads import resnet50
from nncourse.accelerator.zeros import PrunedGemm
from nncourse.pruners import masks

ARRAYS = [
    SystolicArray(4, 8, "ws"),
    SystolicArray(8, 4, "os"),
    SystolicArray(4, 4, "is"),
    Lanes(4, group=8),
    Lanes(4, width=2, group=4, queue_depth=2),
]
RUNGS = [DenseHardware(), Gating(), Skipping(), Skipping(index_bits=4), Blocks(2, 2), Channels()]


def pruned(mask, m=5):
    mask = np.atleast_3d(mask) if mask.ndim == 3 else mask[None]
    groups, n, k = mask.shape
    return PrunedGemm(name="layer", m=m, n=n, k=k, groups=groups, zeros=mask)


def drawn(density, shape=(10, 24), seed=0):
    return np.random.default_rng(seed).random(shape) < density


@pytest.mark.parametrize("array", ARRAYS, ids=str)
@pytest.mark.parametrize("rung", [*RUNGS, NM(4, 4)], ids=str)
def test_a_full_mask_takes_the_dense_time_and_energy_on_every_rung(array, rung):
    full = pruned(np.ones((2, 10, 24), dtype=bool))
    dense, found = DenseHardware().effort(array, full), rung.effort(array, full)
    for field in ("cycles", "macs", "input_reads", "output_writes", "output_reads"):
        assert getattr(found, field) == getattr(dense, field), field
    assert found.weight_reads == dense.weight_reads
    assert found.stored_words == dense.stored_words


@pytest.mark.parametrize("array", ARRAYS, ids=str)
def test_dense_hardware_does_not_see_zeros_and_gating_saves_arithmetic_only(array):
    layer = pruned(drawn(0.3))
    dense, gated = (rung.effort(array, layer) for rung in (DenseHardware(), Gating()))
    full = DenseHardware().effort(array, pruned(np.ones((10, 24), dtype=bool)))
    assert dense == full
    assert gated == replace(full, macs=5 * int(layer.zeros.sum()))


def tiles_by_hand(array, mask, m):
    """Cycles of a systolic array that leaves out what no cell of a tile needs, tile by tile."""
    n, k = mask.shape
    cycles = 0
    if array.dataflow == "is":
        for start in range(0, k, array.rows):
            part = mask[:, start : start + array.rows]
            left = int(part.any(axis=1).sum())
            if left:
                cycles += array.cycles_of(m, left, part.shape[1])
        return cycles
    for start in range(0, n, array.cols):
        part = mask[start : start + array.cols]
        left = int(part.any(axis=0).sum())
        if left:
            cycles += array.cycles_of(m, len(part), left)
    return cycles


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["ws", "os", "is"]),
    st.floats(0, 1),
    st.integers(1, 20),
    st.integers(1, 30),
    st.integers(1, 9),
)
@settings(deadline=None)
def test_a_systolic_array_skips_what_a_whole_tile_does_not_use(seed, dataflow, density, n, k, m):
    array = SystolicArray(4, 3, dataflow)
    mask = np.random.default_rng(seed).random((n, k)) < density
    assert Skipping().effort(array, pruned(mask, m)).cycles == tiles_by_hand(array, mask, m)


@pytest.mark.parametrize("dataflow", ["ws", "os", "is"])
@pytest.mark.parametrize("density", [0.05, 0.2])
def test_the_closed_form_of_a_systolic_array_is_near_the_mean_over_masks(dataflow, density):
    array = SystolicArray(4, 4, dataflow)
    known = PrunedGemm(name="a", m=9, n=16, k=96, groups=1, zeros=density)
    found = [
        Skipping().effort(array, pruned(drawn(density, (16, 96), seed), 9)).cycles
        for seed in range(200)
    ]
    assert Skipping().effort(array, known).cycles == pytest.approx(np.mean(found), rel=0.05)


def test_groups_are_added_up():
    masks_ = np.stack([drawn(0.3, seed=seed) for seed in range(3)])
    for array in ARRAYS:
        together = Skipping().effort(array, pruned(masks_))
        apart = [Skipping().effort(array, pruned(mask)) for mask in masks_]
        for field in ("cycles", "macs", "weight_reads", "stored_words", "index_bits"):
            total = sum(getattr(part, field) for part in apart)
            assert getattr(together, field) == pytest.approx(total), field


def entries_by_hand(row, reach):
    entries, run = 0, 0
    for kept in row:
        if kept:
            entries += 1 + run // reach
            run = 0
        else:
            run += 1
    return entries


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(0, 1))
def test_a_relative_index_bridges_long_runs_with_stored_zeros(seed, bits, density):
    mask = np.random.default_rng(seed).random((6, 70)) < density
    expected = sum(entries_by_hand(row, 2**bits) for row in mask)
    assert stored_entries(pruned(mask), bits) == expected


def test_the_expected_number_of_entries_is_the_mean_over_masks():
    known = PrunedGemm(name="a", m=1, n=50, k=400, groups=1, zeros=0.04)
    found = [stored_entries(pruned(drawn(0.04, (50, 400), seed)), 4) for seed in range(50)]
    assert stored_entries(known, 4) == pytest.approx(np.mean(found), rel=0.02)


@pytest.mark.parametrize(("n", "cycles"), [(4, 1760), (2, 880), (1, 440)])
def test_n_of_m_shortens_the_inner_dimension_as_scale_sim_does(n, cycles):
    # SCALE-Sim 3.0.0, 64 x 64 x 64 on a weight-stationary 16 by 16 array, plus its cycle 0.
    layer = PrunedGemm(name="g0", m=64, n=64, k=64, groups=1, zeros=n / 4)
    assert NM(n, 4).effort(SystolicArray(16, 16, "ws"), layer).cycles == cycles


def test_a_mask_that_is_not_n_of_m_is_refused_with_its_place():
    mask = masks.n_m_mask(np.random.default_rng(0).normal(size=(4, 16)), n=2, m=4)
    assert NM(2, 4).effort(EDGE.array, pruned(mask)).stored_words == 32
    mask[3, 8:12] = [True, True, True, False]
    with pytest.raises(ValueError, match="keeps 3 of the inputs 8 to 11 of output 3"):
        NM(2, 4).effort(EDGE.array, pruned(mask))
    too_dense = PrunedGemm(name="a", m=1, n=4, k=8, groups=1, zeros=0.6)
    with pytest.raises(ValueError, match=r"0\.5 at most"):
        NM(2, 4).effort(EDGE.array, too_dense)


def test_a_block_that_fits_is_gained_whole_and_one_across_is_not():
    weight = np.random.default_rng(0).normal(size=(64, 2048))
    arrays = {"systolic": SystolicArray(16, 16, "ws"), "wide": Lanes(1, width=16, group=4)}
    blocks = {"systolic": (16, 1), "wide": (1, 16)}
    for name, array in arrays.items():
        gains = {}
        for other, block in blocks.items():
            layer = pruned(masks.block_mask(weight, block=block, sparsity=0.75))
            dense = DenseHardware().effort(array, layer).cycles
            gains[other] = dense / Blocks(*block).effort(array, layer).cycles
        fits, across = gains.pop(name), gains.popitem()[1]
        assert fits == pytest.approx(4, rel=0.08)
        assert across < 1.1


@pytest.mark.parametrize("block", [(16, 1), (4, 4), (1, 16)])
@pytest.mark.parametrize(
    "array", [SystolicArray(16, 16, "ws"), Lanes(8, width=4, group=8)], ids=str
)
def test_the_closed_form_of_blocks_is_the_mean_over_masks(block, array):
    rows, columns = block
    found = []
    for seed in range(200):
        small = np.random.default_rng(seed).random((64 // rows, 128 // columns)) < 0.25
        layer = pruned(np.repeat(np.repeat(small, rows, 0), columns, 1), 7)
        found.append(Blocks(*block).effort(array, layer).cycles)
    known = PrunedGemm(name="a", m=7, n=64, k=128, groups=1, zeros=0.25)
    assert Blocks(*block).effort(array, known).cycles == pytest.approx(np.mean(found), rel=0.06)


def test_blocks_are_stored_whole_with_a_bit_for_each():
    mask = np.zeros((8, 8), dtype=bool)
    mask[0, 0] = mask[5, 7] = True
    effort = Blocks(4, 2).effort(EDGE.array, pruned(mask))
    assert (effort.stored_words, effort.index_bits) == (16, 8)


@pytest.mark.parametrize("array", ARRAYS, ids=str)
def test_channels_leave_a_smaller_dense_layer(array):
    mask = np.zeros((10, 24), dtype=bool)
    mask[np.ix_([0, 3, 4, 9], range(0, 24, 2))] = True
    effort = Channels().effort(array, pruned(mask))
    small = DenseHardware().effort(array, pruned(np.ones((4, 12), dtype=bool)))
    assert replace(effort, outputs_left=1.0, inputs_left=1.0) == small
    assert (effort.outputs_left, effort.inputs_left) == (0.4, 0.5)


def test_machines_take_masks_by_layer_and_leave_other_layers_whole():
    layers = [Gemm("a", 9, 32, 64), Gemm("b", 9, 16, 32), Gemm("a#2", 9, 32, 64, repeat_of="a")]
    machine = EDGE.with_array(Lanes(16, group=16)).with_sparsity(Skipping())
    mask = drawn(0.2, (32, 64))
    dense, found = machine.run(layers), machine.run(layers, masks={"a": mask})
    assert found.compute_cycles[1] == dense.compute_cycles[1]
    assert found.compute_cycles[0] == found.compute_cycles[2] < dense.compute_cycles[0]
    assert found.effective_macs[0] == 9 * mask.sum()
    assert (found.utilization <= 1).all()
    assert found.dram_bytes[0] < dense.dram_bytes[0]


@pytest.mark.parametrize("rung", [*RUNGS, NM(2, 4)], ids=str)
@pytest.mark.parametrize("array", [SystolicArray(16, 16), Lanes(16, width=4)], ids=str)
def test_no_rung_is_slower_or_hungrier_than_dense_hardware_in_the_array(rung, array):
    machine = EDGE.with_array(array)
    layers = resnet50()
    dense = machine.run(layers, densities=0.25)
    found = machine.with_sparsity(rung).run(layers, densities=0.25)
    assert (found.compute_cycles <= dense.compute_cycles * (1 + 1e-9)).all()
    assert (found.mac_pj <= dense.mac_pj * (1 + 1e-9)).all()
    assert (found.utilization <= 1 + 1e-9).all()


def test_index_bits_are_fetched_and_read():
    layers = [Gemm("fc", 1, 256, 1024)]
    machine = EDGE.with_array(Lanes(16)).with_sparsity(Skipping())
    bitmask = machine.run(layers, densities=0.1)
    four = machine.with_sparsity(Skipping(index_bits=4)).run(layers, densities=0.1)
    words, inputs, outputs = 256 * 1024, 1024, 256
    # Weights and bits fit no buffer, inputs do: everything crosses once.
    assert bitmask.dram_bytes[0] == pytest.approx(words * 0.1 + words / 8 + inputs + outputs)
    entries = stored_entries(
        PrunedGemm(name="fc", m=1, n=256, k=1024, groups=1, zeros=0.1), index_bits=4
    )
    assert four.dram_bytes[0] == pytest.approx(entries * 1.5 + inputs + outputs)
    reads = inputs * 16 + words * 0.1 + words / 8 + outputs * 4
    assert bitmask.sram_pj[0] == pytest.approx(reads * sram_pj_per_byte(machine.sram_bytes))


@pytest.mark.parametrize("array", ARRAYS, ids=str)
@pytest.mark.parametrize("rung", [Skipping(), Skipping(index_bits=2), Blocks(3, 2)], ids=str)
def test_what_is_read_on_chip_is_what_is_stored(array, rung):
    layer = pruned(drawn(0.2), m=9)
    dense, found = DenseHardware().effort(array, layer), rung.effort(array, layer)
    assert found.weight_reads / found.stored_words == dense.weight_reads / dense.stored_words


@pytest.mark.parametrize("rung", [*RUNGS, NM(2, 4)], ids=str)
@pytest.mark.parametrize("array", [SystolicArray(16, 16), Lanes(16)], ids=str)
def test_a_layer_without_any_weight_left_is_no_trouble(rung, array):
    layers = [Gemm("a", 9, 32, 64), Gemm("b", 9, 32, 64)]
    machine = EDGE.with_array(array).with_sparsity(rung)
    report = machine.run(layers, masks={"a": drawn(0.0, (32, 64))})
    gone = not isinstance(rung, DenseHardware)
    assert (report.effective_macs[0] == 0) == gone
    assert report.utilization[0] >= 0
    stored = machine.run(layers, masks={"a": drawn(0.0, (32, 64))}, weight_bytes=[40, 2048])
    assert stored.dram_bytes[0] >= 40


def test_a_short_last_stretch_may_keep_more_than_its_share():
    mask = np.zeros((4, 26), dtype=bool)
    mask[:, 0:24:4] = mask[:, 1:24:4] = mask[:, 24:] = True
    effort = NM(2, 4).effort(EDGE.array, pruned(mask))
    assert effort.stored_words == mask.sum() == 4 * 14
    assert effort.macs == 5 * mask.sum()


def test_zeros_are_given_one_way_and_fit_their_layers():
    layers = [Gemm("a", 9, 32, 64), Gemm("scores", 4, 4, 4, has_weights=False)]
    machine = EDGE.with_sparsity(Gating())
    with pytest.raises(ValueError, match="give one of them"):
        machine.run(layers, masks={}, densities=0.5)
    with pytest.raises(ValueError, match="those there are: a"):
        machine.run(layers, masks={"b": drawn(0.5)})
    with pytest.raises(ValueError, match="boolean with 2048 entries; got bool with 240"):
        machine.run(layers, masks={"a": drawn(0.5)})
    with pytest.raises(ValueError, match="share kept from 0 to 1"):
        machine.run(layers, densities=[0.5])
    with pytest.raises(ValueError, match="share kept from 0 to 1"):
        machine.run(layers, densities=20)
    report = machine.run(layers, densities=0.5)
    assert report.effective_macs.tolist() == [9 * 32 * 64 / 2, 64]


def test_rungs_that_make_no_sense_are_refused():
    from nncourse.accelerator import FUSIBLE

    with pytest.raises(ValueError, match="index_bits"):
        Skipping(index_bits=0)
    with pytest.raises(ValueError, match="0 < n <= m"):
        NM(5, 4)
    with pytest.raises(ValueError, match="at least 1"):
        Blocks(0, 2)
    with pytest.raises(ValueError, match="systolic array, on dense or gated hardware; got"):
        EDGE.with_sparsity(Skipping()).with_cell(FUSIBLE)
    gated = EDGE.with_sparsity(Gating()).with_cell(FUSIBLE)
    reports = [gated.run(resnet50(), densities=density) for density in (1.0, 0.25)]
    assert reports[1].mac_pj == pytest.approx(reports[0].mac_pj / 4)
