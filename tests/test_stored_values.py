"""Stored values: levels once each, level 0 for what is dropped, and codes that fit them."""

import numpy as np
import pytest

from nncourse.codecs.frame import Reader
from nncourse.codecs.stored_values import StoredValues

F4 = np.dtype(np.float32)
LEVELS = np.array([0, 0.5, -2], np.float32)


def test_levels_keep_their_order_and_come_once_each():
    values = np.array([3, -1, 0, 3], np.float32)
    stored = StoredValues.of(values, F4, np.array([3, -1, 3, 0, 8], np.float32))
    assert stored.levels.tolist() == [0, 3, -1, 8]
    assert stored.data.tolist() == [1, 2, 0, 1]
    np.testing.assert_array_equal(stored.values, values)
    assert stored.is_kept.tolist() == [True, True, False, True]


def test_minus_zero_is_a_level_of_its_own():
    stored = StoredValues.of(np.array([-0.0, 0.0], np.float32), F4, np.array([-0.0], np.float32))
    assert stored.data.tolist() == [1, 0]
    assert np.signbit(stored[0])
    assert not np.signbit(stored[1])


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "f2"])
def test_narrow_values_are_factors_through_a_table_of_all_of_their_type(dtype):
    values = np.arange(-3, 4).astype(dtype)
    codes, table = StoredValues(data=values, dtype=np.dtype(dtype)).operands(np.dtype("f8"))
    np.testing.assert_array_equal(table[codes], values)
    assert codes.dtype.kind == "u"


@pytest.mark.parametrize("num_levels", [1, 2, 3, 16, 17, 256, 257, 5000])
def test_codes_are_written_in_the_bits_that_the_levels_need(num_levels):
    levels = np.arange(num_levels, dtype=np.float32)
    values = np.random.default_rng(0).choice(levels, 100)
    stored = StoredValues.of(values, F4, levels)
    assert stored.code_bits == max(1, int(np.ceil(np.log2(num_levels))))
    reader = Reader(b"".join(section.data for section in stored.sections()))
    read = StoredValues.read(reader, 100, F4)
    reader.finish()
    np.testing.assert_array_equal(read.values, values)
    np.testing.assert_array_equal(read.levels, levels)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"data": np.zeros((2, 2), np.uint8)}, "one axis"),
        ({"data": np.array([3], np.uint8)}, "codes lie below 3"),
        ({"data": np.array([1], np.uint16)}, "codes of 3 levels are uint8"),
        ({"levels": LEVELS[1:]}, "level 0 is zero"),
        ({"levels": -LEVELS}, "level 0 is zero"),
        ({"levels": LEVELS.astype(np.float64)}, "values of float32"),
        ({"levels": LEVELS[:0]}, "1 to 65536 values"),
        ({"levels": None}, "data is of float32"),
        ({"dtype": np.dtype("i4")}, "16 bits; got int32"),
    ],
)
def test_parts_that_do_not_fit_are_named(changed, reason):
    given = {"data": np.array([0, 2], np.uint8), "dtype": F4, "levels": LEVELS}
    assert len(StoredValues(**given)) == 2
    with pytest.raises(ValueError, match=reason):
        StoredValues(**{**given, **changed})
