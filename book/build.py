"""Build the HTML book: web files in place, nothing stale in the cache, strict; print what to open.

Run it with the project's Python: ``python book/build.py``. It needs no network once packages, data and
web files are there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import yaml

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
BUILD = BOOK / "_build"
VENDOR = BOOK / "_assets" / "vendor"
MATHJAX_PARTS = ("tex-mml-chtml.js", "output/chtml", "input/tex", "input/mml", "ui", "a11y", "sre")
ONLINE_KEYS = ("mathjax_path", "mathjax3_config", "nb_ipywidgets_js")
SOURCES = ("*.py", "*.js", "*.css", "*.safetensors", "*.nnc", "*.json", "*.csv")


def main() -> int:
    """Build; the exit status of the engine."""
    start = time.monotonic()
    offline = copy_web_files(ROOT / "node_modules", VENDOR)
    config = BOOK / "_config.yml"
    if not offline:
        config = online_config(config, BUILD / "_config.yml")
        print(
            "WARNING: the web files are missing (npm was not found), so the pages will load MathJax and "
            "the widget scripts from the internet. Install Node.js and run make book again.",
            file=sys.stderr,
        )
    if drop_stale_cache(source_digest([ROOT / "nncourse", BOOK / "results"]), BUILD):
        print("book: package or recorded tables changed, so every chapter runs again")
    print("book: running chapters and writing HTML", flush=True)
    engine = Path(sys.executable).parent / "jupyter-book"
    command = [str(engine), "build", str(BOOK), "--config", str(config)]
    finished = subprocess.run(
        [*command, "-W", "--keep-going", "-q"], check=False, env=_environment()
    )
    print(f"book: ready after {time.monotonic() - start:.0f} s")
    if finished.returncode == 0:
        print(f"open {os.path.relpath(BUILD / 'html' / 'index.html')}")
    return finished.returncode


def copy_web_files(node_modules: Path, vendor: Path) -> bool:
    """Whether MathJax, require.js and the widget scripts could be laid in ``vendor``."""
    mathjax = node_modules / "mathjax" / "es5"
    manager = node_modules / "@jupyter-widgets" / "html-manager" / "dist"
    requirejs = node_modules / "requirejs" / "require.js"
    shutil.rmtree(vendor, ignore_errors=True)
    if not (mathjax.is_dir() and manager.is_dir() and requirejs.is_file()):
        return False
    for part in MATHJAX_PARTS:
        _copy(mathjax / part, vendor / "mathjax" / part)
    widgets = vendor / "widgets"
    _copy(requirejs, widgets / "require.js")
    for path in manager.iterdir():
        if path.suffix in {".woff", ".woff2", ".ttf", ".svg", ".eot"} or path.name.endswith(
            "-amd.js"
        ):
            _copy(path, widgets / path.name)
    # From the Python package, so that it is of the version that wrote the figures.
    spec = find_spec("anywidget")
    assert spec is not None
    assert spec.origin is not None
    _copy(Path(spec.origin).parent / "nbextension" / "index.js", widgets / "anywidget.js")
    return True


def online_config(config: Path, target: Path) -> Path:
    """A copy of ``config`` at ``target`` that leaves the web files where the engine's makers serve them."""
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    for key in ONLINE_KEYS:
        settings["sphinx"]["config"].pop(key)
    # The engine looks for them beside the configuration, which now lies elsewhere.
    extensions = settings["sphinx"]["local_extensions"]
    settings["sphinx"]["local_extensions"] = {
        name: str(config.parent / folder) for name, folder in extensions.items()
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return target


def source_digest(folders: list[Path]) -> str:
    """SHA-256 over what the chapters' numbers come from: package, checkpoints, recorded tables."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for pattern in SOURCES for path in folder.rglob(pattern)):
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def drop_stale_cache(digest: str, build: Path) -> bool:
    """Forget executed chapters when ``digest`` is not the one they ran with; whether any were forgotten.

    The engine's own cache looks at the cells alone: a changed package would leave old numbers standing.
    """
    note = build / "sources.sha256"
    cache = build / ".jupyter_cache"
    stale = cache.exists() and (not note.exists() or note.read_text() != digest)
    if stale:
        shutil.rmtree(cache)
        shutil.rmtree(build / ".doctrees", ignore_errors=True)
    build.mkdir(parents=True, exist_ok=True)
    note.write_text(digest)
    return stale


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def _environment() -> dict[str, str]:
    # Kernels inherit this: the project's own interpreter first, and no progress bars in the pages.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "TQDM_DISABLE": "1"}


if __name__ == "__main__":
    sys.exit(main())
