"""The stage that finds which held-out examples the student answers worse than its teacher.

In:  the teacher and the student.
Out: `AccountFindings`; where the recipe asks for that, also what these answers rest on.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from edgewright.stages.sides import student_of, teacher_of
from edgewright.stages.stage import Build, Findings, Stage, Workspace
from edgewright.tasks.account import account_of
from edgewright.tasks.attribution import asked_of, side_by_side


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


class AccountFindings(Findings):
    """Of `count` held-out examples `lost` were better answered by the teacher, `won` by the student.

    Nothing is set for a task without single answers. `attributions` are of the first `flips`.
    """

    count: int = 0
    lost: int = 0
    won: int = 0
    groups: tuple[GroupFindings, ...] = ()
    flips: tuple[FlipFindings, ...] = ()
    attributions: tuple[AttributionFindings, ...] = ()


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
    return AccountFindings.model_validate({**found.document(), **({"attributions": explained} if wanted else {})})


def _settings(build: Build) -> Mapping[str, object]:
    wanted = build.plan.recipe.stages.account.attributions
    return {"attributions": wanted} if wanted else {}


ACCOUNT = Stage(
    name="account",
    version=1,
    findings=AccountFindings,
    make=_account,
    needs=("examples", "teacher", "inputs", "student"),
    settings=_settings,
)
