"""The stages before the student: reading the examples, and the teacher with its score.

In:  a `Plan`.
Out: `Done` stages that hold the examples, and the teacher with its tokenizer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgewright.base.cache import MODEL_PACKAGES
from edgewright.cost import part_costs as costs
from edgewright.data import texts as data
from edgewright.errors import InputError
from edgewright.modality.tokenizer import Encoded, TextSequence, TextTokenizer
from edgewright.models import model as models
from edgewright.models import source as sources
from edgewright.models import teacher as teachers
from edgewright.models import text as text_models
from edgewright.models.inputs import TextInputs, first_pieces
from edgewright.models.macs import sizes
from edgewright.models.model import TransformerModel
from edgewright.models.training import Trained
from edgewright.specs.recipe import Finetune
from edgewright.stages.examined import examine_texts, put_on_scale
from edgewright.stages.plan import Done, Plan, Unfinished, model_of, shares, stage, texts_of
from edgewright.tasks.finetune import finetune
from edgewright.tasks.scores import Score

log = logging.getLogger(__name__)

COUNTED_TOKENS = 16  # the length of the text that multiply-accumulates are counted on


def read_texts(plan: Plan) -> Done:
    """Read, split and check the examples."""

    def make(folder: Path) -> Mapping[str, Any]:
        texts = data.load_texts(plan.recipe.data, plan.recipe.task, told=reading(plan))
        texts.save(folder / "texts.json")
        counts = {part: len(getattr(texts, part)) for part in ("train", "validation", "test", "extra")}
        agreement = texts.agreement
        return {
            "examples": counts,
            "labelled_digest": texts.labelled_digest,
            "agreement": agreement.document(),
            "notes": noted(agreement.sentences("texts")),
        }

    return stage(
        plan, "texts", {}, {"data": data.fingerprint(plan.recipe.data, plan.recipe.task)}, make, packages=MODEL_PACKAGES
    )


def noted(sentences: Iterable[str]) -> list[str]:
    """What whoever builds should know, for a stage's findings; it is also said at once."""
    told = list(sentences)
    for sentence in told:
        log.info("%s", sentence)
    return told


def reading(plan: Plan) -> Callable[[float, float], None]:
    """A listener to the reading of files that passes its progress on."""
    return lambda done, total: plan.progress.update(done, total, f"{done:,.0f} of {total:,.0f} read")


def load_teacher(plan: Plan, texts: Done) -> Done:
    """Read the teacher, fit it to the labels where there are any, and score it beside a baseline without a network."""
    task = plan.task
    settings = plan.recipe.stages.finetune.model_dump(exclude={"minutes"}) if task.fitted else {}
    inputs = {
        "model": sources.fingerprint(plan.recipe.model),
        "task": plan.recipe.task.model_dump(),
        "texts": texts.findings["labelled_digest"],  # more text to distil on leaves the teacher as it is
    }

    def make(folder: Path) -> Mapping[str, Any]:
        examples = texts_of(texts)
        torch.manual_seed(plan.recipe.stages.finetune.seed)  # a head that did not come with the model is random
        teacher = teachers.load(
            plan.recipe.model,
            head=task.head,
            outputs=task.outputs(examples.labels),
            labels=examples.labels if task.has_labels else (),
            max_length=plan.max_length,
        )
        examined = examine_texts(teacher, [row.text for row in examples.train])
        if task.standardised and teacher.fitted:
            values = [row.value or 0.0 for row in examples.train]
            note = put_on_scale(teacher, [row.text for row in examples.train], values, task.scale(examples))
            examined = examined.also(note)
        if plan.recipe.stages.finetune.again and teacher.fitted:
            examined = examined.also("fitted once more, as stages.finetune.again asks")
        found: dict[str, Any] = examined.findings()
        if task.fitted and (plan.recipe.stages.finetune.again or not teacher.fitted):
            rows = encoded(plan, teacher.tokenizer, [row.text for row in examples.train])
            trained = finetune(
                teacher.model,
                TextInputs(rows),
                task.aligned(task.targets(examples), rows),
                task,
                plan.recipe.stages.finetune,
                validate=validation(plan, texts, teacher.model, teacher.tokenizer, stage_name="finetune"),
                told=shares(plan, "loss"),
                checkpoints=unfinished.folder,
                key=unfinished.key,
            )
            found |= lesson_of(trained)
        elif task.fitted:
            found["notes"] = unused(plan.recipe.stages.finetune)
        models.save(teacher.model, folder)
        teacher.tokenizer.save(folder / "tokenizer.json")
        score = score_of(plan, texts)
        baseline = task.baseline(examples, score)
        return {
            **found,
            "score": scored(plan, teacher.model, teacher.tokenizer, score),
            "metric": score.metric,
            **sizes_of(teacher.model),
            "parameters": teacher.parameters_count,
            "bytes": teacher.size_bytes,
            "baseline": {"name": baseline.name, "score": baseline.score},
        }

    unfinished = Unfinished.of("teacher", settings, inputs)
    done = stage(plan, "teacher", settings, inputs, make, packages=MODEL_PACKAGES)
    unfinished.remove()
    return priced(plan, done)


