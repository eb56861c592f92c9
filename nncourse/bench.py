"""Speeds of the course, printed as medians and as ratios between things timed in the same run.

A shared machine drifts, so a peer is timed in turn with ours (A B A B ...) and the ratio is the
median of the pairs. Nothing here asserts a time; tests never do.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

NUM_VALUES = 10_000_000
NUM_IMAGES = 2_000
REPEATS = 7
BUDGET_SECONDS = {"book": 60, "solutions": 90}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; ``ratio`` is ours over the peer's time, below 1 where ours is faster.

    budget  what was promised: a time, or as ``x 0.05`` a largest ratio
    """

    what: str
    seconds: float
    peer: str = ""
    ratio: float | None = None
    budget: str = ""


def timed(
    ours: Callable[[], object],
    peer: Callable[[], object] | None = None,
    *,
    repeats: int | None = None,
) -> tuple[float, float | None]:
    """Median seconds of ``ours`` and, with a peer, the median of the paired ratios ours / peer.

    repeats  how often each is timed; when None, ``REPEATS``

    Both are called once beforehand, so that compiling and first allocations are not counted; not the
    peer that is timed only once, for that is what takes too long.
    """
    ours()
    if peer is not None and repeats != 1:
        peer()
    seconds, ratios = [], []
    for _ in range(repeats or REPEATS):
        seconds.append(_clock(ours))
        if peer is not None:
            ratios.append(seconds[-1] / _clock(peer))
    return median(seconds), median(ratios) if ratios else None


def accelerator_rows() -> Iterator[Row]:
    """ResNet-50's ready list of GEMMs, dense and by density; two layers of EIE with their masks."""
    from nncourse.accelerator import EDGE, Lanes, Skipping
    from nncourse.accelerator.engine import Engine
    from nncourse.accelerator.validation import published_layer
    from nncourse.accelerator.workloads import resnet50

    layers = resnet50()
    lanes, systolic = EDGE.with_array(Lanes(16)), EDGE
    for machine, density, name in (
        (systolic, None, "dense"),
        (lanes.with_sparsity(Skipping()), 0.2, "16 lanes that skip"),
        (systolic.with_sparsity(Skipping()), 0.2, "rows that skip"),
    ):
        seconds, _ = timed(lambda m=machine, d=density: m.run(layers, densities=d))  # type: ignore[misc]
        yield Row(what=f"ResNet-50 ({len(layers)} GEMMs), {name}", seconds=seconds, budget="5 ms")
    for layer in ("Alex-7", "VGG-6"):
        mask, active = published_layer(layer)
        seconds, _ = timed(lambda k=mask, a=active: Engine().cycles(k, active=a))  # type: ignore[misc]
        outputs, inputs = mask.shape
        yield Row(
            what=f"EIE's {layer}, {inputs} x {outputs}, with its mask",
            seconds=seconds,
            budget="200 ms",
        )


def quantizer_rows() -> Iterator[Row]:
    """The affine quantizer against torch's operators, one thread, the same float32 values."""
    import torch

    from nncourse.quantizers.affine import choose_qparams, fake_quantize, pack, quantize

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    x = np.random.default_rng(0).normal(size=NUM_VALUES).astype(np.float32)
    tensor = torch.from_numpy(x)
    qparams = choose_qparams(x, bits=8)
    scale = float(qparams.scale)

    def torch_fake() -> object:
        return torch.fake_quantize_per_tensor_affine(tensor, scale, 0, -127, 127)

    def torch_plain() -> object:
        return torch.clamp(torch.round(tensor / scale), -127, 127).to(torch.int8)

    millions = f"{NUM_VALUES // 1_000_000} M values"
    seconds, ratio = timed(lambda: fake_quantize(x, qparams), torch_fake)
    yield Row(
        what=f"fake_quantize, {millions}", seconds=seconds, peer="torch.fake_quantize", ratio=ratio
    )
    seconds, ratio = timed(lambda: quantize(x, qparams), torch_plain)
    yield Row(what=f"quantize, {millions}", seconds=seconds, peer="torch expression", ratio=ratio)
    for bits in (4, 8):
        narrow = choose_qparams(x, bits=bits, scheme="asymmetric")
        seconds, ratio = timed(lambda q=narrow, b=bits: pack(quantize(x, q), b), torch_fake)  # type: ignore[misc]
        yield Row(
            what=f"quantize and pack to {bits} bits, {millions}",
            seconds=seconds,
            peer="torch.fake_quantize",
            ratio=ratio,
        )
    torch.set_num_threads(threads)


