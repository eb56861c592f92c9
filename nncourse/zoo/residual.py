"""A small residual network: blocks whose input is added to their output."""

from __future__ import annotations

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut: ``relu(convolutions(x) + shortcut(x))``.

    The shortcut is the input itself, or a 1x1 convolution where the shape changes.

    >>> ResidualBlock(8, 16, stride=2)(torch.zeros(1, 8, 14, 14)).shape
    torch.Size([1, 16, 7, 7])

    Source: K. He et al., Deep residual learning for image recognition, CVPR 2016, figure 2.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut.add_module("conv", nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            self.shortcut.add_module("norm", nn.BatchNorm2d(outputs))
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Output of the block: float32, (n, outputs, height / stride, width / stride)."""
        y = self.relu1(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        result: torch.Tensor = self.relu2(y + self.shortcut(x))
        return result


def resnet_8() -> nn.Sequential:
    """Ten weight layers for 28x28 gray images: a stem, three blocks of 16, 32 and 64 channels, a classifier.

    The stem halves the image at once, and each of the last two blocks halves it again, so that an
    epoch of 54,000 images takes seconds. Six convolutions of the blocks, the stem and the classifier
    make the eight layers of the name; the two 1x1 convolutions of the shortcuts come on top.
    """
    network = nn.Sequential()
    network.add_module("conv1", nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False))
    network.add_module("norm1", nn.BatchNorm2d(16))
    network.add_module("relu1", nn.ReLU())
    network.add_module("block1", ResidualBlock(16, 16, stride=1))
    network.add_module("block2", ResidualBlock(16, 32, stride=2))
    network.add_module("block3", ResidualBlock(32, 64, stride=2))
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flatten", nn.Flatten())
    network.add_module("fc", nn.Linear(64, 10))
    # Channels last in memory: the same numbers, and a processor is about a quarter faster.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
