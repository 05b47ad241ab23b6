"""Remove layers, attention heads, their channels, neurons and residual dimensions, so that tensors become smaller.

In:  a float model of any transformer family, its `Importance`, and `Settings`: how much of it is to stay.
Out: `Pruned`: a smaller float model of the same family, and what each of its layers kept.
What matters is `importance`'s decision; winning accuracy back is `distill`'s concern; number formats are `quantize`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from edgewright.compress.importance import Importance, LayerImportance
from edgewright.errors import InputError
from edgewright.models.model import TransformerModel
from edgewright.models.transformer import LayerCut, LayerShape, TransformerShape


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is to stay; None keeps all.

    A count of `layers` keeps the first and the last and spreads the others evenly between them, or keeps the most
    important with `layers_by`; otherwise they are named by index. `heads` and `neurons` are counts a layer: in each
    with `ranking` "uniform"; on average with "global", where heads compete with all layers' heads, and neurons with
    neurons. In place of both, `share` of the multiply-accumulates of all heads and neurons in the kept layers stays,
    and all of them compete, whatever the ranking. `head_width` is the number of channels of a head, `width` that of
    the residual stream.

    Sizes are rounded up to a `multiple`, the number of channels that the device's int8 kernels work in, but not beyond
    what there is: neurons, channels and width themselves, heads so that all their channels together are one.
    """

    layers: int | Sequence[int] | None = None
    layers_by: Literal["spread", "importance"] = "spread"
    heads: int | None = None
    neurons: int | None = None
    ranking: Literal["uniform", "global"] = "uniform"
    share: float | None = None
    head_width: int | None = None
    width: int | None = None
    multiple: int = 1


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """The student before training, in evaluation mode; `width` are the residual dimensions it kept, None for all."""

    model: TransformerModel
    cuts: tuple[LayerCut, ...]
    width: tuple[int, ...] | None


def prune(model: TransformerModel, importance: Importance, settings: Settings) -> Pruned:
    """A new model that keeps what `settings` ask for, of each kind the most important; `model` stays as it is.

    Raises `InputError`, naming the recipe's setting, when more is asked for than there is, and when the importance is
    of a model of another shape.
    """
    shape = model.encoder.shape
    _check(shape, settings)
    _check_importance(shape, importance)
    layers = _layers(shape, settings, importance)
    counts = _uniform_counts if settings.ranking == "uniform" and settings.share is None else _global_counts
    cuts = [
        _cut(index, shape.layers[index], importance.layers[index], settings, heads=heads, neurons=neurons)
        for index, (heads, neurons) in zip(layers, counts(shape, importance, settings, layers), strict=True)
    ]
    width = None
    if (kept := _rounded(settings.width, shape.width, settings.multiple)) < shape.width:
        width = _largest(importance.width, kept)
    with torch.random.fork_rng(devices=[]):  # a new module draws weights, only to be filled with others
        encoder = model.encoder.sliced(cuts, width=width)
        head = deepcopy(model.head) if width is None else model.head.sliced(width, shape.width)
    return Pruned(model=TransformerModel(encoder, head).eval(), cuts=tuple(cuts), width=width)


def steps(shape: TransformerShape, settings: Settings, count: int) -> list[Settings]:
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
        layers = [_between(len(shape.layers), settings.layers, end) for end in ends]
    elif settings.layers is not None:
        layers = _nested(len(shape.layers), _evenly_or_named(settings.layers, len(shape.layers)), ends)
    heads, neurons = _wholes(shape, settings.ranking)
    widest = max((layer.head_width for layer in shape.layers), default=0)
    return [
        replace(
            settings,
            layers=kept,
            heads=_between(heads, settings.heads, end),
            neurons=_between(neurons, settings.neurons, end),
            share=None if settings.share is None else settings.share ** (1 / count),
            head_width=_between(widest, settings.head_width, end),
            width=_between(shape.width, settings.width, end),
        )
        for kept, end in zip(layers, ends, strict=True)
    ]


