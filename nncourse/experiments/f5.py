"""Claim F5: is a network that is narrow from its first step better than one that is made narrow later?

Five paired seeds of two architectures, narrow members that have little to spare. Every trained arm takes the
same number of steps, learns its step widths, and keeps its inputs in float32. The arms:

- ``native``: on the grid from the first weights on, in one training;
- ``tuned``: three quarters of the steps in float32, then the rest on the grid, with a rate that rises anew;
- ``float``: float32, in one training;
- ``rounded``: the weights of ``float``, rounded with one step for each output channel and not trained.

One bit, which the separable network is spared, is a sign and a scale. Every accuracy is that of the network decoded from its stored bytes, on the
test split, read once for each arm.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from nncourse import pipeline
from nncourse.experiments import members, subject, tuned
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.members import Member
from nncourse.quantizers import fine_tuning
from nncourse.zoo import datasets, training

BITS = {
    Member(family="perceptron", width=30, data="mnist"): (4, 2, 1),
    Member(family="separable", width=9, data="mnist"): (4, 2),
}
FLOAT = 32


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network, width and arm.

    seed   of the first weights and of all training
    smoke  the first network's tuned arm at the widest grid only
    """
    for member in list(BITS)[: 1 if smoke else None]:
        test = datasets.load(member.data, "test")
        form = member.first(seed)
        for arm, bits, file in _arms(member, seed, smoke=smoke):
            yield {
                "seed": seed,
                "network": member.name,
                "data": member.data,
                "arm": arm,
                "bits": bits,
                "stored_bytes": len(file),
                "accuracy": training.accuracy(subject.decoded(form, file), test),
            }


def _arms(member: Member, seed: int, *, smoke: bool) -> Iterator[tuple[str, int, bytes]]:
    """Every arm with its file; the test split has no way in here."""
    widest, *_ = BITS[member]
    yield "tuned", widest, tuned.stored(members.tuned(member, bits=widest, seed=seed))
    if smoke:
        return
    whole = members.native(member, bits=None, seed=seed)
    yield "float", FLOAT, tuned.stored(whole)
    for bits in BITS[member]:
        if bits != widest:
            yield "tuned", bits, tuned.stored(members.tuned(member, bits=bits, seed=seed))
        yield "native", bits, tuned.stored(members.native(member, bits=bits, seed=seed))
        yield "rounded", bits, _rounded(whole, bits)


def _rounded(whole: nn.Module, bits: int) -> bytes:
    if bits == 1:  # one method only: a sign and the mean magnitude
        return tuned.stored(fine_tuning.prepare(whole, weight_bits=1).eval())
    return pipeline.store(subject.tensors(whole), bits=bits)


EXPERIMENT = Experiment(
    claim="F5",
    title="Trained at low bits from the start, or quantized and fine-tuned, at equal steps?",
    networks=tuple(member.name for member in BITS),
    data="MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "data", "arm", "bits"),
    # A training of seconds is repeated elsewhere to the last bit only on the same kind of processor.
    tolerances={"accuracy": 0.02},
)
