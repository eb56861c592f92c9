"""Claim Q3: eight bits down to one, rounded after training or fine-tuned, and what a fixed array gains.

Five paired seeds of three networks. Every accuracy is that of the network decoded from its stored bytes,
on the test split, read once for each arm. The arms:

- ``before`` and ``control``: float32, without and with as many steps of fine-tuning as the tuned arms get;
- ``rounded``: weights only, after training, the range and the granularity chosen on the validation split;
- ``rounded with inputs``: weights and what layers read, after training, one grid a tensor;
- ``tuned`` and ``tuned with inputs``: the same widths, fine-tuned with learned steps;
- ``straight through``: weights fine-tuned on a grid whose step follows the largest weight.

One bit is a sign and a scale for weights, 0 or a step for inputs; the image keeps eight bits. The machine
is an array of 8-bit cells, or of 32-bit floats for the arms in float: narrower weights are stored and
travel narrow, and are computed with as eight bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from nncourse import pipeline
from nncourse.accelerator import EDGE, gemms
from nncourse.experiments import subject, tuned
from nncourse.experiments.experiment import Experiment, Row
from nncourse.quantizers import fine_tuning
from nncourse.scorecard import scorecard
from nncourse.zoo import checkpoints, datasets, networks, training
from nncourse.zoo.datasets import Images

NETWORKS = ("lenet-300-100", "lenet-5", "resnet-8")
ROUNDED_BITS = (8, 7, 6, 5, 4, 3, 2, 1)
TUNED_BITS = (8, 4, 3, 2, 1)  # rounding alone loses nothing in between
INPUT_BITS = (8, 4, 2, 1)
STRAIGHT_THROUGH_BITS = (4, 2)
AXES = {"tensor": None, "channel": 0}
WEIGHT_METHODS = ("minmax", "mse")


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network and arm.

    seed   of the trained networks and of the fine-tuning
    smoke  the smallest network's arms that need no training only
    """
    for name in NETWORKS[:1] if smoke else NETWORKS:
        data = checkpoints.DATA[name]
        validation, test = datasets.load(data, "validation"), datasets.load(data, "test")
        model = subject.network(name, seed=seed)
        layers = gemms(model, networks.example_input(name))
        for arm in _arms(name, model, seed, validation, smoke=smoke):
            file, candidate = arm.pop("file"), arm.pop("candidate")
            bits = arm["weight_bits"]
            machine = EDGE.with_datapath("fp32" if bits == 32 else "int8")
            card = scorecard(
                layers, machine, stored_bytes=len(file), bits="fp32" if bits == 32 else bits
            )
            yield {
                "seed": seed,
                "network": name,
                "data": data,
                **arm,
                "machine": f"{machine.name}, {machine.datapath}",
                "stored_bytes": len(file),
                "array_cycles": int(card.report.compute_cycles.sum()),
                "latency_s": card.latency_s,
                "energy_pj": card.energy_pj,
                "accuracy": training.accuracy(candidate, test),
            }


def _arms(
    name: str, model: nn.Module, seed: int, validation: Images, *, smoke: bool
) -> Iterator[dict[str, Any]]:
    """Every arm with its file and the network decoded from it; the test split has no way in here."""
    file = pipeline.store(subject.tensors(model), bits="fp32")
    yield _arm("before", 32, 32, "none", file, subject.decoded(model, file))
    for bits in ROUNDED_BITS:
        yield _rounded(model, bits, validation)
    for bits in INPUT_BITS:
        prepared = tuned.prepared(name, model, weight_bits=bits, input_bits=bits)
        yield _from_prepared("rounded with inputs", bits, bits, "mse, tensor", model, prepared)
    if smoke:
        return
    plans: list[tuple[str, int | None, int | None, str]] = [
        ("control", None, None, "learned step"),
        *(("tuned", bits, None, "learned step") for bits in TUNED_BITS),
        *(("tuned with inputs", bits, bits, "learned step") for bits in INPUT_BITS),
        *(("straight through", bits, None, "straight through") for bits in STRAIGHT_THROUGH_BITS),
    ]
    for arm, weight_bits, input_bits, method in plans:
        trained = tuned.fine_tuned(
            name, seed=seed, weight_bits=weight_bits, input_bits=input_bits, method=method
        )
        described = "none" if weight_bits is None else f"{method}, tensor"
        yield _from_prepared(arm, weight_bits or 32, input_bits or 32, described, model, trained)


def _rounded(model: nn.Module, bits: int, validation: Images) -> dict[str, Any]:
    """The arm of the weights rounded to ``bits``, by the method that does best on validation."""
    if bits == 1:  # one method only: a sign and the mean magnitude
        prepared = fine_tuning.prepare(model, weight_bits=1)
        return _from_prepared("rounded", 1, 32, "sign, tensor", model, prepared)
    best: tuple[float, str, bytes, nn.Module] | None = None
    for granularity, axis in AXES.items():
        for method in WEIGHT_METHODS:
            file = pipeline.store(subject.tensors(model), bits=bits, axis=axis, method=method)
            candidate = subject.decoded(model, file)
            reached = training.accuracy(candidate, validation)
            if best is None or reached > best[0]:
                best = (reached, f"{method}, {granularity}", file, candidate)
    assert best is not None
    return _arm("rounded", bits, 32, best[1], best[2], best[3])


def _from_prepared(
    arm: str, weight_bits: int, input_bits: int, method: str, model: nn.Module, prepared: nn.Module
) -> dict[str, Any]:
    file = tuned.stored(prepared)
    return _arm(arm, weight_bits, input_bits, method, file, tuned.decoded(model, file))


def _arm(
    arm: str, weight_bits: int, input_bits: int, method: str, file: bytes, candidate: nn.Module
) -> dict[str, Any]:
    return {
        "arm": arm,
        "weight_bits": weight_bits,
        "input_bits": input_bits,
        "method": method,
        "file": file,
        "candidate": candidate,
    }


EXPERIMENT = Experiment(
    claim="Q3",
    title="How few bits keep the accuracy, and what does an array of eight bits make of them?",
    networks=NETWORKS,
    data="MNIST and Fashion-MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "arm", "weight_bits", "input_bits"),
    tolerances={"accuracy": 0.001, "latency_s": 1e-12, "energy_pj": 1.0},
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
