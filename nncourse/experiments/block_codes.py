"""Matrices in blocks of the formats that language models are stored in: whole numbers, NF4, MXFP4, NVFP4, ternary."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nncourse.experiments.block_file import Blocks, levels, on_grid
from nncourse.formats import FORMATS, cast
from nncourse.quantizers.affine import choose_qparams, quantize
from nncourse.quantizers.codebook import Codebook

Array = npt.NDArray[Any]
BLOCK = 32  # weights of a row that share a scale, but for NVFP4, whose blocks are 16
FP4_MAX = 6.0


def rounded(matrix: Array, *, bits: int, block: int | None = BLOCK) -> Blocks:
    """``matrix`` rounded to nearest on symmetric grids, one a block of a row, or one a row for None."""
    grid = choose_qparams(matrix, bits=bits, axis=None if block else 0, group_size=block)
    return on_grid(quantize(matrix, grid), grid)


def nf4(matrix: Array) -> Blocks:
    """``matrix`` in NormalFloat-4: the largest magnitude of a block is its scale, kept as float16."""
    scale = _peaks(matrix, BLOCK).astype(np.float16).astype(np.float32)
    return _nearest(matrix, "nf4", scale, "fp16")


def mxfp4(matrix: Array) -> Blocks:
    """``matrix`` in MXFP4: blocks of 32 with a power of two, that of the largest magnitude over FP4's."""
    _, exponent = np.frexp(_peaks(matrix, FORMATS["mxfp4"].block))  # type: ignore[union-attr]
    _, top = np.frexp(FP4_MAX)
    scale = np.ldexp(np.float32(1), np.clip(exponent - int(top), -126, 127)).astype(np.float32)
    return _nearest(matrix, "fp4_e2m1", scale, "e8m0")


def nvfp4(matrix: Array) -> Blocks:
    """``matrix`` in NVFP4: blocks of 16 with a scale in E4M3, and one float32 for the whole."""
    peaks = _peaks(matrix, FORMATS["nvfp4"].block)  # type: ignore[union-attr]
    whole = float(np.float32(peaks.max() / (FP4_MAX * float(FORMATS["fp8_e4m3"].max))))
    if whole == 0:
        whole = 1.0
    scale = cast(peaks.astype(np.float64) / FP4_MAX / whole, "fp8_e4m3").astype(np.float32)
    return _nearest(matrix, "fp4_e2m1", scale, "e4m3", whole)


def ternary(matrix: Array) -> Blocks:
    """``matrix`` as -1, 0 and 1 times its mean magnitude: two bits a weight, one scale in all.

    Source: Ma et al., The era of 1-bit LLMs, arXiv:2402.17764, equations 1 to 3.
    """
    scale = np.full((1, 1), np.abs(matrix).mean() or 1.0, np.float32)
    scale = scale.astype(np.float16).astype(np.float32)
    return _nearest(matrix, "ternary", scale, "fp16")


def _peaks(matrix: Array, block: int) -> npt.NDArray[np.float32]:
    """Largest magnitude of each block of a row, shape (out, k / block)."""
    if matrix.ndim != 2 or matrix.shape[1] % block:
        raise ValueError(f"rows of a matrix are blocks of {block}; got {matrix.shape}")
    blocks = np.abs(matrix).reshape(len(matrix), -1, block)
    peaks: npt.NDArray[np.float32] = blocks.max(axis=2).astype(np.float32)
    return peaks


def _nearest(
    matrix: Array,
    element: str,
    scale: npt.NDArray[np.float32],
    scale_type: str,
    whole: float = 1.0,
) -> Blocks:
    """Codes of the levels nearest to the scaled values; of two as near, the even one of FP4."""
    width = matrix.shape[1] // scale.shape[1]
    full = scale.astype(np.float64) * whole
    spread = full if scale.shape == (1, 1) else np.repeat(full, width, axis=1)
    scaled: Array = matrix / np.where(spread == 0, 1.0, spread)
    if element == "fp4_e2m1":
        scaled = cast(scaled.astype(np.float64), element)
    book = Codebook(levels(element))
    return Blocks(
        element=element,
        codes=book.assign(scaled).astype(np.uint8),
        scale=scale,
        scale_type=scale_type,
        whole=whole,
    )
