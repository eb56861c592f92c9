"""Claim F6: which width of the weights gives the best network of so many bytes?

Five paired seeds of networks of one architecture in several widths, each stored in 8, 4, 3 and 2 bits a
weight. Every file has had the same number of steps: 8 bits are float32 trained on and then rounded with one
step for each output channel, fewer bits are trained on their grid with learned steps. What is no weight
(biases, normalization) is stored in half precision, and the whole file goes through a general-purpose
compressor, so that no header weighs on the small ones. Every value is that of the network decoded from the
file, on the test split, read once for each.

A transformer joins as one more architecture, with its loss in the place of an accuracy.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from torch import nn

from nncourse import pipeline
from nncourse.experiments import members, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.members import Member
from nncourse.quantizers import fine_tuning
from nncourse.zoo import datasets, training

WIDTHS = {
    ("perceptron", "mnist"): (300, 100, 30, 12),
    ("separable", "mnist"): (18, 9, 4),
}
ARCHITECTURES = {"perceptron": "perceptron", "separable": "convolutional"}
ROUNDED_BITS = 8
TUNED_BITS = (4, 3, 2)


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network and width of its weights.

    seed   of the first weights and of all training
    smoke  the narrowest network of the first line in 8 bits only
    """
    for (family, data), widths in list(WIDTHS.items())[: 1 if smoke else None]:
        test = datasets.load(data, "test")
        for width in widths[-1:] if smoke else widths:
            member = Member(family=family, width=width, data=data)
            form = member.first(seed)
            for bits in (ROUNDED_BITS,) if smoke else (ROUNDED_BITS, *TUNED_BITS):
                file = _stored(member, bits, seed)
                candidate = subject.decoded(form, zlib.decompress(file))
                yield {
                    "seed": seed,
                    "architecture": ARCHITECTURES[family],
                    "width": width,
                    "network": member.name,
                    "data": data,
                    "bits": bits,
                    "measure": "accuracy",
                    "stored_bytes": len(file),
                    "value": training.accuracy(candidate, test),
                }


def _stored(member: Member, bits: int, seed: int) -> bytes:
    """The compressed file of the member in ``bits`` a weight; the test split has no way in here."""
    if bits == ROUNDED_BITS:
        network = members.phases(member, (0.0,), seed=seed).network
        return _packed(subject.tensors(network), dict.fromkeys(_weights(network), bits))
    network = members.tuned(member, bits=bits, seed=seed)
    grids = fine_tuning.weight_grids(network)
    return _packed(
        dict(fine_tuning.plain_tensors(network)),
        {f"{name}.weight": grid for name, grid in grids.items()},
    )


def _packed(tensors: Mapping[str, subject.Array], weights: Mapping[str, pipeline.Width]) -> bytes:
    bits: dict[str, pipeline.Width] = dict.fromkeys(tensors, "fp16")
    return zlib.compress(pipeline.store(tensors, bits=bits | dict(weights)), 9)


def _weights(network: nn.Module) -> list[str]:
    return [f"{name}.weight" for name in subject.gemm_layers(network)]


EXPERIMENT = Experiment(
    claim="F6",
    title="Which width of the weights is best at equal bytes?",
    networks=tuple(f"{family}-{width}" for (family, _), all_ in WIDTHS.items() for width in all_),
    data="MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "data", "bits"),
    # A training of seconds is repeated elsewhere to the last bit only on the same kind of processor.
    tolerances={"value": 0.02, "stored_bytes": 200},
)
