"""Layers as matrix products: (m x k) inputs times (k x n) weights, one product for each group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Gemm:
    """One layer as ``groups`` products of an (m, k) by a (k, n) matrix.

    name          of the layer
    m             output places times batch: rows of the input matrix
    n             outputs (filters) of one group: columns of the weight matrix
    k             products in each sum, of one group
    groups        independent products, one after another (depthwise: one a channel)
    input_words   distinct input values; a convolution reads most of them several times. When None,
                  every entry of the input matrix is its own: m * k * groups
    has_weights   False where both sides are computed (attention): nothing is stored for the layer
    repeat_of     name of an earlier product with the same weights: stored once, fetched once more

    >>> Gemm("conv1", 576, 20, 25, input_words=784).macs
    288000
    """

    name: str
    m: int
    n: int
    k: int
    groups: int = 1
    input_words: int | None = None
    has_weights: bool = True
    repeat_of: str | None = None

    def __post_init__(self) -> None:
        for field in ("m", "n", "k", "groups"):
            _require_positive(self.name, field, getattr(self, field))
        if self.input_words is None:
            object.__setattr__(self, "input_words", self.m * self.k * self.groups)
        _require_positive(self.name, "input_words", self.input_words)

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.m * self.n * self.k * self.groups

    @property
    def weight_words(self) -> int:
        """Entries of the weight matrices of all groups."""
        return self.n * self.k * self.groups

    @property
    def weights_name(self) -> str:
        """The product under whose name the weights are stored: its own, or the one it repeats."""
        return self.repeat_of or self.name

    @property
    def output_words(self) -> int:
        """Results of all groups."""
        return self.m * self.n * self.groups

    def batched(self, batch: int) -> Gemm:
        """The same layer for ``batch`` inputs at a time: m and the inputs grow, the weights do not."""
        _require_positive(self.name, "batch", batch)
        assert self.input_words is not None
        if not self.has_weights:  # each input brings its own second matrix
            return replace(self, groups=self.groups * batch, input_words=self.input_words * batch)
        return replace(self, m=self.m * batch, input_words=self.input_words * batch)


def gemms(model: torch.nn.Module, example_input: Any) -> list[Gemm]:
    """The matrix products of one forward pass of ``model``, in the order they are computed.

    model          any torch module, on any device ("meta" computes shapes only)
    example_input  a tensor, a tuple of positional or a mapping of keyword arguments

    Forward hooks read the shapes of linear layers, convolutions (transposed ones too) and multi-head
    attention. A layer that is called twice gives two entries, ``fc`` and ``fc#2``, the second with
    ``repeat_of="fc"``. Normalization, pooling, activations and embeddings are no matrix products and
    are left out; so are products that the model computes by functions (``torch.matmul``) outside those
    layers, which hooks cannot see: add them by hand, with ``has_weights=False`` where both sides are
    computed. Recurrent and bilinear layers raise ValueError rather than vanish. The model comes back as it was.

    >>> import torch
    >>> [(g.name, g.m, g.n, g.k) for g in gemms(torch.nn.Sequential(torch.nn.Linear(8, 3)), torch.zeros(5, 8))]
    [('0', 5, 3, 8)]
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        raise ValueError(f"model is a torch.nn.Module; got {type(model).__name__}")
    found: list[Gemm] = []
    handles = []
    was_training = {module: module.training for module in model.modules()}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.RNNBase | torch.nn.RNNCellBase | torch.nn.Bilinear):
            raise ValueError(
                f"model: layer {name!r} ({type(module).__name__}) has no reading as matrix products here; "
                "list its products by hand with Gemm(name, m, n, k)"
            )
        reader = _reader(module)
        if reader is not None:
            handles.append(
                module.register_forward_hook(_hook(name, reader, found), with_kwargs=True)
            )
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        # The fast path computes a whole encoder layer without calling the layers inside.
        torch.backends.mha.set_fastpath_enabled(False)
        model.eval()
        with torch.no_grad():
            if isinstance(example_input, Mapping):
                model(**example_input)
            elif isinstance(example_input, tuple | list):
                model(*example_input)
            else:
                model(example_input)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for handle in handles:
            handle.remove()
        for module, mode in was_training.items():
            module.training = mode
    if not found:
        raise ValueError(
            "model: its forward pass calls no linear, convolution or attention layer, so there is no "
            "matrix product to read; list them by hand with Gemm(name, m, n, k)"
        )
    return _with_own_names(found)


