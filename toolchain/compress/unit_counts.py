"""How many heads and neurons each layer keeps: the same everywhere, or as all layers compete for the same room.

In:  a transformer's shape, its importance, and the sizes that are asked for.
Out: (heads, neurons) of each kept layer. `cut_plan` puts them together; which ones they are is `prune`'s concern.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from edgewright.compress.importance_scores import Importance
from edgewright.errors import InputError
from edgewright.models.transformer_shape import LayerShape, TransformerShape


@dataclass(frozen=True, kw_only=True)
class PruneSizes:
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

    def at_most(self, shape: TransformerShape) -> PruneSizes:
        """The same where more is asked for than there is, with all there is of that; `require_within` refuses it."""
        return replace(
            self,
            layers=_at_most(self.layers, len(shape.layers)) if isinstance(self.layers, int) else self.layers,
            heads=_at_most(self.heads, _most(shape, "heads")),
            neurons=_at_most(self.neurons, _most(shape, "neurons")),
            head_width=_at_most(self.head_width, _most(shape, "head_width")),
            width=_at_most(self.width, shape.width),
        )

    def require_within(self, shape: TransformerShape) -> None:
        """Raises `InputError`, with the recipe's name and both numbers, where more is asked for than there is."""
        available = len(shape.layers)
        if isinstance(self.layers, int):
            _check_count("layers", self.layers, available, least=1)
        elif self.layers is not None:
            if missing := [index for index in self.layers if not 0 <= index < available]:
                raise InputError(
                    f"stages.prune.layers names layer {missing[0]}, but the teacher has {available}, counted from 0; "
                    f"choose from 0 to {available - 1}"
                )
            if not self.layers or list(self.layers) != sorted(set(self.layers)):
                raise InputError(
                    f"stages.prune.layers names {list(self.layers)}; name at least one, each once, in rising order"
                )
        _check_count("heads", self.heads, _most(shape, "heads"))
        _check_count("neurons", self.neurons, _most(shape, "neurons"))
        _check_count("head_width", self.head_width, _most(shape, "head_width"), least=1)
        _check_count("width", self.width, shape.width, least=1)
        shape.require_whole_heads(self.head_width)
        if self.share is None:
            return
        if not 0 < self.share <= 1:
            raise InputError(f"stages.prune.keep_macs is {self.share:g}; choose more than 0 and at most 1")
        if self.heads is not None or self.neurons is not None:
            raise InputError(
                "stages.prune.keep_macs stands in place of stages.prune.heads and neurons; give it or them"
            )


def _most(shape: TransformerShape, size: Literal["heads", "neurons", "head_width"]) -> int:
    """The largest of all layers."""
    return max((int(getattr(layer, size)) for layer in shape.layers), default=0)


def _at_most(count: int | None, available: int) -> int | None:
    return None if count is None else min(count, available)


def _check_count(what: str, count: int | None, available: int, least: int = 0) -> None:
    if count is not None and count > available:
        raise InputError(f"stages.prune.{what} asks for {count}, but the teacher has {available}; choose at most that")
    if count is not None and count < least:
        raise InputError(f"stages.prune.{what} asks for {count}; choose at least {least}")


def uniform_counts(shape: TransformerShape, settings: PruneSizes, layers: Sequence[int]) -> list[tuple[int, int]]:
    """(heads, neurons) of each kept layer: the same everywhere, as far as a layer has so many."""
    counts = []
    for layer in (shape.layers[index] for index in layers):
        heads = rounded(settings.heads, layer.heads, _heads_multiple(layer, settings))
        counts.append((heads, rounded(settings.neurons, layer.neurons, settings.multiple)))
    return counts


def equal_counts(shape: TransformerShape, settings: PruneSizes, layers: Sequence[int]) -> list[tuple[int, int]]:
    """(heads, neurons) of each kept layer where layers compete and what matters is not known: those of the average."""
    kept = [shape.layers[index] for index in layers]
    if settings.share is not None:
        return [scaled_counts(layer, settings.share) for layer in kept]
    return [(rounded(settings.heads, each.heads, 1), rounded(settings.neurons, each.neurons, 1)) for each in kept]


def scaled_counts(layer: LayerShape, share: float) -> tuple[int, int]:
    """This share of a layer's heads and neurons, and at least one of each."""
    return max(round(layer.heads * share), 1), max(round(layer.neurons * share), 1)


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Heads or neurons of one layer that only stay or go together; `density` is their score for what they cost."""

    place: int
    kind: str
    size: int
    macs: int
    density: float


def global_counts(
    shape: TransformerShape, importance: Importance, settings: PruneSizes, layers: Sequence[int]
) -> list[tuple[int, int]]:
    """(heads, neurons) of each kept layer, where all layers' blocks compete for the same room."""
    scores = {
        kind: _comparable([getattr(importance.layers[index], kind) for index in layers], importance.kind)
        for kind in ("heads", "neurons")
    }
    blocks: dict[str, list[_Block]] = {"heads": [], "neurons": []}
    for place, layer in enumerate(shape.layers[index] for index in layers):
        # Multiply-accumulates a token: a head's query, key, value and output, a neuron's way up and down.
        width = rounded(settings.head_width, layer.head_width, settings.multiple)
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


def _heads_multiple(layer: LayerShape, settings: PruneSizes) -> int:
    """How many heads together have a multiple of channels."""
    width = rounded(settings.head_width, layer.head_width, settings.multiple)
    return settings.multiple // math.gcd(settings.multiple, width)


def rounded(count: int | None, available: int, multiple: int) -> int:
    """Up to a multiple, but not beyond what there is; all of it for None."""
    return available if count is None else min(-(-count // multiple) * multiple, available)
