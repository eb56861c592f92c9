"""The commands on a reader's own checkpoint: compress, inspect, decompress, evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm.auto import tqdm

from nncourse.accelerator import EDGE, SERVER, Accelerator, Gemm, gemms
from nncourse.codecs.codec import PARTS
from nncourse.container import Container, Plain, Quantized, Stored, open_container, write
from nncourse.container.directory import Record
from nncourse.recipe import Recipe, follow
from nncourse.scorecard import Scorecard, scorecard
from nncourse.weights_file import read_weights, write_safetensors
from nncourse.zoo import checkpoints, datasets, networks, published, training
from nncourse.zoo.published_layers import published_layers

ACCELERATORS: dict[str, Accelerator] = {machine.name: machine for machine in (EDGE, SERVER)}


def compress(source: str | Path, recipe: Recipe, out: Path) -> pd.DataFrame:
    """Writes the ``.nnc`` file of a checkpoint; returns where every byte went.

    source  as for :func:`nncourse.weights_file.read_weights`
    recipe  what becomes of each tensor
    out     path of the file; it appears whole or not at all

    A pattern of the recipe that fits no tensor is an error: it is usually misspelled.
    """
    tensors = read_weights(source)
    if unused := recipe.unused(list(tensors)):
        raise ValueError(
            f"match {unused[0]!r} fits none of the tensors ({', '.join(list(tensors)[:6])}, ...)"
        )
    stored: dict[str, Stored] = {}
    for name, tensor in tqdm(tensors.items(), desc="compress", unit="tensor"):
        try:
            stored[name] = follow(recipe.rule_for(name, tensor), tensor)
        except ValueError as error:
            raise ValueError(f"{name}, shape {tensor.shape}: {error}") from None
    _replace(out, write(stored))
    return account(open_container(out))


def account(container: Container) -> pd.DataFrame:
    """One row a tensor and one for the file: how it is stored, its bytes, and how many times fewer they are.

    Bytes before are those of the stored type, or of float32 for a tensor that was quantized.
    """
    rows: list[dict[str, Any]] = []
    by_tensor = container.table().groupby("tensor", sort=False)
    streams = by_tensor["bytes"].sum().to_dict()
    parts = {part: by_tensor[part].sum().to_dict() for part in PARTS}
    for name in container:
        record = container.record(name)
        before = int(np.prod(record.shape)) * _width(record.dtype)
        rows.append(
            {
                "tensor": name,
                "shape": " x ".join(map(str, record.shape)),
                "stored as": described(record),
                "before": before,
                "bytes": int(streams[name]),
                **{part: round(parts[part][name]) for part in PARTS},
            }
        )
    head = container.header_bytes
    rows.append({"tensor": "directory", "before": 0, "bytes": head, "header": head})
    table = pd.DataFrame(rows).fillna({"shape": "", "stored as": ""}).fillna(0)
    total = table.select_dtypes("number").sum()
    table = pd.concat([table, pd.DataFrame([{"tensor": "file", **total}])], ignore_index=True)
    table = table.fillna({"shape": "", "stored as": ""})
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].astype(int)
    table["times fewer"] = np.where(
        table["before"] > 0, (table["before"] / table["bytes"].clip(lower=1)).round(2), np.nan
    )
    return table.set_index("tensor")


def described(record: Record) -> str:
    """How a tensor is stored, in a few words."""
    if record.kind == "plain":
        return record.dtype
    if record.kind == "codebook":
        text = f"{record.levels.size} levels"
    else:
        text = f"{record.qmax - record.qmin + 1} steps"
        if record.group_size:
            text += f", groups of {record.group_size}"
        elif record.axis is not None:
            text += f", axis {record.axis}"
    return text if record.form == "whole" else f"{text}, pruned ({record.form})"


def decompress(path: Path, out: Path) -> int:
    """Writes the tensors of a ``.nnc`` file as safetensors; returns the bytes of that file."""
    container = open_container(path)
    tensors: dict[str, Plain | NDArray[Any]] = {}
    for name in tqdm(container, desc="decompress", unit="tensor"):
        stored = container.stored(name)
        tensors[name] = stored if isinstance(stored, Plain) else container.tensor(name)
    data = write_safetensors(tensors)
    _replace(out, data)
    return len(data)


def six_numbers(container: Container, accelerator: Accelerator) -> tuple[str, pd.DataFrame] | None:
    """The network that a file holds, and its six numbers before and after; None for an unknown network.

    Before: float32 weights on the machine with a datapath of float32. After: the bytes of the file, on a
    datapath of int8 where all weights are on even grids of at most 8 bits, otherwise of float16, into which
    the levels of a codebook are looked up.
    """
    known = layers_of(container)
    if known is None:
        return None
    name, layers = known
    weights = {
        layer.weights_name: container.record(f"{layer.weights_name}.weight")
        for layer in layers
        if layer.has_weights
    }
    whole = sum(int(np.prod(container.record(one).shape)) * 4 for one in container)
    before = scorecard(layers, accelerator.with_datapath("fp32"), stored_bytes=whole, bits="fp32")
    after = _after(layers, weights, container, accelerator)
    return name, before.compare(after)


def _after(
    layers: list[Gemm],
    weights: Mapping[str, Record],
    container: Container,
    accelerator: Accelerator,
) -> Scorecard:
    are_even = all(r.kind == "grid" and r.qmax - r.qmin < 256 for r in weights.values())
    datapath = "int8" if are_even else "fp16"
    sizes = {layer: sum(record.lengths.values()) for layer, record in weights.items()}
    rest = len_of(container) - sum(sizes.values())
    masks = {}
    for layer in weights:
        stored = container.stored(f"{layer}.weight")
        if isinstance(stored, Quantized) and stored.mask is not None:
            masks[layer] = stored.mask.reshape(stored.mask.shape[0], -1)
    return scorecard(
        layers,
        accelerator.with_datapath(datapath),
        stored_bytes={**sizes, "everything else": rest},
        bits=8 if are_even else "fp16",
        masks=masks or None,
    )


def len_of(container: Container) -> int:
    """Bytes of the whole file."""
    streams = sum(sum(container.record(name).lengths.values()) for name in container)
    return container.header_bytes + streams


def layers_of(container: Container) -> tuple[str, list[Gemm]] | None:
    """The network whose tensors, by name and shape, a file holds, and its layers."""
    shapes = {name: container.record(name).shape for name in container}
    for name in checkpoints.RECIPES:
        network = networks.build(name)
        if {key: tuple(value.shape) for key, value in network.state_dict().items()} == shapes:
            return name, gemms(network, networks.example_input(name))
    for name in published.PUBLISHED:
        layers = _published(name, shapes)
        if layers is not None:
            return name, layers
    return None


def _published(name: str, shapes: Mapping[str, tuple[int, ...]]) -> list[Gemm] | None:
    marks = {
        "efficientnet-lite0": "_conv_stem.weight",
        "minilm-l6": "embeddings.word_embeddings.weight",
    }
    return published_layers(name, shapes) if marks[name] in shapes else None


def evaluate(source: str | Path, original: str | Path | None = None) -> pd.DataFrame:
    """What a checkpoint or ``.nnc`` file is worth, as far as it can be measured where it stands.

    source    a ``.nnc`` file, or as for :func:`nncourse.weights_file.read_weights`
    original  a checkpoint with whose weights these are compared

    With an original: the error of each tensor, the root of the mean square of the differences over that of the
    values before. Without: a network of the course reads the test images of its data set.
    """
    tensors = _values(source)
    if original is not None:
        return _errors(tensors, _values(original))
    shapes = {name: values.shape for name, values in tensors.items()}
    for name in checkpoints.RECIPES:
        network = networks.build(name)
        if {key: tuple(value.shape) for key, value in network.state_dict().items()} == shapes:
            return _accuracy(name, network, tensors)
    raise ValueError(
        "the data of its task is not at hand; --original MODEL compares the weights with those before"
    )


def _accuracy(name: str, network: Any, tensors: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    import torch

    test = datasets.load(checkpoints.DATA[name], "test")
    rows = []
    whole = checkpoints.load_pretrained(name)
    for label, model in (("as trained", whole), ("as stored", network)):
        if label == "as stored":
            state = {key: torch.from_numpy(np.ascontiguousarray(x)) for key, x in tensors.items()}
            model.load_state_dict(state)
        model.eval()
        found = training.accuracy(model, test)
        rows.append({"network": name, "weights": label, "images": len(test), "accuracy": found})
    return pd.DataFrame(rows).set_index("weights")


def _errors(
    tensors: Mapping[str, NDArray[Any]], original: Mapping[str, NDArray[Any]]
) -> pd.DataFrame:
    if set(tensors) != set(original):
        strange = sorted(set(tensors) ^ set(original))
        raise ValueError(f"both need the same tensors; {strange[0]!r} is in one of them only")
    rows = []
    for name, values in tensors.items():
        before = np.asarray(original[name], dtype=np.float64)
        if before.shape != values.shape:
            raise ValueError(
                f"{name} has shape {values.shape} in one and {before.shape} in the other"
            )
        difference = float(np.sqrt(np.mean((values - before) ** 2))) if before.size else 0.0
        size = float(np.sqrt(np.mean(before**2))) if before.size else 0.0
        rows.append({"tensor": name, "error": difference / size if size else difference})
    return pd.DataFrame(rows).set_index("tensor")


def _values(source: str | Path) -> dict[str, NDArray[Any]]:
    if str(source).endswith(".nnc"):
        return open_container(Path(source)).tensors()
    return {name: tensor.decoded() for name, tensor in read_weights(source).items()}


def _width(dtype: str) -> int:
    from nncourse.container.tensors import DTYPES

    return np.dtype(DTYPES[dtype]).itemsize


def _replace(path: Path, data: bytes) -> None:
    """``data`` at ``path``, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
