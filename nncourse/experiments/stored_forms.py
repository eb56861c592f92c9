"""One matrix of codes in many stored forms, as real bytes: what claim D5 compares.

Codes are those of :mod:`nncourse.experiments.weight_codes`: one byte a weight, 0 where a weight is gone, and
kept values in as few bits as the widest needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from nncourse.bitstream import pack
from nncourse.codecs import CSC, CSR, Bitmask, BlockSparse, RelativeCSC
from nncourse.codecs.huffman import Huffman
from nncourse.codecs.matrix import Matrix
from nncourse.codecs.relative_index import split
from nncourse.codecs.runlength import RunLength
from nncourse.experiments.weight_codes import Codes

WIDE_GAP_BITS = 8  # Huffman codes make wide gaps cheap, and fillers dear
BLOCK = (4, 4)
GAP_BITS = 4
ELEMENTS = 4  # that the relative index is dealt to


def matrix(form: str, codes: Codes, value_bits: int) -> Matrix:
    """The codes as a matrix of whole numbers that computes as it is stored.

    form        a key of ``MATRICES``
    codes       shape (rows, columns)
    value_bits  of a stored code, up to 8; fewer take a codebook of 0, 1, 2, ...
    """
    levels = np.arange(1 << value_bits, dtype=np.uint8) if value_bits < 8 else None
    make, options = MATRICES[form]
    return make(codes, codebook=levels, **options)


MATRICES: Mapping[str, tuple[Callable[..., Matrix], Mapping[str, Any]]] = MappingProxyType(
    {
        "CSR": (CSR.from_dense, {}),
        "CSC": (CSC.from_dense, {}),
        "bitmask": (Bitmask.from_dense, {}),
        "relative CSC": (
            RelativeCSC.from_dense,
            {"elements": ELEMENTS, "index_bits": GAP_BITS},
        ),
        "blocks": (BlockSparse.from_dense, {"block": BLOCK}),
    }
)
"""Forms that compute as they are stored, and how they are made."""

TIMED: Mapping[str, Callable[[NDArray[np.float32]], Any]] = MappingProxyType(
    {
        "CSR, scipy": scipy.sparse.csr_array,
        "CSR": CSR.from_dense,
        "bitmask": Bitmask.from_dense,
        "relative CSC": lambda dense: RelativeCSC.from_dense(dense, elements=ELEMENTS),
    }
)
"""Forms of a float32 matrix whose product is timed."""


def form_bytes(form: str, codes: Codes, value_bits: int) -> int:
    """Bytes of the codes in one form, headers and codebooks included.

    form        a key of ``MATRICES`` or of ``STREAMS``
    codes       shape (rows, columns)
    value_bits  of a kept code, and of every code in the dense form
    """
    if form in MATRICES:
        return matrix(form, codes, value_bits).nbytes
    return STREAMS[form](codes, value_bits)


def dense_bytes(codes: Codes, value_bits: int) -> int:
    """Bytes of all codes packed, gone ones too."""
    return len(pack(codes, value_bits))


def rows_in_widths(values: NDArray[Any], *, index_bits: int, value_bits: int) -> bytes:
    """Compressed rows with indices and values of given widths, and pointers of 32 bits.

    values      unsigned integers, shape (rows, columns), 0 where nothing is stored
    index_bits  8, 16 or 32 of a column index; a matrix of more than ``2**index_bits`` columns is cut into
                stripes as wide, each with pointers of its own
    value_bits  1 .. 16, or 32
    """
    reach = 1 << index_bits
    stored = []
    for first in range(0, values.shape[1], reach):
        stripe = values[:, first : first + reach]
        rows, columns = np.nonzero(stripe)
        pointers = np.searchsorted(rows, np.arange(len(stripe) + 1))
        stored.append(pointers.astype("<u4").tobytes())
        stored.append(columns.astype(f"<u{index_bits // 8}").tobytes())
        stored.append(_packed(stripe[rows, columns], value_bits))
    return b"".join(stored)


def break_even(shape: tuple[int, int], *, index_bits: int, value_bits: int, seed: int) -> float:
    """The density at which compressed rows of a matrix take as many bytes as the dense form.

    shape  (rows, columns)
    seed   of the order in which weights are dropped

    Found by halving on the bytes that are written, to the last weight.
    """
    size = shape[0] * shape[1]
    order = np.random.default_rng(seed).permutation(size)
    dense = size * value_bits // 8
    low, high = 0, size  # kept weights: smaller than dense, and not smaller
    while high - low > 1:
        kept = (low + high) // 2
        values = np.zeros(size, dtype=np.uint32)
        values[order[:kept]] = 1
        stored = rows_in_widths(values.reshape(shape), index_bits=index_bits, value_bits=value_bits)
        low, high = (kept, high) if len(stored) < dense else (low, kept)
    return low / size


def run_length_bytes(codes: Codes, value_bits: int) -> int:
    """Bytes of gaps and values of fixed widths, the gap as wide as is best for this matrix."""
    return len(RunLength().encode(codes))


def coded_run_length_bytes(codes: Codes, value_bits: int) -> int:
    """Bytes of two Huffman streams, one of wide gaps and one of values."""
    values, gaps = split(codes.ravel(), WIDE_GAP_BITS)
    return len(Huffman().encode(gaps.astype(np.uint8))) + len(Huffman().encode(values))


def huffman_bytes(codes: Codes, value_bits: int) -> int:
    """Bytes of one Huffman stream of all codes, zeros among them."""
    return len(Huffman().encode(codes))


def _packed(values: NDArray[Any], bits: int) -> bytes:
    return pack(values, bits) if bits <= 16 else values.astype("<u4").tobytes()


STREAMS: Mapping[str, Callable[[Codes, int], int]] = MappingProxyType(
    {
        "dense": dense_bytes,
        "run length": run_length_bytes,
        "run length, Huffman": coded_run_length_bytes,
        "Huffman": huffman_bytes,
    }
)
"""Forms that are unpacked before anything is computed."""

FORMS = (*MATRICES, *STREAMS)
