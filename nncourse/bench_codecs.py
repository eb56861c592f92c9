"""Sizes and speeds of the codecs as ratios of one run, each beside its target.

Everything that is compared is timed in turn (A B C A B C ...), by the time that the thread itself had, and a
ratio is the median over the turns: a shared machine drifts, and what it does to one it does to the
others. All checks are switched on. Streams are drawn with a seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from nncourse.codecs import get_codec
from nncourse.entropy import entropy
from nncourse.unchecked_huffman import unchecked

NUM_SYMBOLS = 4_000_000
NUM_POSITIONS = 32_000_000  # of the run-length code: beyond every cache, as a fill of memory is
NUM_TURNS = 7
SLOW_SHARE = 4  # the adaptive codec gets every fourth symbol
Stream = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One figure of the table.

    what    a ratio, ours over the peer's
    least   target from below, None for none
    most    target from above, None for none
    """

    stream: str
    what: str
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def target(self) -> str:
        """As it is printed; empty for none."""
        if self.least is not None:
            return f">= {self.least:g}"
        return f"<= {self.most:g}" if self.most is not None else ""

    @property
    def is_met(self) -> bool | None:
        """None where there is no target."""
        if self.least is not None:
            return self.value >= self.least
        return self.value <= self.most if self.most is not None else None


def streams(num_symbols: int = NUM_SYMBOLS) -> dict[str, Stream]:
    """What networks leave to a codec, by name: independent draws, so that the entropy is the bound.

    num_symbols  of each; at least 1000

    Kept weights are those of a Laplace or a Gauss distribution whose tenth of largest magnitude stays.
    """
    from scipy.special import ndtri

    from nncourse.quantizers.codebook import fit_codebook

    rng = np.random.default_rng(0)
    sign = rng.choice(np.array([-1.0, 1.0]), num_symbols)
    laplace = sign * (np.log(10) + rng.exponential(size=num_symbols))
    gauss = sign * -ndtri(rng.uniform(1e-12, 0.05, num_symbols))
    normal = rng.normal(size=num_symbols)

    def indices(weights: NDArray[np.float64], levels: int) -> Stream:
        codebook = fit_codebook(weights[:20_000].astype(np.float32), levels)
        return np.asarray(codebook.assign(weights.astype(np.float32)), dtype=np.uint8)

    is_kept = rng.random(num_symbols) < 0.1
    runs = rng.geometric(0.1, num_symbols) - 1
    return {
        "pruned 4-bit indices": np.where(is_kept, indices(laplace, 15) + 1, 0).astype(np.uint8),
        "4-bit indices": indices(laplace, 16),
        "5-bit indices": indices(gauss, 32),
        "8-bit indices": indices(gauss, 256),
        "zero runs": np.minimum(runs, 255).astype(np.uint8),
        "int8 weights": np.clip(np.rint(25 * normal), -127, 127).astype(np.int8),
        "bf16 exponents": (normal.astype(np.float32).view(np.uint32) >> 23 & 255).astype(np.uint8),
    }


