"""Networks fine-tuned on a grid, kept in the cache, and the file that holds one of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from nncourse import pipeline
from nncourse.experiments import network_cache, subject
from nncourse.quantizers import affine, fine_tuning
from nncourse.zoo import checkpoints, datasets, training
from nncourse.zoo.training import Recipe

NUM_IMAGES = 25_600
NUM_CALIBRATION_IMAGES = 500
RECIPES = {
    "lenet-300-100": Recipe(epochs=3, learning_rate=1e-3),
    "lenet-5": Recipe(epochs=1, learning_rate=1e-3),
    "resnet-8": Recipe(epochs=2, learning_rate=1e-3),
}
"""Fine-tuning of each network: 200 steps an epoch, far fewer than its first training took."""

FIRST_INPUT_BITS = 8  # pixels come as bytes; only what layers hand to each other gets narrower
INPUT_GRID = "input_grid"  # of a layer: step, smallest and largest code, three numbers in the file
CODE = (
    "quantizers.fine_tuning",
    "quantizers.affine",
    "quantizers.ranges",
    "quantizers.slices",
    "zoo.training",
    "zoo.seeding",
)
"""Modules that decide the fine-tuned weights, together with the first weights and the data."""


def fine_tuned(
    name: str,
    *,
    seed: int,
    weight_bits: int | None,
    input_bits: int | None = None,
    method: str = "learned step",
) -> nn.Module:
    """Network ``name`` of ``seed``, prepared for these widths and fine-tuned, ready for inference.

    name         a key of ``RECIPES``
    seed         of the first training, and of the fine-tuning
    weight_bits  of all layers; None for the control: the same steps in float32
    input_bits   of what each layer reads, the image excepted, which keeps 8 bits; None for float32
    method       of ``fine_tuning.prepare``
    """
    model = subject.network(name, seed=seed)
    result = prepared(name, model, weight_bits=weight_bits, input_bits=input_bits, method=method)

    def train() -> nn.Module:
        data = checkpoints.DATA[name]
        return training.train(
            result,
            datasets.load(data, "train")[:NUM_IMAGES],
            datasets.load(data, "validation"),
            recipe=RECIPES[name],
            seed=seed,
        ).network

    return network_cache.fetch(
        "tuned",
        f"{name}-seed{seed}",
        parts=_parts(name, model, seed, (weight_bits, input_bits, method)),
        form=result,
        make=train,
    )


def prepared(
    name: str,
    model: nn.Module,
    *,
    weight_bits: int | None,
    input_bits: int | None = None,
    method: str = "learned step",
) -> nn.Module:
    """``model`` with the grids it is fine-tuned on, as they are before any training.

    name   of the network, whose data set gives the first steps of the inputs
    model  never modified
    weight_bits, input_bits, method  of :func:`fine_tuned`
    """
    images = datasets.load(checkpoints.DATA[name], "train")[:NUM_CALIBRATION_IMAGES]
    inputs: dict[str, int] = {}
    if input_bits is not None:
        inputs = dict.fromkeys(subject.gemm_layers(model), input_bits)
        inputs[next(iter(inputs))] = FIRST_INPUT_BITS
    return fine_tuning.prepare(
        model,
        weight_bits={} if weight_bits is None else weight_bits,
        input_bits=inputs or None,
        calibration=torch.from_numpy(images.x),
        method=method,
    ).eval()


def stored(model: nn.Module) -> bytes:
    """The file of a prepared network: codes of its weights, its other tensors, its input grids.

    model  from ``fine_tuning.prepare``, trained or not
    """
    grids = fine_tuning.weight_grids(model)
    tensors: dict[str, subject.Array] = dict(fine_tuning.plain_tensors(model))
    for name, grid in fine_tuning.input_grids(model).items():
        tensors[f"{name}.{INPUT_GRID}"] = np.array(
            [grid.scale, grid.qmin, grid.qmax], dtype=np.float32
        )
    return pipeline.store(tensors, bits={f"{name}.weight": grid for name, grid in grids.items()})


def decoded(model: nn.Module, data: bytes) -> nn.Module:
    """The network that the file ``data`` holds, reading its inputs through the grids in the file.

    model  gives the form only: a plain network, never modified
    data   from :func:`stored`
    """
    tensors = pipeline.restore(data)
    grids = {
        name.removesuffix(f".{INPUT_GRID}"): tensors.pop(name)
        for name in list(tensors)
        if name.endswith(f".{INPUT_GRID}")
    }
    plain = subject.filled(model, tensors)
    return subject.with_rounded_inputs(plain, {name: _rounder(g) for name, g in grids.items()})


def _rounder(grid: subject.Array) -> subject.Rounder:
    step, qmin, qmax = grid
    qparams = affine.QParams(
        scale=np.asarray(step), zero_point=np.asarray(0), qmin=int(qmin), qmax=int(qmax)
    )
    return lambda x: affine.fake_quantize(x, qparams)


def _parts(name: str, model: nn.Module, seed: int, settings: tuple[object, ...]) -> list[str]:
    return [
        *network_cache.identity(model),
        *(repr(RECIPES[name]), str(seed), repr(settings)),
        *(str(NUM_IMAGES), str(NUM_CALIBRATION_IMAGES), str(FIRST_INPUT_BITS), torch.__version__),
        datasets.fingerprint(checkpoints.DATA[name]),
        *network_cache.code(CODE),
    ]
