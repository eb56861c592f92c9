"""Why something that was handed in cannot be graded; each message is a sentence for the student."""

from __future__ import annotations


class Unreadable(ValueError):
    """A file is not what it should be, or too large to be looked at."""


class MissingTask(ValueError):
    """A file is not there, or a notebook does not define what a task asks for."""
