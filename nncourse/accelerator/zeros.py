"""Zeros: which weights of each layer are kept, as a mask or as a share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.accelerator.gemm import Gemm

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class PrunedGemm:
    """One layer as ``groups`` products of an (m, k) by a (k, n) matrix, and which weights are kept.

    zeros  a mask of shape (groups, n, k), True = kept; or the share kept, each weight by chance
    """

    name: str
    m: int
    n: int
    k: int
    groups: int
    zeros: Mask | float

    @cached_property
    def num_kept(self) -> float:
        """Weights that are kept, in all groups; a fraction where only a share is known."""
        if isinstance(self.zeros, float):
            return self.zeros * self.n * self.k * self.groups
        return float(np.count_nonzero(self.zeros))

    @property
    def masks(self) -> list[Mask]:
        """The mask of each group, shape (n, k); ValueError when only a share is known."""
        if isinstance(self.zeros, float):
            raise ValueError(f"layer {self.name!r} has a density and no mask")
        return list(self.zeros)


def given_zeros(
    layers: Sequence[Gemm], masks: Mapping[str, Mask] | None, densities: ArrayLike | None
) -> list[Mask | float | None]:
    """The zeros of each layer as ``PrunedGemm`` takes them; None for a layer that is whole.

    layers, masks, densities  as for :meth:`Accelerator.run`; giving both raises ValueError
    """
    if masks is not None and densities is not None:
        raise ValueError("masks and densities are two ways to say the same; give one of them")
    if densities is not None:
        shares = np.asarray(densities, dtype=np.float64)
        if shares.shape not in ((), (len(layers),)) or not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(
                f"densities is a share kept from 0 to 1, or one for each of {len(layers)} layers; "
                f"got {densities!r}"
            )
        each = np.broadcast_to(shares, (len(layers),))
        return [
            float(share) if layer.has_weights else None
            for layer, share in zip(layers, each, strict=True)
        ]
    masks = masks or {}
    sizes = {layer.weights_name: layer.weight_words for layer in layers if layer.has_weights}
    for name, mask in masks.items():
        if name not in sizes:
            raise ValueError(f"masks names the layer {name!r}; those there are: {', '.join(sizes)}")
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.size != sizes[name]:
            raise ValueError(
                f"the mask of {name!r} is boolean with {sizes[name]} entries; "
                f"got {mask.dtype} with {mask.size}"
            )
    return [
        np.asarray(masks[layer.weights_name]).reshape(layer.groups, layer.n, layer.k)
        if layer.has_weights and layer.weights_name in masks
        else None
        for layer in layers
    ]
