"""A recipe: what becomes of each tensor of a checkpoint, as a TOML file says.

    [default]                  # tensors of floats with two axes and more
    bits = 4
    method = "kmeans"
    sparsity = 0.5

    [[tensor]]                 # those whose name fits; later sections win over earlier ones
    match = ["*embeddings*", "fc.weight"]
    bits = 8
    method = "affine"

    [[tensor]]
    match = "*.bias"
    store = "fp16"

Every key has a default. Tensors that no rule is for (biases, counters) are stored without loss.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncourse.codecs import CODECS, get_codec
from nncourse.container import Layout, Plain, Quantized, Stored
from nncourse.container.layout import POSITIONS
from nncourse.container.tensors import FLOATS
from nncourse.pruners.masks import Mask, bank_balanced_mask, block_mask, magnitude_mask, n_m_mask
from nncourse.quantizers.affine import QParams, choose_qparams
from nncourse.quantizers.codebook import METHODS, Codebook, fit_codebook

AFFINE = {"affine": "symmetric", "affine-asymmetric": "asymmetric"}
STORES = ("codes", "lossless", "fp16")
INTEGER_CODECS = tuple(name for name in CODECS if name != "float")


class RecipeError(ValueError):
    """A recipe that cannot be followed; the message names the key, the rule, the value and the fix."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What becomes of a tensor.

    store      "codes"; "lossless", every bit as it is; "fp16", rounded to half precision
    bits       of a code, 1..16
    method     "affine" (even steps, symmetric), "affine-asymmetric", or a codebook: "kmeans", "quantile",
               "log2", "nf4" (4 bits)
    scale      of an affine grid: "channel" (a step for each output), "tensor", or a whole number, the values of a
               group of the last axis
    range      of an affine grid: "minmax", "percentile" or "mse"
    levels     of a codebook: "fp32" or "fp16"
    sparsity   share of weights to drop, 0 <= sparsity < 1, by magnitude
    shape      of what is dropped: "free", "n:m" such as "2:4" (which sets the sparsity), "bank N", or
               "block RxC"
    codec      of the codes
    positions  of kept codes: "symbols", "relative" or "bitmap"
    gap_bits   of a relative position
    """

    store: str = "codes"
    bits: int = 8
    method: str = "affine"
    scale: str | int = "channel"
    range: str = "minmax"
    levels: str = "fp32"
    sparsity: float = 0.0
    shape: str = "free"
    codec: str = "adaptive"
    positions: str = "symbols"
    gap_bits: int = 5

    def __post_init__(self) -> None:
        _one_of("store", self.store, STORES)
        _one_of("method", self.method, (*AFFINE, *METHODS))
        _one_of("range", self.range, ("minmax", "percentile", "mse"))
        _one_of("levels", self.levels, ("fp32", "fp16"))
        _one_of("codec", self.codec, INTEGER_CODECS)
        _one_of("positions", self.positions, POSITIONS)
        least = 2 if self.method == "affine" else 1
        _whole("bits", self.bits, least, 16)
        _whole("gap_bits", self.gap_bits, 1, 16)
        if self.method == "nf4" and self.bits != 4:
            raise RecipeError(f"bits is 4 where method is nf4; got {self.bits}")
        if self.scale not in ("channel", "tensor"):
            if isinstance(self.scale, str):
                raise RecipeError(
                    f'scale is "channel", "tensor" or the values of a group; got {self.scale!r}'
                )
            _whole("scale", self.scale, 1, 2**31)
        if isinstance(self.sparsity, bool) or not isinstance(self.sparsity, int | float):
            raise RecipeError(f"sparsity is a fraction in [0, 1); got {self.sparsity!r}")
        if not 0 <= self.sparsity < 1:
            hint = f" Did you mean {self.sparsity / 100:g}?" if 1 < self.sparsity < 100 else ""
            raise RecipeError(f"sparsity is a fraction in [0, 1); got {self.sparsity}.{hint}")
        _shape_numbers(self.shape)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The rule for every tensor: a default, and changes for names that fit."""

    default: Rule = field(default_factory=Rule)
    changes: tuple[tuple[tuple[str, ...], Mapping[str, Any]], ...] = ()

    def rule_for(self, name: str, tensor: Plain) -> Rule:
        """The rule for a tensor: the default and the changes whose patterns fit its name.

        A tensor that is no matrix of floats is lossless unless a change says something else.
        """
        is_weight = tensor.dtype in FLOATS and tensor.values.ndim > 1 and tensor.values.size > 0
        rule = self.default if is_weight else Rule(store="lossless")
        for patterns, change in self.changes:
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                rule = replace(
                    rule, **{"store": "codes"} | dict(change) if not is_weight else change
                )
        return rule

    def unused(self, names: list[str]) -> list[str]:
        """Patterns that fit no name: usually a slip of the pen."""
        return [
            pattern
            for patterns, _ in self.changes
            for pattern in patterns
            if not any(fnmatch.fnmatchcase(name, pattern) for name in names)
        ]


