"""The network that an experiment looks at: taken apart into arrays, stored, and put together again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from nncourse import pipeline
from nncourse.zoo import checkpoints

Array = npt.NDArray[Any]
Rounder = Callable[[Array], Array]
GEMM_LAYERS = (nn.Linear, nn.Conv2d)


def network(name: str, *, seed: int) -> nn.Module:
    """Network ``name`` trained from ``seed``, ready for inference.

    name  a network of the zoo
    seed  of the training run

    The checkpoint stored with the course is used where it is of this seed: so one seed of every
    table can be measured again without any training.
    """
    if checkpoints.provenance(name)["seed"] == seed:
        return checkpoints.load_pretrained(name)
    return checkpoints.trained(name, seed=seed)


def tensors(model: nn.Module) -> dict[str, Array]:
    """Copies of the parameters and buffers of ``model`` that its output depends on, by name.

    The counters of batch normalization, whole numbers that only training reads, are left out.
    """
    return {
        name: value.detach().contiguous().numpy().copy()
        for name, value in model.state_dict().items()
        if value.is_floating_point()
    }


def decoded(model: nn.Module, data: bytes) -> nn.Module:
    """A network of the form of ``model`` with the tensors that the stored file ``data`` holds.

    model  gives the form, and the counters of batch normalization; never modified
    data   from ``pipeline.store``
    """
    return filled(model, pipeline.restore(data))


def filled(model: nn.Module, tensors: Mapping[str, Array]) -> nn.Module:
    """A network of the form of ``model`` with all its ``tensors``, ready for inference.

    model    gives the form, and the counters of batch normalization; never modified
    tensors  float32, by name; one that is missing or one too many raises ``ValueError``
    """
    copied = copy.deepcopy(model)
    state = copied.state_dict()
    wanted = {name for name, value in state.items() if value.is_floating_point()}
    if tensors.keys() != wanted:
        raise ValueError(
            f"tensors and model differ in {sorted(tensors.keys() ^ wanted)}: "
            "is the file of another network?"
        )
    state.update({name: torch.from_numpy(value) for name, value in tensors.items()})
    copied.load_state_dict(state)
    return copied.eval()


def layer_inputs(model: nn.Module, x: Array) -> dict[str, Array]:
    """What each convolution and linear layer of ``model`` reads, by layer name.

    model    never modified
    x        batch of inputs, float32 or float64; the network runs in this precision
    returns  arrays of the type of ``x``; of a layer that runs twice, what it reads last
    """
    seen: dict[str, Array] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            seen[name] = inputs[0].numpy().copy()

        return hook

    batch = torch.from_numpy(x)
    copied = copy.deepcopy(model).to(batch.dtype).eval()
    for name, layer in gemm_layers(copied).items():
        layer.register_forward_pre_hook(keep(name))
    with torch.inference_mode():
        copied(batch)
    return seen


def with_rounded_inputs(model: nn.Module, rounders: Mapping[str, Rounder]) -> nn.Module:
    """A copy of ``model`` whose layers read their inputs through ``rounders``.

    model     never modified
    rounders  by layer name; each maps a float32 array to one of the same shape
    """
    copied = copy.deepcopy(model)
    layers = gemm_layers(copied)

    def through(
        rounder: Rounder,
    ) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], tuple[torch.Tensor, ...]]:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            return (torch.from_numpy(rounder(inputs[0].numpy())), *inputs[1:])

        return hook

    for name, rounder in rounders.items():
        if name not in layers:
            raise ValueError(f"rounders names the layer {name!r}; those there are: {list(layers)}")
        layers[name].register_forward_pre_hook(through(rounder))
    return copied


def gemm_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The convolution and linear layers of ``model`` by name, in order."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, GEMM_LAYERS)}
