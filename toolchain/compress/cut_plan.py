"""How many units a cut leaves, planned before it is known which: what a prediction rests on, and what `prune` executes.

In:  a transformer's shape, and the sizes that are asked for or what layers may cost; importance where it was measured.
Out: `CutPlan`: the layers that stay, how many heads, channels of a head and neurons each keeps, and the stream's width.
Where layers compete by an importance that nobody has measured yet, equal layers are assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from edgewright.compress.cost_limits import CostLimit, layers_cost
from edgewright.compress.gradual_cut import between, evenly_or_named, nested
from edgewright.compress.importance_scores import Importance
from edgewright.compress.unit_counts import (
    PruneSizes,
    equal_counts,
    global_counts,
    rounded,
    scaled_counts,
    uniform_counts,
)
from edgewright.errors import InputError
from edgewright.models.decoder_shape import DecoderShape
from edgewright.models.transformer_shape import LayerShape, TransformerShape
from edgewright.specs.recipe import Prune

AnyShape = TypeVar("AnyShape", bound=TransformerShape)
SHARES = tuple(step / 32 for step in range(32, 0, -1))


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """What one layer keeps: its place in the model that is cut, and how many of each kind."""

    layer: int
    heads: int
    head_width: int
    neurons: int


@dataclass(frozen=True, kw_only=True)
class CutPlan:
    """What a model keeps: of which layers how much, and how many dimensions of the residual stream."""

    layers: tuple[LayerPlan, ...]
    width: int

    def of(self, shape: AnyShape) -> AnyShape:
        """The shape of what the cut leaves of a model of this shape."""
        layers = tuple(
            shape.layers[each.layer].kept(
                heads=range(each.heads), neurons=each.neurons, head_width=each.head_width if each.heads else None
            )
            for each in self.layers
        )
        return replace(shape, layers=layers, width=self.width)


def cut_plan(shape: TransformerShape, sizes: PruneSizes, importance: Importance | None = None) -> CutPlan:
    """The counts that `sizes` ask for, rounded as they say.

    Without `importance` layers that compete are taken to keep alike. Raises `InputError`, naming the recipe's setting,
    when more is asked for than there is.
    """
    sizes.require_within(shape)
    layers = _layers(shape, sizes, importance)
    if sizes.ranking == "uniform" and sizes.share is None:
        counts = uniform_counts(shape, sizes, layers)
    elif importance is None:
        counts = equal_counts(shape, sizes, layers)
    else:
        counts = global_counts(shape, importance, sizes, layers)
    plans = tuple(
        LayerPlan(
            layer=index,
            heads=heads,
            head_width=rounded(sizes.head_width, shape.layers[index].head_width, sizes.multiple),
            neurons=neurons,
        )
        for index, (heads, neurons) in zip(layers, counts, strict=True)
    )
    return CutPlan(layers=plans, width=rounded(sizes.width, shape.width, sizes.multiple))


def plan_within(shape: TransformerShape, limit: CostLimit, *, layers: int | None = None) -> CutPlan:
    """The largest equal share of each layer that keeps the limit, with at most so many layers; else the smallest.

    A search (`search`) keeps the same limit, by errors that are not known before a model is run.
    """
    available = len(shape.layers)
    places = evenly_or_named(available if layers is None else min(layers, available), available)

    def shared(share: float) -> CutPlan:
        return CutPlan(layers=tuple(_scaled(place, shape.layers[place], share) for place in places), width=shape.width)

    plans: Iterator[CutPlan] = (shared(share) for share in SHARES)
    fitting = (plan for plan in plans if layers_cost(limit.costs, plan.of(shape).layers) <= limit.budget)
    return next(fitting, shared(SHARES[-1]))


@dataclass(frozen=True, kw_only=True)
class GroupPlan:
    """What one layer of a decoder keeps: its place in the model that is cut, and how many of each kind."""

    layer: int
    groups: int
    neurons: int


@dataclass(frozen=True, kw_only=True)
class DecoderCutPlan:
    """What a decoder keeps: of which layers how much, and how many dimensions of the residual stream."""

    layers: tuple[GroupPlan, ...]
    width: int

    def of(self, shape: DecoderShape) -> DecoderShape:
        """The shape of what the cut leaves of a decoder of this shape."""
        layers = tuple(shape.layers[each.layer].kept(groups=each.groups, neurons=each.neurons) for each in self.layers)
        return replace(shape, layers=layers).narrowed(self.width)


def decoder_cut_plan(
    shape: DecoderShape,
    settings: Prune,
    *,
    multiple: int,
    step: int | None = None,
    teacher_layers: int | None = None,
    ranked: Callable[[int], Sequence[int]] | None = None,
) -> DecoderCutPlan:
    """The counts that a recipe's `settings` ask for, after a `step` of a gradual cut, or None after all of them.

    `shape` is what the step before left of a teacher of `teacher_layers`, among which layers are named. `ranked`
    chooses so many layers by what leaving them out costs; where nobody has measured that, they are spread evenly.
    Raises `InputError` for sizes or ways that decoders have not.
    """
    require_of_decoders(settings, shape, teacher_layers=teacher_layers)
    end = 1.0 if step is None else (step + 1) / settings.steps
    if isinstance(settings.layers, tuple) and step is not None:
        ends = [each / settings.steps for each in range(1, settings.steps + 1)]
        places = nested(teacher_layers or len(shape.layers), settings.layers, ends)[step]
    else:
        places = _decoder_layers(len(shape.layers), settings.layers, end, ranked)
    heads = between(shape.heads, settings.heads, end)
    plans = []
    for place in places:
        layer = shape.layers[place]
        groups = layer.groups if heads is None else min(layer.groups, -(-heads // shape.queries))
        neurons = rounded(between(layer.neurons, settings.neurons, end), layer.neurons, multiple)
        plans.append(GroupPlan(layer=place, groups=groups, neurons=neurons))
    return DecoderCutPlan(
        layers=tuple(plans), width=rounded(between(shape.width, settings.width, end), shape.width, multiple)
    )


def _decoder_layers(
    available: int,
    asked: int | tuple[int, ...] | None,
    end: float,
    ranked: Callable[[int], Sequence[int]] | None,
) -> tuple[int, ...]:
    """Which layers stay: those that are named, or so many of them."""
    if isinstance(asked, tuple):
        return asked
    count = between(available, asked, end)
    if count is None or count >= available:
        return tuple(range(available))
    return tuple(ranked(count)) if ranked else evenly_or_named(count, available)


def require_of_decoders(settings: Prune, shape: DecoderShape, *, teacher_layers: int | None = None) -> None:
    """Raise `InputError`, naming the recipe's setting, for sizes or ways that decoders of this shape have not.

    In a gradual cut layers are named among the `teacher_layers`, of which the shape may have fewer by now.
    """
    if settings.keep_macs is not None:
        raise InputError("prune.keep_macs is not for decoders; name prune.layers, prune.heads, neurons or width")
    if settings.importance not in ("activation",):
        raise InputError(
            f'prune.importance = "{settings.importance}" is not for decoders, whose parts are ranked by "activation"'
        )
    if settings.ranking != "uniform":
        raise InputError('prune.ranking = "global" is not for decoders, whose layers keep equally much')
    if settings.heads is not None and settings.heads % shape.queries:
        raise InputError(
            f"stages.prune.heads is {settings.heads}, but {shape.queries} query heads of this model share a key/value "
            f"head and go together; choose a multiple of {shape.queries}"
        )
    for name, asked, has in (
        ("layers", settings.layers if isinstance(settings.layers, int) else None, len(shape.layers)),
        ("heads", settings.heads, shape.heads),
        ("neurons", settings.neurons, max((layer.neurons for layer in shape.layers), default=0)),
        ("width", settings.width, shape.width),
    ):
        if asked is not None and settings.steps == 1 and asked > has:
            raise InputError(f"stages.prune.{name} asks for {asked}, but the model has {has}; lower it")
    last = (teacher_layers or len(shape.layers)) - 1
    if isinstance(settings.layers, tuple) and settings.layers[-1] > last:
        raise InputError(
            f"stages.prune.layers names layer {settings.layers[-1]}, but the last one is {last}; "
            f"choose from 0 to {last}"
        )


def largest(scores: Tensor, count: int) -> tuple[int, ...]:
    """The places of so many of the greatest scores, in rising order."""
    return tuple(sorted(scores.topk(count).indices.tolist()))


def _scaled(place: int, layer: LayerShape, share: float) -> LayerPlan:
    heads, neurons = scaled_counts(layer, share)
    return LayerPlan(layer=place, heads=heads, head_width=layer.head_width, neurons=neurons)


def _layers(shape: TransformerShape, sizes: PruneSizes, importance: Importance | None) -> tuple[int, ...]:
    if sizes.layers is None:
        return tuple(range(len(shape.layers)))
    if isinstance(sizes.layers, int) and sizes.layers_by == "importance" and importance is not None:
        return largest(torch.stack([layer.layer for layer in importance.layers]), sizes.layers)
    return evenly_or_named(sizes.layers, len(shape.layers))
