"""Claim F3: is a small dense network as good as a large pruned one of as many bytes, or of as many cycles?

Five paired seeds. ``pruned`` networks are the widest members of two architectures at several densities,
``dense`` ones all members of both, and each has had the same two trainings: the first, and one more phase,
pruned or whole.

Both kinds are stored in one form: eight bits a weight with one step for each output channel, a bit for each
weight that says whether it stays where some do not, and then the whole file through a general-purpose
compressor (zlib), which takes much of those bits away again. Cycles are those of one inference on an array of
16 lanes that skips zeros, and include the wait for DRAM. Every accuracy is that of the network decoded from
the file. The validation split chooses among dense networks, the test split is read once for each.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import torch

from nncourse import pruned_file
from nncourse.accelerator import EDGE, Lanes, Skipping, gemms
from nncourse.experiments import members, pruned
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.members import Member
from nncourse.scorecard import scorecard
from nncourse.zoo import datasets, training
from nncourse.zoo.families import INPUT_SHAPE
from nncourse.zoo.pruning import Pruned

DENSITIES = {
    Member(family="perceptron", width=300, data="mnist"): (0.5, 0.2, 0.1),
    Member(family="separable", width=18, data="mnist"): (0.5, 0.2),
    Member(family="perceptron", width=300, data="fashion-mnist"): (0.5, 0.2),
}
WIDTHS = {
    ("perceptron", "mnist"): (300, 100, 30, 12),
    ("separable", "mnist"): (18, 9, 4),
    ("perceptron", "fashion-mnist"): (300, 100, 30, 12),
}
BITS = 8
MACHINE = EDGE.with_array(Lanes(16, group=32)).with_sparsity(Skipping())


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network.

    seed   of the first weights and of all training
    smoke  the narrowest dense network of the first line only
    """
    for member, density in _networks(smoke=smoke):
        result = members.phases(member, (round(1 - density, 6),), seed=seed)
        yield {
            "seed": seed,
            "family": member.family,
            "width": member.width,
            "network": member.name,
            "data": member.data,
            "kind": "dense" if density == 1.0 else "pruned",
            "density": density,
            **_sizes(result),
            **_accuracies(member, result),
        }


def _networks(*, smoke: bool) -> Iterator[tuple[Member, float]]:
    for (family, data), widths in list(WIDTHS.items())[: 1 if smoke else None]:
        for width in widths[-1:] if smoke else widths:
            yield Member(family=family, width=width, data=data), 1.0
    for member, densities in DENSITIES.items():
        for density in () if smoke else densities:
            yield member, density


def _sizes(result: Pruned) -> dict[str, int]:
    plain = pruned.file_of(result, bits=BITS)
    by_layer = {
        name.removesuffix(".weight"): size
        for name, size in pruned_file.bytes_by_tensor(plain).items()
    }
    card = scorecard(
        gemms(result.network, torch.zeros(1, *INPUT_SHAPE)),
        MACHINE,
        stored_bytes=by_layer,
        bits=BITS,
        masks=pruned.layer_masks(result),
    )
    return {
        "plain_bytes": len(plain),
        "stored_bytes": len(zlib.compress(plain, 9)),
        "array_cycles": int(card.report.compute_cycles.sum()),
        "cycles": int(card.report.cycles.sum()),
    }


def _accuracies(member: Member, result: Pruned) -> dict[str, float]:
    packed = zlib.compress(pruned.file_of(result, bits=BITS), 9)
    candidate = pruned.decoded(result.network, zlib.decompress(packed))
    return {
        "validation_accuracy": training.accuracy(
            candidate, datasets.load(member.data, "validation")
        ),
        "accuracy": training.accuracy(candidate, datasets.load(member.data, "test")),
    }


EXPERIMENT = Experiment(
    claim="F3",
    title="Small and dense, or large and pruned, at equal bytes and at equal cycles?",
    networks=tuple(
        dict.fromkeys(f"{family}-{width}" for (family, _), all_ in WIDTHS.items() for width in all_)
    ),
    data="MNIST and Fashion-MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "data", "kind", "density"),
    # A training of seconds is repeated elsewhere to the last bit only on the same kind of processor.
    tolerances={"accuracy": 0.02, "validation_accuracy": 0.02, "stored_bytes": 200},
)
