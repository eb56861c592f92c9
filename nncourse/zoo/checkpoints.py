"""Trained networks: stored with the course, each with a record of how it was made, or trained and cached.

A checkpoint is two files: NAME.safetensors, float32 weights, and NAME.json, the command, seed,
recipe, versions, accuracies and the SHA-256 of the weights. The weights are read back from the
file before their test accuracy is measured, once, after everything is chosen.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from filelock import FileLock
from torch import nn

import nncourse
from nncourse.meaning import meaning
from nncourse.zoo import datasets, networks, seeding, training
from nncourse.zoo.training import Recipe

STORED = Path(__file__).parent / "stored"

RECIPES: dict[str, Recipe] = {
    "lenet-300-100": Recipe(epochs=15, learning_rate=2e-3, weight_decay=0.01, shift_pixels=1),
    "lenet-5": Recipe(epochs=5, learning_rate=2e-3, weight_decay=0.01, shift_pixels=1),
    "resnet-8": Recipe(epochs=10, learning_rate=4e-3, weight_decay=0.01, shift_pixels=1),
    "mobilenet-10": Recipe(epochs=8, learning_rate=4e-3, weight_decay=0.01, shift_pixels=1),
}
DATA: dict[str, str] = {
    "lenet-300-100": "mnist",
    "lenet-5": "mnist",
    "resnet-8": "fashion-mnist",
    "mobilenet-10": "fashion-mnist",
}
"""Data set that each network of ``RECIPES`` learns and is measured on."""


def train_and_store(name: str, *, seed: int = 0, folder: Path | None = None) -> Path:
    """File of weights of network ``name``, trained by its recipe; its record lies beside it.

    name    a key of ``RECIPES``
    seed    of the first weights, the order of the images and the augmentation
    folder  where NAME.safetensors and NAME.json are written; when None, the course's own

    The same seed on the same machine, with the same versions and threads, gives the same bytes.
    """
    _recipe(name)
    return _train_into(STORED if folder is None else Path(folder), name, name, seed)


def load_pretrained(name: str) -> nn.Module:
    """Stored network ``name``, ready for inference, after its file passed the hash in its record.

    >>> load_pretrained("lenet-300-100").fc1.weight.shape
    torch.Size([300, 784])
    """
    _recipe(name)
    return _read(STORED, name, name)


def provenance(name: str) -> dict[str, Any]:
    """Record of the stored network ``name``: command, seed, recipe, versions, accuracies, SHA-256.

    >>> provenance("lenet-5")["command"]
    'nncourse train lenet-5 --seed 0'
    """
    _recipe(name)
    return _record(STORED, name, name)


def trained(name: str, *, seed: int) -> nn.Module:
    """Network ``name`` trained by its recipe from ``seed``, ready for inference.

    It comes from the cache when it was trained before; else it is trained now and cached, in one
    step, so that an experiment that was interrupted goes on with the networks it has. A change of
    the recipe, the data, the split, the training code, the network's code or torch's version makes
    a new entry; comments and docstrings do not count. Of two processes one trains, the other waits.
    Every random generator is left as ``seeding.reproducible(seed)`` leaves it, in both cases.
    """
    recipe = _recipe(name)
    seeding.reproducible(seed)
    stem = f"{name}-seed{seed}-{_key(name, recipe)[:16]}"
    folder = datasets.cache_folder() / "trained"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{stem}.lock"):
        try:
            network = _read(folder, stem, name)
        except ValueError:  # absent, damaged or half written: the network can be made again
            _train_into(folder, stem, name, seed)
            network = _read(folder, stem, name)
    seeding.reproducible(seed)
    return network


def _train_into(folder: Path, stem: str, name: str, seed: int) -> Path:
    recipe = _recipe(name)
    folder.mkdir(parents=True, exist_ok=True)
    data = DATA[name]
    train_images = datasets.load(data, "train")
    validation_images = datasets.load(data, "validation")
    seeding.reproducible(seed)
    start = time.perf_counter()
    result = training.train(
        networks.build(name), train_images, validation_images, recipe=recipe, seed=seed
    )
    seconds = time.perf_counter() - start
    weights = safetensors.torch.save(
        {key: value.contiguous() for key, value in result.network.state_dict().items()}
    )
    network = _filled(name, weights)
    record = {
        "network": name,
        "command": f"nncourse train {name} --seed {seed}",
        "seed": seed,
        "threads": torch.get_num_threads(),
        "recipe": asdict(recipe),
        "data": data,
        "data_sha256": dict(datasets.DATA_SETS[data].sha256),
        "num_parameters": networks.num_parameters(network),
        "history": [asdict(epoch) for epoch in result.history],
        "best_epoch": result.best_epoch,
        "validation_accuracy": result.validation_accuracy,
        "test_accuracy": training.accuracy(network, datasets.load(data, "test")),
        "seconds": round(seconds, 1),
        "versions": {
            "nncourse": nncourse.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "safetensors": safetensors.__version__,
        },
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    target = folder / f"{stem}.safetensors"
    _replace(target, weights)
    _replace(target.with_suffix(".json"), (json.dumps(record, indent=2) + "\n").encode())
    return target


def _record(folder: Path, stem: str, name: str) -> dict[str, Any]:
    path = folder / f"{stem}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the record {path.name} of network {name} cannot be read ({type(error).__name__}). "
            f"Make it again: nncourse train {name}"
        ) from None
    if not isinstance(record, dict) or "sha256" not in record:
        raise ValueError(
            f"the record {path.name} of network {name} names no SHA-256. "
            f"Make it again: nncourse train {name}"
        )
    return record


def _read(folder: Path, stem: str, name: str) -> nn.Module:
    expected = _record(folder, stem, name)["sha256"]
    path = folder / f"{stem}.safetensors"
    if not path.is_file():
        raise ValueError(
            f"the weights {path.name} of network {name} are missing. "
            f"Make them again: nncourse train {name}"
        )
    weights = path.read_bytes()
    found = hashlib.sha256(weights).hexdigest()
    if found != expected:
        raise ValueError(
            f"the weights {path.name} of network {name} are damaged: SHA-256 is {found}, its record "
            f"says {expected}. Make them again: nncourse train {name}"
        )
    return _filled(name, weights)


def _filled(name: str, weights: bytes) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # the first weights are overwritten: draw none for good
        network = networks.build(name)
    network.load_state_dict(safetensors.torch.load(weights))
    return network.eval()


def _replace(target: Path, data: bytes) -> None:
    descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        os.chmod(partial, 0o644)
        os.replace(partial, target)
    finally:
        Path(partial).unlink(missing_ok=True)


def _recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise ValueError(
            f"name must be one of {', '.join(sorted(RECIPES))}, got {name!r}. Check the spelling."
        )
    return RECIPES[name]


def _key(name: str, recipe: Recipe) -> str:
    """SHA-256 over everything that decides the weights, apart from the seed."""
    with torch.random.fork_rng(devices=[]):
        network = networks.build(name)
    own_classes = {type(module) for module in network.modules()}
    code = [
        meaning(inspect.getsource(networks.architecture(name).build)),
        *sorted(meaning(inspect.getsource(c)) for c in own_classes if "nncourse" in c.__module__),
        meaning(inspect.getsource(training)),
        meaning(inspect.getsource(seeding)),
    ]
    parts = [
        repr(recipe),
        datasets.fingerprint(DATA[name]),
        repr(network),
        torch.__version__,
        *code,
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
