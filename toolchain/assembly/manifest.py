"""A bundle's manifest, put together from what the stages of a build found.

In:  a `Build` that is done, the facts of its artifacts, and which of them is the best.
Out: `Manifest`.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata

import edgewright
from edgewright.assembly.artifacts import Chosen
from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.bundles.schema import (
    ArtifactFacts,
    BaselineFacts,
    Manifest,
    ModelFacts,
    StageFacts,
    TaskFacts,
)
from edgewright.stages.read import ReadFindings
from edgewright.stages.sides import Side
from edgewright.stages.stage import Build, Findings, StageResult
from edgewright.stages.teacher import TeacherFindings


def manifest_of(
    build: Build, student: Side, artifacts: Sequence[ArtifactFacts], best: Chosen, hashes: Mapping[str, str]
) -> Manifest:
    """The manifest of a build; `hashes` are those of its bundle's files."""
    recipe, teacher = build.plan.recipe, build.findings("teacher", TeacherFindings)
    return Manifest(
        name=recipe.name,
        edgewright=edgewright.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        profile=build.plan.profile.name,
        recipe=recipe.model_dump(mode="json"),  # with its nulls: one may stand against a default
        task=_task_facts(build, student),
        teacher=_teacher_facts(teacher, best.artifact),
        student=_student_facts(student, best.artifact),
        baseline=BaselineFacts(name=teacher.baseline.name, score=teacher.baseline.score),
        artifacts=tuple(artifacts),
        best=best.artifact.runtime,
        stages=tuple(_stage_facts(stage) for stage in build.made),
        budget=recipe.budget,
        verdict=best.verdict.summary(),
        packages={name: metadata.version(name) for name in ARTIFACT_PACKAGES},
        machine=_machine(artifacts[0]),
        files=dict(hashes),
    )


def _teacher_facts(teacher: TeacherFindings, best: ArtifactFacts) -> ModelFacts:
    return ModelFacts(
        score=teacher.score, parameters=teacher.parameters, bytes=teacher.bytes, latency_ms=best.teacher_latency_ms
    )


def _student_facts(student: Side, best: ArtifactFacts) -> ModelFacts:
    parameters = student.subject().parameters_count
    score = student.findings.score
    return ModelFacts(score=score, parameters=parameters, bytes=4 * parameters, latency_ms=best.float_latency_ms)


def _task_facts(build: Build, student: Side) -> TaskFacts:
    plan, examples = build.plan, student.dataset.examples
    scale, reading = plan.task.scale(examples), build.findings("examples", ReadFindings).document()
    document = {
        "kind": plan.recipe.task.kind,
        "metric": build.findings("teacher", TeacherFindings).metric,
        "max_length": plan.max_length,
        "labels": tuple(examples.labels),
        "value_mean": scale.mean,
        "value_std": scale.std,
        "inputs": student.input_spec().facts(reading),
    }
    return TaskFacts.model_validate(document)


def _machine(artifact: ArtifactFacts) -> dict[str, str | None]:
    return {
        "processor": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "cpu_model": artifact.timing.processor if artifact.timing else None,
    }


def _stage_facts(stage: StageResult[Findings]) -> StageFacts:
    return StageFacts(
        name=stage.name,
        seconds=round(stage.entry.seconds, 3),
        made_in_seconds=round(stage.entry.made_in_seconds, 3),
        cached=stage.entry.cached,
        settings=dict(stage.settings),
        findings=stage.findings.document(),
    )
