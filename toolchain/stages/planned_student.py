"""The student that a recipe asks for, in sizes alone, before anything is read but the teacher's configuration.

In:  a recipe for texts, and the profile it is for.
Out: `Planned`: the structure of what would be exported, and what could not be known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from edgewright.compress.cost_limits import faster_by
from edgewright.compress.cut_plan import cut_plan, plan_within
from edgewright.compress.cut_transformers import prune_sizes
from edgewright.cost.exported import structure_for
from edgewright.cost.part_costs import PricedLayer
from edgewright.cost.part_estimates import from_profile
from edgewright.errors import InputError
from edgewright.modality.table import MODALITIES
from edgewright.modality.text_spec import TextInputSpec
from edgewright.models.encoder import Encoder, EncoderShape
from edgewright.models.loading import shape_of
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.pretrained import configured
from edgewright.models.text import TextModule
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import Recipe
from edgewright.specs.structure import Structure
from edgewright.tasks.table import task_of

PRICED_LENGTH = 32  # tokens of the text that a search's limit is planned for
USUAL_LABELS = 2  # where a recipe names none: how many there are is known once the data is read


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
    teacher = shape_of(configured(recipe.model)).cut_at(recipe.task.max_length)
    shape = _cut(teacher, recipe, profile)
    if recipe.stages.low_rank.enabled:
        shape = replace(shape, token_rank=recipe.stages.low_rank.token_rank)
    if recipe.stages.vocabulary.enabled and recipe.stages.vocabulary.size:
        shape = replace(shape, vocabulary=min(recipe.stages.vocabulary.size, shape.vocabulary))
    model = _model(shape, _head(recipe, teacher.width, is_narrower=shape.width < teacher.width))
    spec = TextInputSpec(max_length=shape.positions, lengths=recipe.lengths)
    return Planned(shape=shape, spec=spec, model=model, notes=tuple(_notes(recipe)))


def _head(recipe: Recipe, width: int, *, is_narrower: bool) -> HeadShape:
    """Of a teacher of this width; an embedding keeps its size where the stream gets narrower."""
    task = task_of(recipe.task.kind)
    classes = task.outputs(recipe.task.labels or ("",) * USUAL_LABELS)
    if not classes:
        projected = is_narrower or recipe.stages.distill.projection
        return HeadShape(pooling="mean", projected=width if projected else 0)
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
    """What the cut leaves, by the plan that it executes; of a search, by equal layers that keep the same limit.

    Where more is asked for than the teacher has, its own stage tells that; until then all there is is planned for.
    """
    settings = recipe.stages.prune
    if not settings.enabled:
        return shape
    if settings.speedup is None:
        sizes = prune_sizes(settings, profile.preferences.int8_channel_multiple.value)
        return cut_plan(shape, sizes.at_most(shape)).of(shape)
    assert not isinstance(settings.layers, tuple), "the recipe refuses it"
    largest = PricedLayer.largest(shape, min(PRICED_LENGTH, shape.positions))
    limit = faster_by(from_profile(profile, largest), shape.layers, settings.speedup)
    return plan_within(shape, limit, layers=settings.layers).of(shape)
