"""Claim D5: compressed rows (CSR) against other stored forms, in bytes, in cycles of an engine and in time.

Matrices are the layers of four networks of five paired seeds, pruned and retrained, as codes of 4 or 8
bits (:mod:`nncourse.experiments.weight_codes`). Five parts:

- ``break-even``: the density at which CSR takes as many bytes as the dense form, by the widths of index
  and value (:func:`stored_forms.break_even`);
- ``bytes``: of all pruned layers of a network in one form, as they are written; and of a drawn matrix of
  the size of a large layer;
- ``product``: 1 where the product on the stored form equals the dense product, value for value, in all layers;
  matrices and vectors of whole numbers, so that no order of summing rounds;
- ``cycles``: of one inference on an array of as many multipliers: ``dense``, which computes with the zeros;
  ``engine``, which works on the stored entries column by column, with a queue at each element, as EIE
  does; ``rows``, lanes that work on compressed rows and wait for each other after each. No input is zero;
- ``time``: of the product with one vector on the processor at hand, over that of the dense product, in
  float32. It belongs to that processor, and no slice repeats it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.accelerator import Gemm, Lanes, gemms
from nncourse.accelerator.engine import Engine
from nncourse.experiments import pruned, stored_forms, subject
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.pruned import Plan
from nncourse.experiments.weight_codes import Codes, shared_codes
from nncourse.pruners.masked import weights_of
from nncourse.zoo import checkpoints, networks

FIFTH = Plan(density=0.2, shape="uniform")
HALF = Plan(density=0.5, shape="fine-grained")
PLANS: Mapping[str, tuple[Plan, ...]] = MappingProxyType(
    {
        "lenet-300-100": (FIFTH, Plan(density=0.08), Plan(density=0.02)),
        "lenet-5": (FIFTH, Plan(density=0.08), Plan(density=0.04)),
        "resnet-8": (HALF, FIFTH),
        "mobilenet-10": (HALF, FIFTH),
    }
)
"""Networks that the pruning experiments made."""

SHAPES = ((1024, 1024), (300, 784))
INDEX_BITS = (8, 16, 32)
VALUE_BITS = (4, 8, 16, 32)
CODE_BITS = (4, 8)
ELEMENTS = (4, 16, 64)
LARGE = (4096, 4096)
LARGE_DENSITIES = (0.2, 0.05, 0.01)
TIMED_DENSITIES = (0.5, 0.3, 0.2, 0.1, 0.05, 0.02)
TIMED_REPEATS = 9
NO_WIDTH = 0  # in the place of a width or a number of elements that a row does not have


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one seed: network, density, part, form and widths, and one value.

    seed   of the trained networks, and of the drawn matrices
    smoke  the break-even densities of the smaller matrix
    """
    for shape in SHAPES[-1:] if smoke else SHAPES:
        for index_bits in INDEX_BITS:
            for value_bits in VALUE_BITS:
                at = stored_forms.break_even(
                    shape, index_bits=index_bits, value_bits=value_bits, seed=seed
                )
                widths = {"index_bits": index_bits, "value_bits": value_bits}
                yield _row(seed, _drawn(shape), 0.0, "break-even", "CSR", at, **widths)
    if smoke:
        return
    for name, plans in PLANS.items():
        layers = gemms(subject.network(name, seed=seed), networks.example_input(name))
        for plan in plans:
            weights = _pruned_weights(name, plan, seed)
            yield from _on_network(seed, name, plan.density, layers, weights)
    yield from _drawn_bytes(seed)
    yield from _times(seed)


def _on_network(
    seed: int,
    name: str,
    density: float,
    layers: list[Gemm],
    weights: Mapping[str, NDArray[np.float32]],
) -> Iterator[Row]:
    for bits in CODE_BITS:
        codes = [shared_codes(weight, levels=2**bits - 1) for weight in weights.values()]
        for form in stored_forms.FORMS:
            size = sum(stored_forms.form_bytes(form, each, bits) for each in codes)
            yield _row(seed, name, density, "bytes", form, size, value_bits=bits)
        for form in stored_forms.MATRICES:
            same = all(_product_is_exact(form, each, bits, seed) for each in codes)
            yield _row(seed, name, density, "product", form, float(same), value_bits=bits)
    for elements in ELEMENTS:
        total = dict.fromkeys(("dense", "engine", "rows"), 0)
        for layer in layers:
            if layer.weights_name in weights:
                mask = weights[layer.weights_name] != 0
                for form, cycles in array_cycles(layer, mask, elements=elements).items():
                    total[form] += cycles
        for form, sum_of_cycles in total.items():
            yield _row(seed, name, density, "cycles", form, sum_of_cycles, elements=elements)


