"""Which parts of a model int8 harms, and which of them stay float so that the model says what it said.

In:  a float model, examples, and how far its outputs may be off.
Out: `Sensitivity`: the error that each part makes when it alone is int8, that of all together, and the parts that are
     better left float.
int8 is simulated (`simulated`), so the choice holds for every runtime; each artifact is checked as it is.

Errors of different parts hardly depend on each other, so their squares add up; a part is as good to keep as the square
of its error is large for the bytes that float takes more. Of a linear layer the time goes with the bytes, too. The idea
of choosing precision by measured sensitivity is that of Dong et al. 2019 (HAWQ), who measure curvature; a model this
small can be asked itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from toolchain.errors import UnknownNameError
from toolchain.quantize.calibration import DEFAULT, Calibration
from toolchain.quantize.simulated import TINY, Model, Part, as_int8, parts_of, ranges_of

SAVED_BYTES = 3  # of the four that a number takes in float


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A part: its place in the model, how many bytes float takes more, and its error as int8 alone."""

    name: str
    float_bytes: int
    error: float


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What int8 does to a model's outputs; errors are root mean squares, as shares of the outputs'.

    `error` is with everything in int8, `left` with `kept_float` in float; `parts` come with the worst first.
    """

    parts: tuple[Judged, ...]
    error: float
    kept_float: tuple[str, ...]
    left: float

    def document(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return {
            "parts": [vars(part) for part in self.parts],
            "error": self.error,
            "kept_float": list(self.kept_float),
            "left": self.left,
        }


def checked(model: nn.Module, names: Sequence[str]) -> dict[str, Part]:
    """All parts, if these names are of some. Raises `UnknownNameError` for one that is not."""
    parts = parts_of(model)
    for name in names:
        if name not in parts:
            raise UnknownNameError("part of the model", name, tuple(parts))
    return parts


def sensitivity(
    model: Model,
    run: Callable[[Model], Tensor],
    *,
    limit: float | None,
    static: bool = False,
    calibration: Calibration = DEFAULT,
    kept_float: Sequence[str] = (),
    told: Callable[[int, int], None] | None = None,
) -> Sensitivity:
    """Measure each part of `model`, and choose what stays float so that the error is within `limit`.

    `run` gives a model's outputs for the examples, (examples, outputs), of which `static` scales are made, too, by
    the `calibration`. The
    parts named in `kept_float` stay float in any case; without a limit no others do. `told` hears (models run, at least
    so many). The model stays as it was. Raises `UnknownNameError` for a name that is no part's.
    """
    parts = checked(model, kept_float)
    trial = copy.deepcopy(model).eval()
    wanted = run(trial)
    ranges = ranges_of(trial, run, calibration=calibration) if static else None
    seen = 0

    def error_of(names: Sequence[str]) -> float:
        nonlocal seen
        with as_int8(trial, names, ranges=ranges):
            found = run(trial)
        seen += 1
        if told:
            told(seen, max(len(parts) + 2, seen))
        return float((found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt().clamp_min(TINY))

    measured = [
        Judged(name=name, float_bytes=SAVED_BYTES * part.weight.numel(), error=error_of([name]))
        for name, part in parts.items()
    ]
    whole = error_of(list(parts))
    kept = list(kept_float)
    left = error_of([name for name in parts if name not in kept]) if kept else whole
    if limit is not None:
        kept, left = _within(limit, measured, kept, left, error_of)
    return Sensitivity(
        parts=tuple(sorted(measured, key=lambda part: part.error, reverse=True)),
        error=whole,
        kept_float=tuple(name for name in parts if name in kept),
        left=left,
    )


def _within(
    limit: float,
    parts: Sequence[Judged],
    kept: list[str],
    left: float,
    error_of: Callable[[Sequence[str]], float],
) -> tuple[list[str], float]:
    """Keep one part after another float until the error is within the limit; then those go that were not needed."""
    asked = list(kept)
    for part in sorted(parts, key=lambda part: part.error**2 / part.float_bytes, reverse=True):
        if left <= limit:
            break
        if part.name not in kept:
            kept = [*kept, part.name]
            left = error_of([each.name for each in parts if each.name not in kept])
    # What was kept before the worst came may not have been needed; the last one was.
    for name in kept[len(asked) : -1]:
        fewer = [each for each in kept if each != name]
        without = error_of([each.name for each in parts if each.name not in fewer])
        if without <= limit:
            kept, left = fewer, without
    return kept, left
