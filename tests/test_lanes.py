"""Lanes: the expected slowest, and arrays that skip zeros."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.accelerator import Gemm, Lanes
from nncourse.accelerator.lanes import expected_max


@pytest.mark.parametrize("lanes", [1, 4, 16, 64, 256])
@pytest.mark.parametrize("group", [8, 16, 64])
@pytest.mark.parametrize("density", [0.1, 0.2, 0.5])
def test_the_expected_largest_count_agrees_with_drawing_many(lanes, group, density):
    drawn = np.random.default_rng(0).binomial(group, density, size=(20_000, lanes)).max(axis=1)
    assert expected_max(lanes, group, density) == pytest.approx(drawn.mean(), rel=0.02)


def test_sixteen_lanes_of_thirty_two_weights_make_three_times_of_five():
    # A fifth of the weights is left. Four sizes of array, each with a group that ends near 3x.
    for lanes, group, speedup in ((16, 32, 3.02), (32, 48, 3.07), (64, 56, 3.01), (256, 80, 2.99)):
        assert group / expected_max(lanes, group, 0.2) == pytest.approx(speedup, abs=0.005)


@pytest.mark.parametrize(
    ("lanes", "speedups"),
    [
        (4, [2.87, 3.28, 3.65, 3.97, 4.22, 4.43, 4.71]),
        (16, [2.13, 2.58, 3.02, 3.43, 3.79, 4.08, 4.52]),
        (64, [1.76, 2.20, 2.65, 3.09, 3.49, 3.84, 4.39]),
        (256, [1.53, 1.95, 2.40, 2.85, 3.28, 3.66, 4.28]),
    ],
)
def test_speed_at_a_fifth_of_the_weights_falls_with_lanes_and_grows_with_groups(lanes, speedups):
    groups = (8, 16, 32, 64, 128, 256, 1152)
    found = [group / expected_max(lanes, group, 0.2) for group in groups]
    assert found == pytest.approx(speedups, abs=0.0051)


@given(st.integers(4, 300), st.integers(16, 600))
def test_the_rule_of_thumb_lies_a_little_low(lanes, group):
    rule = 1 / (0.2 + np.sqrt(2 * 0.2 * 0.8 * np.log(lanes) / group))
    exact = group / expected_max(lanes, group, 0.2)
    assert 0.82 <= rule / exact <= 1


@given(st.integers(1, 100), st.integers(1, 100), st.floats(0, 1))
def test_the_slowest_lies_between_the_mean_and_all(lanes, group, density):
    slowest = expected_max(lanes, group, density)
    assert density * group - 1e-9 <= slowest <= group + 1e-9


def test_sure_things_are_exact():
    assert expected_max(7, 12, 1.0) == 12
    assert expected_max(7, 12, 0.0) == 0
    assert expected_max(1, 12, 0.25) == pytest.approx(3)


def brute_force(array, mask):
    """Barrier after barrier, lane after lane, vector after vector."""
    outputs, inputs = mask.shape
    cycles = 0
    for tile in range(0, outputs, array.lanes):
        for start in range(0, inputs, array.group * array.width):
            slowest = 0
            for output in range(tile, min(tile + array.lanes, outputs)):
                work = 0
                stop = min(start + array.group * array.width, inputs)
                for place in range(start, stop, array.width):
                    work += bool(mask[output, place : min(place + array.width, stop)].any())
                slowest = max(slowest, work)
            cycles += slowest
    return cycles


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
    st.integers(1, 20),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 6),
)
@settings(deadline=None)
def test_cycles_of_a_mask_are_those_counted_by_hand(seed, outputs, inputs, lanes, width, group):
    mask = np.random.default_rng(seed).random((outputs, inputs)) < 0.4
    array = Lanes(lanes, width=width, group=group)
    assert array.sparse_cycles(mask) == brute_force(array, mask)


@given(st.integers(1, 40), st.integers(1, 90), st.integers(1, 9), st.integers(1, 5))
def test_a_full_mask_takes_the_dense_time(outputs, inputs, lanes, width):
    array = Lanes(lanes, width=width, group=8)
    full = np.ones((outputs, inputs), dtype=bool)
    assert array.sparse_cycles(full) == array.cycles(Gemm("a", 1, outputs, inputs))


@pytest.mark.parametrize("width", [1, 2, 8])
@pytest.mark.parametrize("block", [(1, 1), (4, 1), (3, 2), (1, 5), (1, 16)])
def test_the_expectation_is_the_mean_over_many_masks(width, block):
    # Blocks of 3, 5 and 16 lie across the lanes of a tile, the vectors and the barriers.
    array = Lanes(8, width=width, group=12)
    rng = np.random.default_rng(0)
    rows, columns = block
    drawn = []
    for _ in range(400):
        blocks = rng.random((-(-20 // rows), -(-190 // columns))) < 0.3
        mask = np.repeat(np.repeat(blocks, rows, 0), columns, 1)[:20, :190]
        drawn.append(array.sparse_cycles(mask))
    expected = array.expected_cycles(20, 190, 0.3, block=block)
    assert expected == pytest.approx(np.mean(drawn), rel=0.02)


@given(st.integers(1, 40), st.integers(1, 90), st.integers(1, 5), st.integers(1, 9))
def test_a_density_of_one_takes_the_dense_time_whatever_the_blocks(outputs, inputs, width, columns):
    array = Lanes(4, width=width, group=8)
    dense = array.cycles(Gemm("a", 1, outputs, inputs))
    assert array.expected_cycles(outputs, inputs, 1.0, block=(3, columns)) == pytest.approx(dense)


def test_what_a_queue_buys_back():
    mask = np.random.default_rng(0).random((64, 16 * 2000)) < 0.2
    speedups = [
        mask.shape[1] / Lanes(64, group=16, queue_depth=depth).sparse_cycles(mask)
        for depth in (1, 2, 4, 8, 32)
    ]
    assert speedups == pytest.approx([2.19, 3.54, 4.24, 4.60, 4.84], abs=0.05)


def test_a_vector_is_left_out_only_whole():
    mask = np.random.default_rng(0).random((64, 16 * 3000)) < 0.2
    for width, speedup in ((2, 2.78), (4, 1.69), (8, 1.20), (16, 1.03)):
        array = Lanes(1, width=width, group=64)
        dense = array.cycles(Gemm("a", 1, *mask.shape))
        assert dense / array.sparse_cycles(mask) == pytest.approx(speedup, abs=0.02)


def test_rows_of_unequal_density_lose_what_no_queue_buys_back():
    rng = np.random.default_rng(0)
    for spread, speedup in ((0.3, 3.09), (0.5, 2.47)):
        gains = []
        for _ in range(300):
            density = rng.gamma(1 / spread**2, 0.2 * spread**2, size=16).clip(max=1)
            mask = rng.random((16, 576)) < density[:, None]
            deep = Lanes(16, group=16, queue_depth=36)
            assert deep.sparse_cycles(mask) == mask.sum(axis=1).max()
            gains.append(mask.sum(axis=1).max())
        assert 576 / np.mean(gains) == pytest.approx(speedup, rel=0.06)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="lanes is a whole number of at least 1; got 0"):
        Lanes(0)
    with pytest.raises(ValueError, match="queue_depth"):
        Lanes(4, queue_depth=0.5)
    with pytest.raises(TypeError, match="positional"):
        Lanes(4, 2)
    with pytest.raises(ValueError, match="density is a fraction"):
        expected_max(4, 4, 20)
    with pytest.raises(ValueError, match="boolean of shape"):
        Lanes(4).work(np.ones((4, 4)))
    with pytest.raises(ValueError, match="no closed form"):
        Lanes(4, queue_depth=2).expected_cycles(4, 4, 0.5)
