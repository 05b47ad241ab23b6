"""Which parts of a model int8 harms, and which of them stay float so that the model says what it said.

In:  a float model, examples, and how far its outputs may be off.
Out: `Sensitivity`: the error that each part makes when it alone is int8, that of all together, and the parts that are
     better left float.
int8 is simulated here as the runtimes do it: linear layers with weights scaled per output channel and activations per
token as they come, tables scaled per row. So the choice holds for every runtime; each artifact is checked as it is.

Errors of different parts hardly depend on each other, so their squares add up; a part is as good to keep as the square
of its error is large for the bytes that float takes more. Of a linear layer the time goes with the bytes, too. The idea
of choosing precision by measured sensitivity is that of Dong et al. 2019 (HAWQ), who measure curvature; a model this
small can be asked itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor, nn

from toolchain.errors import UnknownNameError

LARGEST = 127
STEPS = 255
SAVED_BYTES = 3  # of the four that a number takes in float
TINY = 1e-12
Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A linear layer or a table: its place in the model, what float takes more, and its error as int8 alone."""

    name: str
    float_bytes: int
    error: float


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What int8 does to a model's outputs; errors are root mean squares, as shares of the outputs'.

    `error` is with everything in int8, `left` with `kept_float` in float; `parts` come with the worst first.
    """

    parts: tuple[Part, ...]
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


def parts_of(model: nn.Module) -> dict[str, nn.Linear | nn.Embedding]:
    """All that int8 makes smaller, by its place in the model."""
    return {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear | nn.Embedding)}


def checked(model: nn.Module, names: Sequence[str]) -> dict[str, nn.Linear | nn.Embedding]:
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
    kept_float: Sequence[str] = (),
    told: Callable[[int, int], None] | None = None,
) -> Sensitivity:
    """Measure each part of `model`, and choose what stays float so that the error is within `limit`.

    `run` gives a model's outputs for the examples, (examples, outputs). The parts named in `kept_float` stay float in
    any case; without a limit no others do. `told` hears (models run, at least so many). The model stays as it was.
    Raises `UnknownNameError` for a name that is no part's.
    """
    parts = checked(model, kept_float)
    trial = copy.deepcopy(model).eval()
    wanted = run(trial)
    seen = 0

    def error_of(names: Sequence[str]) -> float:
        nonlocal seen
        with as_int8(trial, names):
            found = run(trial)
        seen += 1
        if told:
            told(seen, max(len(parts) + 2, seen))
        return float((found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt().clamp_min(TINY))

    measured = [
        Part(name=name, float_bytes=SAVED_BYTES * part.weight.numel(), error=error_of([name]))
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
    parts: Sequence[Part],
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


@contextmanager
def as_int8(model: nn.Module, names: Sequence[str]) -> Iterator[None]:
    """Within it these parts of `model` compute as int8 does."""
    parts = parts_of(model)
    originals = {name: parts[name] for name in names}
    try:
        for name, part in originals.items():
            model.set_submodule(name, _Int8Table(part) if isinstance(part, nn.Embedding) else _Int8Linear(part))
        yield
    finally:
        for name, part in originals.items():
            model.set_submodule(name, part)


class _Int8Linear(nn.Module):
    """A linear layer with rounded weights, whose inputs are rounded as they come."""

    def __init__(self, whole: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = rounded_rows(whole.weight.detach()), whole.bias

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, inputs) → (…, outputs)."""
        return nn.functional.linear(rounded_tokens(hidden), self.weight, self.bias)


class _Int8Table(nn.Module):
    """A table of rounded rows."""

    def __init__(self, whole: nn.Embedding) -> None:
        super().__init__()
        self.weight = rounded_rows(whole.weight.detach())

    def forward(self, ids: Tensor) -> Tensor:
        """(…,) ids → (…, width)."""
        return nn.functional.embedding(ids, self.weight)


def rounded_rows(weights: Tensor) -> Tensor:
    """Weights (rows, n) as int8 has them: whole multiples of a 127th of each row's largest."""
    scales = weights.abs().amax(dim=-1, keepdim=True).clamp_min(TINY) / LARGEST
    return (weights / scales).round() * scales


def rounded_tokens(hidden: Tensor) -> Tensor:
    """Activations (…, n) as runtimes round them: to 256 steps from a token's smallest to its largest, 0 among them."""
    low, high = hidden.amin(dim=-1, keepdim=True).clamp_max(0), hidden.amax(dim=-1, keepdim=True).clamp_min(0)
    scale = ((high - low) / STEPS).clamp_min(TINY)
    zero = (-low / scale).round()
    return ((hidden / scale).round().add(zero).clamp(0, STEPS) - zero) * scale
