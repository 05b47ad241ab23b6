"""How a student is trained on what was recorded of its teacher: on outputs, or where the task writes, on next tokens.

In:  a student, a recording, and a training phase's settings.
Out: what the training did; the student is trained in place. When and from where is `train`'s concern.
"""

from __future__ import annotations

from torch import Tensor

from edgewright.compress import distill
from edgewright.compress.distill_tokens import TokenDistillation, distill_tokens
from edgewright.compress.distillation_loss import Imitation, Weights
from edgewright.compress.targets import Targets
from edgewright.compress.token_loss import TokenWeights
from edgewright.compress.token_targets import TokenTargets
from edgewright.modality.base import Dataset
from edgewright.models.capabilities import OwnModel
from edgewright.models.packing import PackedRows
from edgewright.models.schedule import Schedule, Trained
from edgewright.models.training import TrainingOptions
from edgewright.specs.recipe import Distill
from edgewright.stages.float_models import ModelFindings
from edgewright.stages.plan import Plan
from edgewright.stages.stage import Build, Findings, StageResult


def learn_outputs(
    build: Build,
    model: OwnModel,
    dataset: Dataset,
    recording: StageResult[Findings],
    asked: Distill,
    schedule: Schedule,
    setting: str,
    options: TrainingOptions,
) -> Trained:
    """Train towards the outputs that were recorded of each example."""
    return distill.distill(
        model,
        Targets.load(recording.folder),
        dataset.recorded(recording.folder, recording.settings),
        schedule,
        imitation=_imitation_of(build.plan),
        weights=_weights_of(asked),
        layers=build.findings("student", ModelFindings).from_layers,
        partners=dataset.partners(recording.folder),
        setting=setting,
        **options,
    )


def learn_tokens(
    build: Build,
    model: OwnModel,
    dataset: Dataset,
    recording: StageResult[Findings],
    asked: Distill,
    schedule: Schedule,
    setting: str,
    options: TrainingOptions,
) -> Trained:
    """Train towards the next tokens that were recorded, on packed rows."""
    inputs = dataset.recorded(recording.folder, recording.settings)
    return distill_tokens(
        model,
        TokenTargets.load(recording.folder),
        PackedRows.of_inputs(inputs, build.plan.recipe.task.max_length),
        schedule,
        TokenDistillation(
            tokens=TokenWeights(teacher=asked.output_weight, true=asked.output_weight * asked.true_token_weight),
            hidden=asked.hidden_weight,
            intermediate=asked.intermediate_weight,
        ),
        layers=build.findings("student", ModelFindings).from_layers,
        setting=setting,
        **options,
    )


def _weights_of(settings: Distill) -> Weights:
    """How much each part of a training phase's loss counts."""
    return Weights(
        output=settings.output_weight,
        hidden=settings.hidden_weight,
        intermediate=settings.intermediate_weight,
        relation=settings.relation_weight,
        similarity=settings.similarity_weight,
        pair=settings.pair_weight,
    )


def _imitation_of(plan: Plan) -> Imitation:
    """How far outputs are from the teacher's, as the task has it."""
    task, temperature = plan.task, plan.recipe.stages.distill.temperature

    def imitation(output: Tensor, wanted: Tensor) -> Tensor:
        return task.imitation(output, wanted, temperature=temperature)

    return imitation
