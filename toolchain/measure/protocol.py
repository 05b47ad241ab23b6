"""Measure an artifact that lies on a target: warm up, sample, start again; or only ask for its outputs.

In:  a target, the places of an artifact and its runtime on it, inputs (ids of texts, or images), one at a time or so
     many at once as the artifact takes, and a `Protocol`.
Out: a `Measurement`; nothing of it stays on the target.
Pushing is `targets.push`'s concern, what a runtime consists of `runtimes`', reading its result `results`'.
"""

import json
import posixpath
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from targets.base import Target
from toolchain.errors import TargetError
from toolchain.measure.measurement import Clock, Measurement, apart
from toolchain.measure.results import RunnerResult, parse_result
from toolchain.measure.runtimes import DeviceRuntime

PIXELS = "pixels.bin"  # the images of a job, one after another
START_LIMIT_S = 120.0  # for starting, hashing and loading on a slow card
EMULATION_FACTOR = 15  # how much longer than its own clock says an emulated machine may take

Inputs = Sequence[Sequence[int]] | NDArray[np.uint8]
"""Ids of one text each, or images (n, height, width, channels)."""

PADDING = 0  # the id that fills up the shorter texts of a batch

Facts = Callable[[Target], Mapping[str, Any]]
Note = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a measurement is taken. Each of `restarts` processes warms up for at least `warmup_runs` and `warmup_s`.

    It then takes at least `samples` and samples for `min_seconds`, in whole passes over the inputs, at least two of
    them; `max_seconds` ends it early. Seconds are the target's.
    """

    restarts: int = 3
    warmup_runs: int = 10
    warmup_s: float = 2.0
    samples: int = 100
    min_seconds: float = 3.4
    max_seconds: float = 20.0

    @classmethod
    def quick(cls) -> Self:
        """For comparing during development: a few seconds in all."""
        return cls(restarts=1, warmup_runs=5, warmup_s=0.3, samples=50, min_seconds=0.5, max_seconds=5.0)

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
        return cls.quick() if quick else cls()

    def limit_s(self, emulated: bool) -> float:
        """How long one process may take by this machine's clock."""
        asked = self.warmup_s + self.max_seconds
        return START_LIMIT_S * (2 if emulated else 1) + asked * (EMULATION_FACTOR if emulated else 2)


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
    protocol: Protocol | None = None,
    threads: int = 1,
    batch: int = 1,
    clock: Clock = "wall",
    facts: Facts | None = None,
    note: Note | None = None,
) -> Measurement:
    """Run the inputs, `batch` of them at once, as the protocol says and keep everything the runner saw.

    `note` hears (processes done, of how many). Raises `RunnerError` when the runner fails, `TransferError` when the
    artifact there has another hash, and what the target raises.
    """
    (measurement,) = measure_in_turn(
        target,
        [(artifact, runtime)],
        inputs,
        protocol=protocol,
        threads=threads,
        batch=batch,
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
    protocol: Protocol | None = None,
    threads: int = 1,
    batch: int = 1,
    clock: Clock = "wall",
    profile: bool = False,
    facts: Facts | None = None,
    note: Note | None = None,
) -> tuple[Measurement, ...]:
    """Measure artifacts to be compared: a process of each, then the next of each, and so on.

    A machine that grows warm or busy on the way does so for all of them. With `profile` each process then also tells
    the time of its operators. Otherwise as `measure`.
    """
    protocol = protocol or Protocol.for_clock(clock)
    read = facts or _read_facts
    calls = together(inputs, batch)
    before = dict(read(target))
    results: list[list[RunnerResult]] = [[] for _ in contenders]
    turns = [place for _ in range(protocol.restarts) for place in range(len(contenders))]
    with ExitStack() as jobs:
        placed = [
            jobs.enter_context(job_on(target, each, calls, protocol, threads, batch=batch, profile=profile))
            for each, _ in contenders
        ]
        for done, place in enumerate(turns, start=1):
            artifact, runtime = contenders[place]
            results[place].append(_run(target, placed[place], artifact, runtime, len(calls), protocol))
            if note is not None:
                note(done, len(turns))
    after = dict(read(target))
    return tuple(
        Measurement(
            artifact=artifact.path.name,
            artifact_bytes=artifact.size_bytes,
            runtime=runtime.runtime.name,
            runtime_version=runs[0].runtime_version,
            sha256=artifact.sha256,
            target=target.address,
            emulated=target.emulated,
            clock=clock,
            threads=threads,
            batch=batch,
            examples=len(inputs),
            input_lengths=tuple(int(np.size(each)) for each in calls),
            runs=tuple(runs),
            machine_before=before,
            machine_after=after,
        )
        for (artifact, runtime), runs in zip(contenders, results, strict=True)
    )


