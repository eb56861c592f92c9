"""Language model: what each way of compressing it costs in nats per character, from the decoded file.

It settles no claim. One network, the character model stored with the course; what a seed changes is the
calibration text, drawn from the plays that the model was trained on. Ways that need no calibration are
measured with seed 0 alone. Every loss is read on the same windows of two plays that were never seen, so
that losses compare window by window: ``excess`` is the loss above that of the float16 model, and
``excess_error`` the standard error of its mean over the windows. Nothing is chosen on these plays.

Rows of the network "outliers" belong to the same function with outliers planted (``language.with_outliers``):
there ``excess`` is above the planted model in float32. Those of "minilm-l6" belong to the published
encoder of sentences (``language_sentences``), for which agreement with float32 is measured.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import nn

from nncourse.accelerator import EDGE
from nncourse.experiments import (
    block_file,
    language,
    language_arms,
    language_sentences,
    subject,
)
from nncourse.experiments.experiment import Experiment, Row
from nncourse.experiments.language_arms import Arm
from nncourse.quantizers.vectors import quantize_vectors
from nncourse.scorecard import scorecard
from nncourse.zoo import characters, language_model
from nncourse.zoo.transformer import products

FORM = language_model.FORM
TEST_WINDOWS = 128
CALIBRATION_WINDOWS = 32
SMOKE = ("float16", "nearest", "cache")  # what the quick form measures, at 4 bits
SIX_FOR = ("float16", "nearest", "8-bit inputs")


def measure(seed: int, smoke: bool) -> Iterator[Row]:
    """Rows of one calibration text: losses and bytes of every way, on all networks.

    seed   of the windows that calibration reads
    smoke  the plain network, float16 and two ways of 4 bits
    """
    model = language_model.load_pretrained()
    tensors = subject.tensors(model)
    arms = [
        arm
        for arm in language_arms.plain_arms()
        if (arm.calibrated or not seed) and (not smoke or _is_quick(arm))
    ]
    yield from _network_rows(seed, "plain", model, arms)
    if smoke:
        return
    planted = subject.filled(model, language.with_outliers(tensors, FORM))
    arms = [arm for arm in language_arms.outlier_arms() if arm.calibrated or not seed]
    yield from _network_rows(seed, "outliers", planted, arms)
    for method, bits, granularity, values in language_sentences.measured(seed):
        yield from _rows(seed, "minilm-l6", method, bits, granularity, values)


def _network_rows(seed: int, network: str, model: nn.Module, arms: list[Arm]) -> Iterator[Row]:
    """Rows of the arms on one network, whose loss in float32 the others are compared with."""
    tensors = subject.tensors(model)
    test = characters.windows(characters.load("test"), count=TEST_WINDOWS, length=FORM.context)
    inputs = language.calibrate(model, calibration_windows(seed))
    ratio = max(read.peak_ratio for read in inputs.values())
    yield from _rows(seed, network, "inputs", 32, "none", {"peak_ratio": ratio})
    before = language.window_losses(model, test)
    for arm in arms:
        data = block_file.store(arm.store(tensors, inputs))
        decoded = subject.filled(model, block_file.restore(data))
        losses = language.window_losses(arm.run(decoded, tensors, inputs), test)
        excess = losses - before
        values = {
            "loss": float(losses.mean()),
            "excess": float(excess.mean()),
            "excess_error": float(excess.std(ddof=1) / np.sqrt(len(excess))),
            "stored_bytes": float(len(data)),
        }
        if arm.method == "cache" and arm.granularity == "keys and values":
            values["cache_bytes"] = float(_cache_bytes(model, arm.bits))
        if network == "plain" and not seed and arm.method in SIX_FOR:
            values |= _six(arm, len(data))
        yield from _rows(seed, network, arm.method, arm.bits, arm.granularity, values)


def calibration_windows(seed: int) -> characters.Tokens:
    """Windows of the training text that calibration reads, drawn by ``seed``."""
    text = characters.load("train")
    starts = np.random.default_rng(seed).integers(
        0, len(text) - FORM.context, size=CALIBRATION_WINDOWS
    )
    chosen: characters.Tokens = text[starts[:, None] + np.arange(FORM.context + 1)]
    return chosen


def _is_quick(arm: Arm) -> bool:
    return arm.method in SMOKE and arm.bits in (4, 16)


def _cache_bytes(model: nn.Module, bits: int) -> int:
    """Bytes of the cache that a whole context fills: those of packed codes, steps and lows."""
    tokens = characters.load("test")[: FORM.context]
    return sum(
        len(quantize_vectors(part, bits=bits).stored()) for part in language.cache_of(model, tokens)
    )


def _six(arm: Arm, stored_bytes: int) -> dict[str, float]:
    """The six numbers of writing one character at the end of a whole context, on the small machine."""
    is_whole = arm.method == "8-bit inputs"
    card = scorecard(
        products(FORM, new=1, past=FORM.context - 1),
        EDGE if is_whole else EDGE.with_datapath("fp16"),
        stored_bytes=stored_bytes,
        bits="fp16" if arm.method == "float16" else arm.bits,
    )
    return {str(name): float(value) for name, value in card.six().items()}


def _rows(
    seed: int,
    network: str,
    method: str,
    bits: int,
    granularity: str,
    values: dict[str, float],
) -> Iterator[Row]:
    for measured, value in values.items():
        yield {
            "seed": seed,
            "network": network,
            "method": method,
            "bits": bits,
            "granularity": granularity,
            "measure": measured,
            "value": value,
        }


EXPERIMENT = Experiment(
    claim="LM",
    title="What does each way of compressing a language model cost?",
    networks=(language_model.NAME, "minilm-l6"),
    data="Hamlet and The Tempest",
    seeds=3,
    measure=measure,
    keys=("seed", "network", "method", "bits", "granularity", "measure"),
    tolerances={"value": 0.002},
    inputs=(f"zoo/stored/{language_model.NAME}.safetensors",),
)
