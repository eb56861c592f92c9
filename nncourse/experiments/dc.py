"""Deep Compression end to end: the bytes of real files, stage by stage, and what is left of the accuracy.

Five paired seeds of the two networks that the method began with. Every accuracy is that of the network
decoded from its file, on the test split, read once for each file. The arms:

- ``before`` and ``control``: all weights as floats, without and with all the training steps of the others;
- ``compressed``: pruned in rounds, trained, levels shared and trained, at several densities, each stored in
  the four forms of ``compressed_file`` that follow the dense one. The form "pruned" is the network before its
  levels are shared, which the last training steps still lack;
- ``untrained``: the network before, cut at once and its levels shared, without any training.

No claim of the article hangs on this table; whether the paper's own target is met is judged by
``nncourse.claims.whole_files``, with the margin of "no loss" of the claims.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nncourse.experiments import compressed_file, deep_compression, subject
from nncourse.experiments.deep_compression import DENSITIES, EXAMPLES
from nncourse.experiments.experiment import Experiment, Row
from nncourse.quantizers.fine_tuning import plain_tensors
from nncourse.quantizers.shared_weights import SharedTensor, shared_tensors
from nncourse.zoo import checkpoints, datasets, training

SHARED_FORMS = ("shared", "huffman", "adaptive")
SMALLEST = next(iter(DENSITIES))

Stored = tuple[str, float, str, bytes]  # arm, density, form, file


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed, one for each network, arm, density and form.

    seed   of the trained networks and of all later training
    smoke  what needs no training: the smallest network before and untrained, and the stored examples
    """
    for name in DENSITIES:
        data = checkpoints.DATA[name]
        test = datasets.load(data, "test")
        model = subject.network(name, seed=seed)
        shapes = {key: value.shape for key, value in subject.tensors(model).items()}
        files = _quick_files(name, seed) if smoke else _files(name, seed)
        for arm, density, form, file in files:
            decoded = subject.filled(model, compressed_file.restore(file, shapes))
            sizes = compressed_file.parts(file)
            yield {
                "seed": seed,
                "network": name,
                "data": data,
                "arm": arm,
                "density": density,
                "form": form,
                "stored_bytes": len(file),
                **{f"{part}_bytes": size for part, size in sizes.items()},
                "accuracy": training.accuracy(decoded, test),
            }


def _files(name: str, seed: int) -> Iterator[Stored]:
    """The files of every arm; the test split has no way in here."""
    if name == SMALLEST:
        yield from _quick_files(name, seed, examples=False)
    else:
        yield _before(name, seed)
    control = deep_compression.control(name, seed=seed)
    yield "control", 1.0, "dense", compressed_file.store("dense", subject.tensors(control))
    for density in DENSITIES[name]:
        cut = deep_compression.pruned(name, density, seed=seed)
        file = compressed_file.store("pruned", subject.tensors(cut.network))
        yield "compressed", density, "pruned", file
        network = deep_compression.compressed(name, density, seed=seed)
        for form in SHARED_FORMS:
            file = compressed_file.store(form, plain_tensors(network), shared_tensors(network))
            yield "compressed", density, form, file


def _quick_files(name: str, seed: int, *, examples: bool = True) -> Iterator[Stored]:
    if name == SMALLEST:
        yield _before(name, seed)
        density = EXAMPLES[name]
        cut = deep_compression.untrained(name, density, seed=seed)
        tensors = subject.tensors(cut.network)
        yield "untrained", density, "pruned", compressed_file.store("pruned", tensors)
        shared = shared_tensors(deep_compression.shared(name, cut))
        tensors |= _weights(shared)
        for form in SHARED_FORMS:
            yield "untrained", density, form, compressed_file.store(form, tensors, shared)
    if examples:  # decoded and coded again
        example = deep_compression.example(name)
        model = subject.network(name, seed=seed)
        shapes = {key: value.shape for key, value in subject.tensors(model).items()}
        tensors = compressed_file.restore(example, shapes)
        file = compressed_file.store("adaptive", tensors, compressed_file.shared_of(example))
        yield "compressed", EXAMPLES[name], "adaptive", file


def _before(name: str, seed: int) -> Stored:
    tensors = subject.tensors(subject.network(name, seed=seed))
    return "before", 1.0, "dense", compressed_file.store("dense", tensors)


def _weights(shared: Mapping[str, SharedTensor]) -> Mapping[str, compressed_file.Array]:
    return {name: tensor.weights for name, tensor in shared.items()}


EXPERIMENT = Experiment(
    claim="DC",
    title="Where does every byte of a network go that is forty times smaller?",
    networks=tuple(DENSITIES),
    data="MNIST test",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "arm", "density", "form"),
    tolerances={"accuracy": 0.001},
    inputs=tuple(
        f"zoo/stored/{name}.{ending}" for name in DENSITIES for ending in ("safetensors", "nnc")
    ),
)
