"""The loops of the adaptive codec: the questions, the models that answer them, and their mixture.

*Model of a bit.* A probability of 16 bits and a count. A bit moves the probability towards it by
``1 / (count + 2)``, which is the estimate of Krichevsky and Trofimov, and later by a fixed share.

*Mixer.* Probabilities are stretched to ``log(p / (1 - p))``, added up with weights, and squashed back. After each bit
the weights move along the gradient of the cost.

Source: R. Krichevsky and V. Trofimov, The performance of universal encoding, IEEE Transactions on
Information Theory 27 (1981); M. Mahoney, Adaptive weighing of context models for lossless data
compression, 2005.
"""

from __future__ import annotations

import functools
from decimal import Decimal, localcontext
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from nncourse.codecs import binary_arithmetic as arithmetic

NUM_INPUTS = 6  # models that are asked for each bit
MOST_LINES = 1 << 12  # rows, columns and channels with a model of their own; others share them
COUNT_LIMITS = (1021, 127, 127, 127, 127, 127)  # where a model's share of a new bit stays
INHERITED_COUNT = 3  # of a model that takes over the answer of the first one, which it had not yet
FIRST_WEIGHTS = (65536, *(10_000,) * 5)  # of 2**16
NEIGHBORHOODS = 64  # of a zero: four neighbors, and how many of two more
MAGNITUDES = 44  # classes of a magnitude, two for each doubling
DEPTHS = 8  # sets of weights: one for each depth of a question about a magnitude
MANY_BITS = 8  # width from which on a magnitude is told by its bit length first
TOP_BITS = 3  # below the highest one of a wide magnitude, that have models; the rest are coin flips
Table = NDArray[np.int32]
Model = tuple[Table, Table, Table, Table, Table, Table]


