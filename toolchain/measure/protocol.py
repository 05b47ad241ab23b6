"""Measure an artifact that lies on a target: settle, warm up, sample, start again; or only ask for its outputs.

In:  a target, the places of an artifact and its runtime on it, inputs (ids of texts, or images), one at a time or so
     many at once as the artifact takes, and a `Protocol`.
Out: a `Measurement`; nothing of it stays on the target.
Pushing is `targets.push`'s concern, what a runtime consists of `runtimes`', reading its result `results`', whether it
can be trusted `stability`'s.
"""

import json
import posixpath
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import InputError, TargetError
from edgewright.measure.measurement import Measurement, apart
from edgewright.measure.results import Asked, RunnerResult, parse_bandwidth, parse_result
from edgewright.measure.settle import settled
from edgewright.measure.stability import busiest
from edgewright.measure.stats import by_run_and_input, half_width
from edgewright.runtimes.device import DeviceRuntime
from edgewright.runtimes.table import RUNTIMES, runtimes_that
from edgewright.specs.profiles import Clock
from edgewright.targets.base import Target
from edgewright.targets.board.scheduling import undisturbed

JOB, COLD_JOB = "job.json", "cold.json"
PIXELS = "pixels.bin"  # the images of a job, one after another
ETDUMP = "profile.etdp"
START_LIMIT_S = 120.0  # for starting, hashing and loading on a slow card
COPYING_LIMIT_S = 60.0
EMULATION_FACTOR = 15  # how much longer than its own clock says an emulated machine may take

Inputs = Sequence[Sequence[int]] | NDArray[np.uint8]
"""Ids of one text each, or images (n, height, width, channels)."""

LEAST_PASSES = 3  # over the inputs: the median of three bears one interruption
PADDING = 0  # the id that fills up the shorter texts of a batch

