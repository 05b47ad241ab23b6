"""What a manifest says of each artifact: its file, its score, what it computes, and how it was timed.

In:  a `Build` whose artifacts were checked and timed.
Out: `ArtifactFacts`; and which artifact is the best, with the verdict on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgewright.base.digest import sha256_of
from edgewright.bundles.schema import ArtifactFacts, TimingFacts
from edgewright.cost.decoding_structures import generating_structures
from edgewright.cost.exported import structure_for
from edgewright.devices.host_latency import HostLatency, ratio_of
from edgewright.errors import UnsupportedModelError
from edgewright.runtimes.subject import Subject
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.budget import BYTES_PER_MB, Verdict, as_good, judge
from edgewright.specs.metrics import loss_percent
from edgewright.specs.recipe import Recipe
from edgewright.specs.structure import Structure
from edgewright.stages.exported import Exported
from edgewright.stages.host_timing import TimeFindings
from edgewright.stages.sides import student_of, teacher_of
from edgewright.stages.stage import Build
from edgewright.stages.teacher import TeacherFindings


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What is exported of both sides, read once for all artifacts, and the median lengths that they are timed on."""

    teacher: Subject
    student: Subject
    teacher_length: int
    student_length: int

    @classmethod
    def of(cls, build: Build) -> Sides:
        """Those of a build."""
        teacher, student = teacher_of(build), student_of(build)
        return cls(
            teacher=teacher.subject(),
            student=student.subject(),
            teacher_length=teacher.timed_length(),
            student_length=student.timed_length(),
        )


def artifact_facts(build: Build, made: Exported, sides: Sides) -> ArtifactFacts:
    """One artifact."""
    export, check = build.plan.recipe.stages.export, made.check.findings
    teacher, reference, int8 = build.findings("time", TimeFindings).latencies(made.runtime)
    file, padded = made.file(made.int8), RUNTIMES[made.runtime].fixed_shapes
    student, of_teacher = structures_of(sides.student, padded=padded), _known_structures(sides.teacher, padded=padded)
    return ArtifactFacts(
        runtime=made.runtime,
        runtime_version=int8.runtime_version,
        file=file.name,
        bytes=file.stat().st_size,
        sha256=sha256_of(file),
        signature=made.int8.findings.signature,
        score=check.score,
        parity=check.parity,
        latency_ms=int8.p50_ms,
        float_latency_ms=reference.p50_ms,
        teacher_latency_ms=teacher.p50_ms,
        speedup=ratio_of(teacher, int8).value,
        peak_rss_bytes=int8.peak_rss_bytes,
        float_file=made.float_name if export.float_reference else None,
        structure=student.structure,
        decode_structure=student.decode,
        teacher_structure=of_teacher.structure if of_teacher else None,
        timing=_timing(reference, int8, sides),
    )


@dataclass(frozen=True, kw_only=True)
class Structures:
    """What an artifact computes; one that generates has a `decode` beside what it computes of a prompt."""

    structure: Structure
    decode: Structure | None = None


def structures_of(subject: Subject, *, padded: bool) -> Structures:
    """Of a model, as it is exported. Raises `UnsupportedModelError` where it computes what no price is known for."""
    if (plan := subject.spec.writes) is None:
        return Structures(structure=structure_for(subject.module(padded=padded), subject.spec))
    found = generating_structures(subject.model, context=plan.context, cache=plan.cache)
    return Structures(structure=found.prefill, decode=found.decode)


def _known_structures(teacher: Subject, *, padded: bool) -> Structures | None:
    """Of a teacher that computes what no price is known for there are none: its student may have lost just that."""
    try:
        return structures_of(teacher, padded=padded)
    except UnsupportedModelError:
        return None


def _timing(reference: HostLatency, int8: HostLatency, sides: Sides) -> TimingFacts:
    """How they were timed on this machine."""
    of_float = ratio_of(reference, int8)
    return TimingFacts(
        processor=int8.processor,
        by=of_float.by,
        marks=of_float.marks,
        float_speedup=of_float.value,
        teacher_length=sides.teacher_length,
        length=sides.student_length,
    )


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The best artifact, and the verdict on it as far as it can be judged before a device is at hand."""

    artifact: ArtifactFacts
    verdict: Verdict


def best_of(recipe: Recipe, teacher: TeacherFindings, artifacts: Sequence[ArtifactFacts]) -> Chosen:
    """Right before wrong, then the fewest limits missed, then memory as far as this machine can tell, then speed."""
    limit_mb = recipe.budget.peak_memory_mb

    def rank(chosen: Chosen) -> tuple[bool, int, bool, float]:
        artifact = chosen.artifact
        too_much = limit_mb is not None and artifact.peak_rss_bytes > limit_mb * BYTES_PER_MB
        return (not artifact.parity.passed, len(chosen.verdict.missed), too_much, artifact.latency_ms)

    judged = [Chosen(artifact=each, verdict=_verdict(recipe, teacher, each)) for each in artifacts]
    return min(judged, key=rank)


def _verdict(recipe: Recipe, teacher: TeacherFindings, artifact: ArtifactFacts) -> Verdict:
    """Its latency, memory and speed of writing stay undecided."""
    generation = artifact.signature.generation
    verdict = judge(
        recipe.budget,
        context=generation.context if generation else None,
        artifact_bytes=artifact.bytes,
        score_loss_percent=loss_percent(teacher.metric, teacher.score, artifact.score),
    )
    baseline = teacher.baseline
    return replace(verdict, baseline=as_good(baseline.name, baseline.score, artifact.score, metric=teacher.metric))
