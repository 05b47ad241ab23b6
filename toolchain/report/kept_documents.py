"""Whether a document that was kept tells what a terminal's report of it rests on.

In:  a document of `edgewright build --json` or `edgewright bench --json`, which an older version may have written.
Out: nothing; or an error that says what it lacks. What is missing besides is shown as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from edgewright.base.json_values import JsonObject
from edgewright.base.reading import faults_of
from edgewright.errors import InvalidFileError


class _KeptPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _KeptArtifact(_KeptPart):
    runtime: str
    file: str
    bytes: int | None = None


class _KeptPercentiles(_KeptPart):
    p50: float | None
    p90: float | None
    p99: float | None


class _KeptSentence(_KeptPart):
    sentence: str


class _KeptVerdict(_KeptPart):
    missed: tuple[_KeptSentence, ...]


class _KeptParity(_KeptPart):
    passed: bool


class _KeptStage(_KeptPart):
    name: str
    cached: bool
    seconds: float


class KeptMeasurement(_KeptPart):
    """What of a measurement has to be there."""

    bundle: str
    target: str
    emulated: bool
    artifact: _KeptArtifact
    latency_ms: _KeptPercentiles
    parity: _KeptParity | None = None
    budget: _KeptVerdict


class KeptBuild(_KeptPart):
    """What of a build has to be there."""

    bundle: str
    profile: str
    teacher: Mapping[str, object]
    student: Mapping[str, object]
    artifacts: tuple[_KeptArtifact, ...]
    stages: tuple[_KeptStage, ...]
    budget: _KeptVerdict


def is_build(document: JsonObject) -> bool:
    """Whether a document is of a build, not of a measurement."""
    return "artifacts" in document


def require_showable(document: JsonObject, *, name: str) -> None:
    """Check the document of an entry of this name. Raises `InvalidFileError` where it lacks what its report needs."""
    try:
        (KeptBuild if is_build(document) else KeptMeasurement).model_validate(document)
    except ValidationError as error:
        lacking = "; ".join(f"{place} {what}" for place, what in faults_of(error, whole="the document")[:3])
        what = f"lacks what a build or measurement tells, or has it in other forms ({lacking}); see it with --json"
        raise InvalidFileError(name, [("the document", what)]) from error
