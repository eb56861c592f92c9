"""Figures: live ones that work on a page without a kernel, and the look of the static ones."""
