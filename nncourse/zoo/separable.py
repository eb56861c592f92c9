"""A small network of depthwise-separable convolutions: space and channels are mixed one after the other."""

from __future__ import annotations

import torch
from torch import nn


class SeparableBlock(nn.Sequential):
    """A 3x3 convolution of each channel by itself, then a 1x1 convolution across the channels.

    >>> SeparableBlock(8, 16, stride=2)(torch.zeros(1, 8, 14, 14)).shape
    torch.Size([1, 16, 7, 7])

    Source: A. Howard et al., MobileNets, arXiv:1704.04861, figure 3.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False)
        self.add_module("depthwise", depthwise)
        self.add_module("norm1", nn.BatchNorm2d(inputs))
        self.add_module("relu1", nn.ReLU())
        self.add_module("pointwise", nn.Conv2d(inputs, outputs, 1, bias=False))
        self.add_module("norm2", nn.BatchNorm2d(outputs))
        self.add_module("relu2", nn.ReLU())


def mobilenet_10() -> nn.Sequential:
    """Ten weight layers for 28x28 gray images: a stem, four separable blocks, a classifier."""
    network = nn.Sequential()
    network.add_module("conv1", nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False))
    network.add_module("norm1", nn.BatchNorm2d(16))
    network.add_module("relu1", nn.ReLU())
    network.add_module("block1", SeparableBlock(16, 32, stride=1))
    network.add_module("block2", SeparableBlock(32, 64, stride=2))
    network.add_module("block3", SeparableBlock(64, 64, stride=1))
    network.add_module("block4", SeparableBlock(64, 128, stride=2))
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flatten", nn.Flatten())
    network.add_module("fc", nn.Linear(128, 10))
    # Channels last in memory: the same numbers, and a processor is faster.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
