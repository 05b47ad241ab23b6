"""What the stages of a build found, read back as typed values.

In:  a stage's findings as its manifest has them; an older or a newer version may have written others.
Out: records of what reports read. A figure that was not recorded, or that is none, is None or empty; nothing raises.
The fields are those of the stages' own findings, by the same names. Which stage found what is `build_record`'s concern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgewright.base.fields import Fields
from edgewright.bundles.attributions import Attribution, attributions_of


@dataclass(frozen=True, kw_only=True)
class LayerRecord:
    """A layer of a student: which of the teacher's it was, and what it kept."""

    from_layer: int | None = None
    heads: int | None = None
    neurons: int | None = None


@dataclass(frozen=True, kw_only=True)
class PartRecord:
    """A part of a model, and its multiply-accumulates."""

    name: str
    macs: int


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """A float model after a stage.

    `drift` is each layer's cosine to the teacher's, by its place; `matrices` counts those that low rank looked at.
    """

    parameters: int | None = None
    macs: int | None = None
    predicted_layers_ms: float | None = None
    score: float | None = None
    score_before_reconstruction: float | None = None
    layers: tuple[LayerRecord, ...] = ()
    parts: tuple[PartRecord, ...] = ()
    drift: Mapping[int, float | None] = field(default_factory=dict)
    matrices: int = 0

    @classmethod
    def read(cls, findings: Fields) -> ModelRecord:
        """Of the findings of a stage that made a float model."""
        drift = ((row.count("layer"), row.number("cosine")) for row in findings.rows("drift"))
        parts = ((row.text("name"), row.count("macs")) for row in findings.rows("parts"))
        return cls(
            parameters=findings.count("parameters"),
            macs=findings.count("macs"),
            predicted_layers_ms=findings.number("predicted_layers_ms"),
            score=findings.number("score"),
            score_before_reconstruction=findings.number("score_before_reconstruction"),
            layers=tuple(
                LayerRecord(from_layer=row.count("from_layer"), heads=row.count("heads"), neurons=row.count("neurons"))
                for row in findings.rows("layers")
            ),
            parts=tuple(PartRecord(name=name, macs=macs) for name, macs in parts if name is not None and macs),
            drift={layer: cosine for layer, cosine in drift if layer is not None},
            matrices=len(findings.rows("matrices")),
        )


@dataclass(frozen=True, kw_only=True)
class VocabularyRecord:
    """Word pieces that stayed; `held_out_tokens_affected` is a share."""

    pieces: int
    of: int | None = None
    held_out_tokens_affected: float | None = None

    @classmethod
    def read(cls, findings: Fields) -> VocabularyRecord | None:
        """Of the findings of the stage "vocabulary"; None where how many stayed was not recorded."""
        pieces = findings.count("pieces")
        if pieces is None:
            return None
        affected = findings.number("held_out_tokens_affected")
        return cls(pieces=pieces, of=findings.count("of"), held_out_tokens_affected=affected)


@dataclass(frozen=True, kw_only=True)
class PartSensitivityRecord:
    """What int8 in one part alone does to the outputs, and the milliseconds that float takes more there."""

    name: str
    error: float | None = None
    float_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SensitivityRecord:
    """What int8 does to the outputs: `error` with everything in int8, `left` with the parts that were excluded."""

    error: float | None = None
    left: float | None = None
    kept_float: tuple[str, ...] = ()
    int4: tuple[str, ...] = ()
    parts: tuple[PartSensitivityRecord, ...] = ()
    int4_parts: tuple[PartSensitivityRecord, ...] = ()

    @classmethod
    def read(cls, findings: Fields) -> SensitivityRecord:
        """Of the findings of the stage "sensitivity"."""
        return cls(
            error=findings.number("error"),
            left=findings.number("left"),
            kept_float=findings.texts("kept_float"),
            int4=findings.texts("int4"),
            parts=_sensitivities(findings, "parts"),
            int4_parts=_sensitivities(findings, "int4_parts"),
        )


