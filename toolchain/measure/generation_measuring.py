"""Measure an artifact that generates, on a target where it lies: settle, warm up, write by a workload, start again.

In:  a target, the places of artifacts and their runtimes on it, what they are asked (`GenerationAsked`), a `Protocol`.
Out: `GenerationMeasurement`s; nothing of them stays on the target.
A first process gives the texts that are compared before anything is timed; it also tells how long a pass takes, and
where the protocol wants a cold start it is that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from edgewright.measure.generating import prompts_job, token_limit_s
from edgewright.measure.generation_documents import GeneratedText
from edgewright.measure.generation_measurement import GenerationMeasurement
from edgewright.measure.generation_process import GenerationProcess
from edgewright.measure.generation_workload import GenerationWorkload, without_stops
from edgewright.measure.job import LEAST_PASSES
from edgewright.measure.prompts import Prompt, prompts_document
from edgewright.measure.protocol import AS_USUAL, Protocol, RemoteArtifact, RemoteRuntime, RunOptions
from edgewright.measure.results import parse_generation
from edgewright.measure.stats import half_width
from edgewright.measure.turns import (
    Facts,
    Note,
    Waiting,
    has_the_machine_alone,
    machine_afterwards,
    machine_at_rest,
    read_machine,
    recorded,
    take_turns,
)
from edgewright.specs.profiles import Clock
from edgewright.specs.signature import Signature
from edgewright.targets.base import Target
from edgewright.targets.board.scheduling import undisturbed

COUNTED_PASSES = 2  # by a clock of instructions, which repeats


@dataclass(frozen=True, kw_only=True)
class GenerationAsked:
    """What an artifact is asked: to write after `expected` prompts, which is given to `accept`, then the workload.

    `accept` raises what is to end the measurement. The workload's prompts are made of `ids`.
    """

    signature: Signature
    workload: GenerationWorkload
    ids: Sequence[int]
    expected: Sequence[Prompt] = ()
    accept: Callable[[Sequence[GeneratedText]], None] = lambda _texts: None


def measure_generation(
    target: Target,
    contenders: Sequence[tuple[RemoteArtifact, RemoteRuntime, GenerationAsked]],
    *,
    options: RunOptions = AS_USUAL,
    protocol: Protocol | None = None,
    clock: Clock = "wall",
    facts: Facts | None = None,
    waiting: Waiting | None = None,
    note: Note | None = None,
) -> tuple[GenerationMeasurement, ...]:
    """Measure artifacts in turn, as `measuring.measure_in_turn` does, and raise as it does.

    A process of the protocol takes at least as many samples, tokens and first tokens together, and seconds as it says,
    in whole passes over the workload; on a clock of instructions it is two passes after one that warms up.
    """
    protocol = protocol or Protocol.for_clock(clock)
    read = facts or read_machine
    before = machine_at_rest(target, protocol, read, waiting)
    turns = [
        _WritingTurns(target, artifact, runtime, asked, protocol, options, clock)
        for artifact, runtime, asked in contenders
    ]
    for each in turns:
        each.begin()
    take_turns(turns, protocol, note)
    after = machine_afterwards(target, read, before, [])
    return tuple(
        GenerationMeasurement(
            **recorded(each, target, clock, options, (before, after)),
            input_lengths=each.asked.workload.contexts,
            processes=tuple(each.results),
            workload=each.asked.workload,
            signature=each.asked.signature,
        )
        for each in turns
    )


def writing_limit_s(asked: GenerationAsked, protocol: Protocol, *, emulated: bool) -> float:
    """How long one process may take by this machine's clock."""
    expected = sum(len(each.ids) + each.decoding.max_tokens for each in asked.expected)
    tokens = expected + (1 + max(COUNTED_PASSES, LEAST_PASSES)) * asked.workload.asked_tokens
    return protocol.limit_s(emulated) + token_limit_s(tokens, emulated=emulated)


