"""Claim D3: what Huffman's code saves, from pruned 4-bit codes to the mantissas of float32.

Four networks of the course, five paired seeds, eleven kinds of data of each, from concentrated to flat. Every
layer is a stream of its own. The gain of a kind is the bytes of all its layers in a fixed length over those in
Huffman's code: real streams, code tables, envelopes and headers included, on both sides. Beside it what the
distribution of each layer allows: its entropy, as a share of the width of the fixed length.

The fixed length is that of the values that occur: 4 bits for pruned codes, but 5 or 6 for exponents, as a
network uses few of the 256. Each stream is decoded again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.codecs import get_codec
from nncourse.codecs.relative_index import split
from nncourse.entropy import counts_of, entropy
from nncourse.experiments import d1, pruned, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.pruned import Plan
from nncourse.experiments.weight_codes import codes_of, shared_codes
from nncourse.pruners.masked import weights_of
from nncourse.quantizers.affine import choose_qparams, quantize
from nncourse.zoo import checkpoints

Array = NDArray[Any]

NETWORKS = tuple(pruned.RECIPES)
SPARSER: Mapping[str, float] = MappingProxyType(
    {"lenet-300-100": 0.04, "lenet-5": 0.04, "resnet-8": 0.05, "mobilenet-10": 0.05}
)
"""Density of the pruned networks that keep less than a fifth."""

FIFTH, FEWER, GAPS = "pruned to a fifth", "pruned further", "gaps of zeros"
GRID4, LEVELS4, INT8 = "4-bit grid", "4-bit shared levels", "8-bit grid"
ACTIVATIONS = "8-bit activations"
EXPONENT, HIGH, MIDDLE, LOW = (
    "float32, exponent",
    "float32, mantissa, high byte",
    "float32, mantissa, middle byte",
    "float32, mantissa, low 7 bits and sign",
)
KINDS = (FEWER, FIFTH, GAPS, GRID4, LEVELS4, INT8, ACTIVATIONS, EXPONENT, HIGH, MIDDLE, LOW)
FIXED, HUFFMAN = get_codec("fixed"), get_codec("huffman")


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed: network and kind, its bytes, and how concentrated its symbols are.

    seed   of the trained networks and of their pruning
    smoke  the first network
    """
    for name in NETWORKS[:1] if smoke else NETWORKS:
        start = {"seed": seed, "network": name, "data": checkpoints.DATA[name]}
        for kind, layers in streams(name, seed=seed).items():
            yield {**start, "kind": kind, **measures(layers)}


def streams(name: str, *, seed: int) -> dict[str, list[Array]]:
    """The layers of network ``name`` as each of ``KINDS``: integers of 8 bits."""
    weights = _matrices(subject.network(name, seed=seed))
    fifth = [shared_codes(each) for each in _pruned(name, 0.2, seed)]
    fewer = [shared_codes(each) for each in _pruned(name, SPARSER[name], seed)]
    planes = [float_planes(each) for each in weights]
    return {
        FEWER: fewer,
        FIFTH: fifth,
        GAPS: [split(each, 8)[1].astype(np.uint8) for each in fifth if each.any()],
        GRID4: [quantize(each, choose_qparams(each, bits=4, axis=0)) for each in weights],
        LEVELS4: [shared_codes(each, levels=16) for each in weights],
        INT8: [codes_of(each, "int8").view(np.int8) for each in weights],
        ACTIVATIONS: d1.streams(name, d1.ACTIVATIONS, seed=seed),
        **{kind: [plane[kind] for plane in planes] for kind in (EXPONENT, HIGH, MIDDLE, LOW)},
    }


def float_planes(values: Array) -> dict[str, NDArray[np.uint8]]:
    """The four bytes of each float32, cut so that the exponent stands alone and the sign goes last.

    values  any shape, kept

    >>> {kind[9:17]: int(plane[0]) for kind, plane in float_planes(np.array([-1.5])).items()}
    {'exponent': 127, 'mantissa': 1}
    """
    bits = np.asarray(values, dtype=np.float32).view(np.uint32)
    turned = bits << np.uint32(1) | bits >> np.uint32(31)
    cuts = {EXPONENT: 24, HIGH: 16, MIDDLE: 8, LOW: 0}
    return {kind: (turned >> np.uint32(cut)).astype(np.uint8) for kind, cut in cuts.items()}


def measures(layers: list[Array]) -> dict[str, float]:
    """Bytes and concentration of ``layers``, integers of 8 bits.

    symbols        of all layers
    fixed_bytes, huffman_bytes  of all streams
    table_bytes    of these, the tables of code lengths
    width          bits of a symbol in the fixed length, mean over all symbols
    entropy        bits, of each layer by itself, mean over all symbols
    codeword       bits of a codeword, mean over all symbols
    top            share of the symbols that the most frequent sixteenth of the fixed length's codes covers
    intact         1 if every stream came back
    """
    coded = [HUFFMAN.encode(layer) for layer in layers]
    fixed = [FIXED.encode(layer) for layer in layers]
    inside = [HUFFMAN.sizes(data) for data in coded]
    symbols = sum(layer.size for layer in layers)
    packed = [FIXED.sizes(data)["payload"] for data in fixed]
    return {
        "symbols": symbols,
        "fixed_bytes": sum(map(len, fixed)),
        "huffman_bytes": sum(map(len, coded)),
        "table_bytes": sum(part["codebook"] for part in inside) // 8,
        "width": sum(packed) / symbols,
        "entropy": sum(layer.size * entropy(layer) for layer in layers) / symbols,
        "codeword": sum(part["payload"] for part in inside) / symbols,
        "top": sum(
            top_count(layer, bits // layer.size) for layer, bits in zip(layers, packed, strict=True)
        )
        / symbols,
        "intact": min(
            int(np.array_equal(HUFFMAN.decode(data), layer))
            for data, layer in zip(coded, layers, strict=True)
        ),
    }


def top_count(layer: Array, width: int) -> int:
    """How many symbols are among the ``2**width / 16`` most frequent values, at least one value.

    >>> top_count(np.array([3, 3, 3, 5], np.uint8), 4)
    3
    """
    num_values = max(math.ceil(2**width / 16), 1)
    return int(np.sort(counts_of(layer))[::-1][:num_values].sum())


def _matrices(model: Any) -> list[Array]:
    return [value.reshape(len(value), -1) for value in weights_of(model).values()]


def _pruned(name: str, density: float, seed: int) -> list[Array]:
    return _matrices(pruned.pruned(name, Plan(density=density), seed=seed).network)


EXPERIMENT = Experiment(
    claim="D3",
    title="What Huffman's code saves, from pruned 4-bit codes to the mantissas of float32",
    networks=NETWORKS,
    data="weights of networks trained on MNIST and Fashion-MNIST, and what their layers read of test images",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "kind"),
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
