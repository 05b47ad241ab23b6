"""What was seen when an artifact ran on a target: every sample, the outputs, and the state of the machine.

In:  the result documents of a runner, and the machine's facts before and after.
Out: a `Measurement`, which may say of itself that it is not stable; statistics are computed from it, never stored.
How a measurement is taken is `protocol`'s concern; whether it is good enough is `budget`'s.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from statistics import median
from typing import Any, Literal

from toolchain.measure.results import OperatorTime, RunnerResult
from toolchain.measure.stats import Summary, by_input, summarize, variation_within

Clock = Literal["wall", "instructions"]

FLAGGED_VARIATION = 0.05
UNSTABLE_VARIATION = 0.10
LEAST_FREEDOM = 5
INTERRUPTED = 0.01  # this share of slowest samples is kept in every figure, but does not decide whether they repeat
THROTTLED_NOW = 0xF  # the Raspberry Pi firmware's bits: 0 to 3 say what is so now, 16 to 19 what has been since boot


@dataclass(frozen=True, kw_only=True)
class Stability:
    """Whether the samples can be trusted to repeat. `reasons` also holds what is worth a look in a stable one.

    `variation` is the coefficient of variation among runs of the same input; nan when no input ran twice.
    """

    stable: bool
    variation: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One artifact on one target. Times by the target's own clock, in ms; memory in bytes.

    `clock` is "instructions" where the target's clock counts instructions: such times compare with each other, and
    are no board's milliseconds. With a `batch` a sample is of so many examples at once, and `input_lengths` are sums
    over them; `examples` is how many inputs there are, where not as many as calls.
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
    runs: tuple[RunnerResult, ...]
    machine_before: Mapping[str, Any]
    machine_after: Mapping[str, Any]
    batch: int = 1
    examples: int | None = None

    @property
    def latency_ms(self) -> tuple[float, ...]:
        """Every sample of every run."""
        return tuple(chain.from_iterable(run.latency_ms for run in self.runs))

    @property
    def latency_by_input(self) -> list[list[float]]:
        """The samples of each input, of every run."""
        return by_input([run.latency_ms for run in self.runs], len(self.input_lengths))

    @property
    def latency(self) -> Summary | None:
        """The statistics of all samples; None when none were asked for."""
        return summarize(self.latency_ms)

    @property
    def load_ms(self) -> float:
        """The median over runs; the first run may have read the artifact from storage, the others did not."""
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
        """Resident memory before the model is loaded, with it, and after the last sample; the highest of all runs."""
        return {
            "start": max(run.rss_start_bytes for run in self.runs),
            "loaded": max(run.rss_loaded_bytes for run in self.runs),
            "steady": max(run.rss_steady_bytes for run in self.runs),
        }

    @property
    def outputs(self) -> tuple[tuple[float, ...], ...]:
        """The first run's outputs, one for each input."""
        return apart(self.runs[0].outputs, self.batch, self.examples or len(self.input_lengths))

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
        return judged(self.runs, len(self.input_lengths), self.machine_before, self.machine_after)

    @property
    def stable(self) -> bool:
        """Whether the samples can be trusted to repeat."""
        return self.stability.stable

    def document(self) -> dict[str, Any]:
        """What `bench --json` says of it; parity, budget and the bundle's name are added by who knows them."""
        latency, stability = self.latency, self.stability
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
            "input_lengths": list(self.input_lengths),
            "latency_ms": {**shown, "samples": list(self.latency_ms)},
            "load_ms": self.load_ms,
            "first_inference_ms": self.first_inference_ms,
            "peak_rss_bytes": self.peak_rss_bytes,
            "rss_bytes": dict(self.rss_bytes),
            "runs": [len(run.latency_ms) for run in self.runs],
            "stable": stability.stable,
            "variation": None if math.isnan(stability.variation) else stability.variation,
            "reasons": list(stability.reasons),
            "machine": dict(self.machine_before),
            "machine_after": dict(self.machine_after),
        }


def apart(outputs: Sequence[tuple[float, ...]], batch: int, examples: int) -> tuple[tuple[float, ...], ...]:
    """One output for each example, of calls of `batch` examples each, of which the last may have been filled up."""
    if batch == 1:
        return tuple(outputs)
    rows = [
        output[len(output) * row // batch : len(output) * (row + 1) // batch]
        for output in outputs
        for row in range(batch)
    ]
    return tuple(rows[:examples])


def clock_of(address: str) -> Clock:
    """The clock a target is measured by: an emulated machine counts instructions, any other has the wall's."""
    return "instructions" if address.startswith("emulated:") else "wall"


def judged(runs: Sequence[RunnerResult], inputs: int, before: Mapping[str, Any], after: Mapping[str, Any]) -> Stability:
    """Apply the thresholds: above 5 % variation is flagged; above 10 %, or any new throttling, is not stable."""
    faults: list[str] = []
    notes: list[str] = []
    variation, freedom = variation_within(by_input([run.latency_ms for run in runs], inputs), interrupted=INTERRUPTED)
    if not any(run.latency_ms for run in runs):
        faults.append("no samples were taken")
    elif freedom < LEAST_FREEDOM:
        faults.append(f"{sum(len(run.latency_ms) for run in runs)} samples of {inputs} inputs are too few to judge")
    elif variation > UNSTABLE_VARIATION:
        faults.append(f"latency varies by {variation:.1%}, more than {UNSTABLE_VARIATION:.0%}")
    elif variation > FLAGGED_VARIATION:
        notes.append(f"latency varies by {variation:.1%}, more than {FLAGGED_VARIATION:.0%}")
    if any(run.outputs != runs[0].outputs for run in runs):
        notes.append("outputs differ from one process to the next")
    faults.extend(throttling(before, after))
    return Stability(stable=not faults, variation=variation, reasons=(*faults, *notes))


def throttling(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What the firmware's throttling word says against a measurement; nothing where there is no such word."""
    words = [machine.get("throttling") for machine in (before, after)]
    if not all(isinstance(word, Mapping) for word in words):
        return []
    earlier, later = (int(str(word["raw"]), 16) for word in words if isinstance(word, Mapping))
    found = []
    if new := later & ~earlier:
        found.append(f"the board was throttled while it was measured (new bits {new:#x})")
    if lasting := earlier & later & THROTTLED_NOW:
        found.append(f"the board was throttled before it was measured (bits {lasting:#x})")
    return found
