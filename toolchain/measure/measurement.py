"""What was seen when an artifact ran on a target: every sample, the outputs, and the state of the machine.

In:  the result documents of a runner, and the machine's facts before and after.
Out: a `Measurement`; statistics are computed from it, never stored.
How a measurement is taken is `protocol`'s concern, whether it can be trusted `stability`'s, whether it is good enough
`budget`'s.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import chain
from statistics import median
from typing import Self

from edgewright.base.fields import Fields
from edgewright.base.json_values import JsonObject
from edgewright.measure.phase_memory import Phases, highest
from edgewright.measure.runner_documents import OperatorTime
from edgewright.measure.runner_process import RunnerProcess
from edgewright.measure.stability import Stability, judged
from edgewright.measure.stats import Grouped, Summary, by_input, by_run_and_input, summarize
from edgewright.specs.profiles import Clock
from edgewright.specs.signature import Array

# By what share two measurements of the same artifact on the same undisturbed machine may differ, minutes apart, beyond
# what the processes of either show. No one measurement can tell, so it is allowed for. A virtual machine's speed is its
# host's to change: on one `tests.benchmarks.measurement --intervals` found quiet medians 5.6 % apart in ten minutes.
APART, VIRTUAL_APART = 0.02, 0.04


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One artifact on one target. Times by the target's own clock, in ms; memory in bytes.

    `clock` is "instructions" where the target's clock counts instructions: such times compare with each other, and
    are no board's milliseconds. A sample is one call, of a `batch` of examples; `input_lengths` are how many numbers
    each call takes. `cores` are those it was kept to; `cold` is of a first process whose artifact came from storage,
    and counts for nothing else; `took_s` is by the clock of whoever drove the target.
    """

    artifact: str
    artifact_bytes: int
    runtime: str
    runtime_version: str
    sha256: str
    target: str
    emulated: bool
    clock: Clock
    threads: int
    input_lengths: tuple[int, ...]
    runs: tuple[RunnerProcess, ...]
    machine_before: JsonObject
    machine_after: JsonObject
    batch: int = 1
    cores: tuple[int, ...] = ()
    cold: RunnerProcess | None = None
    took_s: float | None = None

    @property
    def latency_ms(self) -> tuple[float, ...]:
        """Every sample of every run."""
        return tuple(chain.from_iterable(run.latency_ms for run in self.runs))

    @property
    def latency_by_input(self) -> list[list[float]]:
        """The samples of each input, of every run."""
        return by_input([run.latency_ms for run in self.runs], len(self.input_lengths))

    @property
    def grouped_ms(self) -> Grouped:
        """The samples by run, and in it by input."""
        return by_run_and_input([run.latency_ms for run in self.runs], len(self.input_lengths))

    @property
    def latency(self) -> Summary | None:
        """The statistics of all samples; None when none were asked for."""
        return summarize(
            [run.latency_ms for run in self.runs], apart=apart_from_others(self.clock, self.machine_before)
        )

    @property
    def load_ms(self) -> float:
        """The median over runs, of an artifact that the kernel's cache holds."""
        return median(run.load_ms for run in self.runs)

    @property
    def first_inference_ms(self) -> float:
        """The median over runs."""
        return median(run.first_inference_ms for run in self.runs)

    @property
    def peak_rss_bytes(self) -> int:
        """The highest of all runs."""
        return max(run.peak_rss_bytes for run in self.runs)

    @property
    def rss_bytes(self) -> Mapping[str, int]:
        """Resident memory at the end of each phase; the highest of all runs."""
        return {phase: kinds["rss_bytes"] for phase, kinds in self.memory.items() if "rss_bytes" in kinds}

    @property
    def memory(self) -> Phases:
        """Of each phase what was resident at its end, anonymous and of files, and its peak; the highest of all runs.

        "start" is the runner alone, before it loads a model. What the kernel does not tell is not there.
        """
        return highest(chain.from_iterable(run.memory for run in self.runs))

    @property
    def energy_mj(self) -> Mapping[str, float]:
        """What each meter of the machine counted for one inference, in mJ, everything else that ran included."""
        inferences = sum(len(run.latency_ms) for run in self.runs if run.sampling and run.sampling.energy)
        joules: dict[str, float] = {}
        for run in self.runs:
            for each in run.sampling.energy if run.sampling else ():
                joules[each.source] = joules.get(each.source, 0.0) + each.joules
        return {source: 1000 * spent / inferences for source, spent in joules.items()}

    @property
    def outputs(self) -> tuple[Mapping[str, Array], ...]:
        """The first run's outputs of each call, by their names."""
        return self.runs[0].arrays

    @property
    def examples_per_second(self) -> float | None:
        """How many inputs are answered, by the median of all samples; None when none were asked for."""
        return 1e3 * self.batch / self.latency.p50 if self.latency and self.latency.p50 else None

    @property
    def operators(self) -> tuple[OperatorTime, ...]:
        """What each kind takes of an inference, a mean over runs, the longest first; empty where not asked for."""
        kinds: dict[tuple[str, bool], list[OperatorTime]] = {}
        for each in chain.from_iterable(run.operators for run in self.runs):
            kinds.setdefault((each.name, each.delegated), []).append(each)
        means = [
            each[0].model_copy(update={"ms": sum(one.ms for one in each) / len(self.runs)}) for each in kinds.values()
        ]
        return tuple(sorted(means, key=lambda each: -each.ms))

    @property
    def profiled_ms(self) -> float | None:
        """A whole inference while its operators are timed, a mean over runs; None where they were not."""
        found = [run.profiled_ms for run in self.runs if run.profiled_ms is not None]
        return sum(found) / len(found) if found else None

    @property
    def stability(self) -> Stability:
        """The judgement on the samples and the machine's state."""
        return judged(
            self.runs,
            inputs=len(self.input_lengths),
            before=self.machine_before,
            after=self.machine_after,
            by_instructions=self.clock == "instructions",
        )

    @property
    def stable(self) -> bool:
        """Whether the samples can be trusted to repeat."""
        return self.stability.stable

    def with_fault(self, fault: str) -> Self:
        """The same with one reason more, of what failed once the samples were taken."""
        faults = [*Fields(self.machine_after).texts("faults"), fault]
        return replace(self, machine_after={**self.machine_after, "faults": faults})

    def document(self) -> JsonObject:
        """What `bench --json` says of it; parity, budget and the bundle's name are added by who knows them."""
        latency, stability, cold = self.latency, self.stability, self.cold
        shown = asdict(latency) if latency else {}
        return {
            "target": self.target,
            "emulated": self.emulated,
            "clock": self.clock,
            "artifact": {
                "runtime": self.runtime,
                "runtime_version": self.runtime_version,
                "file": self.artifact,
                "bytes": self.artifact_bytes,
                "sha256": self.sha256,
            },
            "threads": self.threads,
            "batch": self.batch,
            "examples_per_second": self.examples_per_second,
            "cores": list(self.cores),
            "input_lengths": list(self.input_lengths),
            "latency_ms": {**shown, "samples": list(self.latency_ms)},
            "load_ms": self.load_ms,
            "first_inference_ms": self.first_inference_ms,
            "peak_rss_bytes": self.peak_rss_bytes,
            "rss_bytes": dict(self.rss_bytes),
            "memory": {phase: dict(kinds) for phase, kinds in self.memory.items()},
            "energy_mj": dict(self.energy_mj),
            "cold": {"load_ms": cold.load_ms, "first_inference_ms": cold.first_inference_ms} if cold else None,
            "took_s": self.took_s,
            "runs": [len(run.latency_ms) for run in self.runs],
            "stable": stability.stable,
            "variation": None if math.isnan(stability.variation) else stability.variation,
            "reasons": list(stability.reasons),
            "machine": dict(self.machine_before),
            "machine_after": dict(self.machine_after),
            "machine_during": [run.sampling.model_dump() if run.sampling else None for run in self.runs],
        }


def apart_from_others(clock: Clock, machine: Mapping[str, object]) -> float:
    """By what share a measurement may differ from others like it; a clock of instructions differs by nothing."""
    if clock == "instructions":
        return 0.0
    return VIRTUAL_APART if "hypervisor" in Fields(machine).texts("cpu_features") else APART


def clock_of(address: str) -> Clock:
    """The clock a target is measured by: an emulated machine counts instructions, any other has the wall's."""
    return "instructions" if address.startswith("emulated:") else "wall"
