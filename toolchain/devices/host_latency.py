"""Artifacts timed against each other on this machine, by the same runners that devices use.

In:  contenders: a file, its runtime, and the calls that are made of it.
Out: `HostLatency` of each, with marks where anybody else had the processor meanwhile, and `ratio_of` two of them. All
     are timed in turn, round after round, so that a machine whose speed drifts is unfair to none. Times and ratios are
     this machine's: what they are on a device is measured there, or predicted (`report.speedup_rows`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Literal

from edgewright.base.progress import Progress
from edgewright.measure.deployment import HERE, Deployed, Deployer
from edgewright.measure.job import calls_document
from edgewright.measure.measurement import Measurement
from edgewright.measure.measuring import measure
from edgewright.measure.protocol import Protocol, RunOptions
from edgewright.measure.stability import disturbances
from edgewright.measure.stats import percentile
from edgewright.specs.signature import Call, Tensor
from edgewright.targets import open_target

By = Literal["wall", "processor time"]

ROUNDS = 3
SHARED = 0.03  # of the wall time of one thread; where it had the processor for less, others had it
WIDEST_SPREAD = 1.25  # of processor time from round to round; beyond it not even that repeats
PROTOCOL = Protocol(restarts=1, warmup_runs=8, warmup_s=0.2, samples=64, min_seconds=0.4, max_seconds=4.0)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One file in the race, on so many threads; each call holds a `batch` of examples.

    `state` is what goes from call to call.
    """

    name: str
    runtime: str
    file: Path
    sha256: str
    calls: Sequence[Call]
    batch: int = 1
    threads: int = 1
    state: tuple[Tensor, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HostLatency:
    """One contender's result: of all rounds the median, and the mean, which throughput goes by.

    `processor_ms` is the processor time of an inference, a mean, and `processor_spread` the largest of a round over the
    smallest. `marks` say in words who else had the processor; without any the wall clock can be believed.
    """

    runtime_version: str
    p50_ms: float
    mean_ms: float
    samples: int
    peak_rss_bytes: int
    processor_ms: float
    processor_spread: float
    processor: str | None
    threads: int = 1
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpeedRatio:
    """How many times as fast one is as another here; None where it is not known. `marks` are those of both."""

    value: float | None
    by: By
    marks: tuple[str, ...] = ()


def ratio_of(slow: HostLatency, fast: HostLatency) -> SpeedRatio:
    """Of the medians; of processor times where either was disturbed: contention stretches a long inference most.

    There is none where the processor times do not repeat, or several threads make them another thing than latency.
    """
    marks = tuple(dict.fromkeys((*slow.marks, *fast.marks)))
    if not marks:
        return SpeedRatio(value=slow.p50_ms / fast.p50_ms if fast.p50_ms > 0 else None, by="wall")
    repeats = max(slow.processor_spread, fast.processor_spread) <= WIDEST_SPREAD
    if slow.threads == fast.threads == 1 and repeats and fast.processor_ms > 0:
        return SpeedRatio(value=slow.processor_ms / fast.processor_ms, by="processor time", marks=marks)
    return SpeedRatio(value=None, by="processor time", marks=marks)


def compare_on_host(
    contenders: Sequence[Contender], *, progress: Progress, rounds: int = ROUNDS
) -> dict[str, HostLatency]:
    """Time every contender in every round. Raises `TargetError` when a runner fails."""
    found: dict[str, list[Measurement]] = {contender.name: [] for contender in contenders}
    race: list[Measurement] = []
    target = open_target(HERE)
    try:
        deployer = Deployer(target)
        places = {contender.name: _deployed(deployer, contender) for contender in contenders}
        for number in range(rounds):
            for position, contender in enumerate(contenders):
                progress.update(number * len(contenders) + position, rounds * len(contenders), contender.name)
                place = places[contender.name]
                measured = measure(
                    target,
                    place.artifact,
                    place.runtime,
                    contender.calls,
                    options=RunOptions(threads=contender.threads, batch=contender.batch),
                    protocol=PROTOCOL,
                )
                found[contender.name].append(measured)
                race.append(measured)
    finally:
        target.close()
    return marked_alike({name: joined(measurements) for name, measurements in found.items()}, race)


def digest_of(calls: Sequence[Call]) -> str:
    """What tells calls from others."""
    document, content = calls_document(calls)
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode() + content).hexdigest()


def _deployed(deployer: Deployer, contender: Contender) -> Deployed:
    return deployer.deploy(contender.file, runtime=contender.runtime, sha256=contender.sha256, state=contender.state)


def joined(measurements: Sequence[Measurement]) -> HostLatency:
    """One contender's rounds, each of one process at least."""
    samples = [sample for measurement in measurements for sample in measurement.latency_ms]
    rounds = [_processor_ms(measurement) for measurement in measurements]
    least = min(rounds)
    model = measurements[0].machine_before.get("cpu_model")
    return HostLatency(
        runtime_version=measurements[0].runtime_version,
        p50_ms=percentile(samples, 50),
        mean_ms=fmean(samples),
        samples=len(samples),
        peak_rss_bytes=max(measurement.peak_rss_bytes for measurement in measurements),
        processor_ms=fmean(rounds),
        processor_spread=max(rounds) / least if least > 0 else float(len(rounds) + 1),
        processor=model if isinstance(model, str) else None,
        threads=measurements[0].threads,
        marks=tuple(_marks(measurements)),
    )


def marked_alike(results: Mapping[str, HostLatency], race: Sequence[Measurement]) -> dict[str, HostLatency]:
    """The results, all marked where any is: they are compared with each other. The words are of the whole race."""
    own = dict.fromkeys(mark for each in results.values() for mark in each.marks)
    marks = (tuple(_marks(race)) or tuple(own)) if own else ()
    return {name: replace(each, marks=marks) for name, each in results.items()}


def _marks(measurements: Sequence[Measurement]) -> Iterator[str]:
    """What `bench` would say against the whole of it, and where one thread had to share the processor."""
    runs = [run for measurement in measurements for run in measurement.runs]
    before, after = measurements[0].machine_before, measurements[-1].machine_after
    for _, reason in disturbances(runs, before=before, after=after):
        yield reason
    samplings = [run.sampling for each in measurements if each.threads == 1 for run in each.runs if run.sampling]
    seconds = sum(each.seconds for each in samplings)
    if seconds > 0:
        share = sum(each.own_cpu_s for each in samplings) / seconds
        if abs(1 - share) > SHARED:
            yield f"its one thread had the processor for {share:.0%} of the time"


def _processor_ms(measurement: Measurement) -> float:
    """The processor time of an inference, a mean: the samples, less the share of the time that others had."""
    samplings = [run.sampling for run in measurement.runs if run.sampling]
    seconds, own = (sum(getattr(each, name) for each in samplings) for name in ("seconds", "own_cpu_s"))
    return fmean(measurement.latency_ms) * (own / seconds if seconds > 0 else 1.0)
