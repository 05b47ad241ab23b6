"""What was seen when an artifact wrote text on a target: every time, by length of prompt and by context.

In:  processes that wrote by a workload, and the machine's facts before and after.
Out: a `GenerationMeasurement`; statistics are computed from it, never stored.
Milliseconds of a clock that counts instructions are told as instructions: no rate is reckoned from them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import chain

from typing_extensions import override

from edgewright.base.json_values import JsonObject
from edgewright.measure.generation_process import GenerationProcess
from edgewright.measure.generation_workload import GenerationWorkload
from edgewright.measure.measurement import Measurement, apart_from_others
from edgewright.measure.stability import Stability, repeats
from edgewright.measure.stats import Summary, percentile, summarize
from edgewright.specs.profiles import Clock
from edgewright.specs.signature import Signature

INSTRUCTIONS_PER_MS = 500_000  # of the clock that counts instructions, 2 ns each


@dataclass(frozen=True, kw_only=True)
class PromptFigures:
    """Prompts of so many `tokens`: the time to a first token, by process, and to read one."""

    tokens: int
    clock: Clock
    runs_ms: tuple[tuple[float, ...], ...]
    first_token: Summary
    prefill_ms: float

    @property
    def prefill_tokens_per_second(self) -> float | None:
        """By the median; None on a clock of instructions."""
        return None if self.clock == "instructions" else _rate(self.tokens, self.prefill_ms)

    def document(self) -> JsonObject:
        """As `bench --json` prints it."""
        counted = self.clock == "instructions"
        return {
            "tokens": self.tokens,
            "first_token_ms": {**asdict(self.first_token), "runs": [list(run) for run in self.runs_ms]},
            "prefill_ms": self.prefill_ms,
            "prefill_tokens_per_second": self.prefill_tokens_per_second,
            "first_token_instructions": _instructions(self.first_token.p50) if counted else None,
            "prefill_instructions_per_token": _instructions(self.prefill_ms / self.tokens) if counted else None,
        }


@dataclass(frozen=True, kw_only=True)
class ContextFigures:
    """Tokens that were written where so many `tokens` stood before the last: the time of each, its percentiles.

    `read_bytes` is what one token reads: all weights, and the cache.
    """

    tokens: int
    clock: Clock
    token: Summary
    read_bytes: int

    @property
    def tokens_per_second(self) -> float | None:
        """By the median; None on a clock of instructions."""
        return None if self.clock == "instructions" else _rate(1, self.token.p50)

    @property
    def interval(self) -> tuple[float, float] | None:
        """That of the tokens a second, at 95 %."""
        if self.clock == "instructions" or self.token.low <= 0:
            return None
        return 1e3 / self.token.high, 1e3 / self.token.low

    @property
    def read_gb_s(self) -> float | None:
        """What is read of memory a second, in 10⁹ bytes, where every token reads it anew."""
        rate = self.tokens_per_second
        return None if rate is None else rate * self.read_bytes / 1e9

    def document(self) -> JsonObject:
        """As `bench --json` prints it."""
        counted = self.clock == "instructions"
        low, high = self.interval or (None, None)
        return {
            "tokens": self.tokens,
            "token_ms": asdict(self.token),
            "tokens_per_second": self.tokens_per_second,
            "tokens_per_second_low": low,
            "tokens_per_second_high": high,
            "instructions_per_token": _instructions(self.token.p50) if counted else None,
            "read_bytes_per_token": self.read_bytes,
            "read_gb_s": self.read_gb_s,
        }


@dataclass(frozen=True, kw_only=True)
class Bandwidth:
    """How many 10⁹ bytes one core copies a second, and who says so."""

    copy_gb_s: float
    source: str


@dataclass(frozen=True, kw_only=True)
class GenerationMeasurement(Measurement):
    """One artifact that generates on one target.

    `processes` are its `runs`. A sample of a latency is one token; `input_lengths` are the contexts at which they were
    written. `bandwidth` is the memory's, and `token_bytes` what a token reads of it, where they are known: else that is
    taken to be the artifact and all of the cache, which a step looks at however little of it is filled.
    """

    processes: tuple[GenerationProcess, ...]
    workload: GenerationWorkload
    signature: Signature
    bandwidth: Bandwidth | None = None
    token_bytes: int | None = None

    @property
    def context(self) -> int:
        """How many tokens a prompt and what follows may have together."""
        assert self.signature.generation is not None
        return self.signature.generation.context

    @property
    def cache_bytes(self) -> int:
        """What the cache takes of the memory when it is full."""
        return self.signature.state_bytes

    @property
    def prompts(self) -> tuple[PromptFigures, ...]:
        """Of each length of prompts, rising."""
        apart = apart_from_others(self.clock, self.machine_before)
        found = []
        for place, length in enumerate(self.workload.prompts):
            runs = tuple(tuple(each.first_token_ms[place]) for each in self.processes)
            read = list(chain.from_iterable(each.prefill_ms[place] for each in self.processes))
            if (summary := summarize(runs, apart=apart)) is not None:
                figures = PromptFigures(
                    tokens=length, clock=self.clock, runs_ms=runs, first_token=summary, prefill_ms=percentile(read, 50)
                )
                found.append(figures)
        return tuple(found)

    @property
    def contexts(self) -> tuple[ContextFigures, ...]:
        """Of each context, rising."""
        apart = apart_from_others(self.clock, self.machine_before)
        found = []
        for place, length in enumerate(self.workload.contexts):
            summary = summarize([each.token_ms[place] for each in self.processes], apart=apart)
            if summary is not None:
                read = self.token_bytes or self.artifact_bytes + self.cache_bytes
                found.append(ContextFigures(tokens=length, clock=self.clock, token=summary, read_bytes=read))
        return tuple(found)

    @property
    def first_token_ms(self) -> float | None:
        """At the typical length, as a budget asks; None on a clock of instructions."""
        if self.clock == "instructions":
            return None
        return next(each.first_token.p50 for each in self.prompts if each.tokens == self.workload.typical)

    @property
    def tokens_per_second(self) -> float | None:
        """At the slowest context, as a budget asks; None on a clock of instructions."""
        rates = [rate for each in self.contexts if (rate := each.tokens_per_second) is not None]
        return min(rates, default=None)

    @property
    @override
    def energy_mj(self) -> dict[str, float]:
        """None: prompts are read and tokens written within what a meter counts as one."""
        return {}

    @property
    @override
    def stability(self) -> Stability:
        """That of the tokens, and whether times to a first token repeat as well."""
        of_tokens = super().stability
        groups = [
            list(chain.from_iterable(each.first_token_ms[place] for each in self.processes))
            for place in range(len(self.workload.prompts))
        ]
        faults, notes = repeats(groups, "the time to a first token")
        return Stability(
            stable=of_tokens.stable and not faults,
            variation=of_tokens.variation,
            reasons=(*of_tokens.reasons, *faults, *notes),
        )

    def with_memory(self, bandwidth: Bandwidth | None, *, token_bytes: int | None) -> GenerationMeasurement:
        """The same, with what is known of the machine's memory, and of what a token reads of it."""
        return replace(self, bandwidth=bandwidth, token_bytes=token_bytes)

    @override
    def document(self) -> JsonObject:
        """What `bench --json` says of it: `latency_ms` is of one token, and `generation` has the rest."""
        return {**super().document(), "generation": self._generation()}

    def _generation(self) -> JsonObject:
        known = self.bandwidth
        contexts = self.contexts
        fastest = max((each.read_gb_s or 0.0 for each in contexts), default=0.0)
        return {
            "context_tokens": self.context,
            "typical_prompt_tokens": self.workload.typical,
            "first_token_ms": self.first_token_ms,
            "tokens_per_second": self.tokens_per_second,
            "prompts": [each.document() for each in self.prompts],
            "contexts": [each.document() for each in contexts],
            "cache_bytes": self.cache_bytes,
            "bandwidth_gb_s": known.copy_gb_s if known else None,
            "bandwidth_source": known.source if known else None,
            "bandwidth_share": fastest / known.copy_gb_s if known and fastest else None,
        }


def _rate(count: int, ms: float) -> float | None:
    return 1e3 * count / ms if ms > 0 else None


def _instructions(ms: float) -> int:
    return round(ms * INSTRUCTIONS_PER_MS)
