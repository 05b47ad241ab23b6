"""Which parts of a model int8 harms, and which of them stay float so that the model says what it said.

In:  a float model, examples, and how far its outputs may be off.
Out: `Sensitivity`: the error that each part makes when it alone is int8, that of all together, and the parts that are
     better left float; or which linear layers bear int4, the others being int8. On request the same of a score.
int8 is simulated (`simulated`), so the choice holds for every runtime; each artifact is checked as it is.

Errors of different parts hardly depend on each other, so their squares add up; a part is as good to keep as the square
of its error is large for what float costs: its share of all bytes that float takes more and, where that is known of the
device, of all time. The idea of choosing precision by measured sensitivity is that of Dong et al. 2019 (HAWQ), who
measure curvature; a model this small can be asked itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from edgewright.errors import UnknownNameError
from edgewright.quantize.ranges import DEFAULT, Calibration, Range
from edgewright.quantize.simulated import TINY, Model, Part, as_int8, linear_parts, parts_of, ranges_of

SAVED_BYTES = 3  # of the four that a number takes in float
INT4_SAVED_BYTES = 0.5  # of the one it takes in int8


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A part: its place in the model, how many bytes a wider format takes more, and its harm in the narrower alone.

    `float_ms` is how much more time the wider one takes on the device, where that is known.
    """

    name: str
    float_bytes: float
    error: float
    points: float | None = None
    float_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Harm:
    """What narrower formats do: the outputs' error, and the points of the score that are lost, where one is asked."""

    error: float
    points: float | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much harm is borne; None is any."""

    error: float | None
    points: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.error is not None or self.points is not None

    def bear(self, harm: Harm) -> bool:
        """Whether so much is within them."""
        within = self.error is None or harm.error <= self.error
        return within and (self.points is None or harm.points is None or harm.points <= self.points)


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What int8 does to a model's outputs; errors are root mean squares, as shares of the outputs'.

    `error` is with everything in int8, `left` with `kept_float` in float and `int4` in int4; `parts` come with the
    worst first, `int4_parts` too, which are judged where int4 is asked for. The points are those of a score that are
    lost, in hundredths of what the score is at best; None where no score was asked.
    """

    parts: tuple[Judged, ...]
    error: float
    kept_float: tuple[str, ...]
    left: float
    int4: tuple[str, ...] = ()
    int4_parts: tuple[Judged, ...] = ()
    points: float | None = None
    left_points: float | None = None

    def document(self) -> dict[str, object]:
        """As it stands in a manifest."""
        return {
            "parts": [vars(part) for part in self.parts],
            "error": self.error,
            "kept_float": list(self.kept_float),
            "left": self.left,
            "int4": list(self.int4),
            "int4_parts": [vars(part) for part in self.int4_parts],
            "points": self.points,
            "left_points": self.left_points,
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
    limits: Limits,
    score: Callable[[Model], float] | None = None,
    static: bool = False,
    calibration: Calibration = DEFAULT,
    kept_float: Sequence[str] = (),
    int4: bool = False,
    float_ms: Mapping[str, float] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Sensitivity:
    """Measure each part of `model`, and choose what stays float so that the harm is within the `limits`.

    `run` gives a model's outputs for the examples, (examples, outputs), of which `static` scales are made, too, by the
    `calibration`. A `score`, from 0 to 1, is asked as often, where it is given. The parts named in `kept_float` stay
    float in any case; without a limit no others do. `float_ms` says how much longer each part takes in float on the
    device. With `int4` linear layers that are not float get such weights, as many as the limits allow. `on_progress`
    hears (models run, at least so many). The model stays as it was.
    Raises `UnknownNameError` for a name that is no part's.
    """
    parts = checked(model, kept_float)
    narrow = linear_parts(model) if int4 else ()
    trial = copy.deepcopy(model).eval()
    ranges = ranges_of(trial, run, calibration=calibration) if static else None
    ask = _Asked(trial, run, score, ranges, on_progress, least=len(parts) + 2 + len(narrow) + int4)

    def judged(name: str, saved_bytes: float, harm: Harm, slower_ms: float = 0.0) -> Judged:
        saved = saved_bytes * parts[name].weight.numel()
        return Judged(name=name, float_bytes=saved, error=harm.error, points=harm.points, float_ms=slower_ms)

    measured = [judged(name, SAVED_BYTES, ask([name]), (float_ms or {}).get(name, 0.0)) for name in parts]
    whole = ask(list(parts))
    kept = list(kept_float)
    left = ask([name for name in parts if name not in kept]) if kept else whole
    if limits.any:
        kept, left = _within(limits, measured, kept, left, ask)
    narrow = tuple(name for name in narrow if name not in kept)
    judged_int4: list[Judged] = []
    if narrow:
        rounded = [name for name in parts if name not in kept]
        judged_int4 = [judged(name, INT4_SAVED_BYTES, ask([name], [name])) for name in narrow]
        wide, left = list[str](), ask(rounded, narrow)
        if limits.any:
            wide, left = _within(limits, judged_int4, wide, left, lambda names: ask(rounded, names))
        narrow = tuple(name for name in narrow if name not in wide)
    return Sensitivity(
        parts=_worst_first(measured),
        error=whole.error,
        kept_float=tuple(name for name in parts if name in kept),
        left=left.error,
        int4=narrow,
        int4_parts=_worst_first(judged_int4),
        points=whole.points,
        left_points=left.points,
    )


class _Asked:
    """Says what harm it does that parts of a model are int8, and some of them int4."""

    def __init__(
        self,
        trial: Model,
        run: Callable[[Model], Tensor],
        score: Callable[[Model], float] | None,
        ranges: Mapping[str, Range] | None,
        on_progress: Callable[[int, int], None] | None,
        *,
        least: int,
    ) -> None:
        self._trial, self._ranges = trial, ranges
        self._run = partial(run, trial)
        self._score = None if score is None else partial(score, trial)
        self._on_progress, self._seen, self._least = on_progress, 0, least
        self._outputs = self._run()
        self._best = None if self._score is None else self._score()

    def __call__(self, names: Sequence[str], int4: Sequence[str] = ()) -> Harm:
        with as_int8(self._trial, names, ranges=self._ranges, int4=int4):
            found = self._run()
            reached = None if self._score is None else self._score()
        self._seen += 1
        if self._on_progress:
            self._on_progress(self._seen, max(self._least, self._seen))
        wanted = self._outputs
        error = (found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt().clamp_min(TINY)
        points = None if self._best is None or reached is None else 100 * (self._best - reached)
        return Harm(error=float(error), points=points)


def _worst_first(judged: Sequence[Judged]) -> tuple[Judged, ...]:
    return tuple(sorted(judged, key=lambda part: part.error, reverse=True))


def _within(
    limits: Limits,
    parts: Sequence[Judged],
    kept: list[str],
    left: Harm,
    harm_of: Callable[[Sequence[str]], Harm],
) -> tuple[list[str], Harm]:
    """Keep one part after another wide until the limits bear the harm; then those go that were not needed."""
    asked = list(kept)
    all_bytes, all_ms = sum(part.float_bytes for part in parts), sum(part.float_ms for part in parts)

    def worth(part: Judged) -> float:
        cost = part.float_bytes / all_bytes + (part.float_ms / all_ms if all_ms else 0.0)
        return part.error**2 / cost

    for part in sorted(parts, key=worth, reverse=True):
        if limits.bear(left):
            break
        if part.name not in kept:
            kept = [*kept, part.name]
            left = harm_of([each.name for each in parts if each.name not in kept])
    # What was kept before the worst came may not have been needed; the last one was.
    for name in kept[len(asked) : -1]:
        fewer = [each for each in kept if each != name]
        without = harm_of([each.name for each in parts if each.name not in fewer])
        if limits.bear(without):
            kept, left = fewer, without
    return kept, left
