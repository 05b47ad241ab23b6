"""How many times as fast an artifact is on a profile's core as the float model it is compared with.

In:  an artifact's facts, and its profile.
Out: `Speedup`, predicted of both; or, where the artifact was measured on that core, of its latency against the float
     model's prediction.
The interval of a predicted ratio is that of both predictions in quadrature on a logarithmic scale, as if their errors
had nothing in common: wider than it is where both are off for the same reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edgewright.bundles.build_record import BuildRecord
from edgewright.bundles.schema import ArtifactFacts, Manifest
from edgewright.cost.device_prices import prices_for
from edgewright.cost.pricing import Prediction, predict
from edgewright.cost.terms import Precision
from edgewright.errors import InputError
from edgewright.quantize.schemes import QUANTIZATION_SCHEMES
from edgewright.runtimes.table import priced_runtimes
from edgewright.specs.profiles import Clock, Profile
from edgewright.specs.structure import Structure

Of = Literal["float teacher", "float student"]
How = Literal["measured", "measured against a prediction", "predicted"]

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
        return ratio_text(self.value, self.low, self.high)

    @property
    def sentence(self) -> str:
        """What it is, how sure, and where it is from."""
        ratio = f"{self.cell} as fast as the {self.of} on {self.profile} ({self.core})"
        if self.how == "predicted":
            return f"is predicted {ratio}, {self.source.replace('; ', ', ')}"
        return f"is {ratio}, {self.how} {self.source.replace('; ', ', ')}"


def predicted_speedup(
    manifest: Manifest, artifact: ArtifactFacts, profile: Profile, *, of: Of = "float teacher"
) -> Speedup:
    """By the profile's calibration, or by its facts alone. Raises `InputError` where nothing can be predicted."""
    slow, fast = predicted_float(artifact, profile, of, "wall"), _own(manifest, artifact, profile)
    by = f"by {slow.source}" if slow.source == fast.source else f"by {slow.source} and, for int8, {fast.source}"
    ratio, factor = slow.latency_ms / fast.latency_ms, factor_of(slow, fast)
    return speedup_on(profile, ratio, of=of, how="predicted", clock="wall", factor=factor, source=by)


def speedup_on(
    profile: Profile, value: float, *, of: Of, how: How, clock: Clock, factor: float | None = None, source: str
) -> Speedup:
    """Of the profile's core; a `factor` by which it may be off either way makes its interval."""
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


def predicted_float(artifact: ArtifactFacts, profile: Profile, of: Of, clock: Clock) -> Prediction:
    """The latency of the float model that an artifact is compared with. Raises `InputError` where nothing is known."""
    timing = artifact.timing
    if of == "float teacher":
        structure, length = artifact.teacher_structure, timing.teacher_length if timing else 0
    else:
        structure, length = artifact.structure, timing.length if timing else 0
    return _priced(artifact, structure, profile, "float", clock, length)


def factor_of(*found: Prediction) -> float:
    """By which a ratio of predictions may be off either way: their own factors in quadrature, as logarithms."""
    return math.exp(math.hypot(*(math.log(each.high_ms / each.latency_ms) for each in found)))


def times(value: float) -> str:
    """A ratio with one decimal, from a hundred on with none."""
    return f"{value:.0f}×" if value >= 99.95 else f"{value:.1f}×"


def ratio_text(value: float, low: float | None, high: float | None) -> str:
    """A ratio, and its interval where it has one."""
    if low is None or high is None:
        return times(value)
    return f"{times(value)} ({_bound(low)} to {_bound(high)})"


def _own(manifest: Manifest, artifact: ArtifactFacts, profile: Profile) -> Prediction:
    """Of the artifact itself."""
    scheme = BuildRecord.of(manifest).int8(artifact.runtime).format
    precision: Precision = QUANTIZATION_SCHEMES[scheme].precision if scheme else "int8"
    length = artifact.timing.length if artifact.timing else 0
    return _priced(artifact, artifact.structure, profile, precision, "wall", length)


def _priced(
    artifact: ArtifactFacts,
    structure: Structure | None,
    profile: Profile,
    precision: Precision,
    clock: Clock,
    length: int,
) -> Prediction:
    if artifact.runtime not in priced_runtimes():
        raise InputError(f"predictions are made for {' and '.join(priced_runtimes())}, not for {artifact.runtime}")
    if structure is None or artifact.timing is None:
        raise InputError(OLD)
    prices = prices_for(profile, runtime=artifact.runtime, precision=precision, clock=clock)
    run = next((each for each in artifact.lengths if each >= length), length)
    found = predict(prices, structure, length=run)
    if not found.latency_ms > 0:
        raise InputError(f"the prices of {profile.name} say nothing of {artifact.file}")
    return found


def _bound(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
