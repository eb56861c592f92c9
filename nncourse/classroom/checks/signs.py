"""Two and three levels: the sign with its best scale, and the sign with a zero between. Two tasks.

Every sentence completes "A right answer ...". Sources: M. Rastegari et al., XNOR-Net, ECCV 2016,
section 3.1; F. Li, B. Zhang, B. Liu, Ternary weight networks, arXiv:1605.04711, section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nncourse.classroom.lab import task
from nncourse.classroom.outcome import Outcome, Student, is_close, trial

RTOL = 1e-5


@task(points=2)
def binarize(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Codes -1 and +1, with 0 as +1, and the mean size: of each output's weights, or of all."""

    def attempt(sentence: str, weight: Any, per_output: bool) -> Outcome:
        size = np.abs(weight.reshape(len(weight), -1)).astype(np.float64)
        scale = size.mean(axis=1) if per_output else size.mean()
        return trial(
            sentence,
            student,
            weight,
            per_output,
            expected=f"signs, 0 as +1, and scale {_few(np.atleast_1d(scale))}",
            agrees=_pair_is(np.where(weight >= 0, 1, -1), scale),
        )

    core = "gives the sign of each weight and the mean size of all of them"
    for shape in ((1, 2), (2, 3), (8, 30)):
        weight = _normal(rng, shape)
        weight[0, 0], weight[-1, -1] = -0.3, 0.7
        yield attempt(core, weight, False)
    for shape in ((2, 2), (3, 4), (8, 30)):
        yield attempt(
            "gives each output the mean size of its own weights", _normal(rng, shape), True
        )
    for zero in (0.0, -0.0):
        yield attempt("counts 0 as positive", np.array([[zero, -0.5, 1.0]], np.float32), False)
    for filters in ((2, 1, 3, 3), (4, 3, 5, 5)):
        for per_output in (False, True):
            yield attempt("takes the filters of a convolution", _normal(rng, filters), per_output)
    yield attempt("gives zeros the scale 0", np.zeros((2, 3), np.float32), True)
    weight = _normal(rng, (3, 4))
    for per_output, scales in ((False, "a NumPy float32"), (True, "a float32 array of shape (3,)")):
        yield trial(
            "gives integer codes and float32 scales",
            student,
            weight,
            per_output,
            expected=f"(an integer array of the shape of weight, {scales})",
            agrees=_has_types(weight.shape, (3,) if per_output else ()),
        )


@task(points=2)
def ternarize(student: Student, rng: np.random.Generator) -> Iterator[Outcome]:
    """Codes -1, 0, +1 by the threshold factor * mean|w|, and the mean size of those kept."""

    def attempt(sentence: str, weight: Any, factor: float, *, scale_counts: bool = True) -> Outcome:
        codes = _ternary(weight, factor)
        kept = np.abs(weight.astype(np.float64))[codes != 0]
        scale = float(kept.mean()) if kept.size else 1.0
        shown = ", ".join(map(str, codes.ravel()[:8])) + (", ..." if codes.size > 8 else "")
        return trial(
            sentence,
            student,
            weight,
            factor,
            expected=f"codes {shown}" + (f" and the scale {scale:.6g}" if scale_counts else ""),
            agrees=_pair_is(codes, scale if scale_counts else None),
        )

    core = "keeps the sign of weights above the threshold and makes the others 0"
    for size in (4, 10, 300):
        yield attempt(core, _clear_of_threshold(rng, (size,), 0.7), 0.7, scale_counts=False)
    for size in (4, 10, 300):
        weight = _clear_of_threshold(rng, (size,), 0.7)
        yield attempt("scales by the mean size of the weights that are kept", weight, 0.7)
    for factor in (0.5, 1.1):
        weight = _clear_of_threshold(rng, (3, 20), factor)
        yield attempt("uses the factor that it is given", weight, factor)
    for value in (0.4, -2.0):
        yield attempt("keeps a constant exactly", np.full(5, value, np.float32), 0.7)
    yield attempt("gives zeros the codes 0 and the scale 1", np.zeros((2, 3), np.float32), 0.7)
    for filters in ((2, 1, 3, 3), (4, 3, 5, 5)):
        weight = _clear_of_threshold(rng, filters, 0.7)
        yield attempt("takes a tensor of any shape and gives one scale", weight, 0.7)
    weight = _normal(rng, (3, 4))
    yield trial(
        "gives integer codes and a NumPy float32",
        student,
        weight,
        0.7,
        expected="(an integer array of the shape of weight, a NumPy float32)",
        agrees=_has_types(weight.shape, ()),
    )


def _ternary(weight: Any, factor: float) -> Any:
    size = np.abs(weight.astype(np.float64))
    return np.where(size > factor * size.mean(), np.sign(weight), 0).astype(np.int64)


def _clear_of_threshold(rng: np.random.Generator, shape: tuple[int, ...], factor: float) -> Any:
    """Normal weights with all three codes, none so near the threshold that float32 decides."""
    while True:
        weight = _normal(rng, shape)
        size = np.abs(weight.astype(np.float64))
        near = np.abs(size - factor * size.mean()) < 1e-4 * size.mean()
        if not near.any() and set(_ternary(weight, factor).ravel()) == {-1, 0, 1}:
            return weight


def _pair_is(codes: Any, scales: Any) -> Callable[[Any], bool]:
    """Whether a value is (codes, scales); any scales will do when ``scales`` is None."""

    def agrees(got: Any) -> bool:
        return (
            _is_pair(got)
            and isinstance(got[0], np.ndarray)
            and is_close(got[0], codes, rtol=0.0)
            and (scales is None or is_close(got[1], scales, rtol=RTOL))
        )

    return agrees


def _has_types(
    codes_shape: tuple[int, ...], scales_shape: tuple[int, ...]
) -> Callable[[Any], bool]:
    """Whether a value is (signed integers, float32), of these shapes."""

    def agrees(got: Any) -> bool:
        return (
            _is_pair(got)
            and isinstance(got[0], np.ndarray)
            and got[0].dtype.kind == "i"
            and got[0].shape == codes_shape
            and isinstance(got[1], np.ndarray | np.generic)
            and got[1].dtype == np.float32
            and got[1].shape == scales_shape
        )

    return agrees


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.normal(size=shape).astype(np.float32)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2


def _few(values: Any) -> str:
    shown = ", ".join(f"{value:.6g}" for value in values[:4])
    return shown + (", ..." if len(values) > 4 else "")
