"""Allocation: never worse than any choice that fits, where greedy falls short, and what cannot be met."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.quantizers.allocation import allocate


def best_by_trying_all(loss, cost, budget):
    """Least loss over every combination that fits; None where none does."""
    cost, budget = np.atleast_3d(cost.T).T, np.atleast_1d(budget)
    layers = np.arange(len(loss))
    losses = [
        loss[layers, choice].sum()
        for choice in itertools.product(range(loss.shape[1]), repeat=len(loss))
        if (cost[:, layers, choice].sum(axis=1) <= budget).all()
    ]
    return min(losses, default=None)


SMALL_COSTS, SMALL_LOSSES = st.integers(0, 12), st.integers(-5, 20)


@st.composite
def problems(draw, *, num_constraints=1, costs=SMALL_COSTS, losses=SMALL_LOSSES):
    layers, widths = draw(st.integers(1, 5)), draw(st.integers(1, 4))

    def table(values):
        size = layers * widths
        values = draw(st.lists(values, min_size=size, max_size=size))
        return np.array(values, dtype=np.float64).reshape(layers, widths)

    loss, cost = table(losses), np.stack([table(costs) for _ in range(num_constraints)])
    least, most = cost.min(axis=2).sum(axis=1), cost.max(axis=2).sum(axis=1)
    share = draw(st.floats(0, 1))
    budget = least + np.floor(share * (most - least))
    return (loss, cost[0], budget[0]) if num_constraints == 1 else (loss, cost, budget)


def check_against_all(loss, cost, budget):
    exact = allocate(loss, cost, budget=budget)
    layers = np.arange(len(loss))
    assert exact.loss == pytest.approx(best_by_trying_all(loss, cost, budget), abs=1e-9)
    assert exact.loss == pytest.approx(loss[layers, exact.choice].sum(), abs=1e-12)
    np.testing.assert_allclose(exact.cost, cost[..., layers, exact.choice].sum(axis=-1))
    assert (exact.cost <= budget).all()
    assert exact.optimal
    return exact


@given(problems())
def test_exact_is_the_best_of_all_combinations_and_greedy_never_beats_it(problem):
    exact = check_against_all(*problem)
    greedy = allocate(*problem[:2], budget=problem[2], method="greedy")
    assert greedy.cost <= problem[2]
    assert greedy.bound <= exact.loss + 1e-9
    assert exact.loss <= greedy.loss + 1e-12


@given(problems(losses=st.floats(-1e3, 1e3), costs=st.integers(0, 10**9)))
def test_exact_is_the_best_for_real_losses_and_costs_of_many_digits(problem):
    check_against_all(*problem)


@given(problems(num_constraints=2))
def test_two_budgets_hold_together(problem):
    loss, cost, budget = problem
    if best_by_trying_all(loss, cost, budget) is None:
        with pytest.raises(ValueError, match="meets all of them exists"):
            allocate(loss, cost, budget=budget)
    else:
        check_against_all(loss, cost, budget)


def network_like(seed, num_layers=54, num_widths=7):
    rng = np.random.default_rng(seed)
    bits = np.arange(2, 2 + num_widths)
    weights = np.exp(rng.normal(9, 1.5, num_layers)).round()
    sensitivity = np.exp(rng.normal(0, 1.5, num_layers))
    loss = sensitivity[:, None] * 4.0**-bits * np.exp(rng.normal(0, 0.3, (num_layers, num_widths)))
    cost = np.ceil(weights[:, None] * bits / 8)
    return loss, cost, float(cost[:, 2].sum())


@pytest.mark.parametrize("seed", range(5))
def test_on_54_layers_of_7_widths_the_integer_program_finds_nothing_better(seed):
    loss, cost, budget = network_like(seed)
    exact = allocate(loss, cost, budget=budget)
    never = np.zeros_like(cost)  # a second budget that always holds sends the problem to HiGHS
    program = allocate(loss, np.stack([cost, never]), budget=[budget, 0.0])
    assert exact.cost <= budget
    assert exact.loss <= program.loss * (1 + 1e-12)
    assert exact.loss == pytest.approx(program.loss, rel=1e-6)


def test_equal_bytes_bought_by_loss_beat_the_fixed_width_they_would_pay_for():
    loss, cost, budget = network_like(7)
    assert allocate(loss, cost, budget=budget).loss < loss[:, 2].sum()


def test_greedy_is_worse_where_one_cheap_good_step_blocks_a_dear_better_one():
    # Both layers at their widest cost 20, one too many. The second layer loses less per byte (0.5 against
    # 0.6), but its only step saves all 10; losing 0.6 once in the first layer would have done.
    loss = np.array([[5.9, 0.6, 0.0], [5.0, 5.0, 0.0]])
    cost = np.array([[0.0, 9.0, 10.0], [0.0, 0.0, 10.0]])
    greedy = allocate(loss, cost, budget=19, method="greedy")
    exact = allocate(loss, cost, budget=19)
    np.testing.assert_array_equal(exact.choice, [1, 2])
    assert (exact.loss, greedy.loss) == (0.6, 5.0)
    assert not greedy.optimal
    assert exact.optimal
    assert greedy.gap >= greedy.loss - exact.loss


def test_greedy_gives_back_what_its_last_step_saved_too_much():
    # The step of the large layer frees 100 for an overdraft of 1, and the small layer then fits again.
    loss = np.array([[1.0, 0.0], [0.5, 0.0]])
    cost = np.array([[0.0, 100.0], [9.0, 10.0]])
    greedy = allocate(loss, cost, budget=50, method="greedy")
    np.testing.assert_array_equal(greedy.choice, [0, 1])


def test_a_budget_that_never_binds_leaves_every_layer_its_least_loss():
    loss, cost = np.array([[3.0, 1.0, 1.0], [0.0, 2.0, 0.0]]), np.array([[1.0, 2, 3], [4, 5, 6]])
    for method in ("exact", "greedy"):
        wide = allocate(loss, cost, budget=np.inf, method=method)
        np.testing.assert_array_equal(wide.choice, [1, 0])  # of equal losses the cheaper width
        assert wide.gap == pytest.approx(0, abs=1e-12)


def test_the_least_possible_cost_is_a_budget_that_can_be_met():
    loss, cost, _ = network_like(3)
    for method in ("exact", "greedy"):
        least = allocate(loss, cost, budget=cost.min(axis=1).sum(), method=method)
        np.testing.assert_array_equal(least.choice, 0)


def test_a_budget_spent_to_the_last_digit_of_a_fraction_is_met():
    cost = np.array([[0.1, 0.3], [0.2, 0.4], [0.3, 0.7]])
    loss = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert allocate(loss, cost, budget=0.6).cost == pytest.approx(0.6)  # 0.1 + 0.2 + 0.3 > 0.6
    assert allocate(loss, cost, budget=1.4).loss == 0  # 0.3 + 0.4 + 0.7


def test_tables_are_not_modified():
    loss, cost, budget = network_like(0)
    before = loss.copy(), cost.copy()
    allocate(loss, cost, budget=budget)
    np.testing.assert_array_equal(loss, before[0])
    np.testing.assert_array_equal(cost, before[1])


LOSS, COST = np.ones((2, 3)), np.full((2, 3), 5.0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: allocate(LOSS, COST, budget=9), "least possible cost, 10; got 9"),
        (lambda: allocate(LOSS, [COST, COST], budget=[10, 9]), r"budget\[1\] is below .* 10"),
        (lambda: allocate(LOSS, COST, budget=-1), "least possible cost, 10; got -1"),
        (lambda: allocate(LOSS, COST[:1], budget=10), r"shape of budget.*\(2, 3\); got \(1, 3\)"),
        (lambda: allocate(LOSS, COST, budget=[10, 10]), r"\(2, 2, 3\); got \(2, 3\)"),
        (lambda: allocate(LOSS, -COST, budget=10), "at least 0"),
        (lambda: allocate(LOSS * np.nan, COST, budget=10), "loss is finite"),
        (lambda: allocate(LOSS[0], COST, budget=10), "loss is finite, of shape"),
        (lambda: allocate(LOSS, COST, budget=np.nan), "budget is one number"),
        (lambda: allocate(LOSS, COST, budget=10, method="dp"), "method is one of exact, greedy"),
    ],
)
def test_bad_input_names_the_argument_and_the_fix(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_greedy_that_finds_nothing_for_two_budgets_says_to_use_exact():
    # The middle widths alone meet both budgets, but the last ones cost less when both are added up.
    loss = np.array([[0.0, 9.0, 0.1]] * 3)
    cost = np.array([[[3.0, 1.0, 0.0]] * 3, [[0.0, 1.0, 1.9]] * 3])
    np.testing.assert_array_equal(allocate(loss, cost, budget=[3, 3]).choice, [1, 1, 1])
    with pytest.raises(ValueError, match="found by greedy: use exact"):
        allocate(loss, cost, budget=[3, 3], method="greedy")
