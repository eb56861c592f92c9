"""Claim P2: four fifths of the operations of a network gone, over a family of networks.

Five paired seeds of four networks, two of them deep: one residual, one of separable convolutions. A
multiply-accumulate counts as gone when its weight is pruned. Arms, each with the same number of
training steps: ``control`` keeps every weight, ``uniform`` prunes every layer to the same density, so
that the operations fall by exactly that factor, ``global`` prunes in one ranking over all layers, which
leaves more operations than weights, since layers of few weights and many positions are spared.
``no retraining`` is ``uniform`` without any step.

ResNet-50, which the claim names, is far too large to be trained here: its shapes run on the accelerator
model in the chapter, and published results stand beside ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from nncourse.accelerator import gemms
from nncourse.experiments import p1, pruned, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.pruned import CONTROL, Plan
from nncourse.zoo import checkpoints, datasets, networks, training

FIFTH = 0.2


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network and arm.

    seed   of the trained networks and of the pruning
    smoke  the smallest network's arm that needs no training only
    """
    for name in tuple(p1.DENSITIES)[:1] if smoke else p1.DENSITIES:
        data = checkpoints.DATA[name]
        test = datasets.load(data, "test")
        model = subject.network(name, seed=seed)
        layers = gemms(model, networks.example_input(name))
        dense_operations = sum(layer.macs for layer in layers)
        for arm, plan in _plans(name, smoke=smoke):
            make = pruned.untrained if arm == "no retraining" else pruned.pruned
            result = make(name, plan, seed=seed)
            left = pruned.operations_left(result, layers)
            file = pruned.file_of(result)
            yield {
                "seed": seed,
                "network": name,
                "data": data,
                "arm": arm,
                "density": plan.density,
                "weights_left": pruned.weights_left(result),
                "operations_left": left,
                "operations": round(left * dense_operations),
                "stored_bytes": len(file),
                "accuracy": training.accuracy(pruned.decoded(model, file), test),
            }


def _plans(name: str, *, smoke: bool) -> Iterator[tuple[str, Plan]]:
    uniform = Plan(density=FIFTH, shape="uniform")
    yield "no retraining", uniform
    if smoke:
        return
    yield "control", CONTROL
    yield "uniform", uniform
    for density in p1.DENSITIES[name]:
        yield "global", Plan(density=density)


EXPERIMENT = Experiment(
    claim="P2",
    title="Can four fifths of the operations go without loss?",
    networks=tuple(p1.DENSITIES),
    data="MNIST and Fashion-MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "arm", "density"),
    tolerances={"accuracy": 0.001, "weights_left": 1e-12, "operations_left": 1e-12},
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in p1.DENSITIES),
)
