"""Claim F1: does a new, lean network give up less than an old, fat one of the same accuracy?

Five paired seeds of two networks that learn the same data to about the same accuracy: one after
LeNet-300-100, one after MobileNet with a sixtieth of its weights. The width of the lean one, of 12, 14, 16 and
18, is that whose accuracy on the validation split, seed 0, is nearest to the fat one's. Every trained arm has the
same number of additional steps:

- ``before`` and ``control``: all weights in float32, without and with the additional steps;
- ``pruned``: at several densities, by magnitude in one ranking over all layers;
- ``tuned``: all weights on a grid of few bits, with learned steps;
- ``rounded``: the weights of ``control``, rounded with one step for each output channel.

Every accuracy is that of the network decoded from its stored bytes, on the test split, read once for each arm.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from nncourse import pipeline
from nncourse.experiments import members, pruned, subject, tuned
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.members import Member
from nncourse.zoo import datasets, training
from nncourse.zoo.pruning import Pruned

MEMBERS = {
    "fat": Member(family="perceptron", width=300, data="mnist"),
    "lean": Member(family="separable", width=16, data="mnist"),
}
DENSITIES = (0.8, 0.5, 0.2, 0.1)
TUNED_BITS = (4, 2)
ROUNDED_BITS = (8, 4)
FLOAT = 32


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network and arm.

    seed   of the first weights and of all training
    smoke  the fat network as it is before the additional steps
    """
    for role, member in list(MEMBERS.items())[: 1 if smoke else None]:
        test = datasets.load(member.data, "test")
        for arm, density, bits, file, candidate in _arms(member, seed, smoke=smoke):
            yield {
                "seed": seed,
                "role": role,
                "network": member.name,
                "data": member.data,
                "weights": sum(value.numel() for value in candidate.parameters()),
                "arm": arm,
                "density": density,
                "bits": bits,
                "stored_bytes": len(file),
                "accuracy": training.accuracy(candidate, test),
            }


def _arms(
    member: Member, seed: int, *, smoke: bool
) -> Iterator[tuple[str, float, int, bytes, nn.Module]]:
    """Every arm with its file and the network decoded from it; the test split has no way in here."""
    form = members.trained(member, seed=seed)
    yield "before", 1.0, FLOAT, *_pruned(form, Pruned(network=form, masks={}))
    if smoke:
        return
    control = members.phases(member, (0.0,), seed=seed)
    yield "control", 1.0, FLOAT, *_pruned(form, control)
    for density in DENSITIES:
        result = members.phases(member, (round(1 - density, 6),), seed=seed)
        yield "pruned", density, FLOAT, *_pruned(form, result)
    for bits in TUNED_BITS:
        file = tuned.stored(members.tuned(member, bits=bits, seed=seed))
        yield "tuned", 1.0, bits, file, subject.decoded(form, file)
    for bits in ROUNDED_BITS:
        file = pipeline.store(subject.tensors(control.network), bits=bits)
        yield "rounded", 1.0, bits, file, subject.decoded(form, file)


def _pruned(form: nn.Module, result: Pruned) -> tuple[bytes, nn.Module]:
    file = pruned.file_of(result)
    return file, pruned.decoded(form, file)


EXPERIMENT = Experiment(
    claim="F1",
    title="Does a lean network of the same accuracy give up less than a fat one?",
    networks=tuple(member.name for member in MEMBERS.values()),
    data="MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "data", "arm", "density", "bits"),
    # A training of seconds is repeated elsewhere to the last bit only on the same kind of processor.
    tolerances={"accuracy": 0.01},
)
