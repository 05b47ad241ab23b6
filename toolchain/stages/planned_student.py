"""The student that a recipe asks for, in sizes alone, before anything is read but the teacher's configuration.

In:  a recipe for texts, and the profile it is for.
Out: `Planned`: the structure of what would be exported, and what could not be known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from edgewright.cost import part_costs as costs
from edgewright.cost.exported import structure_for
from edgewright.errors import InputError
from edgewright.modality.table import MODALITIES
from edgewright.modality.text_spec import TextInputSpec
from edgewright.models.encoder import Encoder, EncoderShape
from edgewright.models.loading import shape_of
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.source import configured
from edgewright.models.text import TextModule
from edgewright.models.transformer_shape import LayerShape
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import Recipe
from edgewright.specs.structure import Structure
from edgewright.tasks.table import task_of

SHARES = tuple(step / 32 for step in range(32, 0, -1))
USUAL_LABELS = 2


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A student before it is made; `notes` say where its sizes are assumed."""

    shape: EncoderShape
    spec: TextInputSpec
    model: TransformerModel
    notes: tuple[str, ...]

    def structure(self, *, padded: bool) -> Structure:
        """What it computes."""
        return structure_for(TextModule(self.model, padded=padded).eval(), self.spec)

    def resized(self, shape: EncoderShape) -> Planned:
        """Another student under the same head."""
        return replace(self, shape=shape, model=_model(shape, self.model.head.shape))


def can_be_planned(recipe: Recipe) -> bool:
    """Whether the student's sizes follow from the recipe and its teacher's configuration."""
    return MODALITIES[task_of(recipe.task.kind).modality].plans_sizes and not recipe.model.factory


def planned(recipe: Recipe, profile: Profile) -> Planned:
    """The student as far as its sizes follow from the recipe.

    Raises `InputError` where they cannot: for images, and for a model that a factory makes.
    """
    if not can_be_planned(recipe):
        raise InputError(
            "sizes of a model of images, or of a factory, are known once it is built; build it and predict the bundle"
        )
    shape = shape_of(configured(recipe.model))
    shape = shape.cut_at(recipe.task.max_length)
    notes = list(_notes(recipe))
    shape = _cut(shape, recipe, profile)
    if recipe.stages.low_rank.enabled:
        shape = replace(shape, token_rank=recipe.stages.low_rank.token_rank)
    if recipe.stages.vocabulary.enabled and recipe.stages.vocabulary.size:
        shape = replace(shape, vocabulary=min(recipe.stages.vocabulary.size, shape.vocabulary))
    model = _model(shape, _head(recipe, shape.width))
    spec = TextInputSpec(max_length=shape.positions, lengths=recipe.lengths)
    return Planned(shape=shape, spec=spec, model=model, notes=tuple(notes))


def _head(recipe: Recipe, width: int) -> HeadShape:
    task = task_of(recipe.task.kind)
    classes = task.outputs(("",) * USUAL_LABELS)
    if not classes:
        return HeadShape(pooling="mean", projected=width if recipe.stages.distill.projection else 0)
    return HeadShape(pooling="each" if task.per_token else "first", classes=classes)


def _model(shape: EncoderShape, head: HeadShape) -> TransformerModel:
    """With random weights, and nothing else is drawn."""
    with torch.random.fork_rng(devices=[]):
        return TransformerModel(Encoder(shape), Head(head, shape.width)).eval()


def _notes(recipe: Recipe) -> Iterator[str]:
    prune = recipe.stages.prune
    if prune.enabled and (prune.speedup is not None or prune.keep_macs is not None):
        yield "which heads and neurons stay is for the search to find; equal layers are assumed"
    if recipe.stages.vocabulary.enabled and recipe.stages.vocabulary.size is None:
        yield "how many word pieces the task uses is known once its texts are read; all are assumed, for memory"
    if recipe.stages.low_rank.enabled and (recipe.stages.low_rank.energy or recipe.stages.low_rank.keep_parameters):
        yield "the ranks of matrices are for their activations to tell; whole ones are assumed"


def _cut(shape: EncoderShape, recipe: Recipe, profile: Profile) -> EncoderShape:
    settings = recipe.stages.prune
    if not settings.enabled:
        return shape
    shape.require_whole_heads(settings.head_width)
    kept = settings.layers if settings.layers is not None else len(shape.layers)
    count = len(kept) if isinstance(kept, tuple) else min(kept, len(shape.layers))
    layers = shape.layers[:count]
    if settings.speedup is not None:
        return replace(shape, layers=_cheaper(shape, layers, profile, settings.speedup))
    if settings.keep_macs is not None:
        return replace(shape, layers=tuple(_scaled(each, settings.keep_macs) for each in layers))

    def smaller(wanted: int | None, had: int) -> int:
        return had if wanted is None else min(wanted, had)

    return replace(
        shape,
        width=smaller(settings.width, shape.width),
        layers=tuple(
            each.resized(
                heads=smaller(settings.heads, each.heads),
                neurons=smaller(settings.neurons, each.neurons),
                head_width=smaller(settings.head_width, each.head_width),
            )
            for each in layers
        ),
    )


def _scaled(layer: LayerShape, share: float) -> LayerShape:
    return layer.resized(heads=max(round(layer.heads * share), 1), neurons=max(round(layer.neurons * share), 1))


def _cheaper(
    shape: EncoderShape, layers: tuple[LayerShape, ...], profile: Profile, speedup: float
) -> tuple[LayerShape, ...]:
    """Equal shares of every layer, the most that cost so many times less than all layers do whole."""
    largest = shape.layers[0]
    table = costs.from_profile(
        profile,
        length=min(32, shape.positions),
        width=shape.width,
        head_width=largest.head_width,
        heads=largest.heads,
        neurons=largest.neurons,
        gated=shape.gated,
    )

    def cost(chosen: tuple[LayerShape, ...]) -> float:
        return sum(table.attention(each.heads) + table.feed_forward(each.neurons) for each in chosen)

    tried = [tuple(_scaled(each, share) for each in layers) for share in SHARES]
    limit = cost(shape.layers) / speedup
    return next((each for each in tried if cost(each) <= limit), tried[-1])
