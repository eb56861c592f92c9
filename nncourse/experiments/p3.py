"""Claim P3: five times fewer operations on parallel arrays, and how much faster each of them gets.

Five paired seeds of four networks, every layer pruned by magnitude to one weight in five and retrained.
The masks run on arrays that handle zeros in different ways; the same array with the dense network is
what each is compared with. All weights have eight bits. The mechanisms:

- ``dense`` and ``gating``: a pruned connection still holds its cell, which computes with the zero or
  stands still for that cycle;
- ``lock step``: lanes skip zeros, and wait for the slowest after every group of inputs;
- ``queue``: each lane may run ahead of the slowest by some groups;
- ``vector``: a lane takes several inputs at a time and skips them only if all their weights are zeros;
- ``systolic rows``: a systolic array leaves out an input that no output of the tile at hand uses.

Rows of ``independent`` zeros come from closed forms, for zeros of the same density that fall anywhere with
equal chance: what the real masks add to them is the imbalance of trained weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse import pipeline
from nncourse.accelerator import (
    EDGE,
    Accelerator,
    DenseHardware,
    Gating,
    Gemm,
    Lanes,
    Report,
    Skipping,
    SystolicArray,
    gemms,
)
from nncourse.experiments import pruned, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.pruned import Plan
from nncourse.zoo import checkpoints, networks

NETWORKS = tuple(pruned.RECIPES)
PLAN = Plan(density=0.2, shape="uniform")
LANES = (16, 64, 256)
GROUPS = (16, 32, 64, 128)
QUEUED_LANES, QUEUED_GROUP = 64, 16
DEPTHS = (2, 4, 8, 32)
VECTOR_LANES, VECTOR_GROUP, VECTOR_DEPTH = 16, 16, 8
WIDTHS = (2, 4, 8, 16)
"""Designs, chosen before the first run: the grid in which published arrays lie, none of them tuned."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """One array and what it does with zeros; ``closed`` where independent zeros have a closed form."""

    mechanism: str
    array: Lanes | SystolicArray
    closed: bool

    @property
    def machine(self) -> Accelerator:
        """The edge machine around this array."""
        rungs: Mapping[str, Any] = {"dense": DenseHardware(), "gating": Gating()}
        return EDGE.with_array(self.array).with_sparsity(rungs.get(self.mechanism, Skipping()))

    @property
    def columns(self) -> dict[str, int]:
        """What tells the array from others; 0 where it does not apply."""
        if isinstance(self.array, SystolicArray):
            return {"lanes": self.array.cells, "width": 1, "group": 0, "queue_depth": 0}
        return {
            "lanes": self.array.lanes,
            "width": self.array.width,
            "group": self.array.group,
            "queue_depth": self.array.queue_depth,
        }


def designs() -> Iterator[Design]:
    """Every design that is measured."""
    first = Lanes(LANES[0], group=GROUPS[1])
    yield Design(mechanism="dense", array=first, closed=True)
    yield Design(mechanism="gating", array=first, closed=True)
    for lanes in LANES:
        for group in GROUPS:
            yield Design(mechanism="lock step", array=Lanes(lanes, group=group), closed=True)
    for depth in DEPTHS:
        queued = Lanes(QUEUED_LANES, group=QUEUED_GROUP, queue_depth=depth)
        yield Design(mechanism="queue", array=queued, closed=False)
    for width in WIDTHS:
        wide = Lanes(VECTOR_LANES, width=width, group=VECTOR_GROUP, queue_depth=VECTOR_DEPTH)
        yield Design(mechanism="vector", array=wide, closed=False)
    yield Design(mechanism="systolic rows", array=SystolicArray(16, 16, "ws"), closed=True)


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network, design and kind of zeros.

    seed   of the trained networks and of the pruning
    smoke  independent zeros in the smallest network, which need no training
    """
    for name in NETWORKS[:1] if smoke else NETWORKS:
        model = subject.network(name, seed=seed)
        layers = gemms(model, networks.example_input(name))
        make = pruned.untrained if smoke else pruned.pruned
        result = make(name, PLAN, seed=seed)
        masks = pruned.layer_masks(result)
        densities = [float(masks[layer.weights_name].mean()) for layer in layers]
        dense_bytes = _shared_out(layers, pipeline.store(subject.tensors(model), bits=8))
        pruned_bytes = _shared_out(layers, pruned.file_of(result, bits=8))
        for design in designs():
            before = design.machine.run(layers, weight_bytes=dense_bytes)
            after: dict[str, Report] = {}
            if not smoke:
                after["mask"] = design.machine.run(layers, weight_bytes=pruned_bytes, masks=masks)
            if design.closed:
                after["independent"] = design.machine.run(
                    layers, weight_bytes=pruned_bytes, densities=densities
                )
            for zeros, report in after.items():
                yield {
                    "seed": seed,
                    "network": name,
                    "data": checkpoints.DATA[name],
                    "mechanism": design.mechanism,
                    **design.columns,
                    "zeros": zeros,
                    "density": PLAN.density,
                    "operations_left": pruned.operations_left(result, layers),
                    "array_speedup": _ratio(before.compute_cycles, report.compute_cycles),
                    "speedup": _ratio(before.cycles, report.cycles),
                    "energy_ratio": _ratio(before.energy_pj, report.energy_pj),
                }


def _shared_out(layers: Sequence[Gemm], file: bytes) -> NDArray[np.float64]:
    """The bytes of a file by layer: every layer has the same density, so a share for each weight."""
    words = np.array([layer.weight_words for layer in layers], dtype=np.float64)
    shares: NDArray[np.float64] = len(file) * words / words.sum()
    return shares


def _ratio(before: NDArray[Any], after: NDArray[Any]) -> float:
    return float(before.sum() / after.sum())


EXPERIMENT = Experiment(
    claim="P3",
    title="Five times fewer operations: how much faster is a parallel array?",
    networks=NETWORKS,
    data="masks of networks trained on MNIST and Fashion-MNIST; no accuracy",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "mechanism", "lanes", "width", "group", "queue_depth", "zeros"),
    tolerances={
        "operations_left": 1e-12,
        "array_speedup": 1e-9,
        "speedup": 1e-9,
        "energy_ratio": 1e-9,
    },
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
