"""The stages of a build from images: reading them, the teacher, its answers, the cut and the lessons.

In:  a `Plan`.
Out: `Done` stages, as those of `teacher` and `student` are for texts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from edgewright.base.cache import MODEL_PACKAGES
from edgewright.compress import cutting, low_rank, targets
from edgewright.compress.cutting import Goal
from edgewright.data import images as data
from edgewright.data.moved import with_moved
from edgewright.errors import InputError
from edgewright.models import families
from edgewright.models import image as image_models
from edgewright.models import image_teacher as teachers
from edgewright.models import source as sources
from edgewright.models.capabilities import FACTORISABLE, HIDDEN_STATES, REBUILDABLE
from edgewright.models.image import ImageModel, Scaling
from edgewright.models.inputs import ImageInputs, Inputs
from edgewright.models.macs import sizes
from edgewright.models.reference import EXAMPLES
from edgewright.models.transformer import LINEARS
from edgewright.specs.recipe import Distill
from edgewright.stages.examined import examine
from edgewright.stages.plan import (
    IMAGES,
    Done,
    Plan,
    Unfinished,
    image_model_of,
    images_of,
    scaled,
    scaling_of,
    shares,
    stage,
)
from edgewright.stages.student import AWARE, LESSONS, Teach, lesson_stage, schedule_of, usual_work
from edgewright.stages.teacher import ends_by_validation, lesson_of, noted, reading, unused
from edgewright.tasks.finetune import finetune
from edgewright.tasks.scores import Score

LEAST_MULTIPLE = 4  # of channels; fewer is not worth a kernel's while
FITTED_IMAGES = 512  # that importance is measured on, and least squares are fitted to
FEWEST_IMAGES = 64  # where a net is so large that more of them would take long
AFFORDED_MACS = 2e11  # multiply-accumulates of a stage that runs a net on a sample many times

Cut = TypeVar("Cut")


def read_images(plan: Plan) -> Done:
    """Read, frame or resize, split and check the images."""
    framing = teachers.framing(plan.recipe.model, image_size=plan.recipe.task.image_size)

    def make(folder: Path) -> Mapping[str, Any]:
        framed = framing.of if framing else None
        images = data.load_images(plan.recipe.data, plan.recipe.task, told=reading(plan), framed=framed)
        images.save(folder / IMAGES)
        counts = {part: len(getattr(images, part)) for part in ("train", "validation", "test", "extra")}
        height, width, count = images.train.pixels.shape[1:]
        parts = {str(part): folder.name for part, folder in data.parts_of(plan.recipe.data, plan.recipe.task).items()}
        agreement = images.agreement
        told = [f"{plan.recipe.data.folder} is taken as its parts: {_named(parts)}"] if parts else []
        return {
            **{"examples": counts, "height": height, "width": width, "channels": count, "parts": parts},
            "agreement": agreement.document(),
            "notes": noted([*told, *agreement.sentences("images")]),
            "framing": asdict(framing) if framing else None,
        }

    fingerprint = data.fingerprint(plan.recipe.data, plan.recipe.task)
    inputs = {"data": fingerprint, "framing": asdict(framing) if framing else None}
    return stage(plan, "images", {}, inputs, make, packages=MODEL_PACKAGES)


def _named(parts: Mapping[str, str]) -> str:
    return ", ".join(f"{folder} ({part})" for part, folder in parts.items())


def load_image_teacher(plan: Plan, images: Done) -> Done:
    """Read the teacher, fit it to the labels unless it was, and score it beside a baseline without a network."""
    settings, task = plan.recipe.stages.finetune, plan.task
    inputs = {
        "model": sources.fingerprint(plan.recipe.model),
        "task": plan.recipe.task.model_dump(),
        "images": images.key,
    }

    def make(folder: Path) -> Mapping[str, Any]:
        examples = images_of(images)
        torch.manual_seed(settings.seed)  # what did not come with the model is random
        teacher = teachers.load_images(
            plan.recipe.model, labels=examples.labels, image_size=plan.recipe.task.image_size
        )
        scaling = teacher.scaling
        _require_size(images, scaling)
        run = lambda pictures: image_models.outputs(teacher.model, scaled(np.stack(pictures), scaling))  # noqa: E731
        shown = list(some_of(examples.train.pixels, EXAMPLES))
        found: dict[str, Any] = examine(teacher.notes, teacher.reference, run, shown).findings()
        if settings.again or not teacher.fitted:
            pixels = with_moved(examples.train.pixels, copies=settings.augment)
            trained = finetune(
                teacher.model,
                scaled(pixels, scaling),
                list(task.targets(examples)) * (1 + settings.augment),
                task,
                settings.model_copy(update={"batch_tokens": settings.batch_images}),
                validate=_validation(plan, examples, teacher.model, scaling, stage_name="finetune"),
                told=shares(plan, "loss"),
                checkpoints=unfinished.folder,
                key=unfinished.key,
            )
            found |= lesson_of(trained)
        else:
            found["notes"] = unused(settings)
        families.save(teacher.model, folder)
        score = task.score(examples)
        baseline = task.baseline(examples, score)
        return {
            **found,
            "score": scored(plan, teacher.model, scaling, examples, score),
            "metric": score.metric,
            **sizes_of(teacher.model, scaling),
            "parameters": teacher.parameters_count,
            "bytes": teacher.size_bytes,
            "baseline": {"name": baseline.name, "score": baseline.score},
            "scaling": asdict(scaling),
        }

    stated = settings.model_dump(exclude={"minutes"})  # a limit changes no result
    unfinished = Unfinished.of("teacher", stated, inputs)
    done = stage(plan, "teacher", stated, inputs, make, packages=MODEL_PACKAGES)
    unfinished.remove()
    return done


def ask_image_teacher(plan: Plan, images: Done, teacher: Done) -> Done:
    """Record the teacher's answers on the training images, their moved copies and the extra ones, once."""
    settings = plan.recipe.stages.distill
    hidden = settings.hidden_weight > 0
    if settings.hidden_weight not in (0, Distill().hidden_weight):
        families.required(image_model_of(plan, teacher), HIDDEN_STATES, setting="stages.distill.hidden_weight")

    def make(folder: Path) -> Mapping[str, Any]:
        inputs = scaled(_taught_pixels(images, settings), scaling_of(teacher))
        targets.record_targets(
            image_model_of(plan, teacher), inputs, hidden=hidden, folder=folder, on_progress=plan.progress.update
        )
        return {"images": len(inputs)}

    asked = {"augment": settings.augment, "hidden": hidden}
    return stage(plan, "teach", asked, {"teacher": teacher.key, "images": images.key}, make, packages=MODEL_PACKAGES)


