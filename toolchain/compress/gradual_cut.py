"""The way to a cut in several steps, each leaving the same share of each size.

In:  a transformer's shape and the sizes at the end.
Out: the sizes after each step; which layers stay is settled at the start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from edgewright.compress.unit_counts import PruneSizes
from edgewright.errors import InputError
from edgewright.models.transformer_shape import TransformerShape


def steps(shape: TransformerShape, settings: PruneSizes, count: int) -> list[PruneSizes]:
    """The way from a model of this `shape` to the goal in `count` steps, each leaving the same share of each size.

    Each step is for the model that the step before left, with its importance measured anew; the last is the goal.
    Layers that are spread or named are settled here, so that they are those of one single cut. A `share` is of what
    the step before left, so that rounding up to the multiple may add up to a little more than the goal. Raises
    `InputError` as `prune` does.
    """
    if count < 1:
        raise InputError(f"stages.prune.steps asks for {count} steps; choose at least 1")
    settings.require_within(shape)
    ends = [step / count for step in range(1, count + 1)]
    layers: Sequence[int | Sequence[int] | None] = [settings.layers] * count
    if isinstance(settings.layers, int) and settings.layers_by == "importance":
        layers = [between(len(shape.layers), settings.layers, end) for end in ends]
    elif settings.layers is not None:
        layers = nested(len(shape.layers), evenly_or_named(settings.layers, len(shape.layers)), ends)
    heads, neurons = full_counts(shape, settings.ranking)
    widest = max((layer.head_width for layer in shape.layers), default=0)
    return [
        replace(
            settings,
            layers=kept,
            heads=between(heads, settings.heads, end),
            neurons=between(neurons, settings.neurons, end),
            share=None if settings.share is None else settings.share ** (1 / count),
            head_width=between(widest, settings.head_width, end),
            width=between(shape.width, settings.width, end),
        )
        for kept, end in zip(layers, ends, strict=True)
    ]


def spread(count: int, available: int) -> tuple[int, ...]:
    """`count` layer indexes from the first to the last, evenly apart; the last alone when one is asked for."""
    if count == 1:
        return (available - 1,)
    return tuple(round(step * (available - 1) / (count - 1)) for step in range(count))


def evenly_or_named(layers: int | Sequence[int], available: int) -> tuple[int, ...]:
    """A count of layers spread evenly, or those that are named."""
    return spread(layers, available) if isinstance(layers, int) else tuple(layers)


def full_counts(shape: TransformerShape, ranking: str) -> tuple[int, int]:
    """What counts of heads and neurons a layer keep all."""
    heads, neurons = [layer.heads for layer in shape.layers], [layer.neurons for layer in shape.layers]
    if ranking == "global":
        return -(-sum(heads) // len(heads)), -(-sum(neurons) // len(neurons))
    return max(heads), max(neurons)


def between(available: int, goal: int | None, end: float) -> int | None:
    """The count at a part `end` of the way from the whole to the goal, on a geometric path; at 1.0 the goal."""
    if goal is None or end == 1.0:
        return goal
    start = max(available, 1)
    return max(goal, round(start * math.pow(max(goal, 1) / start, end)))


def nested(available: int, goal: Sequence[int], ends: Sequence[float]) -> list[tuple[int, ...]]:
    """The layers that each step keeps, by their index in the model that the step before left."""
    present, steps = list(range(available)), []
    for end in ends:
        extra = [layer for layer in present if layer not in goal]
        wanted = between(available, len(goal), end) or 0
        few = min(wanted - len(goal), len(extra))
        kept = sorted([*goal, *(extra[place] for place in spread(few, len(extra)))])
        steps.append(tuple(present.index(layer) for layer in kept))
        present = kept
    return steps
