"""What each stage of a build won and lost, and in which layer the student leaves its teacher.

In:  a bundle's manifest; one of an earlier version may lack findings, and they stay None.
Out: `Compression`: a row for each stage that changed the model, one for each layer of the student, its vocabulary, and
     where the score was lost, in sentences.
How it looks on a terminal is `terminal`'s concern.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace

from edgewright.base.json_values import JsonObject
from edgewright.bundles.build_record import BuildRecord, StageRecord
from edgewright.bundles.findings import ModelRecord, VocabularyRecord
from edgewright.bundles.schema import Manifest
from edgewright.specs.metrics import goodness, lower_is_better

LEAST_DROP = 0.001  # of a cosine; less is no place to look for a fault


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """The model after a stage.

    `macs` are those of one text of 16 tokens. `predicted_layers_ms` is an estimate: from the profile's facts, for the
    layers alone in int8. `measured_ms` is by runtime, on the machine that built. `score_change` is against the row
    before; of an int8 artifact against the float student.
    """

    stage: str
    parameters: int | None = None
    macs: int | None = None
    predicted_layers_ms: float | None = None
    measured_ms: Mapping[str, float] = field(default_factory=dict)
    bytes: int | None = None
    score: float | None = None
    score_change: float | None = None


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One of the student's layers, which stands for the teacher's from `from_layer` to the next row's.

    `cosine` is that of its output to the teacher's at the same place, `cosine_change` is against the layer before;
    the first layer's is against 1.
    """

    layer: int
    from_layer: int | None = None
    heads: int | None = None
    neurons: int | None = None
    cosine: float | None = None
    cosine_change: float | None = None


@dataclass(frozen=True, kw_only=True)
class Compression:
    """What compression did to a model."""

    stages: tuple[StageRow, ...]
    layers: tuple[LayerRow, ...]
    vocabulary: VocabularyRecord | None
    metric: str = ""

    @property
    def where_lost(self) -> tuple[str, ...]:
        """By stage and by layer, as far as either is known."""
        return tuple(each for each in (_worst_stage(self.stages, self.metric), _worst_layer(self.layers)) if each)

    def summary(self) -> JsonObject:
        """Its part of what `edgewright build --json` prints."""
        return {
            "compression": [asdict(row) for row in self.stages],
            "layers": [asdict(row) for row in self.layers],
            "vocabulary": asdict(self.vocabulary) if self.vocabulary else None,
            "where_lost": list(self.where_lost),
        }


def compression_of(manifest: Manifest) -> Compression:
    """Read the findings of a build's stages. Raises nothing: what is missing or no number is None."""
    build = BuildRecord.of(manifest)
    return Compression(
        stages=_stage_rows(manifest, build),
        layers=_layer_rows(build),
        vocabulary=build.vocabulary,
        metric=manifest.task.metric,
    )


def _stage_rows(manifest: Manifest, build: BuildRecord) -> tuple[StageRow, ...]:
    rows = [_teacher_row(manifest, build), *_student_rows(build)]
    if len(rows) > 1:
        rows[-1] = _exported(rows[-1], manifest, build)
    for index in range(len(rows) - 1, 0, -1):
        rows[index] = _against(rows[index], rows[index - 1])
    student = rows[-1]
    for artifact in manifest.artifacts:
        row = replace(
            student,
            stage=f"int8 {artifact.runtime}",
            measured_ms={artifact.runtime: artifact.latency_ms},
            bytes=artifact.bytes,
            score=artifact.score,
        )
        rows.append(_against(row, student))
    return tuple(rows)


def _teacher_row(manifest: Manifest, build: BuildRecord) -> StageRow:
    facts = manifest.teacher
    return replace(
        _row("teacher", build.teacher),
        parameters=facts.parameters,
        bytes=facts.bytes,
        score=facts.score,
        measured_ms={artifact.runtime: artifact.teacher_latency_ms for artifact in manifest.artifacts},
    )


def _student_rows(build: BuildRecord) -> Iterator[StageRow]:
    """A row for each stage that changed the float model; a gradual pruning's stages come more than once."""
    steps = sum(stage.name == "prune" for stage in build.stages)
    vocabulary = build.vocabulary
    trimmed = bool(vocabulary and vocabulary.of and vocabulary.pieces < vocabulary.of)
    step, before = 0, None
    for stage in build.student_stages:
        step += stage.name == "prune"
        of = f" {step}/{steps}" if steps > 1 and stage.name in ("prune", "distill") else ""
        if stage.name == "prune":
            rows = list(_pruned(stage, of, trimmed=trimmed and step == 1))
        else:
            rows = [_row(f"{stage.name}{of}", stage.model)] if _changed(stage, before) else []
        yield from rows
        before = rows[-1] if rows else before