def spread(count: int, available: int) -> tuple[int, ...]:
    """`count` layer indexes from the first to the last, evenly apart; the last alone when one is asked for."""
    if count == 1:
        return (available - 1,)
    return tuple(round(step * (available - 1) / (count - 1)) for step in range(count))


def _check(shape: TransformerShape, settings: Settings) -> None:
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
    whole = [(layer.heads, layer.head_width, layer.neurons) for layer in shape.layers]
    scored = [(*layer.value.shape, len(layer.neurons)) for layer in importance.layers]
    if whole != scored or shape.width != len(importance.width):
        raise InputError(
            f"the importance is of a model with {len(scored)} layers of (heads, head width, neurons) {scored} and "
            f"width {len(importance.width)}, this model has {len(whole)} of {whole} and {shape.width}; measure it anew"
        )


def _layers(shape: TransformerShape, settings: Settings, importance: Importance) -> tuple[int, ...]:
    if settings.layers is None:
        return tuple(range(len(shape.layers)))
    if isinstance(settings.layers, int) and settings.layers_by == "importance":
        return _largest(torch.stack([layer.layer for layer in importance.layers]), settings.layers)
    return _evenly_or_named(settings.layers, len(shape.layers))


def _evenly_or_named(layers: int | Sequence[int], available: int) -> tuple[int, ...]:
    return spread(layers, available) if isinstance(layers, int) else tuple(layers)


def _uniform_counts(
    shape: TransformerShape, importance: Importance, settings: Settings, layers: Sequence[int]
) -> list[tuple[int, int]]:
    """(heads, neurons) of each kept layer: the same everywhere, as far as a layer has so many."""
    counts = []
    for layer in (shape.layers[index] for index in layers):
        heads = _rounded(settings.heads, layer.heads, _heads_multiple(layer, settings))
        counts.append((heads, _rounded(settings.neurons, layer.neurons, settings.multiple)))
    return counts


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Heads or neurons of one layer that only stay or go together; `density` is their score for what they cost."""

    place: int
    kind: str
    size: int
    macs: int
    density: float


def _global_counts(
    shape: TransformerShape, importance: Importance, settings: Settings, layers: Sequence[int]
) -> list[tuple[int, int]]:
    """(heads, neurons) of each kept layer, where all layers' blocks compete for the same room."""
    scores = {
        kind: _comparable([getattr(importance.layers[index], kind) for index in layers], importance.kind)
        for kind in ("heads", "neurons")
    }
    blocks: dict[str, list[_Block]] = {"heads": [], "neurons": []}
    for place, layer in enumerate(shape.layers[index] for index in layers):
        # Multiply-accumulates a token: a head's query, key, value and output, a neuron's way up and down.
        width = _rounded(settings.head_width, layer.head_width, settings.multiple)
        step = _heads_multiple(layer, settings)
        blocks["heads"] += _blocks("heads", place, scores["heads"][place], step, 4 * width * shape.width)
        blocks["neurons"] += _blocks(
            "neurons", place, scores["neurons"][place], settings.multiple, shape.macs_each_neuron
        )
    if settings.share is not None:
        every = [*blocks["heads"], *blocks["neurons"]]
        kept = _best(every, settings.share * sum(block.macs for block in every), lambda block: block.macs)
    else:
        kept = []
        for kind, count in (("heads", settings.heads), ("neurons", settings.neurons)):
            room = math.inf if count is None else count * len(layers)
            kept += _best(blocks[kind], room, lambda block: block.size)
    return [(_size_of(kept, place, "heads"), _size_of(kept, place, "neurons")) for place in range(len(layers))]


