"""Lab 04, "Prune a network": its six tasks, under the names that the notebook uses."""

from __future__ import annotations

from nncourse.classroom.checks.keep_masks import magnitude_mask, n_m_mask
from nncourse.classroom.checks.masked_training import masked_step
from nncourse.classroom.checks.pruned_network import prune_and_repair
from nncourse.classroom.checks.pruning_plan import cubic_schedule, least_densities
from nncourse.classroom.lab import Lab

__all__ = [
    "LAB",
    "cubic_schedule",
    "least_densities",
    "magnitude_mask",
    "masked_step",
    "n_m_mask",
    "prune_and_repair",
]

LAB = Lab(
    name="04_prune_a_network",
    tasks=(
        magnitude_mask,
        n_m_mask,
        least_densities,
        cubic_schedule,
        masked_step,
        prune_and_repair,
    ),
    seconds=60.0,  # the published repair takes a second; others may train for longer
)
