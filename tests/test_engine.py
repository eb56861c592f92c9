"""EIE's engine: what its elements store, how long they take, and who waits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncourse.accelerator.engine import Engine, stored_entries, stored_entries_textbook


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 80),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 4),
    st.floats(0, 0.5),
)
@settings(deadline=None)
def test_the_fast_form_is_the_textbook_form(seed, outputs, inputs, elements, bits, density):
    mask = np.random.default_rng(seed).random((outputs, inputs)) < density
    expected = stored_entries_textbook(mask, elements=elements, index_bits=bits)
    assert np.array_equal(stored_entries(mask, elements=elements, index_bits=bits), expected)


def test_the_column_of_the_paper_takes_four_entries():
    # [0, 0, 1, 2, 18 zeros, 3] is stored as 1, 2, a zero that spans 16 places, and 3.
    column = np.zeros((23, 1), dtype=bool)
    column[[2, 3, 22], 0] = True
    assert stored_entries(column, elements=1).tolist() == [[4]]
    assert stored_entries(column, elements=1, index_bits=5).tolist() == [[3]]


def test_rows_are_dealt_in_turn():
    mask = np.zeros((6, 1), dtype=bool)
    mask[[0, 2, 4], 0] = True
    assert stored_entries(mask, elements=2).tolist() == [[3, 0]]
    assert stored_entries(mask, elements=3).tolist() == [[1, 1, 1]]


def cycles_by_the_broadcast(entries, depth):
    """The loop told from the side of the broadcast, with clocks as floats."""
    finished, done, broadcast = np.zeros(entries.shape[1]), [], -1.0
    for number, column in enumerate(entries):
        broadcast += 1
        if number >= depth:
            broadcast = max(broadcast, done[number - depth])
        finished = np.maximum(finished, broadcast) + np.maximum(column, 1)
        done.append(finished.max())
    return finished.max() if done else 0


@pytest.mark.parametrize("depth", [1, 2, 8])
@pytest.mark.parametrize("density", [0.02, 0.1, 0.5])
def test_the_engine_takes_what_its_queues_let_it(depth, density):
    rng = np.random.default_rng(0)
    mask, active = rng.random((200, 60)) < density, rng.random(60) < 0.4
    engine = Engine(elements=16, queue_depth=depth)
    entries = stored_entries(mask, elements=16)[active]
    assert engine.cycles(mask, active=active) == cycles_by_the_broadcast(entries, depth)


def test_inputs_that_are_zero_cost_nothing():
    mask = np.random.default_rng(0).random((64, 32)) < 0.2
    engine = Engine(elements=8)
    half = np.arange(32) < 16
    assert engine.cycles(mask, active=half) == engine.cycles(mask[:, :16])
    assert engine.cycles(mask, active=np.zeros(32, dtype=bool)) == 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 12), st.integers(1, 5))
@settings(deadline=None)
def test_only_columns_that_are_handed_out_are_counted(seed, outputs, inputs, elements):
    rng = np.random.default_rng(seed)
    mask, active = rng.random((outputs, inputs)) < 0.3, rng.random(inputs) < 0.5
    engine = Engine(elements=elements, queue_depth=2)
    assert engine.cycles(mask, active=active) == engine.cycles(mask[:, active])
    assert engine.load_balance(mask, active=active) == engine.load_balance(mask[:, active])
    assert engine.cycles(np.asfortranarray(mask), active=active) == engine.cycles(
        mask, active=active
    )


def test_the_expected_entries_are_the_mean_over_masks():
    engine = Engine(elements=8)
    found = []
    for seed in range(40):
        mask = np.random.default_rng(seed).random((800, 50)) < 0.03
        found.append(stored_entries(mask, elements=8).sum() / 8)
    expected = engine.theoretical_cycles(
        inputs=50, outputs=800, weight_density=0.03, activation_density=1.0
    )
    assert expected == pytest.approx(np.mean(found), rel=0.02)


def test_balance_and_real_work_are_shares():
    mask = np.random.default_rng(0).random((640, 50)) < 0.04
    engine = Engine(elements=64)
    assert 0 < engine.load_balance(mask) <= 1
    entries = stored_entries(mask, elements=64).sum()
    assert engine.real_work(mask) == mask.sum() / entries
    balanced = np.ones((640, 50), dtype=bool)
    assert engine.load_balance(balanced) == engine.real_work(balanced) == 1


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="elements"):
        Engine(elements=0)
    with pytest.raises(ValueError, match="clock_hz"):
        Engine(clock_hz=0)
    with pytest.raises(ValueError, match="boolean of shape"):
        stored_entries(np.ones((3, 3)), elements=2)
    with pytest.raises(ValueError, match="one for each input"):
        Engine().cycles(np.ones((3, 3), dtype=bool), active=np.ones(2, dtype=bool))
    with pytest.raises(ValueError, match="weight_density is a fraction"):
        Engine().theoretical_cycles(inputs=3, outputs=3, weight_density=9, activation_density=1.0)
