"""LeNet-5 in four bits and in two: one open-ended task, scored by the accuracy that is left.

The judge takes nothing on trust: it reads codes, steps and biases, sees that the codes fit their
bits, rebuilds the network and shows it digits that the student's function never saw. For every
case it shuffles the channels and the hidden neurons, which leaves the network's answers as they are
and makes codes from elsewhere worthless.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import AnswerError, NotAnswered, Outcome, Student, is_number, short

NUM_TRAIN = 2000  # images that the student's function learns from
NUM_TEST = 4000  # images that it is judged by
MOST_POINTS_LOST = ((4, 5.0), (4, 0.3), (2, 5.0), (2, 0.7))  # bits, percentage points
BATCH = 250  # images at a time, so that the patches of a convolution stay small

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer as it is stored."""

    codes: NDArray[np.int64]  # -(2**(bits-1) - 1) .. 2**(bits-1) - 1
    step: np.float32
    bias: Floats

    @property
    def weight(self) -> Floats:
        """The weights that the codes stand for."""
        return self.codes.astype(np.float32) * self.step


class NotALayer(ValueError):
    """What was returned is no stored network; the message says which part and why."""


@task(points=4)
def fine_tune(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Codes, steps and biases of LeNet-5 at few bits that still reads digits."""
    pool, test = _images("train"), _images("test")
    network = _network()
    for bits in (4, 2):
        weights, biases = _shuffled(network, rng)
        shown = rng.choice(len(pool[1]), NUM_TRAIN, replace=False)
        held = np.sort(rng.choice(len(test[1]), NUM_TEST, replace=False))
        inputs = (weights, biases, pool[0][shown], pool[1][shown], bits)
        problem, answered, lost = "", True, np.inf
        try:
            got = student(*inputs)
            layers = read_layers(got, [weight.shape for weight in weights], bits)
        except AnswerError as error:
            problem, answered = str(error), not isinstance(error, NotAnswered)
        except NotALayer as error:
            problem = f"returned {short(got, most=80)}: {error}"
        else:
            scores = forward([a.weight for a in layers], [a.bias for a in layers], test[0][held])
            right = int(np.sum(scores.argmax(axis=1) == test[1][held]))
            lost = 100 * (int(_float_is_right()[held].sum()) - right) / NUM_TEST
        for _, most in filter(lambda pair: pair[0] == bits, MOST_POINTS_LOST):
            yield Outcome(
                property=f"loses at most {most:g} percentage points at {bits} bits",
                passed=lost <= most,
                inputs=f"LeNet-5, {NUM_TRAIN} digits with classes, {bits}",
                expected=f"four times (codes, step, bias): at most {most:g} points below the "
                f"full-precision network on {NUM_TEST} other digits",
                got=problem or f"returned a network that loses {lost:.2f} points",
                not_answered=not answered,
            )


def read_layers(value: Any, shapes: Sequence[tuple[int, ...]], bits: int) -> list[Layer]:
    """The stored layers that plain data ``value`` stands for; :class:`NotALayer` if it does not.

    value   to be a list of (codes, step, bias), one for each layer
    shapes  of the weights, output channels first
    bits    width of a code

    >>> codes = np.array([[1, -1]], np.int8)
    >>> [layer] = read_layers([(codes, np.float32(0.5), np.zeros(1, np.float32))], [(1, 2)], 2)
    >>> layer.weight
    array([[ 0.5, -0.5]], dtype=float32)
    >>> read_layers([(2 * codes, np.float32(0.5), np.zeros(1, np.float32))], [(1, 2)], 2)
    Traceback (most recent call last):
        ...
    nncourse.classroom.checks.fine_tuned_network.NotALayer: codes of layer 1 leave -1 .. 1
    """
    if not isinstance(value, list | tuple) or len(value) != len(shapes):
        raise NotALayer(f"it is no list of {len(shapes)} layers")
    return [
        _layer(part, shape, bits, number)
        for number, (part, shape) in enumerate(zip(value, shapes, strict=True), start=1)
    ]


def forward(weights: Sequence[Any], biases: Sequence[Any], images: Any) -> Floats:
    """Scores, shape (n, 10), of LeNet-5: two convolutions, each with ReLU and 2 x 2 maximum, two layers.

    weights  shapes (20, 1, 5, 5), (50, 20, 5, 5), (500, 800), (10, 500)
    biases   one for each output of a layer
    images   float32, shape (n, 1, 28, 28)
    """
    scores = []
    for start in range(0, len(images), BATCH):
        x = images[start : start + BATCH]
        for weight, bias in zip(weights[:2], biases[:2], strict=True):
            x = _pooled(np.maximum(_convolved(x, weight, bias), 0))
        hidden = np.maximum(x.reshape(len(x), -1) @ weights[2].T + biases[2], 0)
        scores.append(hidden @ weights[3].T + biases[3])
    return np.concatenate(scores)


def _layer(part: Any, shape: tuple[int, ...], bits: int, number: int) -> Layer:
    if not isinstance(part, list | tuple) or len(part) != 3:
        raise NotALayer(f"layer {number} is not (codes, step, bias)")
    codes, step, bias = part
    if not isinstance(codes, np.ndarray) or codes.dtype.kind not in "iu" or codes.shape != shape:
        raise NotALayer(f"codes of layer {number} are no integer array of shape {shape}")
    qmax = 2 ** (bits - 1) - 1
    if codes.min() < -qmax or codes.max() > qmax:
        raise NotALayer(f"codes of layer {number} leave {-qmax} .. {qmax}")
    if not is_number(step) or not 0 < float(step) <= float(np.finfo(np.float32).max):
        raise NotALayer(f"the step of layer {number} is not one number above 0")
    if not isinstance(bias, np.ndarray) or bias.dtype.kind != "f" or bias.shape != shape[:1]:
        raise NotALayer(f"the bias of layer {number} is no float array of shape {shape[:1]}")
    if not np.all(np.isfinite(bias)):
        raise NotALayer(f"the bias of layer {number} is not finite")
    return Layer(codes=codes.astype(np.int64), step=np.float32(step), bias=bias.astype(np.float32))


def _convolved(x: Any, weight: Any, bias: Any) -> Any:
    patches = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    n, _, height, width = patches.shape[:4]
    rows = patches.transpose(0, 2, 3, 1, 4, 5).reshape(n * height * width, -1)
    sums = rows @ weight.reshape(len(weight), -1).T + bias
    return sums.reshape(n, height, width, -1).transpose(0, 3, 1, 2)


def _pooled(x: Any) -> Any:
    n, channels, height, width = x.shape
    return x.reshape(n, channels, height // 2, 2, width // 2, 2).max(axis=(3, 5))


def _shuffled(
    network: tuple[list[Floats], list[Floats]], rng: np.random.Generator
) -> tuple[list[Floats], list[Floats]]:
    """``network`` with the channels between its layers in another order: the same function."""
    weights, biases = [list(part) for part in network]
    for index in range(3):
        order = rng.permutation(len(weights[index]))
        weights[index], biases[index] = weights[index][order], biases[index][order]
        following = weights[index + 1]
        by_channel = following.reshape(len(following), len(order), -1)[:, order]
        weights[index + 1] = by_channel.reshape(following.shape)
    for array in (*weights, *biases):
        array.setflags(write=False)
    return weights, biases


@functools.cache
def _network() -> tuple[list[Floats], list[Floats]]:
    from nncourse.zoo import checkpoints  # brings torch, which no other task needs

    state = checkpoints.load_pretrained("lenet-5").state_dict()
    layers = ("conv1", "conv2", "fc1", "fc2")
    return (
        [state[f"{name}.weight"].numpy() for name in layers],
        [state[f"{name}.bias"].numpy() for name in layers],
    )


@functools.cache
def _images(split: str) -> tuple[Floats, NDArray[np.int64]]:
    from nncourse.zoo import datasets

    found = datasets.load("mnist", split)[:10_000]
    return found.x.copy(), found.y.copy()


@functools.cache
def _float_is_right() -> NDArray[np.bool_]:
    """Which test images the full-precision network reads."""
    x, y = _images("test")
    return np.asarray(forward(*_network(), x).argmax(axis=1) == y)