def unused(settings: Finetune) -> list[str]:
    """What to say of settings for a fitting that a teacher which came fitted does not get."""
    given = [name for name, value in settings.model_dump().items() if value != getattr(Finetune(), name)]
    if not given:
        return []
    names = ", ".join(f"stages.finetune.{name}" for name in given)
    return [f"{names} not used: the model came fitted to these labels; set stages.finetune.again to fit it anew"]


def score_of(plan: Plan, texts: Done, part: str = "test") -> Score:
    """The judge of a held-out part."""
    return plan.task.score(texts_of(texts), part)


def scored(plan: Plan, model: TransformerModel, tokenizer: TextTokenizer, score: Score) -> float:
    """What the float model is worth."""
    rows = encoded(plan, tokenizer, score.texts)
    told = lambda done: plan.progress.update(done, len(rows), "scoring")  # noqa: E731
    return score.of(as_scored(plan, text_models.outputs(model, rows, told=told), rows, score))


def as_read(plan: Plan, texts: Sequence[str]) -> TextSequence:
    """Texts as the task reads them: where each word gets a tag, as lists of the words that white space parts."""
    return [text.split() for text in texts] if plan.task.per_token else texts


def encoded(plan: Plan, tokenizer: TextTokenizer, texts: Sequence[str]) -> list[Encoded]:
    """Texts as the task reads them, in a model's tokens."""
    return tokenizer.encode_any(as_read(plan, texts))


def as_scored(plan: Plan, outputs: Tensor, rows: Sequence[Encoded], score: Score) -> Tensor:
    """A text model's outputs as a score takes them: of tags those of each word's first piece."""
    if not plan.task.per_token:
        return outputs
    parts = outputs.split([len(row.ids) for row in rows])
    return first_pieces(parts, rows, [len(text.split()) for text in score.texts])


def validation(
    plan: Plan, texts: Done, model: TransformerModel, tokenizer: TextTokenizer, *, stage_name: str
) -> Callable[[], float] | None:
    """The score on the validation part, where the recipe ends this stage's training by it."""
    if not ends_by_validation(plan, texts_of(texts).validation, stage_name):
        return None
    score = score_of(plan, texts, "validation")
    return lambda: scored(plan, model, tokenizer, score)


def ends_by_validation(plan: Plan, part: Sized, stage_name: str) -> bool:
    """Whether the recipe ends this stage's training by the score on the validation part, which must not be empty."""
    if getattr(plan.recipe.stages, stage_name).patience is None:
        return False
    require_validation(part, f"stages.{stage_name}", "patience", "ends training by")
    return True


def require_validation(part: Sized, section: str, setting: str, does: str) -> None:
    """Refuse a setting that goes by the score on the validation part where that is empty; `does` says what it does."""
    if not len(part):
        raise InputError(
            f"{section}.{setting} {does} the score on the validation part, which is empty; raise "
            f"data.split.validation, give data.validation, or leave {setting} out"
        )


def lesson_of(trained: Trained) -> dict[str, Any]:
    """What a manifest says of a training."""
    found: dict[str, Any] = {"steps": trained.steps, "tokens_seen": trained.tokens, "losses": trained.losses}
    return {**found, "stopped_early": trained.stopped_early, "best_validation": trained.best_validation}


def sizes_of(model: TransformerModel) -> dict[str, Any]:
    """Parameters, and multiply-accumulates of one text of `COUNTED_TOKENS` tokens."""
    counted = sizes(model, (torch.ones(COUNTED_TOKENS, dtype=torch.long),))
    return {"parameters": counted.parameters, "macs": counted.macs}


def priced(plan: Plan, done: Done) -> Done:
    """The stage with what the profile makes of its layers: reckoned anew, as one student may serve many devices."""
    shape = model_of(done).encoder.shape
    total = 0.0
    for layer in shape.layers:
        if not (layer.heads or layer.neurons):
            continue
        table = costs.from_profile(
            plan.profile,
            length=COUNTED_TOKENS,
            width=shape.width,
            head_width=layer.head_width,
            heads=max(layer.heads, 1),
            neurons=max(layer.neurons, 1),
        )
        total += table.attention(layer.heads) + table.feed_forward(layer.neurons)
    return replace(done, findings={**done.findings, "predicted_layers_ms": total})
