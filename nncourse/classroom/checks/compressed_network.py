"""A whole network in codebooks: one open-ended task, scored by bytes at an accuracy floor.

The check stores nothing that the student says about sizes: it reads the tables and codes, counts
the bytes that they take, rebuilds the weights and shows the network digits.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import (
    AnswerError,
    NotAnswered,
    Outcome,
    Student,
    short,
)

FLOOR_POINTS = 0.3  # percentage points that the stored network may lose on the test images
MAX_PERCENT = (26, 13, 10, 8, 7)  # of the float32 bytes, each worth the same part of the marks
NUM_IMAGES = 2000  # unlabeled training images that the student's function is given


@task(points=5)
def compress(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """LeNet-300-100 as a table, codes and biases for each layer, small and still accurate."""
    network = _network()
    floor = _float_correct() - round(FLOOR_POINTS / 100 * network.num_test_images)
    images = network.training_images(rng)
    answered, problem, num_bytes, correct = True, "", 0, 0
    try:
        got = student(list(network.weights), list(network.biases), images)
        layers = read_layers(got, [weight.shape for weight in network.weights])
    except AnswerError as error:
        answered, problem = not isinstance(error, NotAnswered), str(error)
    except NotALayer as error:
        problem = f"returned {short(got)}; {error}"
    else:
        num_bytes = sum(layer.num_bytes for layer in layers)
        correct = num_correct([layer.weight for layer in layers], [layer.bias for layer in layers])
    percent = 100 * num_bytes / network.num_bytes
    for most in MAX_PERCENT:
        yield Outcome(
            property=(
                f"keeps the accuracy within {FLOOR_POINTS} points of the float network's in at most "
                f"{most}% of its bytes"
            ),
            passed=not problem and correct >= floor and percent <= most,
            inputs=f"the network's weights and biases, and {short(images)}",
            expected=f"{floor} or more of {network.num_test_images} test images right, in "
            f"{most * network.num_bytes // 100} bytes or fewer",
            got=problem
            or f"returned a network with {correct} right in {num_bytes} bytes ({percent:.2f}%)",
            not_answered=not answered,
        )


class NotALayer(ValueError):
    """What a student returned cannot be read as layers; the message says which rule it breaks."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer as it is stored.

    levels  float16, float32 or float64; shape (k,), one table, or (outputs, k), one for each output
    codes   integers in 0 .. k-1, shape (outputs, inputs)
    bias    floats as the levels, shape (outputs,)
    """

    levels: Any
    codes: Any
    bias: Any

    @property
    def num_bytes(self) -> int:
        """Bytes of the codes, packed at ceil(log2 k) bits each, of the tables and of the biases."""
        code_bits = (int(self.levels.shape[-1]) - 1).bit_length()
        code_bytes = -(-int(self.codes.size) * code_bits // 8)
        return code_bytes + int(self.levels.nbytes) + int(self.bias.nbytes)

    @property
    def weight(self) -> Any:
        """The level behind each code, float32, shape (outputs, inputs)."""
        codes = self.codes.astype(np.intp)
        if self.levels.ndim == 1:
            return self.levels[codes].astype(np.float32)
        return np.take_along_axis(self.levels, codes, axis=1).astype(np.float32)


def read_layers(value: Any, shapes: Sequence[tuple[int, int]]) -> list[Layer]:
    """The layers in plain data ``value``, or :class:`NotALayer`.

    >>> found = read_layers([(np.ones(2, np.float16), np.eye(2, dtype=int), np.zeros(2))], [(2, 2)])
    >>> found[0].num_bytes  # 4 codes of 1 bit, 2 levels of 2 bytes, 2 biases of 8 bytes
    21
    """
    if not isinstance(value, list | tuple) or len(value) != len(shapes):
        raise NotALayer(f"the network is a list of {len(shapes)} layers")
    return [
        _read_layer(layer, number, shape)
        for number, (layer, shape) in enumerate(zip(value, shapes, strict=True), start=1)
    ]


def num_correct(weights: Sequence[Any], biases: Sequence[Any]) -> int:
    """Test images for which the network with these weights and biases finds the right digit."""
    test = _network()
    values = test.test_pixels
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        values = values @ weight.T + bias.astype(np.float32)
        if number + 1 < len(weights):
            values = np.maximum(values, 0)
    # NaN is the largest to argmax, so a network that overflowed is counted wrong by hand.
    finite = np.isfinite(values).all(axis=1)
    return int(np.sum((values.argmax(axis=1) == test.test_classes) & finite))


@dataclass(frozen=True, kw_only=True)
class _Network:
    """LeNet-300-100 and the images around it."""

    weights: tuple[Any, ...]
    biases: tuple[Any, ...]
    train_pixels: Any
    test_pixels: Any
    test_classes: Any

    @property
    def num_bytes(self) -> int:
        """Bytes of the weights and biases in float32."""
        return sum(part.nbytes for part in (*self.weights, *self.biases))

    @property
    def num_test_images(self) -> int:
        return len(self.test_classes)

    def training_images(self, rng: np.random.Generator) -> Any:
        return self.train_pixels[rng.choice(len(self.train_pixels), NUM_IMAGES, replace=False)]


@functools.cache
def _network() -> _Network:
    from nncourse.zoo import checkpoints, datasets  # torch loads here, for this task only

    layers = checkpoints.load_pretrained("lenet-300-100")
    parts = {name: _frozen(part.detach().numpy()) for name, part in layers.named_parameters()}
    train, test = datasets.load("mnist", "train"), datasets.load("mnist", "test")
    return _Network(
        weights=tuple(parts[f"fc{number}.weight"] for number in (1, 2, 3)),
        biases=tuple(parts[f"fc{number}.bias"] for number in (1, 2, 3)),
        train_pixels=train.x[::5].reshape(len(train.x[::5]), -1).copy(),  # 11,000 to draw from
        test_pixels=test.x.reshape(len(test), -1),
        test_classes=test.y,
    )


@functools.cache
def _float_correct() -> int:
    network = _network()
    return num_correct(network.weights, network.biases)


def _frozen(values: Any) -> Any:
    """A copy that no answer can change: in the lab, answers run in this process."""
    copied = values.copy()
    copied.setflags(write=False)
    return copied


def _read_layer(value: Any, number: int, shape: tuple[int, int]) -> Layer:
    where, outputs = f"layer {number}", shape[0]
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise NotALayer(f"{where} is (levels, codes, bias)")
    levels, codes, bias = value
    if not all(isinstance(part, np.ndarray) for part in value):
        raise NotALayer(f"{where} consists of NumPy arrays")
    if levels.dtype.kind != "f" or bias.dtype.kind != "f":
        raise NotALayer(f"levels and bias of {where} are floats")
    if (
        levels.ndim not in (1, 2)
        or levels.shape[-1] < 1
        or levels.shape[:-1] not in ((), (outputs,))
    ):
        raise NotALayer(f"levels of {where} have the shape (k,) or ({outputs}, k)")
    if bias.shape != (outputs,):
        raise NotALayer(f"bias of {where} has the shape ({outputs},)")
    if codes.dtype.kind not in "iu" or codes.shape != shape:
        raise NotALayer(f"codes of {where} are integers of shape {shape}")
    if not 0 <= int(codes.min()) <= int(codes.max()) < levels.shape[-1]:
        raise NotALayer(
            f"codes of {where} lie in 0 .. {levels.shape[-1] - 1}, one for each level of a table"
        )
    return Layer(levels=levels, codes=codes, bias=bias)
