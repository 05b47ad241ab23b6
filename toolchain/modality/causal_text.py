"""Texts that a model goes on with: read and split, and the decoders that write them.

In:  a recipe for documents, or for prompts with their completions.
Out: `CAUSAL_TEXT`, the modality; its datasets are `CausalDataset`s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue, TypeAdapter
from typing_extensions import override

from edgewright.base.progress import OnProgress
from edgewright.modality.base import PARTS, Dataset, LoadedTeacher, Modality, Reading
from edgewright.modality.causal_dataset import CausalDataset, TextEnds, recorded_tokens
from edgewright.modality.causal_spec import CHAT_TEMPLATE, CausalTextSpec, read_chat_template
from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from edgewright.modality.text import KEPT
from edgewright.modality.text_dataset import COUNTED_TOKENS
from edgewright.modality.text_spec import TOKENIZER
from edgewright.modality.workload import CausalWorkload

if TYPE_CHECKING:
    from torch import Tensor

    from edgewright.models.decoder_teacher import DecoderTeacher
    from edgewright.specs.recipe import Distill, Recipe

DOCUMENTS = "documents.json"
RUN_TOKENS = 64  # of a text that a teacher is run on twice


class CausalText(Modality):
    """Documents, as ids of a tokenizer's pieces of which each is predicted by those before."""

    name = "causal-text"
    examples_name = "documents"
    spec = CausalTextSpec
    bundle_files = (TOKENIZER, CHAT_TEMPLATE)
    optional_files = (CHAT_TEMPLATE,)
    has_vocabulary = True
    has_length = True
    records_on_student = True
    counted_units = COUNTED_TOKENS
    batch_setting = "batch_tokens"
    ranked_count = 128
    fitted_count = 256
    refit_passes = 1

    @override
    def check_source(self, recipe: Recipe) -> None:
        from edgewright.models import decoder_teacher

        lengths = {"task.max_length": recipe.task.max_length}
        if recipe.stages.export.context is not None:
            lengths["stages.export.context"] = recipe.stages.export.context
        decoder_teacher.check_source(recipe.model, lengths=lengths)

    @override
    def fingerprint(self, recipe: Recipe) -> Mapping[str, object]:
        from edgewright.data import documents

        return {"data": documents.fingerprint(recipe.data, recipe.task)}

    @override
    def read(self, recipe: Recipe, folder: Path, *, on_progress: OnProgress) -> Reading:
        from edgewright.data.documents import load_documents

        documents = load_documents(recipe.data, recipe.task, on_progress=on_progress)
        documents.save(folder / DOCUMENTS)
        return Reading(
            counts={part: len(getattr(documents, part)) for part in PARTS},
            agreement=documents.agreement,
            notes=[*documents.agreement.sentences("documents"), *documents.notes],
            digest=documents.labelled_digest,
            facts={"labelled_digest": documents.labelled_digest},
        )

    @override
    def load_teacher(self, recipe: Recipe, examples: Path) -> LoadedTeacher:
        from edgewright.data.documents import Documents
        from edgewright.models import decoder_teacher, reference

        documents = Documents.load(examples / DOCUMENTS)
        teacher = decoder_teacher.load(recipe.model, max_length=_positions(recipe))
        texts = [each.completion for each in documents.train]
        special = [token["content"] for token in teacher.tokenizer.definition["added_tokens"]]
        return LoadedTeacher(
            model=teacher.model,
            dataset=CausalDataset(
                recipe=recipe,
                documents=documents,
                tokenizer=teacher.tokenizer.cut_at(recipe.task.max_length),
                ends=TextEnds(begin=_begin(teacher), ends=teacher.ends),
                template=teacher.chat_template if recipe.task.chat_template else None,
            ),
            parameters_count=teacher.parameters_count,
            size_bytes=teacher.size_bytes,
            fitted=True,
            notes=teacher.notes,
            reference=teacher.reference,
            run=lambda some: _scores(teacher, some),
            some=reference.some_of(texts, special),
        )

    @override
    def dataset(self, recipe: Recipe, examples: Path, inputs: Path) -> CausalDataset:
        from edgewright.data.documents import Documents

        kept, template = inputs / KEPT, inputs / CHAT_TEMPLATE
        return CausalDataset(
            recipe=recipe,
            documents=Documents.load(examples / DOCUMENTS),
            tokenizer=DecoderTokenizer.load(inputs / TOKENIZER, max_length=recipe.task.max_length),
            ends=TextEnds.load(inputs),
            template=read_chat_template(template) if template.is_file() else None,
            kept=TypeAdapter(tuple[int, ...]).validate_json(kept.read_bytes()) if kept.is_file() else (),
        )

    @override
    def workload(self, recipe: Recipe, examples: Path, counts: Mapping[str, int]) -> CausalWorkload:
        from edgewright.data.documents import Documents

        documents = Documents.load(examples / DOCUMENTS)
        texts = [f"{each.prompt} {each.completion}" for each in documents.training]
        return CausalWorkload.of(texts, train=len(documents.train), max_length=recipe.task.max_length)

    @override
    def loading(self, recipe: Recipe) -> Mapping[str, object]:
        return {"positions": _positions(recipe), "baseline_mb": recipe.budget.artifact_mb}

    @override
    def recording(self, recipe: Recipe, settings: Distill) -> Mapping[str, object]:
        limits = {"tokens": recorded_tokens(settings), "max_length": recipe.task.max_length}
        return {**limits, "top_k": settings.top_k, "seed": settings.seed}

    @override
    def trim_vocabulary(self, recipe: Recipe, dataset: Dataset, folder: Path) -> Mapping[str, JsonValue]:
        from edgewright.compress import vocabulary

        assert isinstance(dataset, CausalDataset)
        settings, tokenizer = recipe.stages.vocabulary, dataset.tokenizer
        uncut = dataset.tokens.uncut
        trimmed = vocabulary.untrimmed(uncut)
        if settings.enabled:
            read = dataset.read_texts(dataset.documents.training)
            trimmed = vocabulary.trim(uncut, read, size=settings.size, coverage=settings.coverage)
        trimmed.tokenizer.save(folder / TOKENIZER)
        (folder / KEPT).write_text(json.dumps(trimmed.kept), encoding="utf-8")
        dataset.save_beside(folder, kept=trimmed.kept)
        return {
            "pieces": len(trimmed.kept),
            "of": len(tokenizer.vocabulary),
            "coverage": trimmed.coverage,
            "held_out_tokens_affected": vocabulary.affected(uncut, trimmed, dataset.read_texts(dataset.documents.test)),
        }


def _positions(recipe: Recipe) -> int:
    """How many places a model needs: for the rows that it is trained on, and for its cache."""
    return max(recipe.task.max_length, recipe.context)


def _begin(teacher: DecoderTeacher) -> tuple[int, ...]:
    """What stands before a text: what its tokenizer puts there, or else the first of its special tokens.

    That is the one which parted texts where the model was trained ("<|endoftext|>"); of SmolLM2-135M it leaves 0.05
    bits per byte less of docstrings than the tokens of messages do.
    """
    return teacher.before or tuple(sorted(teacher.tokenizer.special_ids)[:1])


def _scores(teacher: DecoderTeacher, texts: Sequence[str]) -> Tensor:
    """Logits of each token of some texts, flat."""
    import torch

    from edgewright.models.inputs import TextInputs

    with torch.inference_mode():
        rows = teacher.tokenizer.cut_at(min(RUN_TOKENS, teacher.tokenizer.max_length)).encode(texts)
        ids, mask = TextInputs(rows).batch(range(len(rows)))
        scores: Tensor = teacher.model(ids, mask)[mask.bool()]
        return scores.flatten()


CAUSAL_TEXT = CausalText()
