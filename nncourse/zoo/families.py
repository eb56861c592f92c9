"""Families of networks: one architecture in many widths, from more than the task needs to less.

An old one, after LeNet-300-100, whose weights lie in two wide layers of neurons, and a new one, after
MobileNet, which has convolutions of single channels and no wide layer at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from nncourse.zoo.separable import SeparableBlock

NUM_CLASSES = 10
INPUT_SHAPE = (1, 28, 28)


@dataclass(frozen=True, kw_only=True)
class Family:
    """One architecture for 28x28 gray images of ten classes.

    build          ``build(width)``: a new network, random weights from torch's global generator
    learning_rate  that trains its members from their first weights; did best on validation, seed 0
    """

    name: str
    build: Callable[[int], nn.Module]
    learning_rate: float
    source: str


def build(family: str, width: int) -> nn.Module:
    """New member of ``family``.

    family  a key of ``FAMILIES``
    width   neurons of the first layer, or channels of the first convolution; at least 1

    >>> sum(value.numel() for value in build("perceptron", 300).parameters())  # LeNet-300-100
    266610
    >>> sum(value.numel() for value in build("separable", 18).parameters())
    5266
    """
    if family not in FAMILIES:
        raise ValueError(f"family is one of {', '.join(FAMILIES)}; got {family!r}")
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise ValueError(f"width is a whole number of at least 1; got {width!r}")
    return FAMILIES[family].build(width)


def _perceptron(width: int) -> nn.Sequential:
    second = max(NUM_CLASSES, width // 3)
    network = nn.Sequential()
    network.add_module("flatten", nn.Flatten())
    network.add_module("fc1", nn.Linear(28 * 28, width))
    network.add_module("relu1", nn.ReLU())
    network.add_module("fc2", nn.Linear(width, second))
    network.add_module("relu2", nn.ReLU())
    network.add_module("fc3", nn.Linear(second, NUM_CLASSES))
    return network


def _separable(width: int) -> nn.Sequential:
    # The stem goes down to 7x7 at once: an epoch of 12,800 images takes a second.
    network = nn.Sequential()
    network.add_module("conv1", nn.Conv2d(1, width, 5, stride=4, padding=2, bias=False))
    network.add_module("norm1", nn.BatchNorm2d(width))
    network.add_module("relu1", nn.ReLU())
    network.add_module("block1", SeparableBlock(width, 2 * width, stride=1))
    network.add_module("block2", SeparableBlock(2 * width, 4 * width, stride=2))
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flatten", nn.Flatten())
    network.add_module("fc", nn.Linear(4 * width, NUM_CLASSES))
    # Channels last in memory: the same numbers, and a processor is faster.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


FAMILIES: dict[str, Family] = {
    "perceptron": Family(
        name="perceptron",
        build=_perceptron,
        learning_rate=2e-3,
        source="LeCun et al., Gradient-based learning applied to document recognition, 1998, III.C.4",
    ),
    "separable": Family(
        name="separable",
        build=_separable,
        learning_rate=1e-2,
        source="after Howard et al., MobileNets, arXiv:1704.04861, with two blocks",
    ),
}
