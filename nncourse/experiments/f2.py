"""Claim F2: are connections that come back worth more than those that stayed?

Five paired seeds of two architectures on two data sets. After its first training a network goes through two
more phases of equal length, the learning rate rising and falling anew in each, and what a phase may use
of the connections makes the arm:

- ``original``: the network before both phases;
- ``halfway``: pruned, after the first phase;
- ``pruned``: pruned in both;
- ``regrown``: pruned in the first phase and whole in the second, dense-sparse-dense;
- ``control``: whole in both, as many steps as ``pruned`` and ``regrown``.

Pruning is by magnitude, in one ranking over all layers. Every accuracy is that of the network decoded from
its stored bytes, on the test split, read once for each arm.
"""

from __future__ import annotations

from collections.abc import Iterator

from nncourse.experiments import members, pruned
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.members import Member
from nncourse.zoo import datasets, training
from nncourse.zoo.pruning import Pruned

SPARSITIES = {
    Member(family="perceptron", width=300, data="mnist"): (0.5, 0.8),
    Member(family="perceptron", width=300, data="fashion-mnist"): (0.5, 0.8),
    Member(family="separable", width=18, data="mnist"): (0.5,),
}
"""Half of the connections is the share of the paper; four fifths cost the separable network points."""


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network and arm.

    seed   of the first weights and of all training
    smoke  the first network as it is before both phases
    """
    for member, sparsities in list(SPARSITIES.items())[: 1 if smoke else None]:
        test = datasets.load(member.data, "test")
        for arm, sparsity, result in _arms(member, sparsities, seed, smoke=smoke):
            file = pruned.file_of(result)
            yield {
                "seed": seed,
                "network": member.name,
                "data": member.data,
                "arm": arm,
                "sparsity": sparsity,
                "stored_bytes": len(file),
                "accuracy": training.accuracy(pruned.decoded(result.network, file), test),
            }


def _arms(
    member: Member, sparsities: tuple[float, ...], seed: int, *, smoke: bool
) -> Iterator[tuple[str, float, Pruned]]:
    """Every arm with its network; the test split has no way in here."""
    yield "original", 0.0, Pruned(network=members.trained(member, seed=seed), masks={})
    if smoke:
        return
    yield "control", 0.0, members.phases(member, (0.0, 0.0), seed=seed)
    for sparsity in sparsities:
        yield "halfway", sparsity, members.phases(member, (sparsity,), seed=seed)
        yield "pruned", sparsity, members.phases(member, (sparsity, sparsity), seed=seed)
        yield "regrown", sparsity, members.phases(member, (sparsity, 0.0), seed=seed)


EXPERIMENT = Experiment(
    claim="F2",
    title="Does a pruned network that gets its connections back become the better one?",
    networks=tuple(dict.fromkeys(member.name for member in SPARSITIES)),
    data="MNIST and Fashion-MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "data", "arm", "sparsity"),
    # A training of seconds is repeated elsewhere to the last bit only on the same kind of processor.
    tolerances={"accuracy": 0.01},
)
