"""Lines and their entries: what is checked, how one is found, and what is written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nncourse.codecs import CodecError
from nncourse.codecs.compressed import check_lines, found_in_line, line_sections, read_lines
from nncourse.codecs.frame import Reader

lines_of_places = st.lists(st.sets(st.integers(0, 400), max_size=12), max_size=8)


def arrays(lines):
    indices = np.array([place for line in lines for place in sorted(line)], np.uint16)
    indptr = np.append(0, np.cumsum([len(line) for line in lines])).astype(np.uint32)
    return indices, indptr


@given(lines_of_places)
def test_lines_that_ascend_pass_and_come_back(lines):
    indices, indptr = arrays(lines)
    check_lines(indices, indptr, len(lines), 401)
    sections = line_sections(indices, indptr)
    reader = Reader(b"".join(section.data for section in sections))
    read = read_lines(reader, len(lines))
    reader.finish()
    np.testing.assert_array_equal(read[0], indices)
    np.testing.assert_array_equal(read[1], indptr)
    assert sum(section.bits for section in sections) == 8 * reader.position


@given(lines_of_places, st.integers(0, 400))
def test_a_place_is_found_in_its_line_only(lines, place):
    indices, indptr = arrays(lines)
    for number, line in enumerate(lines):
        found = found_in_line(indices, indptr, number, place)
        assert (found is not None) == (place in line)
        assert found is None or indptr[number] <= found < indptr[number + 1]


@given(lines_of_places, st.randoms(use_true_random=False))
def test_two_entries_that_changed_places_are_noticed(lines, random):
    indices, indptr = arrays(lines)
    inside = [i for i in range(len(indices) - 1) if i + 1 not in indptr]
    if inside:
        first = random.choice(inside)
        indices[[first, first + 1]] = indices[[first + 1, first]]
        with pytest.raises(ValueError, match="ascend"):
            check_lines(indices, indptr, len(lines), 401)


def test_a_place_beyond_the_reach_of_the_indices_is_not_found():
    indices, indptr = np.array([7], np.uint8), np.array([0, 1], np.uint32)
    assert found_in_line(indices, indptr, 0, 7) == 0
    assert found_in_line(indices, indptr, 0, 263) is None


def test_widths_that_no_index_has_are_refused():
    with pytest.raises(CodecError, match="bytes; it is damaged"):
        read_lines(Reader(b"\x03\x01\x00"), 1)
