"""The main job: a recipe and a profile in, a bundle of measured int8 artifacts out. Read this first.

In:  a `Recipe`, a `Profile`, and where the bundle is to be written.
Out: `BuildResult`: the bundle, and the verdict on what can be judged before a device is at hand.
Each stage's result is cached under the hash of what it was made from (`cache`), so a build that was interrupted goes
on where it stopped. What a stage does is told in `stages`; how long an inference takes on a device is `benchmark`'s.
"""

from __future__ import annotations

import logging
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from operator import methodcaller
from pathlib import Path
from statistics import median
from typing import Any

import edgewright
from edgewright import stages
from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.base.digest import sha256_of
from edgewright.base.extras import need
from edgewright.base.progress import Progress, Silent
from edgewright.bundles import bundle as bundles
from edgewright.bundles.bundle import (
    ArtifactFacts,
    Bundle,
    ImageFacts,
    Manifest,
    ModelFacts,
    ParityFacts,
    StageFacts,
    TaskFacts,
    TimingFacts,
    Vectors,
)
from edgewright.bundles.files import require_replaceable
from edgewright.cost.int8_gain import int8_of
from edgewright.devices.host_latency import Contender, HostLatency, ratio_of
from edgewright.errors import InputError, UnsupportedModelError
from edgewright.forecast.reachable import require_reachable
from edgewright.models.compute_device import keep_to_quota
from edgewright.models.inputs import Inputs
from edgewright.report.compression import compression_of
from edgewright.report.notes import notes_of
from edgewright.report.precision import precision_of
from edgewright.report.speedup_rows import told_of
from edgewright.runtimes.example_calls import calls_by
from edgewright.runtimes.forms import ImageForm
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.budget import BYTES_PER_MB, Verdict, as_good, judge
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import Recipe
from edgewright.specs.signature import Signature
from edgewright.specs.structure import Structure
from edgewright.stages import Done, Estimate, Plan, Side
from edgewright.stages.float_models import ModelFindings
from edgewright.stages.read import ReadFindings
from edgewright.stages.stage import Build, Findings, Stage, StageResult
from edgewright.stages.teacher import TeacherFindings
from edgewright.tasks.attribution import EXPLAINING_PACKAGES

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """A finished build, and the estimate that it began with where it was asked for one.

    `profile` is the device it is for, which may be a file of the user's.
    """

    bundle: Bundle
    verdict: Verdict
    profile: Profile | None = None
    estimate: Estimate | None = None

    def summary(self) -> dict[str, Any]:
        """What `edgewright build --json` prints."""
        manifest = self.bundle.manifest
        shown = {"runtime", "file", "bytes", "sha256", "score", "latency_ms", "parity", "float_latency_ms"}
        speedups = told_of(manifest, self.profile)
        return {
            "bundle": str(self.bundle.path),
            "name": manifest.name,
            "profile": manifest.profile,
            "metric": manifest.task.metric,
            "teacher": manifest.teacher.model_dump(),
            "teacher_notes": next(
                (each.findings.get("decided", []) for each in manifest.stages if each.name == "teacher"), []
            ),
            "student": manifest.student.model_dump(),
            "baseline": manifest.baseline.model_dump(),
            "artifacts": [
                {**artifact.model_dump(include=shown), **told.document()}
                for artifact, told in zip(manifest.artifacts, speedups, strict=True)
            ],
            "best": manifest.best,
            "stages": [stage.model_dump(include={"name", "seconds", "cached"}) for stage in manifest.stages],
            "int8": [row.document() for row in int8_of(manifest, self.profile)],
            "precision": precision_of(manifest),
            **compression_of(manifest).summary(),
            "notes": list(notes_of(manifest)),
            "budget": self.verdict.summary(),
            **({"estimate": self.estimate.document()} if self.estimate else {}),
        }


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was made and found for one runtime."""

    runtime: str
    teacher: Done
    twin: Done
    int8: Done
    check: Done

    def file(self, stage: Done) -> Path:
        """The model file of one of its stages."""
        return stage.file(stages.artifact_name(self.runtime))

    @property
    def float_name(self) -> str:
        """The float twin's name in a bundle."""
        return f"float-{stages.artifact_name(self.runtime)}"


