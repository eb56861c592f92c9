"""Networks that took minutes to train, kept on the disk under all that decides their weights.

Reading one back takes milliseconds. An entry belongs to one set of first weights, settings, data and
training code, so a change of any of these trains anew, and a change of anything else does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import safetensors
import safetensors.torch
from filelock import FileLock
from torch import nn

from nncourse.experiments import sources, subject
from nncourse.zoo import datasets


def fetch(
    folder: str,
    stem: str,
    *,
    parts: Sequence[str],
    form: nn.Module,
    make: Callable[[], nn.Module],
) -> nn.Module:
    """``form`` with the weights that ``make`` gives, taken from the cache if they were made before.

    folder  of the cache, such as "tuned"
    stem    what a person would call the entry
    parts   all that decides the weights; see :func:`identity`
    form    a network of the same tensors; filled and returned, ready for inference
    make    trains the network; of two processes one calls it, the other waits
    """
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    path = datasets.cache_folder() / folder / f"{stem}-{key[:16]}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.stem}.lock")):
        if not _fill(form, path):
            _keep(make(), path)
            if not _fill(form, path):
                raise ValueError(f"the file {path.name} in the cache cannot be read back")
    return form.eval()


def identity(model: nn.Module) -> list[str]:
    """Form and weights of ``model``, as two parts of a key."""
    weights = hashlib.sha256()
    for value in subject.tensors(model).values():
        weights.update(value.tobytes())
    return [str(model), weights.hexdigest()]


def code(modules: Sequence[str]) -> list[str]:
    """What the named modules of the package do, as parts of a key.

    modules  such as "zoo.training"
    """
    return [sources.digest(f"nncourse.{module}") for module in modules]


def _keep(network: nn.Module, path: Path) -> None:
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(safetensors.torch.save(state))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _fill(network: nn.Module, path: Path) -> bool:
    """Whether ``network`` now has the weights of the file; not so if it is absent or damaged."""
    try:
        network.load_state_dict(safetensors.torch.load(path.read_bytes()))
    except (OSError, safetensors.SafetensorError, RuntimeError):
        return False
    return True
