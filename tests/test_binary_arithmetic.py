"""Binary arithmetic coding: the exact interval, the same with a low of any length, and where a code ends."""

from fractions import Fraction
from math import ceil, log2, prod

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nncourse.codecs import binary_arithmetic as arithmetic
from nncourse.codecs.binary_arithmetic import decode_textbook, encode_textbook
from nncourse.entropy import binary_entropy

messages = st.lists(st.tuples(st.booleans(), st.integers(24, 65512)), max_size=300)
exact = st.lists(
    st.tuples(st.integers(0, 1), st.fractions(Fraction(1, 50), Fraction(49, 50))), max_size=40
)


def encoded(message):
    room = np.empty(4 * len(message) + 16, np.uint8)
    coder = arithmetic.writer()
    for bit, probability in message:
        arithmetic.put(coder, room, bit, probability)
    return arithmetic.finished(room[: arithmetic.finish(coder, room)])


def decoded(data, probabilities):
    stream = np.frombuffer(data, np.uint8)
    coder = arithmetic.reader(stream)
    bits = [bool(arithmetic.get(coder, stream, probability)) for probability in probabilities]
    return bits, bool(arithmetic.ends_here(coder, stream))


def encoded_without_carries(message):
    """The same intervals with a low that keeps all its digits: nothing leaves, so nothing carries."""
    low, extent, num_bytes = 0, 2**32 - 1, 4
    for bit, probability in message:
        share = (extent >> 16) * probability
        low, extent = (low, share) if bit else (low + share, extent - share)
        while extent < 2**24:
            low, extent, num_bytes = low << 8, extent << 8, num_bytes + 1
    top = low + extent - 1
    zeros = max(bits for bits in (0, 8, 16, 24, 32) if top >> bits << bits >= low)
    digits = (top >> zeros << zeros).to_bytes(num_bytes, "big")
    return digits[:-4] + digits[-4:].rstrip(b"\0")


# --- the textbook ---------------------------------------------------------------------------------------


def test_the_interval_worked_by_hand():
    # p = 1/4: 1 leaves [0, 1/4), then 0 leaves [1/16, 1/4): 0.001 and all that follows it, [1/8, 1/4)
    assert encode_textbook([1, 0], [Fraction(1, 4)] * 2) == (0b001, 3)


@given(exact)
def test_the_textbook_reads_what_it_wrote(message):
    bits, probabilities = [bit for bit, _ in message], [p for _, p in message]
    assert decode_textbook(encode_textbook(bits, probabilities), probabilities) == bits


@given(exact)
def test_the_textbook_takes_two_bits_at_most_above_the_information_of_the_message(message):
    _, length = encode_textbook(*([list(row) for row in zip(*message, strict=True)] or [[], []]))
    probability = prod((p if bit else 1 - p for bit, p in message), start=Fraction(1))
    assert -log2(probability) <= length <= ceil(-log2(probability)) + 1


# --- the coder of 32 bits ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(messages)
@example([(False, 24)] * 300)
@example([(True, 65512)] * 300)
@example([(False, 65512)] * 40)
def test_what_is_decoded_is_what_was_encoded_and_it_ends_there(message):
    assert decoded(encoded(message), [p for _, p in message]) == ([bit for bit, _ in message], True)


@settings(deadline=None)
@given(messages)
def test_bytes_that_wait_for_a_carry_come_out_as_if_low_kept_all_its_digits(message):
    assert encoded(message) == encoded_without_carries(message)


def test_a_carry_that_runs_through_waiting_bytes():
    """The rest of the interval again and again: low comes close to the top, and many bytes of 255 wait."""
    rng = np.random.default_rng(3)
    longest = 0
    for _ in range(100):
        message = [(bool(rng.random() < 0.005), 16384) for _ in range(1000)]
        data = encoded(message)
        assert data == encoded_without_carries(message)
        longest = max(longest, data.count(bytes(4)), data.count(b"\xff\xff\xff\xff"))
    assert longest > 0


@pytest.mark.parametrize("probability", [0.5, 0.9, 0.99])
def test_it_takes_the_entropy_and_a_few_bytes(probability):
    drawn = np.random.default_rng(0).random(20_000) < probability
    message = [(bool(bit), round(65536 * probability)) for bit in drawn]
    share = drawn.mean()
    bits = len(drawn) * (
        binary_entropy(share)
        # what it costs that the model says another share than the one that was drawn
        + share * log2(share / probability)
        + (1 - share) * log2((1 - share) / (1 - probability))
    )
    assert bits <= 8 * len(encoded(message)) <= 1.002 * bits + 40


def test_it_is_as_long_as_the_exact_interval_asks_for():
    rng = np.random.default_rng(1)
    message = [
        (bool(rng.random() < p / 65536), p) for p in rng.integers(5000, 60_000, 400).tolist()
    ]
    bits, probabilities = zip(*message, strict=True)
    _, length = encode_textbook(bits, [Fraction(p, 65536) for p in probabilities])
    assert -8 <= 8 * len(encoded(message)) - length <= 16


def test_no_message_takes_no_bytes():
    assert encoded([]) == b""
    assert decoded(b"", []) == ([], True)


@settings(deadline=None)
@given(messages.filter(lambda message: len(message) > 30), st.binary(min_size=1, max_size=3))
def test_bytes_behind_the_end_are_noticed(message, slack):
    data, probabilities = encoded(message), [p for _, p in message]
    read_bytes = len(encoded_without_stripping(message))
    is_noticed = not decoded(data + slack, probabilities)[1]
    # A decoder has looked four bytes ahead; only what it never looked at cannot be a continuation.
    assert is_noticed or len(data + slack) <= read_bytes


def encoded_without_stripping(message):
    room = np.empty(4 * len(message) + 16, np.uint8)
    coder = arithmetic.writer()
    for bit, probability in message:
        arithmetic.put(coder, room, bit, probability)
    return room[: arithmetic.finish(coder, room)].tobytes()


def test_a_stream_that_ends_early_is_noticed():
    rng = np.random.default_rng(2)
    message = [(bool(rng.random() < 0.5), 32768) for _ in range(800)]
    data = encoded(message)
    for length in range(len(data) - 8):
        assert not decoded(data[:length], [p for _, p in message])[1]


def test_a_room_that_is_too_small_is_not_left():
    message = [(False, 60_000)] * 200
    room = np.full(8, 7, np.uint8)
    coder = arithmetic.writer()
    for bit, probability in message:
        arithmetic.put(coder, room[:4], bit, probability)
    assert arithmetic.finish(coder, room[:4]) > 4
    assert room[4:].tolist() == [7] * 4