def size_and_speed(name: str, symbols: Stream) -> Iterator[Measured]:
    """Huffman against the entropy, Zstandard at level 1 and constriction; rANS; adaptive."""
    bits = entropy(symbols)
    raw = symbols.tobytes()
    huffman, rans = get_codec("huffman"), get_codec("rans")
    press, unpress = zstandard.ZstdCompressor(level=1), zstandard.ZstdDecompressor()
    ours, ours_rans, peer = huffman.encode(symbols), rans.encode(symbols), press.compress(raw)

    def of_entropy(stream: bytes, num_symbols: int) -> float:
        return 8 * len(stream) / num_symbols / bits

    if bits < 1:  # a codeword has one bit at least
        floor = 8 * len(ours) / symbols.size
        yield Measured(stream=name, what="Huffman bits (floor 1)", value=floor)
    else:
        most = 1.02 if bits >= 2 else None
        value = of_entropy(ours, symbols.size)
        yield Measured(stream=name, what="Huffman size / entropy", value=value, most=most)
    value = of_entropy(ours_rans, symbols.size)
    yield Measured(stream=name, what="rANS size / entropy", value=value, most=1.007)
    calls: dict[str, Callable[[], object]] = {
        "encode": lambda: huffman.encode(symbols),
        "decode": lambda: huffman.decode(ours),
        "rANS encode": lambda: rans.encode(symbols),
        "rANS decode": lambda: rans.decode(ours_rans),
        "zstd encode": lambda: press.compress(raw),
        "zstd decode": lambda: unpress.decompress(peer),
    }
    if find_spec("constriction"):
        calls["constriction decode"] = _constriction_decode(symbols)
    seconds = in_turn(calls)
    value = len(ours) / len(peer)
    yield Measured(stream=name, what="Huffman size / zstd", value=value, most=1.0)
    is_low = bits < 4
    yield _speed(name, "decode", "zstd decode", seconds, 1.5 if is_low else 0.8)
    yield _speed(name, "encode", "zstd encode", seconds, 0.6)
    if "constriction decode" in seconds:
        yield _speed(name, "decode", "constriction decode", seconds, 35.0 if is_low else 20.0)
        yield _speed(name, "rANS decode", "constriction decode", seconds, None)
    yield _speed(name, "rANS decode", "zstd decode", seconds, None)
    yield _speed(name, "rANS encode", "zstd encode", seconds, None)


