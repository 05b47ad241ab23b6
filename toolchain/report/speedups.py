"""How many times as fast an artifact is as its float model: on the profile's core first, then where it was built.

In:  a bundle's manifest, its profile where that is at hand, and measurements of the bundle.
Out: `Told` for each artifact: of the profile's core what was measured there, or else what is predicted, with its
     interval, and which of both it is; of the machine that built what it timed, with its processor's name and marks.
A ratio does not carry over from one processor to another: kernels, vectors and caches differ. The interval of a
predicted ratio is that of both predictions in quadrature on a logarithmic scale, as if their errors had nothing in
common: wider than it is where both are off for the same reason.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from edgewright.bundles.bundle import ArtifactFacts, Manifest
from edgewright.cost.device_prices import PACKAGES, prices_for
from edgewright.cost.pricing import Precision, Prediction, predict
from edgewright.errors import InputError
from edgewright.specs.profiles import Clock, Profile, load_profile
from edgewright.specs.structure import Structure

if TYPE_CHECKING:
    from edgewright.report.compare import Measured

Of = Literal["float teacher", "float student"]
How = Literal["measured", "measured against a prediction", "predicted"]

ANY_X86 = "x86-64"  # the core of a profile that is of any such machine
OLD = "the bundle was built before that was kept; build it again"


@dataclass(frozen=True, kw_only=True)
class Speedup:
    """On the profile's core; between `low` and `high` in nine cases of ten, where it is a prediction."""

    of: Of
    profile: str
    core: str
    how: How
    clock: Clock
    value: float
    low: float | None = None
    high: float | None = None
    source: str

    @property
    def cell(self) -> str:
        """For a table."""
        return cell(asdict(self))

    @property
    def sentence(self) -> str:
        """What it is, how sure, and where it is from."""
        ratio = f"{self.cell} as fast as the {self.of} on {self.profile} ({self.core})"
        if self.how == "predicted":
            return f"is predicted {ratio}, {self.source.replace('; ', ', ')}"
        return f"is {ratio}, {self.how} {self.source.replace('; ', ', ')}"


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
class Told:
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

    def document(self) -> dict[str, Any]:
        """Its part of an artifact in what `edgewright build --json` prints."""
        return {
            "speedup": asdict(self.there) if self.there else None,
            "speedup_unknown": self.unknown or None,
            "speedup_where_built": {**asdict(self.here), "marks": list(self.here.marks)},
            "speedup_sentence": self.sentence,
        }


def told_of(manifest: Manifest, profile: Profile | None = None, measured: Sequence[Measured] = ()) -> tuple[Told, ...]:
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


def predicted_speedup(
    manifest: Manifest, artifact: ArtifactFacts, profile: Profile, *, of: Of = "float teacher"
) -> Speedup:
    """By the profile's calibration, or by its facts alone. Raises `InputError` where nothing can be predicted."""
    slow, fast = _predicted(manifest, artifact, profile, of, "wall"), _own(manifest, artifact, profile)
    value = slow.latency_ms / fast.latency_ms
    by = f"by {slow.source}" if slow.source == fast.source else f"by {slow.source} and, for int8, {fast.source}"
    return _speedup(of, profile, "predicted", "wall", value, _factor(slow, fast), by)


def measured_speedup(
    manifest: Manifest, artifact: ArtifactFacts, profile: Profile, found: Measured, *, of: Of = "float teacher"
) -> Speedup:
    """A measurement of the artifact on the profile's core against what is predicted of the float model there.

    Raises `InputError` where that cannot be predicted by the measurement's clock.
    """
    slow = _predicted(manifest, artifact, profile, of, found.clock)
    value = slow.latency_ms / statistics.median(found.latency_ms.samples)
    by = f"of {slow.source}; the artifact took its time on {found.target}{_clock(found.clock)}"
    return _speedup(of, profile, "measured against a prediction", found.clock, value, _factor(slow), by)


def is_of_core(profile: Profile, machine: Mapping[str, Any]) -> bool:
    """Whether a machine's facts say that it computes with the profile's core."""
    core = profile.processor.core.value
    if core == ANY_X86:
        return machine.get("arch") == "x86_64"
    return core in str(machine.get("cpu_model") or "").split(" + ")


def times(value: float) -> str:
    """A ratio with one decimal, from a hundred on with none."""
    return f"{value:.0f}×" if value >= 99.95 else f"{value:.1f}×"


