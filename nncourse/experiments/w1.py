"""Claim W1: the six numbers of LeNet-5 on one accelerator model, before and after each technique.

Each number format runs on the machine it needs: the same array, memory and clock, with a datapath
for that format. No array for INT4 is assumed: four-bit weights travel and are stored as four bits,
and are computed with on the INT8 array. One image at a time.

The pruned network keeps 8 of 100 weights, in float32, with a bit for each weight that says which, and
was trained for the few rounds of its pruning. It runs on the array as it is, on one that gates
zeros, and on one that leaves them out as far as its form allows.

Coding alone changes no weight: the float32 file, coded without loss, its weights decoded on their way into
the chip, two a cycle. The last row puts the three together: Deep Compression's file, its codes and gaps
Huffman coded, decoded by one entry a cycle, its levels half floats, on the array that leaves zeros out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nncourse import pipeline
from nncourse.accelerator import (
    EDGE,
    Accelerator,
    Decoder,
    DenseHardware,
    Gating,
    Skipping,
    Sparsity,
    gemms,
)
from nncourse.accelerator.energy import sram_pj_per_byte
from nncourse.codecs.relative_index import split
from nncourse.container import Plain, open_container, write
from nncourse.experiments import activations, compressed_file, deep_compression, pruned, subject
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
FLOATS_PER_CYCLE = 2
DECODE_PJ = 2 * sram_pj_per_byte(8 * 1024)
"""Of one look-up: two bytes from a table of 4,096 entries."""
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
    data = write({name: Plain(values=value) for name, value in subject.tensors(model).items()})
    decoder = Decoder(bytes_per_cycle=4.0 * FLOATS_PER_CYCLE, pj_per_byte=DECODE_PJ / 4)
    machine = EDGE.with_datapath("fp32").with_decoder(decoder)
    card = scorecard(
        layers, machine, stored_bytes=compressed_file.bytes_by_layer(data), bits="fp32"
    )
    accuracy = training.accuracy(subject.filled(model, open_container(data).tensors()), test)
    yield _row(seed, machine, "coding", "fp32, without loss", card, accuracy)
    yield _all_three(seed)


def all_three(data: bytes, *, batch: int = 1) -> tuple[Accelerator, Scorecard]:
    """The machine that reads Deep Compression's file ``data`` of LeNet-5, and the six numbers on it.

    data   of the form "huffman" of ``compressed_file``
    batch  images at a time

    Codes and gaps are decoded by one entry a cycle, fillers too, on the way into the chip. There each kept
    weight is a half float, with a bit for each weight that says whether it is kept.
    """
    model = subject.network(NETWORK, seed=0)
    shared = compressed_file.shared_of(data)
    num_entries, on_chip = 0, 0.0  # bytes
    for name, tensor in shared.items():
        gap_bits = open_container(data).record(name).gap_bits
        num_entries += split(tensor.mask.astype(np.uint8), gap_bits)[0].size
        on_chip += 2 * int(tensor.mask.sum()) + tensor.mask.size / 8
    decoder = Decoder(  # two look-ups an entry, of its gap and of its code
        bytes_per_cycle=on_chip / num_entries, pj_per_byte=2 * num_entries * DECODE_PJ / on_chip
    )
    machine = EDGE.with_datapath("fp16").with_sparsity(Skipping()).with_decoder(decoder)
    card = scorecard(
        gemms(model, networks.example_input(NETWORK)),
        machine,
        stored_bytes=compressed_file.bytes_by_layer(data),
        bits="fp16",
        masks={name.removesuffix(".weight"): tensor.mask for name, tensor in shared.items()},
        batch=batch,
    )
    return machine, card


def huffman_form() -> bytes:
    """The stored example of LeNet-5, its levels half floats, in Deep Compression's own form."""
    example = deep_compression.example(NETWORK)
    values = compressed_file.restore(example, _shapes())
    return compressed_file.store("huffman", values, compressed_file.shared_of(example))


def _shapes() -> dict[str, tuple[int, ...]]:
    model = subject.network(NETWORK, seed=0)
    return {name: value.shape for name, value in subject.tensors(model).items()}


def _all_three(seed: int) -> Row:
    data = huffman_form()
    machine, card = all_three(data)
    model = subject.network(NETWORK, seed=seed)
    decoded = subject.filled(model, compressed_file.restore(data, _shapes()))
    accuracy = training.accuracy(activations.with_fp16_inputs(decoded), datasets.load(DATA, "test"))
    return _row(seed, machine, "all three", "Deep Compression", card, accuracy)


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
    inputs=(f"zoo/stored/{NETWORK}.safetensors", f"zoo/stored/{NETWORK}.nnc"),
)
