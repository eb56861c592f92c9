"""One network, five files: the stages of Deep Compression, each with all that is needed to read it back.

======== ================================================= ==============================================
form     weights                                           where the kept ones are
======== ================================================= ==============================================
dense    float32
pruned   float32, kept ones and fillers                    gaps of a fixed width
shared   codes of a fixed width, levels float32            gaps of a fixed width
huffman  Huffman code of the codes, levels float32         Huffman code of the gaps
adaptive codes among zeros, coded adaptively; levels and   in the same stream
         biases float16
======== ================================================= ==============================================

Biases are float32 in all but the last. Gaps have the width that makes the tensor smallest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.bitstream import CodecError
from nncourse.codecs import Codec, get_codec
from nncourse.codecs.relative_index import joined, split
from nncourse.container import Container, Layout, Plain, Quantized, Stored, open_container, write
from nncourse.quantizers.codebook import Codebook
from nncourse.quantizers.shared_weights import SharedTensor

FORMS = ("dense", "pruned", "shared", "huffman", "adaptive")
PARTS = ("values", "positions", "levels", "biases", "header")
GAP_BITS = range(1, 9)
KEPT, GAPS = ".kept", ".gaps"  # a pruned tensor NAME is two arrays of the file

Array = NDArray[Any]


def store(
    form: str,
    tensors: Mapping[str, Array],
    shared: Mapping[str, SharedTensor] | None = None,
) -> bytes:
    """The bytes of a file of ``tensors``.

    form     one of ``FORMS``
    tensors  float32, by name; of "pruned", its dropped weights zeros. Tensors of one axis are biases
    shared   the tensors of two axes and more as codes and levels, for the last three forms
    """
    if form not in FORMS:
        raise ValueError(f"form is one of {', '.join(FORMS)}; got {form!r}")
    if form in ("shared", "huffman", "adaptive") and shared is None:
        raise ValueError(f"form {form!r} stores codes: give shared, from shared_tensors(network)")
    fixed = get_codec("fixed")
    stored: dict[str, Stored] = {}
    for name, value in tensors.items():
        if form != "dense" and value.ndim > 1 and (shared is None or name in shared):
            if form == "pruned":
                stored |= _pruned(name, value)
            else:
                assert shared is not None
                stored[name] = _coded(shared[name], form)
        elif form == "adaptive":
            stored[name] = _smallest(
                Plain(values=value.astype(np.float16), codec=codec) for codec in (fixed, None)
            )
        else:
            stored[name] = Plain(values=value, codec=fixed)
    return write(stored)


def restore(data: bytes, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """The tensors in ``data``, float32, by name.

    data    from :func:`store`, of any form
    shapes  of the tensors, which the form "pruned" does not say
    """
    file = open_container(data)
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, shape in shapes.items():
        if name in file:
            value = file.tensor(name)
        else:
            values, gaps = file.tensor(name + KEPT), file.tensor(name + GAPS)
            if values.shape != gaps.shape:
                raise CodecError(f"{name}: {values.size} values and {gaps.size} gaps")
            value = joined(values, gaps.astype(np.uint16), int(np.prod(shape)))
        tensors[name] = value.astype(np.float32).reshape(shape)
    return tensors


def parts(data: bytes) -> dict[str, int]:
    """Bytes of a file by what they are for: ``PARTS``, adding up to ``len(data)``.

    The values of the form "adaptive" hold the positions, too. Each stream counts with its own header and
    tables.
    """
    file = open_container(data)
    found = dict.fromkeys(PARTS, 0)
    for name in file:
        record = file.record(name)
        for role, length in record.lengths.items():
            found[_part(name, role, record.shape)] += length
        found["levels"] += record.levels.nbytes
    found["header"] = len(data) - sum(found.values())
    return found


def bytes_by_layer(data: bytes) -> dict[str, int]:
    """Bytes of a file by layer, levels and biases included; the directory under the name ""."""
    file = open_container(data)
    found: dict[str, int] = {}
    for name in file:
        record = file.record(name)
        layer = name.removesuffix(KEPT).removesuffix(GAPS).rpartition(".")[0]
        size = sum(record.lengths.values()) + record.levels.nbytes
        found[layer] = found.get(layer, 0) + size
    return found | {"": len(data) - sum(found.values())}


def shared_of(data: bytes) -> dict[str, SharedTensor]:
    """Masks, codes and levels that a file of one of the last three forms holds, by name."""
    file: Container = open_container(data)
    found = {}
    for name in file:
        tensor = file.stored(name)
        if isinstance(tensor, Quantized) and isinstance(tensor.grid, Codebook):
            mask = tensor.mask
            assert mask is not None
            found[name] = SharedTensor(
                mask=mask,
                codes=tensor.codes[mask],
                levels=tensor.grid.levels.astype(np.float32),
            )
    return found


def _pruned(name: str, value: Array) -> dict[str, Stored]:
    fixed = get_codec("fixed")
    candidates: list[dict[str, Stored]] = []
    for bits in GAP_BITS:
        values, gaps = split(value.ravel(), bits)
        candidates.append(
            {
                name + KEPT: Plain(values=values, codec=fixed),
                name + GAPS: Plain(values=gaps.astype(np.uint8), codec=fixed),
            }
        )
    return min(candidates, key=lambda one: len(write(one)))


def _coded(tensor: SharedTensor, form: str) -> Stored:
    codes = np.zeros(tensor.mask.shape, dtype=tensor.codes.dtype)
    codes[tensor.mask] = tensor.codes
    if form == "adaptive":
        halves = tensor.levels.astype(np.float16).astype(np.float32)
        levels, places = np.unique(halves, return_inverse=True)
        codes[tensor.mask] = places.reshape(-1)[tensor.codes]
        return Quantized(
            codes=codes,
            grid=Codebook(levels),
            mask=tensor.mask,
            layout=Layout(codec=get_codec("adaptive")),
        )
    codec: Codec = get_codec("fixed" if form == "shared" else form)
    return _smallest(
        Quantized(
            codes=codes,
            grid=Codebook(tensor.levels),
            mask=tensor.mask,
            layout=Layout(codec=codec, positions="relative", gap_bits=bits),
        )
        for bits in GAP_BITS
    )


def _smallest(candidates: Iterable[Stored]) -> Stored:
    return min(candidates, key=lambda one: len(write({"one": one})))


def _part(name: str, role: str, shape: tuple[int, ...]) -> str:
    if name.endswith(GAPS) or role == "positions":
        return "positions"
    return "values" if name.endswith(KEPT) or role == "codes" or len(shape) > 1 else "biases"
