"""The knapsack's parts: bounds that hold, a frontier that gives up in time, a program asked twice."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.quantizers import knapsack
from nncourse.quantizers.allocation import allocate
from nncourse.quantizers.knapsack import Problem, greedy, integer_program


def random_problem(seed, share=0.5, num_layers=4, num_widths=3):
    rng = np.random.default_rng(seed)
    loss = rng.integers(0, 30, (num_layers, num_widths)).astype(np.float64)
    cost = rng.integers(0, 30, (1, num_layers, num_widths)).astype(np.float64)
    low, high = cost[0].min(axis=1).sum(), cost[0].max(axis=1).sum()
    return Problem(loss=loss, cost=cost, limit=np.array([np.floor(low + share * (high - low))]))


@given(seed=st.integers(0, 10_000), share=st.floats(0, 1), multiplier=st.floats(0, 10))
def test_no_choice_that_fits_is_below_its_bounds_whatever_the_multiplier(seed, share, multiplier):
    problem = random_problem(seed, share)
    bound, bounds = problem.bounds(multiplier)
    num_layers, num_widths = problem.loss.shape
    for choice in itertools.product(range(num_widths), repeat=num_layers):
        if problem.fits(np.array(choice)):
            loss = problem.total_loss(np.array(choice))
            assert bound <= loss
            assert (bounds[np.arange(num_layers), choice] <= loss).all()


@pytest.mark.parametrize("seed", range(20))
def test_greedys_price_closes_the_gap_to_less_than_one_step(seed):
    # The linear relaxation differs from the steps of greedy by a part of the last one at most.
    problem = random_problem(seed, num_layers=30, num_widths=6)
    choice, price = greedy(problem)
    steps = np.ptp(problem.loss, axis=1).max()
    assert problem.total_loss(choice) - problem.bounds(price)[0] <= steps


def test_too_many_states_send_the_problem_to_the_integer_program(monkeypatch):
    problems = [random_problem(seed, num_layers=12, num_widths=5) for seed in range(10)]
    asked = []

    def counted(*arguments):
        asked.append(arguments)
        return integer_program(*arguments)

    def solve():
        return [allocate(p.loss, p.cost[0], budget=p.limit[0]).loss for p in problems]

    by_frontier = solve()
    monkeypatch.setattr(knapsack, "integer_program", counted)
    assert solve() == by_frontier
    assert not asked
    monkeypatch.setattr(knapsack, "MAX_STATES", 0)
    assert solve() == by_frontier
    assert len(asked) >= 5  # the others are settled by the bound


def test_a_solution_over_the_limit_by_the_solvers_tolerance_is_ruled_out(monkeypatch):
    problem = Problem(
        loss=np.array([[2.0, 1.0, 0.0], [5.0, 0.0, 0.0]]),
        cost=np.array([[[0.0, 1.0, 1.0 + 1e-9], [0.0, 3.0, 3.0]]]),
        limit=np.array([4.0]),
    )
    solves = []
    milp = knapsack.optimize.milp

    def counted(*arguments, **options):
        solves.append(milp(*arguments, **options))
        return solves[-1]

    monkeypatch.setattr(knapsack.optimize, "milp", counted)
    found = integer_program(problem, np.ones((2, 3), dtype=bool))
    assert found[0] == 1
    assert len(solves) > 1  # what is near enough for the solver is not for the budget


def test_no_choice_within_the_limits_is_none():
    problem = Problem(
        loss=np.zeros((1, 2)),
        cost=np.array([[[0.0, 2.0]], [[2.0, 0.0]]]),
        limit=np.array([1.0, 1.0]),
    )
    assert integer_program(problem, np.ones((1, 2), dtype=bool)) is None
