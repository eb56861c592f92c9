"""Targets: every codec and every form of a matrix, and the report on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nncourse.codecs import CODECS, CSC, CSR, Bitmask, BlockSparse, RelativeCSC, get_codec
from nncourse.codecs.frame import open_frame
from nncourse.codecs.matrix import Matrix
from nncourse.fuzz.damage import repaired_frame
from nncourse.fuzz.target import NUM_STREAMS, FuzzFailure, Target, fuzz

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "huffman": [{}, {"max_len": 16, "streams": 1}, {"restart": 8}],
    "rans": [{"table_bits": 8}, {}],
    "runlength": [{}, {"gap_bits": 2}],
    "zstd": [{"level": 1}],
    "float": [{"inner": inner} for inner in ("huffman", "rans", "fixed")],
}


def targets() -> dict[str, Target]:
    """Every codec and every form of a matrix by its name, with small streams of all their kinds."""
    forms = (CSR, CSC, Bitmask, RelativeCSC, BlockSparse)
    codecs = {name: _codec_target(name) for name in CODECS}
    return codecs | {form.__name__: _matrix_target(form) for form in forms}


def main(*, streams: int = NUM_STREAMS, seed: int = 0) -> int:
    """Fuzz every target and print what became of the streams; exit status 1 after a failure.

    streams  for each target
    seed     of the damage
    """
    print(
        f"{'target':<12}{'streams':>10}{'refused':>10}{'decoded':>10}{'seconds':>9}{'longest':>11}"
    )
    for target in targets().values():
        try:
            tally = fuzz(target, streams=streams, seed=seed)
        except FuzzFailure as failure:
            print(failure)
            return 1
        print(
            f"{tally.name:<12}{tally.streams:>10}{tally.refused:>10}{tally.decoded:>10}"
            f"{tally.seconds:>9.1f}{1e3 * tally.longest_seconds:>8.1f} ms",
            flush=True,
        )
    return 0


def _codec_target(name: str) -> Target:
    codecs = [get_codec(name, **parameters) for parameters in PARAMETERS.get(name, [{}])]
    arrays = _float_arrays() if name == "float" else _integer_arrays()
    originals = {codec.encode(array): None for codec in codecs for array in arrays}
    reader = codecs[0]

    def read(data: bytes) -> None:
        decoded, form = reader.decode(data), open_frame(data).form
        if form.is_bytes:
            assert isinstance(decoded, bytes)
            assert len(decoded) == form.count
        else:
            assert (decoded.dtype, decoded.shape) == (form.dtype, form.shape)

    def sizes(data: bytes) -> None:
        parts: Mapping[str, int] = reader.sizes(data)
        assert min(parts.values()) >= 0
        assert sum(parts.values()) == 8 * len(data)

    def part(data: bytes) -> None:
        count = open_frame(data).form.count
        start, stop = count // 3, count - count // 4
        assert reader.read(data, start, stop).size == stop - start  # type: ignore[attr-defined]

    aside = (sizes, part) if hasattr(reader, "read") else (sizes,)
    return Target(
        name=name, originals=tuple(originals), read=read, aside=aside, repair=repaired_frame
    )


def _matrix_target(form: Any) -> Target:
    rng = np.random.default_rng(0)
    weight = np.where(rng.random((9, 14)) < 0.3, rng.normal(size=(9, 14)), 0).astype(np.float32)
    levels = np.array([0, -0.5, 0.25, 1], np.float32)
    indices = np.where(weight != 0, rng.integers(1, 4, weight.shape), 0)
    dense = [
        *(weight, weight[:0], weight[:, :0], np.zeros((3, 70), np.int8), weight.astype(np.float64)),
        *(np.rint(9 * weight).astype(np.int8), np.rint(9000 * weight).astype(">i2"), weight.T),
        *(weight.astype(np.float16), np.repeat(weight, 8, axis=1)),
    ]
    matrices: list[Matrix] = [form.from_dense(array) for array in dense]
    matrices.append(form.from_dense(levels[indices], codebook=levels))

    def read(data: bytes) -> None:
        matrix, declared = form.frombytes(data), open_frame(data).form
        restored = matrix.toarray()
        assert (restored.dtype, restored.shape) == (declared.dtype, declared.shape)

    def product(data: bytes) -> None:
        matrix = form.frombytes(data)
        with np.errstate(all="ignore"):  # damaged weights may be infinite
            assert (matrix @ np.ones(matrix.shape[1], np.float32)).shape == matrix.shape[:1]
        for row, column in zip(range(matrix.shape[0]), range(matrix.shape[1]), strict=False):
            assert matrix[row, column].dtype == matrix.dtype.newbyteorder("=")

    def sizes(data: bytes) -> None:
        assert sum(form.frombytes(data).sizes().values()) == 8 * len(data)

    return Target(
        name=form.__name__,
        originals=tuple({matrix.tobytes(): None for matrix in matrices}),
        read=read,
        aside=(product, sizes),
        repair=repaired_frame,
    )


def _integer_arrays() -> list[Any]:
    rng = np.random.default_rng(0)
    pruned = np.where(rng.random((6, 20)) < 0.2, rng.integers(1, 16, (6, 20)), 0)
    return [
        b"abracadabra",
        np.zeros(0, np.uint8),
        np.zeros((4, 40), np.uint8),
        np.full(30, -2, np.int16),
        np.array(7, np.int8),
        np.array([5, 9], np.uint8),
        np.arange(40, dtype=np.uint8),
        pruned.astype(np.uint8),
        (pruned * (-1) ** rng.integers(0, 2, pruned.shape)).astype(np.int8),
        np.rint(rng.normal(0, 30, 90)).astype(np.int8),
        np.minimum(rng.geometric(0.4, 150), 255).astype(np.uint8),
        rng.integers(-3000, 3000, 40).astype(">i2"),
        np.where(rng.random(60) < 0.1, 65535, 0).astype(np.uint16),
        np.repeat(np.arange(9), 2 ** np.arange(9)[::-1] // 2).astype(np.uint16),
    ]


def _float_arrays() -> list[Any]:
    rng = np.random.default_rng(0)
    drawn = rng.normal(0, 0.05, (5, 16))
    return [
        np.zeros(0, np.float32),
        np.array(-0.0, np.float64),
        np.zeros((3, 5), np.float16),
        drawn.astype(np.float32),
        drawn.astype(">f8"),
        drawn.astype(np.float16),
        (drawn.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16),
        np.array([np.nan, np.inf, -np.inf, 5e-324, 1.0]),
    ]
