"""A convolution or a linear layer that reads 8-bit codes, adds in 32 bits and writes 8-bit codes.

The layer holds the integers a device would hold. Its sums are taken by a floating-point matrix product,
which is fast and here exact: all products and partial sums are whole numbers, of magnitude at most 2**24
where float32 is used and far below 2**53 where float64 is, and floats hold whole numbers of that size exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.quantizers.affine import Codes, Floats, QParams, choose_qparams, quantize
from nncourse.quantizers.code_operations import requantized, windows_of

LARGEST_SUM = 2**31 - 1
EXACT_IN_FLOAT32 = 2**24
COLUMN_VALUES = 2**23  # of unfolded images held at once


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerLayer:
    """A convolution or a linear layer on codes, with the requantization and the ReLU folded in.

    name, reads   its own name, and the name of what it reads, as a tuple of one
    weight        int8, symmetric: (outputs, inputs) of a linear layer, else (outputs, inputs of a group,
                  height, width)
    bias          int32, (outputs,), in steps of ``input scale * weight scale``
    weight_scale  float32, (outputs,)
    input_grid    what the codes read mean: one scale and zero point, 8 bits
    output_grid   what the codes written mean
    stride        of a convolution, (down, right)
    padding       of a convolution, (rows above and below, columns left and right), filled with the
                  zero point, which means 0
    groups        of a convolution; as many as there are input channels makes it depthwise
    relu          whether codes below the zero point are raised to it

    Raises where some input could carry the 32-bit sum out of its range.

    >>> eighths = QParams(scale=0.125, zero_point=0, qmin=0, qmax=255)
    >>> layer = IntegerLayer(name="fc", reads=("input",), weight=np.array([[2, -1]], dtype=np.int8),
    ...     bias=np.array([4], dtype=np.int32), weight_scale=np.array([0.5], dtype=np.float32),
    ...     input_grid=eighths, output_grid=eighths)
    >>> layer.run(np.array([[9, 3]], dtype=np.uint8))  # 2 * 9 - 3 + 4 = 19 steps of 0.0625
    array([[10]], dtype=uint8)

    Source: Jacob et al., CVPR 2018, arXiv:1712.05877, sections 2.2 to 2.4.
    """

    name: str
    reads: tuple[str, ...]
    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    weight_scale: NDArray[np.float32]
    input_grid: QParams
    output_grid: QParams
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    groups: int = 1
    relu: bool = False

    def __post_init__(self) -> None:
        for argument, dtype in (("weight", np.int8), ("bias", np.int32)):
            found = getattr(self, argument).dtype
            if found != dtype:
                raise ValueError(f"{argument} of {self.name} is {np.dtype(dtype)}; got {found}")
        if self.weight.ndim not in (2, 4) or not self.weight.size:
            raise ValueError(
                f"weight of {self.name} has 2 or 4 axes, none empty; got {self.weight.shape}"
            )
        outputs = (self.num_outputs,)
        if self.bias.shape != outputs or self.weight_scale.shape != outputs:
            raise ValueError(
                f"bias and weight_scale of {self.name} hold one value an output, {outputs}; got "
                f"{self.bias.shape}, {self.weight_scale.shape}"
            )
        if min(*self.stride, 1 + min(self.padding)) < 1:
            raise ValueError(
                f"stride of {self.name} is at least 1 and padding at least 0; got {self.stride}, "
                f"{self.padding}"
            )
        if self.groups < 1 or self.num_outputs % self.groups:
            raise ValueError(
                f"groups of {self.name} divides its {self.num_outputs} outputs; got {self.groups}"
            )
        for grid in (self.input_grid, self.output_grid):
            _check_grid(self.name, grid)
        if self.largest_sum > LARGEST_SUM:
            raise ValueError(
                f"{self.name} adds {self.weight[0].size} products to at most {self.largest_sum}, which "
                f"leaves 32 bits ({LARGEST_SUM}): use weights of fewer bits or a shorter sum"
            )

    @property
    def num_outputs(self) -> int:
        """Output channels, or output values of a linear layer."""
        return int(self.weight.shape[0])

    @property
    def multiplier(self) -> NDArray[np.float32]:
        """``input scale * weight scale / output scale``, each step rounded to float32; (outputs,)."""
        scales = self.input_grid.scale * self.weight_scale
        return np.asarray(scales / self.output_grid.scale, dtype=np.float32)

    @property
    def largest_sum(self) -> int:
        """The largest magnitude that the sum, bias included, can reach on any input."""
        low, high = _reach(self.input_grid)
        weight = self.weight.reshape(self.num_outputs, -1).astype(np.int64)
        above, below = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
        bias = self.bias.astype(np.int64)
        top, bottom = high * above + low * below, low * above + high * below
        reached = np.maximum(np.abs(top + bias), np.abs(bottom + bias))
        return int(reached.max())

    def accumulate(self, codes: Codes) -> NDArray[np.int32]:
        """The sums of the layer, bias included, before they are requantized.

        codes    of the input grid, (n, inputs) or (n, channels, height, width)
        returns  int32, (n, outputs) or (n, outputs, height, width)
        """
        centered = codes.astype(np.int16) - np.int16(self.input_grid.zero_point)
        exact = self._exact_float()
        if self.weight.ndim == 2:
            if codes.ndim != 2 or codes.shape[1] != self.weight.shape[1]:
                raise ValueError(
                    f"{self.name} reads (n, {self.weight.shape[1]}) codes; got {codes.shape}"
                )
            sums = centered.astype(exact) @ self.weight.T.astype(exact)
            return sums.astype(np.int32) + self.bias
        channels = self.weight.shape[1] * self.groups
        if codes.ndim != 4 or codes.shape[1] != channels:
            raise ValueError(
                f"{self.name} reads (n, {channels}, height, width) codes; got {codes.shape}"
            )
        windows = windows_of(centered, self.weight.shape[2:], self.stride, self.padding, fill=0)
        height, width = windows.shape[2:4]
        at_once = max(1, COLUMN_VALUES // (windows[0].size or 1))
        weight = self.weight.reshape(self.groups, self.num_outputs // self.groups, -1).astype(exact)
        result = np.empty((len(codes), self.num_outputs, height, width), dtype=np.int32)
        for start in range(0, len(codes), at_once):
            some = windows[start : start + at_once].transpose(0, 1, 4, 5, 2, 3)
            columns = some.astype(exact, order="C").reshape(
                len(some), self.groups, weight.shape[2], height * width
            )
            sums = (weight @ columns).reshape(len(some), self.num_outputs, height, width)
            result[start : start + at_once] = sums
        return result + self.bias[:, None, None]

    def run(self, *codes: Codes, arithmetic: str = "float") -> Codes:
        """The codes of the layer's output, of :attr:`output_grid`.

        codes       as for :meth:`accumulate`
        arithmetic  "float" or "fixed": see :func:`nncourse.quantizers.requantization.requantize`
        """
        (read,) = codes
        sums = self.accumulate(read)
        multiplier = self.multiplier.reshape(-1, *[1] * (sums.ndim - 2))
        return requantized(sums, multiplier, self.output_grid, self.relu, arithmetic)

    def _exact_float(self) -> type[np.floating[Any]]:
        """float32 where no partial sum, in any order, can leave the whole numbers it holds."""
        low, high = _reach(self.input_grid)
        weight = np.abs(self.weight.reshape(self.num_outputs, -1).astype(np.int64))
        reached = int(weight.sum(axis=1).max()) * max(-low, high)
        return np.float32 if reached <= EXACT_IN_FLOAT32 else np.float64


def integer_layer(
    weight: Floats,
    bias: Floats | None = None,
    *,
    bits: int = 8,
    per_channel: bool = True,
    method: str = "minmax",
    input_grid: QParams,
    **rest: Any,
) -> IntegerLayer:
    """The integer layer of float ``weight`` and ``bias``.

    weight       floating, (outputs, ...)
    bias         floating, (outputs,); None for zeros
    bits         width of a weight, 2 .. 8, kept in int8
    per_channel  whether each output has its own weight scale
    method       how the range of the weights is chosen: see ``affine.choose_qparams``
    input_grid   what the codes read mean
    rest         the other fields of :class:`IntegerLayer`

    The bias is rounded to steps of the sum, ``input scale * weight scale``. Where an output's weights are
    so small beside its bias that the bias would leave 31 bits, the output takes a larger weight scale;
    where they are all zero, the scale that gives the bias 24 bits.
    """
    weight = np.asarray(weight)
    outputs = len(weight)
    real_bias = np.zeros(outputs) if bias is None else np.asarray(bias).astype(np.float64)
    grid = choose_qparams(weight, bits=bits, axis=0 if per_channel else None, method=method)
    bias_in_input_steps = real_bias / float(input_grid.scale)
    per_output = QParams(
        scale=_scale_that_holds(grid.scale, weight, np.abs(bias_in_input_steps)),
        zero_point=np.zeros(outputs, dtype=np.int32),
        qmin=grid.qmin,
        qmax=grid.qmax,
        axis=0,
    )
    return IntegerLayer(
        weight=quantize(weight, per_output).astype(np.int8),
        bias=np.rint(bias_in_input_steps / per_output.scale).astype(np.int32),
        weight_scale=per_output.scale,
        input_grid=input_grid,
        **rest,
    )


def _scale_that_holds(
    scale: NDArray[np.float32], weight: Floats, bias: NDArray[np.float64]
) -> NDArray[np.float32]:
    """One weight scale an output, under which the magnitude of its bias, in input steps, fits the sum."""
    empty = ~weight.reshape(len(weight), -1).any(axis=1)
    held = np.where(empty, bias / 2.0**23, np.broadcast_to(scale, len(weight)))
    held = np.maximum(held, bias / 2.0**30)
    faintest = held.max() / 2.0**30  # outputs that much fainter than another are as good as zero
    return np.where(held > 0, np.maximum(held, faintest), 1).astype(np.float32)


def _reach(grid: QParams) -> tuple[int, int]:
    """Lowest and highest code of ``grid``, counted from its zero point."""
    zero_point = int(grid.zero_point)
    return grid.qmin - zero_point, grid.qmax - zero_point


def _check_grid(name: str, grid: QParams) -> None:
    if grid.scale.shape != () or grid.qmin < -128 or grid.qmax > 255 or grid.bits > 8:
        raise ValueError(
            f"the grids of {name} have one scale and codes of 8 bits; got {grid.scale.size} scales and "
            f"codes {grid.qmin} .. {grid.qmax}"
        )
