"""Widths as callers say them: in bits, by name, for all layers or one by one."""

import pytest

from nncourse.accelerator import EDGE, FUSIBLE
from nncourse.accelerator.widths import operand


@pytest.mark.parametrize(
    ("bits", "stored", "multiplied"),
    [(3, 3.0, 3), ("int4", 4.0, 4), ("ternary", 2.0, 2), ("binary", 1.0, 1)],
)
def test_integers_are_multiplied_as_wide_as_they_are_stored(bits, stored, multiplied):
    found = operand(bits, "fc", EDGE)
    assert (found.stored_bits, found.operand_bits) == (stored, multiplied)


def test_a_block_format_stores_a_share_of_its_scale_and_multiplies_its_elements():
    found = operand("mxfp8", "fc", EDGE.with_datapath("fp8_e4m3"))
    assert (found.stored_bits, found.operand_bits) == (8.25, 8)


def test_an_error_names_the_argument_the_layer_and_what_would_help():
    with pytest.raises(ValueError, match=r"input_bits: the 9-bit inputs of 'fc'.*with_datapath"):
        operand(9, "fc", EDGE, argument="input_bits", what="inputs")
    with pytest.raises(ValueError, match="fusible cell takes integers"):
        operand({"fc": "fp32"}, "fc", EDGE.with_cell(FUSIBLE))
