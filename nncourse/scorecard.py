"""The six numbers that compression promises to move, for one network on one accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nncourse.accelerator import Accelerator, Gemm, Report
from nncourse.accelerator.energy import DATAPATH_BITS
from nncourse.accelerator.widths import Operand, Width, operand

NO_WEIGHTS = Operand(stored_bits=0.0, operand_bits=1)
SIX = ("storage_bytes", "dram_bytes", "energy_pj", "operations", "inferences_per_s", "latency_s")
MORE_IS_BETTER = ("inferences_per_s",)


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """Six numbers, of one inference where nothing else is said.

    storage_bytes     of the stored network
    dram_bytes        moved over the channel
    energy_pj         arithmetic, on-chip memory and DRAM
    operations        multiply-accumulates that are left (those of dropped weights are not counted)
    inferences_per_s  throughput
    latency_s         from the first to the last layer, of the whole batch
    report            the machine's account, layer by layer, of the whole batch
    """

    storage_bytes: int
    dram_bytes: float
    energy_pj: float
    operations: int
    inferences_per_s: float
    latency_s: float
    report: Report

    def table(self) -> pd.DataFrame:
        """One row a layer, of the whole batch."""
        return self.report.table()

    def six(self) -> pd.Series:
        """The six numbers by name."""
        return pd.Series({name: float(getattr(self, name)) for name in SIX}, name="value")

    def compare(self, after: Scorecard) -> pd.DataFrame:
        """The six numbers before (self), after, and the gain, above 1 where ``after`` is better."""
        before_values, after_values = self.six(), after.six()
        gain = before_values / after_values
        for name in MORE_IS_BETTER:
            gain[name] = after_values[name] / before_values[name]
        return pd.DataFrame({"before": before_values, "after": after_values, "gain": gain.round(3)})


def scorecard(
    layers: Sequence[Gemm],
    accelerator: Accelerator,
    *,
    stored_bytes: int | Mapping[str, int],
    bits: Width | Mapping[str, Width],
    activation_bits: Width | Mapping[str, Width] | None = None,
    masks: Mapping[str, NDArray[np.bool_]] | None = None,
    batch: int = 1,
) -> Scorecard:
    """The six numbers of a network of ``layers`` on ``accelerator``.

    layers        for one inference, from ``gemms(model, example_input)``
    stored_bytes  length of the stored network, header and scales included; or of each layer by name,
                  where other names (a header) count as storage only. A total is shared out over the
                  layers in proportion to weights times width. Weights used twice are stored once
    bits          width of the stored weights: whole bits or a name of ``formats.FORMATS``,
                  one for all or by layer. The datapath must be at least as wide, and a datapath of
                  floats where the weights are; a narrower weight travels narrow and is widened on its
                  way into the chip, unless the machine's cells gain by it (``accelerator.cells``),
                  which then compute with the stored codes: those of a uniform grid, no codebook's
    activation_bits  width of what each layer reads, likewise, by the layer's own name; the width of
                  the datapath when None. Narrow ones travel narrow; the last outputs have the
                  datapath's width
    masks         True = kept, by layer. What they are worth is a matter of the machine's rung
                  (``accelerator.sparsity``): dense hardware computes with the zeros, and only the
                  operations fall
    batch         inferences at a time, which share each fetch of the weights

    >>> from nncourse.accelerator import EDGE
    >>> layers = [Gemm("fc", 1, 1000, 1000, input_words=1000)]
    >>> whole = scorecard(layers, EDGE, stored_bytes=1_000_000, bits=8)
    >>> half = scorecard(layers, EDGE, stored_bytes=500_000, bits=4)
    >>> whole.operations == half.operations, half.latency_s < whole.latency_s
    (True, True)
    """
    if not layers:
        raise ValueError("layers is empty; read them with gemms(model, example_input)")
    names = [layer.name for layer in layers]
    if len(set(names)) < len(names):
        raise ValueError("layers holds one name twice; give each product a name of its own")
    weights = [
        operand(bits, layer.weights_name, accelerator) if layer.has_weights else NO_WEIGHTS
        for layer in layers
    ]
    report = accelerator.run(
        [layer.batched(batch) for layer in layers],
        weight_bytes=_shared_out(layers, [one.stored_bits for one in weights], stored_bytes),
        weight_bits=[one.operand_bits for one in weights],
        activation_bits=_activation_bits(layers, accelerator, activation_bits),
        masks=masks,
    )
    latency_s = float(report.cycles.sum()) / accelerator.clock_hz
    total = sum(stored_bytes.values()) if isinstance(stored_bytes, Mapping) else stored_bytes
    return Scorecard(
        storage_bytes=int(total),
        dram_bytes=float(report.dram_bytes.sum()) / batch,
        energy_pj=float(report.energy_pj.sum()) / batch,
        operations=_operations(layers, masks or {}),
        inferences_per_s=batch / latency_s,
        latency_s=latency_s,
        report=report,
    )


def _activation_bits(
    layers: Sequence[Gemm],
    accelerator: Accelerator,
    bits: Width | Mapping[str, Width] | None,
) -> list[int]:
    """Bits of one value that each layer reads."""
    if bits is None:
        return [DATAPATH_BITS[accelerator.datapath]] * len(layers)
    return [
        operand(
            bits, layer.name, accelerator, argument="activation_bits", what="activations"
        ).operand_bits
        for layer in layers
    ]


def _shared_out(
    layers: Sequence[Gemm], widths: Sequence[float], stored_bytes: int | Mapping[str, int]
) -> NDArray[np.float64]:
    """Stored bytes of the weights of each layer, shape (layers,); of a repeat, those it repeats."""
    if isinstance(stored_bytes, Mapping):
        wanted = [layer.weights_name for layer in layers if layer.has_weights]
        missing = [name for name in wanted if name not in stored_bytes]
        if missing:
            raise ValueError(f"stored_bytes says nothing about the layer {missing[0]!r}")
        if any(not _is_size(size) for size in stored_bytes.values()):
            raise ValueError(
                "stored_bytes are lengths of stored bytes, whole numbers of at least 0"
            )
        return np.array([stored_bytes.get(layer.weights_name, 0) for layer in layers], np.float64)
    if not _is_size(stored_bytes) or stored_bytes == 0:
        raise ValueError(f"stored_bytes is the length of the stored network; got {stored_bytes!r}")
    parts = {
        layer.weights_name: layer.weight_words * width
        for layer, width in zip(layers, widths, strict=True)
        if layer.has_weights
    }
    if not parts:
        raise ValueError("layers holds no stored weights, yet stored_bytes is above 0")
    shares = np.array([parts.get(layer.weights_name, 0.0) for layer in layers])
    bytes_by_layer: NDArray[np.float64] = stored_bytes * shares / sum(parts.values())
    return bytes_by_layer


def _is_size(size: object) -> bool:
    return isinstance(size, int | np.integer) and not isinstance(size, bool) and bool(size >= 0)


def _operations(layers: Sequence[Gemm], masks: Mapping[str, NDArray[np.bool_]]) -> int:
    weights = {layer.weights_name: layer.weight_words for layer in layers if layer.has_weights}
    for name, mask in masks.items():
        if name not in weights:
            raise ValueError(
                f"masks names the layer {name!r}; those there are: {', '.join(weights)}"
            )
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.size != weights[name]:
            raise ValueError(
                f"the mask of {name!r} is boolean with {weights[name]} entries; "
                f"got {mask.dtype} with {mask.size}"
            )
    kept = {name: int(np.count_nonzero(mask)) for name, mask in masks.items()}
    return sum(
        layer.m * kept[layer.weights_name]
        if layer.has_weights and layer.weights_name in kept
        else layer.macs
        for layer in layers
    )
