"""The multiple-choice knapsack behind :mod:`nncourse.quantizers.allocation`, and three ways to solve it.

One width is taken in every layer; losses and costs add up; the costs stay within their limits. Greedy
gives a good choice and the price of a unit of cost. With that price, a bound on every better choice
rules out most widths, and what is left is small enough to be searched completely.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

MAX_STATES = 500_000  # that the frontier holds at a time before it gives up
ROUNDING = float(np.finfo(np.float64).eps)  # relative error of one addition
HIGHS_SCALE = 1e4  # HiGHS stops within an absolute 1e-6 of the optimum, so losses are scaled up

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Tables that were checked before: finite, costs not negative, the limits within reach one by one.

    loss   shape (layers, widths)
    cost   shape (constraints, layers, widths)
    limit  shape (constraints,), with room for rounding already added
    """

    loss: Floats
    cost: Floats
    limit: Floats

    @cached_property
    def usable(self) -> Flags:
        """False where a width is over a limit even if every other layer takes its cheapest."""
        least = self.cost.min(axis=2)
        others = least.sum(axis=1, keepdims=True) - least
        most = (self.limit[:, None] - others)[:, :, None] + self._rounding
        return np.asarray((self.cost <= most).all(axis=0))

    @cached_property
    def combined(self) -> tuple[Floats, float]:
        """One constraint that follows from all of them: costs (layers, widths) and their limit."""
        if len(self.limit) == 1:
            return self.cost[0], float(self.limit[0])
        weights = np.divide(1, self.limit, out=np.zeros_like(self.limit), where=self.limit > 0)
        return np.tensordot(weights, self.cost, 1), float(weights @ self.limit)

    def total_loss(self, choice: Indices) -> float:
        """Sum of the losses of ``choice``."""
        return float(self.loss[np.arange(choice.size), choice].sum())

    def total_cost(self, choice: Indices) -> Floats:
        """Sums of the costs of ``choice``, shape (constraints,)."""
        return np.asarray(self.cost[:, np.arange(choice.size), choice].sum(axis=1))

    def fits(self, choice: Indices) -> bool:
        """Whether ``choice`` is within every limit, rounding forgiven."""
        return bool((self.total_cost(choice) <= self.limit + self._rounding.ravel()).all())

    def bounds(self, multiplier: float) -> tuple[float, Floats]:
        """Least loss that any choice can have, and any choice with a given width, (layers, widths).

        Each unit of cost is charged ``multiplier``, the whole limit is credited, and every layer takes
        what is then least: a Lagrangian bound, lowered by the rounding error it may carry.
        """
        cost, limit = self.combined
        priced = np.where(self.usable, self.loss + multiplier * cost, np.inf)
        least = priced.min(axis=1)
        magnitude = float(np.abs(least).sum()) + multiplier * limit
        bound = float(least.sum()) - multiplier * limit - 4 * len(least) * ROUNDING * magnitude
        return bound, bound + (priced - least[:, None])

    @property
    def _rounding(self) -> Floats:
        return (len(self.loss) * ROUNDING * self.limit)[:, None, None]


