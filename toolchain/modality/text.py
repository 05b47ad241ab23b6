"""Texts: read and split, and the teachers that take them.

In:  a recipe for texts.
Out: `TEXT`, the modality; its datasets are `TextDataset`s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue
from typing_extensions import override

from edgewright.base.progress import OnProgress
from edgewright.modality.base import (
    PARTS,
    Dataset,
    LoadedTeacher,
    Modality,
    Reading,
)
from edgewright.modality.text_dataset import COUNTED_TOKENS, TextDataset
from edgewright.modality.text_spec import TOKENIZER, TextInputSpec
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.modality.workload import TextWorkload

if TYPE_CHECKING:
    from edgewright.specs.recipe import Distill, Recipe

TEXTS = "texts.json"
KEPT = "kept.json"  # the word pieces of the teacher's vocabulary that stay


class TextModality(Modality):
    """Texts, as ids of a tokenizer's word pieces."""

    name = "text"
    examples_name = "texts"
    spec = TextInputSpec
    bundle_files = (TOKENIZER,)
    has_vocabulary = True
    ranks_first = True
    has_length = True
    plans_sizes = True
    counted_units = COUNTED_TOKENS
    batch_setting = "batch_tokens"
    ranked_count = 800
    fitted_count = 4000

    @override
    def check_source(self, recipe: Recipe) -> None:
        from edgewright.models import side_files
        from edgewright.models import source as sources
        from edgewright.models import teacher as teachers
        from edgewright.tasks.table import task_of

        source, longest = recipe.model, recipe.task.max_length
        if source.factory:
            teachers.made_by_factory(source)
            return
        sources.check(source, self.name)
        sources.check_tokenizer(source)
        beside = sources.base_of(source) or source
        side_files.check_tokenizer_config(beside, max_length=longest)
        if not task_of(recipe.task.kind).fitted:
            side_files.sentence_model(beside, max_length=longest)

    @override
    def fingerprint(self, recipe: Recipe) -> Mapping[str, object]:
        from edgewright.data import texts as data

        return {"data": data.fingerprint(recipe.data, recipe.task)}

    @override
    def read(self, recipe: Recipe, folder: Path, *, on_progress: OnProgress) -> Reading:
        from edgewright.data import texts as data

        texts = data.load_texts(recipe.data, recipe.task, on_progress=on_progress)
        texts.save(folder / TEXTS)
        return Reading(
            counts={part: len(getattr(texts, part)) for part in PARTS},
            agreement=texts.agreement,
            notes=list(texts.agreement.sentences("texts")),
            digest=texts.labelled_digest,
            facts={"labelled_digest": texts.labelled_digest},
        )

    @override
    def load_teacher(self, recipe: Recipe, examples: Path) -> LoadedTeacher:
        from edgewright.data.texts import Texts
        from edgewright.models import reference
        from edgewright.models import teacher as teachers
        from edgewright.models.text import outputs
        from edgewright.tasks.table import task_of

        texts, longest = Texts.load(examples / TEXTS), recipe.task.max_length
        task = task_of(recipe.task.kind)
        teacher = teachers.load(
            recipe.model,
            head=task.head,
            outputs=task.outputs(texts.labels),
            labels=texts.labels if task.has_labels else (),
            max_length=longest,
        )
        return LoadedTeacher(
            model=teacher.model,
            dataset=TextDataset(recipe=recipe, texts=texts, tokenizer=teacher.tokenizer),
            parameters_count=teacher.parameters_count,
            size_bytes=teacher.size_bytes,
            fitted=teacher.fitted,
            notes=teacher.notes,
            reference=teacher.reference,
            run=lambda some: outputs(teacher.model, teacher.tokenizer.encode(some)),
            some=reference.some_of([row.text for row in texts.train], teacher.special_tokens),
        )

    @override
    def dataset(self, recipe: Recipe, examples: Path, inputs: Path) -> TextDataset:
        from edgewright.data.texts import Texts

        kept = inputs / KEPT
        return TextDataset(
            recipe=recipe,
            texts=Texts.load(examples / TEXTS),
            tokenizer=TextTokenizer.load(inputs / TOKENIZER, max_length=recipe.task.max_length),
            kept=tuple(json.loads(kept.read_text(encoding="utf-8"))) if kept.is_file() else (),
        )

    @override
    def workload(self, recipe: Recipe, examples: Path, counts: Mapping[str, int]) -> TextWorkload:
        from edgewright.data.texts import Texts

        return TextWorkload.of(Texts.load(examples / TEXTS), recipe.task.max_length)

    @override
    def recording(self, recipe: Recipe, settings: Distill) -> Mapping[str, object]:
        longest = min(settings.max_length, recipe.task.max_length)
        return {"tokens": settings.tokens, "max_length": longest, "keep_overflow": settings.keep_overflow}

    @override
    def trim_vocabulary(self, recipe: Recipe, dataset: Dataset, folder: Path) -> Mapping[str, JsonValue]:
        from edgewright.compress import vocabulary

        assert isinstance(dataset, TextDataset)
        settings, tokenizer = recipe.stages.vocabulary, dataset.tokenizer
        trimmed = vocabulary.untrimmed(tokenizer)
        if settings.enabled:
            read = dataset.as_read(dataset.texts.training_texts)
            trimmed = vocabulary.trim(tokenizer, read, size=settings.size, coverage=settings.coverage)
        trimmed.tokenizer.save(folder / TOKENIZER)
        (folder / KEPT).write_text(json.dumps(trimmed.kept), encoding="utf-8")
        held_out = dataset.as_read(dataset.score().texts)
        return {
            "pieces": len(trimmed.kept),
            "of": len(tokenizer.vocabulary),
            "coverage": trimmed.coverage,
            "held_out_tokens_affected": vocabulary.affected(tokenizer, trimmed, held_out),
        }


TEXT = TextModality()