def infer(
    target: Target,
    artifact: RemoteArtifact,
    runtime: RemoteRuntime,
    inputs: Inputs,
    *,
    threads: int = 1,
    batch: int = 1,
) -> tuple[tuple[float, ...], ...]:
    """The artifact's output for each input, flattened, asked for `batch` of them at once; raises as `measure` does."""
    protocol, calls = Protocol.outputs_only(), together(inputs, batch)
    with job_on(target, artifact, calls, protocol, threads, batch=batch) as job:
        outputs = _run(target, job, artifact, runtime, len(calls), protocol).outputs
    return apart(outputs, batch, len(inputs))


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
    target: Target,
    artifact: RemoteArtifact,
    inputs: Inputs,
    protocol: Protocol,
    threads: int,
    *,
    batch: int = 1,
    profile: bool = False,
) -> Iterator[PurePosixPath]:
    """Put a job and its inputs, already `together`, into a directory of their own on the target.

    It goes when the context ends.
    """
    directory = target.home / "jobs" / uuid.uuid4().hex
    documents = {
        "job.json": job_document(artifact, directory, protocol, threads, len(inputs), batch=batch, profile=profile),
        "vectors.json": _vectors(inputs),
    }
    try:
        with tempfile.TemporaryDirectory(prefix="edgewright-") as here:
            if isinstance(inputs, np.ndarray):
                local = Path(here, PIXELS)
                local.write_bytes(np.ascontiguousarray(inputs).tobytes())
                target.put(local, directory / PIXELS)
            for name, document in documents.items():
                local = Path(here, name)
                local.write_text(json.dumps(document), encoding="utf-8")
                target.put(local, directory / name)
        yield directory / "job.json"
    finally:
        with suppress(TargetError):  # a lost machine was reported already
            target.run(["rm", "-rf", str(directory)], timeout_s=60)


def _padded(texts: Sequence[Sequence[int]]) -> list[int]:
    longest = max(map(len, texts))
    return [item for ids in texts for item in (*ids, *[PADDING] * (longest - len(ids)))]


def _vectors(inputs: Inputs) -> dict[str, Any]:
    """What the runner reads of the inputs; images lie beside it, as bytes, which JSON would make four times as many."""
    if isinstance(inputs, np.ndarray):
        return {"images": {"file": PIXELS, "count": len(inputs)}}
    return {"inputs": [[int(item) for item in ids] for ids in inputs]}


def job_document(
    artifact: RemoteArtifact,
    directory: PurePosixPath,
    protocol: Protocol,
    threads: int,
    inputs: int,
    *,
    batch: int = 1,
    profile: bool = False,
) -> dict[str, Any]:
    """The job for a runner whose job file lies in that directory of the target; each input has `batch` examples."""
    path = artifact.path
    relative = path if path.is_absolute() else PurePosixPath(posixpath.relpath(path, directory))
    return {
        "schema": 1,
        "artifact": str(relative),
        "sha256": artifact.sha256,
        "vectors": "vectors.json",
        "threads": threads,
        "warmup_runs": protocol.warmup_runs,
        "warmup_s": protocol.warmup_s,
        "samples": max(protocol.samples, 2 * inputs) if protocol.samples else 0,
        "min_seconds": protocol.min_seconds,
        "max_seconds": protocol.max_seconds,
        "lengths": list(artifact.lengths),
        "batch": batch,
        "profile": profile,
    }


def _run(
    target: Target,
    job: PurePosixPath,
    artifact: RemoteArtifact,
    runtime: RemoteRuntime,
    inputs: int,
    protocol: Protocol,
) -> RunnerResult:
    command = runtime.runtime.command(runtime.directory, job)
    completed = target.run(command, timeout_s=protocol.limit_s(target.emulated))
    return parse_result(completed, sha256=artifact.sha256, inputs=inputs, sampled=protocol.samples > 0)


def _read_facts(target: Target) -> Mapping[str, Any]:
    from targets.facts import read_facts

    return dict(read_facts(target))
