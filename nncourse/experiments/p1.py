"""Claim P1: connections that can be pruned without loss of accuracy, and whether it matters which.

Five paired seeds of four networks. Every arm but the first and the last trains for the same number of
steps after the network is handed over. Every accuracy is that of the network decoded from its stored
bytes, on the test split, read once for each arm. The arms:

- ``before`` and ``control``: all weights, without and with the additional steps;
- ``iterative``: pruned by magnitude in rounds, in one ranking over all layers, with training in between;
- ``one-shot``: the same ranking, all at once before the first step;
- ``random``: the rounds of ``iterative``, the connections drawn by lot;
- ``no retraining``: ``one-shot`` without any step.

Weights stay float32, so that nothing but the pruning is measured; a bit for each weight says which stay.
"""

from __future__ import annotations

from collections.abc import Iterator

from nncourse.accelerator import gemms
from nncourse.experiments import pruned, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.pruned import CONTROL, Plan
from nncourse.zoo import checkpoints, datasets, networks, training
from nncourse.zoo.pruning import Pruned

DENSITIES = {
    "lenet-300-100": (0.2, 0.08, 0.04, 0.02),
    "lenet-5": (0.2, 0.08, 0.04),
    "resnet-8": (0.5, 0.3, 0.2, 0.1),
    "mobilenet-10": (0.5, 0.3, 0.2, 0.1),
}
"""Shares of the weights that stay; 8 in 100 is what Deep Compression reports for both LeNets."""

NOT_ONE_SHOT = 0.3  # measured for the smallest density without loss only


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network and arm.

    seed   of the trained networks and of the pruning
    smoke  the smallest network's arms that need no training only
    """
    for name in tuple(DENSITIES)[:1] if smoke else DENSITIES:
        data = checkpoints.DATA[name]
        test = datasets.load(data, "test")
        model = subject.network(name, seed=seed)
        layers = gemms(model, networks.example_input(name))
        for arm, density, result in _arms(name, seed, smoke=smoke):
            file = pruned.file_of(result)
            yield {
                "seed": seed,
                "network": name,
                "data": data,
                "arm": arm,
                "density": density,
                "weights_left": pruned.weights_left(result),
                "operations_left": pruned.operations_left(result, layers),
                "stored_bytes": len(file),
                "accuracy": training.accuracy(pruned.decoded(model, file), test),
            }


def _arms(name: str, seed: int, *, smoke: bool) -> Iterator[tuple[str, float, Pruned]]:
    """Every arm with its pruned network; the test split has no way in here."""
    yield "before", 1.0, Pruned(network=subject.network(name, seed=seed), masks={})
    for density in DENSITIES[name]:
        yield "no retraining", density, pruned.untrained(name, Plan(density=density), seed=seed)
    if smoke:
        return
    yield "control", 1.0, pruned.pruned(name, CONTROL, seed=seed)
    for density in DENSITIES[name]:
        plans = {
            "iterative": Plan(density=density),
            "random": Plan(density=density, shape="random"),
        }
        if density != NOT_ONE_SHOT:
            plans["one-shot"] = Plan(density=density, schedule="one-shot")
        for arm, plan in plans.items():
            yield arm, density, pruned.pruned(name, plan, seed=seed)


EXPERIMENT = Experiment(
    claim="P1",
    title="How many connections can go without loss, and does it matter which?",
    networks=tuple(DENSITIES),
    data="MNIST and Fashion-MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "arm", "density"),
    tolerances={"accuracy": 0.001, "weights_left": 1e-12, "operations_left": 1e-12},
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in DENSITIES),
)
