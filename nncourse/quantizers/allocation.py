"""Allocation: one width for each layer, so that the loss is least and a budget holds.

What a width loses a layer (accuracy, squared error) and what it costs (bytes, cycles) are given as
tables; which widths to take is then a knapsack problem. The greedy answer steps down where a unit of
cost loses least; the exact answer is proven to be the best there is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.quantizers import knapsack
from nncourse.quantizers.knapsack import ROUNDING, Problem

METHODS = ("exact", "greedy")
ROUNDING_OF_GAP = 1e-12  # share of the loss that rounding may leave between a choice and its bound
NONE_MEETS_ALL = "budget: each part can be met alone, but no choice that meets all of them {}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Allocation:
    """One width for each layer.

    choice  index into the widths, int64, shape (layers,)
    loss    sum of the losses of the chosen widths
    cost    sum of their costs, float64, the shape of the budget
    bound   no choice within the budget loses less than this; the exact method reaches it
    """

    choice: NDArray[np.int64]
    loss: float
    cost: NDArray[np.float64]
    bound: float

    @property
    def gap(self) -> float:
        """How much less, at most, another choice could lose; 0 for the exact method."""
        return self.loss - self.bound

    @property
    def optimal(self) -> bool:
        """Whether the choice is proven to be the best, up to rounding."""
        return self.gap <= ROUNDING_OF_GAP * abs(self.loss)


def allocate(
    loss: ArrayLike, cost: ArrayLike, *, budget: ArrayLike, method: str = "exact"
) -> Allocation:
    """The choice of one width per layer with the least total loss whose total cost is within ``budget``.

    loss    what each layer loses at each width, shape (layers, widths), finite, any sign
    cost    what it costs, at least 0, shape (layers, widths); or (constraints, layers, widths) for
            several budgets that hold together, such as bytes and cycles
    budget  the most that the costs may add up to: one number, or shape (constraints,)
    method  "exact"   the least possible loss. For one budget: dynamic programming over the partial
                      choices that no other beats in both loss and cost, cut short by a Lagrangian
                      bound. For several: the integer program, solved by HiGHS to its tolerances
            "greedy"  from the least loss, the steps down that lose least per unit saved, until the
                      budget holds; then whatever still fits is given back

    Losses are taken to add up over the layers, which is an assumption: measure the network that comes
    out. Costs in whole numbers add up exactly; others may be over by their rounding error. Milliseconds
    for a network of 54 layers; minutes where losses fall in exact proportion to costs, for then no bound
    tells one choice from another.

    Raises ValueError naming the least possible cost where no choice is within the budget.

    >>> loss = [[9.0, 1.0, 0.0], [4.0, 3.0, 0.0]]  # two layers at 2, 4 and 8 bits
    >>> size_bytes = [[200, 400, 800], [50, 100, 200]]
    >>> allocate(loss, size_bytes, budget=600).choice
    array([1, 2])
    >>> allocate(loss, size_bytes, budget=240)
    Traceback (most recent call last):
    ValueError: budget is below the least possible cost, 250; got 240: raise it or offer cheaper widths

    Source: Pisinger, A minimal algorithm for the multiple-choice knapsack problem, European Journal of
    Operational Research 83, 1995.
    """
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}; got {method!r}")
    problem = _checked(loss, cost, budget)
    if not problem.usable.any(axis=1).all():
        raise ValueError(NONE_MEETS_ALL.format("exists: raise one"))
    choice, multiplier = knapsack.greedy(problem)
    reached = problem.total_loss(choice) if problem.fits(choice) else np.inf
    bound, bounds = problem.bounds(multiplier)
    if method == "exact" and reached > bound:
        # A width whose own bound is above what greedy reaches is in no better choice.
        within = problem.usable & (bounds <= reached)
        found = None
        if len(problem.limit) == 1:
            found = knapsack.frontier(problem, within, multiplier=multiplier, reached=reached)
        if found is None:
            found = knapsack.integer_program(problem, within)
        if found is not None and problem.total_loss(found) < reached:
            choice = found
        bound = problem.total_loss(choice)
    if not problem.fits(choice):
        found_none = "was found by greedy: use exact" if method == "greedy" else "exists: raise one"
        raise ValueError(NONE_MEETS_ALL.format(found_none))
    total_loss = problem.total_loss(choice)
    return Allocation(
        choice=choice,
        loss=total_loss,
        cost=problem.total_cost(choice).reshape(np.shape(budget)),
        bound=min(bound, total_loss),
    )


def _checked(loss: ArrayLike, cost: ArrayLike, budget: ArrayLike) -> Problem:
    losses, costs = np.asarray(loss, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    given = np.asarray(budget, dtype=np.float64)
    if losses.ndim != 2 or losses.size == 0 or not np.isfinite(losses).all():
        raise ValueError(
            f"loss is finite, of shape (layers, widths), not empty; got shape {losses.shape}"
        )
    if given.ndim > 1 or given.size == 0 or np.isnan(given).any():
        raise ValueError(f"budget is one number, or one for each constraint; got {budget!r}")
    expected = (*given.shape, *losses.shape)
    if costs.shape != expected:
        raise ValueError(
            f"cost has the shape of budget, then that of loss: {expected}; got {costs.shape}"
        )
    if not (np.isfinite(costs).all() and (costs >= 0).all()):
        raise ValueError(f"cost is finite and at least 0; got {costs.min()} .. {costs.max()}")
    costs = costs.reshape(-1, *losses.shape)
    most = costs.max(axis=2).sum(axis=1)  # limit enough for any choice, and finite
    limit = np.minimum(given.reshape(-1), most)
    limit = limit + 2 * len(losses) * ROUNDING * np.abs(limit)
    least = costs.min(axis=2)
    for position, (lowest, highest) in enumerate(zip(least.sum(axis=1), limit, strict=True)):
        if lowest > highest:
            which = f"budget[{position}]" if given.ndim else "budget"
            raise ValueError(
                f"{which} is below the least possible cost, {lowest:.12g}; got "
                f"{given.reshape(-1)[position]:.12g}: raise it or offer cheaper widths"
            )
    return Problem(loss=losses, cost=costs, limit=limit)
