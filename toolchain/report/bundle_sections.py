"""The parts of a page that tell a build: what was made, how it was made smaller, what int8 does, and from what.

In:  a bundle's manifest, and what is known of its compression and its speed-ups.
Out: `PageSection`s and tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgewright.bundles.build_record import BuildRecord
from edgewright.bundles.schema import Manifest
from edgewright.cost.int8_gain import int8_of
from edgewright.cost.speedups import times
from edgewright.report import figures
from edgewright.report.account_sections import account_section, attributions_section, writing_section
from edgewright.report.compression import Compression, compression_of
from edgewright.report.precision import precision_of
from edgewright.report.sections import UNKNOWN, Cells, PageSection, TextTable, megabytes, milliseconds
from edgewright.report.speedup_rows import ArtifactSpeedups
from edgewright.report.training_curve import training_section
from edgewright.specs.budget import is_at_least
from edgewright.specs.metrics import gain_kept, kept_share, lower_is_better

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def built_sections(
    manifest: Manifest, compression: Compression, speedups: Sequence[ArtifactSpeedups], *, pictures: bool
) -> Iterator[PageSection]:
    """What the build says of the bundle."""
    build = BuildRecord.of(manifest)

    def drawn(*found: Figure | None) -> tuple[Figure, ...]:
        return tuple(each for each in found if each is not None)

    if build.notes:
        yield PageSection(title="Notes", sentences=build.notes)
    yield PageSection(
        title="What was made",
        sentences=(
            *(each.sentence for each in speedups),
            *(row.verdict for row in int8_of(manifest)),
            *_gains_kept(manifest),
        ),
        tables=(_models(manifest, speedups),),
        pictures=drawn(figures.trade(manifest), figures.sizes(manifest)) if pictures else (),
    )
    yield PageSection(
        title="How it was made smaller",
        sentences=compression.where_lost,
        tables=(_stages(compression), _build_times(manifest)),
        pictures=drawn(figures.stages(compression), *_network(manifest, build)) if pictures else (),
    )
    if (training := training_section(build, manifest.task.metric, pictures=pictures)) is not None:
        yield training
    if (said := precision_of(manifest)) is not None:
        shown = drawn(figures.sensitivity(build.sensitivity)) if pictures else ()
        yield PageSection(title="Precision", sentences=(said,), pictures=shown)
    account = build.account
    if account.count:
        yield account_section(account)
    if account.writing:
        yield writing_section(account.writing)
    if account.attributions:
        yield attributions_section(account.attributions, pictures=pictures)


def limits(manifest: Manifest) -> TextTable:
    """The budget."""
    set_limits = manifest.budget.model_dump(exclude_none=True)
    rows = tuple(
        (name, f"{'at least' if is_at_least(name) else 'at most'} {limit:g}") for name, limit in set_limits.items()
    )
    return TextTable(heads=("limit", "set to"), rows=rows or (("none", UNKNOWN),))


def _models(manifest: Manifest, speedups: Sequence[ArtifactSpeedups]) -> TextTable:
    teacher, student = manifest.teacher, manifest.student

    def row(
        name: str, score: float, size: int | None, latency_ms: float | None, there: str = UNKNOWN, here: str = UNKNOWN
    ) -> Cells:
        share = kept_share(manifest.task.metric, teacher.score, score)
        kept = UNKNOWN if share is None else f"{100 * share:.1f} %"
        return (name, f"{score:.4f}", kept, megabytes(size), there, milliseconds(latency_ms), here)

    rows = [
        row(manifest.baseline.name, manifest.baseline.score, None, None),
        row("teacher, float", teacher.score, teacher.bytes, teacher.latency_ms),
        row("student, float", student.score, student.bytes, student.latency_ms),
    ]
    for each, told in zip(manifest.artifacts, speedups, strict=True):
        there = told.there.cell if told.there else UNKNOWN
        here = UNKNOWN if told.here.value is None else f"{times(told.here.value)}{'*' if told.here.marks else ''}"
        rows.append(row(f"{each.file} ({each.runtime})", each.score, each.bytes, each.latency_ms, there, here))
    device = next((f"{each.there.profile} ({each.there.core})" for each in speedups if each.there), manifest.profile)
    processor = next((each.here.processor for each in speedups if each.here.processor), "its processor is not known")
    heads = (
        *("", manifest.task.metric, "kept", "size", f"faster than the teacher on {device}"),
        *(f"latency where it was built ({processor})", "faster there"),
    )
    return TextTable(heads=heads, rows=tuple(rows))


def _gains_kept(manifest: Manifest) -> Iterator[str]:
    """Of a metric without a natural end: which share of the teacher's gain over counting alone each student keeps."""
    metric, baseline, teacher = manifest.task.metric, manifest.baseline, manifest.teacher
    if not lower_is_better(metric):
        return
    students = [
        ("the float student", manifest.student.score),
        *((each.file, each.score) for each in manifest.artifacts),
    ]
    shares = ((name, gain_kept(baseline.score, teacher.score, score)) for name, score in students)
    told = [f"{name} {100 * share:.1f} %" for name, share in shares if share is not None]
    if told:
        yield (
            f"Of what the teacher gains over the {baseline.name}, {baseline.score - teacher.score:.4f} {metric} (less "
            f"is better), there is left: {', '.join(told)}."
        )


def _network(manifest: Manifest, build: BuildRecord) -> Iterator[Figure | None]:
    """What stayed of the teacher, by its layers or, of a model of images, by its parts."""
    yield figures.network(compression_of(manifest), build.teacher_layers)
    if students := build.student_stages:
        yield figures.parts(build.teacher.parts, students[-1].model.parts)


def _stages(compression: Compression) -> TextTable:
    rows = tuple(
        (
            row.stage,
            UNKNOWN if row.parameters is None else f"{row.parameters:,}",
            UNKNOWN if row.macs is None else f"{row.macs:,}",
            milliseconds(row.predicted_layers_ms),
            UNKNOWN if row.score is None else f"{row.score:.4f}",
            UNKNOWN if row.score_change is None else f"{row.score_change:+.4f}",
        )
        for row in compression.stages
    )
    heads = ("after", "parameters", "multiply-accumulates", "estimate of the layers", "score", "change")
    return TextTable(heads=heads, rows=rows)


def _build_times(manifest: Manifest) -> TextTable:
    """What building it cost, stage by stage, when each was made."""
    rows = tuple(
        (each.name, f"{each.made_in_seconds:.1f} s") for each in manifest.stages if each.made_in_seconds >= 0.1
    )
    return TextTable(heads=("stage", "made in"), rows=rows)


def provenance(manifest: Manifest) -> TextTable:
    """When, for what, by what and where it was built."""
    rows = [
        ("made", manifest.created),
        ("for", manifest.profile),
        ("by", f"edgewright {manifest.edgewright}"),
        *((f"package {name}", version) for name, version in manifest.packages.items()),
        *((f"machine, {name}", str(value)) for name, value in manifest.machine.items()),
    ]
    return TextTable(heads=("", "provenance"), rows=tuple(rows))


def files(manifest: Manifest) -> TextTable:
    """The bundle's files and their hashes."""
    return TextTable(heads=("file", "sha256"), rows=tuple(manifest.files.items()))
