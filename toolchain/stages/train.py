"""The stages that train the student on the teacher's recorded outputs: "distill", "finish", and "aware" in int8.

In:  the student, the recorded outputs, and a training phase's settings.
Out: the trained student.
A training that was cut off goes on from its checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

from pydantic import JsonValue
from torch import nn

from edgewright.base.cache import ARTIFACT_PACKAGES, MODEL_PACKAGES
from edgewright.base.places import cache_dir
from edgewright.compress.drift import drift
from edgewright.modality.base import Dataset
from edgewright.models import families
from edgewright.models import model as models
from edgewright.models.capabilities import REBUILDABLE, OwnModel
from edgewright.models.inputs import Inputs
from edgewright.models.schedule import Schedule
from edgewright.models.text import batches
from edgewright.models.training import TrainingOptions
from edgewright.quantize.schemes import QUANTIZATION_SCHEMES, narrow_weights
from edgewright.quantize.sensitivity import checked
from edgewright.quantize.simulated import as_int8, linear_parts, ranges_of
from edgewright.specs.recipe import Distill
from edgewright.stages.float_models import (
    ModelFindings,
    TrainedFindings,
    dataset_of,
    measured,
    model_of,
    on_training,
    priced,
    save,
    sizes_of,
    trained_findings,
    validation,
)
from edgewright.stages.learning import learn_outputs, learn_tokens
from edgewright.stages.plan import Plan
from edgewright.stages.record_teacher_outputs import RECORDINGS
from edgewright.stages.stage import Build, Stage, Workspace

RANGED_BATCH = 16  # examples that are run at once to see what their activations need
TRAININGS = ("distill", "finish")  # the stages that train, one for each of the recipe's phases
AWARE = "aware"  # the one that trains in int8
# What training in int8 reads of [stages.quantize]; which parts stay float is found later.
READ_IN_INT8 = {"scheme", "weights", "examples", "calibration", "exclude"}
# How much is trained where a recipe does not say: forward multiply-accumulates, what a quiet machine of two cores does
# in about five minutes with their backward passes, and no more than so many passes over the examples.
USUAL_MACS = 5e12
MOST_USUAL_EPOCHS = 100


class DistilledFindings(TrainedFindings):
    """A trained student; `drift` is how far each of its layers' outputs are from the teacher's at the same place."""

    drift: tuple[dict[str, JsonValue], ...] = ()


def train_stage(phase: int, *, share: float = 1.0) -> Stage[ModelFindings]:
    """The stage for one training phase, counted from 0, or for this share of its work in a step of a gradual cut."""
    part = "distill.final_phase" if phase else "distill"
    return _stage(TRAININGS[phase], phase, share=share, setting=f"stages.{part}.learning_rate")


def aware_stage() -> Stage[ModelFindings]:
    """The stage in which the student already computes in int8."""
    return _stage(AWARE, None, share=1.0, setting="stages.quantize.qat.learning_rate")


def _stage(name: str, phase: int | None, *, share: float, setting: str) -> Stage[ModelFindings]:
    def settings(build: Build) -> Mapping[str, object]:
        found = _asked(build.plan, phase).model_dump(exclude={"minutes"})  # a limit changes no result
        if phase is None:
            found["quantize"] = build.plan.recipe.stages.quantize.model_dump(include=READ_IN_INT8)
        return found

    def train(build: Build, work: Workspace) -> DistilledFindings:
        return _trained(build, work, phase, share=share, setting=setting)

    def applies(build: Build) -> bool:
        stages = build.plan.recipe.stages
        return bool(stages.qat_phase) if phase is None else phase < len(stages.distill.phases)

    return Stage(
        name=name,
        version=1,
        findings=DistilledFindings,
        make=train,
        needs=("teacher", "examples", "inputs", "student", _recording(phase)),
        plays=("student",),
        settings=settings,
        facts=lambda _: {"share": share},
        applies=applies,
        packages=ARTIFACT_PACKAGES if phase is None else MODEL_PACKAGES,
        reckon=priced,
    )


def _asked(plan: Plan, phase: int | None) -> Distill:
    aware = plan.recipe.stages.qat_phase
    if phase is None:
        assert aware is not None, "the stage applies"
        return aware
    return plan.recipe.stages.distill.phases[phase]


def _recording(phase: int | None) -> str:
    """The part of the recorded outputs: training in int8 has the last phase's."""
    return RECORDINGS[phase] if phase is not None else "recorded"


