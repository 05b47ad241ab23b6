"""The stages that record the teacher's outputs on what the student is trained on, once for each training phase.

In:  the teacher, the examples, and which of its layers stay.
Out: the recorded outputs, and hidden vectors where the recipe asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ConfigDict

from edgewright.compress.targets import record_targets
from edgewright.compress.token_targets import Recorded, record_token_targets
from edgewright.models import families
from edgewright.models.capabilities import HIDDEN_STATES
from edgewright.models.packing import PackedRows
from edgewright.specs.recipe import Distill
from edgewright.stages.float_models import ModelFindings, dataset_of, model_of
from edgewright.stages.stage import Build, Findings, Stage, Workspace

RECORDINGS = ("teach", "teach finish")  # one for each of the recipe's phases


class RecordedFindings(Findings):
    """How many examples were recorded, under what the modality calls them; of texts their tokens, too."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, int]

    tokens: int = 0


def record_stage(phase: int, *, on_student: bool = False) -> Stage[RecordedFindings]:
    """The stage for one training phase, counted from 0; on the tokens of the teacher, or those `on_student`."""
    needs = ("teacher", "examples", "inputs") if on_student else ("teacher", "examples")

    def settings(build: Build) -> Mapping[str, object]:
        asked = phase_of(build, phase)
        _require_hidden_states(build, asked)  # each time: a recording of another weight may be kept already
        return {
            **build.plan.modality.recording(build.plan.recipe, asked),
            "augment": asked.augment,
            "hidden": asked.hidden_weight > 0,
            "entered": _entered(build, asked),
            "attention": asked.relation_weight > 0,
            **({"outputs": "likeliest tokens"} if build.plan.task.generates else {}),
        }

    def record(build: Build, work: Workspace) -> RecordedFindings:
        return _recorded(build, work, phase_of(build, phase))

    return Stage(
        name=RECORDINGS[phase],
        version=1,
        findings=RecordedFindings,
        make=record,
        needs=needs,
        plays=("recorded",),
        settings=settings,
        applies=lambda build: phase < len(build.plan.recipe.stages.distill.phases),
    )


def phase_of(build: Build, phase: int) -> Distill:
    """The settings of a training phase."""
    return build.plan.recipe.stages.distill.phases[phase]


def _require_hidden_states(build: Build, asked: Distill) -> None:
    """Raise `InputError` where hidden vectors are asked for of a teacher that gives none."""
    if asked.hidden_weight not in (0, Distill().hidden_weight):
        teacher = model_of(build, "teacher")
        families.required(teacher, HIDDEN_STATES, setting="stages.distill.hidden_weight")


def _entered(build: Build, asked: Distill) -> list[int]:
    """The teacher's layers whose inputs are recorded: those that stay, after the first."""
    layers = build.findings("student", ModelFindings).from_layers
    return layers[1:] if asked.intermediate_weight else []


def _recorded(build: Build, work: Workspace, asked: Distill) -> RecordedFindings:
    plan, teacher = build.plan, model_of(build, "teacher")
    dataset = dataset_of(build, "inputs" if plan.modality.records_on_student else "teacher")
    teacher = dataset.adapted(teacher) if plan.modality.records_on_student else teacher
    inputs = dataset.to_record(asked, work.folder)
    hidden, entered = asked.hidden_weight > 0, _entered(build, asked)
    if plan.task.generates:
        record_token_targets(
            teacher,
            PackedRows.of_inputs(inputs, plan.recipe.task.max_length),
            Recorded(top_k=asked.top_k, hidden=hidden, entered=entered),
            folder=work.folder,
            unfinished=work.checkpoints,
            key=work.key,
            on_progress=plan.progress.update,
        )
    else:
        record_targets(
            teacher,
            inputs,
            hidden=hidden,
            entered=entered,
            attention=asked.relation_weight > 0,
            folder=work.folder,
            on_progress=plan.progress.update,
        )
    tokens = {"tokens": sum(inputs.sizes)} if plan.modality.has_length else {}
    return RecordedFindings.model_validate({plan.modality.examples_name: len(inputs), **tokens})
