"""Claim F4: does a network that is rounded to four bits without care show by its loss how much it can spare?

Five paired seeds of networks of one architecture in several widths, of two architectures. Nothing is trained
after the rounding. The arms, all of the same trained weights:

- ``float``: float32;
- ``eight bits``: one step for each output channel, from its largest weight;
- ``by channel``: four bits, likewise;
- ``casual``: four bits, one step for the whole tensor, from its largest weight: no tricks.

Every accuracy is that of the network decoded from its stored bytes. The validation split chooses among
networks, the test split is read once for each arm.
"""

from __future__ import annotations

from collections.abc import Iterator

from nncourse import pipeline
from nncourse.experiments import members, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.members import Member
from nncourse.zoo import datasets, training

WIDTHS = {
    ("perceptron", "mnist"): (300, 100, 30, 12),
    ("perceptron", "fashion-mnist"): (300, 100, 30, 12),
    ("separable", "mnist"): (18, 9, 4),
}
BITS = {"float": 32, "eight bits": 8, "by channel": 4, "casual": 4}


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network and arm.

    seed   of the first weights and of the training
    smoke  the narrowest network of the first line only
    """
    for family, width, data in _members(smoke=smoke):
        member = Member(family=family, width=width, data=data)
        validation, test = datasets.load(data, "validation"), datasets.load(data, "test")
        model = members.trained(member, seed=seed)
        weights = sum(value.numel() for value in model.parameters() if value.dim() > 1)
        for arm in BITS:
            file = _stored(subject.tensors(model), arm)
            candidate = subject.decoded(model, file)
            yield {
                "seed": seed,
                "family": family,
                "width": width,
                "network": member.name,
                "data": data,
                "weights": weights,
                "arm": arm,
                "bits": BITS[arm],
                "stored_bytes": len(file),
                "validation_accuracy": training.accuracy(candidate, validation),
                "accuracy": training.accuracy(candidate, test),
            }


def _members(*, smoke: bool) -> Iterator[tuple[str, int, str]]:
    for (family, data), widths in list(WIDTHS.items())[: 1 if smoke else None]:
        for width in widths[-1:] if smoke else widths:
            yield family, width, data


def _stored(tensors: dict[str, subject.Array], arm: str) -> bytes:
    if arm == "float":
        return pipeline.store(tensors, bits="fp32")
    return pipeline.store(tensors, bits=BITS[arm], axis=None if arm == "casual" else 0)


EXPERIMENT = Experiment(
    claim="F4",
    title="What does plain rounding to four bits cost networks of more and less width?",
    networks=tuple(
        dict.fromkeys(f"{family}-{width}" for (family, _), all_ in WIDTHS.items() for width in all_)
    ),
    data="MNIST and Fashion-MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "data", "arm"),
    # A training of seconds is repeated elsewhere to the last bit only on the same kind of processor.
    tolerances={"accuracy": 0.02, "validation_accuracy": 0.02},
)