def _trained(build: Build, work: Workspace, phase: int | None, *, share: float, setting: str) -> DistilledFindings:
    asked, dataset, model = _asked(build.plan, phase), dataset_of(build), model_of(build)
    found: dict[str, object] = {}
    if asked.enabled:
        if asked.from_scratch:
            rebuilt = families.required(model, REBUILDABLE, setting="stages.distill.from_scratch")
            model = rebuilt.fresh(model, seed=asked.seed)
        if asked.projection:
            model = models.projected(model)
        recording = build.result(_recording(phase))
        units = sum(dataset.recorded(recording.folder, recording.settings).sizes)
        schedule = _schedule(build, model, dataset, asked, units=units, share=share)
        within = in_int8(build.plan, model, dataset) if phase is None else nullcontext()
        with within:
            options: TrainingOptions = {
                "validate": validation(build, model, dataset, section="distill"),
                "checkpoints": work.checkpoints,
                "key": work.key,
                "trackers": asked.trackers,
                "tracker_folder": cache_dir("trackers") if asked.trackers else None,
                "on_progress": on_training(build),
            }
            learn = learn_tokens if build.plan.task.generates else learn_outputs
            trained = learn(build, model, dataset, recording, asked, schedule, setting, options)
        found = trained_findings(trained, dataset)
    save(model, work.folder)
    layers = build.findings("student", ModelFindings).layers
    if layers:
        found |= {"layers": layers, "drift": _drift(build, dataset, model)}
    return DistilledFindings.model_validate({**found, **measured(build, model, dataset)})


def _schedule(
    build: Build, model: nn.Module, dataset: Dataset, asked: Distill, *, units: int, share: float
) -> Schedule:
    """Of a training phase whose epoch has so many units."""
    modality = build.plan.modality
    macs = sizes_of(build, model, dataset).macs
    return schedule_of(
        asked,
        batch=getattr(asked, modality.batch_setting),
        usual=usual_work(macs / modality.counted_units, units),
        share=share,
    )


def _drift(build: Build, dataset: Dataset, model: OwnModel) -> list[dict[str, float]]:
    """How far each layer's output is from the teacher's at the same place."""
    layers = build.findings("student", ModelFindings).from_layers
    teacher = dataset.adapted(model_of(build, "teacher"))
    return drift(model, teacher, layers, dataset.sample(build.plan.modality.ranked_count))


def scheme_of(plan: Plan, model: nn.Module) -> str:
    """The quantisation scheme that the recipe names, or else the model's family."""
    return plan.recipe.stages.quantize.scheme or families.family_of(model).scheme


@contextmanager
def in_int8(plan: Plan, model: nn.Module, dataset: Dataset) -> Iterator[None]:
    """Within it the model computes as its int8 artifact will, on scales that a sample of the examples needs."""
    settings = plan.recipe.stages.quantize
    names = [name for name in checked(model, settings.exclude) if name not in settings.exclude]
    ranges = None
    if QUANTIZATION_SCHEMES[scheme_of(plan, model)].static:
        sample = dataset.sample(settings.examples)
        ranges = ranges_of(model, lambda trial: _run_all(trial, sample), calibration=settings.calibration)
    scheme = narrow_weights(settings.weights)
    narrow = dict.fromkeys(linear_parts(model), scheme.weight_bits) if scheme else {}
    with as_int8(model, names, ranges=ranges, weight_bits=narrow):
        yield


def _run_all(model: nn.Module, inputs: Inputs) -> None:
    for indexes in batches(inputs.sizes, RANGED_BATCH * max(inputs.sizes)):
        model(*inputs.batch(indexes))


def schedule_of(settings: Distill, *, batch: int, usual: int, share: float = 1.0) -> Schedule:
    """A training phase's length and rate, for this share of its work.

    A batch is of so many tokens or images; `usual` is how many are trained where the recipe does not say.
    """
    epochs, units = settings.epochs, settings.train_tokens or settings.train_images
    if epochs is None and units is None:
        units = usual
    return Schedule(
        learning_rate=settings.learning_rate,
        batch_tokens=batch,
        seed=settings.seed,
        epochs=epochs * share if epochs else None,
        tokens=max(round(units * share), 1) if units else None,
        patience=settings.patience,
        limit_s=settings.minutes * 60 if settings.minutes else None,
    )


def usual_work(macs: float, units: int) -> int:
    """How many tokens or images are trained where the recipe does not say.

    The student takes `macs` multiply-accumulates for each, and an epoch has so many `units`.
    """
    return max(min(round(USUAL_MACS / max(macs, 1.0)), MOST_USUAL_EPOCHS * units), 1)
