"""Prefix codes: how long each codeword is, and which bits it has.

No codeword begins another one, so a row of them needs no marks in between. Such a code exists exactly
when the sum of ``2**-length`` is at most 1 (Kraft, 1949); what matters for the size are the lengths
alone, and canonical codewords follow from them.
"""

from __future__ import annotations

import heapq

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

Lengths = NDArray[np.uint8]
Codes = NDArray[np.uint32]
MAX_LENGTH = 32  # bits of a canonical codeword


def huffman_lengths(counts: ArrayLike) -> NDArray[np.int64]:
    """Lengths of a best prefix code without a limit: join the two rarest until one is left.

    counts   at least 0, shape (symbols,)
    returns  bits of each codeword; 0 for a symbol that never occurs, 1 for one that is alone

    >>> huffman_lengths([5, 1, 1, 2])
    array([1, 3, 3, 2])

    Source: D. A. Huffman, A method for the construction of minimum-redundancy codes, 1952.
    """
    counts = _checked(counts)
    lengths = np.zeros(counts.size, dtype=np.int64)
    waiting = [
        (int(counts[symbol]), int(symbol), [int(symbol)]) for symbol in np.flatnonzero(counts)
    ]
    if len(waiting) == 1:
        lengths[waiting[0][2]] = 1
    heapq.heapify(waiting)
    number = counts.size
    while len(waiting) > 1:
        rarest, second = heapq.heappop(waiting), heapq.heappop(waiting)
        joined = rarest[2] + second[2]
        lengths[joined] += 1
        heapq.heappush(waiting, (rarest[0] + second[0], number, joined))
        number += 1
    return lengths


def package_merge(counts: ArrayLike, max_len: int) -> Lengths:
    """Lengths of a best prefix code whose codewords have at most ``max_len`` bits.

    counts   at least 0, shape (symbols,)
    max_len  1..32, and large enough for a codeword for each symbol that occurs
    returns  uint8; 0 for a symbol that never occurs, 1 for one that is alone

    Of equal counts the earlier symbol has the shorter codeword.

    >>> package_merge([8, 4, 2, 1, 1], 3)
    array([1, 3, 3, 3, 3], dtype=uint8)

    Source: L. L. Larmore and D. S. Hirschberg, A fast algorithm for optimal length-limited Huffman codes,
    Journal of the ACM 37 (1990). Only the number of single symbols among the cheapest packages of each
    round is kept, since these are always the rarest symbols.
    """
    counts = _checked(counts)
    if isinstance(max_len, bool) or not 1 <= max_len <= MAX_LENGTH:
        raise ValueError(f"max_len is from 1 to {MAX_LENGTH}; got {max_len!r}")
    used = np.flatnonzero(counts)
    if used.size > 2**max_len:
        raise ValueError(
            f"max_len {max_len} leaves room for {2**max_len} codewords, and {used.size} symbols occur; "
            f"{int(used.size - 1).bit_length()} is enough"
        )
    lengths = np.zeros(counts.size, dtype=np.uint8)
    if used.size == 1:
        lengths[used] = 1
    if used.size < 2:
        return lengths
    # The rarest first; of equal ones the later first, so that it gets the longer codeword.
    rarest_first = used[::-1][np.argsort(counts[used[::-1]], kind="stable")]
    single = counts[rarest_first]
    singles_before = []  # for each round: how many single symbols are among the first k of its row
    row = single
    for _ in range(max_len - 1):
        pairs = row[: row.size // 2 * 2].reshape(-1, 2).sum(axis=1)
        merged = np.concatenate([single, pairs])
        order = np.argsort(merged, kind="stable")
        singles_before.append(np.concatenate([[0], np.cumsum(order < single.size)]))
        row = merged[order]
    num_taken = 2 * used.size - 2
    for singles in reversed(singles_before):
        num_single = int(singles[num_taken])
        lengths[rarest_first[:num_single]] += 1
        num_taken = 2 * (num_taken - num_single)
    lengths[rarest_first[:num_taken]] += 1
    return lengths


def canonical_codes(lengths: ArrayLike) -> Codes:
    """The codeword of each symbol as a number, most significant bit first.

    lengths  bits of each codeword, 0..32; 0 for a symbol without one
    returns  uint32, same shape; 0 for a symbol without a codeword

    Codewords of a length are neighbors, in the order of the symbols, and begin where the shorter ones
    end. ValueError when there are more than a prefix code has room for.

    >>> [f"{code:b}" for code in canonical_codes([3, 3, 3, 3, 3, 2, 4, 4])]
    ['10', '11', '100', '101', '110', '0', '1110', '1111']

    Source: P. Deutsch, RFC 1951, section 3.2.2, which has this example.
    """
    lengths = np.asarray(lengths)
    if lengths.ndim != 1 or not np.issubdtype(lengths.dtype, np.integer):
        raise ValueError(f"lengths are whole numbers in a row; got {lengths.dtype} {lengths.shape}")
    if lengths.size and not 0 <= int(lengths.min()) <= int(lengths.max()) <= MAX_LENGTH:
        raise ValueError(
            f"lengths are from 0 to {MAX_LENGTH}; got {lengths.min()}..{lengths.max()}"
        )
    room = kraft_sum(lengths)
    if room > 1:
        raise ValueError(f"lengths need {room:g} times the room that a prefix code has")
    codes = np.zeros(lengths.size, dtype=np.uint32)
    code = 0
    for length in range(1, int(lengths.max(initial=0)) + 1):
        symbols = np.flatnonzero(lengths == length)
        code <<= 1
        codes[symbols] = code + np.arange(symbols.size)
        code += symbols.size
    return codes


def kraft_sum(lengths: ArrayLike) -> float:
    """Sum of ``2**-length`` over all codewords: at most 1 for a prefix code, 1 for one with none to spare.

    Exact for lengths of up to 32 bits and 2**20 symbols.

    >>> kraft_sum([1, 2, 2, 0])
    1.0
    """
    used = np.asarray(lengths)[np.asarray(lengths) > 0]
    return float(np.ldexp(1.0, -used.astype(np.int64)).sum())


def mean_length(lengths: ArrayLike, counts: ArrayLike) -> float:
    """Bits of a codeword on average, when symbol i occurs ``counts[i]`` times.

    >>> mean_length([1, 2, 2], [2, 1, 1])
    1.5
    """
    counts = np.asarray(counts)
    return float(np.asarray(lengths) @ counts / counts.sum())


@numba.njit(cache=True)
def reversed_codes(codes: Codes, lengths: Lengths) -> Codes:
    """Each codeword with its first bit lowest, as a stream that begins with the lowest bit wants it."""
    result = np.zeros_like(codes)
    for symbol in range(codes.size):
        code, turned = codes[symbol], np.uint32(0)
        for _ in range(lengths[symbol]):
            turned = (turned << np.uint32(1)) | (code & np.uint32(1))
            code >>= np.uint32(1)
        result[symbol] = turned
    return result


def _checked(counts: ArrayLike) -> NDArray[np.int64]:
    counts = np.asarray(counts)
    if counts.ndim != 1 or not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(f"counts are whole numbers in a row; got {counts.dtype} {counts.shape}")
    if counts.size and int(counts.min()) < 0:
        raise ValueError(f"counts are at least 0; got {counts.min()}")
    return counts.astype(np.int64)
