"""Remove layers, attention heads, their channels, neurons and residual dimensions, so that tensors become smaller.

In:  a float model of any transformer family, its `Importance`, and `PruneSizes`: how much of it is to stay.
Out: `Pruned`: a smaller float model of the same family, and what each of its layers kept.
What matters is `importance`'s decision; winning accuracy back is `distill`'s concern; number formats are `quantize`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edgewright.compress.gradual_cut import between, evenly_or_named, full_counts, nested
from edgewright.compress.importance_scores import Importance, LayerImportance
from edgewright.compress.unit_counts import PruneSizes, global_counts, rounded, uniform_counts
from edgewright.errors import InputError
from edgewright.models.model import TransformerModel
from edgewright.models.transformer_shape import LayerCut, LayerShape, TransformerShape


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """The student before training, in evaluation mode; `width` are the residual dimensions it kept, None for all."""

    model: TransformerModel
    cuts: tuple[LayerCut, ...]
    width: tuple[int, ...] | None


def prune(model: TransformerModel, importance: Importance, settings: PruneSizes) -> Pruned:
    """A new model that keeps what `settings` ask for, of each kind the most important; `model` stays as it is.

    Raises `InputError`, naming the recipe's setting, when more is asked for than there is, and when the importance is
    of a model of another shape.
    """
    shape = model.encoder.shape
    _check(shape, settings)
    _check_importance(shape, importance)
    layers = _layers(shape, settings, importance)
    counts = uniform_counts if settings.ranking == "uniform" and settings.share is None else global_counts
    cuts = [
        _cut(index, shape.layers[index], importance.layers[index], settings, heads=heads, neurons=neurons)
        for index, (heads, neurons) in zip(layers, counts(shape, importance, settings, layers), strict=True)
    ]
    width = None
    if (kept := rounded(settings.width, shape.width, settings.multiple)) < shape.width:
        width = _largest(importance.width, kept)
    with torch.random.fork_rng(devices=[]):  # a new module draws weights, only to be filled with others
        encoder = model.encoder.sliced(cuts, width=width)
        head = deepcopy(model.head) if width is None else model.head.sliced(width, shape.width)
    return Pruned(model=TransformerModel(encoder, head).eval(), cuts=tuple(cuts), width=width)


def steps(shape: TransformerShape, settings: PruneSizes, count: int) -> list[PruneSizes]:
    """The way from a model of this `shape` to the goal in `count` steps, each leaving the same share of each size.

    Each step is for the model that the step before left, with its importance measured anew; the last is the goal.
    Layers that are spread or named are settled here, so that they are those of one single cut. A `share` is of what
    the step before left, so that rounding up to the multiple may add up to a little more than the goal. Raises
    `InputError` as `prune` does.
    """
    if count < 1:
        raise InputError(f"stages.prune.steps asks for {count} steps; choose at least 1")
    _check(shape, settings)
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


def _check(shape: TransformerShape, settings: PruneSizes) -> None:
    """Refuse what cannot be, with the recipe's name of it and both numbers."""
    available = len(shape.layers)
    if isinstance(settings.layers, int):
        _check_count("layers", settings.layers, available, least=1)
    elif settings.layers is not None:
        if missing := [index for index in settings.layers if not 0 <= index < available]:
            raise InputError(
                f"stages.prune.layers names layer {missing[0]}, but the teacher has {available}, counted from 0; "
                f"choose from 0 to {available - 1}"
            )
        if not settings.layers or list(settings.layers) != sorted(set(settings.layers)):
            raise InputError(
                f"stages.prune.layers names {list(settings.layers)}; name at least one, each once, in rising order"
            )
    _check_count("heads", settings.heads, max((layer.heads for layer in shape.layers), default=0))
    _check_count("neurons", settings.neurons, max((layer.neurons for layer in shape.layers), default=0))
    _check_count(
        "head_width", settings.head_width, max((layer.head_width for layer in shape.layers), default=0), least=1
    )
    _check_count("width", settings.width, shape.width, least=1)
    shape.require_whole_heads(settings.head_width)
    if settings.share is None:
        return
    if not 0 < settings.share <= 1:
        raise InputError(f"stages.prune.keep_macs is {settings.share:g}; choose more than 0 and at most 1")
    if settings.heads is not None or settings.neurons is not None:
        raise InputError("stages.prune.keep_macs stands in place of stages.prune.heads and neurons; give it or them")


def _check_count(what: str, count: int | None, available: int, least: int = 0) -> None:
    if count is not None and count > available:
        raise InputError(f"stages.prune.{what} asks for {count}, but the teacher has {available}; choose at most that")
    if count is not None and count < least:
        raise InputError(f"stages.prune.{what} asks for {count}; choose at least {least}")


def _check_importance(shape: TransformerShape, importance: Importance) -> None:
    sizes = [(layer.heads, layer.head_width, layer.neurons) for layer in shape.layers]
    scored = [(*layer.value.shape, len(layer.neurons)) for layer in importance.layers]
    if sizes != scored or shape.width != len(importance.width):
        raise InputError(
            f"the importance is of a model with {len(scored)} layers of (heads, head width, neurons) {scored} and "
            f"width {len(importance.width)}, this model has {len(sizes)} of {sizes} and {shape.width}; measure it anew"
        )


def _layers(shape: TransformerShape, settings: PruneSizes, importance: Importance) -> tuple[int, ...]:
    if settings.layers is None:
        return tuple(range(len(shape.layers)))
    if isinstance(settings.layers, int) and settings.layers_by == "importance":
        return _largest(torch.stack([layer.layer for layer in importance.layers]), settings.layers)
    return evenly_or_named(settings.layers, len(shape.layers))


def _cut(
    index: int, shape: LayerShape, scores: LayerImportance, settings: PruneSizes, *, heads: int, neurons: int
) -> LayerCut:
    kept = _largest(scores.heads, heads)
    channels = rounded(settings.head_width, shape.head_width, settings.multiple)
    narrower = kept and channels < shape.head_width
    return LayerCut(
        layer=index,
        heads=kept,
        neurons=_largest(scores.neurons, neurons),
        query_key=tuple(_largest(scores.query_key[head], channels) for head in kept) if narrower else None,
        value=tuple(_largest(scores.value[head], channels) for head in kept) if narrower else None,
    )


def _largest(scores: Tensor, count: int) -> tuple[int, ...]:
    return tuple(sorted(scores.topk(count).indices.tolist()))
