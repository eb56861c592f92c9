"""Claim D2: what it takes to read one weight of a Huffman stream, and what an index of restart points costs.

Four networks of the course, five paired seeds, weights in eight bits and pruned weights in four bits (a
fifth of them left). Every layer is a stream of its own. Forms of a layer:

- ``fixed``: every code in as many bits as the widest needs; a place is a multiplication;
- ``Huffman``: one stream from its first codeword to its last;
- ``Huffman, 4 streams``: four segments, whose three offsets are the codec's own;
- ``restart N``: an index says where every N-th codeword begins;
- ``bitmap and rank``: of pruned weights, a bit for each, a count before every 512th, kept codes of a fixed width.

Bytes are those of real streams and matrices, index, tables and headers included. A read is that of one weight,
every weight of the network being as likely as any other. It *touches* the bits from where decoding has to
begin up to the end of the weight that is wanted; what it looks up in the index is counted in no form. Some
weights of each layer are read out of each stream by the codec itself and compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.codecs.bitmask import RANK_EVERY, Bitmask
from nncourse.codecs.fixed import Fixed
from nncourse.codecs.huffman import Huffman
from nncourse.codecs.prefix_code import package_merge
from nncourse.experiments import pruned, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.pruned import Plan
from nncourse.experiments.stored_forms import matrix
from nncourse.experiments.weight_codes import codes_of
from nncourse.pruners.masked import weights_of
from nncourse.zoo import checkpoints

Codes = NDArray[Any]

NETWORKS = tuple(pruned.RECIPES)
INT8, PRUNED = "8-bit weights", "pruned 4-bit weights"
KINDS = (INT8, PRUNED)
PLAN = Plan(density=0.2)
FIXED, BARE, FOUR, BITMAP = "fixed", "Huffman", "Huffman, 4 streams", "bitmap and rank"
SPACINGS = (16, 32, 64, 128, 256, 1024, 4096)
CODERS: Mapping[str, Huffman] = MappingProxyType(
    {BARE: Huffman(streams=1), FOUR: Huffman()}
    | {f"restart {spacing}": Huffman(restart=spacing) for spacing in SPACINGS}
)
NUM_READS = 8  # of each layer and form, compared with what was written


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed: network, kind and form with its bytes and what a read takes.

    seed   of the trained networks and of their pruning
    smoke  the first network

    ``codewords`` that a read decodes one after another and ``bits`` that it touches are means over all weights
    of the network, ``most_bits`` is the dearest read, ``share`` the mean part of its layer's codewords, by bits,
    that is decoded (of a fixed length: of one code), ``intact`` 1 if all that was read was right.
    """
    for name in NETWORKS[:1] if smoke else NETWORKS:
        start = {"seed": seed, "network": name, "data": checkpoints.DATA[name]}
        for kind in KINDS:
            layers = network_layers(name, kind, seed=seed)
            for form in (FIXED, *CODERS, *([BITMAP] if kind == PRUNED else [])):
                parts = [read_cost(form, layer, seed=seed) for layer in layers]
                sizes = [layer.size for layer in layers]
                yield {**start, "kind": kind, "form": form, **_total(parts, sizes)}


def network_layers(name: str, kind: str, *, seed: int) -> list[Codes]:
    """The codes of each layer of network ``name``, matrices (outputs, inputs).

    kind  one of ``KINDS``
    """
    is_pruned = kind == PRUNED
    model = (
        pruned.pruned(name, PLAN, seed=seed).network
        if is_pruned
        else subject.network(name, seed=seed)
    )
    recipe = "pruned" if is_pruned else "int8"
    return [codes_of(value.reshape(len(value), -1), recipe) for value in weights_of(model).values()]


