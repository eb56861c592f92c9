"""Seeds and threads, set in one place."""

from __future__ import annotations

import os
import random

import numpy as np

MAX_SEED = 2**32 - 1  # the widest seed that NumPy's global generator takes


def reproducible(seed: int, *, threads: int | None = None) -> np.random.Generator:
    """Fresh NumPy generator of ``seed``, after making everything random in the process start from it.

    seed     0..2**32-1; seeds Python's, NumPy's and torch's global generators
    threads  threads of torch's operators, at least 1; when None, the environment variable
             NNCOURSE_THREADS, else 1

    One thread is the default on purpose: the networks of the course are small, and on a machine
    that does other work too, two threads that wait for each other can be ten times slower than
    one. The number of threads also decides the order of floating-point sums, so two runs are equal
    bit by bit only with the same number. Operators of torch without a deterministic form raise.

    >>> float(reproducible(0).random()) == float(reproducible(0).random())
    True
    """
    import torch

    if (
        isinstance(seed, bool)
        or not isinstance(seed, int | np.integer)
        or not 0 <= seed <= MAX_SEED
    ):
        raise ValueError(f"seed is a whole number in 0..{MAX_SEED}, got {seed!r}. Try 0.")
    seed = int(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # lets cuBLAS be deterministic
    torch.set_num_threads(num_threads() if threads is None else _checked(threads, "threads"))
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  libraries that draw from the global generator
    return np.random.default_rng(seed)


def num_threads() -> int:
    """Threads that the environment variable NNCOURSE_THREADS asks for; 1 when it is not set."""
    text = os.environ.get("NNCOURSE_THREADS", "1")
    return _checked(int(text) if text.isascii() and text.isdigit() else text, "NNCOURSE_THREADS")


def _checked(threads: object, name: str) -> int:
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(f"{name} is a whole number of at least 1, got {threads!r}. Try 1.")
    return threads
