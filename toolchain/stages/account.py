"""The stage that finds which held-out examples the student answers worse than its teacher.

In:  the teacher and the student.
Out: `AccountFindings`; where the recipe asks for that, also what these answers rest on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from pydantic import BaseModel
from torch import Tensor

from edgewright.models.inputs import Inputs
from edgewright.stages.sides import Side, student_of, teacher_of
from edgewright.stages.stage import Build, Findings, Stage, Workspace
from edgewright.tasks.account import account_of
from edgewright.tasks.attribution import asked_of, side_by_side
from edgewright.tasks.examples import WrittenExamples
from edgewright.tasks.written import account_of_written


class GroupFindings(BaseModel):
    """The share of a class's examples that each model answers right."""

    name: str
    count: int
    teacher: float
    student: float


class FlipFindings(BaseModel):
    """An example that the student answers worse, with both answers; `index` is its place in the held-out part."""

    index: int
    text: str
    expected: str
    teacher: str
    student: str


class AttributionFindings(BaseModel):
    """The words of an example, or an image in rows of grey, and how much each speaks for the right answer."""

    shown: list[str] | list[list[float]]
    teacher: list[float] | list[list[float]]
    student: list[float] | list[list[float]]


class AgreementFindings(BaseModel):
    """Shares of so many held-out tokens, of each of which both models were given what stands before.

    `same` is where both take the same token for likeliest, `among_first` where the student's is among the teacher's
    first five, `sure` the same where the teacher gives its own more than 0.8, as it does of `sure_tokens`.
    """

    tokens: int
    same: float
    among_first: float
    sure_tokens: int
    sure: float


class WrittenFindings(BaseModel):
    """Means over the prompts: ROUGE-L (F1), and the share of texts that are just what is wanted."""

    rouge_l: float
    exact: float


class WrittenExampleFindings(BaseModel):
    """A prompt, what is wanted after it, and what both models write; `index` is its place in the held-out part."""

    index: int
    prompt: str
    expected: str
    teacher: str
    student: str


class WritingFindings(BaseModel):
    """What both models write after so many held-out prompts, and the completion of the nearest training prompt.

    `equal` is the share of prompts after which both write the same.
    """

    count: int
    teacher: WrittenFindings
    student: WrittenFindings
    nearest: WrittenFindings
    equal: float
    examples: tuple[WrittenExampleFindings, ...] = ()


class AccountFindings(Findings):
    """Of `count` held-out examples `lost` were better answered by the teacher, `won` by the student.

    Nothing is set for a task without single answers. `attributions` are of the first `flips`. `agreement` and `writing`
    are of models that write.
    """

    count: int = 0
    lost: int = 0
    won: int = 0
    groups: tuple[GroupFindings, ...] = ()
    flips: tuple[FlipFindings, ...] = ()
    attributions: tuple[AttributionFindings, ...] = ()
    agreement: AgreementFindings | None = None
    writing: WritingFindings | None = None


def _account(build: Build, _: Workspace) -> AccountFindings:
    """What the wanted answers rest on is found once it is known which got worse."""
    wanted, sides = build.plan.recipe.stages.account.attributions, [teacher_of(build), student_of(build)]
    score, inputs = sides[1].score(), [side.held_out() for side in sides]
    outputs = [side.outputs(each) for side, each in zip(sides, inputs, strict=True)]
    judged = [side.as_scored(answers, each, score) for side, answers, each in zip(sides, outputs, inputs, strict=True)]
    found = account_of(score, *judged)
    if found is None:
        return AccountFindings()
    explained = [
        side_by_side(
            *(
                side.rests_on(each, flip.index, asked_of(score, answers, flip.index))
                for side, each, answers in zip(sides, inputs, outputs, strict=True)
            )
        )
        for flip in found.flips[:wanted]
    ]
    told = {"attributions": explained} if wanted else {}
    return AccountFindings.model_validate({**found.document(), **told, **_of_writing(sides, outputs[1], inputs[1])})


def _of_writing(sides: Sequence[Side], outputs: Tensor, inputs: Inputs) -> dict[str, object]:
    """How the student's tokens and texts are the teacher's, of models that write; nothing of others."""
    theirs, ours = sides
    agreement = ours.dataset.agreement(theirs.model(), outputs, inputs)
    if agreement is None:
        return {}
    told: dict[str, object] = {"agreement": agreement.document()}
    written = [side.dataset.written(side.model()) for side in sides]
    if all(written) and (found := account_of_written(cast(WrittenExamples, ours.dataset.examples), *written)):
        told["writing"] = found.document()
    return told


def _settings(build: Build) -> Mapping[str, object]:
    wanted = build.plan.recipe.stages.account.attributions
    return {"attributions": wanted} if wanted else {}


ACCOUNT = Stage(
    name="account",
    version=2,
    findings=AccountFindings,
    make=_account,
    needs=("examples", "teacher", "inputs", "student"),
    settings=_settings,
)