@dataclass(frozen=True, kw_only=True)
class Stages:
    """All that was made of a plan: the float models, and what follows up to the checked artifacts.

    Only a search has an `index`.
    """

    build: Build
    account: Done
    sensitivity: tuple[Done, ...]
    index: Done | None
    exported: tuple[Exported, ...]

    @property
    def teacher(self) -> Side:
        """The teacher."""
        return stages.teacher_of(self.build)

    @property
    def student(self) -> Side:
        """The student that is exported."""
        return stages.student_of(self.build)

    def all(self) -> tuple[Done | StageResult[Findings], ...]:
        """One after another."""
        return (
            *self.build.made,
            self.account,
            *self.sensitivity,
            *((self.index,) if self.index else ()),
            *(stage for each in self.exported for stage in (each.twin, each.int8, each.teacher, each.check)),
        )


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
    expected = stages.estimate(plan, _made_and_timed, _runtimes(plan)) if estimated else None
    if expected:
        log.info(expected.sentence())
    made, timed = _made_and_timed(plan)
    return replace(_bundle(made.build.plan, output, made, timed, force=force), estimate=expected)


def _made_and_timed(plan: Plan) -> tuple[Stages, Done]:
    made = run_stages(plan)
    return made, stages.time_on_host(plan, contenders(made))


def run_stages(plan: Plan) -> Stages:
    """The story: from examples and a teacher to int8 artifacts that were checked on every held-out example."""
    keep_to_quota()
    runtimes = _runtimes(plan)  # told before anything is made, as is a package that will be wanted
    if plan.recipe.stages.account.attributions:
        need(EXPLAINING_PACKAGES, purpose="tell what answers rest on", extra="explain")
    build = stages.run_stages(Build(plan=plan), student_stages(plan))
    plan = build.plan  # whose sizes may have been chosen on the way
    teacher, student = stages.teacher_of(build), stages.student_of(build)
    schemes = stages.schemes(plan, student, runtimes)
    # Runtimes may differ in it; the first one's is what a report shows.
    sensitivity = {
        static: stages.measure_sensitivity(plan, student, static=static, name=name)
        for static, name in zip(dict.fromkeys(schemes.values()), ("sensitivity", "second sensitivity"), strict=False)
    }
    return Stages(
        build=build,
        account=stages.account(plan, teacher, student),
        sensitivity=tuple(sensitivity.values()),
        index=stages.index_corpus(plan, student) if plan.task.searched else None,
        exported=tuple(
            _export(plan, runtime, teacher, student, sensitivity[static]) for runtime, static in schemes.items()
        ),
    )


def student_stages(plan: Plan) -> tuple[Stage[Findings], ...]:
    """From the examples to the student that is exported: cut, factorised and trained, at once or a step at a time."""
    steps = plan.recipe.stages.prune.steps
    shrinking: list[Stage[Findings]] = []
    for step in range(steps):
        shrinking += [stages.IMPORTANCE, stages.prune_stage(step)]
        if step == 0:  # what a layer reads is recorded once it is known which ones stay
            shrinking += [stages.record_stage(phase) for phase in range(len(stages.RECORDINGS))]
        if step == steps - 1:
            shrinking.append(stages.LOW_RANK)
        shrinking.append(stages.train_stage(0, share=1 / steps))
    return (
        stages.read_stage(plan.modality),
        stages.TEACHER,
        stages.SIZES,
        stages.VOCABULARY,
        *shrinking,
        *(stages.train_stage(phase) for phase in range(1, len(stages.LESSONS))),
        stages.aware_stage(),
        stages.SMOOTH,
    )


def signature_in(stage: Done) -> Signature:
    """What the artifact of a stage takes and gives."""
    return Signature.model_validate(stage.findings["signature"])


def contenders(made: Stages, asked: Callable[[Side], Inputs] = methodcaller("asked")) -> list[Contender]:
    """For each runtime the float teacher, the float student and the int8 student, given the same examples.

    Each reads texts with its own tokenizer and at their real lengths.
    """
    full, small = (side.given(asked(side)) for side in (made.teacher, made.student))
    entered = []
    for each in made.exported:
        for role, stage, inputs in (
            ("teacher", each.teacher, full),
            ("float", each.twin, small),
            ("int8", each.int8, small),
        ):
            file = each.file(stage)
            entered.append(
                Contender(
                    name=f"{each.runtime} {role}",
                    runtime=each.runtime,
                    file=file,
                    sha256=sha256_of(file),
                    calls=calls_by(signature_in(stage), inputs),
                )
            )
    return entered


