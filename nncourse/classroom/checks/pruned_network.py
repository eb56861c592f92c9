"""LeNet-5 at 8% of its weights: one open-ended task, scored by the accuracy that is left.

The convolutions are pruned beforehand and stay as they are; the student's function prunes and
repairs the two dense layers behind them, which hold 94% of the weights. The judge counts the weights
that are not 0 and shows the network the test images, which the function never saw. For every case it
shuffles the features and the hidden neurons: the same network, but weights from elsewhere are
worthless.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.classroom.checks.keep_masks import kept_by_magnitude
from nncourse.classroom.lab import task
from nncourse.classroom.outcome import AnswerError, NotAnswered, Outcome, Student, short

DENSITY = 0.08  # share of the weights of all four layers that stay
KEPT_OF_CONVOLUTIONS = {"conv1": 1.0, "conv2": 0.5}  # by magnitude; this alone costs 0.03 points
MOST_POINTS_LOST = (5.0, 2.0, 1.0, 0.5, 0.2)  # percentage points; the last is the margin
NUM_POOL = 6000  # training images to draw from
NUM_SHOWN = 3000  # training images that the student's function learns from

Floats = NDArray[np.float32]


class NotALayer(ValueError):
    """What was returned is no pruned pair of layers; the message says which rule it breaks."""


@task(points=5)
def prune_and_repair(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Weights and biases of LeNet-5's dense layers, all but a few of the weights 0."""
    network = _network()
    case = network.shuffled(rng)
    shown = rng.choice(NUM_POOL, NUM_SHOWN, replace=False)
    problem, answered, lost = "", True, np.inf
    try:
        got = student(
            case.weights,
            case.biases,
            case.features[shown],
            network.classes[shown],
            network.num_kept,
        )
        weights, biases = read_layers(
            got, [weight.shape for weight in case.weights], network.num_kept
        )
    except AnswerError as error:
        problem, answered = str(error), not isinstance(error, NotAnswered)
    except NotALayer as error:
        problem = f"returned {short(got, most=80)}: {error}"
    else:
        right = num_right(weights, biases, case.test_features, network.test_classes)
        lost = 100 * (network.num_dense_right - right) / len(network.test_classes)
    for most in MOST_POINTS_LOST:
        yield Outcome(
            property=f"loses at most {most:g} percentage points at {100 * DENSITY:g}% of the weights",
            passed=lost <= most,
            inputs=f"weights and biases of fc1 and fc2, features and classes of {NUM_SHOWN} digits, "
            f"{network.num_kept}",
            expected=f"(weights, biases) with at most {network.num_kept} weights that are not 0: at "
            f"most {most:g} points below the dense network on {len(network.test_classes)} test "
            "images",
            got=problem or f"returned a network that loses {lost:.2f} points",
            not_answered=not answered,
        )


def read_layers(
    value: Any, shapes: Sequence[tuple[int, ...]], num_kept: int
) -> tuple[list[Floats], list[Floats]]:
    """Weights and biases in plain data ``value``; :class:`NotALayer` if it breaks a rule.

    value     to be (weights, biases), a list of arrays each
    shapes    of the weights, outputs first
    num_kept  most weights that may differ from 0, all layers together

    >>> weights, biases = read_layers(([np.eye(2)], [np.zeros(2)]), [(2, 2)], 2)
    >>> read_layers(([np.ones((2, 2))], [np.zeros(2)]), [(2, 2)], 2)
    Traceback (most recent call last):
        ...
    nncourse.classroom.checks.pruned_network.NotALayer: 4 weights are not 0, and 2 may be
    """
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise NotALayer("it is not (weights, biases)")
    names = ("weights", "biases")
    for part, name in zip(value, names, strict=True):
        if not isinstance(part, list | tuple) or len(part) != len(shapes):
            raise NotALayer(f"its {name} are no list of {len(shapes)} arrays")
    weights, biases = (
        [
            _checked(array, shape[:axes], f"{name} of layer {number}")
            for number, (array, shape) in enumerate(zip(part, shapes, strict=True), start=1)
        ]
        for part, name, axes in zip(value, names, (None, 1), strict=True)
    )
    num_left = sum(int(np.count_nonzero(weight)) for weight in weights)
    if num_left > num_kept:
        raise NotALayer(f"{num_left} weights are not 0, and {num_kept} may be")
    return weights, biases


