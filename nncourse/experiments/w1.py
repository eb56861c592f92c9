"""Claim W1, begun: the six numbers of LeNet-5 on one accelerator model, before and after each technique.

Each number format runs on the machine it needs: the same array, memory and clock, with a datapath
for that format. No array for INT4 is assumed: four-bit weights travel and are stored as four bits,
and are computed with on the INT8 array. One image at a time.

The pruned network keeps 8 of 100 weights, in float32, with a bit for each weight that says which, and
was trained for the few rounds of its pruning. It runs on the array as it is, on one that gates
zeros, and on one that leaves them out as far as its form allows. The stage that a later part adds, coding,
becomes rows of the same table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nncourse import pipeline
from nncourse.accelerator import EDGE, Accelerator, DenseHardware, Gating, Skipping, Sparsity, gemms
from nncourse.experiments import activations, pruned, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.pruned import Plan
from nncourse.pruned_file import bytes_by_tensor
from nncourse.scorecard import Scorecard, scorecard
from nncourse.zoo import datasets, networks, training

NETWORK = "lenet-5"
DATA = "mnist"


@dataclass(frozen=True, kw_only=True)
class Technique:
    """How the weights are stored, and the format that the array computes in."""

    stage: str
    name: str
    stored: int | str
    datapath: str


TECHNIQUES = (
    Technique(stage="before", name="fp32", stored="fp32", datapath="fp32"),
    Technique(stage="quantization", name="fp16", stored="fp16", datapath="fp16"),
    Technique(stage="quantization", name="int8", stored=8, datapath="int8"),
    Technique(stage="quantization", name="int4", stored=4, datapath="int8"),
)
NUM_CALIBRATION_IMAGES = 1000
PLAN = Plan(density=0.08)
RUNGS: dict[str, Sparsity] = {
    "8% of weights": DenseHardware(),
    "8%, gated": Gating(),
    "8%, skipped": Skipping(),
}


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each technique.

    seed   of the trained network
    smoke  the rows before and after INT8 only
    """
    calibration = datasets.load(DATA, "train")[:NUM_CALIBRATION_IMAGES]
    validation = datasets.load(DATA, "validation")
    test = datasets.load(DATA, "test")
    model = subject.network(NETWORK, seed=seed)
    layers = gemms(model, networks.example_input(NETWORK))
    for technique in TECHNIQUES:
        if smoke and technique.name not in ("fp32", "int8"):
            continue
        data = pipeline.store(subject.tensors(model), bits=technique.stored)
        machine = EDGE.with_datapath(technique.datapath)
        card = scorecard(layers, machine, stored_bytes=len(data), bits=technique.stored)
        candidate = subject.decoded(model, data)
        if technique.datapath == "fp16":
            candidate = activations.with_fp16_inputs(candidate)
        elif technique.datapath == "int8":
            candidate, _ = activations.with_int8_inputs(
                candidate, calibration=calibration, validation=validation
            )
        accuracy = training.accuracy(candidate, test)
        yield _row(seed, machine, technique.stage, technique.name, card, accuracy)
    if smoke:
        return
    result = pruned.pruned(NETWORK, PLAN, seed=seed)
    data = pruned.file_of(result)
    accuracy = training.accuracy(pruned.decoded(model, data), test)
    sizes = {name.removesuffix(".weight"): size for name, size in bytes_by_tensor(data).items()}
    for name, rung in RUNGS.items():
        machine = EDGE.with_datapath("fp32").with_sparsity(rung)
        masks = pruned.layer_masks(result)
        card = scorecard(layers, machine, stored_bytes=sizes, bits="fp32", masks=masks)
        yield _row(seed, machine, "pruning", name, card, accuracy)


def _row(
    seed: int, machine: Accelerator, stage: str, technique: str, card: Scorecard, accuracy: float
) -> Row:
    return {
        "seed": seed,
        "network": NETWORK,
        "data": DATA,
        "machine": f"{machine.name}, {machine.datapath}",
        "stage": stage,
        "technique": technique,
        "storage_bytes": card.storage_bytes,
        "dram_bytes": card.dram_bytes,
        "energy_pj": card.energy_pj,
        "operations": card.operations,
        "inferences_per_s": card.inferences_per_s,
        "latency_s": card.latency_s,
        "accuracy": accuracy,
    }


EXPERIMENT = Experiment(
    claim="W1",
    title="Which technique moves which of the six numbers?",
    networks=(NETWORK,),
    data="MNIST test",
    seeds=1,
    measure=measure,
    keys=("seed", "network", "stage", "technique"),
    # The last digits of a power law depend on the mathematics library of the machine.
    tolerances={
        "accuracy": 0.001,
        "dram_bytes": 1e-3,
        "energy_pj": 1.0,
        "inferences_per_s": 1e-6,
        "latency_s": 1e-12,
    },
    inputs=(f"zoo/stored/{NETWORK}.safetensors",),
)
