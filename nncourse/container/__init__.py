"""The ``.nnc`` file: a network's tensors as bytes, each of which can be read without the others."""

from nncourse.container.directory import ContainerError
from nncourse.container.file import Container, open_container, write
from nncourse.container.layout import Layout
from nncourse.container.tensors import Plain, Quantized, Stored

__all__ = [
    "Container",
    "ContainerError",
    "Layout",
    "Plain",
    "Quantized",
    "Stored",
    "open_container",
    "write",
]
