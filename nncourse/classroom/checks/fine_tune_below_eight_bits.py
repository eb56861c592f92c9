"""Lab 02, "Fine-tune below eight bits": its seven tasks, under the names that the notebook uses."""

from __future__ import annotations

from nncourse.classroom.checks.fine_tuned_network import fine_tune
from nncourse.classroom.checks.learned_step import (
    fake_quantize,
    initial_step,
    input_gradient,
    step_gradient,
)
from nncourse.classroom.checks.signs import binarize, ternarize
from nncourse.classroom.lab import Lab

__all__ = [
    "LAB",
    "binarize",
    "fake_quantize",
    "fine_tune",
    "initial_step",
    "input_gradient",
    "step_gradient",
    "ternarize",
]

LAB = Lab(
    name="02_fine_tune_below_eight_bits",
    tasks=(
        fake_quantize,
        input_gradient,
        step_gradient,
        initial_step,
        binarize,
        ternarize,
        fine_tune,
    ),
    seconds=60.0,  # the published fine-tuning takes a few seconds; others may learn for longer
)