def _comparable(scores: Sequence[Tensor], kind: str) -> list[Tensor]:
    """One kind of part's scores, layer by layer, as they may compete.

    "fisher" is a loss, everywhere in the same unit. So is "taylor", but its absolute values do not add up, so that many
    small parts would outweigh few large ones: heads and neurons are each taken as shares of their own sum. The others
    have a layer's own scale and are taken as shares of its sum.
    """
    if kind == "fisher":
        return list(scores)
    total = torch.stack([each.sum() for each in scores]).sum()
    return [each / (total if kind == "taylor" else each.sum()).clamp_min(1e-30) for each in scores]


def _blocks(kind: str, place: int, scores: Tensor, step: int, macs: int) -> list[_Block]:
    """A layer's parts, best first, in blocks of `step`; the last may be smaller."""
    ranked = scores.double().sort(descending=True).values
    return [
        _Block(place=place, kind=kind, size=len(part), macs=len(part) * macs, density=float(part.mean()) / macs)
        for part in torch.split(ranked, step)
        if len(part)
    ]


def _best(blocks: Iterable[_Block], room: float, price: Callable[[_Block], int]) -> list[_Block]:
    """The densest blocks until the room is used; the last may take a little more than there is."""
    kept: list[_Block] = []
    used = 0
    for block in sorted(blocks, key=lambda block: -block.density):
        if used >= room * (1 - 1e-9):
            break
        kept.append(block)
        used += price(block)
    return kept


def _size_of(blocks: Iterable[_Block], place: int, kind: str) -> int:
    return sum(block.size for block in blocks if block.place == place and block.kind == kind)


def _cut(
    index: int, shape: LayerShape, scores: LayerImportance, settings: Settings, *, heads: int, neurons: int
) -> LayerCut:
    kept = _largest(scores.heads, heads)
    channels = _rounded(settings.head_width, shape.head_width, settings.multiple)
    narrower = kept and channels < shape.head_width
    return LayerCut(
        layer=index,
        heads=kept,
        neurons=_largest(scores.neurons, neurons),
        query_key=tuple(_largest(scores.query_key[head], channels) for head in kept) if narrower else None,
        value=tuple(_largest(scores.value[head], channels) for head in kept) if narrower else None,
    )


def _heads_multiple(layer: LayerShape, settings: Settings) -> int:
    """How many heads together have a multiple of channels."""
    width = _rounded(settings.head_width, layer.head_width, settings.multiple)
    return settings.multiple // math.gcd(settings.multiple, width)


def _rounded(count: int | None, available: int, multiple: int) -> int:
    return available if count is None else min(-(-count // multiple) * multiple, available)


def _largest(scores: Tensor, count: int) -> tuple[int, ...]:
    return tuple(sorted(scores.topk(count).indices.tolist()))


def _wholes(shape: TransformerShape, ranking: str) -> tuple[int, int]:
    """What counts of heads and neurons a layer keep all."""
    heads, neurons = [layer.heads for layer in shape.layers], [layer.neurons for layer in shape.layers]
    if ranking == "global":
        return -(-sum(heads) // len(heads)), -(-sum(neurons) // len(neurons))
    return max(heads), max(neurons)


def _between(whole: int, goal: int | None, end: float) -> int | None:
    """The count at a part `end` of the way from the whole to the goal, on a geometric path; at 1.0 the goal."""
    if goal is None or end == 1.0:
        return goal
    start = max(whole, 1)
    return max(goal, round(start * math.pow(max(goal, 1) / start, end)))


def _nested(available: int, goal: Sequence[int], ends: Sequence[float]) -> list[tuple[int, ...]]:
    """The layers that each step keeps, by their index in the model that the step before left."""
    present, found = list(range(available)), []
    for end in ends:
        extra = [layer for layer in present if layer not in goal]
        wanted = _between(available, len(goal), end) or 0
        few = min(wanted - len(goal), len(extra))
        kept = sorted([*goal, *(extra[place] for place in spread(few, len(extra)))])
        found.append(tuple(present.index(layer) for layer in kept))
        present = kept
    return found