@dataclass(frozen=True, kw_only=True)
class Int8Record:
    """An exported artifact: its numbers' format, and the operators inside and outside of the runtime's delegate."""

    format: str | None = None
    delegated: int | None = None
    fallbacks: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, findings: Fields) -> Int8Record:
        """Of the findings of a stage that exports an int8 artifact."""
        return cls(
            format=findings.text("format"),
            delegated=findings.count("delegated"),
            fallbacks=findings.counts("fallbacks"),
        )


@dataclass(frozen=True, kw_only=True)
class GroupRecord:
    """The share of a class's examples that each model answers right."""

    name: str
    count: int | None
    teacher: float | None
    student: float | None


@dataclass(frozen=True, kw_only=True)
class FlipRecord:
    """An example that the student answers worse, with both answers."""

    text: str
    expected: str
    teacher: str
    student: str


@dataclass(frozen=True, kw_only=True)
class AgreementRecord:
    """Shares of held-out tokens: where student and teacher take the same for likeliest, and where almost."""

    tokens: int | None
    same: float | None
    among_first: float | None
    sure: float | None


@dataclass(frozen=True, kw_only=True)
class WritingRecord:
    """What was written after held-out prompts: (ROUGE-L, share of exact texts) by who wrote it, and examples."""

    count: int | None
    equal: float | None
    figures: tuple[tuple[str, float | None, float | None], ...]
    examples: tuple[FlipRecord, ...]


@dataclass(frozen=True, kw_only=True)
class AccountRecord:
    """Of `count` held-out examples `lost` were better answered by the teacher, `won` by the student."""

    count: int | None = None
    lost: int | None = None
    won: int | None = None
    groups: tuple[GroupRecord, ...] = ()
    flips: tuple[FlipRecord, ...] = ()
    attributions: tuple[Attribution, ...] = ()
    agreement: AgreementRecord | None = None
    writing: WritingRecord | None = None

    @classmethod
    def read(cls, findings: Fields) -> AccountRecord:
        """Of the findings of the stage "account"."""
        return cls(
            count=findings.count("count"),
            lost=findings.count("lost"),
            won=findings.count("won"),
            groups=tuple(
                GroupRecord(
                    name=str(row.value("name")),
                    count=row.count("count"),
                    teacher=row.number("teacher"),
                    student=row.number("student"),
                )
                for row in findings.rows("groups")
            ),
            flips=tuple(_flip(row, "text") for row in findings.rows("flips")),
            attributions=attributions_of(findings),
            agreement=_agreement(findings.inner("agreement")),
            writing=_writing(findings.inner("writing")),
        )


def _flip(row: Fields, text: str) -> FlipRecord:
    shown = {name: str(row.value(name)) for name in ("expected", "teacher", "student")}
    return FlipRecord(text=str(row.value(text)), **shown)


def _agreement(found: Fields) -> AgreementRecord | None:
    """None of a model that does not write."""
    if found.count("tokens") is None:
        return None
    return AgreementRecord(
        tokens=found.count("tokens"),
        same=found.number("same"),
        among_first=found.number("among_first"),
        sure=found.number("sure"),
    )


def _writing(found: Fields) -> WritingRecord | None:
    """None of a model that answers no prompts."""
    if found.count("count") is None:
        return None
    by = ((who, found.inner(who)) for who in ("teacher", "student", "nearest"))
    return WritingRecord(
        count=found.count("count"),
        equal=found.number("equal"),
        figures=tuple((who, each.number("rouge_l"), each.number("exact")) for who, each in by),
        examples=tuple(_flip(row, "prompt") for row in found.rows("examples")),
    )


def _sensitivities(findings: Fields, name: str) -> tuple[PartSensitivityRecord, ...]:
    return tuple(
        PartSensitivityRecord(
            name=str(row.value("name")), error=row.number("error"), float_ms=row.number("float_ms") or 0.0
        )
        for row in findings.rows(name)
    )