def cut_image_model(plan: Plan, images: Done, teacher: Done, whole: Done, *, step: int = 0) -> Done:
    """Cut parts out of a model, and refit what is left to answer as before: the student before training.

    `whole` is the teacher itself, or with gradual pruning the student of the step before.
    """
    settings = plan.recipe.stages.prune
    multiple = plan.profile.preferences.int8_channel_multiple.value
    inputs = {"images": images.key, "whole": whole.key, "multiple": multiple, "steps": settings.steps}

    def make(folder: Path) -> Mapping[str, Any]:
        model, scaling = image_model_of(plan, whole), scaling_of(teacher)
        # Refitting runs the net up to each of its layers.
        count = affordable(FITTED_IMAGES, whole.findings, passes=len(whole.findings["parts"]))
        sample = image_sample(images, scaling, count)
        student = _cut(plan, model, sample, teacher, scaling, step) if settings.enabled else model
        families.save(student, folder)
        return _described(plan, student, scaling, images)

    return stage(plan, "prune", {**settings.model_dump(), "step": step}, inputs, make, packages=MODEL_PACKAGES)


def factorise_image_model(plan: Plan, images: Done, teacher: Done, student: Done) -> Done | None:
    """Keep a transformer's matrices as products of two smaller ones, where the recipe asks for that."""
    settings = plan.recipe.stages.low_rank
    if not settings.enabled or (settings.energy is None and settings.keep_parameters is None):
        return None
    multiple = plan.profile.preferences.int8_channel_multiple.value

    def make(folder: Path) -> Mapping[str, Any]:
        model, scaling = image_model_of(plan, student), scaling_of(teacher)
        setting = f"stages.low_rank.{'energy' if settings.energy is not None else 'keep_parameters'}"
        families.required(model, FACTORISABLE, setting=setting)
        made = low_rank.factorise(
            model,
            image_sample(images, scaling),
            parts=LINEARS,
            energy=settings.energy,
            keep_parameters=settings.keep_parameters,
            multiple=multiple,
        )
        families.save(made.model, folder)
        return {**_described(plan, made.model, scaling, images), "matrices": [asdict(each) for each in made.report]}

    inputs = {"images": images.key, "student": student.key, "multiple": multiple}
    return stage(plan, "low rank", settings.model_dump(), inputs, make, packages=MODEL_PACKAGES)