def cell(found: object, nothing: str = "–", *, interval: bool = True) -> str:
    """A speed-up's document for a table: the ratio, and its interval where it has one and there is room.

    An earlier version kept a number there, which was of the machine that built.
    """
    if not isinstance(found, Mapping) or found.get("value") is None:
        return nothing
    value, low, high = (found.get(name) for name in ("value", "low", "high"))
    known = interval and low is not None and high is not None
    return f"{times(float(value or 0.0))}{f' ({_bound(low)} to {_bound(high)})' if known else ''}"


def sentences(artifacts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What there is to say under a table of artifacts, from the documents of `Told`."""
    yield from (str(each["speedup_sentence"]) for each in artifacts if each.get("speedup_sentence"))


def _told(
    manifest: Manifest,
    artifact: ArtifactFacts,
    profile: Profile | None,
    missing: str,
    measured: Sequence[Measured],
) -> Told:
    here = here_of(artifact)
    if profile is None:
        return Told(runtime=artifact.runtime, there=None, unknown=missing, here=here)
    machine = {"cpu_model": here.processor, "arch": manifest.machine.get("processor")}
    if artifact.timing is not None and here.value is not None and is_of_core(profile, machine):
        there = _speedup("float teacher", profile, "measured", "wall", here.value, None, "where it was built")
        return Told(runtime=artifact.runtime, there=there, unknown="", here=here)
    for found in measured:
        if found.artifact.sha256 == artifact.sha256 and found.batch == 1 and is_of_core(profile, found.machine):
            try:
                there = measured_speedup(manifest, artifact, profile, found)
            except InputError:
                continue
            return Told(runtime=artifact.runtime, there=there, unknown="", here=here)
    try:
        there = predicted_speedup(manifest, artifact, profile)
    except InputError as error:
        return Told(runtime=artifact.runtime, there=None, unknown=str(error), here=here)
    return Told(runtime=artifact.runtime, there=there, unknown="", here=here)


def _own(manifest: Manifest, artifact: ArtifactFacts, profile: Profile) -> Prediction:
    """Of the artifact itself."""
    findings = next((each.findings for each in manifest.stages if each.name == f"int8 {artifact.runtime}"), {})
    precision: Precision = "half" if findings.get("format") == "float16" else "int8"
    length = artifact.timing.length if artifact.timing else 0
    return _priced(artifact, artifact.structure, profile, precision, "wall", length)


def _predicted(manifest: Manifest, artifact: ArtifactFacts, profile: Profile, of: Of, clock: Clock) -> Prediction:
    """Of the float model it is compared with."""
    timing = artifact.timing
    if of == "float teacher":
        structure, length = artifact.teacher_structure, timing.teacher_length if timing else 0
    else:
        structure, length = artifact.structure, timing.length if timing else 0
    return _priced(artifact, structure, profile, "float", clock, length)


def _priced(
    artifact: ArtifactFacts,
    structure: Structure | None,
    profile: Profile,
    precision: Precision,
    clock: Clock,
    length: int,
) -> Prediction:
    if artifact.runtime not in PACKAGES:
        raise InputError(f"predictions are made for {' and '.join(PACKAGES)}, not for {artifact.runtime}")
    if structure is None or artifact.timing is None:
        raise InputError(OLD)
    prices = prices_for(profile, runtime=artifact.runtime, precision=precision, clock=clock)
    run = next((each for each in artifact.lengths if each >= length), length)
    found = predict(prices, structure, length=run)
    if not found.latency_ms > 0:
        raise InputError(f"the prices of {profile.name} say nothing of {artifact.file}")
    return found


def _factor(*found: Prediction) -> float:
    """By which a ratio of predictions may be off either way: their own factors in quadrature, as logarithms."""
    return math.exp(math.hypot(*(math.log(each.high_ms / each.latency_ms) for each in found)))


def _speedup(
    of: Of, profile: Profile, how: How, clock: Clock, value: float, factor: float | None, source: str
) -> Speedup:
    return Speedup(
        of=of,
        profile=profile.name,
        core=profile.processor.core.value,
        how=how,
        clock=clock,
        value=value,
        low=None if factor is None else value / factor,
        high=None if factor is None else value * factor,
        source=source,
    )


def _clock(clock: Clock) -> str:
    return " by the instruction clock" if clock == "instructions" else ""


def _bound(value: Any) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
