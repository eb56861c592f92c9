"""LeNet-300-100 with the least energy at a floor of accuracy: one open-ended task.

The student's function chooses which weights of the three layers stay; the judge shows the network that is
left 10,000 test images, which the function never saw, and asks the accelerator model for the energy of
one image. Pixels and hidden neurons come in another order for every case: the same network, but masks
from elsewhere are worthless.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator import EDGE, Gemm, Lanes, Skipping
from nncourse.classroom.lab import task
from nncourse.classroom.outcome import AnswerError, NotAnswered, Outcome, Student, short

FLOOR = 0.975  # of test images; the whole network reads 0.9883
MOST_ENERGY = (0.65, 0.55, 0.4, 0.35, 0.31)  # of the dense network on dense hardware
NUM_SHOWN = 4000  # validation images that the student's function sees
DENSE_MACHINE = EDGE.with_array(Lanes(16, group=32))
MACHINE = DENSE_MACHINE.with_sparsity(Skipping(index_bits=4))

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@task(points=5)
def thrifty_masks(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Masks of three layers that keep the accuracy above a floor and cost little energy."""
    network = _network().shuffled(rng)
    shown = rng.choice(len(network.classes), NUM_SHOWN, replace=False)
    problem, answered, share = "", True, np.inf
    try:
        got = student(
            network.weights, network.biases, network.images[shown], network.classes[shown], FLOOR
        )
    except AnswerError as error:
        problem, answered = str(error), not isinstance(error, NotAnswered)
    else:
        shapes = [weight.shape for weight in network.weights]
        if not _are_masks(got, shapes):
            problem = (
                f"returned {short(got, most=80)}: no list of boolean arrays of shapes {shapes}"
            )
        else:
            accuracy = accuracy_of(network, got)
            problem = f"returned masks with which {accuracy:.2%} of the test images are right"
            if accuracy >= FLOOR:
                share = energy_share(got)
                problem += f", at {share:.3f} of the energy"
    for most in MOST_ENERGY:
        yield Outcome(
            property=f"holds the floor with at most {most:g} of the dense network's energy",
            passed=bool(share <= most),
            inputs=f"weights and biases of three layers, {NUM_SHOWN} images and classes, {FLOOR}",
            expected=f"three boolean masks: at least {FLOOR:.1%} of {len(network.test_classes)} test "
            f"images right, at most {most:g} of the energy",
            got=problem,
            not_answered=not answered,
        )


@dataclass(frozen=True, kw_only=True)
class Network:
    """Three dense layers, the images that may be shown, and those that may not."""

    weights: list[Floats]
    biases: list[Floats]
    images: Floats
    classes: NDArray[np.int64]
    test_images: Floats
    test_classes: NDArray[np.int64]

    def shuffled(self, rng: np.random.Generator) -> Network:
        """The same function with pixels and hidden neurons in another order."""
        first, second, third = self.weights
        pixels, one, two = (rng.permutation(weight.shape[1]) for weight in self.weights)
        return Network(
            weights=[first[one][:, pixels], second[two][:, one], third[:, two]],
            biases=[self.biases[0][one], self.biases[1][two], self.biases[2].copy()],
            images=self.images[:, pixels],
            classes=self.classes,
            test_images=self.test_images[:, pixels],
            test_classes=self.test_classes,
        )


def energy_share(masks: Sequence[Mask]) -> float:
    """Energy of one image on lanes that skip zeros, of the dense network's on dense lanes.

    masks  of dense layers, each (outputs, inputs), True = kept

    >>> energy_share([np.eye(64, dtype=bool)]) < 0.1
    True
    """
    layers = [Gemm(f"fc{number}", 1, *mask.shape) for number, mask in enumerate(masks, start=1)]
    named = {layer.name: mask for layer, mask in zip(layers, masks, strict=True)}
    spent = MACHINE.run(layers, masks=named).energy_pj.sum()
    return float(spent / DENSE_MACHINE.run(layers).energy_pj.sum())


def accuracy_of(network: Network, masks: Sequence[Mask]) -> float:
    """Share of the test images that the masked network gives the right class."""
    values = network.test_images
    parts = list(zip(network.weights, network.biases, masks, strict=True))
    for number, (weight, bias, mask) in enumerate(parts, start=1):
        values = values @ (weight * mask).T + bias
        if number < len(parts):
            values = np.maximum(values, 0)
    return float(np.mean(values.argmax(axis=1) == network.test_classes))


@functools.cache
def _network() -> Network:
    from nncourse.zoo import checkpoints, datasets  # load torch, which the other tasks do not need

    validation, test = (datasets.load("mnist", split) for split in ("validation", "test"))
    network: Any = checkpoints.load_pretrained("lenet-300-100")
    layers = [network.get_submodule(name) for name in ("fc1", "fc2", "fc3")]
    return Network(
        weights=[layer.weight.detach().numpy() for layer in layers],
        biases=[layer.bias.detach().numpy() for layer in layers],
        images=validation.x.reshape(len(validation), -1),
        classes=validation.y.copy(),
        test_images=test.x.reshape(len(test), -1),
        test_classes=test.y.copy(),
    )


def _are_masks(value: Any, shapes: Sequence[tuple[int, ...]]) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == len(shapes)
        and all(isinstance(mask, np.ndarray) and mask.dtype == bool for mask in value)
        and [mask.shape for mask in value] == list(shapes)
    )
