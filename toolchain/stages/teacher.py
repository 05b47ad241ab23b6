"""The stage that reads the teacher, fits it where it has a new head, and scores it beside a baseline.

In:  the examples.
Out: the teacher's float model, and how its inputs are made. It is also the first student, which later stages shrink.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from pydantic import BaseModel, ConfigDict

from edgewright.modality.base import LoadedTeacher
from edgewright.models import source as sources
from edgewright.models.reference import Compared
from edgewright.specs.recipe import Finetune
from edgewright.stages.examined import Examined, examine, put_on_scale
from edgewright.stages.float_models import (
    ModelFindings,
    TrainedFindings,
    measured,
    on_training,
    priced,
    save,
    trained_findings,
    validation,
)
from edgewright.stages.read import examples_digest
from edgewright.stages.stage import Build, Stage, Workspace
from edgewright.tasks.examples import TextExamples
from edgewright.tasks.finetune import finetune


class BaselineFindings(BaseModel):
    """What a method without a network reaches."""

    name: str
    score: float


class TeacherFindings(TrainedFindings):
    """What was decided of the teacher, how it compares with its own library, and what it is worth.

    `bytes` is the size of its weights as they came; the modality adds how its inputs are made.
    """

    model_config = ConfigDict(extra="allow")

    decided: tuple[str, ...]
    reference: Compared | None
    notes: tuple[str, ...] = ()
    metric: str
    bytes: int
    baseline: BaselineFindings


def settings(build: Build) -> Mapping[str, object]:
    """Those of the fitting, of tasks that fit; a limit changes no result."""
    plan = build.plan
    return plan.recipe.stages.finetune.model_dump(exclude={"minutes"}) if plan.task.fitted else {}


def facts(build: Build) -> Mapping[str, object]:
    """The model's files, and the examples it is fitted to and judged by."""
    recipe = build.plan.recipe
    usual = {"chat_template"} if recipe.task.chat_template else set()  # as before there was this setting
    return {
        "model": sources.fingerprint(recipe.model),
        "task": recipe.task.model_dump(exclude=usual),
        "examples": examples_digest(build),
        **build.plan.modality.loading(recipe),
    }


def load_teacher(build: Build, work: Workspace) -> TeacherFindings:
    """Read the teacher, fit it to the labels where it has a new head, and score it beside a baseline."""
    plan, finetuning = build.plan, build.plan.recipe.stages.finetune
    torch.manual_seed(finetuning.seed)  # a head that did not come with the model is random
    teacher = plan.modality.load_teacher(plan.recipe, build.result("examples").folder)
    examined = _examined(build, teacher)
    found: dict[str, object] = {"decided": examined.notes, "reference": examined.compared}
    if plan.task.fitted and (finetuning.refit or not teacher.fitted):
        found |= _fitted(build, teacher, work)
    elif plan.task.fitted:
        found["notes"] = unused(finetuning)
    save(teacher.model, work.folder)
    teacher.dataset.save(work.folder)
    score = teacher.dataset.score()
    baseline = plan.task.baseline(teacher.dataset.examples, score)
    return TeacherFindings.model_validate(
        {
            **found,
            **measured(build, teacher.model, teacher.dataset),
            "metric": score.metric,
            "parameters": teacher.parameters_count,
            "bytes": teacher.size_bytes,
            "baseline": {"name": baseline.name, "score": baseline.score},
            **teacher.dataset.facts,
        }
    )


TEACHER = Stage[ModelFindings](
    name="teacher",
    version=1,
    findings=TeacherFindings,
    make=load_teacher,
    plays=("student", "inputs"),
    settings=settings,
    facts=facts,
    reckon=priced,
)


def _examined(build: Build, teacher: LoadedTeacher) -> Examined:
    plan, examples = build.plan, teacher.dataset.examples
    examined = examine(teacher.notes, teacher.reference, teacher.run, teacher.some)
    if plan.task.standardised and teacher.fitted:
        rows = cast(TextExamples, examples).train  # a value is one of a text
        texts, values = [row.text for row in rows], [row.value or 0.0 for row in rows]
        examined = examined.also(put_on_scale(teacher, texts, values, plan.task.scale(examples)))
    if plan.recipe.stages.finetune.refit and teacher.fitted:
        examined = examined.also("fitted once more, as stages.finetune.refit asks")
    return examined


def _fitted(build: Build, teacher: LoadedTeacher, work: Workspace) -> dict[str, object]:
    plan = build.plan
    finetuning = plan.recipe.stages.finetune
    inputs, targets = teacher.dataset.labelled(finetuning)
    trained = finetune(
        teacher.model,
        inputs,
        targets,
        plan.task,
        finetuning.model_copy(update={"batch_tokens": getattr(finetuning, plan.modality.batch_setting)}),
        validate=validation(build, teacher.model, teacher.dataset, section="finetune"),
        on_progress=on_training(build),
        checkpoints=work.checkpoints,
        key=work.key,
    )
    return trained_findings(trained, teacher.dataset)


def unused(settings: Finetune) -> list[str]:
    """What to say of settings for a fitting that a teacher which came fitted does not get."""
    given = [name for name, value in settings.model_dump().items() if value != getattr(Finetune(), name)]
    if not given:
        return []
    names = ", ".join(f"stages.finetune.{name}" for name in given)
    return [f"{names} not used: the model came fitted to these labels; set stages.finetune.refit to fit it anew"]