Facts = Callable[[Target], Mapping[str, Any]]
Note = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a measurement is taken. Each of `restarts` processes warms up for at least `warmup_runs` and `warmup_s`.

    It then takes at least `samples` and samples for `min_seconds`, in whole passes over the inputs, at least three
    of them; `max_seconds` ends it early. Seconds are the target's. As long as the interval of the latency reaches
    further than the share `precision` of it there are further processes, `extra_restarts` at most. Before all of them
    the machine may take `settle_s` to come to rest, and with `cold` one process more loads the artifact from storage.
    """

    restarts: int = 7
    warmup_runs: int = 10
    warmup_s: float = 1.0
    samples: int = 100
    min_seconds: float = 1.5
    max_seconds: float = 20.0
    precision: float = 0.01
    extra_restarts: int = 0
    settle_s: float = 0.0
    cold: bool = False

    @classmethod
    def thorough(cls) -> Self:
        """What a number to be believed takes: about half a minute."""
        return cls(extra_restarts=8, settle_s=30.0, cold=True)

    @classmethod
    def quick(cls) -> Self:
        """For comparing during development: a few seconds in all."""
        return cls(restarts=3, warmup_runs=5, warmup_s=0.1, samples=50, min_seconds=0.2, max_seconds=5.0, settle_s=2.0)

    @classmethod
    def instructions(cls) -> Self:
        """For a clock that counts instructions, which repeats by itself and runs slowly."""
        return cls(restarts=1, warmup_runs=2, warmup_s=0.0, samples=20, min_seconds=0.0, max_seconds=8.0)

    @classmethod
    def outputs_only(cls) -> Self:
        """Each input once, and no samples."""
        return cls(restarts=1, warmup_runs=0, warmup_s=0.0, samples=0, min_seconds=0.0, max_seconds=0.0)

    @classmethod
    def for_clock(cls, clock: Clock, *, quick: bool = False) -> Self:
        """The protocol to use unless someone has a reason for another."""
        if clock == "instructions":
            return cls.instructions()
        return cls.quick() if quick else cls.thorough()

    def limit_s(self, emulated: bool) -> float:
        """How long one process may take by this machine's clock."""
        asked = self.warmup_s + self.max_seconds
        return START_LIMIT_S * (2 if emulated else 1) + asked * (EMULATION_FACTOR if emulated else 2)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How an artifact is run: so many examples at once, on these cores of the target where any are given.

    With `profile` a process also tells the time of its operators. `etdump` is where an ETDump of it is brought.
    """

    threads: int = 1
    batch: int = 1
    cores: tuple[int, ...] = ()
    profile: bool = False
    etdump: Path | None = None


AS_USUAL = RunOptions()


@dataclass(frozen=True, kw_only=True)
class RemoteArtifact:
    """An artifact that lies on a target. `lengths` are those of its signatures, none where it takes any length."""

    path: PurePosixPath
    sha256: str
    size_bytes: int
    lengths: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RemoteRuntime:
    """A runtime whose files were pushed to a directory of a target."""

    runtime: DeviceRuntime
    directory: PurePosixPath


def measure(
    target: Target,
    artifact: RemoteArtifact,
    runtime: RemoteRuntime,
    inputs: Inputs,
    *,
    options: RunOptions = AS_USUAL,
    protocol: Protocol | None = None,
    clock: Clock = "wall",
    facts: Facts | None = None,
    note: Note | None = None,
) -> Measurement:
    """Run the inputs as the protocol says and keep everything the runner saw.

    `note` hears (processes done, of how many). Raises `RunnerError` when the runner fails, `TransferError` when the
    artifact there has another hash, and what the target raises.
    """
    (measurement,) = measure_in_turn(
        target,
        [(artifact, runtime)],
        inputs,
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
    inputs: Inputs,
    *,
    options: RunOptions = AS_USUAL,
    protocol: Protocol | None = None,
    clock: Clock = "wall",
    facts: Facts | None = None,
    waiting: Callable[[float, float], None] | None = None,
    note: Note | None = None,
) -> tuple[Measurement, ...]:
    """Measure artifacts to be compared: a process of each, then the next of each, and so on.

    A machine that grows warm or busy on the way does so for all of them. An ETDump is the first one's. `waiting` hears
    of the time that the machine takes to come to rest, as `settled` tells it. Otherwise as `measure`.
    """
    protocol = protocol or Protocol.for_clock(clock)
    read = facts or _read_facts
    calls = together(inputs, options.batch)
    name = contenders[0][1].runtime.name
    if options.etdump is not None and not RUNTIMES[name].writes_etdump:
        able = " and ".join(runtimes_that(lambda each: each.writes_etdump))
        raise InputError(f"only {able} writes an ETDump, and this is of {name}")
    at_rest = settled(target, protocol.settle_s, waiting) if protocol.settle_s else None
    before = dict(read(target)) | ({} if at_rest is None else {"settled": at_rest})
    # Threads that wait for each other would wait for ever where none lets another in.
    alone = clock == "instructions" and target.emulated and options.threads == 1
    turns = [
        _Turns(target, each, runtime, calls, protocol, options.threads, before, alone) for each, runtime in contenders
    ]
    faults: list[str] = []
    with ExitStack() as jobs:
        for place, each in enumerate(turns):
            asked = options if place == 0 else replace(options, etdump=None)
            each.job = jobs.enter_context(job_on(target, each.artifact, calls, protocol, asked))
        for each in turns if protocol.cold else ():
            each.run_cold()
        most = protocol.restarts + protocol.extra_restarts
        while len(turns[0].results) < most and not all(each.is_enough for each in turns):
            for each in turns:
                each.run()
                if note is not None:
                    done = sum(len(one.results) for one in turns)
                    note(done, max(done, protocol.restarts * len(turns)))
        if options.etdump is not None:
            with noted(faults, "the ETDump was not brought here"):
                target.get(turns[0].job.with_name(ETDUMP), options.etdump)
    after: dict[str, Any] = {}
    with noted(faults, "how the machine was afterwards could not be read"):
        after.update(read(target))
        after["busiest"] = busiest(before, after)
    if faults:
        after["faults"] = faults
    for machine in (before, after):
        machine.pop("processes", None)
    return tuple(
        Measurement(
            artifact=each.artifact.path.name,
            artifact_bytes=each.artifact.size_bytes,
            runtime=each.runtime.runtime.name,
            runtime_version=each.results[0].runtime_version,
            sha256=each.artifact.sha256,
            target=target.address,
            emulated=target.emulated,
            clock=clock,
            threads=options.threads,
            batch=options.batch,
            examples=len(inputs),
            cores=options.cores,
            input_lengths=tuple(int(np.size(call)) for call in calls),
            runs=tuple(each.results),
            cold=each.cold,
            took_s=each.took_s,
            machine_before=before,
            machine_after=after,
        )
        for each in turns
    )


@contextmanager
def noted(faults: list[str], what: str) -> Iterator[None]:
    """Note a fault of what is not worth losing a finished measurement for; it is one of its reasons then."""
    try:
        yield
    except Exception as error:  # whatever it is: the samples are there
        faults.append(f"{what}: {error}")


class _Turns:
    """The processes of one contender, one after another as it is its turn."""

    def __init__(
        self,
        target: Target,
        artifact: RemoteArtifact,
        runtime: RemoteRuntime,
        calls: Inputs,
        protocol: Protocol,
        threads: int,
        machine: Mapping[str, Any],
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
        """A process that reads the artifact from storage and gives each input once."""
        self.cold = self._ran(self.job.with_name(COLD_JOB), sampled=False)

    def _ran(self, job: PurePosixPath, *, sampled: bool) -> RunnerResult:
        begun = time.monotonic()
        found = _run(
            self._target,
            job,
            self.artifact,
            self.runtime,
            threads=self._threads,
            inputs=len(self._calls),
            limit_s=self._protocol.limit_s(self._target.emulated),
            sampled=sampled,
            machine=self._machine,
            alone=self._alone,
        )
        self.took_s += time.monotonic() - begun
        return found


def infer(
    target: Target,
    artifact: RemoteArtifact,
    runtime: RemoteRuntime,
    inputs: Inputs,
    *,
    batch: int = 1,
) -> tuple[tuple[float, ...], ...]:
    """The artifact's output for each input, flattened, asked for `batch` of them at once; raises as `measure` does."""
    protocol, calls = Protocol.outputs_only(), together(inputs, batch)
    limit_s = protocol.limit_s(target.emulated)
    with job_on(target, artifact, calls, protocol, RunOptions(batch=batch)) as job:
        found = _run(
            target,
            job,
            artifact,
            runtime,
            threads=1,
            inputs=len(calls),
            limit_s=limit_s,
            sampled=False,
            machine={},
        )
    return apart(found.outputs, batch, len(inputs))