def greedy(problem: Problem) -> tuple[Indices, float]:
    """Choice by the best loss per unit of cost, and what that unit was at the last step down.

    From the least loss (ties: the cheapest), the steps down the lower convex hull of each layer are
    taken in order of their slope until the choice fits; then, as long as anything fits, the width that
    gains most is given back. With several constraints it may end without a choice that fits.
    """
    cost, _ = problem.combined
    loss = np.where(problem.usable, problem.loss, np.inf)
    layers = np.arange(len(loss))
    tied = loss == loss.min(axis=1, keepdims=True)
    choice = np.where(tied, cost, np.inf).argmin(axis=1)
    price = 0.0
    if not problem.fits(choice):
        layer, width, slope = _steps_down(loss, cost, choice)
        before = np.concatenate([choice[:, None], width], axis=1)
        after = np.take_along_axis(problem.cost, before[None], axis=2)
        order = np.argsort(slope, axis=None, kind="stable")
        order = order[np.isfinite(slope.ravel()[order])]
        saved = -np.diff(after, axis=2).reshape(len(after), -1)[:, order]
        totals = problem.total_cost(choice)[:, None] - np.cumsum(saved, axis=1)
        enough = (totals <= problem.limit[:, None]).all(axis=0)
        order = order[: enough.argmax() + 1] if enough.any() else order
        choice[layer.ravel()[order]] = width.ravel()[order]  # of one layer, the last step counts
        price = float(slope.ravel()[order[-1]]) if order.size else 0.0
    while problem.fits(choice):
        extra = problem.cost - problem.cost[:, layers, choice][:, :, None]
        room = problem.limit - problem.total_cost(choice)
        gain = loss[layers, choice][:, None] - loss
        gain[(extra > room[:, None, None]).any(axis=0)] = 0
        best = np.unravel_index(gain.argmax(), gain.shape)
        if gain[best] <= 0:
            break
        choice[best[0]] = best[1]
    return choice, price


def frontier(
    problem: Problem, within: Flags, *, multiplier: float, reached: float
) -> Indices | None:
    """Choice of least loss among the widths ``within``, for a problem of one constraint.

    within      bool, shape (layers, widths)
    multiplier  price of a unit of cost for the bound
    reached     loss of a choice that fits; what cannot get below it is dropped

    Layer by layer, it keeps the partial choices that none beats in both loss and cost. None where they
    become more than ``MAX_STATES``, or where rounding leaves no better choice than the one reached.
    """
    (cost,), (limit,) = problem.cost, problem.limit
    loss = problem.loss
    choice = within.argmax(axis=1)
    spread = np.ptp(np.where(within, cost, cost[np.arange(len(cost)), choice][:, None]), axis=1)
    free = np.flatnonzero(within.sum(axis=1) > 1)
    free = free[np.argsort(-spread[free], kind="stable")]
    fixed = np.setdiff1d(np.arange(len(loss)), free)
    least_cost = np.where(within, cost, np.inf).min(axis=1)
    least_priced = np.where(within, loss + multiplier * cost, np.inf).min(axis=1)
    rounding = 4 * len(loss) * ROUNDING * (np.abs(least_priced).sum() + multiplier * limit)
    room = limit - np.append(np.cumsum(least_cost[free][::-1])[::-1], 0)[1:]
    ceiling = reached + multiplier * limit + rounding
    ceiling = ceiling - np.append(np.cumsum(least_priced[free][::-1])[::-1], 0)[1:]
    costs = np.array([cost[fixed, choice[fixed]].sum()])
    losses = np.array([loss[fixed, choice[fixed]].sum()])
    trail = []
    for layer, most_cost, most_priced in zip(free, room, ceiling, strict=True):
        widths = np.flatnonzero(within[layer])
        steps = (cost[layer, widths], loss[layer, widths])
        costs, losses, parents, taken = _extended(
            costs, losses, *steps, most_cost, multiplier, most_priced
        )
        if not 0 < costs.size <= MAX_STATES:
            return None
        trail.append((layer, parents, widths[taken]))
    state = costs.size - 1  # costs ascend, losses descend
    for layer, parents, widths in reversed(trail):
        choice[layer] = widths[state]
        state = parents[state]
    return np.asarray(choice)


