"""A decoder: a small language model of the usual kind, of any width, with a cache of keys and values.

Each block adds to a stream of ``width`` numbers for every token: first what attention fetches from earlier
tokens, then what a two-layer perceptron makes of it. Both read the stream through a layer normalization.
Linear layers have no biases, so that all they hold is matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from nncourse.accelerator.gemm import Gemm

EXPANSION = 4  # the perceptron is so many times wider than the stream
ROTATION_BASE = 1000.0


@dataclass(frozen=True, kw_only=True)
class Form:
    """The sizes of a decoder.

    vocabulary  number of different tokens
    width       numbers in the stream; a multiple of 32 keeps blocks of 16 and 32 weights whole
    depth       number of blocks
    heads       of attention; they share the width
    context     tokens that it can look back at, the present one included

    >>> Form(vocabulary=80, width=128, depth=4, heads=4).num_parameters
    809216
    """

    vocabulary: int
    width: int = 128
    depth: int = 4
    heads: int = 4
    context: int = 128

    def __post_init__(self) -> None:
        for name in ("vocabulary", "width", "depth", "heads", "context"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, got {getattr(self, name)}. Try 1.")
        if self.width % (2 * self.heads):
            raise ValueError(
                f"heads share the width {self.width} evenly, an even part each; got {self.heads}"
            )

    @property
    def num_parameters(self) -> int:
        """Values of the trained network."""
        block = (4 + 2 * EXPANSION) * self.width**2 + 4 * self.width
        return self.depth * block + 2 * self.vocabulary * self.width + 2 * self.width


@dataclass
class Cache:
    """Keys and values of the tokens read so far: of each block, shape (batch, heads, tokens, head width).

    It grows with every call of :meth:`Decoder.forward` that it is given to.
    """

    keys: list[torch.Tensor] = field(default_factory=list)
    values: list[torch.Tensor] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens read so far."""
        return self.seen(0)

    def seen(self, block: int) -> int:
        """Tokens whose keys and values a block has added."""
        return self.keys[block].shape[2] if block < len(self.keys) else 0

    def extended(
        self, block: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values of a block, after ``keys`` and ``values`` of new tokens were added."""
        if block == len(self.keys):
            self.keys.append(keys)
            self.values.append(values)
        else:
            self.keys[block] = torch.cat([self.keys[block], keys], dim=2)
            self.values[block] = torch.cat([self.values[block], values], dim=2)
        return self.keys[block], self.values[block]


def rotated(x: torch.Tensor, start: int) -> torch.Tensor:
    """``x`` turned by angles that grow with the place of each token, so that products tell distances.

    x      queries or keys, shape (batch, heads, tokens, head width)
    start  place of the first of the tokens

    Number i of the first half and number i of the second make a pair, which turns by the place times
    1000^(-i / half).

    >>> rotated(torch.tensor([[[[1.0, 0.0]]]]), start=1)
    tensor([[[[0.5403, 0.8415]]]])

    Source: Su et al., RoFormer, arXiv:2104.09864, section 3.2, with a base of 1000 for short texts.
    """
    tokens, half = x.shape[2], x.shape[3] // 2
    speeds = ROTATION_BASE ** (-torch.arange(half) / half)
    angles = torch.outer(torch.arange(start, start + tokens), speeds)
    first, second = x.chunk(2, dim=-1)
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


class Attention(nn.Module):
    """Every token looks at itself and at those before it.

    ``keys`` and ``values`` do nothing: they are the places where a hook sees what goes into the cache,
    shape (batch, heads, tokens, head width), and may replace it.
    """

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.heads = form.heads
        self.qkv = nn.Linear(form.width, 3 * form.width, bias=False)
        self.keys = nn.Identity()
        self.values = nn.Identity()
        self.out = nn.Linear(form.width, form.width, bias=False)

    def forward(self, x: torch.Tensor, block: int = 0, cache: Cache | None = None) -> torch.Tensor:
        batch, length, width = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        start = 0 if cache is None else cache.seen(block)
        queries = rotated(queries, start)
        keys, values = self.keys(rotated(keys, start)), self.values(values)
        if cache is not None:
            keys, values = cache.extended(block, keys, values)
        if start:  # a token may look at all of the past, and at the new ones up to itself
            seen = torch.ones(length, start + length, dtype=torch.bool).tril(start)
            mixed = nn.functional.scaled_dot_product_attention(
                queries, keys, values, attn_mask=seen
            )
        else:
            mixed = nn.functional.scaled_dot_product_attention(
                queries, keys, values, is_causal=True
            )
        joined: torch.Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return joined


class Perceptron(nn.Module):
    """Each token by itself: wider, a curve, and back."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.up = nn.Linear(form.width, EXPANSION * form.width, bias=False)
        self.curve = nn.GELU()
        self.down = nn.Linear(EXPANSION * form.width, form.width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.down(self.curve(self.up(x)))
        return y


class Block(nn.Module):
    """Attention, then the perceptron, each added to the stream that it reads."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(form.width)
        self.attention = Attention(form)
        self.norm2 = nn.LayerNorm(form.width)
        self.perceptron = Perceptron(form)

    def forward(self, x: torch.Tensor, block: int = 0, cache: Cache | None = None) -> torch.Tensor:
        x = x + self.attention(self.norm1(x), block, cache)
        y: torch.Tensor = x + self.perceptron(self.norm2(x))
        return y


class Decoder(nn.Module):
    """A model that says, at every token, how likely each token is to come next.

    >>> model = Decoder(Form(vocabulary=80, width=32, depth=2, heads=2))
    >>> tuple(model(torch.zeros(1, 5, dtype=torch.long)).shape)
    (1, 5, 80)

    Source: Radford et al., Language models are unsupervised multitask learners, 2019, section 2.3, with
    rotated keys and queries in the place of a table of positions.
    """

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.form = form
        self.token = nn.Embedding(form.vocabulary, form.width)
        self.blocks = nn.ModuleList(Block(form) for _ in range(form.depth))
        self.norm = nn.LayerNorm(form.width)
        self.head = nn.Linear(form.width, form.vocabulary, bias=False)
        nn.init.normal_(self.token.weight, std=0.5)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                # What is added to the stream is kept small, the more so the more often it is added.
                additions = 2 * form.depth if name.endswith(("out", "down")) else 1
                nn.init.normal_(module.weight, std=(module.in_features * additions) ** -0.5)

    def forward(self, tokens: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """Logits of the next token, shape (batch, length, vocabulary).

        tokens  int64, shape (batch, length); with a cache, those that follow the ones it holds
        cache   grows by the keys and values of ``tokens``; without one nothing is remembered
        """
        start = 0 if cache is None else cache.length
        stop = start + tokens.shape[1]
        if stop > self.form.context:
            raise ValueError(
                f"tokens and cache hold at most {self.form.context} tokens together, the context; "
                f"got {stop}: begin a new cache"
            )
        x = self.token(tokens)
        for place, block in enumerate(self.blocks):
            x = block(x, place, cache)
        logits: torch.Tensor = self.head(self.norm(x))
        return logits


def products(form: Form, *, new: int, past: int = 0) -> list[Gemm]:
    """The matrix products of a decoder that reads ``new`` tokens after ``past`` ones, batch 1.

    new   tokens read at once: 1 is one step of writing a text
    past  tokens whose keys and values the cache holds already

    Names are those of the layers; attention's own products, of two computed sides, follow the layer
    ``qkv``. Every new token is multiplied with all keys: the half that the mask hides is computed too.

    >>> step = products(Form(vocabulary=80, width=128, depth=1, heads=4), new=1, past=99)
    >>> [(one.name, one.m, one.n, one.k) for one in step][1]
    ('blocks.0.attention.scores', 1, 100, 32)
    """
    width, seen, head = form.width, past + new, form.width // form.heads
    found = []
    for block in range(form.depth):
        stem = f"blocks.{block}"
        found += [
            Gemm(f"{stem}.attention.qkv", new, 3 * width, width),
            Gemm(f"{stem}.attention.scores", new, seen, head, form.heads, has_weights=False),
            Gemm(f"{stem}.attention.mixture", new, head, seen, form.heads, has_weights=False),
            Gemm(f"{stem}.attention.out", new, width, width),
            Gemm(f"{stem}.perceptron.up", new, EXPANSION * width, width),
            Gemm(f"{stem}.perceptron.down", new, width, EXPANSION * width),
        ]
    return [*found, Gemm("head", new, form.vocabulary, width)]
