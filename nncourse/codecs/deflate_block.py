"""A DEFLATE block around a code of our own: what any ``zlib`` in the world can read is no invention of ours.

A dynamic block says how long the codeword of each literal is, and in what follows the canonical codewords of these
lengths are in a row. So a code can be judged from outside: hand its lengths and its codewords to ``zlib`` and look
what comes back.

Source: P. Deutsch, RFC 1951, DEFLATE compressed data format specification 1.3, 1996, section 3.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncourse.codecs.prefix_code import canonical_codes, package_merge

LONGEST = 15  # bits of a codeword
END = 256  # the literal behind the last byte
LENGTHS_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)  # section 3.2.7


def literal_counts(symbols: ArrayLike) -> NDArray[np.int64]:
    """How often each of the 257 literals occurs: the bytes, and the end of the block.

    symbols  uint8, any shape
    """
    return np.append(np.bincount(np.asarray(symbols, np.uint8).ravel(), minlength=END), 1)


def dynamic_block(symbols: ArrayLike, lengths: ArrayLike) -> bytes:
    """One DEFLATE block that holds ``symbols``; ``zlib.decompress(block, -15)`` gives their bytes.

    symbols  uint8, any shape
    lengths  bits of the codeword of each of the 257 literals, 0 for one that never occurs, at most 15

    >>> import zlib
    >>> symbols = np.array([3, 1, 3, 3, 2], np.uint8)
    >>> block = dynamic_block(symbols, package_merge(literal_counts(symbols), 15))
    >>> zlib.decompress(block, -15)
    b'\\x03\\x01\\x03\\x03\\x02'
    """
    lengths = np.asarray(lengths)
    if lengths.shape != (END + 1,) or int(lengths.max()) > LONGEST:
        raise ValueError(
            f"lengths are those of 257 literals and at most {LONGEST} bits; got {lengths.shape}, "
            f"{lengths.max(initial=0)} bits. literal_counts counts the end of the block too."
        )
    flat = np.asarray(symbols, np.uint8).ravel()
    literals = np.append(flat.astype(np.int64), END)
    if not lengths[literals].all():
        raise ValueError("lengths has no codeword for a literal that occurs")
    return np.packbits(_head(lengths) + _words(literals, lengths), bitorder="little").tobytes()


def _head(lengths: NDArray[np.integer]) -> list[int]:
    """Last block, dynamic; 257 literals and one distance of no bits; their lengths, coded in turn."""
    written = np.append(lengths, 0)
    counts = np.bincount(written, minlength=len(LENGTHS_ORDER))
    counts[[0, 1]] += 1  # a code of a single word is refused
    of_lengths = package_merge(counts, 7)
    numbers = [(1, 1), (2, 2), (0, 5), (0, 5), (len(LENGTHS_ORDER) - 4, 4)]
    numbers += [(int(of_lengths[symbol]), 3) for symbol in LENGTHS_ORDER]
    bits = [value >> place & 1 for value, width in numbers for place in range(width)]
    return bits + _words(written, of_lengths)


def _words(symbols: NDArray[np.integer], lengths: NDArray[np.integer]) -> list[int]:
    """Canonical codewords in a row, the first bit of each first."""
    words = [
        [int(bit) for bit in f"{code:0{length}b}"] if length else []
        for code, length in zip(canonical_codes(lengths), lengths, strict=True)
    ]
    return [bit for symbol in symbols.tolist() for bit in words[symbol]]
