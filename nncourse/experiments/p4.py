"""Claim P4: shapes of pruning at equal accuracy and equal size, on arrays that they fit and do not fit.

Five paired seeds of two networks. Every arm trains for the same number of steps, the dense one too. The
shapes, for arrays 16 wide: single weights (``fine-grained``), n of every m inputs (``n:m``), as many of
each 16 inputs (``bank``), blocks of 16 outputs and one input (``block``), of one output and 16 inputs
(``vector``), and whole ``channel``s. All but the last prune the layers that are made of 16 by 16 tiles.

Weights are stored in eight bits with the positions that their shape leaves open, and the accuracy is that
of the network decoded from that file, on the test split. Each file runs on three arrays, each of which
leaves out what its form allows: a systolic array, lanes that take one input a cycle, and lanes that take
16 side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import nn

from nncourse import pipeline
from nncourse.accelerator import (
    EDGE,
    NM,
    Accelerator,
    Blocks,
    DenseHardware,
    Lanes,
    Skipping,
    Sparsity,
    gemms,
)
from nncourse.experiments import channel_shape, pruned, shapes, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.pruned import CONTROL, Plan
from nncourse.positions import Bitmap, Positions
from nncourse.pruned_file import Where, bytes_by_tensor
from nncourse.pruners.masks import Mask
from nncourse.scorecard import scorecard
from nncourse.zoo import checkpoints, datasets, networks, training

NETWORKS = ("resnet-8", "mobilenet-10")
DENSITIES = (0.75, 0.5, 0.25)
SHAPES = ("dense", *shapes.TILED, "channel")
BITS = 8

ARRAYS: Mapping[str, Accelerator] = MappingProxyType(
    {
        "systolic": EDGE,
        "lanes": EDGE.with_array(Lanes(16, width=1, group=32)),
        "wide lanes": EDGE.with_array(Lanes(16, width=16, group=4)),
    }
)
"""Machines that differ in their array alone: 16 by 16 cells, 16 lanes of one cell, 16 lanes of 16."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One arm: its file, the network decoded from it, and the rung of the ladder that serves its shape.

    sizes  bytes of the file by layer, with what belongs to none; or their sum, shared out over layers
           that are stored alike
    """

    file: bytes
    sizes: int | Mapping[str, int]
    network: nn.Module
    rung: Sparsity
    masks: Mapping[str, Mask]
    weights_left: float


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network, shape, density and array.

    seed   of the trained networks and of the pruning
    smoke  one array and one shape of the residual network, taken from its untrained form
    """
    for name in NETWORKS[:1] if smoke else NETWORKS:
        data = checkpoints.DATA[name]
        test = datasets.load(data, "test")
        model = subject.network(name, seed=seed)
        example = networks.example_input(name)
        total = sum(layer.macs for layer in gemms(model, example))
        for shape in ("as trained",) if smoke else ("as trained", *SHAPES):
            whole = shape in ("dense", "as trained")
            for density in (1.0,) if whole else DENSITIES:
                stored = _stored(name, model, shape, density, seed)
                accuracy = training.accuracy(stored.network, test)
                layers = gemms(stored.network, example)
                for array, machine in ARRAYS.items():
                    card = scorecard(
                        layers,
                        machine.with_sparsity(stored.rung),
                        stored_bytes=stored.sizes,
                        bits=BITS,
                        masks=stored.masks,
                    )
                    yield {
                        "seed": seed,
                        "network": name,
                        "data": data,
                        "shape": shape,
                        "density": density,
                        "weights_left": stored.weights_left,
                        "operations_left": card.operations / total,
                        "stored_bytes": len(stored.file),
                        "array": array,
                        "rung": type(stored.rung).__name__,
                        "array_cycles": float(card.report.compute_cycles.sum()),
                        "latency_s": card.latency_s,
                        "energy_pj": card.energy_pj,
                        "accuracy": accuracy,
                    }


def rung_of(shape: str, density: float) -> Sparsity:
    """The rung of the ladder that is made for a shape; dense hardware for those that need none.

    density  of the shape, which fixes n of m
    """
    rungs: dict[str, Sparsity] = {
        "fine-grained": Skipping(),
        "n:m": NM(round(density * 4), 4),
        "bank": NM(round(density * shapes.TILE), shapes.TILE),
        "block": Blocks(shapes.TILE, 1),
        "vector": Blocks(1, shapes.TILE),
    }
    return rungs.get(shape, DenseHardware())


WHERE: Mapping[str, tuple[Where, ...]] = MappingProxyType(
    {
        "fine-grained": (Bitmap(),),
        "n:m": (Positions(4), Bitmap()),
        "bank": (Positions(shapes.TILE), Bitmap()),
        "block": (Bitmap(shapes.TILE, 1),),
        "vector": (Bitmap(1, shapes.TILE),),
    }
)
"""How the positions of each shape may be written; the smallest file is taken."""


def _stored(name: str, model: nn.Module, shape: str, density: float, seed: int) -> Stored:
    if shape in WHERE:
        result = pruned.pruned(name, Plan(density=density, shape=shape), seed=seed)
        files = (pruned.file_of(result, bits=BITS, where=where) for where in WHERE[shape])
        file = min(files, key=len)
        sizes = bytes_by_tensor(file)
        return Stored(
            file=file,
            sizes={key.removesuffix(".weight"): size for key, size in sizes.items()},
            network=pruned.decoded(model, file),
            rung=rung_of(shape, density),
            masks=pruned.layer_masks(result),
            weights_left=pruned.weights_left(result),
        )
    network = model
    if shape == "dense":
        network = pruned.pruned(name, CONTROL, seed=seed).network
    elif shape == "channel":
        result = pruned.pruned(name, Plan(density=density, shape=shape), seed=seed)
        network = channel_shape.smaller(result, networks.example_input(name))
    file = pipeline.store(subject.tensors(network), bits=BITS)
    return Stored(
        file=file,
        sizes=len(file),
        network=subject.decoded(network, file),
        rung=DenseHardware(),
        masks={},
        weights_left=_num_weights(network) / _num_weights(model),
    )


def _num_weights(network: nn.Module) -> int:
    return sum(value.numel() for value in network.parameters() if value.dim() > 1)


EXPERIMENT = Experiment(
    claim="P4",
    title="What do shapes that fit the hardware give up, and what do they gain?",
    networks=NETWORKS,
    data="Fashion-MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "shape", "density", "array"),
    tolerances={
        "accuracy": 0.001,
        "weights_left": 1e-12,
        "operations_left": 1e-12,
        "latency_s": 1e-12,
        "energy_pj": 1.0,
    },
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
