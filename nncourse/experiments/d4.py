"""Claim D4: run lengths of zeros in pruned weights, in weights as they were trained, and in activations.

Four networks of the course, five paired seeds. Pruned weights have four bits, a symbol for zero and 15
levels shared by the others; activations are what the layers behind the first one read of test images, in
eight bits, zero among the codes. Every layer is a stream of its own. Sizes are those of real streams, tables
and headers included, in bits by the symbol; the gap of a run-length code has the width that makes each stream
smallest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import pack
from nncourse.codecs import get_codec
from nncourse.codecs.prefix_code import package_merge
from nncourse.codecs.relative_index import best_gap_bits, split
from nncourse.entropy import binary_entropy, entropy
from nncourse.experiments import d1, pruned, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.pruned import Plan
from nncourse.experiments.weight_codes import shared_codes
from nncourse.pruners.masked import weights_of
from nncourse.zoo import checkpoints

Array = NDArray[Any]

NETWORKS = tuple(pruned.RECIPES)
FIFTH = Plan(density=0.2, shape="uniform")
PLANS: Mapping[str, tuple[Plan, ...]] = MappingProxyType(
    {
        "lenet-300-100": (FIFTH, *(Plan(density=density) for density in (0.08, 0.04, 0.02))),
        "lenet-5": (FIFTH, *(Plan(density=density) for density in (0.08, 0.04, 0.02))),
        "resnet-8": (FIFTH, Plan(density=0.05)),
        "mobilenet-10": (FIFTH, Plan(density=0.05)),
    }
)
"""A fifth of every layer, and less of the network as a whole."""

TRAINED, PRUNED, ACTIVATIONS = "weights as trained", "pruned weights", "activations"
GAP_BITS = 4  # of the count of fillers, as in EIE
WHOLE = 1.0  # in the place of a density: nothing was pruned
HUFFMAN = get_codec("huffman")


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed: network, source and density, and one measure with its value.

    seed   of the trained networks and of their pruning
    smoke  the first network: as trained, its activations, and one density
    """
    for name in NETWORKS[:1] if smoke else NETWORKS:
        weights = weights_of(subject.network(name, seed=seed)).values()
        zeros = sum(np.count_nonzero(value == 0) for value in weights)
        share = zeros / sum(value.size for value in weights)
        start = {"seed": seed, "network": name, "data": checkpoints.DATA[name]}
        yield {**start, "source": TRAINED, "density": WHOLE, "measure": "zeros", "value": share}
        sources = [(ACTIVATIONS, WHOLE, d1.streams(name, d1.ACTIVATIONS, seed=seed))]
        for plan in PLANS[name][1:2] if smoke else PLANS[name]:
            result = pruned.pruned(name, plan, seed=seed)
            layers = [
                shared_codes(value.reshape(len(value), -1))
                for value in weights_of(result.network).values()
            ]
            sources.append((PRUNED, plan.density, layers))
        for source, density, layers in sources:
            for key, value in measures(layers).items():
                found = {"source": source, "density": density, "measure": key, "value": value}
                yield {**start, **found}


def measures(layers: list[Array]) -> dict[str, float]:
    """What run-length coding and its neighbors make of ``layers``, unsigned codes, 0 for nothing.

    zeros           share of all symbols
    ... bits        of all streams, by the symbol; "bound": of independent zeros at the density of each layer, and of
                    the order-0 entropy of the others, tables given for nothing
    entries         stored for each symbol that is not zero, gaps of 4 bits; "by chance": if zeros were
                    independent, 1 / (1 - (1 - d)**16)
    touched ...     share of a stream's codes (run length: entries) up to a symbol, mean over all symbols
    """
    total = sum(layer.size for layer in layers)
    kept = [np.count_nonzero(layer) for layer in layers]
    found = {"zeros": 1 - sum(kept) / total}
    sizes = [stored_bytes(layer) for layer in layers]
    found |= {f"{form} bits": 8 * sum(size[form] for size in sizes) / total for form in sizes[0]}
    found["bound bits"] = sum(map(bound_bits, layers)) / total
    entries = [split(layer, GAP_BITS)[0].size for layer in layers]
    chance = [
        count / (1 - (1 - count / layer.size) ** 2**GAP_BITS) if count else 0.0
        for count, layer in zip(kept, layers, strict=True)
    ]
    found["entries"] = sum(entries) / sum(kept)
    found["entries by chance"] = sum(chance) / sum(kept)
    found["touched by run length"] = (
        sum(touched_entries(layer) * layer.size for layer in layers) / total
    )
    found["touched by Huffman"] = sum(touched_bits(layer) * layer.size for layer in layers) / total
    found["entries a symbol"] = sum(entries) / total
    return found


def stored_bytes(layer: Array) -> dict[str, int]:
    """Bytes of ``layer`` in each form.

    "run length + Huffman": gaps and values of the width that makes both streams smallest together
    """
    flat = layer.ravel()
    nonzero = flat[flat > 0]
    value_bits = int(flat.max(initial=0)).bit_length()
    widths = range(1, 9) if nonzero.size else (best_gap_bits(flat, value_bits),)
    coded = [
        sum(len(HUFFMAN.encode(part.astype(np.uint8))) for part in split(flat, bits))
        for bits in widths
    ]
    bitmap = pack((flat > 0).astype(np.uint8), 1)
    return {
        "fixed": len(get_codec("fixed").encode(flat)),
        "Huffman": len(HUFFMAN.encode(flat)),
        "run length": len(get_codec("runlength").encode(flat)),
        "run length + Huffman": min(coded),
        "bitmap": len(bitmap) + len(get_codec("fixed").encode(nonzero)),
    }


def bound_bits(layer: Array) -> float:
    """Bits of independent zeros and values: ``n * (H(d) + d * H(values))``."""
    nonzero = layer[layer > 0]
    density = nonzero.size / layer.size
    return layer.size * (binary_entropy(density) + density * entropy(nonzero))


def touched_entries(layer: Array) -> float:
    """Share of the entries that are read to reach a symbol, mean over all symbols of ``layer``."""
    values, gaps = split(layer, GAP_BITS)
    if not values.size:
        return 0.0
    reached = np.cumsum(gaps.astype(np.int64) + 1)
    # A symbol is known once an entry reaches it; behind the last one, once all are read.
    read = np.minimum(np.searchsorted(reached, np.arange(1, layer.size + 1)) + 1, values.size)
    return float(read.mean() / values.size)


def touched_bits(layer: Array) -> float:
    """Share of the bits of a Huffman stream that are read to reach a symbol, mean over all symbols."""
    flat = layer.ravel()
    lengths = package_merge(np.bincount(flat, minlength=256), 12).astype(np.int64)
    ends = np.cumsum(lengths[flat])
    return float(ends.mean() / ends[-1])


EXPERIMENT = Experiment(
    claim="D4",
    title="Run lengths of zeros in weights and activations",
    networks=NETWORKS,
    data="weights of networks trained on MNIST and Fashion-MNIST, and what their layers read of test images",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "source", "density", "measure"),
    # Retraining on another processor moves a few weights.
    tolerances={"value": 0.005},
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
