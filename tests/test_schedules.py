"""Schedules: the sparsity of each round."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.pruners.schedules import cubic, dense_sparse_dense, iterative, one_shot

SPARSITY = st.floats(0.0, 0.999)
ROUNDS = st.integers(1, 50)


@given(SPARSITY, ROUNDS)
def test_every_pruning_schedule_ends_exactly_where_it_was_told_to(final, rounds):
    for schedule in (one_shot, iterative, cubic):
        sparsities = schedule(final, rounds=rounds)
        assert len(sparsities) == rounds
        assert sparsities[-1] == final


@given(SPARSITY, ROUNDS)
def test_no_schedule_steps_back_before_it_ends(final, rounds):
    for schedule in (one_shot, iterative, cubic):
        sparsities = schedule(final, rounds=rounds)
        assert all(a <= b + 1e-12 for a, b in itertools.pairwise(sparsities))


@given(SPARSITY, st.integers(2, 20))
def test_each_iterative_round_keeps_the_same_share_of_what_is_left(final, rounds):
    kept = [1.0, *(1 - sparsity for sparsity in iterative(final, rounds=rounds))]
    shares = [after / before for before, after in itertools.pairwise(kept)]
    assert max(shares) - min(shares) < 1e-9


def test_the_cubic_schedule_follows_its_published_equation():
    # s_t = s_f + (s_i - s_f) (1 - t / n)^3, here with s_i = 0.1, s_f = 0.9, n = 4
    expected = (0.5625, 0.8, 0.8875, 0.9)
    assert cubic(0.9, rounds=4, initial=0.1) == pytest.approx(expected)


def test_the_whole_network_comes_back_in_the_second_half():
    assert dense_sparse_dense(0.3, rounds=5) == (0.3, 0.3, 0.3, 0.0, 0.0)


@pytest.mark.parametrize("schedule", [one_shot, iterative, cubic, dense_sparse_dense])
def test_bad_arguments_are_named(schedule):
    with pytest.raises(ValueError, match=r"fraction in \[0, 1\), got 90. Did you mean 0.9"):
        schedule(90, rounds=3)
    with pytest.raises(ValueError, match=r"got 1\.0"):
        schedule(1.0, rounds=3)
    with pytest.raises(ValueError, match="rounds is a whole number"):
        schedule(0.5, rounds=0)
    with pytest.raises(ValueError, match="rounds is a whole number"):
        schedule(0.5, rounds=2.0)


def test_the_first_sparsity_is_not_above_the_last():
    with pytest.raises(ValueError, match=r"initial is a sparsity from 0 to final=0\.5"):
        cubic(0.5, rounds=3, initial=0.6)


def test_dense_sparse_dense_needs_two_rounds():
    with pytest.raises(ValueError, match="at least 2"):
        dense_sparse_dense(0.5, rounds=1)
