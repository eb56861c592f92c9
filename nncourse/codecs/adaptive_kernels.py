"""The loops of the adaptive codec: a binary arithmetic coder, models of bits, and the questions.

*Coder.* An interval of 32 bits, ``low`` and ``range``; a bit whose probability is p (of 2**16) takes the
lower part ``(range >> 16) * p`` if it is 1, the rest if it is 0. When the range falls below 2**24 the
highest byte of low is settled but for a carry, and leaves (as in the range coder of LZMA).

*Model of a bit.* A probability of 16 bits and a count. A bit moves the probability towards it by
1 / (count + 1.5), at first, and later by a fixed share.

*Mixer.* Probabilities are stretched to ``log(p / (1 - p))``, added up with weights, and squashed back. After each bit
the weights move along the gradient of the cost.
"""

from __future__ import annotations

import functools
from decimal import Decimal, localcontext
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

NUM_INPUTS = 4  # models that are asked for each bit
MOST_COLUMNS = 1 << 12  # with a model of their own; columns beyond share them
COUNT_LIMITS = (1021, 255, 255, 255)  # where a model's share of a new bit stays
INHERITED_COUNT = 2  # of a model that takes over the answer of the first one, which it had not yet
FIRST_WEIGHT = 20_000  # of 2**16, of each model
LEARNING = 4
NEIGHBORHOODS = 64  # of a zero: four neighbors, and how many of two more
CROWDS = 36  # of a zero: how many of eight before it, and of three above
SIGNS = 9
MAGNITUDES = 18  # bit lengths of a neighbor, 0 to 17
MANY_BITS = 8  # width from which on a magnitude is told by its bit length first
TOP_BITS = (
    3  # below the highest one of a large magnitude, that have models; the rest are coin flips
)
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


def fresh_model(width: int, num_columns: int) -> Model:
    """State before the first symbol: probabilities, counts, weights, and the fixed tables."""
    nodes = num_nodes(width)
    slots = max(NEIGHBORHOODS, min(num_columns, MOST_COLUMNS)) + SIGNS + MAGNITUDES * nodes
    probabilities = np.full((NUM_INPUTS, slots), 32768, dtype=np.int32)
    counts = np.zeros((NUM_INPUTS, slots), dtype=np.int32)
    weights = np.full((5 + nodes, NUM_INPUTS), FIRST_WEIGHT, dtype=np.int32)
    return probabilities, counts, weights, *tables()


# State of the coder: low (or code), range, cached byte, bytes that wait for a carry, position.
LOW, RANGE, CACHE, WAITING, PLACE = 0, 1, 2, 3, 4