class _WritingTurns:
    """The processes of one contender."""

    def __init__(
        self,
        target: Target,
        artifact: RemoteArtifact,
        runtime: RemoteRuntime,
        asked: GenerationAsked,
        protocol: Protocol,
        options: RunOptions,
        clock: Clock,
    ) -> None:
        self.artifact, self.runtime, self.asked = artifact, runtime, asked
        self.results: list[GenerationProcess] = []
        self.cold: GenerationProcess | None = None
        self.took_s = 0.0
        self._target, self._protocol, self._options, self._clock = target, protocol, options, clock
        self._pass = asked.workload.one_pass(asked.ids)
        self._warming = self._counted = COUNTED_PASSES

    @property
    def count(self) -> int:
        """How many processes count."""
        return len(self.results)

    @property
    def is_enough(self) -> bool:
        """Whether there are as many as the protocol wants, and both kinds of times are known as well as it asks."""
        if len(self.results) < self._protocol.restarts:
            return False
        groups = ([each.first_token_ms for each in self.results], [each.token_ms for each in self.results])
        widths = [width for each in groups if (width := half_width(each)) is not None]
        return all(width <= self._protocol.precision for width in widths)

    def begin(self) -> None:
        """The first process: what it wrote is compared, and by how long that took later ones are planned.

        On a clock of instructions it counts itself: another would tell the same once more.
        """
        expected = tuple(self.asked.expected)
        if self._clock == "instructions":
            process = self._ran((*expected, *self._pass), COUNTED_PASSES, cold=False)
            self._accept(process)
            self.results.append(process)
            return
        process = self._ran(expected, 1, cold=self._protocol.cold)
        self._accept(process)
        if self._protocol.cold:
            self.cold = process
        self._plan(process.pass_s)

    def run(self) -> None:
        """One process more."""
        self.results.append(self._ran(self._pass * self._warming, self._counted, cold=False))

    def run_cold(self) -> None:
        """The first process was that."""

    def _accept(self, process: GenerationProcess) -> None:
        self.asked.accept(process.run.generated[: len(self.asked.expected)])

    def _plan(self, pass_s: float) -> None:
        """Passes that warm up, and those that count: enough samples and seconds, but no longer than is allowed."""
        protocol, seconds = self._protocol, max(pass_s, 1e-6)
        most = max(1, math.floor(protocol.max_seconds / seconds))
        samples = math.ceil(protocol.samples / self.asked.workload.samples)
        self._counted = min(max(LEAST_PASSES, samples, math.ceil(protocol.min_seconds / seconds)), most, _MOST_PASSES)
        self._warming = min(max(1, math.ceil(protocol.warmup_s / seconds)), most, _MOST_PASSES)

    def _ran(self, first: Sequence[Prompt], passes: int, *, cold: bool) -> GenerationProcess:
        """A process that writes after the `first` prompts, and then in so many passes, which alone count."""
        begun = time.monotonic()
        prompts = (*first, *self._pass * passes)
        limit_s = writing_limit_s(self.asked, self._protocol, emulated=self._target.emulated)
        document = prompts_document(without_stops(self.asked.signature), prompts)
        with prompts_job(self._target, self.artifact, document, self._options, cold=cold) as job:
            found = self._target.run(self._command(job, limit_s), timeout_s=limit_s)
        run = parse_generation(
            found,
            runtime=self.runtime.runtime.name,
            sha256=self.artifact.sha256,
            threads=self._options.threads,
            prompts=len(prompts),
        )
        self.took_s += time.monotonic() - begun
        return GenerationProcess.of(run, self.asked.workload, uncounted=len(first))

    def _command(self, job: PurePosixPath, limit_s: float) -> tuple[str, ...]:
        command = tuple(self.runtime.runtime.command(self.runtime.directory, job))
        alone = has_the_machine_alone(self._target, self._clock, self._options.threads)
        return tuple(undisturbed(command, limit_s=limit_s)) if alone else command


_MOST_PASSES = 500
