"""What was seen of each probe on a device, and the prices that are fitted to it.

In:  for each turn of a probe its rows, one a length.
Out: a `RuntimeTable` for each runtime and precision. Measuring is `calibration`'s concern, what fits is `cost.fit`'s.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict

from edgewright.base.plausible import Peak, PlausibleCount, PlausibleLength, SomeMilliseconds
from edgewright.cost.device_prices import RuntimeTable
from edgewright.cost.fit import Sample, fitted
from edgewright.cost.terms import Precision
from edgewright.devices.timed_models import Probe


@dataclass(frozen=True, kw_only=True)
class ProbeTurn:
    """One probe as one file, on so many threads; wall clocks take turns in several rounds."""

    probe: Probe
    runtime: str
    precision: Precision
    round: int
    threads: int = 1

    @property
    def name(self) -> str:
        """What its result is kept under."""
        words = (self.runtime, self.precision, self.probe.name.replace(" ", "-"), self.round, self.threads)
        return "-".join(map(str, words))


class ProbeRow(BaseModel):
    """What was seen of one probe at one length."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    length: PlausibleLength
    latency_ms: SomeMilliseconds
    peak_bytes: Peak
    file_bytes: PlausibleCount
    runtime_version: str


ProbeResults: TypeAlias = Mapping[ProbeTurn, Sequence[ProbeRow]]


def fitted_tables(
    results: ProbeResults,
    address: str,
    runtimes: Sequence[str],
    precisions: Sequence[Precision],
) -> Iterator[RuntimeTable]:
    """Of each runtime and precision the prices that fit what was seen at this address."""
    for runtime in runtimes:
        share = _parallel_share(results, runtime)
        for precision in precisions:
            samples, version = _samples(results, runtime, precision)
            yield RuntimeTable(
                runtime=runtime,
                runtime_version=version,
                precision=precision,
                samples=len(samples),
                table=fitted(samples, source=f"calibrated on {address.removesuffix(':')}", parallel_share=share),
            )


def _samples(results: ProbeResults, runtime: str, precision: Precision) -> tuple[list[Sample], str]:
    """One point for each model and length, of the round that was disturbed least; and the runtime's version."""
    seen: dict[tuple[str, int], list[ProbeRow]] = {}
    probes: dict[str, Probe] = {}
    for turn, rows in results.items():
        if (turn.runtime, turn.precision, turn.threads) == (runtime, precision, 1):
            probes[turn.probe.name] = turn.probe
            for row in rows:
                seen.setdefault((turn.probe.name, row.length), []).append(row)
    structures = {name: probe.structure(runtime) for name, probe in probes.items()}
    samples = [
        Sample(
            model=name,
            structure=structures[name],
            length=length,
            latency_ms=min(row.latency_ms for row in rows),  # whatever else runs there only ever makes it slower
            peak_bytes=max(row.peak_bytes for row in rows),
            file_bytes=rows[0].file_bytes,
            shapes=probes[name].shapes(runtime),
        )
        for (name, length), rows in seen.items()
    ]
    return samples, next(iter(seen.values()))[0].runtime_version


def _parallel_share(results: ProbeResults, runtime: str) -> float:
    """How much of an inference threads share (Amdahl 1967); 0 where no more than one was tried."""
    shares = []
    for turn, rows in results.items():
        if turn.runtime != runtime or turn.threads == 1:
            continue
        alone = {
            row.length: row.latency_ms
            for other, each in results.items()
            if (other.probe, other.runtime, other.precision, other.threads) == (turn.probe, runtime, "int8", 1)
            for row in each
        }
        ratio = rows[-1].latency_ms / alone[rows[-1].length]
        shares.append((1 - ratio) / (1 - 1 / turn.threads))
    return min(max(statistics.median(shares), 0.0), 1.0) if shares else 0.0
