"""The audit of Deep Compression's tables: the formula against printed rows, totals against their rows."""

import numpy as np
import pytest

from nncourse.experiments.deep_compression_tables import audited, printed, rate_percent, totals


@pytest.mark.parametrize(
    ("network", "layers", "mean_error", "largest"),
    [
        ("LeNet-300-100", 3, 0.050, 0.088),
        ("LeNet-5", 4, 0.014, 0.046),
        ("AlexNet", 8, 0.030, 0.083),
        ("VGG-16", 16, 0.023, 0.143),
    ],
)
def test_the_formula_repeats_the_printed_rates(network, layers, mean_error, largest):
    errors = audited().loc[network, "error"].abs()
    assert len(errors) == layers
    assert errors.mean() == pytest.approx(mean_error, abs=6e-4)
    assert errors.max() == pytest.approx(largest, abs=6e-4)


def test_small_layers_pay_for_their_codebook():
    row = printed().loc[("LeNet-5", "conv1")]
    arguments = {
        "density": row.kept / 100,
        "weight_bits": row.weight_bits,
        "index_bits": row.index_bits,
        "weights": row.weights,
    }
    assert rate_percent(**arguments) == pytest.approx(row.rate, rel=0.01)
    assert rate_percent(**arguments, codebook=False) < 0.4 * row.rate


def test_fillers_are_as_many_as_a_draw_of_independent_zeros_needs():
    rng = np.random.default_rng(0)
    density, bits, number = 0.03, 5, 2_000_000
    gaps = np.diff(np.flatnonzero(rng.random(number) < density)) - 1
    entries = gaps.size + (gaps // 2**bits).sum()
    measured = 100 * entries * (4 + bits) / 32 / number
    computed = rate_percent(
        density=density, weight_bits=4, index_bits=bits, weights=number, codebook=False
    )
    assert float(computed) == pytest.approx(measured, rel=0.01)


@pytest.mark.parametrize(
    ("network", "quantity", "value"),
    [
        ("LeNet-300-100", "weight_bits_coded", 4.40),
        ("LeNet-300-100", "rate_coded", 2.44),
        ("LeNet-300-100", "rate", 3.23),
        ("LeNet-5", "weight_bits_coded", 4.77),
        ("LeNet-5", "rate_coded", 2.73),
        ("LeNet-5", "rate", 3.03),
        ("AlexNet", "rate_coded", 2.89),
        ("AlexNet", "weight_bits_coded", 4.03),
        ("VGG-16", "rate_coded", 1.90),
        ("VGG-16", "rate", 3.00),
        ("VGG-16", "kept", 7.61),
    ],
)
def test_totals_follow_from_the_rows(network, quantity, value):
    assert totals().loc[(network, quantity), "from_rows"] == pytest.approx(value, abs=0.006)


def test_no_total_lies_outside_its_rows_but_those_of_two_bit_columns():
    table = printed()
    outside = []
    for (network, quantity), row in totals().iterrows():
        layers = table.loc[network].drop(index="total")[quantity]
        if not layers.min() <= row.printed <= layers.max():
            outside.append((network, quantity))
    assert outside == [("LeNet-300-100", "weight_bits_coded"), ("LeNet-5", "weight_bits_coded")]


def test_coding_lengthens_the_codes_of_one_layer_only():
    rows = printed()
    longer = rows.index[rows.weight_bits_coded > rows.weight_bits]
    assert list(longer) == [("LeNet-5", "ip2")]


def test_a_density_in_percent_is_refused():
    with pytest.raises(ValueError, match="divide percents by 100"):
        rate_percent(density=8, weight_bits=5, index_bits=5, weights=100)