def integer_program(problem: Problem, within: Flags) -> Indices | None:
    """Choice of least loss among the widths ``within``, by HiGHS to its tolerances; None for no choice.

    Minimize the sum of ``loss * x`` over x in {0, 1} with one 1 in each layer and every sum of
    ``cost * x`` within its limit.
    """
    layer, width = np.nonzero(within)
    one_each = sparse.csr_array((np.ones(layer.size), (layer, np.arange(layer.size))))
    loss = problem.loss[layer, width]
    objective = (loss - loss.min()) * (HIGHS_SCALE / (np.ptp(loss) or 1.0))
    rows, upper = sparse.csr_array(problem.cost[:, layer, width]), problem.limit
    while True:
        solved = optimize.milp(
            objective,
            integrality=np.ones(layer.size, dtype=np.int64),
            bounds=optimize.Bounds(0, 1),
            constraints=[
                optimize.LinearConstraint(one_each, 1, 1),
                optimize.LinearConstraint(rows, -np.inf, upper),
            ],
            options={"mip_rel_gap": 0},
        )
        if solved.x is None:
            return None
        taken = solved.x > 0.5
        choice = np.zeros(len(within), dtype=np.int64)
        choice[layer[taken]] = width[taken]
        if problem.fits(choice):
            return choice
        # Over a limit by less than the solver's tolerance: rule this choice out and ask again.
        rows = sparse.vstack([rows, sparse.csr_array(taken[None].astype(np.float64))])
        upper = np.append(upper, len(within) - 1)


def _steps_down(loss: Floats, cost: Floats, start: Indices) -> tuple[Indices, Indices, Floats]:
    """Steps of every layer from ``start`` to its cheapest width along the lower convex hull.

    returns  layer, width reached and loss per unit saved of each step, shape (layers, widths); slopes
             ascend along a row, and are infinite where a layer has no step left
    """
    layers, widths, slopes = np.arange(len(loss)), [], []
    now = start
    for _ in range(loss.shape[1]):
        saved = cost[layers, now][:, None] - cost
        rise = loss - loss[layers, now][:, None]
        with np.errstate(over="ignore"):
            slope = np.divide(rise, saved, out=np.full(loss.shape, np.inf), where=saved > 0)
        now = np.where(np.isfinite(slope).any(axis=1), slope.argmin(axis=1), now)
        widths.append(now)
        slopes.append(slope.min(axis=1))
    layer = np.broadcast_to(layers[:, None], loss.shape)
    return layer, np.stack(widths, axis=1), np.maximum.accumulate(np.stack(slopes, axis=1), axis=1)


@numba.njit(cache=True)
def _extended(
    costs: Floats,
    losses: Floats,
    step_costs: Floats,
    step_losses: Floats,
    most_cost: float,
    multiplier: float,
    most_priced: float,
) -> tuple[Floats, Floats, Indices, Indices]:
    """States after one more layer: costs ascending, losses descending, with their parents and steps.

    For each width, the states moved by it are merged into those merged before; a state over a limit,
    or no cheaper and no less lossy than another, is dropped.
    """
    num = 0
    kept_costs, kept_losses = np.empty(0), np.empty(0)
    kept_parents, kept_steps = np.empty(0, np.int64), np.empty(0, np.int64)
    for step in range(step_costs.size):
        size = num + costs.size
        new_costs, new_losses = np.empty(size), np.empty(size)
        new_parents, new_steps = np.empty(size, np.int64), np.empty(size, np.int64)
        count, old, state = 0, 0, 0
        lowest = np.inf
        while True:
            moved_cost, moved_loss = np.inf, np.inf
            while state < costs.size:
                moved_cost = costs[state] + step_costs[step]
                moved_loss = losses[state] + step_losses[step]
                if moved_cost <= most_cost and moved_loss + multiplier * moved_cost <= most_priced:
                    break
                moved_cost = np.inf
                state += 1
            if old == num and state == costs.size:
                break
            if old < num and (
                kept_costs[old] < moved_cost
                or (kept_costs[old] == moved_cost and kept_losses[old] <= moved_loss)
            ):
                cost, loss = kept_costs[old], kept_losses[old]
                parent, taken = kept_parents[old], kept_steps[old]
                old += 1
            else:
                cost, loss, parent, taken = moved_cost, moved_loss, state, step
                state += 1
            if loss < lowest:
                lowest = loss
                new_costs[count], new_losses[count] = cost, loss
                new_parents[count], new_steps[count] = parent, taken
                count += 1
        kept_costs, kept_losses, num = new_costs, new_losses, count
        kept_parents, kept_steps = new_parents, new_steps
    return kept_costs[:num], kept_losses[:num], kept_parents[:num], kept_steps[:num]
