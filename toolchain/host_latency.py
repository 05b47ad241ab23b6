"""Artifacts timed against each other on this machine, by the same runners that devices use.

In:  contenders: a file, its runtime, and the inputs it is given.
Out: `HostLatency` of each. All are timed in turn, round after round, so that a machine whose speed drifts is unfair to
     none; only their ratios mean anything elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from targets import open_target
from toolchain.deploy import HERE, Deployed, Deployer
from toolchain.measure.measurement import Measurement
from toolchain.measure.protocol import Inputs, Protocol, RunOptions, measure
from toolchain.measure.stats import percentile
from toolchain.progress import Progress

ROUNDS = 3
PROTOCOL = Protocol(restarts=1, warmup_runs=8, warmup_s=0.2, samples=64, min_seconds=0.4, max_seconds=4.0)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One file in the race, on so many threads; texts are given at their real lengths, `batch` of them at once."""

    name: str
    runtime: str
    file: Path
    sha256: str
    lengths: tuple[int, ...]
    inputs: Inputs
    batch: int = 1
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class HostLatency:
    """One contender's result: of all rounds the median, and the mean, which throughput goes by."""

    runtime_version: str
    p50_ms: float
    mean_ms: float
    samples: int
    peak_rss_bytes: int


def compare_on_host(
    contenders: Sequence[Contender], *, progress: Progress, rounds: int = ROUNDS
) -> dict[str, HostLatency]:
    """Time every contender in every round. Raises `TargetError` when a runner fails."""
    found: dict[str, list[Measurement]] = {contender.name: [] for contender in contenders}
    target = open_target(HERE)
    try:
        deployer = Deployer(target)
        places = {contender.name: _deployed(deployer, contender) for contender in contenders}
        for number in range(rounds):
            for position, contender in enumerate(contenders):
                progress.update(number * len(contenders) + position, rounds * len(contenders), contender.name)
                place = places[contender.name]
                found[contender.name].append(
                    measure(
                        target,
                        place.artifact,
                        place.runtime,
                        contender.inputs,
                        options=RunOptions(threads=contender.threads, batch=contender.batch),
                        protocol=PROTOCOL,
                    )
                )
    finally:
        target.close()
    return {name: _joined(measurements) for name, measurements in found.items()}


def digest_of(inputs: Inputs) -> str:
    """What tells inputs from others."""
    if isinstance(inputs, np.ndarray):
        return hashlib.sha256(repr(inputs.shape).encode() + np.ascontiguousarray(inputs).tobytes()).hexdigest()
    return hashlib.sha256(json.dumps([list(ids) for ids in inputs]).encode()).hexdigest()


def _deployed(deployer: Deployer, contender: Contender) -> Deployed:
    return deployer.deploy(
        contender.file, runtime=contender.runtime, sha256=contender.sha256, lengths=contender.lengths
    )


def _joined(measurements: Sequence[Measurement]) -> HostLatency:
    samples = [sample for measurement in measurements for sample in measurement.latency_ms]
    return HostLatency(
        runtime_version=measurements[0].runtime_version,
        p50_ms=percentile(samples, 50),
        mean_ms=fmean(samples),
        samples=len(samples),
        peak_rss_bytes=max(measurement.peak_rss_bytes for measurement in measurements),
    )
