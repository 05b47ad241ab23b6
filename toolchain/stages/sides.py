"""The two models of a build, teacher and student, each with the examples as it takes them.

In:  a `Build` that has come to its student.
Out: a `Side`: what is exported of the model, what it is asked, and what it answers.
The stages that make and judge artifacts work on sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from torch import Tensor, nn

from edgewright.modality.base import Dataset, HeldOut
from edgewright.modality.input_spec import Examples, InputSpec
from edgewright.models import families
from edgewright.models.capabilities import OwnModel
from edgewright.models.inputs import Inputs
from edgewright.runtimes.subject import Subject
from edgewright.stages.float_models import ModelFindings, load
from edgewright.stages.plan import Plan
from edgewright.stages.stage import Build, Findings, StageResult
from edgewright.tasks.attribution import RestsOn
from edgewright.tasks.scores import Asked, Score

VECTORS = 16  # examples that a device is timed and checked on


@dataclass(frozen=True, kw_only=True)
class Side:
    """A float model, made by `stage`, and the examples as it takes them, which the stage `inputs` says."""

    build: Build
    inputs: StageResult[Findings]
    stage: StageResult[Findings]

    @property
    def plan(self) -> Plan:
        """With the sizes that were chosen."""
        return self.build.plan

    @property
    def keys(self) -> Mapping[str, str]:
        """What a result that depends on this side depends on."""
        return {"model": self.stage.key, "examples": self.build.result("examples").key, "inputs": self.inputs.key}

    @property
    def findings(self) -> ModelFindings:
        """What the model is worth, and its size."""
        assert isinstance(self.stage.findings, ModelFindings)
        return self.stage.findings

    @cached_property
    def dataset(self) -> Dataset:
        """The examples as the model takes them."""
        plan = self.plan
        return plan.modality.dataset(plan.recipe, self.build.result("examples").folder, self.inputs.folder)

    def model(self) -> OwnModel:
        """The float model."""
        return load(self.build, self.stage.folder)

    def to_run(self) -> OwnModel:
        """A copy of the model that computes no more than its outputs need."""
        return families.to_run(self.model())

    def input_spec(self) -> InputSpec:
        """What an artifact of it takes; no model is read to tell."""
        return self.dataset.input_spec(batch=self.plan.recipe.stages.export.batch)

    def timed_length(self) -> int:
        """The median length of what artifacts are timed on; 0 where examples are all of one size."""
        return int(median(self.asked().sizes)) if self.plan.modality.has_length else 0

    def subject(self) -> Subject:
        """What is exported."""
        return Subject(model=self.model(), spec=self.input_spec())

    def score(self, part: HeldOut = "test") -> Score:
        """The judge of a held-out part."""
        return self.dataset.score(part)

    def held_out(self, part: HeldOut = "test") -> Inputs:
        """The examples of a held-out part, in the order that its score takes outputs in."""
        return self.dataset.held_out(part)

    def asked(self) -> Inputs:
        """A seeded sample of what the device will be asked, of the held-out part: it is timed and checked on that."""
        return self.dataset.asked(VECTORS)

    def sample(self, count: int, *, passes: int = 1) -> Inputs:
        """A seeded sample of the training examples; of large ones fewer, where there are many passes over it."""
        return self.dataset.sample(count, macs=self.findings.macs, passes=passes)

    def outputs(
        self, inputs: Inputs, *, model: nn.Module | None = None, on_progress: Callable[[int], None] | None = None
    ) -> Tensor:
        """What the model, or another that stands for it, says of each, `joined` as the input spec has it."""
        return self.dataset.outputs(self.model() if model is None else model, inputs, on_progress=on_progress)

    def as_scored(self, outputs: Tensor, inputs: Inputs, score: Score) -> Tensor:
        """Outputs for a held-out part as its score takes them."""
        return self.dataset.as_scored(outputs, inputs, score)

    def rests_on(self, inputs: Inputs, index: int, asked: Asked) -> RestsOn:
        """What the model's answer to one of the examples rests on."""
        return self.dataset.attribution(self.model(), inputs, index, asked)

    def examples_of(self, inputs: Inputs) -> Examples:
        """The examples as an artifact takes them."""
        return self.dataset.examples_of(inputs)


def teacher_of(build: Build) -> Side:
    """The teacher."""
    return Side(build=build, inputs=build.result("teacher"), stage=build.result("teacher"))


def student_of(build: Build) -> Side:
    """The student so far."""
    return Side(build=build, inputs=build.result("inputs"), stage=build.result("student"))