Reader = Callable[[str, Any, tuple[Any, ...], dict[str, Any], Any], list[Gemm]]


def _hook(name: str, reader: Reader, found: list[Gemm]) -> Callable[..., None]:
    def hook(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        found.extend(reader(name, module, args, kwargs, output))

    return hook


def _reader(module: torch.nn.Module) -> Reader | None:
    from torch import nn

    if isinstance(module, nn.MultiheadAttention):
        return _attention
    if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return _transposed_convolution
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return _convolution
    if isinstance(module, nn.Linear):
        return _linear
    return None


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs["input"]


def _linear(
    name: str, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> list[Gemm]:
    x = _first(args, kwargs)
    m = x.numel() // layer.in_features
    return [Gemm(name, m, layer.out_features, layer.in_features, input_words=x.numel())]


def _convolution(
    name: str, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> list[Gemm]:
    x = _first(args, kwargs)
    n, k = (
        layer.out_channels // layer.groups,
        layer.in_channels // layer.groups * prod(layer.kernel_size),
    )
    m = output.numel() // layer.out_channels
    return [Gemm(name, m, n, k, layer.groups, input_words=x.numel())]


def _transposed_convolution(
    name: str, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> list[Gemm]:
    # Each input place is multiplied by all weights and its products are scattered over the outputs.
    x = _first(args, kwargs)
    n, k = (
        layer.out_channels // layer.groups * prod(layer.kernel_size),
        layer.in_channels // layer.groups,
    )
    return [Gemm(name, x.numel() // layer.in_channels, n, k, layer.groups, input_words=x.numel())]


def _attention(
    name: str, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> list[Gemm]:
    query, key, value = (
        args[place] if len(args) > place else kwargs[word]
        for place, word in enumerate(("query", "key", "value"))
    )
    size, heads, head_size = layer.embed_dim, layer.num_heads, layer.head_dim
    rows, keys = query.numel() // query.shape[-1], key.numel() // key.shape[-1]
    batch = 1 if query.dim() == 2 else query.shape[0 if layer.batch_first else 1]
    length, pairs = rows // batch, batch * heads
    # Learned and zero keys are appended to every sequence.
    key_length = keys // batch + int(layer.bias_k is not None) + int(layer.add_zero_attn)
    return [
        Gemm(f"{name}.query", rows, size, size, input_words=query.numel()),
        Gemm(f"{name}.key", keys, size, layer.kdim, input_words=key.numel()),
        Gemm(f"{name}.value", keys, size, layer.vdim, input_words=value.numel()),
        Gemm(f"{name}.scores", length, key_length, head_size, pairs, has_weights=False),
        Gemm(f"{name}.context", length, head_size, key_length, pairs, has_weights=False),
        Gemm(f"{name}.out_proj", rows, size, size, input_words=rows * size),
    ]


def _with_own_names(found: list[Gemm]) -> list[Gemm]:
    seen: Counter[str] = Counter()
    named = []
    for gemm in found:
        seen[gemm.name] += 1
        count = seen[gemm.name]
        if count > 1:
            first = gemm.name if gemm.has_weights else None
            gemm = replace(gemm, name=f"{gemm.name}#{count}", repeat_of=first)
        named.append(gemm)
    return named


def _require_positive(name: str, field: str, value: object) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value.__index__()) < 1:
        raise ValueError(f"{field} of {name!r} is a whole number of at least 1; got {value!r}")
