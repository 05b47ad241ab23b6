"""The main job: a recipe and a profile in, a bundle of measured int8 artifacts out. Read this first.

In:  a `Recipe`, a `Profile`, and where the bundle is to be written.
Out: `BuildResult`: the bundle, and the verdict on what can be judged before a device is at hand.
Each stage's result is cached under the hash of what it was made from (`cache`), so a build that was interrupted goes
on where it stopped. What a stage does is told in `stages`; how long an inference takes on a device is `benchmark`'s.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from edgewright import stages
from edgewright.assembly.assemble import assemble
from edgewright.assembly.result import BuildResult
from edgewright.base.extras import need
from edgewright.base.progress import Progress, Silent
from edgewright.bundles.replacing import require_replaceable
from edgewright.forecast.reachable import require_reachable
from edgewright.models.compute_device import keep_to_quota
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import Recipe
from edgewright.stages.artifact_stages import artifact_stages
from edgewright.stages.exported import runtimes_of
from edgewright.stages.host_timing import TIME
from edgewright.stages.plan import Plan
from edgewright.stages.stage import Build, Findings, Stage
from edgewright.tasks.attribution import EXPLAINING_PACKAGES

__all__ = ["BuildResult", "build", "run_stages", "student_stages"]

log = logging.getLogger(__name__)


def build(
    recipe: Recipe,
    profile: Profile,
    output: Path,
    *,
    even_if_unreachable: bool = False,
    force: bool = False,
    estimated: bool = False,
    progress: Progress | None = None,
) -> BuildResult:
    """Make a bundle. A missed budget is told in the verdict; the best bundle there is is written all the same.

    With `estimated` it is logged first which stages will be made, and about how long that takes on this machine.

    What lies at `output` is replaced only where it is a bundle of ours, or with `force`.

    Raises `InputError` for what the user gave, `UnreachableBudgetError` among them for a budget that the student cannot
    keep on that device unless it is to be built `even_if_unreachable`, `ModelError` when the model cannot be trained or
    exported.
    """
    require_replaceable(output, force=force)  # told before anything is made
    plan = Plan(recipe=recipe, profile=profile, progress=progress or Silent())
    stages.check_source(plan)  # before an example is read
    if not even_if_unreachable:
        require_reachable(recipe, profile)
    names = stages.stage_names(plan, student_stages(plan), runtimes_of(plan))
    expected = stages.estimate(plan, _made_and_timed, names) if estimated else None
    if expected:
        log.info(expected.sentence())
    return replace(assemble(_made_and_timed(plan), output, force=force), estimate=expected)


def _made_and_timed(plan: Plan) -> Build:
    return stages.run_stages(run_stages(plan), (TIME,))


def run_stages(plan: Plan) -> Build:
    """The story: from examples and a teacher to int8 artifacts that were checked on every held-out example."""
    keep_to_quota()
    runtimes_of(plan)  # told before anything is made, as is a package that will be wanted
    if plan.recipe.stages.account.attributions:
        need(EXPLAINING_PACKAGES, purpose="tell what answers rest on", extra="explain")
    build = stages.run_stages(Build(plan=plan), student_stages(plan))
    return stages.run_stages(build, artifact_stages(build))


def student_stages(plan: Plan) -> tuple[Stage[Findings], ...]:
    """From the examples to the student that is exported: cut, factorised and trained, at once or a step at a time."""
    steps = plan.recipe.stages.prune.steps
    shrinking: list[Stage[Findings]] = []
    for step in range(steps):
        shrinking += [stages.IMPORTANCE, stages.prune_stage(step)]
        if step == 0:  # what a layer reads is recorded once it is known which ones stay
            on_student = plan.modality.records_on_student
            shrinking += [stages.record_stage(phase, on_student=on_student) for phase in range(len(stages.RECORDINGS))]
        if step == steps - 1:
            shrinking.append(stages.LOW_RANK)
        shrinking.append(stages.train_stage(0, share=1 / steps))
    return (
        stages.read_stage(plan.modality),
        stages.TEACHER,
        stages.SIZES,
        stages.VOCABULARY,
        *shrinking,
        *(stages.train_stage(phase) for phase in range(1, len(stages.TRAININGS))),
        stages.aware_stage(),
        stages.SMOOTH,
    )
