"""Transformers as `Sliceable`: texts' by what was ranked or searched, images' to a share of their products as well.

In:  a transformer, examples, and a `Goal`.
Out: a `Cut`, whose matrices `reconstruct` can refit without training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from edgewright.compress import prune, search
from edgewright.compress.cost_limits import faster_by, layers_cost
from edgewright.compress.cutting import Cut, Goal, finest, require_read
from edgewright.compress.gradual_cut import steps
from edgewright.compress.importance import importance
from edgewright.compress.levels import levels
from edgewright.compress.reconstruct import reconstructed
from edgewright.compress.shrink import to_share
from edgewright.compress.unit_counts import PruneSizes
from edgewright.errors import InputError
from edgewright.models.inputs import Inputs
from edgewright.models.model import TransformerModel
from edgewright.models.transformer_shape import LayerCut
from edgewright.specs.recipe import Prune

SIZES = ("layers", "heads", "neurons", "head_width", "width", "keep_macs")


@dataclass(frozen=True)
class _OfTexts:
    """By the importance that was measured, or by a search for what loses least in a given time."""

    units: Sequence[str] = (*SIZES, "speedup")

    def cut(self, model: TransformerModel, sample: Inputs, goal: Goal) -> Cut:
        """Keep the sizes of the goal's settings, or what a search among priced layers finds."""
        if goal.settings.speedup is not None:
            return _searched(model, sample, goal)
        settings = prune_sizes(goal.settings, goal.multiple)
        if goal.settings.steps > 1 and goal.teacher is not None:
            teacher: TransformerModel = goal.teacher()
            settings = steps(teacher.encoder.shape, settings, goal.settings.steps)[goal.step]
        return _cut_to(model, sample, goal, settings)


@dataclass(frozen=True)
class _OfImages:
    """To a share of the products by all sizes together, or to the sizes that are named."""

    units: Sequence[str] = SIZES

    def cut(self, model: TransformerModel, sample: Inputs, goal: Goal) -> Cut:
        """Keep the goal's share of the multiply-accumulates, or the sizes of its settings."""
        settings = goal.settings
        if settings.keep_macs is not None and goal.share is not None:
            require_read(settings, ("layers", "head_width", "width", "ranking"))
            share = goal.share()
            return Cut(model=finest(goal.multiple, lambda size: to_share(model, sample, share, multiple=size)).model)
        if settings.steps > 1:
            raise InputError("prune.steps of a model of images goes with prune.keep_macs")
        return replace(_cut_to(model, sample, goal, prune_sizes(settings, goal.multiple)), layers=())


OF_TEXTS, OF_IMAGES = _OfTexts(), _OfImages()


def prune_sizes(settings: Prune, multiple: int) -> PruneSizes:
    """The sizes that a recipe gives."""
    return PruneSizes(
        layers=settings.layers,
        heads=settings.heads,
        neurons=settings.neurons,
        head_width=settings.head_width,
        width=settings.width,
        share=settings.keep_macs,
        ranking=settings.ranking,
        multiple=multiple,
    )


def everything(model: TransformerModel) -> tuple[LayerCut, ...]:
    """The cuts that leave a model as it is."""
    return tuple(
        LayerCut(layer=index, heads=tuple(range(layer.heads)), neurons=tuple(range(layer.neurons)))
        for index, layer in enumerate(model.encoder.shape.layers)
    )


def _cut_to(model: TransformerModel, sample: Inputs, goal: Goal, settings: PruneSizes) -> Cut:
    scores = goal.importance or importance(model, sample, kind=goal.settings.importance)
    return _refittable(prune.prune(model, scores, settings), model, sample)


def _searched(model: TransformerModel, sample: Inputs, goal: Goal) -> Cut:
    """What loses least of all that makes the layers so much faster; and what the search found."""
    settings, shape = goal.settings, model.encoder.shape
    assert settings.speedup is not None
    assert goal.prices is not None
    assert not isinstance(settings.layers, tuple), "the recipe refuses it"
    length = round(sum(sample.sizes) / len(sample))
    table = goal.prices(shape, length)
    # Each step of a gradual cut takes the same factor off what is left.
    limit = faster_by(table, shape.layers, settings.speedup ** (1 / settings.steps))
    choice = search.choose(levels(model, sample, multiple=goal.multiple), limit, layers=settings.layers)
    student = TransformerModel(model.encoder.sliced(choice.cuts), model.head).eval()
    pruned = _refittable(prune.Pruned(model=student, cuts=choice.cuts, width=None), model, sample)
    teacher_ms = layers_cost(table, shape.layers)
    findings = {"searched_ms": choice.cost, "of_ms": teacher_ms, "prices": table.source, "length": length}
    return replace(pruned, findings=findings)


def _refittable(pruned: prune.Pruned, model: TransformerModel, sample: Inputs) -> Cut:
    def refitted() -> nn.Module:
        return reconstructed(pruned.model, model, pruned.cuts, sample, width=pruned.width)

    return Cut(model=pruned.model, refitted=refitted, layers=pruned.cuts)
