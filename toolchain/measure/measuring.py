"""Measure an artifact that lies on a target: settle, warm up, sample, start again; or only ask for its outputs.

In:  a target, the places of an artifact and its runtime on it, calls, and a `Protocol`.
Out: a `Measurement`; nothing of it stays on the target.
Pushing is `targets.push`'s concern, what a runtime consists of `runtimes`', writing a job `job`'s, reading its result
`results`', whether it can be trusted `stability`'s.
"""

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import PurePosixPath

from edgewright.base.json_values import JsonObject
from edgewright.errors import InputError
from edgewright.measure.job import COLD_JOB, ETDUMP, job_on
from edgewright.measure.measurement import Measurement
from edgewright.measure.protocol import AS_USUAL, Protocol, RemoteArtifact, RemoteRuntime, RunOptions
from edgewright.measure.results import RequestedRun, parse_bandwidth, parse_result
from edgewright.measure.runner_documents import RunnerResult
from edgewright.measure.stats import by_run_and_input, half_width
from edgewright.measure.turns import (
    Facts,
    Note,
    Waiting,
    has_the_machine_alone,
    machine_afterwards,
    machine_at_rest,
    noted,
    read_machine,
    recorded,
    take_turns,
)
from edgewright.runtimes.table import RUNTIMES, runtimes_that
from edgewright.specs.profiles import Clock
from edgewright.specs.signature import Array, Call
from edgewright.targets.base import Target
from edgewright.targets.board.scheduling import undisturbed

COPYING_LIMIT_S = 60.0


def measure(
    target: Target,
    artifact: RemoteArtifact,
    runtime: RemoteRuntime,
    calls: Sequence[Call],
    *,
    options: RunOptions = AS_USUAL,
    protocol: Protocol | None = None,
    clock: Clock = "wall",
    facts: Facts | None = None,
    note: Note | None = None,
) -> Measurement:
    """Make the calls as the protocol says and keep everything the runner saw.

    `note` hears (processes done, of how many). Raises `RunnerError` when the runner fails, `TransferError` when the
    artifact there has another hash, and what the target raises.
    """
    (measurement,) = measure_in_turn(
        target,
        [(artifact, runtime)],
        calls,
        options=options,
        protocol=protocol,
        clock=clock,
        facts=facts,
        note=note,
    )
    return measurement


def measure_in_turn(
    target: Target,
    contenders: Sequence[tuple[RemoteArtifact, RemoteRuntime]],
    calls: Sequence[Call],
    *,
    options: RunOptions = AS_USUAL,
    protocol: Protocol | None = None,
    clock: Clock = "wall",
    facts: Facts | None = None,
    waiting: Waiting | None = None,
    note: Note | None = None,
) -> tuple[Measurement, ...]:
    """Measure artifacts to be compared: a process of each, then the next of each, and so on.

    A machine that grows warm or busy on the way does so for all of them. An ETDump is the first one's. `waiting` hears
    of the time that the machine takes to come to rest, as `settled` tells it. Otherwise as `measure`.
    """
    protocol = protocol or Protocol.for_clock(clock)
    read = facts or read_machine
    name = contenders[0][1].runtime.name
    if options.etdump is not None and not RUNTIMES[name].writes_etdump:
        able = " and ".join(runtimes_that(lambda each: each.writes_etdump))
        raise InputError(f"only {able} writes an ETDump, and this is of {name}")
    before = machine_at_rest(target, protocol, read, waiting)
    alone = has_the_machine_alone(target, clock, options.threads)
    turns = [
        _Turns(target, each, runtime, calls, protocol, options.threads, before, alone) for each, runtime in contenders
    ]
    faults: list[str] = []
    with ExitStack() as jobs:
        for place, each in enumerate(turns):
            asked = options if place == 0 else replace(options, etdump=None)
            each.job = jobs.enter_context(job_on(target, each.artifact, calls, protocol, asked))
        take_turns(turns, protocol, note)
        if options.etdump is not None:
            with noted(faults, "the ETDump was not brought here"):
                target.get(turns[0].job.with_name(ETDUMP), options.etdump)
    after = machine_afterwards(target, read, before, faults)
    return tuple(
        Measurement(
            **recorded(each, target, clock, options, (before, after)),
            batch=options.batch,
            input_lengths=tuple(call.elements for call in calls),
        )
        for each in turns
    )


