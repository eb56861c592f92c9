"""MiniLM-L6 under the same formats: how far the vectors of sentences turn when its matrices are stored in few bits.

Sentences are lines of two plays. No labels are needed: what is measured is agreement with the float32
model, the mean cosine between the two vectors of a sentence, and the rank correlation of the similarities of
all pairs. The tables of words and places stay float16, as the language model's do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from nncourse.experiments import block_codes, block_file
from nncourse.experiments.block_file import Stored
from nncourse.quantizers.affine import QParams, choose_qparams, fake_quantize
from nncourse.zoo import characters, sentence_encoder
from nncourse.zoo.sentence_encoder import Read, embed

SENTENCES = 160
CALIBRATION_SENTENCES = 64
LEAST_WORDS = 6

Array = npt.NDArray[np.float32]


def measured(seed: int) -> Iterator[tuple[str, int, str, dict[str, float]]]:
    """Method, bits, granularity and values of every arm; of seeds above 0 those that are calibrated.

    seed  of the calibration sentences, lines of the plays for training
    """
    tensors = sentence_encoder.encoder_tensors()
    sentences = lines("test")
    chosen = sentences[:: max(1, len(sentences) // SENTENCES)][:SENTENCES]
    before = embed(tensors, chosen)
    peaks, means = _peaks_and_means(tensors, seed)
    ratio = max(peaks[name] / means[name] for name in peaks)
    yield "inputs", 32, "none", {"peak_ratio": ratio}
    for method, bits, granularity, data in files(tensors) if seed == 0 else ():
        after = embed(block_file.restore(data), chosen)
        yield (
            method,
            bits,
            granularity,
            agreement(before, after) | {"stored_bytes": float(len(data))},
        )
    eight = block_file.store(compressed(tensors, "nearest", 8, None))
    decoded = block_file.restore(eight)
    roundings: dict[str, Read] = {"tensor": _fixed(peaks)}
    if seed == 0:
        roundings["token"] = _by_token
    for granularity, read in roundings.items():
        after = embed(decoded, chosen, read=read)
        values = agreement(before, after) | {"stored_bytes": float(len(eight))}
        yield "8-bit inputs", 8, granularity, values


def lines(split: str) -> list[str]:
    """Lines of the plays of a split with at least six words."""
    text = characters.decode(characters.load(split))
    return [line for line in text.splitlines() if len(line.split()) >= LEAST_WORDS]


def files(tensors: Mapping[str, Array]) -> Iterator[tuple[str, int, str, bytes]]:
    """Method, bits, granularity and the file of every way that needs no calibration."""
    for bits in (8, 4, 3, 2):
        for block in (None, block_codes.BLOCK):
            if bits < 8 or block is None:
                name = f"block of {block}" if block else "row"
                stored = compressed(tensors, "nearest", bits, block)
                yield "nearest", bits, name, block_file.store(stored)
    for method in ("nf4", "mxfp4", "nvfp4", "ternary"):
        name = {"nvfp4": "block of 16", "ternary": "tensor"}.get(method, "block of 32")
        data = block_file.store(compressed(tensors, method, 4, None))
        yield method, 2 if method == "ternary" else 4, name, data


def compressed(
    tensors: Mapping[str, Array], method: str, bits: int, block: int | None
) -> dict[str, Stored]:
    """What a file holds: the matrices of the layers in a format, everything else as it is."""
    stored: dict[str, Stored] = dict(tensors)
    for name, value in tensors.items():
        if name.startswith("encoder.") and value.ndim == 2:
            if method == "nearest":
                stored[name] = block_codes.rounded(value, bits=bits, block=block)
            else:
                stored[name] = getattr(block_codes, method)(value)
    return stored


def agreement(before: Array, after: Array) -> dict[str, float]:
    """Mean cosine of the vectors, and rank correlation of the similarities of all pairs.

    before, after  vectors of length 1, shape (sentences, width)

    >>> vectors = np.eye(4, dtype=np.float32)[:, :3] + np.float32(0.1)
    >>> vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    >>> agreement(vectors, vectors)["cosine"].__round__(4)
    1.0
    """
    pairs = np.triu_indices(len(before), k=1)
    ranks = spearmanr((before @ before.T)[pairs], (after @ after.T)[pairs]).statistic
    return {
        "cosine": float(np.mean(np.sum(before.astype(np.float64) * after, axis=1))),
        "rank_correlation": float(ranks),
    }


def _peaks_and_means(
    tensors: Mapping[str, Array], seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Largest and mean magnitude that each layer reads over the calibration sentences."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(np.array(lines("train")), size=CALIBRATION_SENTENCES, replace=False)
    peaks: dict[str, float] = {}
    sums: dict[str, list[float]] = {}

    def keep(name: str, x: Array) -> Array:
        peaks[name] = max(peaks.get(name, 0.0), float(np.abs(x).max()))
        sums.setdefault(name, []).append(float(np.abs(x).mean()))
        return x

    embed(tensors, [str(line) for line in chosen], read=keep)
    return peaks, {name: float(np.mean(parts)) for name, parts in sums.items()}


def _fixed(peaks: Mapping[str, float]) -> Read:
    def read(name: str, x: Array) -> Array:
        step, zero = np.array(peaks[name] / 127, np.float32), np.array(0, np.int32)
        return fake_quantize(x, QParams(scale=step, zero_point=zero, qmin=-127, qmax=127))

    return read


def _by_token(name: str, x: Array) -> Array:
    return fake_quantize(x, choose_qparams(x, bits=8, group_size=x.shape[-1]))