def _runtimes(plan: Plan) -> tuple[str, ...]:
    """The recipe's runtimes, as far as the device has them. Raises `InputError` when none is left."""
    asked, offered = plan.recipe.stages.export.runtimes, plan.profile.preferences.runtimes
    if plan.recipe.stages.quantize.scheme == "float16" and not plan.profile.processor.fp16.value:
        raise InputError(
            f"{plan.profile.name} has no arithmetic for float16, so it would be slower there than float32; leave "
            "stages.quantize.scheme out, which gives int8"
        )
    if common := tuple(name for name in asked if name in offered):
        return common
    raise InputError(
        f"the recipe exports for {', '.join(asked)}, but {plan.profile.name} runs {', '.join(offered)}; "
        "change stages.export.runtimes"
    )


def _export(plan: Plan, runtime: str, teacher: Side, student: Side, sensitivity: Done) -> Exported:
    """The student as int8 for one runtime, checked; with it the float files it is compared with."""
    twin = stages.export_float(plan, runtime, student, f"float {runtime}")
    int8 = stages.export_int8(plan, runtime, student, twin, sensitivity)
    return Exported(
        runtime=runtime,
        teacher=stages.export_float(plan, runtime, teacher, f"teacher {runtime}"),
        twin=twin,
        int8=int8,
        check=stages.check(plan, runtime, student, int8),
    )


def _bundle(plan: Plan, output: Path, made: Stages, timed: Done, *, force: bool) -> BuildResult:
    teacher, student = made.build.findings("teacher", TeacherFindings), made.student
    whole, small = made.teacher.subject(), student.subject()
    lengths = _median_length(made.teacher), _median_length(student)
    artifacts = tuple(
        _artifact(plan, each, whole, small, _timing(timed, each.runtime, lengths), timed) for each in made.exported
    )
    verdicts = {artifact.runtime: _verdict(plan, teacher, artifact) for artifact in artifacts}
    best = min(artifacts, key=lambda artifact: _rank(plan, artifact, verdicts[artifact.runtime]))

    def manifest(hashes: dict[str, str]) -> Manifest:
        return Manifest(
            name=plan.recipe.name,
            edgewright=edgewright.__version__,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            profile=plan.profile.name,
            recipe=plan.recipe.model_dump(mode="json"),  # with its nulls: one may stand against a default
            task=_task(plan, made),
            teacher=_model(teacher, teacher.parameters, best.teacher_latency_ms),
            student=_model(student.findings, student.subject().parameters_count, best.float_latency_ms),
            baseline=teacher.baseline.model_dump(),
            artifacts=artifacts,
            best=best.runtime,
            stages=tuple(_stage_facts(stage) for stage in (*made.all(), timed)),
            budget=plan.recipe.budget,
            verdict=verdicts[best.runtime].summary(),
            packages={name: metadata.version(name) for name in ARTIFACT_PACKAGES},
            machine={
                "processor": platform.machine(),
                "system": platform.system(),
                "python": platform.python_version(),
                "cpu_model": artifacts[0].timing.processor if artifacts[0].timing else None,
            },
            files=hashes,
        )

    def fill(folder: Path) -> None:
        for each in made.exported:
            shutil.copyfile(each.file(each.int8), folder / each.file(each.int8).name)
            if plan.recipe.stages.export.float_reference:
                shutil.copyfile(each.file(each.twin), folder / each.float_name)
        tokenizer = made.build.result("inputs").file(bundles.TOKENIZER)
        if tokenizer.is_file():
            shutil.copyfile(tokenizer, folder / bundles.TOKENIZER)
        asked = student.asked()
        given = student.given(asked)
        outputs = student.form().apart(student.outputs(asked), given)
        Vectors(inputs=given, outputs=[row.tolist() for row in outputs]).write(folder)
        if made.index:
            for name in (bundles.CORPUS, bundles.INDEX):
                shutil.copyfile(made.index.file(name), folder / name)

    with plan.progress.stage("bundle"):
        bundle = bundles.write(output, manifest, fill, force=force)
    return BuildResult(bundle=bundle, verdict=verdicts[best.runtime], profile=plan.profile)


def _artifact(
    plan: Plan, each: Exported, teacher: stages.Subject, student: stages.Subject, timing: TimingFacts, timed: Done
) -> ArtifactFacts:
    slow, twin, int8 = _latencies(timed, each.runtime)
    file, padded = each.file(each.int8), RUNTIMES[each.runtime].fixed_shapes
    return ArtifactFacts(
        runtime=each.runtime,
        runtime_version=int8.runtime_version,
        file=file.name,
        bytes=file.stat().st_size,
        sha256=sha256_of(file),
        signature=signature_in(each.int8),
        score=each.check.findings["score"],
        parity=ParityFacts(**each.check.findings["parity"]),
        latency_ms=int8.p50_ms,
        float_latency_ms=twin.p50_ms,
        teacher_latency_ms=slow.p50_ms,
        speedup=ratio_of(slow, int8).value,
        peak_rss_bytes=int8.peak_rss_bytes,
        float_file=each.float_name if plan.recipe.stages.export.float_reference else None,
        structure=stages.structure_for(student.module(padded=padded), student.form),
        teacher_structure=_structure_of(teacher, padded=padded),
        timing=timing,
    )