class _Turns:
    """The processes of one contender, one after another as it is its turn."""

    def __init__(
        self,
        target: Target,
        artifact: RemoteArtifact,
        runtime: RemoteRuntime,
        calls: Sequence[Call],
        protocol: Protocol,
        threads: int,
        machine: JsonObject,
        alone: bool,
    ) -> None:
        self.artifact, self.runtime = artifact, runtime
        self.job = PurePosixPath()
        self.results: list[RunnerResult] = []
        self.cold: RunnerResult | None = None
        self.took_s = 0.0
        self._target, self._calls, self._protocol, self._machine = target, calls, protocol, machine
        self._threads, self._alone = threads, alone

    @property
    def count(self) -> int:
        """How many processes there were, the cold one left out."""
        return len(self.results)

    @property
    def is_enough(self) -> bool:
        """Whether there are as many processes as the protocol wants, and the latency is known as well as it asks."""
        if len(self.results) < self._protocol.restarts:
            return False
        runs = [each.latency_ms for each in self.results]
        width = half_width(by_run_and_input(runs, len(self._calls)))
        return width is None or width <= self._protocol.precision

    def run(self) -> None:
        """One process more."""
        self.results.append(self._ran(self.job, sampled=self._protocol.samples > 0))

    def run_cold(self) -> None:
        """A process that reads the artifact from storage and makes each call once."""
        self.cold = self._ran(self.job.with_name(COLD_JOB), sampled=False)

    def _ran(self, job: PurePosixPath, *, sampled: bool) -> RunnerResult:
        begun = time.monotonic()
        found = _run(
            self._target,
            job,
            self.artifact,
            self.runtime,
            threads=self._threads,
            calls=self._calls,
            limit_s=self._protocol.limit_s(self._target.emulated),
            sampled=sampled,
            machine=self._machine,
            alone=self._alone,
        )
        self.took_s += time.monotonic() - begun
        return found


def infer(
    target: Target, artifact: RemoteArtifact, runtime: RemoteRuntime, calls: Sequence[Call]
) -> tuple[dict[str, Array], ...]:
    """The artifact's outputs for each call, by name; raises as `measure` does."""
    protocol = Protocol.outputs_only()
    limit_s = protocol.limit_s(target.emulated)
    with job_on(target, artifact, calls, protocol) as job:
        found = _run(
            target,
            job,
            artifact,
            runtime,
            threads=1,
            calls=calls,
            limit_s=limit_s,
            sampled=False,
            machine={},
        )
    return found.arrays


def copy_bandwidth_gb_s(target: Target, native: RemoteRuntime) -> float:
    """How many 10⁹ bytes one core copies a second, by the native runner: the median of some copies of a large block."""
    asked = native.runtime.command(native.directory, PurePosixPath("--copy-bandwidth"))
    return statistics.median(parse_bandwidth(target.run(asked, timeout_s=COPYING_LIMIT_S)).copy_gb_s)


def _run(
    target: Target,
    job: PurePosixPath,
    artifact: RemoteArtifact,
    runtime: RemoteRuntime,
    *,
    threads: int,
    calls: Sequence[Call],
    limit_s: float,
    sampled: bool,
    machine: JsonObject,
    alone: bool = False,
) -> RunnerResult:
    request = RequestedRun(
        runtime=runtime.runtime.name,
        threads=threads,
        sha256=artifact.sha256,
        outputs=tuple(call.outputs for call in calls),
        sampled=sampled,
    )
    command = runtime.runtime.command(runtime.directory, job)
    if alone:
        command = undisturbed(command, limit_s=limit_s)  # by its own clock, which is slower than ours
    return parse_result(target.run(command, timeout_s=limit_s), request, machine)