def adaptive_size(name: str, symbols: Stream) -> Iterator[Measured]:
    """The adaptive codec against the entropy of independent symbols, and its speed against rANS."""
    symbols = symbols[: max(symbols.size // SLOW_SHARE, min(symbols.size, 1_000_000))]
    adaptive, rans = get_codec("adaptive"), get_codec("rans")
    stream, other = adaptive.encode(symbols), rans.encode(symbols)
    value = 8 * len(stream) / symbols.size / entropy(symbols)
    yield Measured(stream=name, what="adaptive size / entropy", value=value, most=1.01)
    seconds = in_turn(
        {
            "adaptive encode": lambda: adaptive.encode(symbols),
            "adaptive decode": lambda: adaptive.decode(stream),
            "rANS encode": lambda: rans.encode(symbols),
            "rANS decode": lambda: rans.decode(other),
        },
        num_turns=3,
    )
    yield _speed(name, "adaptive decode", "rANS decode", seconds, None)
    yield _speed(name, "adaptive encode", "rANS encode", seconds, None)


def safety(name: str, symbols: Stream) -> Iterator[Measured]:
    """Decoding with all checks against decoding without checksum and without looking where loops read."""
    huffman = get_codec("huffman")
    checked = huffman.encode(symbols)
    with unchecked():
        bare = huffman.encode(symbols)
        huffman.decode(bare)

    def without() -> object:
        with unchecked():
            return huffman.decode(bare)

    calls = {"with checks": lambda: huffman.decode(checked), "without": without}
    seconds = in_turn(calls, num_turns=2 * NUM_TURNS + 1)
    ratio = _median_ratio(seconds["with checks"], seconds["without"])
    yield Measured(stream=name, what="time with checks / without", value=ratio, most=1.15)


def run_length(name: str = "runs of zeros, 10 % kept") -> Iterator[Measured]:
    """Run-length decoding against filling an array of the same size with a byte."""
    rng = np.random.default_rng(0)
    symbols = np.zeros(NUM_POSITIONS, np.uint8)
    kept = rng.integers(0, NUM_POSITIONS, NUM_POSITIONS // 10)
    symbols[kept] = rng.integers(1, 16, kept.size)
    codec = get_codec("runlength")
    stream = codec.encode(symbols)
    calls: dict[str, Callable[[], object]] = {
        "decode": lambda: codec.decode(stream),
        "fill": lambda: np.full(NUM_POSITIONS, 7, dtype=np.uint8),
    }
    seconds = in_turn(calls)
    ratio = _median_ratio(seconds["decode"], seconds["fill"])
    yield Measured(stream=name, what="run-length decode time / fill", value=ratio, most=4.0)


def products() -> Iterator[Measured]:
    """The CSR product against scipy's, float32, 2048 x 2048."""
    from scipy import sparse

    from nncourse.codecs.csr import CSR

    rng = np.random.default_rng(0)
    x = rng.normal(size=2048).astype(np.float32)
    for density in (0.3, 0.1, 0.03):
        dense = rng.normal(size=(2048, 2048)).astype(np.float32)
        dense[rng.random(dense.shape) >= density] = 0
        ours, peer = CSR.from_dense(dense), sparse.csr_array(dense)
        calls: dict[str, Callable[[], object]] = {
            "ours": lambda ours=ours: ours @ x,  # type: ignore[misc]
            "scipy": lambda peer=peer: peer @ x,  # type: ignore[misc]
        }
        seconds = in_turn(calls, num_turns=4 * NUM_TURNS + 1)
        ratio = _median_ratio(seconds["ours"], seconds["scipy"])
        name = f"matrix of density {density:g}"
        yield Measured(stream=name, what="CSR product time / scipy", value=ratio, most=1.0)


def in_turn(
    calls: Mapping[str, Callable[[], object]], *, num_turns: int | None = None
) -> dict[str, list[float]]:
    """Seconds of every call in every turn, by name; time of this thread.

    num_turns  how often all of them are called, one after another; ``NUM_TURNS`` when None

    Each is called once beforehand, so that compiling and first allocations are not counted.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(num_turns or NUM_TURNS):
        for name, call in calls.items():
            seconds[name].append(_clock(call))
    return seconds


def main() -> int:
    """Print the table row by row, then the targets that were missed; exit status 0."""
    print(f"{'stream':<28}{'what':<36}{'ratio':>9}  {'target':<9}")
    missed: list[Measured] = []
    num_targets = 0
    for row in _rows():
        verdict = {None: "", True: "met", False: "MISSED"}[row.is_met]
        print(
            f"{row.stream:<28}{row.what:<36}{row.value:>9.3f}  {row.target:<9}{verdict}", flush=True
        )
        num_targets += row.is_met is not None
        if row.is_met is False:
            missed.append(row)
    print(f"{num_targets - len(missed)} of {num_targets} targets met")
    return 0


def _rows() -> Iterator[Measured]:
    drawn = streams(NUM_SYMBOLS)
    for name, symbols in drawn.items():
        yield from size_and_speed(name, symbols)
    name = next(iter(drawn))
    yield from adaptive_size(name, drawn[name])
    for name, symbols in drawn.items():
        yield from safety(name, symbols)
    yield from run_length()
    yield from products()


def _speed(
    stream: str, ours: str, peer: str, seconds: Mapping[str, list[float]], least: float | None
) -> Measured:
    """How many times as fast as the peer."""
    value = _median_ratio(seconds[peer], seconds[ours])
    ours = ours if " " in ours else f"Huffman {ours}"
    what = f"{ours} speed / {peer.split()[0]}"
    return Measured(stream=stream, what=what, value=value, least=least)


def _median_ratio(upper: list[float], lower: list[float]) -> float:
    return median(a / b for a, b in zip(upper, lower, strict=True))


def _constriction_decode(symbols: Stream) -> Callable[[], object]:
    """Decodes ``symbols`` with constriction's coder of whole arrays."""
    import constriction  # type: ignore[import-untyped,import-not-found,unused-ignore]

    values, ranks, counts = np.unique(symbols, return_inverse=True, return_counts=True)
    model = constriction.stream.model.Categorical(
        (counts / counts.sum()).astype(np.float32), perfect=False
    )
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(ranks.astype(np.int32), model)
    words = coder.get_compressed()
    decoder = constriction.stream.stack.AnsCoder
    assert np.array_equal(values[decoder(words).decode(model, symbols.size)], symbols)
    return lambda: decoder(words).decode(model, symbols.size)


def _clock(call: Callable[[], object]) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start
