"""The measure of the allocation task: its optimum is the one that trying everything finds."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.classroom.checks.byte_budget import least_loss


@given(st.data())
def test_the_least_loss_is_that_of_trying_everything(data):
    num_layers, num_choices = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    shape = (num_layers, num_choices)
    count = num_layers * num_choices
    losses = np.reshape(
        data.draw(st.lists(st.integers(-5, 20), min_size=count, max_size=count)), shape
    )
    sizes = np.reshape(
        data.draw(st.lists(st.integers(0, 12), min_size=count, max_size=count)), shape
    )
    budget = int(sizes.min(axis=1).sum()) + data.draw(st.integers(0, 20))
    layers = np.arange(num_layers)
    tried = [
        losses[layers, list(choice)].sum()
        for choice in product(range(num_choices), repeat=num_layers)
        if sizes[layers, list(choice)].sum() <= budget
    ]
    assert least_loss(losses.astype(float), sizes, budget) == min(tried)


def test_a_budget_that_fits_nothing_is_named():
    with pytest.raises(ValueError, match="budget 3 fits no choice; the smallest need 4"):
        least_loss(np.ones((2, 2)), np.array([[2, 5], [2, 5]]), 3)
