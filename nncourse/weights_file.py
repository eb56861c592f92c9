"""Weights from a file or a network known by name, and back into a safetensors file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.container import Plain
from nncourse.zoo import checkpoints, published

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


class WeightsError(ValueError):
    """No weights can be read from a source; the message says why and what can be."""


def read_weights(source: str | Path) -> dict[str, Plain]:
    """The tensors of a checkpoint, as they are, by name.

    source  a file of safetensors; a state dict that torch saved (.pt, .pth, .bin, .ckpt), read with
            ``weights_only=True``, so that no code of the file runs; the name of a network of the course
            (lenet-5) or of a published one (minilm-l6)

    A state dict may lie one level deep, under "state_dict" or "model". Entries that are no tensors are refused.
    """
    if str(source) in checkpoints.RECIPES:
        network = checkpoints.load_pretrained(str(source))
        return _plain(network.state_dict(), str(source))
    if str(source) in published.PUBLISHED:
        one = published.published(str(source))
        return _from_bytes(published.published_bytes(str(source)), one.file)
    path = Path(source)
    if not path.is_file():
        names = ", ".join([*checkpoints.RECIPES, *published.PUBLISHED])
        raise WeightsError(f"{source} is no file, and no network known by name ({names})")
    if path.suffix not in SUFFIXES:
        raise WeightsError(
            f"{path.name} ends with none of {', '.join(SUFFIXES)}; rename it if it is one"
        )
    return _from_bytes(path.read_bytes(), path.name)


def write_safetensors(tensors: Mapping[str, Plain | NDArray[Any]]) -> bytes:
    """The bytes of a safetensors file that holds ``tensors``; bfloat16 stays bfloat16."""
    import safetensors.torch
    import torch

    found = {}
    for name, tensor in tensors.items():
        values = tensor.values if isinstance(tensor, Plain) else np.asarray(tensor)
        one = torch.from_numpy(np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))))
        is_bf16 = isinstance(tensor, Plain) and tensor.dtype == "bf16"
        found[name] = one.view(torch.bfloat16) if is_bf16 else one
    return safetensors.torch.save(found)


def _from_bytes(data: bytes, name: str) -> dict[str, Plain]:
    import safetensors.torch
    import torch

    try:
        if name.endswith(".safetensors"):
            return _plain(safetensors.torch.load(data), name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about other protocols of pickle
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # on damaged bytes both readers raise whatever they stumble over
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{name} is damaged, or more than a state dict (torch.save(model.state_dict(), FILE) "
            f"writes one): {reason}"
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict):
        raise WeightsError(f"{name} holds a {type(found).__name__}, and no state dict")
    return _plain(found, name)


def _plain(tensors: Mapping[str, Any], name: str) -> dict[str, Plain]:
    import torch

    result = {}
    for key, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise WeightsError(f"{name}: {key!r} is a {type(tensor).__name__}, and no tensor")
        tensor = tensor.detach().cpu().contiguous()
        is_bf16 = tensor.dtype == torch.bfloat16
        values = (tensor.view(torch.uint16) if is_bf16 else tensor).numpy()
        try:
            result[str(key)] = Plain(values=values, dtype="bf16" if is_bf16 else None)
        except (ValueError, TypeError) as error:
            raise WeightsError(f"{name}: {key!r}: {error}") from None
    if not result:
        raise WeightsError(f"{name} holds no tensors")
    return result
