"""What a build ends with: the bundle, the verdict on it, and all that `edgewright build` says of both."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.base.json_values import JsonObject
from edgewright.bundles.build_record import BuildRecord
from edgewright.bundles.bundle import Bundle
from edgewright.cost.int8_gain import int8_of
from edgewright.report.compression import compression_of
from edgewright.report.precision import precision_of
from edgewright.report.speedup_rows import speedups_of
from edgewright.specs.budget import Verdict
from edgewright.specs.profiles import Profile
from edgewright.stages.estimates import Estimate

SHOWN = {"runtime", "file", "bytes", "sha256", "score", "latency_ms", "parity", "float_latency_ms"}  # of an artifact


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """A finished build, and the estimate that it began with where it was asked for one.

    `profile` is the device it is for, which may be a file of the user's.
    """

    bundle: Bundle
    verdict: Verdict
    profile: Profile | None = None
    estimate: Estimate | None = None

    def summary(self) -> JsonObject:
        """What `edgewright build --json` prints."""
        manifest = self.bundle.manifest
        record, speedups = BuildRecord.of(manifest), speedups_of(manifest, self.profile)
        return {
            "bundle": str(self.bundle.path),
            "name": manifest.name,
            "profile": manifest.profile,
            "metric": manifest.task.metric,
            "teacher": manifest.teacher.model_dump(),
            "teacher_notes": list(record.teacher_notes),
            "student": manifest.student.model_dump(),
            "baseline": manifest.baseline.model_dump(),
            "artifacts": [
                {**artifact.model_dump(include=SHOWN), **told.document()}
                for artifact, told in zip(manifest.artifacts, speedups, strict=True)
            ],
            "best": manifest.best,
            "stages": [stage.model_dump(include={"name", "seconds", "cached"}) for stage in manifest.stages],
            "int8": [row.document() for row in int8_of(manifest, self.profile)],
            "precision": precision_of(manifest),
            **compression_of(manifest).summary(),
            "notes": list(record.notes),
            "budget": self.verdict.summary(),
            **({"estimate": self.estimate.document()} if self.estimate else {}),
        }
