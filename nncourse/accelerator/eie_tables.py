"""The measurements of the EIE paper: nine fully connected layers on three processors and on the engine.

Source: Han et al., EIE, ISCA 2016, arXiv:1602.01528: densities from table III, times from table IV, the
figures of one processing element from table II and section VI. Times of a batch of 64 are for one sample.
The paper prints 63 and 60 for the speed-up of NT-We and NT-LSTM in its figure 6, where its own table IV
gives 76 and 63; the times here are those of the table.
"""

from __future__ import annotations

import pandas as pd

COLUMNS = (
    *("layer", "inputs", "outputs", "weight_density", "activation_density"),
    *("cpu_dense_b1", "cpu_sparse_b1", "cpu_dense_b64", "cpu_sparse_b64"),
    *("gpu_dense_b1", "gpu_sparse_b1", "gpu_dense_b64", "gpu_sparse_b64"),
    *("mobile_dense_b1", "mobile_sparse_b1", "mobile_dense_b64", "mobile_sparse_b64"),
    *("eie_theoretical", "eie_actual"),
)
_ROWS = """
Alex-6  9216  4096 .09 .351  7516.2 3066.5  318.4 1417.6  541.5 134.8 19.8  94.6 12437.2 2879.3 1663.6 4003.9 28.1 30.3
Alex-7  4096  4096 .09 .353  6187.1 1282.1  188.9  682.1  243.0  65.8  8.9  51.5  5765.0 1256.5 2056.8 1372.8 11.7 12.2
Alex-8  4096  1000 .25 .375  1134.9  890.5   45.8  407.7   80.5  54.6  5.9  23.2  2252.1  837.0  298.0  576.7  8.9  9.9
VGG-6  25088  4096 .04 .183 35022.8 3774.3 1056.0 1780.3 1467.8 167.0 53.6 121.5 35427.0 4377.2 2001.4 8024.8 28.1 34.4
VGG-7   4096  4096 .04 .375  5372.8  545.1  188.3  274.9  243.0  39.8  8.9  24.4  5544.3  626.3 2050.7  660.2  7.9  8.7
VGG-8   4096  1000 .23 .411   774.2  777.3   45.7  363.1   80.5  48.0  5.9  22.0  2243.1  745.1  483.9  544.1  7.3  8.4
NT-We   4096   600 .10 1.0    605.0  261.2   28.7  117.7   65.0  17.7  3.2  10.9  1316.0  240.6   87.8  236.3  5.2  8.0
NT-Wd    600  8791 .11 1.0   1361.4  437.4   69.0  176.4   90.1  41.1  2.3  11.0  2565.5  570.6  956.3  187.7 13.0 13.9
NT-LSTM 1201  2400 .10 1.0    470.5  260.0   28.8  107.4   51.9  18.5  2.5   9.0   956.9  315.0   95.2  186.5  6.5  7.5
"""

ELEMENTS = 64
ELEMENT_MILLIWATT = 9.157
ELEMENT_UM2 = 638_024.0
PEAK_GOPS = 102.0
CHIP_WATT = 0.59
CHIP_MM2 = 40.8


def layers() -> pd.DataFrame:
    """The nine layers, one row each: sizes, densities, and times in microseconds.

    returns  columns ``COLUMNS``; inputs and outputs whole numbers

    >>> layers().set_index("layer").loc["Alex-7", "eie_actual"]
    np.float64(12.2)
    """
    rows = [line.split() for line in _ROWS.strip().splitlines()]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = dict.fromkeys(COLUMNS[3:], float) | {"inputs": int, "outputs": int}
    return table.astype(numbers)


def dense_over_sparse() -> pd.DataFrame:
    """Time of the dense layer over that of the pruned one, by layer.

    returns  columns ``layer processor batch speedup weights_removed``, the last the factor
    """
    found = []
    for row in layers().to_dict("records"):
        for processor in ("cpu", "gpu", "mobile"):
            for batch in (1, 64):
                dense, sparse = (
                    row[f"{processor}_{form}_b{batch}"] for form in ("dense", "sparse")
                )
                found.append(
                    {
                        "layer": row["layer"],
                        "processor": processor,
                        "batch": batch,
                        "speedup": dense / sparse,
                        "weights_removed": 1 / row["weight_density"],
                    }
                )
    return pd.DataFrame(found)
