"""Whether int8 was worth it: each artifact against its float reference, and what ran outside the fast kernels.

In:  a bundle's manifest, and for another machine the measurements of an artifact and its float reference there.
Out: `Int8Row` for each artifact, with a verdict in a sentence: what is predicted of the profile's core first, then what
     was timed, and where. An int8 artifact that measured no faster than the float student is never called better.
Both were timed in turn on one machine; how it looks on a terminal is `report.terminal`'s concern.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace

from edgewright.base.json_values import JsonObject
from edgewright.bundles.build_record import BuildRecord
from edgewright.bundles.schema import ArtifactFacts, Manifest
from edgewright.cost.speedups import Speedup, predicted_speedup
from edgewright.errors import InputError
from edgewright.measure.measurement import Measurement
from edgewright.measure.stats import percentile, ratio
from edgewright.specs.profiles import Profile, load_profile

LEAST_MS = 1e-6  # below what any clock here tells
LEAST_GAIN = 1.02  # of two medians of one run; less is no difference
# Operators whose place outside the delegate says that int8 did not go where it is fast.
QUANTISING = ("quantize", "choose_qparams")
PRODUCTS = ("linear", "mm", "matmul", "convolution")


@dataclass(frozen=True, kw_only=True)
class Int8Row:
    """One artifact; `speedup` is the float student's latency over its own, None where other work spoilt both.

    It is taken input by input where all samples are known, and then lies between `low` and `high` at 95 %. `fallbacks`
    is how often each operator runs in the runtime's own kernels, as far as that is known. `there` is what is predicted
    of the profile's core; all else is of the `processor` that it was timed on, where `marks` say who else had that.
    """

    runtime: str
    format: str = "int8"
    latency_ms: float
    float_latency_ms: float
    speedup: float | None
    processor: str | None = None
    marks: tuple[str, ...] = ()
    there: Speedup | None = None
    low: float | None = None
    high: float | None = None
    delegated: int | None = None
    fallbacks: Mapping[str, int] = field(default_factory=dict)

    @property
    def faster(self) -> bool:
        """By more than two medians of one run differ anyway, and by all of the interval where there is one."""
        return self.speedup is not None and self.speedup >= LEAST_GAIN and (self.low is None or self.low > 1)

    @property
    def verdict(self) -> str:
        """What is predicted of the device, what was timed, and why int8 bought no speed, where it bought none."""
        first = f"{self.format} {self.runtime} {self.there.sentence}. " if self.there else ""
        where = f" where it was built, on {self.processor}" if self.processor else ""
        marked = f" The ratio is of processor time: {'; '.join(self.marks)}." if self.marks else ""
        if self.speedup is None:
            unknown = f"How {self.format} {self.runtime} compares with the float student{where} cannot be told"
            return f"{first}{unknown}: {'; '.join(self.marks)}."
        times = f"{self.latency_ms:.3g} ms against {self.float_latency_ms:.3g}"
        if self.low is not None and self.high is not None:
            times += f", 95 % interval {self.low:.2f} to {self.high:.2f}×"
        if self.faster:
            ratio = f"{self.speedup:.2f}× as fast as the float student{where}"
            return f"{first}{self.format} {self.runtime} is {ratio} ({times}).{marked}"
        found = "slower" if self.speedup < 1 else "no faster"
        judged = f"{self.format} {self.runtime} is {found} than the float student{where} ({times})"
        return f"{first}{judged}: it saves space, not time{'' if first == '' else ', there'}. {self.reason}{marked}"

    @property
    def reason(self) -> str:
        """Why int8 is not faster, from the operators that were not delegated."""
        if self.delegated is None:
            return f"Which operators left the fast path is not known for {self.runtime}."
        for what, parts in (("Matrix products run", PRODUCTS), ("Activations are quantised", QUANTISING)):
            if outside := {name: n for name, n in self.fallbacks.items() if any(part in name for part in parts)}:
                return f"{what} outside XNNPACK: {_counted(outside)}."
        if self.format != "int8":
            return "All matrix products run in XNNPACK, so this machine's kernels for it are no faster than float32's."
        return (
            "All matrix products run in XNNPACK, so they are too small for int8 to win back what it costs to quantise "
            "activations as they come; larger layers would, or fewer of them."
        )

    def document(self) -> JsonObject:
        """As `edgewright build --json` prints it."""
        return {**asdict(self), "marks": list(self.marks), "faster": self.faster, "verdict": self.verdict}


def int8_of(manifest: Manifest, profile: Profile | None = None) -> tuple[Int8Row, ...]:
    """A row for each artifact. Raises nothing: delegation that an earlier version did not record is unknown."""
    device = profile or _profile(manifest)
    return tuple(_built(manifest, each, device) for each in manifest.artifacts)


def _built(manifest: Manifest, artifact: ArtifactFacts, profile: Profile | None) -> Int8Row:
    row = _row(manifest, artifact, artifact.latency_ms, artifact.float_latency_ms)
    timing, there = artifact.timing, None
    if timing is None:
        return row
    if profile is not None:
        with suppress(InputError):
            there = predicted_speedup(manifest, artifact, profile, of="float student")
    found = replace(row, processor=timing.processor, marks=timing.marks, there=there)
    return replace(found, speedup=timing.float_speedup)


def _profile(manifest: Manifest) -> Profile | None:
    try:
        return load_profile(manifest.profile)
    except InputError:  # a file of the user's, say
        return None


def int8_measured(
    manifest: Manifest, artifact: ArtifactFacts, measured: Measurement, reference: Measurement
) -> Int8Row:
    """An artifact and its float reference as they were measured in turn on a target."""
    ours, theirs = (percentile(each.latency_ms, 50) for each in (measured, reference))
    row = _row(manifest, artifact, ours, theirs)
    found = ratio(reference.grouped_ms, measured.grouped_ms, in_turn=True)
    return replace(row, speedup=found.value, low=found.low, high=found.high) if found else row


def _row(manifest: Manifest, artifact: ArtifactFacts, latency_ms: float, float_latency_ms: float) -> Int8Row:
    export = BuildRecord.of(manifest).int8(artifact.runtime)
    return Int8Row(
        runtime=artifact.runtime,
        format=export.format or "int8",
        latency_ms=latency_ms,
        float_latency_ms=float_latency_ms,
        speedup=float_latency_ms / max(latency_ms, LEAST_MS),
        delegated=export.delegated,
        fallbacks=export.fallbacks,
    )


def _counted(operators: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count}×)" for name, count in operators.items())