def array_cycles(layer: Gemm, mask: NDArray[np.bool_], *, elements: int) -> dict[str, int]:
    """Cycles of one layer on three arrays of as many multipliers: ``dense``, ``engine`` and ``rows``.

    layer     its places are done one after the other, its groups likewise
    mask      boolean, shape (outputs, inputs of a group), True = kept
    elements  multipliers, and outputs that are worked on side by side
    """
    lanes = Lanes(elements, group=layer.k)
    engine = Engine(elements=elements)
    parts = np.ascontiguousarray(mask).reshape(layer.groups, layer.n, layer.k)
    return {
        "dense": lanes.cycles(layer),
        "engine": layer.m * sum(engine.cycles(part) for part in parts),
        "rows": layer.m * sum(lanes.sparse_cycles(part) for part in parts),
    }


def _pruned_weights(name: str, plan: Plan, seed: int) -> dict[str, NDArray[np.float32]]:
    """Matrices (outputs, inputs) of the layers that lost weights, by layer name."""
    result = pruned.pruned(name, plan, seed=seed)
    weights = weights_of(result.network)
    return {
        layer: np.where(mask, weights[f"{layer}.weight"], 0).reshape(len(mask), -1)
        for layer, mask in pruned.layer_masks(result).items()
    }


def _product_is_exact(form: str, codes: Codes, bits: int, seed: int) -> bool:
    stored = stored_forms.matrix(form, codes, bits)
    vector = np.random.default_rng(seed).integers(-128, 128, codes.shape[1])
    return bool(np.array_equal(stored @ vector, codes.astype(np.int64) @ vector))


def _drawn_bytes(seed: int) -> Iterator[Row]:
    """Bytes of a large matrix of four bits, drawn from a Laplace distribution, its largest weights kept."""
    weight = np.random.default_rng(seed).laplace(size=LARGE).astype(np.float32)
    size = np.abs(weight)
    for density in LARGE_DENSITIES:
        least = np.quantile(size, 1 - density)
        codes = shared_codes(np.where(size > least, weight, np.float32(0)))
        for form in stored_forms.FORMS:
            written = stored_forms.form_bytes(form, codes, 4)
            yield _row(seed, _drawn(LARGE), density, "bytes", form, written, value_bits=4)


def _times(seed: int) -> Iterator[Row]:
    """Medians of paired times, each form and the dense product taken in turn."""
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal(LARGE[1]).astype(np.float32)
    whole = rng.standard_normal(LARGE).astype(np.float32)
    order = rng.random(LARGE, dtype=np.float32)
    for density in TIMED_DENSITIES:
        matrix = np.where(order < density, whole, np.float32(0))  # not -0.0, which is kept
        for form, make in stored_forms.TIMED.items():
            ratio = _time_ratio(make(matrix), matrix, vector)
            yield _row(seed, _drawn(LARGE), density, "time", form, ratio, value_bits=32)


def _time_ratio(stored: Any, dense: NDArray[Any], vector: NDArray[Any]) -> float:
    pairs = []
    for repeat in range(TIMED_REPEATS + 1):
        seconds = [_seconds(lambda: stored @ vector), _seconds(lambda: dense @ vector)]
        if repeat:  # the first product may compile a kernel
            pairs.append(seconds[0] / seconds[1])
    return float(np.median(pairs))


def _seconds(product: Callable[[], Any]) -> float:
    start = time.perf_counter()
    product()
    return time.perf_counter() - start


def _row(
    seed: int,
    network: str,
    density: float,
    part: str,
    form: str,
    value: float,
    *,
    elements: int = NO_WIDTH,
    index_bits: int = NO_WIDTH,
    value_bits: int = NO_WIDTH,
) -> Row:
    return {
        "seed": seed,
        "network": network,
        "data": checkpoints.DATA.get(network, "drawn"),
        "density": density,
        "part": part,
        "form": form,
        "elements": elements,
        "index_bits": index_bits,
        "value_bits": value_bits,
        "value": float(value),
    }


def _drawn(shape: tuple[int, int]) -> str:
    return f"drawn {shape[0]} x {shape[1]}"


EXPERIMENT = Experiment(
    claim="D5",
    title="Compressed rows: when they pay, what is smaller, and computing on them as they are",
    networks=tuple(PLANS),
    data="weights of networks trained on MNIST and Fashion-MNIST; no accuracy",
    seeds=5,
    measure=measure,
    keys=(
        *("seed", "network", "density", "part", "form"),
        *("elements", "index_bits", "value_bits"),
    ),
    inputs=tuple(f"zoo/stored/{name}.safetensors" for name in PLANS),
)
