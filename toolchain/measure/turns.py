"""Measure several contenders in turn by one protocol: come to rest, a process of each, the next of each, until enough.

In:  contenders whose processes are started one at a time (`Turns`), a `Protocol`, a machine's facts.
Out: nothing of its own: contenders keep their results, and the machine's state before and afterwards is returned.
What a process does, calls of an artifact or writing text, is the contender's concern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol as Interface
from typing import TypedDict

from edgewright.base.json_values import JsonObject, JsonValue
from edgewright.measure.protocol import Protocol, RemoteArtifact, RemoteRuntime, RunOptions
from edgewright.measure.runner_process import RunnerProcess
from edgewright.measure.settle import settled
from edgewright.measure.stability import busiest
from edgewright.specs.profiles import Clock
from edgewright.targets.base import Target

Facts = Callable[[Target], JsonObject]
Note = Callable[[int, int], None]
Waiting = Callable[[float, float], None]


class Turns(Interface):
    """The processes of one contender, one after another as it is its turn."""

    @property
    def artifact(self) -> RemoteArtifact:
        """What runs."""

    @property
    def runtime(self) -> RemoteRuntime:
        """What runs it."""

    @property
    def results(self) -> Sequence[RunnerProcess]:
        """The processes that count."""

    @property
    def cold(self) -> RunnerProcess | None:
        """The one that read the artifact from storage, where there was one."""

    @property
    def took_s(self) -> float:
        """All of them together, by the clock of this machine."""

    @property
    def count(self) -> int:
        """How many processes there were that count."""

    @property
    def is_enough(self) -> bool:
        """Whether there are as many as the protocol wants, and the times are known as well as it asks."""

    def run(self) -> None:
        """One process more."""

    def run_cold(self) -> None:
        """A process that reads the artifact from storage, and counts for nothing else."""


def machine_at_rest(target: Target, protocol: Protocol, read: Facts, waiting: Waiting | None) -> dict[str, JsonValue]:
    """The machine's facts, and whether it came to rest, for which it is given the protocol's time."""
    at_rest = settled(target, protocol.settle_s, waiting) if protocol.settle_s else None
    return {**read(target), **({} if at_rest is None else {"settled": at_rest})}


def has_the_machine_alone(target: Target, clock: Clock, threads: int) -> bool:
    """Whether a process lets no other in while it runs: by a clock of instructions, where others would be counted, too.

    Threads that wait for each other would wait for ever where none lets another in.
    """
    return clock == "instructions" and target.emulated and threads == 1


def take_turns(turns: Sequence[Turns], protocol: Protocol, note: Note | None) -> None:
    """Run processes until all have enough, or as many as the protocol allows; `note` hears (done, of how many)."""
    for each in turns if protocol.cold else ():
        each.run_cold()
    most = protocol.restarts + protocol.extra_restarts
    while turns[0].count < most and not all(each.is_enough for each in turns):
        for each in turns:
            each.run()
            if note is not None:
                done = sum(one.count for one in turns)
                note(done, max(done, protocol.restarts * len(turns)))


class SharedFields(TypedDict):
    """The fields of a `Measurement` that every contender fills alike."""

    artifact: str
    artifact_bytes: int
    runtime: str
    runtime_version: str
    sha256: str
    target: str
    emulated: bool
    clock: Clock
    threads: int
    cores: tuple[int, ...]
    runs: tuple[RunnerProcess, ...]
    cold: RunnerProcess | None
    took_s: float
    machine_before: JsonObject
    machine_after: JsonObject


def recorded(
    turns: Turns, target: Target, clock: Clock, options: RunOptions, machine: tuple[JsonObject, JsonObject]
) -> SharedFields:
    """What a contender's processes say of themselves, and the facts of the `machine` before and afterwards."""
    before, after = machine
    return SharedFields(
        artifact=turns.artifact.path.name,
        artifact_bytes=turns.artifact.size_bytes,
        runtime=turns.runtime.runtime.name,
        runtime_version=turns.results[0].runtime_version,
        sha256=turns.artifact.sha256,
        target=target.address,
        emulated=target.emulated,
        clock=clock,
        threads=options.threads,
        cores=options.cores,
        runs=tuple(turns.results),
        cold=turns.cold,
        took_s=turns.took_s,
        machine_before=before,
        machine_after=after,
    )


def machine_afterwards(
    target: Target, read: Facts, before: dict[str, JsonValue], faults: list[str]
) -> dict[str, JsonValue]:
    """The machine's facts once all is measured, which programs were busy, and what failed on the way.

    Processes that both readings list are left out of both.
    """
    after: dict[str, JsonValue] = {}
    with noted(faults, "how the machine was afterwards could not be read"):
        after.update(read(target))
        after["busiest"] = busiest(before, after)
    if faults:
        after["faults"] = faults
    for machine in (before, after):
        machine.pop("processes", None)
    return after


@contextmanager
def noted(faults: list[str], what: str) -> Iterator[None]:
    """Note a fault of what is not worth losing a finished measurement for; it is one of its reasons then."""
    try:
        yield
    except Exception as error:  # whatever it is: the samples are there
        faults.append(f"{what}: {error}")


def read_machine(target: Target) -> JsonObject:
    """The facts of a machine that a measurement keeps."""
    from edgewright.targets.facts import MACHINE, WATCHED, read_facts

    return read_facts(target, {**MACHINE, **WATCHED})
