"""A build as its bundle's manifest tells it: its stages in their order, and what each of them found.

In:  a manifest; an older or a newer version may have written other stages and findings.
Out: `BuildRecord`, which has the findings of each stage that a report tells of as typed values, and those of a stage
     that nobody here knows, such as a plug-in's, as the document that they are. Nothing here raises.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.base.fields import Fields
from edgewright.bundles.findings import (
    AccountRecord,
    Int8Record,
    ModelRecord,
    SensitivityRecord,
    VocabularyRecord,
)
from edgewright.bundles.schema import Manifest, StageFacts

STUDENT_STAGES = ("prune", "low rank", "distill", "finish", "aware")


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """One stage as it ran: its settings, and what it found as a document."""

    name: str
    settings: Fields
    findings: Fields

    @classmethod
    def of(cls, stage: StageFacts) -> StageRecord:
        """Of one of the manifest's stages."""
        return cls(name=stage.name, settings=Fields.of(stage.settings), findings=Fields.of(stage.findings))

    @property
    def model(self) -> ModelRecord:
        """The float model that it made."""
        return ModelRecord.read(self.findings)

    def is_set(self, setting: str) -> bool:
        """Whether a setting that is on where nothing is said of it is on."""
        return bool(self.settings.value(setting)) if setting in self.settings else True


@dataclass(frozen=True, kw_only=True)
class BuildRecord:
    """The stages of a build in the order they ran."""

    stages: tuple[StageRecord, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> BuildRecord:
        """Of a bundle's manifest."""
        return cls(stages=tuple(map(StageRecord.of, manifest.stages)))

    def findings(self, stage: str) -> Fields:
        """What the first stage of this name found; an empty document where there is none."""
        return next((each.findings for each in self.stages if each.name == stage), Fields({}))

    @property
    def teacher(self) -> ModelRecord:
        """The float teacher."""
        return ModelRecord.read(self.findings("teacher"))

    @property
    def teacher_notes(self) -> tuple[str, ...]:
        """What was decided of the teacher."""
        return self.findings("teacher").texts("decided")

    @property
    def student_stages(self) -> tuple[StageRecord, ...]:
        """Those that make a float student; a gradual pruning's come more than once."""
        return tuple(each for each in self.stages if each.name in STUDENT_STAGES)

    @property
    def teacher_layers(self) -> int | None:
        """How many layers the teacher has, where their importance was measured."""
        layers = self.findings("importance").value("layers")
        return len(layers) if isinstance(layers, list) else None

    @property
    def vocabulary(self) -> VocabularyRecord | None:
        """The word pieces that stayed; None where that was not recorded."""
        return VocabularyRecord.read(self.findings("vocabulary"))

    @property
    def sensitivity(self) -> SensitivityRecord:
        """What int8 does to the outputs."""
        return SensitivityRecord.read(self.findings("sensitivity"))

    @property
    def account(self) -> AccountRecord:
        """Which examples the student answers otherwise."""
        return AccountRecord.read(self.findings("account"))

    def int8(self, runtime: str) -> Int8Record:
        """The artifact of a runtime."""
        return Int8Record.read(self.findings(f"int8 {runtime}"))

    def int8_settings(self, runtime: str) -> Fields:
        """What the artifact of a runtime was made with."""
        name = f"int8 {runtime}"
        return next((each.settings for each in self.stages if each.name == name), Fields({}))

    def float_bytes(self, runtime: str) -> int | None:
        """The size of the float student's file for a runtime."""
        return self.findings(f"float {runtime}").count("bytes")

    @property
    def notes(self) -> tuple[str, ...]:
        """What the stages want known, each sentence once, in their order."""
        return tuple(dict.fromkeys(note for stage in self.stages for note in stage.findings.texts("notes")))
