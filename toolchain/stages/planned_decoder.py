"""The student that a recipe of a model that writes asks for, in sizes alone, before anything is trained.

In:  a recipe and the profile it is for.
Out: `PlannedDecoder`: its shape, and what an artifact of it would compute under a runtime.
Which layers stay is for measured costs to tell, which changes no size where all are alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np
import torch

from edgewright.compress.cut_plan import decoder_cut_plan
from edgewright.cost.decoding_structures import GeneratingStructures, generating_structures
from edgewright.cost.writing import WritingArtifact, entries_of
from edgewright.errors import InputError
from edgewright.models import decoder_teacher
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_capabilities import state as cache_tensors
from edgewright.models.decoder_shape import DecoderShape
from edgewright.quantize.schemes import narrow_weights
from edgewright.runtimes.decoder_input import prompt_axis
from edgewright.runtimes.descriptor import Runtime
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import Recipe
from edgewright.tasks.table import task_of

SCALE_SHARE = 1 / 16  # of a byte for each weight that is narrower than int8: a scale for every 32


@dataclass(frozen=True, kw_only=True)
class PlannedDecoder:
    """A decoder before it is made; `notes` say where its sizes are assumed. A weight takes `weight_bytes`.

    Its cache is in the format `cache`, float32 or int8.
    """

    shape: DecoderShape
    context: int
    prefill_lengths: tuple[int, ...]
    weight_bytes: float = 1.0
    cache: str = "float32"
    notes: tuple[str, ...] = ()

    @cached_property
    def structures(self) -> GeneratingStructures:
        """What it computes. Its weights are whatever lies in memory."""
        model = self._model.to_empty(device="cpu").eval()
        return generating_structures(model, context=self.context, cache=self.cache)

    @property
    def _model(self) -> DecoderModel:
        with torch.device("meta"):
            return DecoderModel(self.shape)

    def writing(self, runtime: Runtime) -> WritingArtifact:
        """An artifact of it under a runtime."""
        axis = prompt_axis(runtime, self.prefill_lengths, self.context)
        tensors = cache_tensors(self._model, self.context, cache=self.cache)
        cache = sum(prod(sizes) * np.dtype(dtype).itemsize for _, sizes, dtype in tensors)
        return WritingArtifact(
            prefill=self.structures.prefill,
            decode=self.structures.decode,
            context=self.context,
            entries=entries_of(axis),
            row_bytes=cache / self.context,
        )

    @property
    def file_bytes(self) -> float:
        """About what a file of it weighs."""
        structure = self.structures.decode
        return structure.weight_bytes(int8=True) - (1 - self.weight_bytes) * structure.matrix_weights

    @property
    def least_file_bytes(self) -> float:
        """What no file of it weighs less than: its weights alone, a table that stands for both ends once."""
        structure, shape = self.structures.decode, self.shape
        twice = shape.vocabulary * shape.width if shape.tied and not shape.token_rank else 0
        return structure.table_weights * self.weight_bytes + (structure.matrix_weights - twice) * self.weight_bytes

    def smallest(self, profile: Profile, *, pieces: int) -> PlannedDecoder:
        """One layer of one query group and the fewest neurons that kernels like, with so many pieces."""
        fewest = self.shape.layers[0].kept(groups=1, neurons=profile.preferences.int8_channel_multiple.value)
        shape = replace(self.shape, layers=(fewest,), vocabulary=min(pieces, self.shape.vocabulary))
        return replace(self, shape=shape)


def planned_decoder(recipe: Recipe, profile: Profile) -> PlannedDecoder:
    """The student as far as its sizes follow from the recipe and its teacher's configuration.

    Raises `InputError` for a task of no model that writes, for sizes that decoders have not, and for a teacher in a
    file whose sizes are known once it is read.
    """
    if not task_of(recipe.task.kind).generates:
        raise InputError(f"{recipe.name} is for no model that writes; plan it as any other student")
    stages = recipe.stages
    shape = decoder_teacher.planned_shape(recipe.model)
    shape = shape.cut_at(max(recipe.task.max_length, recipe.context))
    if stages.prune.enabled:
        multiple = profile.preferences.int8_channel_multiple.value
        shape = decoder_cut_plan(shape, stages.prune, multiple=multiple).of(shape)
    if stages.low_rank.enabled:
        shape = replace(shape, token_rank=stages.low_rank.token_rank)
    if stages.vocabulary.enabled and stages.vocabulary.size:
        shape = replace(shape, vocabulary=min(stages.vocabulary.size, shape.vocabulary))
    narrow = narrow_weights(stages.quantize.weights)
    return PlannedDecoder(
        shape=shape,
        context=recipe.context,
        prefill_lengths=stages.export.prefill_lengths,
        weight_bytes=narrow.weight_bits / 8 + SCALE_SHARE if narrow else 1.0,
        cache=stages.export.cache,
        notes=tuple(_notes(recipe)),
    )


def _notes(recipe: Recipe) -> Iterator[str]:
    if recipe.stages.vocabulary.enabled and recipe.stages.vocabulary.size is None:
        yield "how many pieces the task uses is known once its texts are read; all are assumed"
    if recipe.stages.low_rank.enabled and (recipe.stages.low_rank.energy or recipe.stages.low_rank.keep_parameters):
        yield "the ranks of matrices are for their activations to tell; whole ones are assumed"
