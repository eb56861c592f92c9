"""The networks of the course, built by name, with layers called conv1, conv2, fc1, fc2, ...

A later network joins by one call of :func:`register`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from nncourse.zoo import residual, separable


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What is known about a network before it is trained."""

    name: str
    build: Callable[[], nn.Module]
    input_shape: tuple[int, ...]  # of one input, without the batch axis
    source: str

    def __post_init__(self) -> None:
        if not self.name or not self.source:
            raise ValueError(
                f"name and source must not be empty, got {self.name!r}, {self.source!r}."
            )
        if not self.input_shape or min(self.input_shape) < 1:
            raise ValueError(
                f"input_shape lists sizes of at least 1, got {self.input_shape} for {self.name}. "
                "Leave out the batch axis."
            )


ARCHITECTURES: dict[str, Architecture] = {}


def register(architecture: Architecture) -> Architecture:
    """``architecture``, from now on known to :func:`build` by its name."""
    if architecture.name in ARCHITECTURES:
        raise ValueError(f"name {architecture.name!r} is taken. Choose another one.")
    ARCHITECTURES[architecture.name] = architecture
    return architecture


def architecture(name: str) -> Architecture:
    """The registered architecture called ``name``."""
    if name not in ARCHITECTURES:
        raise ValueError(
            f"name must be one of {', '.join(sorted(ARCHITECTURES))}, got {name!r}. "
            "Check the spelling."
        )
    return ARCHITECTURES[name]


def build(name: str) -> nn.Module:
    """New network with random weights, drawn from torch's global generator.

    name  a key of ``ARCHITECTURES``

    >>> num_parameters(build("lenet-300-100")), num_parameters(build("lenet-5"))
    (266610, 431080)
    """
    return architecture(name).build()


def example_input(name: str, *, batch: int = 1) -> torch.Tensor:
    """Zeros in the shape that network ``name`` reads: float32, (batch, *input_shape).

    >>> tuple(example_input("lenet-5").shape)
    (1, 1, 28, 28)
    """
    if batch < 1:
        raise ValueError(f"batch is at least 1, got {batch}. Try 1.")
    return torch.zeros(batch, *architecture(name).input_shape)


def num_parameters(network: nn.Module) -> int:
    """Number of trainable values in ``network``, biases included."""
    return sum(parameter.numel() for parameter in network.parameters())


def _lenet_300_100() -> nn.Module:
    network = nn.Sequential()
    network.add_module("flatten", nn.Flatten())
    network.add_module("fc1", nn.Linear(28 * 28, 300))
    network.add_module("relu1", nn.ReLU())
    network.add_module("fc2", nn.Linear(300, 100))
    network.add_module("relu2", nn.ReLU())
    network.add_module("fc3", nn.Linear(100, 10))
    return network


def _lenet_5() -> nn.Module:
    # Caffe's network has a ReLU after fc1 only. Here one follows every hidden layer, so that each
    # layer but the first reads values that are never negative and often zero, as in the networks
    # that accelerators are built for. Pooling first costs a quarter of the comparisons and gives
    # the same values: max and ReLU commute.
    network = nn.Sequential()
    network.add_module("conv1", nn.Conv2d(1, 20, kernel_size=5))
    network.add_module("pool1", nn.MaxPool2d(2))
    network.add_module("relu1", nn.ReLU())
    network.add_module("conv2", nn.Conv2d(20, 50, kernel_size=5))
    network.add_module("pool2", nn.MaxPool2d(2))
    network.add_module("relu2", nn.ReLU())
    network.add_module("flatten", nn.Flatten())
    network.add_module("fc1", nn.Linear(50 * 4 * 4, 500))
    network.add_module("relu3", nn.ReLU())
    network.add_module("fc2", nn.Linear(500, 10))
    return network


register(
    Architecture(
        name="lenet-300-100",
        build=_lenet_300_100,
        input_shape=(1, 28, 28),
        source="LeCun et al., Gradient-based learning applied to document recognition, 1998, III.C.4",
    )
)
register(
    Architecture(
        name="lenet-5",
        build=_lenet_5,
        input_shape=(1, 28, 28),
        source="Caffe examples/mnist/lenet.prototxt (20-50-500-10), the LeNet-5 of Han et al., 2015",
    )
)
register(
    Architecture(
        name="resnet-8",
        build=residual.resnet_8,
        input_shape=(1, 28, 28),
        source="He et al., Deep residual learning for image recognition, CVPR 2016, section 4.2, n = 1",
    )
)
register(
    Architecture(
        name="mobilenet-10",
        build=separable.mobilenet_10,
        input_shape=(1, 28, 28),
        source="after Howard et al., MobileNets, arXiv:1704.04861, with four blocks",
    )
)