def together(inputs: Inputs, batch: int) -> Inputs:
    """The inputs as a runner is given them: each call's examples one after another, texts padded to its longest.

    Where the last call has fewer examples its last one fills it up.
    """
    if batch == 1:
        return inputs
    count = -(-len(inputs) // batch) * batch
    if isinstance(inputs, np.ndarray):
        filled = np.concatenate([inputs, np.repeat(inputs[-1:], count - len(inputs), axis=0)])
        return filled.reshape(count // batch, -1, *inputs.shape[2:])
    rows = [*inputs, *[inputs[-1]] * (count - len(inputs))]
    return [_padded(rows[first : first + batch]) for first in range(0, count, batch)]


@contextmanager
def job_on(
    target: Target, artifact: RemoteArtifact, inputs: Inputs, protocol: Protocol, options: RunOptions = AS_USUAL
) -> Iterator[PurePosixPath]:
    """Put a job and its inputs, already `together`, into a directory of their own on the target.

    It goes when the context ends. Where the protocol wants a cold start, `COLD_JOB` lies beside the job.
    """
    directory = target.home / "jobs" / uuid.uuid4().hex
    job = job_document(artifact, directory, protocol, len(inputs), options)
    documents = {JOB: job, "vectors.json": vectors_document(inputs)}
    if protocol.cold:
        documents[COLD_JOB] = {**job, "cold": True, "samples": 0, "profile": False}
        documents[COLD_JOB].pop("etdump", None)
    try:
        if isinstance(inputs, np.ndarray):
            target.put(np.ascontiguousarray(inputs).tobytes(), directory / PIXELS)
        for name, document in documents.items():
            target.put(json.dumps(document).encode(), directory / name)
        yield directory / JOB
    finally:
        with suppress(TargetError):  # a lost machine was reported already
            target.run(["rm", "-rf", str(directory)], timeout_s=60)


def _padded(texts: Sequence[Sequence[int]]) -> list[int]:
    longest = max(map(len, texts))
    return [item for ids in texts for item in (*ids, *[PADDING] * (longest - len(ids)))]


def vectors_document(inputs: Inputs) -> dict[str, Any]:
    """What the runner reads of the inputs; images lie beside it, as bytes, which JSON would make four times as many."""
    if isinstance(inputs, np.ndarray):
        return {"images": {"file": PIXELS, "count": len(inputs)}}
    return {"inputs": [[int(item) for item in ids] for ids in inputs]}


def job_document(
    artifact: RemoteArtifact,
    directory: PurePosixPath,
    protocol: Protocol,
    inputs: int,
    options: RunOptions = AS_USUAL,
) -> dict[str, Any]:
    """The job for a runner whose job file lies in that directory of the target; each input has a batch's examples."""
    path = artifact.path
    relative = path if path.is_absolute() else PurePosixPath(posixpath.relpath(path, directory))
    return {
        "schema": 1,
        "artifact": str(relative),
        "sha256": artifact.sha256,
        "vectors": "vectors.json",
        "threads": options.threads,
        "warmup_runs": protocol.warmup_runs,
        "warmup_s": protocol.warmup_s,
        "samples": max(protocol.samples, LEAST_PASSES * inputs) if protocol.samples else 0,
        "min_seconds": protocol.min_seconds,
        "max_seconds": protocol.max_seconds,
        "lengths": list(artifact.lengths),
        "batch": options.batch,
        "cores": list(options.cores),
        "profile": options.profile,
        **({"etdump": ETDUMP} if options.etdump is not None else {}),
    }


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
    inputs: int,
    limit_s: float,
    sampled: bool,
    machine: Mapping[str, Any],
    alone: bool = False,
) -> RunnerResult:
    asked = Asked(runtime=runtime.runtime.name, threads=threads, sha256=artifact.sha256, inputs=inputs, sampled=sampled)
    command = runtime.runtime.command(runtime.directory, job)
    if alone:
        command = undisturbed(command, limit_s=limit_s)  # by its own clock, which is slower than ours
    return parse_result(target.run(command, timeout_s=limit_s), asked, machine)


def _read_facts(target: Target) -> Mapping[str, Any]:
    from edgewright.targets.facts import MACHINE, WATCHED, read_facts

    return read_facts(target, {**MACHINE, **WATCHED})