def codebook_rows() -> Iterator[Row]:
    """The 16-level codebook against scikit-learn's k-means with one start, one thread."""
    from nncourse.quantizers.codebook import fit_codebook

    for num, repeats, budget in ((NUM_VALUES // 10, 3, "x 0.05"), (NUM_VALUES, 1, "x 0.067")):
        x = np.random.default_rng(0).normal(size=num).astype(np.float32)
        seconds, ratio = timed(
            lambda x=x: fit_codebook(x, 16),  # type: ignore[misc]
            _sklearn_kmeans(x),
            repeats=repeats,
        )
        yield Row(
            what=f"codebook of 16 levels, {num / 1e6:g} M values",
            seconds=seconds,
            peer="sklearn KMeans",
            ratio=ratio,
            budget=budget,
        )


def allocation_rows() -> Iterator[Row]:
    """The exact choice of widths against the greedy one, on tables like those of a network."""
    from nncourse.quantizers.allocation import allocate

    rng = np.random.default_rng(0)
    bits = np.arange(2, 9)
    weights = np.exp(rng.normal(9, 1.5, (54, 1))).round()
    loss = np.exp(rng.normal(0, 1.5, (54, 1)) + rng.normal(0, 0.3, (54, 7))) * 4.0**-bits
    size_bytes = np.ceil(weights * bits / 8)
    budget = size_bytes[:, 2].sum()
    seconds, ratio = timed(
        lambda: allocate(loss, size_bytes, budget=budget),
        lambda: allocate(loss, size_bytes, budget=budget, method="greedy"),
        repeats=5 * REPEATS,
    )
    yield Row(
        what="exact allocation, 54 layers x 7 widths",
        seconds=seconds,
        peer="greedy",
        ratio=ratio,
        budget="x 10",
    )


def sensitivity_rows() -> Iterator[Row]:
    """A scan of LeNet-5, 4 layers at 5 widths, against one evaluation of the same images."""
    import torch

    from nncourse.quantizers.sensitivity import Evaluator, sensitivity_scan
    from nncourse.zoo.checkpoints import load_pretrained
    from nncourse.zoo.datasets import Images
    from nncourse.zoo.training import accuracy

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)  # which images they are makes no difference to the time
    x = rng.random((NUM_IMAGES, 1, 28, 28), dtype=np.float32)
    images = Images(x, rng.integers(0, 10, NUM_IMAGES))
    network = load_pretrained("lenet-5")

    def scan() -> object:
        evaluate = Evaluator(network, images.x, images.y)
        return sensitivity_scan(evaluate.weights, widths=(2, 3, 4, 6, 8), evaluate=evaluate)

    seconds, ratio = timed(scan, lambda: accuracy(network, images), repeats=3)
    yield Row(
        what=f"sensitivity scan of LeNet-5, 20 points, {NUM_IMAGES} images",
        seconds=seconds,
        peer="one evaluation",
        ratio=ratio,
        budget="x 25",
    )
    torch.set_num_threads(threads)


def notebook_rows(root: Path) -> Iterator[Row]:
    """Every chapter and every solved lab, executed once from top to bottom."""
    import nbformat
    from nbclient import NotebookClient

    for folder, budget_seconds in BUDGET_SECONDS.items():
        for path in sorted((root / folder).rglob("*.ipynb")):
            if "_build" in path.parts or ".ipynb_checkpoints" in path.parts:
                continue
            notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
            client = NotebookClient(
                notebook,
                timeout=600,
                kernel_name="python3",
                resources={"metadata": {"path": str(path.parent)}},
            )
            yield Row(
                what=str(path.relative_to(root)),
                seconds=_clock(client.execute),
                budget=f"{budget_seconds} s",
            )


def main(*, notebooks: bool = True, root: Path | None = None) -> int:
    """Print the table row by row; exit status 0.

    notebooks  also execute every chapter and lab (minutes)
    root       folder that holds book/ and solutions/; the current one by default
    """
    sources: list[Callable[[], Iterator[Row]]] = [
        accelerator_rows,
        quantizer_rows,
        codebook_rows,
        allocation_rows,
        sensitivity_rows,
    ]
    if notebooks:
        sources.append(lambda: notebook_rows(root or Path.cwd()))
    print(f"{'what':<54}{'median':>12}  {'budget':>8}  ours / peer")
    for source in sources:
        for row in source():
            against = f"{row.ratio:.3g} of {row.peer}" if row.ratio is not None else ""
            print(
                f"{row.what:<54}{_readable(row.seconds):>12}  {row.budget:>8}  {against}",
                flush=True,
            )
    return 0


def _sklearn_kmeans(x: NDArray[np.float32]) -> Callable[[], object] | None:
    """Sixteen clusters of ``x`` by scikit-learn on one thread; None where it is not installed."""
    if find_spec("sklearn") is None:
        return None
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    def fit() -> object:
        with threadpool_limits(1):
            return KMeans(n_clusters=16, n_init=1, random_state=0).fit(x[:, None])

    return fit


def _clock(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _readable(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1e3 * seconds:.2f} ms"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m nncourse.bench", description=__doc__)
    parser.add_argument("--no-notebooks", dest="notebooks", action="store_false")
    sys.exit(main(notebooks=parser.parse_args().notebooks))