@numba.njit(cache=True)
def encode(
    values: NDArray[np.int32],
    num_columns: int,
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
    coder = np.array([0, 0xFFFFFFFF, 0, 0, -1], dtype=np.int64)
    tools = (probabilities, counts, weights, stretch, squash, reciprocals, coder, room)
    _walk(False, values, num_columns, width, is_signed, tools)
    # Of all numbers in the interval the one with the most zeros at its end.
    top = coder[LOW] + coder[RANGE] - 1
    for bits in (32, 24, 16, 8, 0):
        cut = top >> bits << bits
        if cut >= coder[LOW]:
            coder[LOW] = cut
            break
    for _ in range(5):
        _shift(coder, room)
    return coder[PLACE]


@numba.njit(cache=True)
def decode(
    stream: NDArray[np.uint8],
    num_columns: int,
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
    """Fills ``values`` from ``stream``, with zeros behind it; whether all of its bytes were needed."""
    coder = np.array([0, 0xFFFFFFFF, 0, 0, 0], dtype=np.int64)
    for _ in range(4):
        _take(coder, stream)
    tools = (probabilities, counts, weights, stretch, squash, reciprocals, coder, stream)
    _walk(True, values, num_columns, width, is_signed, tools)
    return coder[PLACE] >= stream.size


@numba.njit(cache=True)
def _walk(is_decoder, values, num_columns, width, is_signed, tools):  # type: ignore[no-untyped-def]
    """Asks the questions about each value in turn; a decoder fills in the answers."""
    columns = min(num_columns, MOST_COLUMNS)
    zeros = max(NEIGHBORHOODS, columns)
    signs = zeros + SIGNS
    before = 0  # the value before that was not zero
    crowd = 0  # bits: which of the eight before it were not zero
    for index in range(values.size):
        column = index % num_columns
        if column == 0:
            crowd = 0
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
        value = values[index]
        is_zero = _bit(
            is_decoder,
            value == 0,
            (0, near, column % columns, 4 * num_before + num_above),
            (left != 0) + 2 * (up != 0),
            tools,
        )
        crowd = crowd << 1 & 255
        if is_zero:
            continue
        crowd |= 1
        is_negative = False
        if is_signed:
            around = 3 * (np.sign(left) + 1) + np.sign(up) + 1
            follows = np.sign(before) + 1
            is_negative = _bit(
                is_decoder,
                value < 0,
                (zeros, zeros + around, zeros + around % 3, zeros + follows),
                4,
                tools,
            )
        magnitude = _magnitude(
            is_decoder,
            abs(value) - 1,
            width,
            signs,
            (0, _bit_length(abs(left)), _bit_length(abs(up)), _bit_length(abs(before))),
            tools,
        )
        before = -magnitude - 1 if is_negative else magnitude + 1
        if is_decoder:
            values[index] = before


@numba.njit(cache=True)
def _magnitude(is_decoder, magnitude, width, first, contexts, tools):  # type: ignore[no-untyped-def]
    """Asks for the bits of a magnitude, highest first; of a wide one for its bit length first."""
    if width <= MANY_BITS:
        node = 1
        for shift in range(width - 1, -1, -1):
            answer = _ask(is_decoder, magnitude >> shift & 1, node, first, contexts, tools)
            node = 2 * node + answer
        return node - (1 << width)
    length = _bit_length(magnitude)
    node = 1
    for shift in range(4, -1, -1):
        node = 2 * node + _ask(is_decoder, length >> shift & 1, node, first, contexts, tools)
    length = min(node - 32, width)
    if length < 2:
        return length
    result = 1
    for shift in range(length - 2, -1, -1):
        bit = magnitude >> shift & 1
        if length - 2 - shift < TOP_BITS:
            node = 32 + (length << TOP_BITS) + (result & (1 << TOP_BITS) - 1)
            answer = _ask(is_decoder, bit, node, first, contexts, tools)
        else:
            answer = _coded(is_decoder, bit, 32768, tools[6], tools[7])
        result = 2 * result + answer
    return result


@numba.njit(cache=True)
def _ask(is_decoder, bit, node, first, contexts, tools):  # type: ignore[no-untyped-def]
    """One question about a magnitude, in the context of each model."""
    base = first + MAGNITUDES * node
    slots = (base, base + contexts[1], base + contexts[2], base + contexts[3])
    return int(_bit(is_decoder, bit != 0, slots, 5 + node, tools))


@numba.njit(cache=True)
def _bit(is_decoder, bit, slots, weight_set, tools):  # type: ignore[no-untyped-def]
    """Codes one answer with the mixed probability of the models at ``slots``, which then learn it."""
    probabilities, counts, weights, stretch, squash, reciprocals, coder, data = tools
    first = probabilities[0, slots[0]]
    total = 0
    for model in range(NUM_INPUTS):
        if counts[model, slots[model]] == 0 and model > 0:
            probabilities[model, slots[model]] = first
            counts[model, slots[model]] = INHERITED_COUNT
        odds = stretch[probabilities[model, slots[model]] >> 4]
        total += weights[weight_set, model] * odds
    mixed = squash[min(max(total >> 16, -2047), 2047) + 2047]
    answer = _coded(is_decoder, bit, mixed, coder, data)
    error = ((65536 if answer else 0) - mixed) * LEARNING >> 4
    for model in range(NUM_INPUTS):
        slot = slots[model]
        probability = probabilities[model, slot]
        weights[weight_set, model] += stretch[probability >> 4] * error + 32768 >> 16
        count = counts[model, slot]
        probability += ((65536 if answer else 0) - probability) * np.int64(reciprocals[count]) >> 16
        probabilities[model, slot] = min(max(probability, 16), 65520)
        if count < COUNT_LIMITS[model]:
            counts[model, slot] = count + 1
    return answer


@numba.njit(cache=True)
def _coded(is_decoder, bit, probability, coder, data):  # type: ignore[no-untyped-def]
    """One bit through the coder; ``probability`` of a 1, of 2**16."""
    bound = (coder[RANGE] >> 16) * probability
    if is_decoder:
        bit = coder[LOW] < bound
        if bit:
            coder[RANGE] = bound
        else:
            coder[LOW] -= bound
            coder[RANGE] -= bound
        while coder[RANGE] < 1 << 24:
            coder[RANGE] <<= 8
            _take(coder, data)
        return bit
    if bit:
        coder[RANGE] = bound
    else:
        coder[LOW] += bound
        coder[RANGE] -= bound
    while coder[RANGE] < 1 << 24:
        coder[RANGE] <<= 8
        _shift(coder, data)
    return bit


@numba.njit(cache=True)
def _take(coder, stream):  # type: ignore[no-untyped-def]
    """The next byte into the code; 0 behind the end."""
    byte = np.int64(stream[coder[PLACE]]) if coder[PLACE] < stream.size else 0
    coder[LOW] = (coder[LOW] << 8 | byte) & 0xFFFFFFFF
    coder[PLACE] += 1


@numba.njit(cache=True)
def _shift(coder, room):  # type: ignore[no-untyped-def]
    """The highest byte of low leaves, unless a carry may still change it; the first one is always 0."""
    if coder[LOW] < 0xFF000000 or coder[LOW] > 0xFFFFFFFF:
        carry = coder[LOW] >> 32
        _put(coder, room, coder[CACHE] + carry)
        for _ in range(coder[WAITING]):
            _put(coder, room, 255 + carry)
        coder[WAITING] = 0
        coder[CACHE] = coder[LOW] >> 24 & 255
    else:
        coder[WAITING] += 1
    coder[LOW] = (coder[LOW] & 0xFFFFFF) << 8


@numba.njit(cache=True)
def _put(coder, room, byte):  # type: ignore[no-untyped-def]
    """A byte into the room if there is any; the place moves on in any case."""
    if 0 <= coder[PLACE] < room.size:
        room[coder[PLACE]] = byte & 255
    coder[PLACE] += 1


@numba.njit(cache=True)
def _bit_length(value):  # type: ignore[no-untyped-def]
    length = 0
    while value > 0:
        value >>= 1
        length += 1
    return length