def num_right(
    weights: Sequence[Floats], biases: Sequence[Floats], features: Floats, classes: Any
) -> int:
    """How many of the features two dense layers, a ReLU between them, give the right class."""
    hidden = np.maximum(features @ weights[0].T + biases[0], 0)
    scores = hidden @ weights[1].T + biases[1]
    # NaN is the largest to argmax: a network that overflowed is counted wrong by hand.
    finite = np.isfinite(scores).all(axis=1)
    return int(np.sum((scores.argmax(axis=1) == classes) & finite))


@dataclass(frozen=True, kw_only=True)
class _Dense:
    """The dense layers, and what the pruned convolutions hand them."""

    weights: list[Floats]  # (500, 800), (10, 500)
    biases: list[Floats]
    features: Floats  # of the pool, shape (images, 800)
    test_features: Floats


@dataclass(frozen=True, kw_only=True)
class _Network(_Dense):
    """LeNet-5 behind its pruned convolutions, with the classes of its images."""

    classes: NDArray[np.int64]
    test_classes: NDArray[np.int64]
    num_dense_right: int  # test images that the network reads before any pruning
    num_kept: int  # weights that may stay in the dense layers

    def shuffled(self, rng: np.random.Generator) -> _Dense:
        """The same function with features and hidden neurons in another order."""
        inputs = rng.permutation(self.features.shape[1])
        hidden = rng.permutation(len(self.biases[0]))
        into, out = self.weights
        return _Dense(
            weights=[into[hidden][:, inputs], out[:, hidden]],
            biases=[self.biases[0][hidden], self.biases[1].copy()],
            features=self.features[:, inputs],
            test_features=self.test_features[:, inputs],
        )


@functools.cache
def _network() -> _Network:
    import torch  # no other task of the lab needs it

    from nncourse.zoo import checkpoints, datasets

    train = datasets.load("mnist", "train")[:NUM_POOL]
    test = datasets.load("mnist", "test")
    network: Any = checkpoints.load_pretrained("lenet-5").eval()
    to_features = network[: [name for name, _ in network.named_children()].index("fc1")]

    def features(images: Floats) -> Floats:
        with torch.inference_mode():
            parts = [to_features(part) for part in torch.split(torch.from_numpy(images), 500)]
        return np.asarray(torch.cat(parts).numpy())

    sizes = {name: network.get_submodule(name).weight.numel() for name in ("fc1", "fc2")}
    num_kept = round(DENSITY * sum(sizes.values()))
    for name, density in KEPT_OF_CONVOLUTIONS.items():
        weight = network.get_submodule(name).weight.detach()
        num_here = round(density * weight.numel())
        keep = kept_by_magnitude(weight.numpy(), weight.numel() - num_here)
        weight.mul_(torch.from_numpy(keep))
        num_kept += round(DENSITY * weight.numel()) - num_here
    layers = [network.get_submodule(name) for name in sizes]
    weights = [layer.weight.detach().numpy() for layer in layers]
    biases = [layer.bias.detach().numpy() for layer in layers]
    return _Network(
        weights=weights,
        biases=biases,
        features=features(train.x),
        test_features=features(test.x),
        classes=train.y.copy(),
        test_classes=test.y.copy(),
        num_dense_right=round(checkpoints.provenance("lenet-5")["test_accuracy"] * len(test.y)),
        num_kept=num_kept,
    )


def _checked(array: Any, shape: tuple[int, ...], what: str) -> Floats:
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.shape != shape:
        raise NotALayer(f"{what} are no float array of shape {shape}")
    values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise NotALayer(f"{what} are not finite")
    return values