def _pruned(stage: StageRecord, of: str, *, trimmed: bool) -> Iterator[StageRow]:
    """The cut, and what least squares made of it; the first cut is scored with the vocabulary that stays."""
    enabled, model = stage.is_set("enabled"), stage.model
    parts = [*(["vocabulary"] if trimmed else []), *([f"prune{of}"] if enabled else [])]
    if not parts:
        return
    row, cut_score = _row(", ".join(parts), model), model.score_before_reconstruction
    if enabled and cut_score is not None and stage.is_set("reconstruct"):
        yield replace(row, score=cut_score)
        yield replace(row, stage=f"least squares{of}")
    else:
        yield row


def _changed(stage: StageRecord, before: StageRow | None) -> bool:
    """Whether a stage did anything: low rank only where it pays, distillation where it is not turned off."""
    if stage.name == "low rank":
        model = stage.model
        return model.matrices > 0 and (before is None or model.parameters != before.parameters)
    return stage.is_set("enabled") or bool(stage.settings.value("from_scratch"))


def _exported(row: StageRow, manifest: Manifest, build: BuildRecord) -> StageRow:
    """The float student as it was exported: its latencies, and its file for the best artifact's runtime."""
    return replace(
        row,
        parameters=manifest.student.parameters,
        score=manifest.student.score,
        bytes=build.float_bytes(manifest.best),
        measured_ms={artifact.runtime: artifact.float_latency_ms for artifact in manifest.artifacts},
    )


def _row(name: str, model: ModelRecord) -> StageRow:
    return StageRow(
        stage=name,
        parameters=model.parameters,
        macs=model.macs,
        predicted_layers_ms=model.predicted_layers_ms,
        score=model.score,
    )


def _against(row: StageRow, before: StageRow) -> StageRow:
    if row.score is None or before.score is None:
        return replace(row, score_change=None)
    return replace(row, score_change=row.score - before.score)


def _layer_rows(build: BuildRecord) -> tuple[LayerRow, ...]:
    """The last student's layers, with the drift that was measured on it."""
    students = [stage.model for stage in build.student_stages]
    layers = next((student.layers for student in reversed(students) if student.layers), ())
    cosines = students[-1].drift if students else {}
    rows: list[LayerRow] = []
    before: float | None = 1.0
    for index, layer in enumerate(layers):
        cosine = cosines.get(index)
        change = cosine - before if cosine is not None and before is not None else None
        rows.append(
            LayerRow(
                layer=index,
                from_layer=layer.from_layer,
                heads=layer.heads,
                neurons=layer.neurons,
                cosine=cosine,
                cosine_change=change,
            )
        )
        before = cosine
    return tuple(rows)


def _worst_stage(rows: tuple[StageRow, ...], metric: str) -> str | None:
    known = [(row.score_change, row.score, row.stage) for row in rows if row.score_change is not None]
    if not known:
        return None
    change, score, stage = min(known, key=lambda each: goodness(metric, each[0]))
    worse, moves = ("above", "rises") if lower_is_better(metric) else ("below", "falls")
    if goodness(metric, change) >= 0 or score is None:
        return f"By stage, nothing is lost: no score is {worse} the one before it."
    return f"By stage, most is lost in {stage}: the score {moves} from {score - change:.4g} to {score:.4g}."


def _worst_layer(rows: tuple[LayerRow, ...]) -> str | None:
    known = [(row.cosine_change, row.cosine, row) for row in rows if row.cosine_change is not None]
    if not known:
        return None
    change, cosine, row = min(known, key=lambda each: each[0])
    if change > -LEAST_DROP or cosine is None:
        return f"By layer, hardly anything is lost: no cosine to the teacher falls by {LEAST_DROP:g}."
    place = "" if row.from_layer is None else f" (the teacher's {row.from_layer})"
    return (
        f"By layer, most is lost after layer {row.layer}{place}: the cosine to the teacher falls from "
        f"{cosine - change:.4g} to {cosine:.4g}."
    )
