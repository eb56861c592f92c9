"""Claim D1: codecs for everything against codecs for networks, on real weights and activations.

Four networks of the course, five paired seeds, four kinds of data: float32 weights, weights in eight bits,
pruned weights in four bits (a fifth of them left, shared levels), and what the layers behind the first one read, in
eight bits. Every layer is a stream of its own, and sizes are sums of real streams, envelopes and tables
included. Each stream is decoded again. Beside them the bound of order zero: entropy of the symbols of each
layer, and for float32 of its numbers as they are.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from nncourse.codecs import Codec, get_codec
from nncourse.entropy import entropy
from nncourse.experiments import pruned, subject, weight_codes
from nncourse.experiments.experiment import Experiment, Row
from nncourse.pruners.masked import weights_of
from nncourse.quantizers.affine import choose_qparams, quantize
from nncourse.zoo import checkpoints, datasets

Array = NDArray[Any]
Pair = tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]

NETWORKS = tuple(pruned.RECIPES)
NUM_IMAGES = 100
FLOATS, INT8, PRUNED, ACTIVATIONS = (
    "float32 weights",
    "8-bit weights",
    "pruned 4-bit weights",
    "8-bit activations",
)
KINDS = (FLOATS, INT8, PRUNED, ACTIVATIONS)
BOUND = "entropy"

GENERAL: Mapping[str, Pair] = MappingProxyType(
    {
        "zlib -9": (lambda data: zlib.compress(data, 9), zlib.decompress),
        "bz2 -9": (lambda data: bz2.compress(data, 9), bz2.decompress),
        "lzma": (lzma.compress, lzma.decompress),
        "zstd -3": (
            lambda data: zstandard.compress(data, 3),
            zstandard.decompress,
        ),
        "zstd -19": (
            lambda data: zstandard.compress(data, 19),
            zstandard.decompress,
        ),
    }
)
"""Codecs that know nothing of networks, at levels that people use and at their best."""

SPECIAL: Mapping[str, Codec] = MappingProxyType(
    {name: get_codec(name) for name in ("fixed", "huffman", "rans", "runlength", "adaptive")}
)
SPECIAL_FLOATS: Mapping[str, Codec] = MappingProxyType(
    {
        f"float, {inner}": get_codec("float", inner=inner)
        for inner in ("huffman", "rans", "adaptive")
    }
)


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed: network, kind and codec with the bytes of all layers, and whether all came back.

    seed   of the trained networks
    smoke  the first network, and no lzma and zstd -19, which take their time
    """
    for name in NETWORKS[:1] if smoke else NETWORKS:
        for kind in KINDS:
            layers = streams(name, kind, seed=seed)
            start = {"seed": seed, "network": name, "data": checkpoints.DATA[name], "kind": kind}
            raw = sum(each.nbytes for each in layers)
            for codec, group, size, is_intact in _sizes(layers, kind, smoke):
                found = {"codec": codec, "group": group, "bytes": size, "raw_bytes": raw}
                yield {**start, **found, "intact": is_intact}


def streams(name: str, kind: str, *, seed: int) -> list[Array]:
    """The layers of network ``name`` as one kind of data, one array each, neighbors side by side.

    kind  one of ``KINDS``
    """
    if kind == PRUNED:
        return list(weight_codes.network_codes(name, "pruned", seed=seed).values())
    model = subject.network(name, seed=seed)
    weights = [value.reshape(len(value), -1) for value in weights_of(model).values()]
    if kind == FLOATS:
        return [value.astype(np.float32) for value in weights]
    if kind == INT8:
        grids = [choose_qparams(value, bits=8, axis=0) for value in weights]
        return [quantize(value, grid) for value, grid in zip(weights, grids, strict=True)]
    if kind == ACTIVATIONS:
        images = datasets.load(checkpoints.DATA[name], "test")[:NUM_IMAGES].x
        inputs = list(subject.layer_inputs(model, images).values())[1:]
        return [_eight_bits(value).reshape(-1, value.shape[-1]) for value in inputs]
    raise ValueError(f"kind is one of {', '.join(KINDS)}; got {kind!r}")


def bound_bytes(layer: Array) -> int:
    """Whole bytes that no code of single symbols gets below for this layer, its table given for nothing."""
    return math.ceil(layer.size * entropy(layer) / 8)


def _sizes(layers: list[Array], kind: str, smoke: bool) -> Iterator[tuple[str, str, int, bool]]:
    """Codec, its group, bytes of all layers, whether every bit came back."""
    yield BOUND, "bound", sum(map(bound_bytes, layers)), True
    for name, (pack, unpack) in GENERAL.items():
        if smoke and name in ("lzma", "zstd -19"):
            continue
        size, is_intact = 0, True
        for layer in layers:
            raw = layer.tobytes()
            packed = pack(raw)
            size += len(packed)
            is_intact &= unpack(packed) == raw
        yield name, "general", size, is_intact
    for name, codec in (SPECIAL_FLOATS if kind == FLOATS else SPECIAL).items():
        size, is_intact = 0, True
        for layer in layers:
            packed = codec.encode(layer)
            size += len(packed)
            is_intact &= codec.decode(packed).tobytes() == layer.tobytes()
        yield name, "special", size, is_intact


def _eight_bits(values: Array) -> Array:
    grid = choose_qparams(values, bits=8, scheme="asymmetric")
    return quantize(values, grid).astype(np.uint8)


EXPERIMENT = Experiment(
    claim="D1",
    title="Codecs for everything against codecs for networks, and the bound",
    networks=NETWORKS,
    data="weights of networks trained on MNIST and Fashion-MNIST, and what their layers read of test images",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "kind", "codec"),
    # Other versions of a general codec write other bytes.
    tolerances={"bytes": 64},
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