@functools.cache
def tables() -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """log-odds of a probability, the way back, and the reciprocals of counts.

    stretch      of p / 2**12, in 1/256, limited to 2047
    squash       of log-odds -2047 .. 2047 in 1/256, as a probability of 16 bits
    reciprocals  2**16 / (count + 2)

    Decimal arithmetic is the same on every machine; that of floats is not to the last bit.
    """
    with localcontext() as context:
        context.prec = 30
        odds = [Decimal(p) / (4096 - p) for p in range(1, 4096)]
        stretched = [int((256 * ratio.ln()).to_integral_value()) for ratio in odds]
        squashed = [
            int((65536 / (1 + (Decimal(-x) / 256).exp())).to_integral_value())
            for x in range(-2047, 2048)
        ]
    stretch = np.array([-2047, *np.clip(stretched, -2047, 2047)], dtype=np.int32)
    squash = np.clip(np.array(squashed, dtype=np.int32), 24, 65536 - 24)
    reciprocals = np.array([65536 // (count + 2) for count in range(1024)], dtype=np.int32)
    return stretch, squash, reciprocals


def num_nodes(width: int) -> int:
    """Questions about a magnitude of ``width`` bits that have a model."""
    return 1 << width if width <= MANY_BITS else 32 + (width + 1 << TOP_BITS)


def fresh_model(width: int, rows: int, columns: int) -> Model:
    """State before the first symbol: probabilities, counts, weights, and the fixed tables."""
    lines = max(NEIGHBORHOODS, min(max(rows, columns), MOST_LINES))
    slots = 2 * lines + MAGNITUDES * num_nodes(width)
    probabilities = np.full((NUM_INPUTS, slots), 32768, dtype=np.int32)
    counts = np.zeros((NUM_INPUTS, slots), dtype=np.int32)
    weights = np.tile(np.array(FIRST_WEIGHTS, dtype=np.int32), (5 + DEPTHS, 1))
    return probabilities, counts, weights, *tables()


@numba.njit(cache=True)
def encode(
    values: NDArray[np.int32],
    num_columns: int,
    kernel_size: int,
    width: int,
    is_signed: bool,
    probabilities: NDArray[np.int32],
    counts: NDArray[np.int32],
    weights: NDArray[np.int32],
    stretch: NDArray[np.int32],
    squash: NDArray[np.int32],
    reciprocals: NDArray[np.int32],
    room: NDArray[np.uint8],
) -> Any:
    """Writes ``values`` into ``room``; returns the bytes that they take, be it more than there is room."""
    coder = arithmetic.writer()
    tools = (probabilities, counts, weights, stretch, squash, reciprocals, coder, room)
    _walk(False, values, num_columns, kernel_size, width, is_signed, tools)
    return arithmetic.finish(coder, room)


@numba.njit(cache=True)
def decode(
    stream: NDArray[np.uint8],
    num_columns: int,
    kernel_size: int,
    width: int,
    is_signed: bool,
    probabilities: NDArray[np.int32],
    counts: NDArray[np.int32],
    weights: NDArray[np.int32],
    stretch: NDArray[np.int32],
    squash: NDArray[np.int32],
    reciprocals: NDArray[np.int32],
    values: NDArray[np.int32],
) -> Any:
    """Fills ``values`` from ``stream``; whether it ends with the last of them."""
    coder = arithmetic.reader(stream)
    tools = (probabilities, counts, weights, stretch, squash, reciprocals, coder, stream)
    _walk(True, values, num_columns, kernel_size, width, is_signed, tools)
    return arithmetic.ends_here(coder, stream)


@numba.njit(cache=True)
def _walk(is_decoder, values, num_columns, kernel_size, width, is_signed, tools):  # type: ignore[no-untyped-def]
    """Asks the questions about each value in turn; a decoder fills in the answers.

    A decoder stops as soon as it has read more than there is.
    """
    coder, data = tools[6], tools[7]
    num_rows = (values.size + num_columns - 1) // num_columns
    columns = min(num_columns, MOST_LINES)
    signs = max(NEIGHBORHOODS, min(max(num_rows, num_columns), MOST_LINES))
    magnitudes = 2 * signs
    before = 0  # the value before that was not zero
    crowd = 0  # bits: which of the eight before it were not zero
    row_mean = -1  # of the magnitudes before it in its row, in 1/16
    column_means = np.zeros(columns, dtype=np.int64)
    for index in range(values.size):
        if is_decoder and coder[arithmetic.PLACE] > data.size + arithmetic.LOOKAHEAD:
            return
        column = index % num_columns
        if column == 0:
            crowd, row_mean = 0, -1
        left = values[index - 1] if column > 0 else 0
        has_row = index >= num_columns
        up = values[index - num_columns] if has_row else 0
        up_left = values[index - num_columns - 1] if has_row and column > 0 else 0
        up_right = values[index - num_columns + 1] if has_row and column + 1 < num_columns else 0
        up_up = values[index - 2 * num_columns] if index >= 2 * num_columns else 0
        near = (left != 0) + 2 * (up != 0) + 4 * (crowd >> 1 & 1) + 8 * (up_up != 0)
        near += 16 * ((up_left != 0) + (up_right != 0))
        num_before = 0
        for shift in range(8):
            num_before += crowd >> shift & 1
        num_above = (up != 0) + (up_left != 0) + (up_right != 0)
        row = index // num_columns % MOST_LINES
        line = column % columns
        channel = column // kernel_size % columns if kernel_size > 1 else 0
        value = values[index]
        is_zero = _bit(
            is_decoder,
            value == 0,
            (0, near, line, 4 * num_before + num_above, row, channel),
            (left != 0) + 2 * (up != 0),
            tools,
        )
        crowd = crowd << 1 & 255
        magnitude = 0
        if not is_zero:
            crowd |= 1
            is_negative = False
            if is_signed:
                around = 3 * (np.sign(left) + 1) + np.sign(up) + 1
                follows = np.sign(before) + 1
                is_negative = _bit(
                    is_decoder,
                    value < 0,
                    (
                        signs,
                        signs + around,
                        signs + around % 3,
                        signs + follows,
                        signs + row,
                        signs,
                    ),
                    4,
                    tools,
                )
            near = _class(8 * (abs(left) + abs(up)))
            last = _bit_length(abs(before)) + (18 if before < 0 else 0)
            in_row = _class(row_mean) + 1 if row_mean >= 0 else 0
            contexts = (near, last, in_row, _class(column_means[line]))
            magnitude = (
                _magnitude(is_decoder, abs(value) - 1, width, magnitudes, contexts, tools) + 1
            )
            before = -magnitude if is_negative else magnitude
            if is_decoder:
                values[index] = before
        row_mean = 16 * magnitude if row_mean < 0 else row_mean + (16 * magnitude - row_mean >> 3)
        column_means[line] += 16 * magnitude - column_means[line] >> 2


@numba.njit(cache=True)
def _magnitude(is_decoder, magnitude, width, first, contexts, tools):  # type: ignore[no-untyped-def]
    """Asks for the bits of a magnitude, highest first; of a wide one for its bit length first."""
    node = 1
    if width <= MANY_BITS:
        for shift in range(width - 1, -1, -1):
            bit = magnitude >> shift & 1
            depth = width - 1 - shift
            node = 2 * node + _ask(is_decoder, bit, node, depth, first, contexts, tools)
        return node - (1 << width)
    length = _bit_length(magnitude)
    for shift in range(4, -1, -1):
        bit = length >> shift & 1
        node = 2 * node + _ask(is_decoder, bit, node, 4 - shift, first, contexts, tools)
    length = min(node - 32, width)
    if length < 2:
        return length
    result = 1
    for shift in range(length - 2, -1, -1):
        bit = magnitude >> shift & 1
        depth = length - 2 - shift
        if depth < TOP_BITS:
            node = 32 + (length << TOP_BITS) + (result & (1 << TOP_BITS) - 1)
            answer = _ask(is_decoder, bit, node, 5 + depth, first, contexts, tools)
        else:
            answer = _coded(is_decoder, bit, arithmetic.HALF, tools[6], tools[7])
        result = 2 * result + answer
    return result


@numba.njit(cache=True)
def _ask(is_decoder, bit, node, depth, first, contexts, tools):  # type: ignore[no-untyped-def]
    """One question about a magnitude, in the context of each model."""
    base = first + MAGNITUDES * node
    near, last, in_row, in_column = contexts
    slots = (base, base + near, base + last, base + in_row, base + in_column, base)
    return int(_bit(is_decoder, bit != 0, slots, 5 + depth, tools))


@numba.njit(cache=True)
def _bit(is_decoder, bit, slots, weight_set, tools):  # type: ignore[no-untyped-def]
    """Codes one answer with the mixed probability of the models at ``slots``, which then learn it.

    The first model is added with its weight, the others by how far they are from it.
    """
    probabilities, counts, weights, stretch, squash, reciprocals, coder, data = tools
    first = probabilities[0, slots[0]]
    first_odds = np.int64(stretch[first >> 4])
    total = weights[weight_set, 0] * first_odds
    for model in range(1, NUM_INPUTS):
        slot = slots[model]
        if counts[model, slot] == 0:
            probabilities[model, slot] = first
            counts[model, slot] = INHERITED_COUNT
        odds = stretch[probabilities[model, slot] >> 4]
        total += weights[weight_set, model] * (odds - first_odds)
    mixed = squash[min(max(total >> 16, -2047), 2047) + 2047]
    answer = _coded(is_decoder, bit, mixed, coder, data)
    goal = 65536 if answer else 0
    for model in range(NUM_INPUTS):
        slot = slots[model]
        probability = probabilities[model, slot]
        odds = stretch[probability >> 4] - (first_odds if model else 0)
        weights[weight_set, model] += odds * (goal - mixed) + 32768 >> 16
        count = counts[model, slot]
        probability += (goal - probability) * np.int64(reciprocals[count]) >> 16
        probabilities[model, slot] = min(max(probability, 16), 65520)
        if count < COUNT_LIMITS[model]:
            counts[model, slot] = count + 1
    return answer


@numba.njit(cache=True)
def _coded(is_decoder, bit, probability, coder, data):  # type: ignore[no-untyped-def]
    """One bit, known or not, through the coder; ``probability`` of a 1, of 2**16."""
    if is_decoder:
        return arithmetic.get(coder, data, probability)
    arithmetic.put(coder, data, bit, probability)
    return bit


@numba.njit(cache=True)
def _bit_length(value):  # type: ignore[no-untyped-def]
    length = 0
    while value > 0:
        value >>= 1
        length += 1
    return length


@numba.njit(cache=True)
def _class(magnitude):  # type: ignore[no-untyped-def]
    """0 for 0, then two classes for each doubling."""
    length = _bit_length(magnitude)
    if length < 2:
        return length
    return min(2 * length - 2 + (magnitude >> length - 2 & 1), MAGNITUDES - 2)
