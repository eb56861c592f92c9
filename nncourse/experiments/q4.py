"""Claim Q4: uniform grids against codebooks at equal bits, and what the lane of each costs.

Weights only; activations stay in float. Every error and every accuracy is that of the network decoded
from its stored bytes, in which tables and scales are counted. The networks of the course have five
seeds and an accuracy on their test images; the published ones were trained once by others, and only
their error is measured. Nothing is chosen on the test images: every arm is in the table.

Rows of the network ``lane`` hold prices; they depend on no network. A shared table serves a row of 16
lanes, each weight being looked up for one multiplication, its worst case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from nncourse import pipeline
from nncourse.accelerator import tables
from nncourse.experiments import coded, subject
from nncourse.experiments.coded import Scheme
from nncourse.experiments.experiment import Experiment, Row
from nncourse.zoo import checkpoints, datasets, published, training
from nncourse.zoo.datasets import Images

NETWORKS = ("lenet-300-100", "lenet-5", "resnet-8")
PUBLISHED = ("efficientnet-lite0", "minilm-l6")
BITS = (2, 3, 4, 5, 6, 8)
ACCURACY_BITS = (2, 3, 4)  # the widths at which the rule of the claim reads accuracies
NARROW_BITS = 4  # of the codebook whose values have 8 bits
AXES = {"tensor": None, "channel": 0}
GRIDS = ("minmax", "mse")
CODEBOOKS = ("kmeans", "quantile", "log2")
LANES_PER_TABLE = 16
BATCH = 200  # images at a time; fits the caches better than more

Tensors = Mapping[str, subject.Array]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to store the weights: the file of some tensors, and the tensors of a file."""

    method: str
    granularity: str
    bits: int
    store: Callable[[Tensors], bytes]
    restore: Callable[[bytes], dict[str, subject.Array]]

    @property
    def has_accuracy(self) -> bool:
        """Whether the network classifies; the arms that no rule judges do so with one scale a tensor."""
        is_judged = self.method in (*GRIDS, "kmeans", "kmeans 8-bit", "nf4")
        is_low = self.bits in ACCURACY_BITS and (is_judged or self.granularity == "tensor")
        return is_low or self.method == "fp32"


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed: error, bytes and accuracy of every arm, and with seed 0 the prices.

    seed   of the trained networks
    smoke  the smallest network at 4 bits, and the prices
    """
    for name in NETWORKS[:1] if smoke else NETWORKS:
        data = checkpoints.DATA[name]
        model = subject.network(name, seed=seed)
        test = datasets.load(data, "test")
        yield from _network_rows(seed, name, data, subject.tensors(model), smoke, model, test)
    if seed == 0:
        for name in () if smoke else PUBLISHED:
            yield from _network_rows(seed, name, "none", published.published_weights(name), smoke)
        yield from _lane_rows()


def arms() -> list[Arm]:
    """Every way to store the weights that is measured."""
    found = [_plain()]
    for granularity in AXES:
        for bits in BITS:
            found += [_uniform(method, granularity, bits) for method in GRIDS]
            found += [_coded(method, granularity, bits) for method in CODEBOOKS]
        found.append(_coded("kmeans", granularity, NARROW_BITS, value_bits=8))
    return found + [_coded("nf4", granularity, 4) for granularity in coded.GRANULARITIES]


def _plain() -> Arm:
    return Arm(
        method="fp32",
        granularity="none",
        bits=32,
        store=lambda tensors: pipeline.store(tensors, bits="fp32"),
        restore=pipeline.restore,
    )


def _uniform(method: str, granularity: str, bits: int) -> Arm:
    return Arm(
        method=method,
        granularity=granularity,
        bits=bits,
        store=lambda tensors: pipeline.store(
            tensors, bits=bits, axis=AXES[granularity], method=method
        ),
        restore=pipeline.restore,
    )


def _coded(method: str, granularity: str, bits: int, *, value_bits: int = 16) -> Arm:
    scheme = Scheme(method=method, bits=bits, granularity=granularity, value_bits=value_bits)
    return Arm(
        method=method if value_bits == 16 else f"{method} {value_bits}-bit",
        granularity=granularity,
        bits=bits,
        store=lambda tensors: coded.store(tensors, scheme),
        restore=coded.restore,
    )


def _network_rows(
    seed: int,
    name: str,
    data: str,
    tensors: Tensors,
    smoke: bool,
    model: nn.Module | None = None,
    test: Images | None = None,
) -> Iterator[Row]:
    for arm in arms():
        if smoke and arm.bits not in (4, 32):
            continue
        file = arm.store(tensors)
        restored = arm.restore(file)
        values = {"stored_bytes": float(len(file)), **_errors(tensors, restored)}
        if model is not None and test is not None and arm.has_accuracy:
            values["accuracy"] = training.accuracy(
                subject.filled(model, restored), test, batch=BATCH
            )
        for measured, value in values.items():
            yield {
                "seed": seed,
                "network": name,
                "data": data,
                "method": arm.method,
                "granularity": arm.granularity,
                "bits": arm.bits,
                "measure": measured,
                "value": value,
            }


def _errors(tensors: Tensors, restored: Tensors) -> dict[str, float]:
    """Median signal-to-noise ratio of the layers, and the share of weights that are lost.

    A weight other than zero is lost when what comes back is no nearer to it than zero is.
    """
    ratios, lost, count = [], 0, 0
    for name, weight in tensors.items():
        if weight.ndim < 2:
            continue
        error = np.abs(weight - restored[name])
        is_there = weight != 0
        noise = float(np.square(error, dtype=np.float64).sum())
        signal = float(np.square(weight, dtype=np.float64).sum())
        ratios.append(10 * np.log10(signal / noise) if noise else np.inf)
        lost += int(np.count_nonzero(error[is_there] >= np.abs(weight[is_there])))
        count += int(np.count_nonzero(is_there))
    return {"sqnr_db": float(np.median(ratios)), "lost_share": lost / count}


def _lane_rows() -> Iterator[Row]:
    for bits in BITS:
        shared = {"lanes_per_table": LANES_PER_TABLE}
        lanes = {
            ("uniform", "own"): tables.uniform_lane(bits),
            ("kmeans", "own"): tables.table_lane(bits),
            ("kmeans", "shared"): tables.table_lane(bits, **shared),
            ("kmeans 8-bit", "own"): tables.table_lane(bits, value_bits=8),
            ("kmeans 8-bit", "shared"): tables.table_lane(bits, value_bits=8, **shared),
            ("log2", "own"): tables.shift_lane(bits),
        }
        for (method, place), lane in lanes.items():
            for measured, value in (("area_um2", lane.area_um2), ("energy_pj", lane.energy_pj)):
                yield {
                    "seed": 0,
                    "network": "lane",
                    "data": "none",
                    "method": method,
                    "granularity": place,
                    "bits": bits,
                    "measure": measured,
                    "value": value,
                }


EXPERIMENT = Experiment(
    claim="Q4",
    title="Do tables save what uniform grids lose, and what do they cost in every lane?",
    networks=(*NETWORKS, *PUBLISHED),
    data="MNIST and Fashion-MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "method", "granularity", "bits", "measure"),
    tolerances={"value": 0.001},
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
