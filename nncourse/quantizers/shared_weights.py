"""Weights that share their values: a short code for each kept weight, a few levels that learn.

Every kept weight of a tensor points to one of its levels, for good; training moves the levels. What a
level feels is the sum of what its weights feel, since a step of the level moves all of them. Dropped
weights point to no level: their zero belongs to the mask and costs no code.

Unlike the rest of this room, these are torch modules.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import parametrize

from nncourse.quantizers.codebook import Codebook, fit_codebook

STARTS = ("linear", "least error")
MAX_ROUNDS = 300  # of Lloyd's iteration; it stops by itself once no weight changes its level


class SharedWeights(nn.Module):
    """The parametrization of one tensor: levels that learn in, weights out.

    codes  whole numbers, shape of the tensor: 0 for a dropped weight, 1 + the index of its level for
           any other; every level has at least one weight

    >>> shared = SharedWeights(torch.tensor([[1, 0], [2, 1]]))
    >>> levels = torch.tensor([0.5, -1.0], requires_grad=True)
    >>> shared(levels).tolist()
    [[0.5, 0.0], [-1.0, 0.5]]
    >>> (shared(levels) * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    >>> levels.grad.tolist()  # 1 + 4, the two weights on the first level, and 3
    [5.0, 3.0]

    Source: Han et al., Deep compression, ICLR 2016, section 3.3, equation 3.
    """

    codes: torch.Tensor
    positions: torch.Tensor

    def __init__(self, codes: torch.Tensor) -> None:
        super().__init__()
        flat = codes.reshape(-1).to(torch.int64)
        self.shape = tuple(codes.shape)
        self.register_buffer("positions", torch.nonzero(flat).reshape(-1))
        self.register_buffer("codes", flat[self.positions] - 1)
        self.num_levels = int(self.codes.max()) + 1 if self.codes.numel() else 0
        if self.codes.numel() == 0 or int(self.codes.min()) < 0:
            raise ValueError("codes are 0 or more, and at least one is above 0: the kept weights")
        if torch.unique(self.codes).numel() != self.num_levels:
            raise ValueError(
                f"codes leave some of the levels 1 .. {self.num_levels} without weights"
            )

    def forward(self, levels: torch.Tensor) -> torch.Tensor:
        """The tensor of weights: each kept one is its level, each dropped one 0."""
        size = int(np.prod(self.shape))
        weights = torch.zeros(size, dtype=levels.dtype, device=levels.device)
        return weights.index_put((self.positions,), levels[self.codes]).reshape(self.shape)

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        """The levels to begin with: the mean of the weights on each."""
        kept = weight.reshape(-1)[self.positions].double()
        sums = torch.zeros(self.num_levels, dtype=torch.float64).index_add(0, self.codes, kept)
        return (sums / torch.bincount(self.codes)).to(weight.dtype)


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedTensor:
    """What a file has to hold of a tensor with shared weights.

    mask    boolean, shape of the tensor, True = kept
    codes   uint8 or uint16, index of the level of each kept weight, in C order
    levels  float32, ascending
    """

    mask: NDArray[np.bool_]
    codes: NDArray[Any]
    levels: NDArray[np.float32]

    @property
    def weights(self) -> NDArray[np.float32]:
        """The tensor: levels where the mask is True, zeros elsewhere."""
        values = np.zeros(self.mask.shape, dtype=np.float32)
        values[self.mask] = self.levels[self.codes]
        return values


def share(
    model: nn.Module,
    masks: Mapping[str, NDArray[np.bool_]],
    *,
    bits: int | Mapping[str, int],
    start: str = "linear",
) -> nn.Module:
    """A copy of ``model`` whose named weights share levels: codes fixed, levels ready to learn.

    model  plain network, its dropped weights zeros; never modified
    masks  boolean, True = kept, by parameter name such as "conv1.weight": the tensors that share. A
           tensor that keeps nothing stays as it is
    bits   width of a code, 1..16, one for all or by parameter name: at most ``2**bits - 1`` levels, since
           one code is the zero that a file may need for its dropped weights or its fillers
    start  of :func:`first_levels`

    Train the copy as any other network, then take it apart with :func:`shared_tensors`.

    >>> network = nn.Sequential(nn.Linear(4, 1, bias=False))
    >>> _ = network[0].weight.data.copy_(torch.tensor([[0.9, 0.0, 1.1, -1.0]]))
    >>> shared = share(network, {"0.weight": np.array([[True, False, True, True]])}, bits=2)
    >>> shared[0].weight.detach().numpy().round(3)
    array([[ 1.,  0.,  1., -1.]], dtype=float32)
    """
    copied = copy.deepcopy(model)
    parameters = dict(copied.named_parameters())
    for name in (*masks, *(bits if isinstance(bits, Mapping) else ())):
        if name not in parameters or name not in masks:
            raise ValueError(
                f"masks or bits names the parameter {name!r}; masks are of: {', '.join(masks)}, "
                f"parameters there are: {', '.join(parameters)}"
            )
    for name, mask in masks.items():
        value = parameters[name].detach().numpy()
        if np.asarray(mask).dtype != bool or np.shape(mask) != value.shape:
            raise ValueError(
                f"the mask of {name!r} is boolean of shape {value.shape}; "
                f"got {np.asarray(mask).dtype} of shape {np.shape(mask)}"
            )
        width = bits if isinstance(bits, int) else bits.get(name)
        if width is None:
            raise ValueError(f"bits lacks the parameter {name!r}, which has a mask")
        if not mask.any():
            continue
        kept = value[mask]
        book = first_levels(kept, 2 ** _checked(name, width) - 1, start=start)
        codes = np.zeros(value.shape, dtype=np.int64)
        codes[mask] = np.unique(book.assign(kept), return_inverse=True)[1].reshape(-1) + 1
        path, _, last = name.rpartition(".")
        shared = SharedWeights(torch.from_numpy(codes))
        parametrize.register_parametrization(copied.get_submodule(path), last, shared)
    return copied


def first_levels(
    values: NDArray[np.floating[Any]], num_levels: int, *, start: str = "linear"
) -> Codebook:
    """At most ``num_levels`` levels for ``values``.

    values      floating, any shape, finite, not empty
    num_levels  1..65536
    start   "linear": Lloyd's k-means from levels that are evenly spaced from the smallest value to the
            largest. It ends at a local optimum that keeps levels for the few large weights
            "least error": the k-means optimum, :func:`nncourse.quantizers.kmeans.kmeans_levels`

    >>> first_levels(np.array([0.0, 0.1, 0.2, 4.0]), 2).levels
    array([0.1, 4. ])

    Source: Han et al., Deep compression, ICLR 2016, sections 3.1 and 3.2.
    """
    if start not in STARTS:
        raise ValueError(f"start is one of {', '.join(STARTS)}; got {start!r}")
    if start == "least error":
        return fit_codebook(values, num_levels)
    if not 1 <= num_levels <= 65536 or np.size(values) == 0:
        raise ValueError(
            f"first_levels takes 1 to 65536 levels and at least one value; got {num_levels} levels "
            f"for {np.size(values)} values"
        )
    flat = np.asarray(values).reshape(-1)
    book = Codebook(np.unique(np.linspace(flat.min(), flat.max(), num_levels, dtype=flat.dtype)))
    codes = book.assign(flat)
    for _ in range(MAX_ROUNDS):
        # A level that no value is nearest to is given up.
        counts = np.bincount(codes)
        sums = np.bincount(codes, weights=flat)
        means = sums[counts > 0] / counts[counts > 0]
        book = Codebook(np.unique(means.astype(flat.dtype)))
        previous, codes = codes, book.assign(flat)
        if np.array_equal(previous, codes):
            break
    return book


def shared_tensors(model: nn.Module) -> dict[str, SharedTensor]:
    """Mask, codes and levels of each tensor of a :func:`share`-d network, by parameter name.

    model  usually trained since; never modified

    Training may move one level past another: they come out in ascending order, levels that met as one.
    """
    found: dict[str, SharedTensor] = {}
    for path, module in model.named_modules():
        if not parametrize.is_parametrized(module):
            continue
        parametrizations: Any = module.parametrizations
        for last, parts in parametrizations.items():
            if len(parts) == 1 and isinstance(parts[0], SharedWeights):
                learned = parts.original.detach().numpy().astype(np.float32)
                levels, order = np.unique(learned, return_inverse=True)
                small = np.uint8 if levels.size <= 256 else np.uint16
                mask = np.zeros(parts[0].shape, dtype=bool)
                mask.reshape(-1)[parts[0].positions.numpy()] = True
                codes = order.reshape(-1)[parts[0].codes.numpy()].astype(small)
                found[f"{path}.{last}" if path else last] = SharedTensor(
                    mask=mask, codes=codes, levels=levels
                )
    return found


def _checked(name: str, bits: int) -> int:
    whole = isinstance(bits, int | np.integer) and not isinstance(bits, bool)
    if not whole or not 1 <= bits <= 16:
        raise ValueError(f"bits of {name!r} is a whole number from 1 to 16; got {bits!r}")
    return int(bits)
