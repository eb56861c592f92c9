"""Claim Q5: which layers need more bits, what a searched allocation gains, and what arrays make of it.

Two networks of ten weight layers, five paired seeds, weights per channel, no fine-tuning, activations of
eight bits on the machine. First each layer alone is narrowed, and the loss on 2,000 validation images
tells what it cannot bear. From that table an exact allocation under the bytes of a fixed width is chosen.
Every accuracy is that of the network decoded from its stored bytes, on the test split, read once an arm:

- ``before``: float32;
- ``fixed``: one width for all layers;
- ``ends wide``: the article's rule at its smallest, the first and the last layer at 8 bits;
- ``allocated``: the widths 2 to 8 whose losses add up to least, in no more bytes than ``fixed``;
- ``allocated for cycles``: the widths 2, 4 and 8, in no more array cycles of fusible cells than ``fixed``
  and in no more bytes.

Cycles are those of the array alone, without waiting for memory, with as many cells of each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from torch import nn

from nncourse import pipeline
from nncourse.accelerator import EDGE, FIXED, FUSIBLE, TWO_WIDTH, WEIGHT_SERIAL, Gemm, gemms
from nncourse.experiments import subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.quantizers.allocation import allocate
from nncourse.quantizers.sensitivity import Evaluator, sensitivity_scan
from nncourse.zoo import checkpoints, datasets, networks, training

NETWORKS = ("resnet-8", "mobilenet-10")
WIDTHS = (2, 3, 4, 5, 6, 7, 8)
SCANNED_IMAGES = 2000
FIXED_BITS = (3, 4, 5)
FUSIBLE_WIDTHS = (2, 4, 8)
WIDE_BITS = 8
INPUT_BITS = 8
HEADER_BYTES = (
    64  # kept free: the header of the file has more digits for some widths than for others
)
CELLS = {
    "fixed": FIXED,
    "two widths": TWO_WIDTH,
    "fusible": FUSIBLE,
    "serial": WEIGHT_SERIAL,
}
ALL = "all"  # in the place of a layer: the row is of the whole network


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed: network, arm, layer, bits, and one measure with its value.

    seed   of the trained networks
    smoke  the float and the fixed arms of the first network only
    """
    for name in NETWORKS[:1] if smoke else NETWORKS:
        data = checkpoints.DATA[name]
        test = datasets.load(data, "test")
        model = subject.network(name, seed=seed)
        layers = gemms(model, networks.example_input(name))
        plans: list[tuple[str, int, dict[str, int]]] = [
            ("fixed", bits, dict.fromkeys(subject.gemm_layers(model), bits)) for bits in FIXED_BITS
        ]
        measures = []
        if not smoke:
            scan = scanned(name, model)
            measures += [
                ("one layer", layer, bits, what, value)
                for what in ("loss_change", "accuracy_change")
                for layer, bits, value in zip(scan["layer"], scan["bits"], scan[what], strict=True)
            ]
            plans += _plans(layers, scan)
        tensors = subject.tensors(model)
        file = pipeline.store(tensors, bits="fp32")
        measures += [("before", ALL, 32, "stored_bytes", len(file))]
        measures += [("before", ALL, 32, "accuracy", training.accuracy(model, test))]
        for arm, budget_bits, widths in plans:
            stored = pipeline.store(tensors, bits=_named(widths))
            reached = training.accuracy(subject.decoded(model, stored), test)
            measures += [(arm, ALL, budget_bits, "stored_bytes", len(stored))]
            measures += [(arm, ALL, budget_bits, "accuracy", reached)]
            measures += [
                (arm, ALL, budget_bits, f"{kind} cycles", array_cycles(layers, kind, widths))
                for kind in CELLS
            ]
            measures += [
                (arm, layer, budget_bits, "width", width) for layer, width in widths.items()
            ]
        for arm, layer, bits, what, value in measures:
            yield {
                "seed": seed,
                "network": name,
                "data": data,
                "arm": arm,
                "layer": layer,
                "bits": bits,
                "measure": what,
                "value": float(value),
            }


def scanned(name: str, model: nn.Module) -> pd.DataFrame:
    """What ``model`` loses when one layer alone is narrowed, from ``sensitivity_scan``.

    name   of the network, whose validation images are used
    model  never modified
    """
    images = datasets.load(checkpoints.DATA[name], "validation")[:SCANNED_IMAGES]
    evaluator = Evaluator(model, images.x, images.y)
    return sensitivity_scan(evaluator.weights, widths=WIDTHS, evaluate=evaluator)


def array_cycles(layers: Sequence[Gemm], kind: str, widths: Mapping[str, int]) -> int:
    """Cycles of the array for one image with weights of these widths and inputs of eight bits.

    layers  of the network
    kind    a key of ``CELLS``
    widths  by layer name
    """
    machine = EDGE.with_cell(CELLS[kind])
    report = machine.run(
        layers,
        weight_bits=[widths[layer.weights_name] for layer in layers],
        activation_bits=INPUT_BITS,
    )
    return int(report.compute_cycles.sum())


def _plans(layers: Sequence[Gemm], scan: pd.DataFrame) -> Iterator[tuple[str, int, dict[str, int]]]:
    """The arms whose widths differ from layer to layer, with the fixed width they are paired with."""
    loss = scan.pivot(index="layer", columns="bits", values="loss_change")
    names = [str(name) for name in loss.index]
    weights = {layer.weights_name: layer.weight_words for layer in layers}
    sizes = np.array([weights[name] for name in names])
    for fixed_bits in FIXED_BITS:
        ends = dict.fromkeys(names, fixed_bits) | {names[0]: WIDE_BITS, names[-1]: WIDE_BITS}
        yield "ends wide", fixed_bits, ends
        code_bytes = -(-sizes[:, None] * np.array(WIDTHS) // 8)
        budget = (-(-sizes * fixed_bits // 8)).sum() - HEADER_BYTES
        choice = allocate(loss[list(WIDTHS)], code_bytes, budget=budget).choice
        yield "allocated", fixed_bits, _widths(names, WIDTHS, choice)
    # A fusible cell rounds 3 up to 4: only the fixed width of 4 bits has a budget worth keeping.
    alone = {
        width: {
            layer.weights_name: array_cycles([layer], "fusible", {layer.weights_name: width})
            for layer in layers
        }
        for width in FUSIBLE_WIDTHS
    }
    cycles = np.array([[alone[width][name] for width in FUSIBLE_WIDTHS] for name in names])
    code_bytes = -(-sizes[:, None] * np.array(FUSIBLE_WIDTHS) // 8)
    at_four = FUSIBLE_WIDTHS.index(4)
    choice = allocate(
        loss[list(FUSIBLE_WIDTHS)],
        np.stack([cycles, code_bytes]),
        budget=[cycles[:, at_four].sum(), code_bytes[:, at_four].sum() - HEADER_BYTES],
    ).choice
    yield "allocated for cycles", 4, _widths(names, FUSIBLE_WIDTHS, choice)


def _widths(names: Sequence[str], widths: Sequence[int], choice: Iterable[int]) -> dict[str, int]:
    return {name: widths[index] for name, index in zip(names, choice, strict=True)}


def _named(widths: Mapping[str, int]) -> dict[str, int]:
    return {f"{layer}.weight": width for layer, width in widths.items()}


EXPERIMENT = Experiment(
    claim="Q5",
    title="Do the first and last layers need more bits, and what does a variable width gain?",
    networks=NETWORKS,
    data="Fashion-MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "arm", "layer", "bits", "measure"),
    # The tolerance is for accuracies; losses of the scan stay well within it on other processors.
    tolerances={"value": 0.002},
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
