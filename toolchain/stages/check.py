"""The stage that runs an artifact on every held-out example here: its score, and its distance from the float student.

In:  the student, and the artifact of one runtime.
Out: `CheckFindings`.
"""

from __future__ import annotations

from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.bundles.schema import ParityFacts
from edgewright.measure.outputs import outputs_of
from edgewright.measure.parity import compare
from edgewright.stages.export_float import artifact_name
from edgewright.stages.sides import student_of
from edgewright.stages.stage import Build, Findings, Stage, Workspace


class CheckFindings(Findings):
    """The artifact's score, and how near its outputs are to the float student's."""

    score: float
    parity: ParityFacts


def check_stage(runtime: str) -> Stage[CheckFindings]:
    """The stage for the artifact of one runtime."""

    def check(build: Build, _: Workspace) -> CheckFindings:
        return _checked(build, runtime)

    return Stage(
        name=f"check {runtime}",
        version=1,
        findings=CheckFindings,
        make=check,
        needs=("examples", "inputs", "student", f"int8 {runtime}"),
        packages=ARTIFACT_PACKAGES,
    )


def _checked(build: Build, runtime: str) -> CheckFindings:
    """Where it takes several at once it is asked so, too, and the parity is the worse of both."""
    student, file = student_of(build), build.result(f"int8 {runtime}").file(artifact_name(runtime))
    held_out, spec = student.held_out(), student.input_spec()
    examples, expected = student.examples_of(held_out), student.outputs(held_out)

    def on_progress(done: int) -> None:
        build.plan.progress.update(done, len(held_out))

    answered = [outputs_of(runtime, file, call, examples, on_progress=on_progress) for call in spec.calls()]
    compared = (compare(outputs, expected, tags=spec.tags) for outputs in answered)
    parity = min(compared, key=lambda each: each.cosine_min)
    score = student.score()
    return CheckFindings(
        score=score.of(student.as_scored(answered[0], held_out, score)),
        parity=ParityFacts.model_validate(parity.document()),
    )
