"""What measurements said of predictions, kept for the next one: by how much a device's prices were off.

In:  a prediction as it was before any correction, and what was then measured.
Out: `Correction`: one factor for a profile, a runtime and its version, and by how many measurements.
It is one number, which moves all predictions alike: which operator is to blame, `calibration` tells.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from edgewright.base.once import written_whole
from edgewright.base.places import data_dir
from edgewright.base.plausible import PlausibleLength, SomeMilliseconds, Threads
from edgewright.base.set_aside import read_kept

MOST = 2.0  # a correction is by no more than this factor; beyond it something else is wrong than the prices
KEPT = 32  # measurements, the newest
Name = Annotated[str, Field(max_length=200)]


class Observation(BaseModel):
    """One measurement. `basis` says which prices the prediction was of: others are not corrected by it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: Name
    runtime_version: Name
    basis: Name
    sha256: Name
    length: PlausibleLength
    threads: Threads
    predicted_ms: SomeMilliseconds
    measured_ms: SomeMilliseconds
    created: Name = ""

    @property
    def what(self) -> tuple[object, ...]:
        """What a later measurement takes the place of."""
        return self.runtime, self.runtime_version, self.basis, self.sha256, self.length, self.threads


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    seen: tuple[Observation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What latencies are multiplied by, and how many measurements say so."""

    factor: float
    measurements: int


def learn(profile: str, clock: str, seen: Observation) -> None:
    """Keep a measurement; one of the same artifact under the same conditions is replaced."""
    file = _file(profile, clock)
    others = [each for each in _load(file) if each.what != seen.what]
    dated = seen.model_copy(update={"created": datetime.now(UTC).isoformat(timespec="seconds")})
    kept = _Kept(seen=(*others, dated)[-KEPT:])
    with written_whole(file) as unfinished:
        unfinished.write_text(kept.model_dump_json(indent=2) + "\n", encoding="utf-8")


def correction_for(profile: str, clock: str, *, runtime: str, version: str, basis: str) -> Correction | None:
    """The correction of such prices, None where nothing was measured.

    It is the median of what was measured over what was predicted, drawn towards 1 as if one more measurement had
    agreed with the prediction.
    """
    ratios = [
        math.log(each.measured_ms / each.predicted_ms)
        for each in _load(_file(profile, clock))
        if (each.runtime, each.runtime_version, each.basis) == (runtime, version, basis)
    ]
    if not ratios:
        return None
    drawn = statistics.median(ratios) * len(ratios) / (len(ratios) + 1)
    bounded = min(max(drawn, -math.log(MOST)), math.log(MOST))
    return Correction(factor=math.exp(bounded), measurements=len(ratios))


def _file(profile: str, clock: str) -> Path:
    return data_dir("corrections") / f"{profile}{'' if clock == 'wall' else f'-{clock}'}.json"


def _load(file: Path) -> tuple[Observation, ...]:
    found = read_kept(file, _Kept, entries="seen", entry=Observation)
    return found.seen if found else ()
