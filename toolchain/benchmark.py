"""Measure a bundle on a target: push, check every hash and the outputs there, time, and judge the budget.

In:  a bundle's path, a target's address.
Out: `BenchResult`: the measurement, the parity found on that machine's own core, and the verdict.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets import open_target
from targets.base import Target
from toolchain.budget import Verdict, judge
from toolchain.bundle import VECTORS, ArtifactFacts, Bundle
from toolchain.deploy import deploy_from
from toolchain.errors import ParityError
from toolchain.export.parity import Parity, compare
from toolchain.measure.measurement import Clock, Measurement, clock_of
from toolchain.measure.protocol import Protocol, measure
from toolchain.progress import Progress, Silent


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """One artifact of a bundle on one target."""

    bundle: Bundle
    measurement: Measurement
    parity: Parity
    verdict: Verdict

    def summary(self) -> dict[str, Any]:
        """What `edgewright bench --json` prints."""
        return {
            "bundle": str(self.bundle.path),
            **self.measurement.document(),
            "parity": self.parity.document(),
            "budget": self.verdict.summary(),
        }


def bench(
    bundle: str | Path,
    address: str,
    *,
    runtime: str | None = None,
    quick: bool = False,
    threads: int = 1,
    progress: Progress | None = None,
) -> BenchResult:
    """Measure the bundle's best artifact, or that of one runtime.

    An emulated target is given a clock that counts instructions. Raises `InputError` for the bundle, `TargetError`
    for the machine, `ParityError` when the outputs there are not the student's.
    """
    told = progress or Silent()
    opened = Bundle.open(bundle)
    artifact = opened.artifact(runtime)
    clock = clock_of(address)
    with told.stage(f"connect to {address}"):
        target = open_target(address, instruction_clock=clock == "instructions")
    try:
        measurement, parity = _measured(opened, artifact, target, clock, quick=quick, threads=threads, told=told)
    finally:
        target.close()
    if not parity.passed:
        raise ParityError(
            f"{artifact.file} gives other outputs on {address} than the student it was made from: the worst cosine is "
            f"{parity.cosine_min:.3f}, below {parity.cosine_limit:g}; no speed counts until that is understood "
            "(another runtime version or an emulated core with other kernels are the usual causes)"
        )
    return BenchResult(
        bundle=opened, measurement=measurement, parity=parity, verdict=_verdict(opened, artifact, measurement)
    )


def _measured(
    bundle: Bundle, artifact: ArtifactFacts, target: Target, clock: Clock, *, quick: bool, threads: int, told: Progress
) -> tuple[Measurement, Parity]:
    vectors = json.loads(bundle.file(VECTORS).read_text(encoding="utf-8"))
    with told.stage("push"):
        place = deploy_from(bundle, artifact, target)
    with told.stage("measure"):
        measurement = measure(
            target,
            place.artifact,
            place.runtime,
            vectors["inputs"],
            protocol=Protocol.for_clock(clock, quick=quick),
            threads=threads,
            clock=clock,
            note=told.update,
        )
    return measurement, compare(measurement.outputs, vectors["outputs"])


def _verdict(bundle: Bundle, artifact: ArtifactFacts, measurement: Measurement) -> Verdict:
    """All limits; only an emulated machine's latency stays undecided, because it is no board's."""
    latency = measurement.latency
    return judge(
        bundle.manifest.budget,
        latency_ms=None if measurement.emulated or latency is None else latency.p50,
        artifact_bytes=artifact.bytes,
        peak_rss_bytes=measurement.peak_rss_bytes,
        score_loss_percent=100 * (1 - artifact.score / bundle.manifest.teacher.score),
    )
