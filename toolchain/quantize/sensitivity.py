"""How much int8 degrades each part of a model, and which parts are better excluded from it.

In:  a float model, examples, and how far its outputs may be off.
Out: `Sensitivity`: the error of each part when it alone is int8, that of all together, and the parts that are better
     excluded; or which linear layers tolerate narrower weights, the others being int8. On request the same of a score.
int8 is simulated (`simulated`), so the choice holds for every runtime; each artifact is checked as it is.

Errors of different parts hardly depend on each other, so their squares add up; a part is worth excluding as the square
of its error is large for what float costs: its share of all bytes that float takes more and, where that is known of the
device, of all time. The idea of choosing precision by measured sensitivity is that of Dong et al. 2019 (HAWQ), who
measure curvature; a model this small can be run instead.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from edgewright.base.progress import OnProgress
from edgewright.errors import UnknownNameError
from edgewright.quantize.ranges import DEFAULT, Calibration, Range
from edgewright.quantize.simulated import TINY, Model, Part, as_int8, linear_parts, parts_of, ranges_of

SAVED_BYTES = 3  # of the four that a number takes in float
INT8_BITS = 8


Distance = Callable[[Tensor, Tensor], float]
"""How far a model's outputs are from those of the float model, the second."""


@dataclass(frozen=True, kw_only=True)
class MeasuredPart:
    """A part: its place in the model, the bytes that the wider format takes more, and its degradation when narrow.

    `error` and `points` are those of the model with this part alone in the narrower format. `float_ms` is how much more
    time the wider one takes on the device, where that is known.
    """

    name: str
    float_bytes: float
    error: float
    points: float | None = None
    float_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """What narrower formats cost: the outputs' error, and the points of the score that are lost, where it is run."""

    error: float
    points: float | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much degradation is tolerated; None is any."""

    error: float | None
    points: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.error is not None or self.points is not None

    def tolerate(self, degradation: Degradation) -> bool:
        """Whether so much is within them."""
        within = self.error is None or degradation.error <= self.error
        return within and (self.points is None or degradation.points is None or degradation.points <= self.points)


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What int8 does to a model's outputs; errors are root mean squares, as shares of the outputs'.

    `error` is with everything in int8, `left` with the `excluded` parts in float and the weights of the `narrow` ones
    in the narrower format; `parts` come with the worst first, `narrow_parts` too, which are measured where such a
    format is wanted. The points are those of a score that are lost, in hundredths of what the score is at best; None
    where no score was computed.
    """

    parts: tuple[MeasuredPart, ...]
    error: float
    excluded: tuple[str, ...]
    left: float
    narrow: tuple[str, ...] = ()
    narrow_parts: tuple[MeasuredPart, ...] = ()
    points: float | None = None
    left_points: float | None = None

    def document(self) -> dict[str, object]:
        """As it stands in a manifest."""
        return {
            "parts": [vars(part) for part in self.parts],
            "error": self.error,
            "kept_float": list(self.excluded),
            "left": self.left,
            "int4": list(self.narrow),
            "int4_parts": [vars(part) for part in self.narrow_parts],
            "points": self.points,
            "left_points": self.left_points,
        }


