"""The wire: plain data survives it exactly, everything else is refused, forged frames are named."""

import contextlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nncourse.classroom import wire

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=20)
)
values = st.recursive(
    scalars,
    lambda parts: (
        st.lists(parts, max_size=4)
        | st.lists(parts, max_size=4).map(tuple)
        | st.dictionaries(st.text("ab", max_size=3), parts, max_size=3)
    ),
    max_leaves=12,
)


@given(values)
def test_plain_values_come_back_equal_and_of_the_same_type(value):
    back = wire.decode(*wire.split(wire.encode(value)))
    assert repr(back) == repr(value)


@given(
    hnp.arrays(
        dtype=hnp.integer_dtypes() | hnp.floating_dtypes(sizes=(16, 32, 64)) | st.just(np.bool_),
        shape=hnp.array_shapes(min_dims=0, min_side=0),
    )
)
def test_arrays_come_back_bit_for_bit(array):
    back = wire.to_plain(array)
    assert back.shape == array.shape
    assert back.dtype == array.dtype.newbyteorder("<")
    assert back.tobytes() == array.astype(back.dtype, order="C").tobytes()


class AlwaysEqual:
    def __eq__(self, other):
        return True

    __hash__ = None


class ObligingArray(np.ndarray):
    def __eq__(self, other):
        return np.ones(self.shape, bool)

    __hash__ = None


class ObligingFloat(float):
    def __eq__(self, other):
        return True

    __hash__ = None


class ObligingScalar(np.float32):
    pass


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (AlwaysEqual(), "an AlwaysEqual"),
        (np.zeros(3).view(ObligingArray), "an ObligingArray"),
        (np.ma.masked_array([1, 2]), "a MaskedArray"),
        (ObligingFloat(1), "an ObligingFloat"),
        (ObligingScalar(1), "an? ObligingScalar"),
        (np.array([object()]), "object"),
        (np.array(["text"]), "not a number type"),
        (2**64, "64 bits"),
        ({1.5: 2}, "key of type float"),
        ({1, 2}, "a set"),
        (iter([1]), "a list_iterator"),
        (np.zeros(9 << 20), "too large"),
        (np.zeros((10**9, 0)), "shape .* too large"),
    ],
)
def test_what_is_not_plain_is_refused_and_named(value, named):
    with pytest.raises(wire.NotPlain, match=named):
        wire.encode(value)


def test_a_list_that_contains_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(wire.NotPlain, match="nested too deeply"):
        wire.to_plain(endless)


def test_a_structure_of_too_many_parts_is_refused():
    with pytest.raises(wire.NotPlain, match="too many parts"):
        wire.to_plain([0] * 20_000)


def forged(tree, sizes, body=b""):
    return json.dumps({"tree": tree, "sizes": sizes}).encode(), body


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"not json", b""),
        (b"[]", b""),
        (b"\xff\xfe", b""),
        (b"[" * 100_000, b""),
        forged({"array": ["<f8", [10**12], 0]}, [8], b"12345678"),
        forged({"array": ["<f8", [-1], 0]}, [8], b"12345678"),
        forged({"array": ["|O", [1], 0]}, [8], b"12345678"),
        forged({"array": ["<f8", [1], 5]}, [8], b"12345678"),
        forged({"array": ["<f8", [1], 0]}, [80], b"12345678"),
        forged({"bytes": 0}, [-8, 16], b"12345678"),
        forged({"float": "one"}, []),
        forged({"python": "exit()"}, []),
        forged({"dict": [[1]]}, []),
        forged({"dict": [[{"list": []}, 1]]}, []),
        forged(1.5, []),
        forged(2**64, []),
        forged(10**4000, []),
        forged({"float": "0x1p99999999"}, []),
        forged({"list": [None] * 20_000}, []),
        forged({"list": [{"bytes": 0}, {"bytes": 0}]}, [8], b"12345678"),
        forged({"list": [{"array": ["<f8", [1], 0]}] * 2}, [8], b"12345678"),
        forged({"list": [{"bytes": 1}, {"bytes": 0}]}, [4, 4], b"12345678"),
        forged({"bytes": True}, [0, 0]),
        forged({"bytes": -1}, [8], b"12345678"),
        forged(None, [8], b"12345678"),
        forged({"array": ["<f8", [10**15, 0], 0]}, [0]),
        forged({"dict": [[{"float": "nan"}, 1]]}, []),
        forged({"dict": [[None, 1]]}, []),
        forged({"dict": [[{"tuple": []}, 1]]}, []),
        forged({"dict": 7}, []),
        forged({"dict": [7]}, []),
        forged({"array": 7}, []),
        forged({"array": ["<f8", 7, 0]}, [8], b"12345678"),
        forged({"array": [{}, [1], 0]}, [8], b"12345678"),
    ],
)
def test_a_forged_frame_is_named_not_believed(header, body):
    with pytest.raises(wire.WireError):
        wire.decode(header, body)


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda parts: (
        st.lists(parts, max_size=4)
        | st.dictionaries(
            st.sampled_from(["array", "scalar", "bytes", "dict", "list", "tuple", "str", "float"]),
            parts,
            max_size=2,
        )
    ),
    max_leaves=12,
)


@given(trees, st.lists(st.integers(0, 8), max_size=3), st.binary(max_size=20))
def test_no_tree_whatever_crashes_the_reader(tree, sizes, body):
    with contextlib.suppress(wire.WireError):
        wire.decode(*forged(tree, sizes, body))


def test_a_string_that_is_no_text_is_made_one():
    assert wire.decode(*forged({"str": "a\ud800"}, [])) == "a?"


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_no_bytes_whatever_crash_the_reader(header, body):
    with contextlib.suppress(wire.WireError):
        wire.decode(header, body)


def test_a_frame_that_announces_too_much_is_refused_before_it_is_read():
    asked = []

    def read_exactly(count):
        asked.append(count)
        return struct.pack("<II", 10, 2**31)

    with pytest.raises(wire.WireError, match="too large"):
        wire.receive(read_exactly)
    assert asked == [8]


def test_a_boolean_array_of_other_bytes_than_0_and_1_is_made_boolean():
    header, body = forged({"array": ["|b1", [2], 0]}, [2], b"\x00\x07")
    assert wire.decode(header, body).view(np.uint8).tolist() == [0, 1]