def teach_image_student(
    plan: Plan,
    images: Done,
    teacher: Done,
    student: Done,
    answers: Done,
    *,
    step: int = 0,
    aware: Distill | None = None,
) -> Done:
    """Distil: train the student on the teacher's answers, in a step of a gradual cut for its part of the work.

    `aware` are the settings of a lesson in which the student already computes in int8.
    """
    first, steps = plan.recipe.stages.distill, plan.recipe.stages.prune.steps
    settings, name = aware or first.lessons[0], AWARE if aware else LESSONS[0]
    share = 1.0 if aware else 1 / steps
    inputs = {"student": student.key, "answers": answers.key, "step": step, "share": share}

    def make(folder: Path, teach: Teach) -> Mapping[str, Any]:
        model, scaling = image_model_of(plan, student), scaling_of(teacher)
        found: dict[str, Any] = {}
        if settings.enabled:
            if settings.fresh:
                rebuilt = families.required(model, REBUILDABLE, setting="stages.distill.fresh")
                model = rebuilt.fresh(model, seed=settings.seed)
            pixels = _taught_pixels(images, first)
            macs = sizes_of(model, scaling)["macs"]
            found = teach(
                model,
                answers,
                scaled(pixels, scaling),
                schedule_of(settings, batch=settings.batch_images, usual=usual_work(macs, len(pixels)), share=share),
                sample=lambda count: image_sample(images, scaling, count),
                setting=f"stages.{'quantize.aware' if aware else 'distill'}.learning_rate",
                validate=_validation(plan, images_of(images), model, scaling, stage_name="distill"),
            )
        families.save(model, folder)
        return {**found, **_described(plan, model, scaling, images)}

    return lesson_stage(plan, name, settings, inputs, make)


def image_sample(images: Done, scaling: Scaling, count: int = FITTED_IMAGES) -> ImageInputs:
    """A seeded sample of the training images."""
    return scaled(some_of(images_of(images).training_pixels, count), scaling)


def affordable(count: int, found: Mapping[str, Any], *, passes: int) -> int:
    """So many images, or fewer of a model that is so large that as many passes over them would take minutes.

    `found` are the findings of the stage that made the model. Bounded by work: the same on every machine.
    """
    return max(min(count, FEWEST_IMAGES), min(count, int(AFFORDED_MACS / max(1, passes * found["macs"]))))


def some_of(pixels: Any, count: int) -> Any:
    """So many of the images, or all there are, chosen by a seed."""
    return pixels[random.Random(0).sample(range(len(pixels)), min(count, len(pixels)))]


def scored(plan: Plan, model: nn.Module, scaling: Scaling, examples: data.Images, score: Score) -> float:
    """What the float model is worth on the held-out part."""
    inputs = scaled(examples.test.pixels, scaling)
    told = lambda done: plan.progress.update(done, len(inputs), "scoring")  # noqa: E731
    return score.of(image_models.outputs(model, inputs, told=told))


def sizes_of(model: nn.Module, scaling: Scaling) -> dict[str, Any]:
    """Parameters, and multiply-accumulates of one image, whole and of each part that has any."""
    counted = sizes(model, (torch.zeros(1, scaling.channels, scaling.height, scaling.width),))
    parts = [{"name": each.name, "macs": each.macs} for each in counted.layers if each.macs]
    return {"parameters": counted.parameters, "macs": counted.macs, "parts": parts}


def _cut(plan: Plan, model: ImageModel, sample: Inputs, teacher: Done, scaling: Scaling, step: int) -> ImageModel:
    settings = plan.recipe.stages.prune

    def share() -> float:
        # Each step takes the same factor off; what is left is measured anew, as sizes are rounded.
        goal = (settings.keep_macs or 1.0) ** ((step + 1) / settings.steps) * teacher.findings["macs"]
        return float(min(1.0, goal / sizes_of(model, scaling)["macs"]))

    multiple = plan.profile.preferences.int8_channel_multiple.value
    made = cutting.cut(model, sample, Goal(settings=settings, multiple=multiple, step=step, share=share))
    return made.refitted() if settings.reconstruct and made.refitted else made.model


def _taught_pixels(images: Done, settings: Distill) -> Any:
    examples = images_of(images)
    return np.concatenate([with_moved(examples.train.pixels, copies=settings.augment), examples.extra.pixels])


def _described(plan: Plan, model: nn.Module, scaling: Scaling, images: Done) -> dict[str, Any]:
    examples = images_of(images)
    score = plan.task.score(examples)
    return {"score": scored(plan, model, scaling, examples, score), **sizes_of(model, scaling)}


def _validation(
    plan: Plan, examples: data.Images, model: nn.Module, scaling: Scaling, *, stage_name: str
) -> Callable[[], float] | None:
    if not ends_by_validation(plan, examples.validation, stage_name):
        return None
    score = plan.task.score(examples, "validation")
    inputs = scaled(examples.validation.pixels, scaling)
    return lambda: score.of(image_models.outputs(model, inputs))


def _require_size(images: Done, scaling: Scaling) -> None:
    found, wanted = (images.findings["height"], images.findings["width"]), (scaling.height, scaling.width)
    if found != wanted:
        raise InputError(
            f"the images are {found[0]} × {found[1]} pixels, but the model takes {wanted[0]} × {wanted[1]}; set "
            f"task.image_size = [{wanted[0]}, {wanted[1]}]"
        )
