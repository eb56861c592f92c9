"""Chances: what is left of tiles and vectors, against drawing and against counting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.accelerator.chances import (
    expected_largest,
    kept_vectors,
    rows_left,
    spans,
    touched,
)

SIDES = st.integers(1, 9)


@given(st.integers(1, 80), SIDES, SIDES)
def test_spans_are_the_pieces_one_by_one(length, side, block):
    pieces = [(at % block, min(side, length - at)) for at in range(0, length, side)]
    found = spans(length, side, block)
    assert sorted(found.elements()) == sorted(pieces)


@given(SIDES, SIDES, st.integers(0, 8))
def test_touched_blocks_are_those_of_its_places(size, block, offset):
    offset %= block
    assert touched(offset, size, block) == len({(offset + at) // block for at in range(size)})


@given(st.integers(0, 3), st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.floats(0, 1))
def test_chances_of_kept_vectors_are_those_of_every_draw(offset, inputs, width, block, density):
    offset %= block
    blocks = touched(offset, inputs, block)
    vectors = -(-inputs // width)
    expected = np.zeros(vectors + 1)
    for draw in range(2**blocks):
        kept = [bool(draw >> place & 1) for place in range(blocks)]
        used = [kept[(offset + at) // block] for at in range(inputs)]
        count = sum(any(used[at : at + width]) for at in range(0, inputs, width))
        expected[count] += density ** sum(kept) * (1 - density) ** (blocks - sum(kept))
    found = kept_vectors(offset, inputs, width=width, block=block, density=density)
    assert found == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 40), SIDES, st.floats(0, 1), SIDES)
def test_rows_left_are_the_mean_over_every_number_of_blocks(length, block, chance, rows):
    sizes = [min(block, length - at) for at in range(0, length, block)]
    distribution = np.zeros(length + 1)
    distribution[0] = 1.0
    for size in sizes:
        kept = np.append(np.zeros(size), distribution[: length + 1 - size])
        distribution = (1 - chance) * distribution + chance * kept
    counts = np.arange(length + 1)
    left, there, folds = rows_left(length, block=block, chance=chance, rows=rows)
    assert left == pytest.approx(distribution @ counts, abs=1e-9)
    assert there == pytest.approx(1 - distribution[0], abs=1e-9)
    assert folds == pytest.approx(distribution @ -(-counts // rows), abs=1e-9)


def test_the_largest_of_two_coins():
    assert expected_largest(np.array([0.5, 0.5]), 2) == 0.75
