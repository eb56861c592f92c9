"""Claim D6: where compressed weights are decoded, and what each place gains and asks for.

Four networks of the course, five paired seeds, and the shapes of ResNet-50 with weights drawn by chance.
Two recipes make the weights compressible (:mod:`nncourse.experiments.weight_codes`); each layer is coded
by Huffman, as one stream of real bytes, or left as it is where that is no larger. Four places of the
decoder (:mod:`nncourse.experiments.placements`) on machines that differ in their array and their size.

Rows of a ``tile`` above 0 tell what a compiler has to know of addresses: the same codes cut into tiles of
so many weights, each of which is fetched for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator import EDGE, SERVER, Accelerator, Gemm, Lanes, gemms
from nncourse.accelerator.workloads import resnet50
from nncourse.codecs.huffman import Huffman
from nncourse.codecs.prefix_code import package_merge
from nncourse.experiments import placements, pruned, subject, weight_codes
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.weight_codes import Codes
from nncourse.zoo import checkpoints, networks

NETWORKS = tuple(pruned.RECIPES)
DRAWN = "resnet-50 shapes"
MAX_LEN = 12
TILES = (256, 1024, 4096, 16384)
WHOLE = 0  # in the place of a tile: the row is of the whole network
NOWHERE = "none"  # in the place of a machine or a decoder: the row is of the stored codes

MACHINES: Mapping[str, Accelerator] = MappingProxyType(
    {
        "edge": EDGE,
        "edge, lanes": EDGE.with_array(Lanes(16, group=32)),
        "server": SERVER,
    }
)


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed: network, recipe, machine, place and tile, and one measure with its value.

    seed   of the trained networks, and of the drawn weights
    smoke  the first network in eight bits, on the first machine
    """
    for name in NETWORKS[:1] if smoke else (*NETWORKS, DRAWN):
        layers = _layers(name, seed)
        for recipe in weight_codes.RECIPES[:1] if smoke else weight_codes.RECIPES:
            codes = _codes(name, layers, recipe, seed)
            start = {"seed": seed, "network": name, "data": _data(name), "recipe": recipe}
            stored = {key: stored_bytes(each) for key, each in codes.items()}
            for machine in tuple(MACHINES)[:1] if smoke else MACHINES:
                if machine == "server" and name != DRAWN:
                    continue
                for place in placements.PLACES:
                    found = placements.placed(
                        layers, MACHINES[machine], stored_bytes=stored, place=place
                    )
                    where = {"machine": machine, "place": place, "tile": WHOLE}
                    yield from _rows(start | where, asdict(found))
            bits = {key: coded_bits(each) for key, each in codes.items()}
            for tile in TILES:
                where = {"machine": NOWHERE, "place": NOWHERE, "tile": tile}
                yield from _rows(start | where, asdict(placements.tiled(bits, weights=tile)))


def stored_bytes(codes: Codes) -> int:
    """Bytes of a layer's stream, or of its codes where the stream is no smaller.

    codes  one byte a weight
    """
    return min(len(Huffman(max_len=MAX_LEN).encode(codes)), codes.size)


def coded_bits(codes: Codes) -> NDArray[np.int64]:
    """Bits of each code in that stream; 8 where the codes are left as they are.

    codes    one byte a weight
    returns  shape of ``codes``
    """
    lengths = package_merge(np.bincount(codes.ravel(), minlength=256), MAX_LEN)
    bits = np.asarray(lengths, dtype=np.int64)[codes]
    return np.full_like(bits, 8) if stored_bytes(codes) == codes.size else bits


def _rows(start: Mapping[str, object], measures: Mapping[str, float]) -> Iterator[Row]:
    for name, value in measures.items():
        yield {**start, "measure": name, "value": float(value)}


def _layers(name: str, seed: int) -> list[Gemm]:
    if name == DRAWN:
        return resnet50()
    return gemms(subject.network(name, seed=seed), networks.example_input(name))


def _codes(name: str, layers: list[Gemm], recipe: str, seed: int) -> dict[str, Codes]:
    if name == DRAWN:
        return weight_codes.drawn_codes(layers, recipe, seed=seed)
    return weight_codes.network_codes(name, recipe, seed=seed)


def _data(name: str) -> str:
    return "no data" if name == DRAWN else checkpoints.DATA[name]


EXPERIMENT = Experiment(
    claim="D6",
    title="Where to decompress: storage, bandwidth, energy, and how fast a decoder has to be",
    networks=(*NETWORKS, DRAWN),
    data="weights of networks trained on MNIST and Fashion-MNIST; no accuracy",
    seeds=5,
    measure=measure,
    keys=("seed", "network", "recipe", "machine", "place", "tile", "measure"),
    tolerances={"value": 1e-6},
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in NETWORKS),
)
