"""The stage that measures what int8 does to each part of a student, and which parts are better excluded from it.

In:  a student.
Out: `SensitivityFindings`, by which artifacts are exported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import BaseModel
from torch import Tensor, nn

from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.cost.exported import slower_in_float
from edgewright.errors import InputError
from edgewright.quantize.schemes import narrow_weights, rounds_to_integers
from edgewright.quantize.sensitivity import Limits, checked, relative_error, sensitivity
from edgewright.quantize.simulated import linear_parts
from edgewright.runtimes.quantization import int4_group
from edgewright.runtimes.subject import PLACE
from edgewright.specs.metrics import goodness
from edgewright.specs.recipe import Quantize
from edgewright.stages.float_models import require_validation
from edgewright.stages.sides import Side, student_of
from edgewright.stages.stage import Build, Findings, Stage, Workspace

JUDGED = 256  # examples that sensitivity is measured on
FIRST, SECOND = "sensitivity", "second sensitivity"  # runtimes may differ in it; a report shows the first


class PartSensitivity(BaseModel):
    """What the narrower format does in one part alone, and the bytes and milliseconds that the wider one takes more."""

    name: str
    float_bytes: float
    error: float
    points: float | None = None
    float_ms: float = 0.0


class SensitivityFindings(Findings):
    """Which parts are excluded from int8 or have narrower weights, on static scales or dynamic ones.

    Where it was measured, `error` is that of the outputs with everything in int8, and `left` that with this choice;
    points are those of the score. It was measured on so many `examples`.
    """

    kept_float: tuple[str, ...]
    int4: tuple[str, ...]
    static: bool
    parts: tuple[PartSensitivity, ...] = ()
    error: float | None = None
    left: float | None = None
    int4_parts: tuple[PartSensitivity, ...] = ()
    points: float | None = None
    left_points: float | None = None
    examples: int = 0


def sensitivity_stage(*, static: bool, name: str = FIRST) -> Stage[SensitivityFindings]:
    """The stage for artifacts with static scales of activations, or with dynamic ones."""

    def measure(build: Build, _: Workspace) -> SensitivityFindings:
        return _judged(build, static=static)

    def settings(build: Build) -> Mapping[str, object]:
        return {**build.plan.recipe.stages.quantize.model_dump(), "static": static}

    return Stage(
        name=name,
        version=1,
        findings=SensitivityFindings,
        make=measure,
        needs=("examples", "inputs", "student"),
        settings=settings,
        facts=_facts,
        packages=ARTIFACT_PACKAGES,
    )


def _facts(build: Build) -> Mapping[str, object]:
    shaping = {"processor", "caches", "memory", "preferences"}
    return {"device": build.plan.profile.model_dump(mode="json", include=shaping)}


def _judged(build: Build, *, static: bool) -> SensitivityFindings:
    settings = build.plan.recipe.stages.quantize
    if not rounds_to_integers(settings.scheme):
        return SensitivityFindings(kept_float=(), int4=(), static=False)
    if narrow_weights(settings.weights) and static:
        raise InputError(
            f'stages.quantize.weights = "{settings.weights}" needs activations that are quantised dynamically; set '
            'stages.quantize.scheme to "dynamic-int8", or leave weights out'
        )
    student = student_of(build)
    if settings.sensitivity:
        return _measured(build, student, static=static)
    return _as_asked(student.to_run(), settings, static=static)


def _as_asked(model: nn.Module, settings: Quantize, *, static: bool) -> SensitivityFindings:
    """What the recipe says, without measuring. Raises `UnknownNameError` for a part that the model does not have."""
    checked(model, settings.exclude)
    narrow = narrow_weights(settings.weights)
    int4 = [name for name in linear_parts(model) if narrow and name not in settings.exclude]
    return SensitivityFindings(kept_float=tuple(settings.exclude), int4=tuple(int4), static=static)


def _measured(build: Build, student: Side, *, static: bool) -> SensitivityFindings:
    settings, subject = build.plan.recipe.stages.quantize, student.subject()
    narrow = narrow_weights(settings.weights)
    dataset, passes = student.dataset, len(subject.parts()) + 2
    sample = dataset.for_sensitivity(JUDGED, macs=student.findings.macs, passes=passes)

    def distance(found: Tensor, wanted: Tensor) -> float:
        known = dataset.distance(found, wanted)
        return relative_error(found, wanted) if known is None else known

    places = [f"{PLACE}.{part}" for part in subject.parts()]
    slower = slower_in_float(subject.module(), subject.spec, places, build.plan.profile)
    found = sensitivity(
        student.to_run(),
        lambda trial: dataset.judged(trial, sample),
        limits=Limits(error=settings.max_error_percent / 100, points=settings.max_score_loss_points),
        score=_validation(student) if settings.max_score_loss_points is not None else None,
        static=static,
        calibration=settings.calibration,
        excluded=settings.exclude,
        narrow_bits=narrow.weight_bits if narrow else None,
        group=int4_group(student.input_spec()),
        distance=distance,
        float_ms={place.removeprefix(f"{PLACE}."): ms for place, ms in slower.items()},
        on_progress=build.plan.progress.update,
    )
    return SensitivityFindings.model_validate({**found.document(), "static": static, "examples": len(sample)})


def _validation(student: Side) -> Callable[[nn.Module], float]:
    """How good a model in the student's place is on the validation part. Raises `InputError` where that is empty."""
    inputs = student.held_out("validation")
    require_validation(inputs, "stages.quantize", "max_score_loss_points", "is of")
    score = student.score("validation")

    def good(trial: nn.Module) -> float:
        outputs = student.outputs(inputs, model=trial)
        return goodness(score.metric, score.of(student.as_scored(outputs, inputs, score)))

    return good
