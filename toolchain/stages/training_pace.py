"""How long the trainings of a build take on this machine, by the pace of a few steps that are timed now.

In:  a `Plan`, and the examples that its first stage read.
Out: a `TrainingPace`, which tells the seconds of each training and of recording the teacher's outputs.
Where a student's sizes follow from the recipe it is the student that is timed, and else the teacher as it comes.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from edgewright.errors import InputError, ToolchainError
from edgewright.modality.encoded import Encoded
from edgewright.modality.workload import Workload
from edgewright.models.inputs import Inputs, TextInputs, batch_for
from edgewright.models.macs import sizes
from edgewright.models.schedule import Schedule
from edgewright.models.training import train
from edgewright.specs.recipe import Distill, Recipe
from edgewright.stages.chosen_sizes import sized
from edgewright.stages.plan import Plan
from edgewright.stages.planned_student import Planned, planned
from edgewright.stages.record_teacher_outputs import RECORDINGS
from edgewright.stages.train import AWARE, TRAININGS, usual_work
from edgewright.tasks.table import task_of

TIMED_STEPS, TIMED_LENGTH = 4, 32
FORWARD_SHARE = 1 / 3  # of a training step's products that are those of the forward pass
LEAST_SHARE = 0.2  # of its teacher's time an example: a tenth of the products is no tenth of the time


@dataclass(frozen=True, kw_only=True)
class TrainingPace:
    """Units (tokens, images) a second of a training step, of the teacher and of the student.

    `student_macs` are the student's multiply-accumulates of a unit; `basis` says what was timed.
    """

    recipe: Recipe
    workload: Workload
    teacher: float
    student: float
    student_macs: float
    basis: str

    @property
    def sentence(self) -> str:
        """How it was found."""
        return (
            f"Trainings are reckoned from {TIMED_STEPS} steps {self.basis}, the rest as earlier builds here, or two "
            "quiet cores, took."
        )

    def seconds(self, name: str) -> float | None:
        """Of the stage of this name; None where it is no training."""
        stages = self.recipe.stages
        if name == "teacher":
            fitted = task_of(self.recipe.task.kind).fitted
            return self.workload.fitted(stages.finetune) / self.teacher if fitted else None
        if name in RECORDINGS:
            phase = stages.distill.phases[RECORDINGS.index(name)]
            return self.workload.recorded(phase) * FORWARD_SHARE / self.teacher
        if name == AWARE and stages.qat_phase:
            return self._trained(stages.qat_phase)
        if name in TRAININGS:
            number = TRAININGS.index(name)
            return self._trained(stages.distill.phases[number]) / (1 if number else stages.prune.steps)
        return None

    def _trained(self, phase: Distill) -> float:
        """The seconds of a training phase, which may end sooner."""
        if not phase.enabled:
            return 0.0
        epoch = self.workload.recorded(phase)
        ends = [phase.train_tokens, phase.train_images, phase.epochs * epoch if phase.epochs else None]
        usual = float(usual_work(self.student_macs, epoch))
        return min([float(end) for end in ends if end is not None], default=usual) / self.student


def training_pace(plan: Plan, examples: Path, workload: Workload) -> TrainingPace | None:
    """Time a few steps now; None where no model can be had yet, which its own stage tells. Draws no random number."""
    if plan.task.generates:  # their steps are timed as they are trained
        return None
    timed = _of_student if plan.modality.plans_sizes else _of_teacher
    with torch.random.fork_rng(devices=[]):
        try:
            return timed(plan, examples, workload)
        except ToolchainError:
            return None


def _of_student(plan: Plan, _: Path, workload: Workload) -> TrainingPace:
    """Timed on the student that the recipe plans."""
    recipe = sized(plan.recipe, plan.profile, length=workload.usual_size).recipe
    student, teacher = planned(recipe, plan.profile), planned(_uncut(recipe), plan.profile)
    batch = getattr(plan.recipe.stages.distill, plan.modality.batch_setting)
    macs = _macs(plan, student)
    pace = units_a_second(student.model, _any_text(student, batch), batch)
    return TrainingPace(
        recipe=plan.recipe,
        workload=workload,
        teacher=macs * pace / _macs(plan, teacher),
        student=pace,
        student_macs=macs,
        basis=f"timed now ({pace:,.0f} of the student's {workload.unit} a second)",
    )


def _of_teacher(plan: Plan, examples: Path, workload: Workload) -> TrainingPace:
    """Timed on the teacher as it comes, of which the student keeps a share."""
    loaded = plan.modality.load_teacher(plan.recipe, examples)
    batch = getattr(plan.recipe.stages.finetune, plan.modality.batch_setting)
    macs = sizes(loaded.model, loaded.dataset.example()).macs / plan.modality.counted_units
    pace = units_a_second(loaded.model, loaded.dataset.sample(TIMED_STEPS * batch), batch)
    share = plan.recipe.stages.prune.keep_macs or 1.0
    return TrainingPace(
        recipe=plan.recipe,
        workload=workload,
        teacher=pace,
        student=pace / max(share, LEAST_SHARE),
        student_macs=macs * share,
        basis=f"of the teacher timed now ({pace:,.0f} {workload.unit} a second)",
    )


def units_a_second(model: nn.Module, inputs: Inputs, batch: int) -> float:
    """The pace of training steps, the first left out; few inputs are gone over again, and the model is spoilt."""
    seen: list[tuple[float, int]] = []
    count = len(inputs)

    def loss_of(indexes: list[int]) -> torch.Tensor:
        rows = [index % count for index in indexes]
        seen.append((time.perf_counter(), sum(inputs.sizes[row] for row in rows)))
        output: torch.Tensor = model(*batch_for(model, inputs, rows))
        return output.float().square().mean()

    again = max(TIMED_STEPS * batch // max(sum(inputs.sizes), 1), 1)
    schedule = Schedule(learning_rate=1e-6, batch_tokens=batch, seed=0, epochs=1)
    train(model, [*inputs.sizes] * again, loss_of, schedule, setting="x")
    ended = time.perf_counter()
    if len(seen) < 2:
        raise InputError("a pace needs two steps")
    return sum(units for _, units in seen[1:]) / max(ended - seen[1][0], 1e-9)


def _uncut(recipe: Recipe) -> Recipe:
    """The recipe whose student is the teacher."""
    stages = recipe.stages
    off = {name: getattr(stages, name).model_copy(update={"enabled": False}) for name in _CUTTING}
    return recipe.model_copy(update={"stages": stages.model_copy(update=off)})


_CUTTING = ("vocabulary", "prune", "low_rank")


def _macs(plan: Plan, student: Planned) -> float:
    """Multiply-accumulates of a token, in a short text."""
    length = min(plan.modality.counted_units, student.shape.positions)
    return sizes(student.model, (torch.ones(length, dtype=torch.long),)).macs / length


def _any_text(student: Planned, batch: int) -> TextInputs:
    """Random texts for a few steps."""
    length = min(TIMED_LENGTH, student.shape.positions)
    chance = random.Random(0)
    rows = [
        Encoded(
            ids=tuple(chance.randrange(1, student.shape.vocabulary) for _ in range(length)),
            words=tuple(range(length)),
        )
        for _ in range(TIMED_STEPS * max(batch // length, 1))
    ]
    return TextInputs(rows)