def _structure_of(teacher: stages.Subject, *, padded: bool) -> Structure | None:
    """Of a teacher that computes what no price is known for there is none: its student may have lost just that."""
    try:
        return stages.structure_for(teacher.module(padded=padded), teacher.form)
    except UnsupportedModelError:
        return None


def _latencies(timed: Done, runtime: str) -> tuple[HostLatency, ...]:
    """Of the float teacher, the float student and the artifact, all marked alike."""
    return tuple(HostLatency(**timed.findings[f"{runtime} {role}"]) for role in ("teacher", "float", "int8"))


def _timing(timed: Done, runtime: str, lengths: tuple[int, int]) -> TimingFacts:
    """How they were timed here; `lengths` are the teacher's and the student's."""
    _, twin, int8 = _latencies(timed, runtime)
    of_float = ratio_of(twin, int8)
    return TimingFacts(
        processor=int8.processor,
        by=of_float.by,
        marks=of_float.marks,
        float_speedup=of_float.value,
        teacher_length=lengths[0],
        length=lengths[1],
    )


def _median_length(side: Side) -> int:
    """Of the texts that artifacts are timed on, in tokens; 0 of images."""
    given = side.given(side.asked())
    return 0 if isinstance(side.form(), ImageForm) else int(median(map(len, given)))


def _verdict(plan: Plan, teacher: TeacherFindings, artifact: ArtifactFacts) -> Verdict:
    """What is known before a device is at hand; its latency and memory stay undecided."""
    score = teacher.score
    loss_percent = 100 * (1 - artifact.score / score) if score else 0.0  # of a teacher that knows nothing
    verdict = judge(plan.recipe.budget, artifact_bytes=artifact.bytes, score_loss_percent=loss_percent)
    baseline = teacher.baseline
    return replace(verdict, baseline=as_good(baseline.name, baseline.score, artifact.score))


def _rank(plan: Plan, artifact: ArtifactFacts, verdict: Verdict) -> tuple[bool, int, bool, float]:
    """Right before wrong, then the fewest limits missed, then memory as far as this machine can tell, then speed."""
    limit_mb = plan.recipe.budget.peak_memory_mb
    too_much = limit_mb is not None and artifact.peak_rss_bytes > limit_mb * BYTES_PER_MB
    return (not artifact.parity.passed, len(verdict.missed), too_much, artifact.latency_ms)


def _task(plan: Plan, made: Stages) -> TaskFacts:
    kind, task = plan.recipe.task.kind, plan.task
    form = made.student.form()
    metric = made.build.findings("teacher", TeacherFindings).metric
    examples = made.student.dataset.examples
    if isinstance(form, ImageForm):
        framing = made.build.findings("examples", ReadFindings).document().get("framing")
        image = ImageFacts(height=form.height, width=form.width, channels=form.channels, framing=framing)
        return TaskFacts(kind=kind, metric=metric, max_length=plan.max_length, image=image, labels=examples.labels)
    scale = task.scale(examples)
    return TaskFacts(
        kind=kind,
        metric=metric,
        max_length=plan.max_length,
        labels=examples.labels,
        value_mean=scale.mean,
        value_std=scale.std,
    )


def _model(findings: ModelFindings, parameters: int, latency_ms: float) -> ModelFacts:
    size_bytes = findings.bytes if isinstance(findings, TeacherFindings) else 4 * parameters
    return ModelFacts(score=findings.score, parameters=parameters, bytes=size_bytes, latency_ms=latency_ms)


def _stage_facts(stage: Done | StageResult[Findings]) -> StageFacts:
    entry = stage.result if isinstance(stage, Done) else stage.entry
    return StageFacts(
        name=stage.name,
        seconds=round(entry.seconds, 3),
        made_in_seconds=round(entry.made_in_seconds, 3),
        cached=entry.cached,
        settings=dict(stage.settings),
        findings=dict(stage.findings) if isinstance(stage, Done) else stage.findings.document(),
    )