def read_cost(form: str, layer: Codes, *, seed: int) -> dict[str, float]:
    """Bytes of ``layer`` in one form, and what a read of one weight takes; see :func:`measure`.

    form  ``FIXED``, a key of ``CODERS``, or ``BITMAP``
    seed  of the places that are read and compared
    """
    places = np.random.default_rng(seed).integers(0, layer.size, NUM_READS)
    if form == BITMAP:
        return _of_bitmap(layer, places)
    if form == FIXED:
        fixed = Fixed()
        data = fixed.encode(layer)
        bits = fixed.sizes(data)["payload"] / layer.size
        found = [fixed.read(data, int(place), int(place) + 1)[0] for place in places]
        cost = {"codewords": 1.0, "bits": bits, "most_bits": bits, "share": 1 / layer.size}
    else:
        codec = CODERS[form]
        data = codec.encode(layer)
        reader = codec.reader(data)
        found = [reader[int(place)] for place in places]
        segment_size = codec.restart or -(-layer.size // codec.streams)
        cost = walk(layer, min(segment_size, layer.size))
    index_bits = CODERS[form].sizes(data)["index"] if form in CODERS else 0
    is_intact = int(np.array_equal(found, layer.ravel()[places]))
    return {"bytes": len(data), "index_bits": index_bits, **cost, "intact": is_intact}


def walk(layer: Codes, segment_size: int) -> dict[str, float]:
    """Codewords and bits from the begin of its segment to the end of a weight, over all weights of ``layer``.

    segment_size  codewords between two restart points
    """
    ends = codeword_ends(layer)
    first = np.arange(layer.size) // segment_size * segment_size
    touched = ends - np.append(0, ends)[first]
    return {
        "codewords": float((np.arange(layer.size) - first + 1).mean()),
        "bits": float(touched.mean()),
        "most_bits": float(touched.max()),
        "share": float(touched.mean() / max(int(ends[-1]), 1)),
    }


def codeword_ends(layer: Codes) -> NDArray[np.int64]:
    """The bit behind each codeword of a stream of ``layer``, counted from its first codeword.

    A layer whose weights are all equal has no codewords: zeros.
    """
    symbols = layer.ravel().view(np.uint8)
    counts = np.bincount(symbols, minlength=256)
    num_used = int(np.count_nonzero(counts))
    longest = max(Huffman().max_len, (num_used - 1).bit_length())
    lengths = package_merge(counts, longest).astype(np.int64) * (num_used > 1)
    return np.cumsum(lengths[symbols])


def _of_bitmap(layer: Codes, places: NDArray[np.int64]) -> dict[str, float]:
    stored = matrix("bitmask", layer, 4)
    assert isinstance(stored, Bitmask)
    found = [stored[divmod(int(place), layer.shape[1])] for place in places]
    counted = np.arange(layer.size) % RANK_EVERY + 1  # bits of the bitmap up to the weight
    touched = counted + 4 * (layer.ravel() > 0)
    return {
        "bytes": stored.nbytes,
        "index_bits": stored.sizes()["index"],
        "codewords": 1.0,
        "bits": float(touched.mean()),
        "most_bits": float(touched.max()),
        "share": float(touched.mean() / (layer.size + 4 * np.count_nonzero(layer))),
        "intact": int(np.array_equal(found, layer.ravel()[places])),
    }


def _total(parts: Sequence[Mapping[str, float]], sizes: Sequence[int]) -> dict[str, float]:
    """One network: bytes add up, reads are weighted by the weights of each layer."""

    def mean(name: str) -> float:
        return float(np.average([part[name] for part in parts], weights=sizes))

    return {
        "bytes": sum(int(part["bytes"]) for part in parts),
        "index_bits": sum(int(part["index_bits"]) for part in parts),
        **{name: mean(name) for name in ("codewords", "bits", "share")},
        "most_bits": max(part["most_bits"] for part in parts),
        "intact": min(int(part["intact"]) for part in parts),
    }


EXPERIMENT = Experiment(
    claim="D2",
    title="Reading one weight of a Huffman stream, and the price of an index",
    networks=NETWORKS,
    data="weights of networks trained on MNIST and Fashion-MNIST",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "kind", "form"),
    tolerances={
        "bytes": 64,
        "index_bits": 512,
        "codewords": 1e-6,
        "bits": 64,
        "most_bits": 64,
        "share": 1e-3,
    },
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