def read_recipe(source: str | Path) -> Recipe:
    """The recipe in a TOML file.

    source  path of the file

    Raises :class:`RecipeError` with the name of the section and the key.
    """
    try:
        return parse_recipe(Path(source).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{source} is no TOML: {error}") from None
    except RecipeError as error:
        raise RecipeError(f"{source}: {error}") from None


def parse_recipe(text: str) -> Recipe:
    """The recipe in a TOML text.

    >>> recipe = parse_recipe('default.bits = 4\\n[[tensor]]\\nmatch = "fc*"\\nbits = 2')
    >>> recipe.default.bits, recipe.rule_for("fc1.weight", Plain(values=np.zeros((2, 2)))).bits
    (4, 2)
    """
    table = tomllib.loads(text)
    if unknown := sorted(set(table) - {"default", "tensor"}):
        raise RecipeError(f"sections are [default] and [[tensor]]; got [{unknown[0]}]")
    default = _rule(table.get("default", {}), "[default]")
    changes = []
    entries = table.get("tensor", [])
    if not isinstance(entries, list):
        raise RecipeError("sections for tensors are written [[tensor]], with two brackets")
    for number, entry in enumerate(entries, start=1):
        where, change = f"[[tensor]] number {number}", dict(entry)
        patterns = change.pop("match", None)
        if isinstance(patterns, str):
            patterns = [patterns]
        if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
            raise RecipeError(f'{where}: match is a pattern such as "*.bias", or a list of them')
        _rule(change, where, default)
        changes.append((tuple(patterns), change))
    return Recipe(default=default, changes=tuple(changes))


def follow(rule: Rule, tensor: Plain) -> Stored:
    """What a file holds of ``tensor`` by ``rule``.

    ValueError where the rule does not fit the tensor: a shape that does not divide it, values that are
    not finite.
    """
    if rule.store == "lossless":
        return tensor
    values = tensor.decoded()
    if values.dtype.kind != "f":
        raise RecipeError(f'store is "lossless" for {tensor.dtype}; got {rule.store!r}')
    if rule.store == "fp16":
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if not np.array_equal(np.isfinite(halves), np.isfinite(values)):
            raise RecipeError('store "fp16" has no room for its largest values; "lossless" has')
        return Plain(values=halves)
    if not np.isfinite(values).all():
        raise RecipeError('store is "lossless" for values that are not finite; got "codes"')
    values = values.astype(np.float32)
    mask = _mask(rule, values)
    layout = Layout(codec=get_codec(rule.codec), positions=rule.positions, gap_bits=rule.gap_bits)
    return Quantized.of(values, _grid(rule, values, mask), mask=mask, layout=layout)


def _grid(rule: Rule, values: NDArray[Any], mask: Mask | None) -> QParams | Codebook:
    if rule.method in AFFINE:
        by_channel = rule.scale == "channel" and values.ndim > 1
        return choose_qparams(
            values,
            bits=rule.bits,
            scheme=AFFINE[rule.method],
            axis=0 if by_channel else None,
            group_size=rule.scale if isinstance(rule.scale, int) else None,
            method=rule.range,
        )
    kept = values if mask is None else values[mask]
    # One level fewer where zeros are a symbol of their own, so that all symbols have the width that is asked.
    num_levels = 2**rule.bits - (mask is not None and rule.method != "nf4")
    kept = kept if kept.size else np.zeros(1, dtype=np.float32)
    book = fit_codebook(kept, max(num_levels, 1), method=rule.method)
    levels = book.levels.astype(np.float16 if rule.levels == "fp16" else np.float32)
    return Codebook(np.unique(levels.astype(np.float32)))


def _mask(rule: Rule, values: NDArray[Any]) -> Mask | None:
    if rule.sparsity == 0 and ":" not in rule.shape:
        return None
    matrix = values.reshape(values.shape[0], -1)
    kind, first, second = _shape_numbers(rule.shape)
    if kind == "n:m":
        mask = n_m_mask(matrix, n=first, m=second)
    elif kind == "bank":
        mask = bank_balanced_mask(matrix, bank=first, sparsity=rule.sparsity)
    elif kind == "block":
        mask = block_mask(matrix, block=(first, second), sparsity=rule.sparsity)
    else:
        mask = magnitude_mask(matrix, sparsity=rule.sparsity)
    return mask.reshape(values.shape)


def _shape_numbers(shape: Any) -> tuple[str, int, int]:
    """Kind of a shape, and its numbers."""
    text = str(shape)
    try:
        if text == "free":
            return "free", 0, 0
        if text.startswith("bank "):
            return "bank", _positive(text[5:]), 0
        if text.startswith("block "):
            rows, _, columns = text[6:].partition("x")
            return "block", _positive(rows), _positive(columns)
        n, _, m = text.partition(":")
        if 1 <= _positive(n) <= _positive(m):
            return "n:m", int(n), int(m)
    except ValueError:
        pass
    raise RecipeError(f'shape is "free", "2:4", "bank 16" or "block 4x4"; got {shape!r}')


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _rule(table: Any, where: str, default: Rule | None = None) -> Rule:
    known = [one.name for one in fields(Rule)]
    if not isinstance(table, dict):
        raise RecipeError(f"{where} is a section of keys; got {table!r}")
    if unknown := sorted(set(table) - set(known)):
        raise RecipeError(f"{where}: no key is called {unknown[0]}; keys are {', '.join(known)}")
    try:
        return replace(default or Rule(), **table)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from None


def _one_of(key: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise RecipeError(f"{key} is one of {', '.join(known)}; got {value!r}")


def _whole(key: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RecipeError(f"{key} is a whole number from {least} to {most}; got {value!r}")