def relative_error(outputs: Tensor, wanted: Tensor) -> float:
    """The root mean square of what outputs are off by, as a share of that of what they should be."""
    error = (outputs - wanted).square().mean().sqrt()
    return float(error / wanted.square().mean().sqrt().clamp_min(TINY))


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
    excluded: Sequence[str] = (),
    narrow_bits: int | None = None,
    group: int | None = None,
    float_ms: Mapping[str, float] | None = None,
    distance: Distance | None = None,
    on_progress: OnProgress | None = None,
) -> Sensitivity:
    """Measure each part of `model`, and exclude parts from int8 until the degradation is within the `limits`.

    `run` gives a model's outputs for the examples, (examples, outputs), of which `static` scales are made, too, by the
    `calibration`. How far they are off is their `relative_error`, or another `distance` from the float model's. A
    `score`, of which more is better, is computed as often, where it is given. The parts named in `excluded` stay float
    in any case; without a limit no others do. `float_ms` says how much longer each part takes in float on the device.
    With `narrow_bits` linear layers that are not float get such weights, as many as the limits allow, with a scale for
    each `group` of inputs. `on_progress` hears (models run, at least so many). The model stays as it was. Raises
    `UnknownNameError` for a name that is no part's.
    """
    parts = checked(model, excluded)
    linear = linear_parts(model) if narrow_bits else ()
    trial = copy.deepcopy(model).eval()
    ranges = ranges_of(trial, run, calibration=calibration) if static else None
    least = len(parts) + 2 + len(linear) + bool(narrow_bits)
    degradation_of = _Trials(
        trial,
        run,
        score,
        ranges=ranges,
        narrow=(narrow_bits or INT8_BITS, group),
        distance=distance or relative_error,
        on_progress=on_progress,
        least=least,
    )

    def measured(name: str, saved_bytes: float, found: Degradation, slower_ms: float = 0.0) -> MeasuredPart:
        saved = saved_bytes * parts[name].weight.numel()
        return MeasuredPart(name=name, float_bytes=saved, error=found.error, points=found.points, float_ms=slower_ms)

    alone = [measured(name, SAVED_BYTES, degradation_of([name]), (float_ms or {}).get(name, 0.0)) for name in parts]
    together = degradation_of(list(parts))
    wide = list(excluded)
    left = degradation_of([name for name in parts if name not in wide]) if wide else together
    if limits.any:
        wide, left = _within(limits, alone, wide, left, degradation_of)
    candidates = [name for name in linear if name not in wide]
    narrow_parts: list[MeasuredPart] = []
    wider: list[str] = []
    if narrow_bits and candidates:
        rounded = [name for name in parts if name not in wide]
        saved_bytes = (INT8_BITS - narrow_bits) / INT8_BITS
        narrow_parts = [measured(name, saved_bytes, degradation_of([name], [name])) for name in candidates]
        left = degradation_of(rounded, candidates)
        if limits.any:
            wider, left = _within(limits, narrow_parts, wider, left, lambda names: degradation_of(rounded, names))
    return Sensitivity(
        parts=_worst_first(alone),
        error=together.error,
        excluded=tuple(name for name in parts if name in wide),
        left=left.error,
        narrow=tuple(name for name in candidates if name not in wider),
        narrow_parts=_worst_first(narrow_parts),
        points=together.points,
        left_points=left.points,
    )


class _Trials:
    """Gives the degradation of a model whose parts are int8, and some of them narrower."""

    def __init__(
        self,
        trial: Model,
        run: Callable[[Model], Tensor],
        score: Callable[[Model], float] | None,
        *,
        ranges: Mapping[str, Range] | None,
        narrow: tuple[int, int | None],
        distance: Distance,
        on_progress: OnProgress | None,
        least: int,
    ) -> None:
        self._trial, self._ranges, self._distance = trial, ranges, distance
        self._narrow_bits, self._group = narrow
        self._run = partial(run, trial)
        self._score = None if score is None else partial(score, trial)
        self._on_progress, self._done, self._least = on_progress, 0, least
        self._outputs = self._run()
        self._best = None if self._score is None else self._score()

    def __call__(self, names: Sequence[str], narrow: Sequence[str] = ()) -> Degradation:
        weight_bits = dict.fromkeys(narrow, self._narrow_bits)
        with as_int8(self._trial, names, ranges=self._ranges, weight_bits=weight_bits, group=self._group):
            outputs = self._run()
            reached = None if self._score is None else self._score()
        self._done += 1
        if self._on_progress:
            self._on_progress(self._done, max(self._least, self._done))
        points = None if self._best is None or reached is None else 100 * (self._best - reached)
        return Degradation(error=self._distance(outputs, self._outputs), points=points)


def _worst_first(parts: Sequence[MeasuredPart]) -> tuple[MeasuredPart, ...]:
    return tuple(sorted(parts, key=lambda part: part.error, reverse=True))


def _within(
    limits: Limits,
    parts: Sequence[MeasuredPart],
    wide: list[str],
    left: Degradation,
    degradation_of: Callable[[Sequence[str]], Degradation],
) -> tuple[list[str], Degradation]:
    """Make one part after another wide until the limits tolerate the rest; those that were not needed become narrow."""
    required = list(wide)
    all_bytes, all_ms = sum(part.float_bytes for part in parts), sum(part.float_ms for part in parts)

    def worth(part: MeasuredPart) -> float:
        cost = part.float_bytes / all_bytes + (part.float_ms / all_ms if all_ms else 0.0)
        return part.error**2 / cost

    for part in sorted(parts, key=worth, reverse=True):
        if limits.tolerate(left):
            break
        if part.name not in wide:
            wide = [*wide, part.name]
            left = degradation_of([each.name for each in parts if each.name not in wide])
    # What was made wide before the worst came may not have been needed; the last one was.
    for name in wide[len(required) : -1]:
        fewer = [each for each in wide if each != name]
        without = degradation_of([each.name for each in parts if each.name not in fewer])
        if limits.tolerate(without):
            wide, left = fewer, without
    return wide, left
