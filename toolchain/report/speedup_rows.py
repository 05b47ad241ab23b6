"""How many times as fast an artifact is as its float model: on the profile's core first, then where it was built.

In:  a bundle's manifest, its profile where that is at hand, and measurements of the bundle.
Out: `ArtifactSpeedups` for each artifact: of the profile's core what was measured there, or else what is predicted,
     with its interval, and which of both it is; of the machine that built what it timed, with its processor's name and
     marks.
A ratio does not carry over from one processor to another: kernels, vectors and caches differ. How a ratio is predicted
is `cost.speedups`' concern.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from edgewright.base.fields import Fields
from edgewright.base.json_values import JsonObject
from edgewright.bundles.schema import ArtifactFacts, Manifest
from edgewright.cost.speedups import (
    Of,
    Speedup,
    factor_of,
    predicted_float,
    predicted_speedup,
    ratio_text,
    speedup_on,
    times,
)
from edgewright.errors import InputError
from edgewright.specs.profiles import Clock, Profile, load_profile

if TYPE_CHECKING:
    from edgewright.report.measured import Measured

ANY_X86 = "x86-64"  # the core of a profile that is of any such machine


@dataclass(frozen=True, kw_only=True)
class Here:
    """On the machine that built; no value where it could not be told for what else ran there."""

    value: float | None
    by: str
    processor: str | None
    marks: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Second, and with the processor's name: it is no other machine's."""
        where = f"on the machine that built it ({self.processor or 'its processor is not known'})"
        marked = f", by {self.by}: {'; '.join(self.marks)}" if self.marks else ""
        if self.value is None:
            return f"{where} it cannot be told{marked}"
        return f"{where} {times(self.value)}{marked}"


@dataclass(frozen=True, kw_only=True)
class ArtifactSpeedups:
    """One artifact against the float teacher; `unknown` says why nothing is said of the profile's core."""

    runtime: str
    there: Speedup | None
    unknown: str
    here: Here

    @property
    def sentence(self) -> str:
        """All of it in one line, the device first."""
        first = self.there.sentence if self.there else f"has no speed-up that is known of its device: {self.unknown}"
        return f"{self.runtime} {first}; {self.here.sentence}."

    def document(self) -> JsonObject:
        """Its part of an artifact in what `edgewright build --json` prints."""
        return {
            "speedup": asdict(self.there) if self.there else None,
            "speedup_unknown": self.unknown or None,
            "speedup_where_built": {**asdict(self.here), "marks": list(self.here.marks)},
            "speedup_sentence": self.sentence,
        }


def speedups_of(
    manifest: Manifest, profile: Profile | None = None, measured: Sequence[Measured] = ()
) -> tuple[ArtifactSpeedups, ...]:
    """For each artifact what is known. Raises nothing; a profile that is not given is looked for by its name."""
    device, missing = profile, ""
    if device is None:
        try:
            device = load_profile(manifest.profile)
        except InputError as error:
            missing = str(error)
    return tuple(_told(manifest, each, device, missing, measured) for each in manifest.artifacts)


def here_of(artifact: ArtifactFacts) -> Here:
    """What the machine that built timed; of a bundle of an earlier version as it says, without a processor."""
    if artifact.timing is None:
        return Here(value=artifact.speedup, by="wall", processor=None)
    timing = artifact.timing
    return Here(value=artifact.speedup, by=timing.by, processor=timing.processor, marks=timing.marks)


def measured_speedup(
    artifact: ArtifactFacts, profile: Profile, found: Measured, *, of: Of = "float teacher"
) -> Speedup:
    """A measurement of the artifact on the profile's core against what is predicted of the float model there.

    Raises `InputError` where that cannot be predicted by the measurement's clock.
    """
    slow = predicted_float(artifact, profile, of, found.clock)
    return speedup_on(
        profile,
        slow.latency_ms / statistics.median(found.latency_ms.samples),
        of=of,
        how="measured against a prediction",
        clock=found.clock,
        factor=factor_of(slow),
        source=f"of {slow.source}; the artifact took its time on {found.target}{_clock(found.clock)}",
    )


def is_of_core(profile: Profile, machine: Mapping[str, object]) -> bool:
    """Whether a machine's facts say that it computes with the profile's core."""
    core = profile.processor.core.value
    if core == ANY_X86:
        return machine.get("arch") == "x86_64"
    return core in str(machine.get("cpu_model") or "").split(" + ")


def cell(document: object, nothing: str = "–", *, interval: bool = True) -> str:
    """A speed-up's document for a table: the ratio, and its interval where it has one and there is room.

    An earlier version kept a number there, which was of the machine that built; that is no document.
    """
    found = Fields.of(document)
    if (value := found.number("value")) is None:
        return nothing
    return ratio_text(value, found.number("low") if interval else None, found.number("high"))


def sentences(artifacts: Iterable[Fields]) -> Iterator[str]:
    """What there is to say under a table of artifacts, from the documents of `ArtifactSpeedups`."""
    yield from (sentence for each in artifacts if (sentence := each.text("speedup_sentence")))


def _told(
    manifest: Manifest,
    artifact: ArtifactFacts,
    profile: Profile | None,
    missing: str,
    measured: Sequence[Measured],
) -> ArtifactSpeedups:
    here = here_of(artifact)
    if profile is None:
        return ArtifactSpeedups(runtime=artifact.runtime, there=None, unknown=missing, here=here)
    machine = {"cpu_model": here.processor, "arch": manifest.machine.get("processor")}
    if artifact.timing is not None and here.value is not None and is_of_core(profile, machine):
        there = speedup_on(
            profile, here.value, of="float teacher", how="measured", clock="wall", source="where it was built"
        )
        return ArtifactSpeedups(runtime=artifact.runtime, there=there, unknown="", here=here)
    for found in measured:
        if found.artifact.sha256 == artifact.sha256 and found.batch == 1 and is_of_core(profile, found.machine):
            try:
                there = measured_speedup(artifact, profile, found)
            except InputError:
                continue
            return ArtifactSpeedups(runtime=artifact.runtime, there=there, unknown="", here=here)
    try:
        there = predicted_speedup(manifest, artifact, profile)
    except InputError as error:
        return ArtifactSpeedups(runtime=artifact.runtime, there=None, unknown=str(error), here=here)
    return ArtifactSpeedups(runtime=artifact.runtime, there=there, unknown="", here=here)


def _clock(clock: Clock) -> str:
    return " by the instruction clock" if clock == "instructions" else ""
