"""What the Deep Compression paper printed about its files, row by row, and a formula that audits it.

The formula counts everything that the paper's format stores: a code and an index for each kept weight,
fillers where a run of zeros is longer than an index can say, and the codebook.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

DENSE_BITS = 32
TOTAL = "total"

# weights; kept, %; bits of a weight and of an index, before and after Huffman coding; rates, %.
_ROWS = """\
network,layer,weights,kept,weight_bits,weight_bits_coded,index_bits,index_bits_coded,rate,rate_coded
LeNet-300-100,ip1,235000,8,6,4.4,5,3.7,3.1,2.32
LeNet-300-100,ip2,30000,9,6,4.4,5,4.3,3.8,3.04
LeNet-300-100,ip3,1000,26,6,4.3,5,3.2,15.7,12.70
LeNet-300-100,total,266000,8,6,5.1,5,3.7,3.1,2.49
LeNet-5,conv1,500,66,8,7.2,5,1.5,78.5,67.45
LeNet-5,conv2,25000,12,8,7.2,5,3.9,6.0,5.28
LeNet-5,ip1,400000,8,5,4.5,5,4.5,2.7,2.45
LeNet-5,ip2,5000,19,5,5.2,5,3.7,6.9,6.13
LeNet-5,total,431000,8,5.3,4.1,5,4.4,3.05,2.55
AlexNet,conv1,35000,84,8,6.3,4,1.2,32.6,20.53
AlexNet,conv2,307000,38,8,5.5,4,2.3,14.5,9.43
AlexNet,conv3,885000,35,8,5.1,4,2.6,13.1,8.44
AlexNet,conv4,663000,37,8,5.2,4,2.5,14.1,9.11
AlexNet,conv5,442000,37,8,5.6,4,2.5,14.0,9.43
AlexNet,fc6,38000000,9,5,3.9,4,3.2,3.0,2.39
AlexNet,fc7,17000000,9,5,3.6,4,3.7,3.0,2.46
AlexNet,fc8,4000000,25,5,4,4,3.2,7.3,5.85
AlexNet,total,61000000,11,5.4,4,4,3.2,3.7,2.88
VGG-16,conv1_1,1728,58,8,6.8,5,1.7,40.0,29.97
VGG-16,conv1_2,36864,22,8,6.5,5,2.6,9.8,6.99
VGG-16,conv2_1,73728,34,8,5.6,5,2.4,14.3,8.91
VGG-16,conv2_2,147456,36,8,5.9,5,2.3,14.7,9.31
VGG-16,conv3_1,294912,53,8,4.8,5,1.8,21.7,11.15
VGG-16,conv3_2,589824,24,8,4.6,5,2.9,9.7,5.67
VGG-16,conv3_3,589824,42,8,4.6,5,2.2,17.0,8.96
VGG-16,conv4_1,1179648,32,8,4.6,5,2.6,13.1,7.29
VGG-16,conv4_2,2359296,27,8,4.2,5,2.9,10.9,5.93
VGG-16,conv4_3,2359296,34,8,4.4,5,2.5,14.0,7.47
VGG-16,conv5_1,2359296,35,8,4.7,5,2.5,14.3,8.00
VGG-16,conv5_2,2359296,29,8,4.6,5,2.7,11.7,6.52
VGG-16,conv5_3,2359296,36,8,4.6,5,2.3,14.8,7.79
VGG-16,fc6,102760448,4,5,3.6,5,3.5,1.6,1.10
VGG-16,fc7,16777216,4,5,4,5,4.3,1.5,1.25
VGG-16,fc8,4096000,23,5,4,5,3.4,7.1,5.24
VGG-16,total,138000000,7.5,6.4,4.1,5,3.1,3.2,2.05
"""


def printed() -> pd.DataFrame:
    """The rows of four tables, indexed by network and layer; the row "total" is the paper's own.

    Columns: ``weights`` (number), ``kept`` (share, %), ``weight_bits`` and ``index_bits`` of pruned and
    quantized weights, the same ``_coded`` after Huffman coding, ``rate`` and ``rate_coded``: compressed
    size, % of 32 bits a weight.

    The paper rounds VGG-16's sizes to "1M" and "2M"; here are those that its shapes give, since the
    rounded ones would move its totals by a twentieth.

    Source: Han et al., Deep compression, ICLR 2016 (arXiv:1510.00149v5), tables 2 to 5.
    """
    return pd.read_csv(io.StringIO(_ROWS)).set_index(["network", "layer"])


def rate_percent(
    *,
    density: ArrayLike,
    weight_bits: ArrayLike,
    index_bits: ArrayLike,
    weights: ArrayLike,
    fillers: bool = True,
    codebook: bool = True,
) -> NDArray[np.float64]:
    """Size of a pruned and quantized layer, in % of 32 bits for each weight.

    density      share of the weights that are kept, in (0, 1]
    weight_bits  of a code
    index_bits   of a relative index, which counts the zeros before a weight
    weights      number of weights in the layer, kept or not
    fillers      whether to count zeros that are stored because a run is longer than an index can say, by
                 chance: with zeros that fall independently there are ``q**L / (1 - q**L)`` of them for each
                 kept weight, q the share of zeros and L = ``2**index_bits``
    codebook     whether to count ``2**weight_bits`` levels of 32 bits

    Arguments broadcast against each other.

    >>> float(rate_percent(density=0.08, weight_bits=6, index_bits=5, weights=235_000).round(2))
    2.98

    Source: the format, Han et al., ICLR 2016, section 2 and figure 2; the number of fillers is the mean of
    a geometric distribution.
    """
    kept, of_weight, of_index, number = (
        np.asarray(one, dtype=np.float64) for one in (density, weight_bits, index_bits, weights)
    )
    if not ((kept > 0) & (kept <= 1)).all():
        raise ValueError(f"density is a share in (0, 1]; got {kept}: divide percents by 100")
    run = (1.0 - kept) ** (2.0**of_index)
    stored = kept / (1.0 - run) if fillers else kept
    rate = stored * (of_weight + of_index) / DENSE_BITS
    if codebook:
        rate = rate + 2.0**of_weight / number
    result: NDArray[np.float64] = 100.0 * rate
    return result


def audited() -> pd.DataFrame:
    """:func:`printed` without its totals, with what the formula makes of each row.

    Columns added: ``computed`` (rate of pruned and quantized, %) and ``error`` (of the computed rate
    relative to the printed one).
    """
    rows = printed().drop(index=TOTAL, level="layer")
    computed = rate_percent(
        density=rows["kept"] / 100,
        weight_bits=rows["weight_bits"],
        index_bits=rows["index_bits"],
        weights=rows["weights"],
    )
    return rows.assign(computed=computed, error=computed / rows["rate"] - 1)


def totals() -> pd.DataFrame:
    """The paper's totals beside those that follow from its own rows, by network and quantity.

    Columns ``printed`` and ``from_rows``. Rates and the share kept are means over the weights; bits are
    means over the kept weights.
    """
    table = printed()
    found: list[dict[str, Any]] = []
    for network, rows in table.groupby(level="network", sort=False):
        total = rows.xs(TOTAL, level="layer").iloc[0]
        layers = rows.drop(index=TOTAL, level="layer")
        number, kept = layers["weights"], layers["weights"] * layers["kept"]
        for quantity in table.columns.drop("weights"):
            over = kept if "bits" in quantity else number
            found.append(
                {
                    "network": network,
                    "quantity": quantity,
                    "printed": float(total[quantity]),
                    "from_rows": float((layers[quantity] * over).sum() / over.sum()),
                }
            )
    return pd.DataFrame(found).set_index(["network", "quantity"])
